//! Rules for autonomous systems and countries, from databases that the test writes.

mod restart;
mod telling;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, SERVER_V4, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::wait::wait_until;
use sensor_tests::{mmdb, tools};
use serde_json::{Value, json};

/// Puts a database of autonomous systems in the place of another, as a download tool does.
fn write_asn(directory: &Path, networks: &[(IpAddr, u32)]) -> Result<()> {
    let records: Vec<(IpNet, Vec<u8>)> = networks
        .iter()
        .map(|(address, asn)| (client(*address), mmdb::asn(*asn, "Example Networks")))
        .collect();
    replace(directory, "asn.mmdb", &mmdb::database("GeoLite2-ASN", &records))
}

/// All of 10.9.0.0/24, in which the server and all clients are, is one country.
fn write_country(directory: &Path) -> Result<()> {
    let records = [("10.9.0.0/24".parse()?, mmdb::country("XX"))];
    replace(directory, "country.mmdb", &mmdb::database("GeoLite2-Country", &records))
}

fn replace(directory: &Path, name: &str, content: &[u8]) -> Result<()> {
    let next = directory.join("next");
    fs::write(&next, content)?;
    Ok(fs::rename(next, directory.join(name))?)
}

/// The network of a client.
fn client(address: IpAddr) -> IpNet {
    let bits = if address.is_ipv4() { 32 } else { 64 };
    IpNet::new(address, bits).map(|net| net.trunc()).unwrap_or_else(|_| address.into())
}

/// A daemon with both databases; the flooder is in asn:64500, the legitimate client in asn:64501.
fn scene(directory: &Path) -> Result<Scene> {
    write_asn(directory, &[(v4(FLOODER), 64_500), (v6(FLOODER), 64_500), (v4(LEGITIMATE), 64_501)])?;
    write_country(directory)?;
    Scene::new(&(config("enforce", "off") + &names_of(directory)))
}

/// The part of the configuration that names both databases.
fn names_of(directory: &Path) -> String {
    format!(
        "[names]\nasn_database = \"{0}/asn.mmdb\"\ncountry_database = \"{0}/country.mmdb\"\n",
        directory.display()
    )
}

/// What a refused command said. It must fail, and change nothing.
fn refusal(scene: &Scene, args: &[&str]) -> Result<String> {
    let state = || -> Result<Vec<Value>> {
        ["limit", "block", "allow"].iter().map(|what| scene.daemon.json(&[what, "list"])).collect()
    };
    let before = state()?;
    let output = scene.daemon.cli(args)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{args:?} was taken: {said}");
    ensure!(state()? == before, "{args:?} changed something: {said}");
    Ok(said)
}

#[test]
fn a_group_is_blocked_listed_kept_and_lifted_as_one() -> Result<()> {
    if tools::skipped("a_group_is_blocked_listed_kept_and_lifted_as_one", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let mut scene = scene(directory.path())?;
    for source in [v4(FLOODER), v6(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 10)?;
    }
    let said = scene.daemon.ok(&["block", "add", "asn:AS64500", "--reason", "a test"])?;
    ensure!(said.contains("asn:64500 (2 networks)"), "{said}");
    for source in [v4(FLOODER), v6(FLOODER)] {
        ensure!(scene.dropped_of(source, 50)? == 50, "{source} is not blocked");
    }
    scene.all_arrive(v4(LEGITIMATE), 50)?;
    let list = scene.daemon.json(&["block", "list"])?;
    ensure!(list.as_array().map(Vec::len) == Some(1), "{list}");
    ensure!(list[0]["prefix"] == "asn:64500" && list[0]["networks"] == 2, "{list}");
    ensure!(list[0]["reason"] == "a test" && list[0]["origin"] == "command", "{list}");
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["groups"] == json!([["asn:64500", 2]]) && status["blocks_active"] == 1, "{status}");
    let explained = scene.daemon.ok(&["explain", &v4(FLOODER).to_string()])?;
    ensure!(explained.contains("blocked by asn:64500"), "{explained}");
    // The last policy stays in force without a daemon, and the next one knows it.
    scene.daemon.kill9()?;
    scene.daemon.run()?;
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "the block is gone after the restart");
    let again = scene.daemon.json(&["block", "list"])?;
    ensure!(again == list, "{again}");
    scene.daemon.ok(&["block", "remove", "asn:64500"])?;
    ensure!(scene.daemon.json(&["block", "list"])? == json!([]), "still listed");
    for source in [v4(FLOODER), v6(FLOODER)] {
        scene.all_arrive(source, 20)?;
    }
    Ok(())
}

