//! The sensor's data plane, as measured.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use sensor::kernel::{ClientPrefixes, Dataplane, LoadOptions, Tuning, XdpChoice};
use sensor_common::abi::{Reason, ScopeLimits, programs};
use sensor_common::limit::{Period, Quota, Rate};

use crate::contest::Program;

/// The client of the measurements with one client.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// Index of the limits that apply outside every scope.
const DEFAULT_SCOPE: u32 = 0;

/// What a client may send; `None` for no limit in that dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Packets and their burst.
    pub(crate) packets: Rate,
    /// All four dimensions, or only packets.
    pub(crate) all_dimensions: bool,
}

impl Limits {
    /// Limits in all four dimensions that no measurement reaches.
    pub(crate) fn generous() -> Result<Self> {
        Ok(Self { packets: Rate::new(100_000_000, Period::Second, None)?, all_dimensions: true })
    }

    fn quotas(self, tick_ns: u64) -> Result<ScopeLimits> {
        let packets = Quota::of_units(self.packets, tick_ns);
        if !self.all_dimensions {
            return Ok(ScopeLimits { quotas: [packets, Quota::OFF, Quota::OFF, Quota::OFF] });
        }
        let bits = Quota::of_bits(Rate::new(Rate::MAX_COUNT, Period::Second, None)?, tick_ns);
        let others = Quota::of_units(Rate::new(100_000_000, Period::Second, None)?, tick_ns);
        Ok(ScopeLimits { quotas: [packets, bits, others, others] })
    }
}

/// A data plane in `enforce` mode, with tables of the default size, the kernel's own clock and no prefixes.
pub(crate) struct Plane {
    /// The data plane.
    pub(crate) dataplane: Dataplane,
    /// Its program, for others to call.
    pub(crate) program: ProgramFd,
}

impl Plane {
    /// Loads it and serves an interface; the frames of `BPF_PROG_TEST_RUN` appear to come from `lo`.
    pub(crate) fn load(interface: &str, limits: Limits) -> Result<Self> {
        let mut dataplane = Dataplane::load(&LoadOptions::default())?;
        dataplane.tune(&tuning(0)?);
        dataplane.set_enforce(true);
        let tick_ns = dataplane.settings().tick_ns;
        dataplane.scopes.set(DEFAULT_SCOPE, limits.quotas(tick_ns)?)?;
        dataplane.publish_policy(0, DEFAULT_SCOPE);
        dataplane.attach(&[interface.to_owned()], XdpChoice::Auto)?;
        // The measurement is about outside traffic, whatever interface stands for it.
        dataplane.set_loopback(0);
        let program = dataplane.ebpf().program(programs::XDP).context("no program")?.fd()?.try_clone()?;
        Ok(Self { dataplane, program })
    }

    /// Limits each IPv4 /24 to so many times what a client may send.
    pub(crate) fn limit_sites(&self, times: u32) -> Result<()> {
        self.dataplane.tune(&tuning(times)?);
        Ok(())
    }

    /// Says which tries have entries; the default limits stay.
    pub(crate) fn publish(&self, prefixes: u32) {
        self.dataplane.publish_policy(prefixes, DEFAULT_SCOPE);
    }

    /// Has a client admitted: it takes two frames.
    pub(crate) fn admit(&self, address: Ipv4Addr, frame: &[u8]) -> Result<()> {
        self.contestant().run(frame, 2)?;
        ensure!(self.knows(address), "{address} is not in the client table after two frames");
        Ok(())
    }

    /// The program, to be measured.
    pub(crate) const fn contestant(&self) -> Program<'_> {
        Program::Sensor(&self.dataplane)
    }

    /// Whether a client is in the table.
    pub(crate) fn knows(&self, address: Ipv4Addr) -> bool {
        self.dataplane.clients().get(IpAddr::V4(address)).is_ok_and(|found| found.is_some())
    }

    /// Runs `work`, and checks that the program counted as many frames as `expected`, and for each reason at least the
    /// given share: otherwise the row would have measured something else.
    pub(crate) fn expecting<T>(
        &self,
        expected: &[(Reason, u64, f64)],
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let before = self.counted()?;
        let done = work()?;
        let after = self.counted()?;
        let grown = |reason| {
            let of = |counted: &BTreeMap<Reason, u64>| counted.get(reason).copied().unwrap_or(0);
            of(&after).saturating_sub(of(&before))
        };
        let all: u64 = Reason::ALL.iter().map(grown).sum();
        let sent: u64 = expected.iter().map(|(_, frames, _)| frames).sum();
        ensure!(all == sent, "the program counted {all} frames where {sent} were sent");
        for (reason, frames, least) in expected {
            let share = ratio(grown(reason), *frames);
            ensure!(share >= *least, "of {frames} frames only {share:.3} were counted as {}", reason.label());
        }
        Ok(done)
    }

    /// Frames so far, by reason.
    pub(crate) fn counted(&self) -> Result<BTreeMap<Reason, u64>> {
        let slot = self.dataplane.attachments().first().context("no interface is served")?.slot;
        let mut counted = BTreeMap::new();
        for found in self.dataplane.counters().of_interface(slot)? {
            *counted.entry(found.reason).or_insert(0) += found.counter.packets;
        }
        Ok(counted)
    }
}

fn tuning(ipv4_site_times: u32) -> Result<Tuning> {
    Ok(Tuning {
        newcomers: Some(Rate::new(100_000, Period::Second, None)?),
        newcomers_per_network: Some(Rate::new(20_000, Period::Second, None)?),
        ipv4_site_times,
        ipv6_site_times: 0,
        syn_cookies: false,
        notices: Rate::new(100, Period::Second, None)?,
        prefixes: ClientPrefixes::default(),
    })
}

/// One number over another.
#[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^52")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
