//! The thread that turns mirrored segments into exchanges, and its results for the rest of the daemon.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tracing::{info, warn};

use super::access_logs::Lines;
use super::burst::burst;
use super::config::Config;
use super::deciding::Signals;
use super::fleet::Joint;
use super::instructing::instruct;
use super::keeping::{Keeper, Kept};
use super::learned::{self, BASELINES, Baselines, ROUTES};
use super::ports::Watch;
use super::posture::{Desk, POSTURE};
use super::published::Published;
use super::secrets::Secrets;
use super::sense::Ports;
use super::served::ServedBy;
use super::supervisor::Pulse;
use super::units::{self, UnitNames};
use super::watcher::Watcher;
use crate::capture::ring::{self, DatagramReader};
use crate::clock::{self, KernelClock, Timestamp};
use crate::detect::{CountryOf, Detectors, Learning};
use crate::event::Served;
use crate::identity::Key;
use crate::kernel::{self, Mirror, SegmentRings, never_preempt};
use crate::pipeline::{Pipeline, RouteTable};
use crate::posture;
use crate::store::{Damage, StateFile};
use crate::stream::Instruction;

/// Pause between two reads of empty rings, while there is traffic. Whatever arrives meanwhile is read in one go, during
/// which the server does not have the CPU: on two busy CPUs a server kept 0.96 of its throughput with 0.1 to 0.5 ms,
/// 0.91 with 2 ms.
const PAUSE: TimeSpec = TimeSpec::from_duration(Duration::from_micros(250));
/// Empty reads after which the thread sleeps until the rings wake it.
const PATIENCE: u32 = 40;
/// Longest sleep: idle connections have to end, and totals to be published.
const SLEEP: TimeSpec = TimeSpec::from_duration(Duration::from_millis(100));
/// The same after a silence of [`REST`]. Each wake-up of an idle host costs some 0.3 ms, mostly cold caches; what waits for it
/// without waking it is a request for a report, lines of access logs, and the end.
const SLEEP_QUIET: TimeSpec = TimeSpec::from_duration(Duration::from_millis(500));
/// The same while other hosts' answers are awaited.
const SLEEP_AWAITING: TimeSpec = TimeSpec::from_duration(Duration::from_millis(5));
/// Silence after which the rings are unmapped; mapped, they count as the daemon's memory.
const REST: Duration = Duration::from_secs(10);
/// How often totals are published and time advances.
const PUBLISH: Duration = Duration::from_millis(200);
/// The same after that much silence: then nothing changes except with time.
const PUBLISH_QUIET: Duration = Duration::from_secs(1);
/// How often learned routes are stored.
const KEEP: Duration = Duration::from_secs(60);
/// How often baselines are, which are larger and change slowly.
const KEEP_BASELINES: Duration = Duration::from_secs(300);
/// Between two attempts to map the rings.
const RETRY: Duration = Duration::from_secs(1);
/// How often listening sockets are queried.
const REFRESH: Duration = Duration::from_secs(2);

/// Exchanges kept for requests.
const RECENT: usize = 256;

/// State that the thread shares.
#[derive(Debug, Default)]
pub(super) struct Shared {
    published: Mutex<Published>,
    routes: Mutex<Arc<RouteTable>>,
    posture: Arc<Desk>,
    served: ServedBy,
    pulse: Pulse,
    stop: AtomicBool,
}

/// The running thread; dropping it ends it.
pub(super) struct Sensing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    damages: Vec<Damage>,
}

