//! A data plane for tests: small tables, no pins, and a clock that only the test moves.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use sensor::kernel::{Capacities, ClientPrefixes, Dataplane, LoadOptions, TrieKind, Tuning};
use sensor_common::abi::{
    Counter, Event, Family, MAX_INTERFACES, Reason, ScopeLimits, Verdict, prefixes, programs,
};
use sensor_common::limit::{Period, Quota, Rate};
use sensor_common::packet::Problem;

/// Limits of one scope; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Frames.
    pub packets: Option<Rate>,
    /// Bits of frames.
    pub bits: Option<Rate>,
    /// TCP connections opened.
    pub connections: Option<Rate>,
    /// HTTP requests begun.
    pub requests: Option<Rate>,
}

impl Limits {
    fn quotas(&self, tick_ns: u64) -> ScopeLimits {
        let units = |rate: Option<Rate>| rate.map_or(Quota::OFF, |rate| Quota::of_units(rate, tick_ns));
        let bits = self.bits.map_or(Quota::OFF, |rate| Quota::of_bits(rate, tick_ns));
        ScopeLimits { quotas: [units(self.packets), bits, units(self.connections), units(self.requests)] }
    }
}

/// All settings of the program.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether packets are dropped, or only counted as such.
    pub enforce: bool,
    /// Limits outside every scope.
    pub default: Limits,
    /// Limits by prefix.
    pub scopes: Vec<(IpNet, Limits)>,
    /// Allowed prefixes.
    pub allows: Vec<IpNet>,
    /// Blocked prefixes, and the tick at which each block ends.
    pub blocks: Vec<(IpNet, Option<u64>)>,
    /// Packets per second that all sources not yet admitted share.
    pub newcomers: Option<Rate>,
    /// The part of them for one network.
    pub newcomers_per_network: Option<Rate>,
    /// How many times a client's limits an IPv4 /24 and an IPv6 /48 have; 0 for no such limits.
    pub sites: (u32, u32),
    /// Whether SYNs over these rates are answered with cookies.
    pub syn_cookies: bool,
    /// Bits of an IPv4 client's prefix.
    pub client_v4: u8,
    /// Bits of an IPv6 client's prefix.
    pub client_v6: u8,
    /// Whether frames arrive on the loopback interface.
    pub loopback: bool,
}

impl Default for Policy {
    /// In `enforce` mode, with nothing to enforce.
    fn default() -> Self {
        Self {
            enforce: true,
            default: Limits::default(),
            scopes: Vec::new(),
            allows: Vec::new(),
            blocks: Vec::new(),
            newcomers: None,
            newcomers_per_network: None,
            sites: (0, 0),
            syn_cookies: false,
            client_v4: 32,
            client_v6: 64,
            loopback: false,
        }
    }
}

impl Policy {
    /// Bits of a client's prefix in the family of this one.
    #[must_use]
    pub const fn client_bits(&self, prefix: &IpNet) -> u8 {
        match prefix {
            IpNet::V4(_) => self.client_v4,
            IpNet::V6(_) => self.client_v6,
        }
    }

    /// The client that an address belongs to. Each link-local address is one of its own.
    #[must_use]
    pub fn client_of(&self, address: IpAddr) -> IpNet {
        let is_link_local =
            matches!(address, IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfe80);
        let bits = if is_link_local { 128 } else { self.client_bits(&IpNet::from(address)) };
        IpNet::new(address, bits).expect("a length of the family").trunc()
    }

    /// The flags that say which tries have entries.
    fn flags(&self) -> u32 {
        let family = |prefix: &IpNet| u32::from(matches!(prefix, IpNet::V6(_)));
        let mut flags = 0;
        for (prefix, _) in &self.scopes {
            flags |= prefixes::SCOPES << family(prefix);
        }
        for prefix in &self.allows {
            flags |= prefixes::ALLOWS << family(prefix);
        }
        for (prefix, _) in &self.blocks {
            flags |= prefixes::BLOCKS << family(prefix);
        }
        if self.split_clients().next().is_some() {
            flags |= prefixes::MARKED;
        }
        flags
    }

    /// Clients that not all prefixes cover whole.
    fn split_clients(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let finer = self.all_prefixes().filter(|prefix| prefix.prefix_len() > self.client_bits(prefix));
        finer.map(|prefix| self.client_of(prefix.network()).network())
    }

    fn all_prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        let scopes = self.scopes.iter().map(|(prefix, _)| *prefix);
        scopes.chain(self.allows.iter().copied()).chain(self.blocks.iter().map(|(prefix, _)| *prefix))
    }
}

