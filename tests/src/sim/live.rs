//! Plays a simulation as real HTTP: from many addresses of one namespace to a server in another, with the truth known.
//!
//! Names and passwords are the simulation's hashes in hexadecimal; a right password begins with what the server of
//! [`crate::peers::login`] takes for right. Clients have addresses of the world's network in the order of their first
//! request, attackers apart from all others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sensor::clock::Timestamp;
use sensor::event::LoginOutcome;

use super::Simulation;
use super::record::{Origin, SimEvent, SimExchange};
use crate::netns::{INTERFACE, Net};
use crate::peers::http::Client;
use crate::peers::login::RIGHT;
use crate::wait;

/// How a simulation is played.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Seconds of the simulation in one second; 0 is as fast as it goes.
    pub faster: u32,
    /// Addresses of legitimate clients; more clients share them.
    pub residents: u16,
    /// Addresses of attackers.
    pub attackers: u16,
    /// Whether only attempts to log in are sent.
    pub logins_only: bool,
}

/// What became of the requests of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Answered with success.
    pub accepted: u64,
    /// Answered otherwise.
    pub refused: u64,
    /// Not answered.
    pub unanswered: u64,
    /// Not sent any more, since the client's last two were not answered.
    pub given_up: u64,
    /// Addresses that gave up.
    pub silenced: BTreeSet<IpAddr>,
    /// Addresses whose last request was not answered.
    unheard: BTreeSet<IpAddr>,
}

/// What became of all of them.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Of those who mean no harm.
    pub benign: Side,
    /// Of the attack.
    pub attack: Side,
}

/// First of the addresses of legitimate clients, and of attackers.
const FIRST: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 16, 1), Ipv4Addr::new(10, 9, 64, 1)];
/// Threads that send; more requests at a time wait.
const SENDERS: usize = 24;
/// A client waits no longer: what is blocked in the kernel is never answered.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Gives the world the addresses that are needed.
///
/// # Errors
/// If `ip` fails.
pub fn prepare(net: &Net, pace: &Pace) -> Result<()> {
    let counts = [pace.residents, pace.attackers];
    ensure!(counts.iter().all(|count| (1..=10_000).contains(count)), "{counts:?} addresses");
    let mut batch = String::new();
    for (first, count) in FIRST.into_iter().zip(counts) {
        for number in 0..count {
            let address = nth(first, number);
            writeln!(batch, "addr add {address}/16 dev {INTERFACE}")?;
        }
    }
    net.world.ip(&batch)
}

fn nth(first: Ipv4Addr, number: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(first.to_bits() + u32::from(number))
}

/// The address that an attacker of this number sends from.
#[must_use]
pub fn attacker(number: u16) -> IpAddr {
    nth(FIRST[1], number).into()
}

struct Job {
    client: IpAddr,
    is_attack: bool,
    request: String,
}

