//! Rules for autonomous systems and countries, from databases that the test writes.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4, v6};
use sensor_tests::peers::login::{LoginServer, stuff};
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

/// A database that is missing or damaged when the daemon starts lifts nothing.
#[test]
fn a_restart_without_a_database_keeps_the_rules() -> Result<()> {
    if tools::skipped("a_restart_without_a_database_keeps_the_rules", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let mut scene = scene(directory.path())?;
    for source in [v4(FLOODER), v6(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 10)?;
    }
    scene.daemon.ok(&["block", "add", "country:XX"])?;
    scene.daemon.ok(&["allow", "add", "asn:64501"])?;
    scene.daemon.ok(&["limit", "set", "asn:64500", "--packets", "1/min:10"])?;
    let lists = |scene: &Scene| -> Result<Vec<Value>> {
        ["limit", "block", "allow"].iter().map(|what| scene.daemon.json(&[what, "list"])).collect()
    };
    let before = lists(&scene)?;
    let ways: [(&str, fn(&Path) -> Result<()>); 3] = [
        ("garbage", |directory| {
            replace(directory, "asn.mmdb", b"no database")?;
            replace(directory, "country.mmdb", &[0x5a; 70_000])
        }),
        ("gone", |directory| {
            fs::remove_file(directory.join("asn.mmdb"))?;
            Ok(fs::remove_file(directory.join("country.mmdb"))?)
        }),
        ("another kind", |directory| {
            write_country(directory)?;
            Ok(fs::rename(directory.join("country.mmdb"), directory.join("asn.mmdb"))?)
        }),
    ];
    for (how, spoil) in ways {
        scene.daemon.kill9()?;
        spoil(directory.path())?;
        // As after the machine's restart: nothing is left in the kernel.
        scene.daemon.unload()?;
        scene.daemon.run()?;
        ensure!(lists(&scene)? == before, "{how}: {:?}", lists(&scene)?);
        for source in [v4(FLOODER), v4(LEGITIMATE)] {
            scene.send(source, 10)?;
        }
        let is_dropped = || scene.is_heard(v4(FLOODER)).is_ok_and(|heard| !heard);
        ensure!(wait_until(PATIENCE, is_dropped), "{how}: no longer blocked");
        scene.all_arrive(v4(LEGITIMATE), 20)?;
        let explained = scene.daemon.json(&["explain", &v6(FLOODER).to_string()])?;
        ensure!(explained["scope"]["scope"] == "asn:64500", "{how}: {explained}");
        let status = scene.daemon.ok(&["status"])?;
        for words in ["DEGRADED", "asn:64500", "hold for the 2 networks known before", "asn.mmdb"] {
            ensure!(status.contains(words), "{how}: no `{words}` in {status}");
        }
        let doctor = scene.daemon.cli(&["doctor"])?;
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        ensure!(doctor.contains("PROBLEM") && doctor.contains("asn:64500"), "{how}: {doctor}");
    }
    // A new database is read without a word from anybody.
    write_asn(directory.path(), &[(v4(FLOODER), 64_501), (v4(LEGITIMATE), 64_500)])?;
    write_country(directory.path())?;
    let is_degraded =
        || scene.daemon.json(&["status"]).is_ok_and(|status| status["degraded"].to_string().contains("asn:"));
    ensure!(wait_until(PATIENCE, || !is_degraded()), "{}", scene.daemon.ok(&["status"])?);
    scene.all_arrive(v4(FLOODER), 20)?;
    // What is kept goes with its rule.
    let kept = scene.daemon.state_dir().join("groups");
    let files = || fs::read_dir(&kept).map_or(0, Iterator::count);
    ensure!(files() == 3, "{} files", files());
    scene.daemon.ok(&["limit", "unset", "asn:64500"])?;
    scene.daemon.ok(&["block", "remove", "country:XX"])?;
    scene.daemon.ok(&["allow", "remove", "asn:64501"])?;
    ensure!(wait_until(PATIENCE, || files() == 0), "{} files", files());
    Ok(())
}

#[test]
fn a_dry_run_shows_whom_a_group_hits() -> Result<()> {
    if tools::skipped("a_dry_run_shows_whom_a_group_hits", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for source in [v4(FLOODER), v6(FLOODER), v4(LEGITIMATE)] {
        scene.all_arrive(source, 10)?;
    }
    let preview = scene.daemon.json(&["block", "add", "AS64500", "--dry-run"])?;
    ensure!(preview["group"] == json!(["asn:64500", 2]) && preview["hit"] == 2, "{preview}");
    let hit: Vec<&str> = preview["clients"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["client"].as_str())
        .collect();
    ensure!(hit.len() == 2 && hit.contains(&client(v6(FLOODER)).to_string().as_str()), "{preview}");
    ensure!(preview["tracked"].as_u64().is_some_and(|tracked| tracked >= 3), "{preview}");
    let said = scene.daemon.ok(&["block", "add", "country:xx", "--dry-run"])?;
    for words in ["would block country:XX (1 network); nothing was changed", "belongs to this host"] {
        ensure!(said.contains(words), "no `{words}` in {said}");
    }
    let refused = refusal(&scene, &["block", "add", "country:ZZ", "--dry-run"])?;
    ensure!(refused.contains("country:ZZ"), "{refused}");
    ensure!(scene.daemon.json(&["block", "list"])? == json!([]), "a dry run blocked somebody");
    scene.all_arrive(v4(FLOODER), 20)?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["groups"].is_null(), "{status}");
    Ok(())
}

#[test]
fn clients_are_added_up_by_what_they_share() -> Result<()> {
    if tools::skipped("clients_are_added_up_by_what_they_share", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    for (source, count) in [(v4(FLOODER), 40), (v6(FLOODER), 30), (v4(LEGITIMATE), 20)] {
        scene.all_arrive(source, count)?;
    }
    let by = |what: &str, group: &str| -> Result<Value> {
        let rows = scene.daemon.json(&["clients", "--by", what])?;
        let row = rows.as_array().into_iter().flatten().find(|row| row["group"] == group).cloned();
        row.with_context(|| format!("no {group} in {rows}"))
    };
    // The first packets of a client are not counted as its own.
    let packets = |row: &Value| row["packets"].as_u64().unwrap_or(0);
    let system = by("asn", "asn:64500")?;
    ensure!(system["clients"] == 2 && system["organization"] == "Example Networks", "{system}");
    ensure!((50..=90).contains(&packets(&system)), "{system}");
    let other = by("asn", "asn:64501")?;
    ensure!(other["clients"] == 1 && packets(&other) <= 20, "{other}");
    let country = by("country", "country:XX")?;
    ensure!(country["clients"].as_u64().is_some_and(|clients| clients >= 2), "{country}");
    let network = by("prefix", "10.9.0.0/24")?;
    ensure!(network["clients"] == country["clients"], "{network} and {country}");
    let table = scene.daemon.ok(&["clients", "--by", "asn", "--top", "1"])?;
    ensure!(table.contains("asn:64500") && !table.contains("asn:64501"), "{table}");
    let csv = scene.daemon.ok(&["clients", "--by", "asn", "--csv"])?;
    ensure!(csv.starts_with("group,organization,clients") && csv.contains("asn:64501,"), "{csv}");
    // Without a database, and with a damaged one.
    replace(directory.path(), "asn.mmdb", b"no database")?;
    let said = refusal(&scene, &["clients", "--by", "asn"])?;
    ensure!(said.contains("asn.mmdb"), "{said}");
    Ok(())
}

/// An alert says which groups its offenders are in, and so does its incident.
#[test]
fn alerts_name_the_groups_of_offenders() -> Result<()> {
    if tools::skipped("alerts_name_the_groups_of_offenders", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    write_asn(directory.path(), &[(v4(FLOODER), 64_500)])?;
    write_country(directory.path())?;
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let names = names_of(directory.path());
    let daemon = Daemon::start(&net, &format!("mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}{names}"))?;
    let alerts = || daemon.json_lines(&["alerts"]).unwrap_or_default();
    stuff(&net, 0, || !alerts().is_empty())?;
    let alert = alerts().into_iter().next().context("no alert")?;
    let expected = json!([
        { "group": "asn:64500", "organization": "Example Networks", "clients": 1 },
        { "group": "country:XX", "clients": 1 },
    ]);
    ensure!(alert["groups"] == expected, "{alert}");
    let incidents = daemon.json_lines(&["incidents"])?;
    ensure!(incidents.first().is_some_and(|incident| incident["groups"] == expected), "{incidents:?}");
    let id = alert["id"].as_str().context("no id")?;
    let said = daemon.ok(&["incidents", "--id", id])?;
    ensure!(
        said.contains("clients are in asn:64500 Example Networks: 1 client, country:XX: 1 client"),
        "{said}"
    );
    let said = daemon.ok(&["explain", id])?;
    ensure!(said.contains("offenders are in asn:64500 Example Networks"), "{said}");
    Ok(())
}

/// What an operator is told who asks about a member, or about the group.
#[test]
fn members_of_a_blocked_group_are_told_by_what_they_are_blocked() -> Result<()> {
    if tools::skipped("members_of_a_blocked_group_are_told_by_what_they_are_blocked", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    scene.all_arrive(v4(FLOODER), 10)?;
    let member = v4(FLOODER).to_string();
    let said = scene.daemon.ok(&["explain", "asn:64500"])?;
    ensure!(said.contains("no rule names asn:64500"), "{said}");
    let said = scene.daemon.ok(&["block", "add", "country:XX"])?;
    ensure!(said.contains("belongs to this host, and is never blocked"), "{said}");
    let said = refusal(&scene, &["block", "remove", &member])?;
    for words in
        ["blocked by country:XX", "sensor block remove country:XX", &format!("sensor allow add {member}/32")]
    {
        ensure!(said.contains(words), "no `{words}` in {said}");
    }
    let said = scene.daemon.ok(&["explain", "country:xx"])?;
    for words in ["country:XX: 1 network", "blocked, but for", "sensor block remove country:XX"] {
        ensure!(said.contains(words), "no `{words}` in {said}");
    }
    let own = scene.daemon.ok(&["explain", &SERVER_V4.to_string()])?;
    ensure!(own.contains("passes: it is never blocked, although country:XX is"), "{own}");
    scene.daemon.ok(&["allow", "add", &member])?;
    scene.all_arrive(v4(FLOODER), 20)
}

#[test]
fn a_reload_with_an_unknown_group_is_refused_as_a_whole() -> Result<()> {
    if tools::skipped("a_reload_with_an_unknown_group_is_refused_as_a_whole", &[]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let scene = scene(directory.path())?;
    scene.all_arrive(v4(FLOODER), 10)?;
    let configuration =
        |rule: &str| format!("{rule}\n{}{}", config("enforce", "off"), names_of(directory.path()));
    scene.daemon.write_config(&configuration("block = [\"asn:64999\"]"))?;
    let said = refusal(&scene, &["reload"])?;
    ensure!(said.contains("asn:64999") && said.contains("asn.mmdb"), "{said}");
    scene.daemon.write_config(&configuration("block = [\"asn:64500\"]"))?;
    scene.daemon.ok(&["reload"])?;
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "not blocked");
    let said = refusal(&scene, &["block", "remove", "asn:64500"])?;
    ensure!(said.contains("in the configuration"), "{said}");
    // A database that is damaged meanwhile is no reason to refuse what was in force before.
    replace(directory.path(), "asn.mmdb", b"no database")?;
    scene.daemon.ok(&["reload"])?;
    ensure!(scene.dropped_of(v4(FLOODER), 20)? == 20, "no longer blocked");
    scene.daemon.write_config(&configuration(""))?;
    scene.daemon.ok(&["reload"])?;
    scene.all_arrive(v4(FLOODER), 20)
}
