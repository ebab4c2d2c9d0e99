//! The task that charges the server. It calls a script by the hash of its text, which nobody can replace.

use std::time::Duration;

use redis::{Cmd, cmd};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::ledger::{Answer, Ledger, Saying};
use super::{Charges, INBOX};
use crate::clock;
use crate::detect::shared::Charge;
use crate::duration::doubled;
use crate::fleet::config::FleetConfig;
use crate::fleet::evidence::Peers;
use crate::fleet::link::{Link, LinkError};
use crate::identity::FleetKeys;

/// The script, for the server.
const SCRIPT: &str = include_str!("charge.lua");
/// Shortest time between two calls: a busy host makes ten a second.
const EVERY: Duration = Duration::from_millis(100);
/// Most parts of principals in a call, and most calls one after the other.
const BATCH: usize = 512;
const CALLS: usize = 8;
/// Most charges that are taken between two calls.
const MOST_TAKEN: usize = 16_384;
/// Pauses after failures: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// How often hosts are counted.
const COUNT: Duration = Duration::from_secs(2);

/// Charges the server until the detector is gone.
pub async fn run(config: FleetConfig, keys: FleetKeys, mut charges: Charges, peers: impl Peers) {
    let mut courier = Courier { config, ledger: Ledger::new(keys), link: None, hosts: 1 };
    let (mut failed, mut counted) = (0_u32, None::<Duration>);
    loop {
        let wait = if courier.ledger.is_empty() { Duration::MAX } else { EVERY };
        match timeout(wait, charges.inbox.recv()).await {
            Ok(Some(charge)) => courier.charge(&charge, &charges),
            Ok(None) => return,
            Err(_elapsed) => {}
        }
        for _ in 0..MOST_TAKEN {
            let Ok(charge) = charges.inbox.try_recv() else { break };
            courier.charge(&charge, &charges);
        }
        let now = clock::monotonic();
        if counted.is_none_or(|at| now.saturating_sub(at) >= COUNT) {
            counted = Some(now);
            courier.hosts = u32::try_from(peers.trusted().len()).unwrap_or(u32::MAX).max(1);
        }
        match courier.turns(&charges).await {
            Ok(false) => {}
            Ok(true) => {
                failed = 0;
                sleep(EVERY.saturating_sub(clock::monotonic().saturating_sub(now))).await;
            }
            Err(error) => {
                courier.link = None;
                charges.board.answers(false);
                charges.state.count_lost(courier.ledger.forget());
                if charges.state.failed(error.to_string()) {
                    warn!(%error, "limits of principals hold for this host only");
                }
                let (first, last) = PAUSES;
                sleep(doubled(first, failed, last)).await;
                failed = failed.saturating_add(1);
                courier.drop_waiting(&mut charges);
            }
        }
    }
}

struct Courier {
    config: FleetConfig,
    ledger: Ledger,
    /// With the name that the server has for the script.
    link: Option<(Link, String)>,
    /// Hosts of the fleet.
    hosts: u32,
}

impl Courier {
    fn charge(&mut self, charge: &Charge, charges: &Charges) {
        if !self.ledger.charge(charge, clock::monotonic()) {
            charges.state.count_lost(1);
        }
    }

    /// Says what is due, in several calls if it is much. Returns whether there was anything.
    async fn turns(&mut self, charges: &Charges) -> Result<bool, LinkError> {
        for call in 0..CALLS {
            if !self.turn(charges).await? {
                return Ok(call > 0);
            }
        }
        Ok(true)
    }

