//! The only definition of the toolchain that builds eBPF programs, and of the commands' other requirements ([`needs`]).
//!
//! Two kinds of machine build them:
//!
//! * one with a rustup nightly and its `rust-src` component, where cargo builds `core` itself;
//! * one with Debian's `rustc-web`, `cargo-web` and `libstd-rust-web-dev-bpf`, which bring a `core` built
//!   for the BPF target, linked into rustup under the name [`LINKED`].
//!
//! Both need `bpf-linker`. `cargo xtask setup` installs what is missing; [`find`] only looks.

mod build;
mod find;
mod needs;

pub use build::{TARGET_DIR_OVERRIDE, build, clippy};
pub use find::{
    BpfToolchain, Compiler, LINKED, Missing, NAME_OVERRIDE, NIGHTLY, find, find_compiler, find_linker,
};

pub use needs::{Need, Purpose, needs};

/// The target that the kernel of a little-endian host loads.
pub const TARGET: &str = "bpfel-unknown-none";

/// Where Debian's packages put the compiler; the sysroot that [`LINKED`] points to.
pub const DEBIAN_PREFIX: &str = "/usr";
