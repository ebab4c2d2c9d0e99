//! Loads the object, with new maps or with those that an earlier daemon left pinned.

use aya::maps::{Map, MapData};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use nix::time::{ClockId, clock_getres};
use sensor_common::abi::{MAX_INTERFACES, Settings, maps, programs};

use super::attach::{self, Attachment, XdpChoice};
use super::clients::ClientTable;
use super::config::Capacities;
use super::counters::Counters;
use super::error::KernelError;
use super::inner::InnerInterface;
use super::link::{LinkLayer, link_facts};
use super::memory::KernelMemory;
use super::mirror::{self, Mirror, MirrorLinks};
use super::notices::Notices;
use super::object::DATAPLANE;
use super::pins::{self, Pins};
use super::presence::{self, Look, Presence, PresenceChange};
use super::segments::{RingSizes, SegmentRings};
use super::settings::{SettingsView, Tuning};
use super::too_many::{self, TooMany, TooManyLinks};
use super::tries::{PolicyTries, Scopes};

/// Options for loading.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Bounds of the tables.
    pub capacities: Capacities,
    /// Where maps and links are pinned; without it, the data plane ends with this process.
    pub pins: Option<Pins>,
    /// Level of the program's own diagnostics: 0 off, 1 error to 5 trace.
    pub log_level: u8,
    /// Total bytes of the rings for mirrored segments, one ring per CPU. Each is a power of two and at least 2 MiB, or
    /// as small as possible if this is 0.
    pub segment_ring_bytes: u32,
    /// Whether there may be interfaces whose frames start with the IP header.
    pub layer3: bool,
    /// Whether there may be inner interfaces besides `lo`.
    pub inner: bool,
    /// What happens to requests over the limit.
    pub too_many: TooMany,
    /// For tests: the program's clock is set by [`Dataplane::set_tick`].
    pub fixed_clock: bool,
}

/// The loaded kernel side.
pub struct Dataplane {
    pub(super) ebpf: Ebpf,
    pub(super) settings: SettingsView,
    clients: ClientTable,
    counters: Counters,
    notices: Option<Notices>,
    mirror: Option<(Mirror, SegmentRings)>,
    mirror_refused: Option<KernelError>,
    pub(super) mirror_links: Option<MirrorLinks>,
    pub(super) too_many: Option<Result<TooManyLinks, KernelError>>,
    memory: KernelMemory,
    pub(super) attachments: Vec<Attachment>,
    pub(super) inner: Vec<InnerInterface>,
    pub(super) inner_prefixes: Vec<String>,
    pins: Option<Pins>,
    adopted_maps: bool,
    /// The policy tries.
    pub tries: PolicyTries,
    /// The limits.
    pub scopes: Scopes,
}

