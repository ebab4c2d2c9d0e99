//! The API on a unix socket: wire types, server, client.
//!
//! One request is one line of JSON, and so is its answer. The socket's file mode says who may connect; the
//! server checks the peer's credentials besides, and notes them with each change.

mod client;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod server;
pub mod wire;

pub use client::{Client, ClientError, read};
pub use server::{BindError, Handle, Peer, Server};
