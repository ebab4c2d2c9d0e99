//! The mirror of TCP segments: attaching it, and setting what it copies.

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData, MapError};
use aya::programs::links::LinkOrder;
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions, qdisc_add_clsact, qdisc_detach_program};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType};
use aya::{Ebpf, programs::ProgramError};
use sensor_common::abi::{
    FlowInstruction, FlowKey, MAX_SNAP, MirrorDirection, MirrorSettings, PORT_WORDS, PortKey, PortSeen,
    UNKNOWN_PLACE, copying, maps, programs,
};

use super::attach::Attachment;
use super::btf;
use super::error::KernelError;
use super::inner::InnerInterface;
use super::link::LinkLayer;
use super::shared::SharedArray;
use super::sight::{self, PortSights};

/// Where each program is attached.
const PLACES: [(&str, TcAttachType); 2] =
    [(programs::MIRROR_INGRESS, TcAttachType::Ingress), (programs::MIRROR_EGRESS, TcAttachType::Egress)];

/// The same for interfaces whose frames start with the IP header.
const PLACES_LAYER3: [(&str, TcAttachType); 2] = [
    (programs::MIRROR_INGRESS_LAYER3, TcAttachType::Ingress),
    (programs::MIRROR_EGRESS_LAYER3, TcAttachType::Egress),
];

/// The same for inner interfaces, with servers on either side.
const PLACES_INNER: [(&str, TcAttachType); 2] = [
    (programs::MIRROR_INGRESS_INNER, TcAttachType::Ingress),
    (programs::MIRROR_EGRESS_INNER, TcAttachType::Egress),
];

/// The programs for an interface.
type Places = &'static [(&'static str, TcAttachType)];

const fn places(layer: LinkLayer) -> Places {
    match layer {
        LinkLayer::Ethernet | LinkLayer::Loopback => &PLACES,
        LinkLayer::Ip => &PLACES_LAYER3,
        LinkLayer::Unreadable => &[],
    }
}

/// The same for an inner interface. A packet on `lo` leaves and then arrives: the ordinary programs copy a client's
/// where it arrives and a server's where it leaves, so each is copied once.
const fn places_inner(layer: LinkLayer) -> Places {
    match layer {
        LinkLayer::Ethernet => &PLACES_INNER,
        LinkLayer::Loopback => &PLACES,
        LinkLayer::Ip | LinkLayer::Unreadable => &[],
    }
}

/// The programs on their interfaces. Dropping it detaches them: without a reader, copies are useless. Before Linux 6.6
/// that takes privileges which a daemon has given up; the filters that remain then watch no port.
#[derive(Debug)]
pub(super) struct MirrorLinks {
    /// Only what leaves is seen, which proves addresses; nothing is copied.
    egress_only: bool,
    links: Vec<(String, SchedClassifierLink)>,
}

/// Loads the programs while their maps are open: map handles taken out of the object are closed.
pub(super) fn load(ebpf: &mut Ebpf, layer3: bool, inner: bool) -> Result<(), KernelError> {
    let of_layer3: Places = if layer3 { &PLACES_LAYER3 } else { &[] };
    let of_inner: Places = if inner { &PLACES_INNER } else { &[] };
    for (name, _) in PLACES.iter().chain(of_layer3).chain(of_inner) {
        program(ebpf, name)?.load().map_err(KernelError::program(name))?;
    }
    Ok(())
}

/// Attaches both programs to every interface.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    attachments: &[Attachment],
    inner: &[InnerInterface],
) -> Result<MirrorLinks, KernelError> {
    let mut attached = MirrorLinks { egress_only: false, links: Vec::new() };
    let names =
        attachments.iter().map(|outer| &outer.interface).chain(inner.iter().map(|inner| &inner.interface));
    for interface in names {
        detach_stale(interface);
    }
    for attachment in attachments {
        attached.attach(ebpf, attachment)?;
    }
    for interface in inner {
        attached.attach_inner(ebpf, interface)?;
    }
    Ok(attached)
}

/// Attaches only the programs that see what leaves.
pub(super) fn attach_egress(ebpf: &mut Ebpf, attachments: &[Attachment]) -> Result<MirrorLinks, KernelError> {
    let mut attached = MirrorLinks { egress_only: true, links: Vec::new() };
    for attachment in attachments {
        detach_stale(&attachment.interface);
        attached.attach(ebpf, attachment)?;
    }
    Ok(attached)
}

