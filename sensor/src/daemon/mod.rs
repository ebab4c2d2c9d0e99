//! The daemon: joins the rooms, and ends in order.

mod background;
mod burst;
mod commands;
mod conclude;
mod config;
mod confining;
mod deciding;
mod degraded;
mod engine;
mod failures;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod instructing;
mod keeping;
mod key;
mod learned;
mod logging;
mod observing;
mod operators;
mod places;
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
mod unit;
mod user;
mod watcher;
mod web;

pub use config::{Config, LogFormat, Paths};
pub use key::{KeyError, read_key};
pub use reference::{Described, presets, reference};
pub use run::{RunOptions, run};
pub use sense::{Ports, SenseConfig};
pub use source::{ConfigSource, Overrides};
pub use web::{TlsFiles, WebConfig};
