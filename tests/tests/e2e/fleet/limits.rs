//! A limit of a key that holds for all hosts together, however its requests are spread over them.

use sensor_tests::netns::LEGITIMATE;
use sensor_tests::peers::keys::{LIMIT, Site};

use super::*;

const HOSTS: u8 = 3;
/// Fast enough that a minute's budget is spent in seconds, and slow enough to see what passes in between.
const EVERY: Duration = Duration::from_millis(25);
/// Within the limit of each host on its own.
const SPREAD: u32 = LIMIT * 2;

#[test]
fn a_key_has_one_limit_on_all_hosts() -> Result<()> {
    if tools::skipped("a_key_has_one_limit_on_all_hosts", &["redis-server"]) {
        return Ok(());
    }
    let site = Site::start(HOSTS, "")?;
    let (passed, admitted) = site.spend("a-key-that-asks-too-much", v4(FLOODER), (EVERY, SPREAD));
    println!("{passed} requests passed where {admitted:.1} are admitted");
    let share = f64::from(passed) / admitted;
    let said = || site.fleet.hosts[0].ok(&["fleet", "status"]).unwrap_or_default();
    // On a busy machine answers take longer.
    ensure!((0.95..=1.3).contains(&share), "{passed} of {admitted}: {}\n{}", said(), site.fleet.logs());
    let blocked = || site.fleet.blocked_on(0..usize::from(HOSTS), "10.9.0.66/32");
    ensure!(wait_until(PATIENCE, blocked), "{}", site.fleet.logs());
    ensure!(said().contains("charged to the fleet"), "{}", said());
    // Another key, of another client, has a budget of its own.
    let (passed, _) = site.spend("another-key", v4(LEGITIMATE), (EVERY, LIMIT / 2));
    ensure!(passed == LIMIT / 2, "{passed}");
    Ok(())
}

#[test]
fn without_the_server_a_key_has_a_limit_on_each_host() -> Result<()> {
    if tools::skipped("without_the_server_a_key_has_a_limit_on_each_host", &["redis-server"]) {
        return Ok(());
    }
    let mut site = Site::start(HOSTS, "")?;
    site.fleet.redis.kill9()?;
    let (passed, _) = site.spend("a-key", v4(LEGITIMATE), (EVERY, SPREAD));
    ensure!(passed == SPREAD, "{passed}: a host alone refuses what is within its limit");
    let limits = || status(&site.fleet.hosts[0])["limits"].clone();
    let is_told = || limits()["trouble"].is_string() && limits()["lost"].as_u64() > Some(0);
    ensure!(wait_until(PATIENCE, is_told), "{}", limits());
    let said = site.fleet.hosts[0].ok(&["fleet", "status"])?;
    ensure!(said.contains("ON THIS HOST ALONE"), "{said}");
    // With the server, restarted empty and without the function, there is one limit again.
    site.fleet.redis.run()?;
    let (passed, admitted) = site.spend("a-key-of-later", v4(FLOODER), (EVERY, SPREAD));
    println!("{passed} requests passed where {admitted:.1} are admitted");
    ensure!(passed < SPREAD, "{passed} of {admitted}: {}", site.fleet.logs());
    Ok(())
}

#[test]
fn hosts_that_share_no_limits_do_not_notice() -> Result<()> {
    if tools::skipped("hosts_that_share_no_limits_do_not_notice", &["redis-server"]) {
        return Ok(());
    }
    let site = Site::start(HOSTS, "limits = false")?;
    let (passed, _) = site.spend("a-key", v4(FLOODER), (EVERY, SPREAD));
    ensure!(passed == SPREAD, "{passed}: the other test shows nothing");
    ensure!(status(&site.fleet.hosts[0])["limits"]["shared"] == false);
    Ok(())
}