/// Plays all of it; what became of it.
///
/// # Errors
/// If the simulation has more clients than addresses on the attacker's side, whose addresses must be their own.
pub fn play(net: &Net, server: SocketAddr, simulation: Simulation, pace: &Pace) -> Result<Played> {
    let played = Mutex::new(Played::default());
    let (sender, receiver) = sync_channel::<Job>(SENDERS * 4);
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| net.world.enter(|| send_all(server, &receiver, &played)));
        }
        let mut hosts = Hosts::default();
        let (begun, mut origin) = (wait::now(), None);
        for event in simulation {
            let SimEvent::Exchange(exchange) = event else { continue };
            if pace.logins_only && exchange.login.is_none() {
                continue;
            }
            let first = *origin.get_or_insert(exchange.at);
            pace.wait(begun, exchange.at.since(first));
            let is_attack = exchange.origin == Origin::Attack;
            let client = hosts.of(exchange.client, is_attack, pace)?;
            let job = Job { client, is_attack, request: request(&exchange, server) };
            ensure!(sender.send(job).is_ok(), "nobody sends any more");
        }
        drop(sender);
        anyhow::Ok(())
    })?;
    Ok(played.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Pace {
    fn wait(&self, begun: Instant, simulated: Duration) {
        if let Some(real) = simulated.checked_div(self.faster) {
            wait::pace_until(begun + real);
        }
    }
}

/// Which address stands for which simulated one.
#[derive(Default)]
struct Hosts([BTreeMap<IpAddr, u16>; 2]);

impl Hosts {
    fn of(&mut self, simulated: IpAddr, is_attack: bool, pace: &Pace) -> Result<IpAddr> {
        let side = usize::from(is_attack);
        let next = self.0[side].len() as u16;
        let number = *self.0[side].entry(simulated).or_insert(next);
        let room = if is_attack { pace.attackers } else { pace.residents };
        ensure!(!is_attack || number < room, "more than {room} attackers");
        Ok(nth(FIRST[side], number % room).into())
    }
}

fn send_all(server: SocketAddr, jobs: &Mutex<Receiver<Job>>, played: &Mutex<Played>) {
    let lock = || played.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if lock().side(job.is_attack).silenced.contains(&job.client) {
            lock().side(job.is_attack).given_up += 1;
            continue;
        }
        let status = send(server, &job);
        lock().side(job.is_attack).add(job.client, status.ok());
    }
}

impl Side {
    fn add(&mut self, client: IpAddr, status: Option<u16>) {
        match status {
            Some(200) => self.accepted += 1,
            Some(_) => self.refused += 1,
            None => {
                self.unanswered += 1;
                if !self.unheard.insert(client) {
                    self.silenced.insert(client);
                }
                return;
            }
        }
        self.unheard.remove(&client);
    }
}

impl Played {
    const fn side(&mut self, is_attack: bool) -> &mut Side {
        if is_attack { &mut self.attack } else { &mut self.benign }
    }
}

fn send(server: SocketAddr, job: &Job) -> io::Result<u16> {
    let mut stream = Client { timeout: TIMEOUT, ..Client::new(job.client, server) }.connect()?;
    stream.write_all(job.request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("closed without an answer"))
}

/// As text. The order of headers is the program's.
fn request(exchange: &SimExchange, server: SocketAddr) -> String {
    let body = exchange.login.map_or_else(String::new, |login| {
        let right = if login.outcome == LoginOutcome::Success { RIGHT } else { "wrong-" };
        let hex = |hash: Option<sensor::identity::KeyedHash>| {
            hash.map_or_else(String::new, |hash| format!("{:032x}", u128::from_be_bytes(hash.digest())))
        };
        format!("{{\"user\":\"u{}\",\"password\":\"{right}{}\"}}", hex(login.user), hex(login.password))
    });
    let agent = format!("User-Agent: {}\r\n", exchange.app.user_agent());
    let accept = "Accept: application/json\r\n";
    let [one, other] =
        if exchange.app.0.is_multiple_of(2) { [agent.as_str(), accept] } else { [accept, &agent] };
    let path = exchange.route.path(exchange.id);
    let mut text = format!("{} {path} HTTP/1.1\r\nHost: {server}\r\n{one}{other}", exchange.method);
    if exchange.method == "POST" {
        let length = body.len();
        text += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    text + "Connection: close\r\n\r\n" + &body
}

/// Attempts of legitimate clients and of the attack in a simulation, for comparing with what was played.
#[must_use]
pub fn expected(simulation: Simulation) -> [(u64, u64); 2] {
    let mut counts = [(0, 0); 2];
    for event in simulation {
        let SimEvent::Exchange(exchange) = event else { continue };
        let Some(login) = exchange.login else { continue };
        let count = &mut counts[usize::from(exchange.origin == Origin::Attack)];
        if login.outcome == LoginOutcome::Success { count.0 += 1 } else { count.1 += 1 }
    }
    counts
}

/// The middle of a day: where scenarios that are played begin.
#[must_use]
pub fn noon() -> Timestamp {
    super::plan::MONDAY.plus(super::plan::HOUR * 36)
}