/// The verdict on one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Family as counted.
    pub family: Family,
    /// Verdict as counted.
    pub verdict: Verdict,
    /// Reason as counted.
    pub reason: Reason,
    /// What could not be read of the frame.
    pub problem: Option<Problem>,
}

/// Counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    frames: Vec<((Family, Verdict, Reason), Counter)>,
    problems: [u64; Problem::ALL.len()],
}

/// A data plane with its policy and clock.
pub struct Plane {
    /// The data plane.
    pub dataplane: Dataplane,
    policy: Policy,
    tick: u64,
    tick_ns: u64,
    last: Snapshot,
    program: &'static str,
}

/// What `BPF_PROG_TEST_RUN` says that frames come from: the loopback interface (`LOOPBACK_IFINDEX`).
const TEST_INTERFACE: u32 = 1;

/// Large enough for the fixture table, small enough for a virtual machine.
pub const SMALL: Capacities =
    Capacities { clients: 1 << 13, doorkeeper: 1 << 18, scopes: 64, allows: 64, blocks: 64 };

impl Plane {
    /// Loads the program with tables of these sizes.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn load(capacities: Capacities) -> Result<Self> {
        let options = LoadOptions { capacities, fixed_clock: true, layer3: true, ..LoadOptions::default() };
        let dataplane = Dataplane::load(&options).context("loading the data plane")?;
        let tick_ns = dataplane.settings().tick_ns;
        let last = snapshot(&dataplane)?;
        let (policy, program) = (Policy::default(), programs::XDP);
        let mut plane = Self { dataplane, policy, tick: 0, tick_ns, last, program };
        // Far from zero, where every theoretical arrival time starts.
        plane.pass(Duration::from_secs(1 << 20));
        plane.apply(&Policy::default())?;
        Ok(plane)
    }

    /// Runs the program for frames that begin with the IP header from now on.
    pub const fn serve_layer3(&mut self) {
        self.program = programs::XDP_LAYER3;
    }

    /// Length of a tick in nanoseconds.
    #[must_use]
    pub const fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    /// The tick that the program sees.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Lets time pass, in whole ticks.
    pub fn pass(&mut self, time: Duration) {
        self.pass_ticks(time.as_nanos() as u64 / self.tick_ns);
    }

    /// Lets ticks pass.
    pub fn pass_ticks(&mut self, ticks: u64) {
        self.tick += ticks;
        self.dataplane.set_tick(self.tick);
    }

    /// Replaces the whole policy, as user space does: maps first, then the flags and a new generation.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn apply(&mut self, policy: &Policy) -> Result<()> {
        for (prefix, _) in &self.policy.scopes {
            self.dataplane.tries.remove(TrieKind::Scopes, *prefix)?;
        }
        for prefix in &self.policy.allows {
            self.dataplane.tries.remove(TrieKind::Allows, *prefix)?;
        }
        for (prefix, _) in &self.policy.blocks {
            self.dataplane.tries.remove(TrieKind::Blocks, *prefix)?;
        }
        for client in self.policy.split_clients().collect::<Vec<_>>() {
            self.dataplane.tries.unmark(client)?;
        }
        for client in policy.split_clients() {
            self.dataplane.tries.mark(client)?;
        }
        self.dataplane.scopes.set(0, policy.default.quotas(self.tick_ns))?;
        for (index, (prefix, limits)) in (1..).zip(&policy.scopes) {
            self.dataplane.scopes.set(index, limits.quotas(self.tick_ns))?;
            self.dataplane.tries.set_scope(*prefix, index)?;
        }
        for prefix in &policy.allows {
            self.dataplane.tries.set_allow(*prefix)?;
        }
        for (prefix, _) in &policy.blocks {
            let until = latest_end(policy, prefix).map_or(0, |tick| tick * self.tick_ns);
            self.dataplane.tries.set_block(*prefix, until)?;
        }
        self.dataplane.tune(&Tuning {
            newcomers: policy.newcomers,
            newcomers_per_network: policy.newcomers_per_network,
            ipv4_site_times: policy.sites.0,
            ipv6_site_times: policy.sites.1,
            syn_cookies: policy.syn_cookies,
            notices: Rate::new(1, Period::Second, None)?,
            prefixes: ClientPrefixes {
                v4: policy.client_v4,
                v6: policy.client_v6,
                idle: Duration::from_secs(300),
            },
        });
        self.dataplane.set_enforce(policy.enforce);
        self.dataplane.set_loopback(if policy.loopback { TEST_INTERFACE } else { 0 });
        self.dataplane.publish_policy(policy.flags(), 0);
        self.policy = policy.clone();
        Ok(())
    }

    /// Runs the program on a frame a number of times, without checking the verdict; returns the last XDP action.
    /// [`Self::settle`] must be called before [`Self::judge`] is used again.
    ///
    /// # Errors
    /// If the kernel refuses the frame.
    pub fn run(&self, frame: &[u8], repeat: u32) -> Result<u32> {
        Ok(self.dataplane.run(self.program, frame, repeat)?.0)
    }

    /// Has a frame leave this host: the program at tc egress sees it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn leave(&self, frame: &[u8]) -> Result<()> {
        // Served for this moment only: what arrives is counted as of an unknown interface.
        self.dataplane.set_served(0, TEST_INTERFACE);
        let left = self.dataplane.run_at_tc(programs::MIRROR_EGRESS, frame);
        self.dataplane.set_served(0, 0);
        Ok(left?)
    }

    /// Runs the program on one frame and determines the verdict from the counters.
    ///
    /// # Errors
    /// If the kernel refuses the frame, or the frame was not counted exactly once and in full, or the
    /// program's action is not that of the verdict it counted.
    pub fn judge(&mut self, frame: &[u8]) -> Result<Seen> {
        let action = self.run(frame, 1)?;
        let after = snapshot(&self.dataplane)?;
        let before = std::mem::replace(&mut self.last, after);
        let seen = before.difference(&self.last, frame.len() as u64)?;
        let expected = match seen.verdict {
            Verdict::Drop => 1,
            Verdict::Pass | Verdict::WouldDrop => 2,
            Verdict::Answer => 3,
        };
        anyhow::ensure!(action == expected, "XDP action {action} with verdict {:?}", seen.verdict);
        Ok(seen)
    }

    /// Records the current counters.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn settle(&mut self) -> Result<()> {
        self.last = snapshot(&self.dataplane)?;
        Ok(())
    }

    /// Frames that got a reason so far, whatever their family and verdict.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn count_of(&self, reason: Reason) -> Result<u64> {
        let counters = self.dataplane.counters().of_interface(MAX_INTERFACES)?;
        let with_reason = counters.iter().filter(|found| found.reason == reason);
        Ok(with_reason.map(|found| found.counter.packets).sum())
    }

    /// How often an event happened so far.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn event(&self, event: Event) -> Result<u64> {
        Ok(self.dataplane.counters().event(event)?)
    }
}

