//! An attack of which each host sees a part that none of them would find.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use sensor::clock;
use sensor_tests::netns::{Net, many};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::keys::write_key;
use sensor_tests::peers::login::{LoginServer, RIGHT, attempt};
use sensor_tests::wait::pace_until;

use super::*;

const HOSTS: u8 = 3;
/// People, each with an address and an account; a share of failures is known after as many.
const PEOPLE: u8 = 210;
/// Attackers at each host at first, and until it is found: too few for a host that sees only these. Each has an address of
/// its own, since a client that meets several hosts counts once.
const FIRST: u8 = 12;
const MOST: u8 = 15;
/// As `shared` has it: what happens in different slots is judged apart, too.
const SLOT_SECONDS: u64 = 30;

/// A file with the fleet's key for evidence.
pub(super) fn key_file() -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    write_key(&directory.path().join("evidence.key"))?;
    Ok(directory)
}

struct Attack {
    fleet: Fleet,
    _servers: Vec<LoginServer>,
    /// The last person that logged in, and attackers at each host so far.
    person: u8,
    attackers: u8,
}

impl Attack {
    /// Hosts with people that log in, at the beginning of a slot.
    fn prepare(evidence: &str) -> Result<Self> {
        // The server's answer alone would not say that a login succeeded: its token has one letter.
        let more = format!(
            "{evidence}\n[http]\nports = [{}]\n[login.site]\nroute = \"/login\"\nsuccess_status = [\"200\"]",
            LoginServer::PORT
        );
        let fleet = Fleet::new(HOSTS, &plain(), &more)?;
        let mut servers = Vec::new();
        for net in &fleet.nets {
            net.add_many(PEOPLE + MOST * HOSTS)?;
            servers.push(LoginServer::start(&net.server)?);
        }
        let mut attack = Self { fleet, _servers: servers, person: 0, attackers: 0 };
        for _ in 0..PEOPLE {
            attack.log_in()?;
        }
        // Successes never stop: otherwise it would be an outage.
        let mut until = now();
        while clock::now().unix_nanos() / 1_000_000_000 % SLOT_SECONDS > 1 {
            attack.log_in()?;
            until += Duration::from_millis(200);
            pace_until(until);
        }
        Ok(attack)
    }

    /// The next person logs in at each host.
    fn log_in(&mut self) -> Result<()> {
        self.person = self.person % PEOPLE + 1;
        for net in &self.fleet.nets {
            let status = attempt(net, many(self.person), &format!("user{}", self.person), RIGHT)?;
            ensure!(status == 200, "{status}");
        }
        Ok(())
    }

    /// One more attacker tries one account at each host.
    fn strike(&mut self) {
        self.attackers += 1;
        for (host, net) in (0..).zip(&self.fleet.nets) {
            // One that is blocked has no answer.
            let _refused =
                bot(net, attacker(host, self.attackers), &format!("victim{host}-{}", self.attackers));
        }
    }

    /// Whether all hosts have sums that show an attack.
    fn is_known(&self) -> bool {
        self.fleet.hosts.iter().all(|host| status(host)["evidence"]["attacked"] == 1)
    }

    /// Whether all hosts found an attack on the route. It is told with the next attempt of an attacker, once the sums show
    /// it; without sums, some more are made all the same.
    fn is_found(&mut self, by: impl Fn(&Value) -> bool) -> Result<bool> {
        for _ in 0..FIRST {
            self.strike();
            self.log_in()?;
        }
        let (began, mut until) = (now(), now());
        while began.elapsed() < Duration::from_secs(15) {
            let found = self
                .fleet
                .hosts
                .iter()
                .all(|host| host.json_lines(&["alerts"]).is_ok_and(|alerts| alerts.iter().any(&by)));
            if found {
                println!("found by all hosts {:?} after the last of the first attempts", began.elapsed());
                return Ok(true);
            }
            if self.attackers < MOST && (self.is_known() || began.elapsed() > Duration::from_secs(8)) {
                self.strike();
            }
            self.log_in()?;
            until += Duration::from_millis(500);
            pace_until(until);
        }
        Ok(false)
    }
}

/// The address of the attackers of a host, from 1.
const fn attacker(host: u8, number: u8) -> u8 {
    PEOPLE + host * MOST + number
}

