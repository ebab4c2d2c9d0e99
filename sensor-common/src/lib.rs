//! What the kernel side and the user-space side of the sensor must agree on.
//!
//! Everything here is `no_std` and pure: no I/O, no clock, no allocation. The eBPF programs run this very
//! code, so it also keeps to what the BPF target can do: no 128-bit arithmetic, division or panic on the
//! paths a packet takes.
//!
//! Architecture invariant: nothing here knows about maps, sockets or configuration files.
#![no_std]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic"))]

pub mod abi;
pub mod limit;
pub mod packet;
pub mod table;