impl Dataplane {
    /// Loads the object; maps pinned by an earlier daemon are reused if their layout is the same.
    ///
    /// # Errors
    /// If the kernel refuses the object, or pins cannot be read or replaced.
    pub fn load(options: &LoadOptions) -> Result<Self, KernelError> {
        let adopted_maps = match &options.pins {
            Some(pins) => pins::adopt_or_clear(pins, &options.capacities)?,
            None => false,
        };
        let sizes = RingSizes::of(options.segment_ring_bytes)?;
        let mut ebpf = load_object(options, sizes)?;
        // Without the mirror, limits and blocks still work; the error is returned when the mirror is requested.
        let mirror_refused = mirror::load(&mut ebpf, options.layer3, options.inner).err();
        let too_many = too_many::load(&mut ebpf, options.too_many);
        let memory = KernelMemory::of(&ebpf);
        let mut take = |name: &'static str| ebpf.take_map(name).ok_or(KernelError::NoMap(name));
        let settings_map = array_data(take(maps::SETTINGS)?, maps::SETTINGS)?;
        let shared_map = array_data(take(maps::SHARED)?, maps::SHARED)?;
        let settings = SettingsView::new(&settings_map, &shared_map)?;
        if !settings.is_current() {
            settings.initialise(&options.capacities, tick_ns()?, random_seed()?);
        }
        let found = settings.read();
        let tags = array_data(take(maps::TAGS)?, maps::TAGS)?;
        let slots = array_data(take(maps::SLOTS)?, maps::SLOTS)?;
        let details = array_data(take(maps::DETAILS)?, maps::DETAILS)?;
        let clients = ClientTable::new(&tags, slots, details, found.buckets, found.seed)?;
        let counters = Counters::new(take(maps::COUNTERS)?, take(maps::EVENTS)?)?;
        let notices = Some(Notices::new(take(maps::NOTICES)?)?);
        let mirror_settings = array_data(take(maps::MIRROR)?, maps::MIRROR)?;
        let mirror = Mirror::new(&mirror_settings, take(maps::FLOWS)?, take(maps::PORTS)?)?;
        let rings = array_data(take(maps::RINGS)?, maps::RINGS)?;
        let blocks = array_data(take(maps::SEGMENTS)?, maps::SEGMENTS)?;
        let segments = SegmentRings::new(&mirror_settings, &rings, &blocks, take(maps::WAKEUPS)?, sizes)?;
        let tries = PolicyTries::take(&mut take, &options.capacities)?;
        let scopes = Scopes::new(take(maps::SCOPES)?)?;
        let mut dataplane = Self {
            ebpf,
            settings,
            clients,
            counters,
            notices,
            mirror: Some((mirror, segments)),
            mirror_refused,
            mirror_links: None,
            too_many,
            memory,
            attachments: Vec::new(),
            inner: Vec::new(),
            inner_prefixes: Vec::new(),
            pins: options.pins.clone(),
            adopted_maps,
            tries,
            scopes,
        };
        let layer3 = options.layer3.then_some(programs::XDP_LAYER3);
        for name in [programs::XDP, programs::CLOCK].into_iter().chain(layer3) {
            dataplane.program(name)?.load().map_err(KernelError::program(name))?;
        }
        Ok(dataplane)
    }

    /// Whether the maps were adopted from an earlier daemon.
    #[must_use]
    pub const fn adopted_maps(&self) -> bool {
        self.adopted_maps
    }

    /// Attaches to interfaces, and detaches from those that only an earlier daemon served.
    ///
    /// # Errors
    /// If an interface does not exist or refuses the program; those before it stay attached until drop.
    pub fn attach(&mut self, interfaces: &[String], choice: XdpChoice) -> Result<(), KernelError> {
        if interfaces.len() > MAX_INTERFACES as usize {
            return Err(KernelError::TooManyInterfaces(interfaces.len()));
        }
        let links = self.pins.as_ref().map(Pins::links);
        let indexes = interfaces.iter().map(|name| attach::index_of(name)).collect::<Result<Vec<_>, _>>()?;
        self.settings.set_loopback(0);
        for (interface, ifindex) in interfaces.iter().zip(&indexes) {
            let slot = self.slot_for(*ifindex, &indexes)?;
            let attachment = self.attach_one(interface, *ifindex, slot, choice)?;
            self.attachments.push(attachment);
        }
        for link in links.iter().flat_map(|links| attach::pinned_links(links)) {
            let is_served =
                interfaces.iter().any(|name| link.file_name().is_some_and(|file| *file == **name));
            if !is_served {
                attach::remove_pin(&link)?;
            }
        }
        Ok(())
    }

    fn attach_one(
        &mut self,
        interface: &str,
        ifindex: u32,
        slot: u32,
        choice: XdpChoice,
    ) -> Result<Attachment, KernelError> {
        let layer = link_facts(ifindex)?.layer;
        match layer {
            LinkLayer::Loopback => self.settings.set_loopback(ifindex),
            LinkLayer::Unreadable => return Ok(Attachment::unreadable(interface, ifindex, slot)),
            LinkLayer::Ethernet | LinkLayer::Ip => {}
        }
        let links = self.pins.as_ref().map(Pins::links);
        let program = self.program(attach::program_for(layer))?;
        attach::attach(program, interface, layer, slot, choice, links.as_deref())
    }

