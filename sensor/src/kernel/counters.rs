//! Reads the per-CPU counters.

use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
use sensor_common::abi::{
    Counter, EVENTS, Event, Family, InterfaceSlot, Reason, Verdict, counter_index, maps,
};
use sensor_common::packet::Problem;

use super::error::KernelError;

/// Totals for one combination of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelledCounter {
    /// The interface, by its slot in the settings.
    pub interface: InterfaceSlot,
    /// Address family.
    pub family: Family,
    /// The action taken.
    pub verdict: Verdict,
    /// The reason.
    pub reason: Reason,
    /// Packets and bytes.
    pub counter: Counter,
}

/// The program's counters.
pub struct Counters {
    frames: PerCpuArray<MapData, Counter>,
    events: PerCpuArray<MapData, u64>,
}

/// Reasons that can occur with a verdict; other combinations never occur and are not read.
fn reasons_of(verdict: Verdict) -> &'static [Reason] {
    match verdict {
        Verdict::Pass => {
            &[Reason::None, Reason::Allowed, Reason::NotIp, Reason::Unparsed, Reason::OwnHost, Reason::Answer]
        }
        Verdict::Drop | Verdict::WouldDrop => &[
            Reason::Blocked,
            Reason::PacketRate,
            Reason::BitRate,
            Reason::ConnectionRate,
            Reason::RequestRate,
            Reason::NewcomerRate,
            Reason::HeaderDepth,
            Reason::SiteRate,
        ],
        Verdict::Answer => &[Reason::SynCookie],
    }
}

/// What can be counted of an interface.
pub fn combinations() -> impl Iterator<Item = (Family, Verdict, Reason)> {
    let of_family = |family| Verdict::ALL.into_iter().map(move |verdict| (family, verdict));
    Family::ALL.into_iter().flat_map(of_family).flat_map(|(family, verdict)| {
        let reasons = reasons_of(verdict).iter().copied();
        let possible = reasons.filter(move |reason| occurs(*reason, family));
        possible.map(move |reason| (family, verdict, reason))
    })
}

/// Too many tags hide the source address; extension headers occur only in IPv6.
const fn occurs(reason: Reason, family: Family) -> bool {
    match reason {
        Reason::NotIp | Reason::Unparsed => matches!(family, Family::Other),
        Reason::HeaderDepth => !matches!(family, Family::V4),
        Reason::None
        | Reason::Allowed
        | Reason::Blocked
        | Reason::PacketRate
        | Reason::BitRate
        | Reason::ConnectionRate
        | Reason::RequestRate
        | Reason::NewcomerRate
        | Reason::OwnHost
        | Reason::Answer
        | Reason::SynCookie
        | Reason::SiteRate => !matches!(family, Family::Other),
    }
}

impl Counters {
    pub(super) fn new(frames: Map, events: Map) -> Result<Self, KernelError> {
        Ok(Self {
            frames: PerCpuArray::try_from(frames).map_err(KernelError::map(maps::COUNTERS))?,
            events: PerCpuArray::try_from(events).map_err(KernelError::map(maps::EVENTS))?,
        })
    }

    /// The counters of one interface, for all combinations that can occur.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn of_interface(&self, interface: InterfaceSlot) -> Result<Vec<LabelledCounter>, KernelError> {
        let counters = combinations().map(|(family, verdict, reason)| {
            let counter = self.frame(interface, family, verdict, reason)?;
            Ok(LabelledCounter { interface, family, verdict, reason, counter })
        });
        counters.collect()
    }

    /// Packets of an interface with a verdict for a reason.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn shed(
        &self,
        interface: InterfaceSlot,
        verdict: Verdict,
        reason: Reason,
    ) -> Result<u64, KernelError> {
        let families = Family::ALL.into_iter().filter(|family| occurs(reason, *family));
        families.map(|family| Ok(self.frame(interface, family, verdict, reason)?.packets)).sum()
    }

    fn frame(
        &self,
        interface: InterfaceSlot,
        family: Family,
        verdict: Verdict,
        reason: Reason,
    ) -> Result<Counter, KernelError> {
        let index = counter_index(interface, family as u32, verdict, reason);
        let per_cpu = self.frames.get(&index, 0).map_err(KernelError::map(maps::COUNTERS))?;
        Ok(per_cpu.iter().fold(Counter::default(), |sum, cpu| Counter {
            packets: sum.packets.saturating_add(cpu.packets),
            bytes: sum.bytes.saturating_add(cpu.bytes),
        }))
    }

    /// Resets the counters of an interface slot, so that another interface can use it.
    pub(super) fn reset(&mut self, interface: InterfaceSlot) -> Result<(), KernelError> {
        let cpus = aya::util::nr_cpus()
            .map_err(|(_, source)| KernelError::System { what: "counting CPUs".to_owned(), source })?;
        for counter in self.of_interface(interface)?.iter().filter(|found| found.counter.packets > 0) {
            let index = counter_index(interface, counter.family as u32, counter.verdict, counter.reason);
            let zero = PerCpuValues::try_from(vec![Counter::default(); cpus])
                .map_err(KernelError::system("clearing counters"))?;
            self.frames.set(index, zero, 0).map_err(KernelError::map(maps::COUNTERS))?;
        }
        Ok(())
    }

    /// How often an event happened.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn event(&self, event: Event) -> Result<u64, KernelError> {
        self.event_at(event as u32)
    }

    /// How many frames had a problem.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn problem(&self, problem: Problem) -> Result<u64, KernelError> {
        self.event_at(Event::index_of_problem(problem))
    }

    fn event_at(&self, index: u32) -> Result<u64, KernelError> {
        debug_assert!(index < EVENTS, "beyond the event map");
        let per_cpu = self.events.get(&index, 0).map_err(KernelError::map(maps::EVENTS))?;
        Ok(per_cpu.iter().fold(0, |sum: u64, cpu| sum.saturating_add(*cpu)))
    }
}
