//! A limit of a key that holds for all hosts together, however its requests are spread over them.
#![expect(clippy::arithmetic_side_effects, clippy::float_arithmetic, reason = "a wrong test may panic")]

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use sensor_tests::netns::{LEGITIMATE, Net};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::wait::pace_until;

use super::evidence::key_file;
use super::*;

const HOSTS: u8 = 3;
const LIMIT: u32 = 100;
/// Fast enough that a minute's budget is spent in seconds, and slow enough to see what passes in between.
const EVERY: Duration = Duration::from_millis(25);

struct Site {
    fleet: Fleet,
    _servers: Vec<LoginServer>,
    _key: tempfile::TempDir,
}

impl Site {
    fn prepare(more: &str) -> Result<Self> {
        let key = key_file()?;
        let more = format!(
            "evidence = false\nevidence_key_file = \"{}\"\n{more}\n[http]\nports = [{}]\n\
             [detect.request-rate]\nper_principal = \"{LIMIT}/min\"\n[decide]\nblock_from = \"medium\"\n",
            key.path().join("evidence.key").display(),
            LoginServer::PORT
        );
        let fleet = Fleet::new(HOSTS, &plain(), &more)?;
        let servers = fleet.nets.iter().map(|net| LoginServer::start(&net.server)).collect::<io::Result<_>>()?;
        Ok(Self { fleet, _servers: servers, _key: key })
    }

    /// Requests with a key, each at the next host, until one of them is not answered, or so many are. Returns how many were,
    /// and how many a limit of the fleet admits in the same time.
    fn spend(&self, key: &str, client: IpAddr, most: u32) -> (u32, f64) {
        let (began, mut until) = (now(), now());
        for (number, net) in (0..most).zip(self.fleet.nets.iter().cycle()) {
            if ask(net, client, key).is_err() {
                return (number, admitted(began.elapsed()));
            }
            until += EVERY;
            pace_until(until);
        }
        (most, admitted(began.elapsed()))
    }
}

fn admitted(elapsed: Duration) -> f64 {
    f64::from(LIMIT) * (1.0 + elapsed.as_secs_f64() / 60.0)
}

fn ask(net: &Net, client: IpAddr, key: &str) -> io::Result<()> {
    let server = SocketAddr::new(SERVER_V4, LoginServer::PORT);
    let client = Client { timeout: Duration::from_millis(300), ..Client::new(client, server) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        write!(
            stream,
            "GET /items/1 HTTP/1.1\r\nHost: shop.example\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(answer)) }
    })
}

#[test]
fn a_key_has_one_limit_on_all_hosts() -> Result<()> {
    if tools::skipped("a_key_has_one_limit_on_all_hosts", &["redis-server"]) {
        return Ok(());
    }
    let site = Site::prepare("")?;
    let (passed, admitted) = site.spend("a-key-that-asks-too-much", v4(FLOODER), 3 * LIMIT);
    println!("{passed} requests passed where {admitted:.1} are admitted");
    let share = f64::from(passed) / admitted;
    let status = || site.fleet.hosts[0].ok(&["fleet", "status"]).unwrap_or_default();
    ensure!((0.95..=1.1).contains(&share), "{passed} of {admitted}: {}\n{}", status(), site.fleet.logs());
    ensure!(site.fleet.blocked_on(0..usize::from(HOSTS), "10.9.0.66/32"), "{}", site.fleet.logs());
    ensure!(status().contains("charged to the fleet"), "{}", status());
    // Another key, of another client, has a budget of its own.
    let (passed, _) = site.spend("another-key", v4(LEGITIMATE), LIMIT / 2);
    ensure!(passed == LIMIT / 2, "{passed}");
    Ok(())
}

#[test]
fn without_the_server_a_key_has_a_limit_on_each_host() -> Result<()> {
    if tools::skipped("without_the_server_a_key_has_a_limit_on_each_host", &["redis-server"]) {
        return Ok(());
    }
    let mut site = Site::prepare("")?;
    site.fleet.redis.kill9()?;
    let (passed, _) = site.spend("a-key", v4(LEGITIMATE), LIMIT * 2);
    ensure!(passed == LIMIT * 2, "{passed}: a host alone refuses what is within its limit");
    let trouble = || status(&site.fleet.hosts[0])["limits"]["trouble"].is_string();
    ensure!(wait_until(PATIENCE, trouble), "{}", status(&site.fleet.hosts[0])["limits"]);
    let told = site.fleet.hosts[0].ok(&["fleet", "status"])?;
    ensure!(told.contains("ON THIS HOST ALONE"), "{told}");
    let lost = || status(&site.fleet.hosts[0])["limits"]["lost"].as_u64() > Some(0);
    ensure!(wait_until(PATIENCE, lost), "{}", status(&site.fleet.hosts[0])["limits"]);
    // With the server, restarted empty and without the function, there is one limit again.
    site.fleet.redis.run()?;
    let (passed, admitted) = site.spend("a-key-of-later", v4(FLOODER), 3 * LIMIT);
    println!("{passed} requests passed where {admitted:.1} are admitted");
    ensure!(passed < 2 * LIMIT, "{passed} of {admitted}: {}", site.fleet.logs());
    Ok(())
}

#[test]
fn hosts_that_share_no_limits_do_not_notice() -> Result<()> {
    if tools::skipped("hosts_that_share_no_limits_do_not_notice", &["redis-server"]) {
        return Ok(());
    }
    let site = Site::prepare("limits = false")?;
    let (passed, _) = site.spend("a-key", v4(FLOODER), LIMIT * 3 / 2);
    ensure!(passed == LIMIT * 3 / 2, "{passed}: the other test shows nothing");
    ensure!(status(&site.fleet.hosts[0])["limits"]["shared"] == false);
    Ok(())
}
