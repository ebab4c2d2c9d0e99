//! Databases that are damaged, gone or of another kind when the daemon starts or reads its configuration again.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

use super::{names_of, refusal, replace, scene, write_asn, write_country};

/// Does something to the databases in a directory.
type Spoil = fn(&Path) -> Result<()>;

/// What may happen to a database.
const WAYS: [(&str, Spoil); 3] = [
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

/// Every rule, as listed.
fn lists(scene: &Scene) -> Result<Vec<Value>> {
    ["limit", "block", "allow"].iter().map(|what| scene.daemon.json(&[what, "list"])).collect()
}

/// What was in force before is in force still, and the daemon says why.
fn all_holds(scene: &Scene, how: &str, before: &[Value]) -> Result<()> {
    ensure!(lists(scene)? == before, "{how}: {:?}", lists(scene)?);
    for source in [v4(FLOODER), v4(LEGITIMATE)] {
        scene.send(source, 10)?;
    }
    let is_dropped = || scene.is_heard(v4(FLOODER)).is_ok_and(|heard| !heard);
    ensure!(wait_until(PATIENCE, is_dropped), "{how}: no longer blocked");
    scene.all_arrive(v4(LEGITIMATE), 20)?;
    let explained = scene.daemon.json(&["explain", &v6(FLOODER).to_string()])?;
    let scope = explained.pointer("/scope/scope");
    ensure!(scope.is_some_and(|scope| scope == "asn:64500"), "{how}: {explained}");
    let status = scene.daemon.ok(&["status"])?;
    for words in ["DEGRADED", "asn:64500", "hold for the 2 networks known before", "asn.mmdb"] {
        ensure!(status.contains(words), "{how}: no `{words}` in {status}");
    }
    let doctor = scene.daemon.cli(&["doctor"])?;
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(doctor.contains("PROBLEM") && doctor.contains("asn:64500"), "{how}: {doctor}");
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
    let before = lists(&scene)?;
    for (how, spoil) in WAYS {
        scene.daemon.kill9()?;
        spoil(directory.path())?;
        // As after the machine's restart: nothing is left in the kernel.
        scene.daemon.unload()?;
        scene.daemon.run()?;
        all_holds(&scene, how, &before)?;
    }
    // A new database is read without a word from anybody.
    write_asn(directory.path(), &[(v4(FLOODER), 64_501), (v4(LEGITIMATE), 64_500)])?;
    write_country(directory.path())?;
    let is_degraded =
        || scene.daemon.json(&["status"]).is_ok_and(|status| status["degraded"].to_string().contains("asn:"));
    ensure!(wait_until(PATIENCE, || !is_degraded()), "{}", scene.daemon.ok(&["status"])?);
    scene.all_arrive(v4(FLOODER), 20)?;
    // What is kept goes with its rule.
    let is_kept = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("group-");
    let files = || {
        let found = fs::read_dir(scene.daemon.state_dir()).into_iter().flatten().flatten();
        found.filter(|entry| is_kept(&entry.file_name())).count()
    };
    ensure!(files() == 3, "{} files", files());
    scene.daemon.ok(&["limit", "unset", "asn:64500"])?;
    scene.daemon.ok(&["block", "remove", "country:XX"])?;
    scene.daemon.ok(&["allow", "remove", "asn:64501"])?;
    ensure!(wait_until(PATIENCE, || files() == 0), "{} files", files());
    Ok(())
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