impl Sensing {
    /// Starts it.
    pub(super) fn start(
        config: &Config,
        key: &Key,
        (mirror, rings, secrets): (Mirror, SegmentRings, Secrets),
        (signals, countries, joint): (Signals, CountryOf, Option<Joint>),
        log: Option<File>,
    ) -> anyhow::Result<Self> {
        let Config { sense: config, detect, paths, interfaces, access_logs, .. } = config;
        let mut routes = StateFile::open(&paths.state_dir, ROUTES)?;
        let mut baselines = Baselines::open(&paths.state_dir, BASELINES)?;
        let now = clock::now();
        let mut detectors = Detectors::in_countries(detect, countries);
        if let Some(joint) = &joint {
            detectors.join(&joint.together);
        }
        let mut damages = learned::restore_detectors(&mut baselines, &mut detectors, now);
        let shared = Arc::new(Shared::default());
        let served = shared.served.clone();
        let watcher = Watcher::new(detectors, detect.clients, served, signals, log.map(BufWriter::new));
        let mut pipeline = Pipeline::new(&config.pipeline, key, watcher)?;
        let principals = joint.as_ref().is_some_and(|joint| joint.together.limits.is_some());
        pipeline.identifier_mut().set_fleet(joint.map(|joint| joint.keys), principals);
        pipeline.expect_secrets(secrets.is_any());
        pipeline
            .identifier_mut()
            .look_up_aside()
            .context("cannot start the thread that looks up leaked passwords")?;
        pipeline.set_proving(config.proving(interfaces));
        damages.extend(learned::restore_routes(&mut routes, pipeline.routes_mut(), now));
        let mut posture: StateFile<posture::Kept> = StateFile::open(&paths.state_dir, POSTURE)?;
        damages.extend(learned::restore_inventory(&mut posture, pipeline.inventory_mut(), now));
        let (lines, damage) = Lines::start(access_logs, &paths.state_dir)?;
        damages.extend(damage);
        pipeline.expect_lines(!access_logs.is_empty());
        let keeper = Keeper::start(routes, baselines, posture)?;
        mirror.set_snap(config.snap);
        let mut worker = Worker {
            watch: Watch::new(match &config.ports {
                Ports::Auto => None,
                Ports::Listed(ports) => Some(ports.clone()),
            }),
            mirror,
            rings,
            secrets,
            datagrams: DatagramReader::default(),
            lines,
            pipeline,
            shared: shared.clone(),
            clock: clock::kernel_clock(),
            instructions: Vec::new(),
            refused_instructions: 0,
            keeper,
            names: UnitNames::default(),
            served: Vec::new(),
            learning: None,
        };
        let thread = std::thread::Builder::new().name("sensing".to_owned()).spawn(move || worker.run());
        Ok(Self { shared, thread: Some(thread.context("cannot start the thread that reads HTTP")?), damages })
    }

