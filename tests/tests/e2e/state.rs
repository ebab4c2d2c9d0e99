//! State that is damaged, missing, full, newer or open to others: what stays in force, and who is told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sensor_tests::daemon::{Daemon, PATIENCE, WEB, page};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, v4};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// What failed is tried again twice a minute, and on reload.
const AGAIN: Duration = Duration::from_secs(20);

/// What `/readyz` says.
fn readiness(daemon: &Daemon, net: &Net) -> Result<String> {
    ensure!(daemon.is_ready());
    net.server.enter(|| page(WEB, "/readyz"))
}

/// What `sensor status` says about a part that is degraded.
fn trouble(daemon: &Daemon, part: &str) -> Result<String> {
    let status = daemon.json(&["status"])?;
    let rows = status.get("degraded").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let texts = rows.iter().filter(|row| row["part"] == part).filter_map(|row| row["what"].as_str());
    Ok(texts.collect::<Vec<_>>().join("\n"))
}

fn kept(daemon: &Daemon, name: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(daemon.state_dir())?.map(|entry| Ok(entry?.path()));
    let entries: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
    // A database has its log beside it.
    let is_it =
        |path: &PathBuf| path.to_string_lossy().contains(name) && !path.to_string_lossy().ends_with("-wal");
    Ok(entries.into_iter().filter(is_it).collect())
}

#[test]
fn what_is_enforced_outlives_its_files() -> Result<()> {
    if tools::skipped("what_is_enforced_outlives_its_files", &["python3"]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("monitor", "off"))?;
    scene.daemon.ok(&["mode", "enforce"])?;
    scene.daemon.ok(&["block", "add", "10.9.0.70", "--for", "1h"])?;
    scene.daemon.ok(&["block", "remove", "10.9.0.70"])?;
    scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1h", "--reason", "ticket 4711"])?;
    ensure!(readiness(&scene.daemon, &scene.net)? == "ok\n");
    let commands = scene.daemon.state_dir().join("commands.json");
    let whole = fs::read(&commands)?;
    for how in ["cut", "empty", "gone bad", "newer"] {
        scene.daemon.kill9()?;
        match how {
            "cut" => fs::write(&commands, whole.split_at(whole.len() / 2).0)?,
            "empty" => fs::write(&commands, "")?,
            "gone bad" => {
                fs::write(&commands, [0_u8; 4_096])?;
                // The version before is lost, too.
                fs::write(commands.with_extension("json.previous"), [0_u8; 4_096])?;
            }
            _ => fs::write(
                &commands,
                String::from_utf8(whole.clone())?.replace("\"version\":1", "\"version\":7,\"moods\":{}"),
            )?,
        }
        scene.daemon.run()?;
        let said = readiness(&scene.daemon, &scene.net)?;
        ensure!(said.starts_with("degraded: commands"), "{how}: {said}");
        let said = trouble(&scene.daemon, "commands")?;
        ensure!(said.contains("commands.json") && said.contains("mv "), "{how}: {said}");
        ensure!(scene.daemon.ok(&["status"])?.contains("DEGRADED     commands: "), "{how}");
        ensure!(scene.daemon.metrics()?.sum("sensor_degraded", &[("part", "commands")]) == 1, "{how}");
        ensure!(scene.daemon.json(&["mode"])?["mode"] == "enforce", "{how}: nothing is enforced any more");
        let blocks = scene.daemon.json(&["block", "list"])?;
        let prefixes: Vec<&str> =
            blocks.as_array().into_iter().flatten().filter_map(|row| row["prefix"].as_str()).collect();
        ensure!(prefixes == ["10.9.0.66/32"], "{how}: {blocks}");
        ensure!(
            !scene.is_heard(v4(FLOODER))? && scene.is_heard(v4(LEGITIMATE))?,
            "{how}: the kernel does otherwise"
        );
        let name = if how == "newer" { "commands.json.newer-" } else { "commands.json.corrupt-" };
        ensure!(!kept(&scene.daemon, name)?.is_empty(), "{how}: the file is gone");
        // The next start is an ordinary one.
        scene.daemon.kill9()?;
        scene.daemon.run()?;
        ensure!(readiness(&scene.daemon, &scene.net)? == "ok\n", "{how}");
        ensure!(!scene.is_heard(v4(FLOODER))?, "{how}: after another restart");
    }
    Ok(())
}

