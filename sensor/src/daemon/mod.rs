//! The daemon: joins the rooms, and ends in order.

mod background;
mod burst;
mod commands;
mod conclude;
mod config;
mod deciding;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod instructing;
mod observing;
mod ports;
mod recall;
mod records;
mod reference;
mod reload;
mod reports;
mod responder;
mod routes;
mod run;
mod scrape;
mod sense;
mod sensing;
mod source;
mod supervisor;
mod surroundings;
mod web;

pub use config::{Config, LogFormat, Paths};
pub use reference::{Described, presets, reference};
pub use run::{RunOptions, run};
pub use sense::{KeyError, Ports, SenseConfig, read_key};
pub use source::{ConfigSource, Overrides};
pub use web::{TlsFiles, WebConfig};