    /// One call. Returns whether there was anything to say.
    async fn turn(&mut self, charges: &Charges) -> Result<bool, LinkError> {
        let due = self.ledger.due(clock::monotonic(), self.hosts, BATCH);
        if due.is_empty() {
            return Ok(false);
        }
        let said = self.say(&due).await;
        let requests = due.iter().fold(0_u64, |sum, saying| sum.saturating_add(saying.count));
        let answers = said.inspect_err(|_| charges.state.count_lost(requests))?;
        let mut rest = answers.as_slice();
        let mut verdicts = Vec::new();
        for saying in &due {
            let (own, after) = rest.split_at_checked(keys_of(saying).count()).unwrap_or_default();
            rest = after;
            verdicts.push(self.ledger.answered(saying, own, clock::monotonic()));
        }
        let over = verdicts.iter().filter(|verdict| verdict.over.is_some()).count();
        charges.state.answered(requests, u64::try_from(over).unwrap_or(u64::MAX));
        charges.board.answers(true);
        charges.board.put(verdicts);
        Ok(true)
    }

    async fn say(&mut self, due: &[Saying]) -> Result<Vec<(Answer, Answer)>, LinkError> {
        let (mut link, mut script) = match self.link.take() {
            Some(known) => known,
            None => {
                let mut link = Link::open(&self.config).await?;
                let script = load(&mut link).await?;
                info!(server = self.config.server(), "limits of principals hold for the fleet");
                (link, script)
            }
        };
        let said = match link.ask::<Vec<i64>>(&self.call(&script, due), Duration::ZERO).await {
            // It forgot its scripts.
            Err(LinkError::Redis(error)) if error.code() == Some("NOSCRIPT") => {
                script = load(&mut link).await?;
                link.ask(&self.call(&script, due), Duration::ZERO).await
            }
            said => said,
        }?;
        self.link = Some((link, script));
        let answers = answers(&said);
        let expected: usize = due.iter().map(|saying| keys_of(saying).count()).sum();
        if answers.len() == expected {
            Ok(answers)
        } else {
            Err(LinkError::unexpected("expected an answer for each limit"))
        }
    }

    fn call(&self, script: &str, due: &[Saying]) -> Cmd {
        let mut call = cmd("EVALSHA");
        let count: usize = due.iter().map(|saying| keys_of(saying).count().saturating_mul(2)).sum();
        call.arg(script).arg(count);
        for saying in due {
            // Hosts with different limits have different budgets: neither cuts the other's.
            let (each, depth) = (saying.allowance.each.as_micros(), saying.allowance.depth.as_micros());
            let name = &self.config.name;
            for (principal, part, route) in keys_of(saying) {
                for hash in [principal, part] {
                    call.arg(format!("sensor:{{{name}}}:limit:{hash:016x}:{route:016x}:{each}-{depth}"));
                }
            }
        }
        for saying in due {
            for _ in 0..keys_of(saying).count().saturating_mul(2) {
                for time in [saying.spent, saying.allowance.each, saying.allowance.depth] {
                    let (micros, nanos) = (time.as_micros(), time.subsec_nanos() % 1_000);
                    call.arg(format!("{micros}.{nanos:03}"));
                }
            }
        }
        call
    }

    /// What came meanwhile is charged on this host only.
    fn drop_waiting(&self, charges: &mut Charges) {
        for _ in 0..INBOX {
            if charges.inbox.try_recv().is_err() {
                break;
            }
            charges.state.count_lost(1);
        }
    }
}

/// The principal, the part and the route under each key of the fleet.
fn keys_of(saying: &Saying) -> impl Iterator<Item = (u64, u64, u64)> {
    let names = saying.names;
    let all = names.principal.into_iter().zip(names.part).zip(names.route);
    all.map(|((principal, part), route)| (principal, part, route)).filter(|(principal, ..)| *principal != 0)
}

fn answers(said: &[i64]) -> Vec<(Answer, Answer)> {
    let micros = |value: i64| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    let one =
        |[over, left, wait]: [i64; 3]| Answer { over: over != 0, left: micros(left), wait: micros(wait) };
    let both = |six: &[i64; 6]| {
        let [over, left, wait, part_over, part_left, part_wait] = *six;
        (one([over, left, wait]), one([part_over, part_left, part_wait]))
    };
    said.as_chunks::<6>().0.iter().map(both).collect()
}

/// Gives the server the script; the name by which it is called.
async fn load(link: &mut Link) -> Result<String, LinkError> {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(SCRIPT);
    link.ask(&load, Duration::ZERO).await
}