impl MirrorLinks {
    /// Attaches both programs to one interface; those attached to another of its name are dropped.
    pub(super) fn attach(&mut self, ebpf: &mut Ebpf, attachment: &Attachment) -> Result<(), KernelError> {
        self.put(ebpf, &attachment.interface, places(attachment.layer))
    }

    /// The same for an inner interface.
    pub(super) fn attach_inner(
        &mut self,
        ebpf: &mut Ebpf,
        inner: &InnerInterface,
    ) -> Result<(), KernelError> {
        self.put(ebpf, &inner.interface, places_inner(inner.layer))
    }

    /// Drops what is attached to an interface of this name.
    pub(super) fn forget(&mut self, interface: &str) {
        self.links.retain(|(of, _)| of != interface);
    }

    fn put(&mut self, ebpf: &mut Ebpf, interface: &str, places: Places) -> Result<(), KernelError> {
        self.forget(interface);
        let egress_only = self.egress_only;
        let is_wanted = |place: &TcAttachType| !egress_only || matches!(place, TcAttachType::Egress);
        for &(name, place) in places.iter().filter(|(_, place)| is_wanted(place)) {
            let link =
                attach_one(program(ebpf, name)?, interface, place).map_err(refused(interface, place))?;
            self.links.push((interface.to_owned(), link));
        }
        Ok(())
    }
}

pub(super) fn program<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, KernelError> {
    let program = ebpf.program_mut(name).ok_or(KernelError::NoMap(name))?;
    program.try_into().map_err(KernelError::program(name))
}

pub(super) fn attach_one(
    program: &mut SchedClassifier,
    interface: &str,
    place: TcAttachType,
) -> Result<SchedClassifierLink, ProgramError> {
    if !has_tcx() {
        // Before Linux 6.6, a filter of a `clsact` queueing discipline, which already exists if somebody else uses it.
        if qdisc_add_clsact(interface).is_err() {
            tracing::debug!(interface, "the clsact queueing discipline is there already, or cannot be added");
        }
        let id = program.attach(interface, place)?;
        return program.take_link(id);
    }
    // After a program that accepts or redirects packets, such as a container network agent's, none would be seen.
    let first = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(interface, place, first)?;
    program.take_link(id)
}

/// Removes what an earlier daemon left on an interface; with tcx, links end with their daemon.
pub(super) fn detach_stale(interface: &str) {
    if has_tcx() {
        return;
    }
    let too_many = (programs::TOO_MANY, TcAttachType::Ingress);
    for (name, place) in PLACES.into_iter().chain(PLACES_LAYER3).chain(PLACES_INNER).chain([too_many]) {
        if qdisc_detach_program(interface, place, name).is_ok() {
            tracing::info!(interface, program = name, "removed the filter of an earlier sensor");
        }
    }
}

/// The program that runs before the mirror on an interface, with its attach point; none if the mirror is not attached
/// or is first, or if the kernel has no tcx or does not reveal it to this user.
#[must_use]
pub fn ahead_of_mirror(interface: &str) -> Option<(&'static str, String)> {
    PLACES.iter().find_map(|&(_, place)| {
        let (_, programs) = has_tcx().then(|| SchedClassifier::query_tcx(interface, place).ok())??;
        let is_own = |program: &ProgramInfo| {
            program.name_as_str().is_some_and(|name| name.starts_with(name_at(place)))
        };
        let before = programs.iter().take(programs.iter().position(is_own)?);
        let name_of = |program: &ProgramInfo| program.name_as_str().unwrap_or("without a name").to_owned();
        // The sensor's own, which lets pass what it does not answer.
        let mut foreign = before.map(name_of).filter(|name| !programs::TOO_MANY.starts_with(name.as_str()));
        let name = foreign.next_back()?;
        Some((if matches!(place, TcAttachType::Ingress) { "ingress" } else { "egress" }, name))
    })
}

/// Prefix of the mirror programs' names at an attach point; the kernel keeps 15 bytes of each.
const fn name_at(place: TcAttachType) -> &'static str {
    match place {
        TcAttachType::Ingress => programs::MIRROR_INGRESS,
        TcAttachType::Egress | TcAttachType::Custom(_) => programs::MIRROR_EGRESS,
    }
}

fn has_tcx() -> bool {
    aya::util::KernelVersion::current().is_ok_and(|version| version >= aya::util::KernelVersion::new(6, 6, 0))
}

