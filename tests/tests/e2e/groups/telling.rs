//! What operators are told of groups: whom a block would hit, who is there, who attacks, and why somebody is blocked.

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4, v6};
use sensor_tests::peers::login::{LoginServer, stuff};
use sensor_tests::tools;
use serde_json::{Value, json};

use super::{client, names_of, refusal, replace, scene, write_asn, write_country};

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
    let alerts = || {
        let mut found = daemon.json_lines(&["alerts"]).unwrap_or_default();
        found.retain(|alert| alert["detector"] == "credential-stuffing");
        found
    };
    stuff(&net, 0, || !alerts().is_empty())?;
    let alert = alerts().into_iter().next().context("no alert")?;
    let expected = json!([
        { "group": "asn:64500", "organization": "Example Networks", "clients": 1 },
        { "group": "country:XX", "clients": 1 },
    ]);
    ensure!(alert["groups"] == expected, "{alert}");
    let id = alert["id"].as_str().context("no id")?;
    let incidents = daemon.json_lines(&["incidents"])?;
    let incident = incidents.iter().find(|incident| incident["id"] == id);
    ensure!(incident.is_some_and(|incident| incident["groups"] == expected), "{incidents:?}");
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