#[test]
fn a_newer_database_is_kept_and_its_blocks_stay() -> Result<()> {
    if tools::skipped("a_newer_database_is_kept_and_its_blocks_stay", &["python3"]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    scene.daemon.terminate()?;
    let database = scene.daemon.state_dir().join("events.db");
    // A detector's block that holds for an hour, a column that this version does not know, and a version of the future.
    let script = "import json, sqlite3, sys, time\n\
        db = sqlite3.connect(sys.argv[1])\n\
        now = int(time.time() * 1e6)\n\
        stamp = lambda us: time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(us / 1e6))\n\
        record = dict(prefix='10.9.0.66/32', measure='block', since=stamp(now), until=stamp(now + 3600 * 10**6),\n    \
            threat='scanner', alert_id='01M8BEW8Q70000000000000C0J', repetition=0, lifted=False)\n\
        db.execute('INSERT INTO decisions VALUES (?, ?, ?, ?, 0, ?)', ('10.9.0.66/32', 'block', now, now + 3600 * 10**6, json.dumps(record)))\n\
        db.execute('ALTER TABLE decisions ADD COLUMN colour TEXT')\n\
        db.execute('PRAGMA user_version = 99')\n\
        db.commit()\n";
    let done = Command::new("python3").args(["-c", script]).arg(&database).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    scene.daemon.run()?;
    let said = trouble(&scene.daemon, "events")?;
    ensure!(said.contains("version 99") && said.contains("mv "), "{said}");
    ensure!(kept(&scene.daemon, "events.db.newer-")?.len() == 1, "{said}");
    ensure!(
        !scene.is_heard(v4(FLOODER))? && scene.is_heard(v4(LEGITIMATE))?,
        "the block of a newer version is forgotten"
    );
    Ok(())
}

#[test]
fn a_full_disk_at_the_first_start_is_told_and_survived() -> Result<()> {
    if tools::skipped("a_full_disk_at_the_first_start_is_told_and_survived", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, &config("monitor", "off"))?;
    let disk = Disk::mount(&daemon.state_dir())?;
    let ballast = daemon.state_dir().join("ballast");
    ensure!(fs::write(&ballast, vec![1_u8; 4 << 20]).is_err(), "the disk is not full");
    daemon.run()?;
    let said = readiness(&daemon, &net)?;
    ensure!(said.starts_with("degraded: http") && said.contains("events"), "{said}");
    let said = trouble(&daemon, "http")?;
    ensure!(
        said.contains("HTTP is not seen") && said.contains("hash.key") && said.contains("No space left"),
        "{said}"
    );
    ensure!(!daemon.state_dir().join("hash.key").exists(), "half a key");
    // A command is carried out, and its teller is told that it is not kept.
    daemon.ok(&["block", "add", "10.9.0.66"])?;
    let said = trouble(&daemon, "commands")?;
    ensure!(said.contains("until a restart") && said.contains("No space left"), "{said}");
    fs::remove_file(&ballast)?;
    daemon.ok(&["reload"])?;
    let is_well = || readiness(&daemon, &net).is_ok_and(|said| said == "ok\n");
    ensure!(wait_until(AGAIN, is_well), "{}\n{}", daemon.ok(&["status"])?, daemon.log());
    ensure!(fs::read(daemon.state_dir().join("hash.key"))?.len() == 32);
    ensure!(!daemon.json(&["status"])?["http"].is_null(), "HTTP is not seen, though there is a key");
    ensure!(fs::read_to_string(daemon.state_dir().join("commands.json"))?.contains("10.9.0.66"));
    daemon.terminate()?;
    drop(disk);
    Ok(())
}

/// A file system of one mebibyte.
struct Disk(PathBuf);

impl Disk {
    fn mount(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), Some("size=1m,mode=700"))?;
        Ok(Self(directory.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_key_that_others_read_is_refused_until_it_is_theirs_no_more() -> Result<()> {
    if tools::skipped("a_key_that_others_read_is_refused_until_it_is_theirs_no_more", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("monitor", "off"))?;
    let key = scene.daemon.state_dir().join("hash.key");
    let bytes = fs::read(&key)?;
    for (how, word) in [("mode", "chmod 600"), ("short", "31 bytes"), ("link", "symbolic link")] {
        scene.daemon.terminate()?;
        match how {
            "mode" => fs::set_permissions(&key, Permissions::from_mode(0o644))?,
            "short" => fs::write(&key, bytes.split_at(31).0)?,
            _ => {
                fs::rename(&key, key.with_extension("elsewhere"))?;
                std::os::unix::fs::symlink(key.with_extension("elsewhere"), &key)?;
            }
        }
        scene.daemon.run()?;
        ensure!(readiness(&scene.daemon, &scene.net)?.starts_with("degraded: http"), "{how}");
        let said = trouble(&scene.daemon, "http")?;
        ensure!(said.contains(word), "{how}: {said}");
        fs::remove_file(&key)?;
        fs::write(&key, &bytes)?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    }
    scene.daemon.ok(&["reload"])?;
    let is_well = || readiness(&scene.daemon, &scene.net).is_ok_and(|said| said == "ok\n");
    ensure!(wait_until(AGAIN, is_well), "{}", scene.daemon.ok(&["status"])?);
    ensure!(fs::read(&key)? == bytes, "another key was made");
    ensure!(wait_until(PATIENCE, || !scene
        .daemon
        .json(&["status"])
        .is_ok_and(|status| status["http"].is_null())));
    Ok(())
}
