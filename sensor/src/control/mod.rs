//! The API on a unix socket: wire types, server, client.
//!
//! One request is one line of JSON, and so is its answer. The socket's file mode decides who may connect; the server
//! asks the kernel for the peer's identity, which determines what it may do, and records it with each change.

mod client;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod group;
mod places;
mod server;
#[cfg(test)]
mod tests;
pub mod wire;

pub use client::{Client, ClientError, read};
pub use server::{Access, BindError, Handle, Peer, Server, user_name};
