//! The rooms joined, from segments on the wire.

mod held;
mod records;

use super::*;
