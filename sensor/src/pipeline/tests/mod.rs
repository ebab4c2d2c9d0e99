//! The rooms joined, from segments on the wire.

mod held;
mod posture;
mod records;
mod sockets;

use super::*;
