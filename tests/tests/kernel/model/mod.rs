//! Ten thousand random schedules of frames, policies and pauses: the program and its model agree on every
//! frame.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod schedule;

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRunner};
use sensor::kernel::Capacities;
use sensor_common::abi::{ClientKey, Reason, Settings};
use sensor_common::packet::Problem;
use sensor_common::table::{Places, site, site_places};
use sensor_tests::model::Model;
use sensor_tests::packet::{Frame, Network};
use sensor_tests::plane::{Plane, Policy, SMALL};

use schedule::{Act, Schedule};

const CASES: u32 = 10_000;
/// Cases for the program of frames without link headers: all but the first header is read by the same code.
const CASES_LAYER3: u32 = 1_000;

#[test]
fn the_program_and_its_model_agree() {
    let harness = RefCell::new(Harness::load());
    run(CASES, |schedule| harness.borrow_mut().compare(&schedule));
    // Otherwise the schedules are not as varied as they are meant to be.
    let harness = harness.into_inner();
    // Answers to connections of this host: `kernel/answers.rs`; SYN cookies: `kernel/cookies.rs`.
    let reasons: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|reason| {
            !matches!(reason, Reason::Answer | Reason::SynCookie) && !harness.reasons.contains(reason)
        })
        .collect();
    assert_eq!(reasons, [], "never seen");
    let problems: Vec<Problem> =
        Problem::ALL.into_iter().filter(|problem| !harness.problems.contains(problem)).collect();
    assert_eq!(problems, [], "never seen");
}

#[test]
fn without_link_headers_they_agree_as_well() {
    let harness = RefCell::new(Harness::load());
    harness.borrow_mut().plane.serve_layer3();
    run(CASES_LAYER3, |schedule| harness.borrow_mut().compare(&schedule.without_link_headers()));
}

fn run(cases: u32, compare: impl Fn(Schedule) -> Result<(), TestCaseError>) {
    // Each choice of a strategy seeds a generator; the default one takes half of the test's time.
    let rng_algorithm = RngAlgorithm::XorShift;
    let config = Config { cases, failure_persistence: None, rng_algorithm, ..Config::default() };
    let outcome = TestRunner::new(config).run(&schedule::schedules(), compare);
    assert!(outcome.is_ok(), "{}", outcome.err().map(|error| error.to_string()).unwrap_or_default());
}

/// The program, and what earlier cases left in it.
struct Harness {
    plane: Plane,
    /// Cases, each with addresses of its own.
    case: u32,
    /// Words of the doorkeeper that sources of earlier cases are in.
    used: HashSet<u32>,
    reasons: HashSet<Reason>,
    problems: HashSet<Problem>,
}

impl Harness {
    fn load() -> Self {
        // Room for every source of every case: the model never forgets one.
        let capacities = Capacities { clients: 1 << 18, doorkeeper: 1 << 24, ..SMALL };
        let plane = Plane::load(capacities).expect("the program");
        Self { plane, case: 0, used: HashSet::new(), reasons: HashSet::new(), problems: HashSet::new() }
    }

    fn compare(&mut self, schedule: &Schedule) -> Result<(), TestCaseError> {
        let schedule = self.with_fresh_addresses(schedule);
        // Longer than any bucket of a schedule takes to run empty.
        self.plane.pass(Duration::from_secs(86_400));
        let start = self.plane.tick();
        let policy = at(&schedule.policy, start);
        self.plane.apply(&policy).map_err(fail)?;
        let mut model = Model::new(policy, start, self.plane.tick_ns());
        for (number, act) in schedule.acts.iter().enumerate() {
            match act {
                Act::Pass(ticks) => {
                    self.plane.pass_ticks(*ticks);
                    model.pass_ticks(*ticks);
                }
                Act::Apply(policy) => {
                    let policy = at(policy, start);
                    self.plane.apply(&policy).map_err(fail)?;
                    model.apply(policy);
                }
                Act::Send(frame) => {
                    let seen = self.plane.judge(&frame.bytes()).map_err(fail)?;
                    proptest::prop_assert_eq!(seen, model.judge(frame), "act {}", number);
                    self.reasons.insert(seen.reason);
                    self.problems.extend(seen.problem);
                }
            }
        }
        Ok(())
    }

    /// The schedule with addresses that no earlier case used, and that share no word of the doorkeeper with
    /// another source: two fingerprints of 16 bits in one word may be the same, and the model has no such
    /// accidents. Nor has it sites without a budget: each finds its first place free.
    fn with_fresh_addresses(&mut self, schedule: &Schedule) -> Schedule {
        let settings = self.plane.dataplane.settings();
        loop {
            self.case += 1;
            let moved = schedule.moved(&|address| moved(address, self.case));
            let clients: HashSet<ClientKey> =
                moved.sources().map(|source| client_key(source, &moved.policy)).collect();
            let words: HashSet<u32> =
                clients.iter().map(|client| doorkeeper_word(*client, &settings)).collect();
            let sites: HashSet<u64> = clients.iter().copied().flat_map(sites).collect();
            let places: HashSet<u32> =
                sites.iter().map(|site| site_places(*site, settings.seed)[0]).collect();
            let has_places = places.len() == sites.len();
            if has_places && words.len() == clients.len() && words.is_disjoint(&self.used) {
                self.used.extend(words);
                return moved;
            }
        }
    }
}

fn fail(error: anyhow::Error) -> TestCaseError {
    TestCaseError::fail(format!("{error:#}"))
}

/// Blocks end at ticks of the program's clock.
fn at(policy: &Policy, start: u64) -> Policy {
    let mut policy = policy.clone();
    for (_, end) in &mut policy.blocks {
        *end = end.map(|ticks| start + ticks);
    }
    policy
}

/// An address of a schedule in the networks of a case: 512 IPv4 addresses, an IPv6 /48.
fn moved(address: IpAddr, case: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() + case * 512).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() | u128::from(case) << 80).into(),
    }
}

fn client_key(source: IpAddr, policy: &Policy) -> ClientKey {
    match policy.client_of(source).network() {
        IpAddr::V4(network) => ClientKey::from_v4(network.to_bits()),
        IpAddr::V6(network) => {
            let bits = network.to_bits();
            ClientKey { hi: (bits >> 64) as u64, lo: bits as u64 }
        }
    }
}

/// A client's site under each scope that a schedule has.
fn sites(client: ClientKey) -> impl Iterator<Item = u64> {
    (0..=schedule::SCOPES as u16).filter_map(move |scope| site(client, scope))
}

fn doorkeeper_word(client: ClientKey, settings: &Settings) -> u32 {
    Places::of(client, settings.seed, settings.buckets).doorkeeper().0 & settings.doorkeeper_mask
}

/// The source of a frame that has one to be moved.
fn source_of(frame: &Frame) -> Option<IpAddr> {
    match &frame.network {
        Network::V4(ip) => Some(ip.source.into()),
        Network::V6(ip) => ip.source.to_ipv4_mapped().is_none().then_some(ip.source.into()),
        Network::Other(..) => None,
    }
}