/// A frame with its addresses exchanged: as it leaves this host towards its source. Ports and checksums do not change.
#[must_use]
pub fn returned(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    // Behind the Ethernet header; RFC 791, section 3.1, and RFC 8200, section 3.
    let (first, size) = if frame[14] >> 4 == 4 { (26, 4) } else { (22, 16) };
    let (source, destination) = frame[first..first + 2 * size].split_at_mut(size);
    source.swap_with_slice(destination);
    frame
}

/// When the last of the blocks ends that cover a prefix; `None` for never. This is what user space writes
/// (see `BlockEntry`).
fn latest_end(policy: &Policy, prefix: &IpNet) -> Option<u64> {
    let covering = policy.blocks.iter().filter(|(wider, _)| wider.contains(prefix));
    covering.map(|(_, end)| *end).try_fold(0, |latest: u64, end| Some(latest.max(end?)))
}

/// `BPF_PROG_TEST_RUN` says that frames come from the loopback interface, which no test attaches to: they
/// are counted where frames of unknown interfaces are.
fn snapshot(dataplane: &Dataplane) -> Result<Snapshot> {
    let counters = dataplane.counters();
    let frames = counters
        .of_interface(MAX_INTERFACES)?
        .into_iter()
        .map(|found| ((found.family, found.verdict, found.reason), found.counter))
        .collect();
    let mut problems = [0; Problem::ALL.len()];
    for (count, problem) in problems.iter_mut().zip(Problem::ALL) {
        *count = counters.problem(problem)?;
    }
    Ok(Snapshot { frames, problems })
}

impl Snapshot {
    /// What one frame of this length added.
    fn difference(&self, after: &Self, length: u64) -> Result<Seen> {
        let changed: Vec<_> =
            self.frames.iter().zip(&after.frames).filter(|(before, after)| before != after).collect();
        anyhow::ensure!(changed.len() == 1, "one frame changed {} counters", changed.len());
        let ((labels, before), (_, now)) = changed[0];
        anyhow::ensure!(now.packets == before.packets + 1, "one frame was counted more than once");
        anyhow::ensure!(now.bytes == before.bytes + length, "not all bytes were counted");
        let problems: Vec<Problem> = Problem::ALL
            .into_iter()
            .filter(|problem| self.problems[*problem as usize] != after.problems[*problem as usize])
            .collect();
        anyhow::ensure!(problems.len() <= 1, "one frame with several problems: {problems:?}");
        let (family, verdict, reason) = *labels;
        Ok(Seen { family, verdict, reason, problem: problems.first().copied() })
    }
}