    /// Unusable files of learned data.
    pub(super) fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// A part of the published results: as a whole they may be large.
    pub(super) fn look<T>(&self, part: impl FnOnce(&Published) -> T) -> T {
        part(&self.shared.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When the rings were last read.
    pub(super) fn pulse(&self) -> Duration {
        self.shared.pulse.last()
    }

    /// Where a snapshot of the inventory can be ordered.
    pub(super) fn posture_desk(&self) -> Arc<Desk> {
        self.shared.posture.clone()
    }

    /// Who answered which client.
    pub(super) fn served(&self) -> ServedBy {
        self.shared.served.clone()
    }

    /// Exchanges by method and route, as last published.
    pub(super) fn routes(&self) -> Arc<RouteTable> {
        self.shared.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sensing {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that reads HTTP had panicked");
        }
    }
}

struct Worker {
    watch: Watch,
    mirror: Mirror,
    rings: SegmentRings,
    secrets: Secrets,
    datagrams: DatagramReader,
    lines: Lines,
    pipeline: Pipeline<Watcher>,
    shared: Arc<Shared>,
    clock: KernelClock,
    instructions: Vec<Instruction>,
    refused_instructions: u64,
    keeper: Keeper,
    names: UnitNames,
    /// Listening sockets of units and containers.
    served: Vec<Served>,
    /// What is being taken of what detectors have learned.
    learning: Option<Learning>,
}

impl Worker {
    fn run(&mut self) {
        if let Err(error) = never_preempt() {
            warn!(%error, "reading HTTP may preempt the servers that it watches");
        }
        self.refresh_ports(clock::now());
        let (mut published, mut refreshed) = (clock::now(), clock::now());
        let (mut kept, mut kept_baselines) = (clock::now(), clock::now());
        let (mut in_vain, mut heard) = (0_u32, clock::now());
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.pulse.beat(clock::monotonic());
            let mut read = burst(clock::monotonic, |most| self.read(most));
            let now = clock::now();
            read = read.saturating_add(self.lines.take(&mut self.pipeline, now));
            self.shared.posture.serve(self.pipeline.inventory(), now);
            let every = if now.since(heard) >= PUBLISH_QUIET { PUBLISH_QUIET } else { PUBLISH };
            if now.since(published) >= every || now < published {
                published = now;
                // Civil time may have been set meanwhile.
                self.clock = clock::kernel_clock();
                self.datagrams.advance(now);
                self.pipeline.advance(now);
                self.pipeline.observer_mut().advance(now);
                self.publish(now);
            }
            if now.since(refreshed) >= REFRESH || now < refreshed {
                refreshed = now;
                self.refresh_ports(now);
            }
            if now.since(kept) >= KEEP || now < kept {
                kept = now;
                self.keeper.keep(Kept::Routes(self.pipeline.routes().export()));
            }
            if now.since(kept_baselines) >= KEEP_BASELINES || now < kept_baselines {
                kept_baselines = now;
                self.learning = Some(Learning::default());
                self.keeper.keep(Kept::Posture(self.pipeline.inventory().snapshot(now)));
            }
            self.keep_baselines();
            in_vain = if read == 0 { in_vain.saturating_add(1) } else { 0 };
            if read == 0 {
                self.wait((in_vain > PATIENCE).then_some(now.since(heard)), now);
            }
            if read > 0 || now < heard {
                heard = now;
            } else if now.since(heard) >= REST {
                self.rings.rest();
            }
        }
        self.pipeline.finish(clock::now());
        self.publish(clock::now());
        self.keeper.keep_surely(Kept::Routes(self.pipeline.routes().export()));
        let mut learning = Learning::default();
        while !self.pipeline.observer_mut().detectors.learn(&mut learning) {}
        self.keeper.keep_surely(Kept::Baselines(learning));
        self.keeper.keep_surely(Kept::Posture(self.pipeline.inventory().snapshot(clock::now())));
        // Nothing reads the rings from here on.
        self.mirror.watch(&BTreeSet::new());
    }

    /// Takes a piece of what detectors have learned, if that is to be stored, and has it stored after the last one.
    fn keep_baselines(&mut self) {
        let Some(mut learning) = self.learning.take() else { return };
        if self.pipeline.observer_mut().detectors.learn(&mut learning) {
            self.keeper.keep(Kept::Baselines(learning));
        } else {
            self.learning = Some(learning);
        }
    }

    /// Takes the secrets that have arrived: before segments, whose connections need them.
    fn learn(&mut self) {
        while let Some(secret) = self.secrets.next_secret() {
            self.instructions.extend(self.pipeline.secret(secret, clock::now()));
        }
    }

    fn read(&mut self, most: usize) -> usize {
        self.learn();
        let Self { rings, datagrams, pipeline, watch, clock, instructions, .. } = self;
        let read = rings.read(most, |header, payload| {
            if DatagramReader::reads(header) {
                let segment = datagrams.take(header, payload, *clock);
                // Its port is known only now.
                let wanted = segment.filter(|segment| watch.ports().contains(&segment.destination.port()));
                instructions.extend(wanted.and_then(|segment| pipeline.segment(&segment)));
                return;
            }
            let segment = ring::segment(header, payload, *clock);
            let instruction = pipeline.segment(&segment);
            if segment.length > 0 && matches!(instruction, Some(Instruction::Stop { .. })) {
                watch.note_unread(ring::server_port(header));
            }
            instructions.extend(instruction);
        });
        let read = read.unwrap_or_else(|error| {
            // The kernel counts what finds no room meanwhile.
            warn!(%error, "segments wait to be read");
            let _slept = ppoll(&mut [], Some(TimeSpec::from_duration(RETRY)), None);
            0
        });
        if let Some(believed) = pipeline.observer_mut().believed.take() {
            pipeline.identifier_mut().set_proven(believed);
        }
        for instruction in instructions.drain(..) {
            if let Err(error) = instruct(&mut self.mirror, instruction) {
                self.refused_instructions = self.refused_instructions.saturating_add(1);
                if self.refused_instructions == 1 {
                    warn!(%error, "the mirror accepts no instructions; it copies more than is needed");
                }
            }
        }
        read
    }

    /// Waits for records: briefly while there is traffic, else, after so much silence, until one wakes us.
    fn wait(&mut self, silence: Option<Duration>, now: Timestamp) {
        let sleep = silence.map(|silence| match silence {
            _ if self.pipeline.observer_mut().hear(now) => SLEEP_AWAITING,
            silence if silence >= REST => SLEEP_QUIET,
            _ => SLEEP,
        });
        // If it is interrupted, the rings are read.
        // A record that cannot be read yet is waited for like any other.
        let Some(sleep) = sleep.filter(|_| !self.rings.ask_for_wakeup()) else {
            let _slept = ppoll(&mut [], Some(PAUSE), None);
            return;
        };
        let mut descriptors = [PollFd::new(self.rings.descriptor(), PollFlags::POLLIN)];
        let _woken = ppoll(&mut descriptors, Some(sleep), None);
    }

    fn refresh_ports(&mut self, now: Timestamp) {
        let confirmed = std::mem::take(&mut self.pipeline.observer_mut().confirmed);
        let sights = self.mirror.sights(clock::monotonic());
        self.pipeline.note_quic(&sights.quic);
        if let Some(ports) = self.watch.refresh(&confirmed, &sights.answered, now) {
            self.mirror.watch(ports);
            info!(?ports, "watching");
        }
        let own = kernel::own_addresses().into_iter().filter(|address| !address.is_loopback());
        self.pipeline.identifier_mut().set_own(own.collect());
        let listeners = kernel::listeners();
        self.secrets.refresh(&listeners, self.watch.ports());
        self.served = self.names.of(&listeners);
        self.pipeline.units_mut().set(&self.served);
        self.pipeline.expect_secrets(self.secrets.is_any());
    }

    fn publish(&mut self, now: Timestamp) {
        let snapshot = self.pipeline.snapshot();
        let routes = Arc::new(self.pipeline.by_route(now));
        *self.shared.routes.lock().unwrap_or_else(PoisonError::into_inner) = routes;
        let (ports, http_ports) = (self.watch.ports().clone(), self.watch.confirmed().clone());
        let (secrets, access_logs) = (self.secrets.report(), self.lines.report());
        let units = units::by_port(&self.served, self.watch.ports());
        let watcher = self.pipeline.observer_mut();
        if let Some(log) = &mut watcher.log
            && log.flush().is_err()
        {
            watcher.log_errors = watcher.log_errors.saturating_add(1);
        }
        let mut published = self.shared.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.log_errors = watcher.log_errors;
        published.detectors = watcher.detectors.usage();
        published.signals_lost = watcher.signals.lost();
        published.secrets = secrets;
        published.access_logs = access_logs;
        published.units = units;
        published.datagrams = self.datagrams.counters();
        published.recent.extend(watcher.fresh.drain(..));
        let surplus = published.recent.len().saturating_sub(RECENT);
        published.recent.drain(..surplus);
        if published.snapshot.totals.failures != snapshot.totals.failures {
            published.failures.clone_from(watcher.failures.by_client());
        }
        published.failures_uncounted = watcher.failures.uncounted();
        published.refused_instructions = self.refused_instructions;
        published.snapshot = snapshot;
        published.ports = ports;
        published.http_ports = http_ports;
    }
}
