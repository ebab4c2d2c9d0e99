//! The benchmarks' own eBPF programs.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use aya::maps::ProgramArray;
use aya::programs::{ProgramFd, Xdp};
use aya::{Ebpf, EbpfLoader};

use crate::contest::Program;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/testplane"));

/// The order in which sources follow one another; the numbers are those of the eBPF side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Any of them, each time anew.
    Random = 0,
    /// Upwards, each twice in a row.
    Pairs = 1,
    /// Every one once before any returns.
    Scattered = 2,
}

/// Addresses from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources {
    /// The lowest.
    pub(crate) first: Ipv4Addr,
    /// How many; a power of two for [`Order::Scattered`].
    pub(crate) count: u32,
    /// In which order.
    pub(crate) order: Order,
}

/// What the programs are told when they are loaded, by the names of their globals.
#[derive(Clone, Copy, Default)]
struct Globals {
    first_source: u32,
    sources: u32,
    source_order: u32,
    out_interface: u32,
}

impl From<Sources> for Globals {
    fn from(sources: Sources) -> Self {
        Self {
            first_source: sources.first.to_bits(),
            sources: sources.count,
            source_order: sources.order as u32,
            out_interface: 0,
        }
    }
}

/// The object, and one program of it in use.
pub(crate) struct Testplane {
    ebpf: Ebpf,
    program: &'static str,
}

impl Testplane {
    /// The program that passes everything.
    pub(crate) fn empty_pass() -> Result<Self> {
        Self::load("empty_pass", Globals::default())
    }

    /// The program that drops everything.
    pub(crate) fn empty_drop() -> Result<Self> {
        Self::load("empty_drop", Globals::default())
    }

    /// The program that varies the source and calls `target`.
    pub(crate) fn varied_source(sources: Sources, target: &ProgramFd) -> Result<Self> {
        let mut testplane = Self::load("varied_source", Globals::from(sources))?;
        let map = testplane.ebpf.map_mut("TARGET").context("no map TARGET")?;
        let mut targets = ProgramArray::try_from(map)?;
        targets.set(0, target, 0).context("the programs do not agree in `frags`")?;
        Ok(testplane)
    }

    /// The program that varies the source and sends the frame out of an interface.
    pub(crate) fn generate(sources: Sources, out_interface: u32) -> Result<Self> {
        Self::load("generate", Globals { out_interface, ..Globals::from(sources) })
    }

    fn load(program: &'static str, globals: Globals) -> Result<Self> {
        let ebpf = EbpfLoader::new()
            .override_global("FIRST_SOURCE", &globals.first_source, true)
            .override_global("SOURCES", &globals.sources, true)
            .override_global("SOURCE_ORDER", &globals.source_order, true)
            .override_global("OUT_INTERFACE", &globals.out_interface, true)
            .load(OBJECT)?;
        let mut testplane = Self { ebpf, program };
        testplane.xdp_mut()?.load().with_context(|| format!("loading {program}"))?;
        Ok(testplane)
    }

    /// The program, to be measured.
    pub(crate) fn program(&self) -> Result<Program<'_>> {
        Ok(Program::Own(self.xdp()?))
    }

    /// The program.
    pub(crate) fn xdp(&self) -> Result<&Xdp> {
        Ok(self.ebpf.program(self.program).context("no such program")?.try_into()?)
    }

    /// The program, to attach it.
    pub(crate) fn xdp_mut(&mut self) -> Result<&mut Xdp> {
        Ok(self.ebpf.program_mut(self.program).context("no such program")?.try_into()?)
    }
}
