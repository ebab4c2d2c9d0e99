//! The task that charges the server.

use std::time::Duration;

use redis::{Cmd, RedisError, cmd};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Charges;
use super::ledger::{Answer, Ledger, Saying};
use crate::clock;
use crate::duration::doubled;
use crate::fleet::config::FleetConfig;
use crate::fleet::evidence::Peers;
use crate::fleet::link::{Link, LinkError};
use crate::identity::FleetKeys;

/// The function, for the server.
const LIBRARY: &str = include_str!("charge.lua");
const FUNCTION: &str = "sensor_charge_1";
/// Shortest time between two calls: a busy host makes ten a second.
const EVERY: Duration = Duration::from_millis(100);
/// Most parts of principals in a call.
const BATCH: usize = 512;
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
            Ok(Some(charge)) => courier.ledger.charge(&charge, clock::monotonic()),
            Ok(None) => return,
            Err(_elapsed) => {}
        }
        while let Ok(charge) = charges.inbox.try_recv() {
            courier.ledger.charge(&charge, clock::monotonic());
        }
        let now = clock::monotonic();
        if counted.is_none_or(|at| now.saturating_sub(at) >= COUNT) {
            counted = Some(now);
            courier.hosts = u32::try_from(peers.trusted().len()).unwrap_or(u32::MAX).max(1);
        }
        match courier.turn(&charges).await {
            Ok(false) => {}
            Ok(true) => {
                failed = 0;
                sleep(EVERY.saturating_sub(clock::monotonic().saturating_sub(now))).await;
            }
            Err(error) => {
                courier.link = None;
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
    link: Option<Link>,
    /// Hosts of the fleet.
    hosts: u32,
}

impl Courier {
    /// Says what is due. Returns whether there was anything.
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
        charges.board.put(verdicts);
        Ok(true)
    }

    async fn say(&mut self, due: &[Saying]) -> Result<Vec<(Answer, Answer)>, LinkError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.config).await?,
        };
        let call = self.call(due);
        let said = match link.ask::<Vec<i64>>(&call, Duration::ZERO).await {
            Err(LinkError::Redis(error)) if is_unknown(&error) => {
                self.load(&mut link).await?;
                link.ask(&call, Duration::ZERO).await
            }
            said => said,
        }?;
        self.link = Some(link);
        let answers = answers(&said);
        let expected: usize = due.iter().map(|saying| keys_of(saying).count()).sum();
        if answers.len() == expected {
            Ok(answers)
        } else {
            Err(LinkError::unexpected("expected an answer for each limit"))
        }
    }

    /// Gives the server the function; it keeps it as it keeps data.
    async fn load(&self, link: &mut Link) -> Result<(), LinkError> {
        let mut load = cmd("FUNCTION");
        load.arg("LOAD").arg(LIBRARY);
        match link.ask::<String>(&load, Duration::ZERO).await {
            Ok(_name) => {
                info!(server = self.config.server(), "the fleet's server has the function of limits")
            }
            // Another host was first.
            Err(LinkError::Redis(error)) if error.to_string().contains("already exists") => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn call(&self, due: &[Saying]) -> Cmd {
        let mut call = cmd("FCALL");
        let both = || {
            due.iter()
                .flat_map(keys_of)
                .flat_map(|(principal, part, route)| [(principal, route), (part, route)])
        };
        call.arg(FUNCTION).arg(both().count());
        for (hash, route) in both() {
            call.arg(format!("sensor:{{{}}}:limit:{hash:016x}:{route:016x}", self.config.name));
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
        while charges.inbox.try_recv().is_ok() {
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

/// Whether the server does not have the function.
fn is_unknown(error: &RedisError) -> bool {
    error.to_string().contains("unction not found")
}