#[test]
fn a_replaced_database_replaces_the_networks() -> Result<()> {
    if tools::skipped("a_replaced_database_replaces_the_networks", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for source in [v4(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 10)?;
    }
    scene.daemon.ok(&["block", "add", "asn:64500"])?;
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "not blocked");
    // A damaged file changes nothing, and is told.
    replace(directory.path(), "asn.mmdb", b"no database")?;
    let status = || scene.daemon.json(&["status"]).unwrap_or_default()["degraded"].to_string();
    ensure!(
        wait_until(PATIENCE, || status().contains("asn:64500")),
        "a damaged database is not told: {}",
        status()
    );
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "blocked no longer");
    write_asn(directory.path(), &[(v4(FLOODER), 64_501), (v4(LEGITIMATE), 64_500)])?;
    let is_heard = |source| scene.is_heard(source).unwrap_or(false);
    ensure!(wait_until(PATIENCE, || is_heard(v4(FLOODER))), "still blocked");
    ensure!(scene.dropped_of(v4(LEGITIMATE), 20)? == 20, "not blocked by the new database");
    ensure!(!status().contains("asn:64500"), "{}", status());
    Ok(())
}

/// Each client of the group has the limits for itself.
#[test]
fn limits_of_a_group_are_those_of_each_client() -> Result<()> {
    if tools::skipped("limits_of_a_group_are_those_of_each_client", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for source in [v4(FLOODER), v6(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 5)?;
    }
    scene.daemon.ok(&["limit", "set", "asn:64500", "--packets", "1/min:10"])?;
    for source in [v4(FLOODER), v6(FLOODER)] {
        let dropped = scene.dropped_of(source, 100)?;
        ensure!((85..100).contains(&dropped), "{dropped} of 100 dropped of {source}");
    }
    scene.all_arrive(v4(LEGITIMATE), 100)?;
    let rows = scene.daemon.json(&["limit", "list"])?;
    let row = rows.as_array().into_iter().flatten().find(|row| row["scope"] == "asn:64500");
    let row = row.with_context(|| format!("not listed: {rows}"))?;
    ensure!(row["networks"] == 2 && row["limits"]["packets"] == "1/min:10", "{row}");
    let explained = scene.daemon.json(&["explain", &v4(FLOODER).to_string()])?;
    ensure!(explained["scope"]["scope"] == "asn:64500", "{explained}");
    scene.daemon.ok(&["limit", "unset", "asn:64500"])?;
    scene.all_arrive(v4(FLOODER), 100)
}

/// A country may be blocked in which this host itself is: its own addresses, and what is allowed, stay reachable.
#[test]
fn a_blocked_country_spares_what_must_not_be_blocked() -> Result<()> {
    if tools::skipped("a_blocked_country_spares_what_must_not_be_blocked", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for source in [v4(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 10)?;
    }
    scene.daemon.ok(&["allow", "add", "asn:64501"])?;
    let said = scene.daemon.ok(&["block", "add", "country:xx", "--for", "1h"])?;
    ensure!(said.contains("country:XX (1 network)"), "{said}");
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "not blocked");
    scene.all_arrive(v4(LEGITIMATE), 20)?;
    let own = scene.daemon.json(&["explain", &SERVER_V4.to_string()])?;
    ensure!(!own["protected"].is_null(), "{own}");
    let refused = refusal(&scene, &["block", "add", &v4(LEGITIMATE).to_string()])?;
    ensure!(refused.contains("asn:64501 is allowed"), "{refused}");
    scene.daemon.ok(&["allow", "remove", "asn:64501"])?;
    ensure!(scene.dropped_of(v4(LEGITIMATE), 20)? == 20, "allowed still");
    Ok(())
}

#[test]
fn bad_groups_are_named_and_change_nothing() -> Result<()> {
    if tools::skipped("bad_groups_are_named_and_change_nothing", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for (args, expected) in [
        (&["block", "add", "asn:64999"][..], &["asn.mmdb", "asn:64999"][..]),
        (&["block", "add", "country:ZZ"], &["country.mmdb", "country:ZZ"]),
        (&["allow", "add", "asn:x"], &["asn:x", "such as asn:64500"]),
        (&["limit", "set", "country:DEU", "--packets", "5/s"], &["country:DEU", "two-letter"]),
        (&["block", "remove", "asn:64500"], &["asn:64500 is not blocked"]),
        (&["limit", "unset", "asn:64500"], &["asn:64500 has no limits"]),
        (&["block", "add", "asn:64500", "--fleet"], &["asn:64500", "without --fleet"]),
        (&["block", "remove", "asn:64500", "--fleet"], &["asn:64500", "without --fleet"]),
    ] {
        let said = refusal(&scene, args)?;
        ensure!(expected.iter().all(|word| said.contains(word)), "{args:?}: {said}");
    }
    drop(scene);
    let scene = Scene::new(&config("enforce", "off"))?;
    let said = refusal(&scene, &["block", "add", "asn:64500"])?;
    ensure!(said.contains("names.asn_database"), "{said}");
    Ok(())
}