pub(super) fn refused(interface: &str, place: TcAttachType) -> impl FnOnce(ProgramError) -> KernelError {
    let mode = if matches!(place, TcAttachType::Ingress) { "tc ingress" } else { "tc egress" };
    let interface = interface.to_owned();
    move |source| KernelError::Attach { interface, mode, source: Box::new(source), hint: "" }
}

/// Where packets record whether their checksum was verified, in the form of [`MirrorSettings::ip_summed`].
fn place_of_ip_summed() -> u32 {
    let Some(field) = btf::field("sk_buff", "ip_summed") else {
        tracing::warn!("the kernel has no BTF: checksums not verified by the card are assumed correct");
        return UNKNOWN_PLACE;
    };
    let (byte, shift) = (field.first >> 3, field.first & 7);
    // Two bits that do not cross a byte, in the first 64 KiB.
    if field.bits == 2 && shift <= 6 && byte <= 0xffff { byte | shift << 16 } else { UNKNOWN_PLACE }
}

/// Controls what the mirror copies.
#[derive(Debug)]
pub struct Mirror {
    settings: SharedArray<MirrorSettings>,
    flows: HashMap<MapData, FlowKey, FlowInstruction>,
    ports: HashMap<MapData, PortKey, PortSeen>,
}

impl Mirror {
    pub(super) fn new(settings: &MapData, flows: Map, ports: Map) -> Result<Self, KernelError> {
        let flows = HashMap::try_from(flows).map_err(KernelError::map(maps::FLOWS))?;
        let ports = HashMap::try_from(ports).map_err(KernelError::map(maps::PORTS))?;
        let settings = SharedArray::new(settings, 1)?;
        settings.store_u32(offset_of!(MirrorSettings, ip_summed), place_of_ip_summed());
        Ok(Self { settings, flows, ports })
    }

    /// Sets the maximum payload bytes copied of each segment; at most [`MAX_SNAP`].
    pub fn set_snap(&self, bytes: u32) {
        self.settings.store_u32(offset_of!(MirrorSettings, snap), bytes.min(MAX_SNAP));
    }

    /// Mirrors the segments of these TCP ports of this host only.
    pub fn watch(&self, ports: &BTreeSet<u16>) {
        for word in 0..PORT_WORDS {
            let of_word = ports.iter().filter(|port| usize::from(**port >> 6) == word);
            let bits = of_word.fold(0, |bits, port| bits | 1_u64 << (port & 63));
            let offset = word.saturating_mul(size_of::<u64>());
            self.settings.store_u64(offset_of!(MirrorSettings, ports).saturating_add(offset), bits);
        }
    }

    /// What was seen of ports. `now` is the kernel's monotonic clock.
    #[must_use]
    pub fn sights(&self, now: Duration) -> PortSights {
        sight::read(&self.ports, now)
    }

    /// Skips bytes before a sequence number.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn skip_until(
        &mut self,
        flow: &FlowKey,
        direction: MirrorDirection,
        sequence: u32,
    ) -> Result<(), KernelError> {
        let mut instruction = self.instruction(flow)?.unwrap_or_default();
        if let (Some(until), Some(skips)) = (
            instruction.skip_until.get_mut(direction as usize),
            instruction.skips.get_mut(direction as usize),
        ) {
            *until = sequence;
            *skips = 1;
        }
        self.instruct(flow, instruction)
    }

    /// Copies a connection's segments whole, or only up to the snap length.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn copy_whole(&mut self, flow: &FlowKey, whole: bool) -> Result<(), KernelError> {
        let wanted = if whole { copying::WHOLE } else { copying::SNAPPED };
        let found = self.instruction(flow)?.unwrap_or_default();
        if found.copying == wanted {
            return Ok(());
        }
        self.instruct(flow, FlowInstruction { copying: wanted, ..found })
    }

    fn instruction(&self, flow: &FlowKey) -> Result<Option<FlowInstruction>, KernelError> {
        match self.flows.get(flow, 0) {
            Ok(found) => Ok(Some(found)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(KernelError::map(maps::FLOWS)(error)),
        }
    }

    /// Skips the rest of a connection.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn stop(&mut self, flow: &FlowKey) -> Result<(), KernelError> {
        self.instruct(flow, FlowInstruction { copying: copying::NOTHING, ..FlowInstruction::default() })
    }

    fn instruct(&mut self, flow: &FlowKey, instruction: FlowInstruction) -> Result<(), KernelError> {
        self.flows.insert(flow, instruction, 0).map_err(KernelError::map(maps::FLOWS))?;
        self.settings.store_u32(offset_of!(MirrorSettings, instructions), 1);
        Ok(())
    }
}
