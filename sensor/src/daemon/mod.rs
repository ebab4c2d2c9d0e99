//! The daemon: joins the rooms, and ends in order.

mod background;
mod commands;
mod config;
mod deciding;
mod engine;
mod ports;
mod recall;
mod records;
mod reports;
mod responder;
mod run;
mod sense;
mod sensing;
mod source;
mod surroundings;
mod web;

pub use config::{Config, LogFormat, Paths};
pub use run::{RunOptions, run};
pub use sense::{KeyError, Ports, SenseConfig, read_key};
pub use source::{ConfigSource, Overrides};
