//! Support for the tests that need a kernel or a network.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's support may panic: that is how a test fails"
)]

pub mod captures;
pub mod container;
pub mod daemon;
pub mod inside;
pub mod netns;
pub mod peers;
pub mod scene;
pub mod seen;
pub mod tmux;
pub mod tools;
pub mod wait;
pub mod watched;

pub mod fixtures;
pub mod flow;
pub mod hostile;
pub mod mirror;
pub mod mmdb;
pub mod model;
pub mod packet;
pub mod plane;
pub mod process;

pub mod sim;