    /// Checks the served interfaces again, and attaches to those that came back. Returns what changed.
    pub fn look_again(&mut self, choice: XdpChoice) -> Vec<PresenceChange> {
        let mut changes = Vec::new();
        for position in 0..self.attachments.len() {
            let Some(attachment) = self.attachments.get(position) else { break };
            let (before, interface) = (attachment.presence, attachment.interface.clone());
            let (presence, reattached, error) = match presence::look(attachment) {
                Look::Gone => (Presence::Gone, false, None),
                Look::There { is_up, is_served: true, .. } => (Presence::of(is_up), false, None),
                Look::There { layer: LinkLayer::Unreadable, .. } => (Presence::Unreadable, false, None),
                Look::There { is_up, .. } => match self.attach_again(position, choice) {
                    Ok(()) => (Presence::of(is_up), true, self.mirror_again(position).err()),
                    Err(error) => (Presence::Refused, false, Some(error)),
                },
            };
            if let Some(attachment) = self.attachments.get_mut(position) {
                attachment.presence = presence;
            }
            if presence != before || reattached {
                changes.push(PresenceChange { interface, presence, reattached, is_matched: false, error });
            }
        }
        self.look_at_inner(&mut changes);
        changes
    }

    /// Attaches to a new interface with the same name, which continues the old one's counters.
    fn attach_again(&mut self, position: usize, choice: XdpChoice) -> Result<(), KernelError> {
        let Some(old) = self.attachments.get(position) else { return Ok(()) };
        let (interface, slot, times) = (old.interface.clone(), old.slot, old.reattached.saturating_add(1));
        let ifindex = attach::index_of(&interface)?;
        self.settings.set_interface(slot as usize, ifindex);
        let mut attachment = self.attach_one(&interface, ifindex, slot, choice)?;
        attachment.reattached = times;
        if let Some(place) = self.attachments.get_mut(position) {
            *place = attachment;
        }
        Ok(())
    }

    fn mirror_again(&mut self, position: usize) -> Result<(), KernelError> {
        let Some(attachment) = self.attachments.get(position) else { return Ok(()) };
        let mirrored =
            self.mirror_links.as_mut().map_or(Ok(()), |links| links.attach(&mut self.ebpf, attachment));
        self.too_many_again(position);
        mirrored
    }

    /// The counter slot of an interface: its current one, or one that no served interface uses.
    fn slot_for(&mut self, ifindex: u32, served: &[u32]) -> Result<u32, KernelError> {
        let taken = self.settings.read().interfaces;
        if let Some(slot) = taken.iter().position(|index| *index == ifindex) {
            return Ok(u32::try_from(slot).unwrap_or(0));
        }
        let free = taken.iter().position(|index| !served.contains(index));
        let slot = free.ok_or(KernelError::TooManyInterfaces(served.len()))?;
        let number = u32::try_from(slot).unwrap_or(0);
        self.counters.reset(number)?;
        self.settings.set_interface(slot, ifindex);
        Ok(number)
    }

    /// The interfaces served.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Whether the data plane outlives this process.
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// The client table.
    #[must_use]
    pub const fn clients(&self) -> &ClientTable {
        &self.clients
    }

    /// The counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The ring buffer of notices, for one reading task.
    pub fn take_notices(&mut self) -> Option<Notices> {
        self.notices.take()
    }

    /// Attaches the mirror to the served interfaces.
    ///
    /// # Errors
    /// If the kernel refuses the programs or an interface does.
    pub fn attach_mirror(&mut self) -> Result<(), KernelError> {
        if let Some(error) = self.mirror_refused.take() {
            return Err(error);
        }
        self.mirror_links = Some(mirror::attach(&mut self.ebpf, &self.attachments, &self.inner)?);
        Ok(())
    }

