//! Errors between the daemon and the kernel.

use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

/// An error of this room. Each names the object it is about.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The object could not be read, or its maps could not be created.
    #[error("cannot load the eBPF object: {0}")]
    Object(Box<EbpfError>),
    /// The verifier rejected a program, or the kernel lacks a feature that it needs.
    #[error("the kernel refused program `{program}`: {source}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// The kernel's answer, with the end of the verifier's log.
        source: Box<ProgramError>,
    },
    /// A map operation failed.
    #[error("map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// The kernel's answer.
        source: Box<MapError>,
    },
    /// A map is missing from the object, or is of another type.
    #[error("the eBPF object has no map {0}; sensor and its object do not match")]
    NoMap(&'static str),
    /// A table has no room for another entry.
    #[error("{what} is full: {capacity} entries; raise `{key}` in the configuration and restart")]
    Full {
        /// The table.
        what: &'static str,
        /// Its bound.
        capacity: u32,
        /// The configuration key that sets the bound.
        key: &'static str,
    },
    /// No such interface.
    #[error("no interface `{0}`; `ip link` lists those that exist")]
    UnknownInterface(String),
    /// More interfaces than the data plane can serve.
    #[error("{0} interfaces; one daemon serves at most 16")]
    TooManyInterfaces(usize),
    /// The interface cannot be an inner one.
    #[error(
        "http.inner_interfaces: frames of `{0}` have no Ethernet header; name loopback, a bridge or a veth"
    )]
    NotInner(String),
    /// Attaching failed.
    #[error("cannot attach to {interface} in {mode} mode: {source}{hint}")]
    Attach {
        /// Name of the interface.
        interface: String,
        /// `native` or `generic`.
        mode: &'static str,
        /// The kernel's answer.
        source: Box<ProgramError>,
        /// A remedy, if known.
        hint: &'static str,
    },
    /// Another daemon holds the pin directory.
    #[error("another sensor uses the pin directory {0}; use `--pin-dir` to run a second one")]
    PinsInUse(PathBuf),
    /// A pin could not be read, written or removed.
    #[error("{path}: {what}: {source}")]
    Pin {
        /// Where.
        path: PathBuf,
        /// The operation.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The operation.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl KernelError {
    /// For `map_err` on map operations.
    pub(super) fn map(map: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Map { map, source: Box::new(source) }
    }

    /// For `map_err` on programs.
    pub(super) fn program(program: &'static str) -> impl FnOnce(ProgramError) -> Self {
        move |source| Self::Program { program, source: Box::new(source) }
    }

    /// For `map_err` on system calls.
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
