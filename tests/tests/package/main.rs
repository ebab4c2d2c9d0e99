//! What is installed: packages, images, units, and the files that other programs read.

mod debian;
mod exports;
mod foreign_machine;
mod image;
mod schemas;
mod systemd;
