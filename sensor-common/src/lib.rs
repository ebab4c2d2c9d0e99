//! What the kernel side and the user-space side of the sensor share.
//!
//! Everything here is `no_std` and pure: no I/O, no clock, no allocation. The eBPF programs run this same code, so it
//! stays within the limits of the BPF target: no 128-bit arithmetic and no panic on a packet's path, and no division but
//! in [`limit::Quota::part`], for hosts that limit sites.
//!
//! Architecture invariant: nothing here refers to maps, sockets or configuration files.
#![no_std]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic"))]

pub mod abi;
pub mod limit;
pub mod packet;
pub mod table;
