//! The sensor's user-space side, in the order of a packet's path.
//!
//! A room imports only from the rooms above it in this list; `cargo xtask tidy` checks that.
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic"))]

pub mod clock;
pub mod config;
pub mod duration;
pub mod prefix;
pub mod printable;
#[cfg(test)]
mod random;

pub mod groups;

pub mod kernel;

pub mod confine;

pub mod capture;

pub mod stream;

pub mod tls;

pub mod http;

pub mod values;

pub mod identity;

pub mod route;

pub mod inspect;

pub mod event;

pub mod posture;

pub mod pipeline;

pub mod detect;

pub mod decide;

pub mod enforce;

pub mod suggest;

pub mod store;

pub mod notify;

pub mod fleet;

pub mod crowdsec;

pub mod metrics;

pub mod control;

pub mod daemon;

pub mod tui;

pub mod cli;