/// A program of its own tries to log in.
fn bot(net: &Net, number: u8, user: &str) -> io::Result<()> {
    let server = SocketAddr::new(SERVER_V4, LoginServer::PORT);
    let client = Client { timeout: Duration::from_millis(300), ..Client::new(many(number), server) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        let body = format!(r#"{{"username":"{user}","password":"wrong-{user}"}}"#);
        let head =
            "POST /login HTTP/1.1\r\nUser-Agent: bot/1.0\r\nAccept: */*\r\nContent-Type: application/json";
        write!(
            stream,
            "{head}\r\nContent-Length: {}\r\nHost: shop.example\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        stream.read_to_string(&mut String::new()).map(drop)
    })
}

fn is_stuffing(alert: &Value) -> bool {
    alert["detector"] == "credential-stuffing" && alert.to_string().contains("logins at /login")
}

fn is_of_fleet(alert: &Value) -> bool {
    // Two hosts may have seen enough.
    alert["detector"] == "credential-stuffing" && alert["evidence"]["fleet_hosts"].as_u64() >= Some(2)
}

#[test]
fn what_each_host_sees_a_third_of_is_found_by_all() -> Result<()> {
    let test = "what_each_host_sees_a_third_of_is_found_by_all";
    if tools::skipped(test, &["redis-server"]) {
        return Ok(());
    }
    let key = key_file()?;
    let evidence = format!("evidence_key_file = \"{}\"", key.path().join("evidence.key").display());
    let mut attack = Attack::prepare(&evidence)?;
    let heard = |fleet: &Fleet| {
        fleet.hosts.iter().all(|host| status(host)["evidence"]["hosts"] == u64::from(HOSTS) - 1)
    };
    ensure!(wait_until(AGREEMENT, || heard(&attack.fleet)), "{}", status(&attack.fleet.hosts[0])["evidence"]);
    ensure!(attack.is_found(is_of_fleet)?, "{}\n{}", status(&attack.fleet.hosts[0]), attack.fleet.logs());
    // Each host blocks those that it met, and no host anybody else.
    let blocked = || {
        let blocks = |host: &Daemon| host.json(&["block", "list"]).unwrap_or_default().to_string();
        let met = |number| format!("\"{}/32\"", many(attacker(number, 1)));
        (0..).zip(&attack.fleet.hosts).all(|(number, host)| blocks(host).contains(&met(number)))
    };
    ensure!(wait_until(AGREEMENT, blocked), "{}", attack.fleet.logs());
    for host in &attack.fleet.hosts {
        let blocks = host.json(&["block", "list"])?.to_string();
        let is_person = |number: &u8| blocks.contains(&format!("\"{}/32\"", many(*number)));
        ensure!(!(1..=PEOPLE).any(|number| is_person(&number)), "people are blocked: {blocks}");
    }
    let metrics = attack.fleet.hosts[1].metrics()?;
    ensure!(metrics.sum("sensor_fleet_evidence_hosts", &[]) == 2, "not by its metrics");
    let said = attack.fleet.hosts[0].ok(&["fleet", "status"])?;
    ensure!(said.contains("2 other hosts heard") && said.contains("AN ATTACK"), "{said}");
    // Without the server there are no sums, and with it there are again.
    attack.fleet.redis.kill9()?;
    let is_alone = || attack.fleet.hosts.iter().all(|host| status(host)["evidence"]["trouble"].is_string());
    ensure!(wait_until(PATIENCE, is_alone), "{}", status(&attack.fleet.hosts[0])["evidence"]);
    attack.fleet.redis.run()?;
    ensure!(wait_until(AGREEMENT, || heard(&attack.fleet)), "{}", status(&attack.fleet.hosts[0])["evidence"]);
    // A host that is expelled no longer counts.
    attack.fleet.authorized(0, "expel", "web2")?;
    let is_out = || status(&attack.fleet.hosts[0])["evidence"]["hosts"] == 1;
    ensure!(wait_until(AGREEMENT, is_out), "{}", status(&attack.fleet.hosts[0])["evidence"]);
    Ok(())
}

#[test]
fn without_evidence_of_others_no_host_finds_it() -> Result<()> {
    if tools::skipped("without_evidence_of_others_no_host_finds_it", &["redis-server"]) {
        return Ok(());
    }
    let mut attack = Attack::prepare("evidence = false")?;
    ensure!(status(&attack.fleet.hosts[0])["evidence"]["shared"] == false);
    ensure!(!attack.is_found(is_stuffing)?, "a host finds it alone: the other test shows nothing");
    Ok(())
}