    /// Attaches only what proves clients' addresses, where HTTP is not read.
    ///
    /// # Errors
    /// If the kernel refuses the programs or an interface does.
    pub fn attach_proof(&mut self) -> Result<(), KernelError> {
        if let Some(error) = self.mirror_refused.take() {
            return Err(error);
        }
        self.mirror_links = Some(mirror::attach_egress(&mut self.ebpf, &self.attachments)?);
        Ok(())
    }

    /// Whether clients can prove their addresses.
    #[must_use]
    pub const fn proves_addresses(&self) -> bool {
        self.mirror_links.is_some()
    }

    /// The mirror's controls and its rings, for one thread.
    pub fn take_mirror(&mut self) -> Option<(Mirror, SegmentRings)> {
        self.mirror.take()
    }

    /// Kernel memory of all maps.
    #[must_use]
    pub const fn memory(&self) -> &KernelMemory {
        &self.memory
    }

    /// The settings currently in the kernel.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.read()
    }

    /// Enforces, or only counts what enforcement would drop.
    pub fn set_enforce(&self, enforce: bool) {
        self.settings.set_enforce(enforce);
    }

    /// Applies tuning.
    pub fn tune(&self, tuning: &Tuning) {
        self.settings.tune(tuning);
        self.settings.raise_generation();
    }

    /// Sets which tries have entries and which scope is the default, and has every client looked up again. Called after
    /// each change of the policy maps.
    pub fn publish_policy(&self, prefixes: u32, default_scope: u32) {
        self.settings.set_default_scope(default_scope);
        self.settings.set_prefixes(prefixes);
        self.settings.raise_generation();
    }

    /// The data plane's clock, in nanoseconds since an origin before boot.
    ///
    /// # Errors
    /// If the kernel refuses to run the clock program.
    pub fn clock(&self) -> Result<u64, KernelError> {
        self.run(programs::CLOCK, &[0; 64], 1)?;
        Ok(self.settings.clock())
    }

    /// The object, for diagnostics, and for a program's descriptor in tests.
    pub const fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    fn program(&mut self, name: &'static str) -> Result<&mut Xdp, KernelError> {
        let program = self.ebpf.program_mut(name).ok_or(KernelError::NoMap(name))?;
        program.try_into().map_err(KernelError::program(name))
    }
}

fn load_object(options: &LoadOptions, sizes: RingSizes) -> Result<Ebpf, KernelError> {
    let fixed_clock = u8::from(options.fixed_clock);
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(VerifierLogLevel::STATS);
    loader.override_global("AYA_LOG_LEVEL", &options.log_level, true);
    loader.override_global("FIXED_CLOCK", &fixed_clock, true);
    for (name, entries) in pins::sizes(&options.capacities) {
        loader.map_max_entries(name, entries);
    }
    loader.map_max_entries(maps::RINGS, sizes.rings);
    loader.map_max_entries(maps::SEGMENTS, sizes.all_blocks());
    for name in options.pins.iter().flat_map(|_| maps::PINNED) {
        if let Some(pins) = &options.pins {
            loader.map_pin_path(name, pins.map(name));
        }
    }
    loader.load(DATAPLANE).map_err(|error| KernelError::Object(Box::new(error)))
}

fn array_data(map: Map, name: &'static str) -> Result<MapData, KernelError> {
    if let Map::Array(data) = map { Ok(data) } else { Err(KernelError::NoMap(name)) }
}

/// Length of the kernel's tick: the resolution of the coarse clock (clock_getres(2)).
fn tick_ns() -> Result<u64, KernelError> {
    let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)
        .map_err(|errno| KernelError::system("reading the length of the kernel's tick")(errno.into()))?;
    Ok(u64::try_from(resolution.tv_nsec()).unwrap_or(0).max(1))
}

fn random_seed() -> Result<[u64; 2], KernelError> {
    let random =
        || getrandom::u64().map_err(|error| KernelError::system("reading random bytes")(error.into()));
    Ok([random()?, random()?])
}
