//! The daemon: joins the rooms, and ends in order.

mod background;
mod commands;
mod config;
mod deciding;
mod engine;
mod ports;
mod records;
mod reference;
mod reload;
mod reports;
mod responder;
mod run;
mod sense;
mod sensing;
mod source;
mod web;

pub use config::{Config, LogFormat, Paths};
pub use reference::{Described, presets, reference};
pub use run::{RunOptions, run};
pub use sense::{KeyError, Ports, SenseConfig, read_key};
pub use source::{ConfigSource, Overrides};
