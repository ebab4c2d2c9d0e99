//! The daemon: joins the rooms, and ends in order.

mod background;
mod commands;
mod config;
mod deciding;
mod engine;
mod ports;
mod reports;
mod responder;
mod run;
mod sense;
mod sensing;
mod web;

pub use config::{Config, ConfigSource, LogFormat, Overrides, Paths};
pub use run::{RunOptions, run};
pub use sense::{KeyError, Ports, SenseConfig, read_key};
