//! The package in a clean Debian: installed, upgraded under traffic, removed, purged.
//!
//! `cargo xtask test` makes the package of the program that it tests; by hand: `cargo xtask dist`, and `SENSOR_DEB`
//! names the result.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sensor_tests::container::base;
use sensor_tests::daemon::{PATIENCE, WEB, page};
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, Net, join, v4};
use sensor_tests::peers::udp::{self, Sink};
use sensor_tests::scene::{UDP_PORT, udp_target};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use tempfile::TempDir;

/// Packages of the blocked client: a thousand a second.
const EVERY: Duration = Duration::from_millis(1);
/// More than the test lasts.
const STREAM_BOUND: u64 = 600_000;

/// Stands in for systemd, which a clean root does not run: does with the installed unit what the maintainer scripts
/// ask for.
const SYSTEMCTL: &str = r#"#!/bin/sh
unit=/usr/lib/systemd/system/sensor.service
wants=/etc/systemd/system/multi-user.target.wants
words=
for word; do
    case "$word" in --*) ;; *) words="$words $word" ;; esac
done
set -- $words
echo "$*" >>/tmp/systemctl.log
pid=$(cat /tmp/sensor.pid 2>/dev/null)
start() {
    sed -n 's/^ExecStartPre=[-+]*//p' $unit | sh -e >>/tmp/sensor.log 2>&1 || exit 1
    # Root becomes whom the state belongs to.
    mkdir -p /run/sensor /var/lib/sensor
    chown -R sensor:sensor /var/lib/sensor
    setsid $(sed -n 's/^ExecStart=//p' $unit) >>/tmp/sensor.log 2>&1 </dev/null &
    echo $! >/tmp/sensor.pid
}
stop() {
    [ -n "$pid" ] || return 0
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    rm -f /tmp/sensor.pid
}
case "$1" in
preset) ln -s $unit $wants/sensor.service ;;
is-enabled) [ -e $wants/sensor.service ] && echo enabled ;;
is-active) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null ;;
start) start ;;
restart) stop; start ;;
stop) stop ;;
esac
"#;

/// A Debian below a temporary directory, in a mount namespace that ends with it.
struct Root {
    net: Net,
    directory: TempDir,
    holder: Child,
}

impl Root {
    fn new(net: &Net, base: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-debian-").tempdir()?;
        run(Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(base.join("."))
            .arg(directory.path()))?;
        let mounts = "cd \"$1\" && mount -t proc proc proc && mount -t sysfs sysfs sys && mount -t bpf bpf sys/fs/bpf \
                      && mkdir -p run/systemd/system && touch mounted && exec sleep infinity";
        let mut hold = net.server.command("unshare");
        hold.args(["--mount", "--propagation", "private", "sh", "-c", mounts, "sh"]).arg(directory.path());
        let root = Self { net: net.clone(), holder: hold.spawn()?, directory };
        let marker = root.path("mounted");
        ensure!(wait_until(PATIENCE, || marker.exists()), "the root's file systems were not mounted");
        fs::remove_file(marker)?;
        root.write("/usr/bin/systemctl", SYSTEMCTL)?;
        fs::create_dir_all(root.path("/etc/systemd/system/multi-user.target.wants"))?;
        Ok(root)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside.trim_start_matches('/'))
    }

    fn write(&self, inside: &str, text: &str) -> Result<()> {
        fs::write(self.path(inside), text)?;
        Ok(fs::set_permissions(self.path(inside), fs::Permissions::from_mode(0o755))?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let holder = self.holder.id();
        let mut command = self.net.server.command("nsenter");
        command.arg(format!("--mount=/proc/{holder}/ns/mnt")).arg("chroot").arg(self.directory.path());
        command.args([
            "/usr/bin/env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND=noninteractive",
        ]);
        command.arg("LC_ALL=C").args(words);
        command
    }

    /// Runs what must succeed; returns what it printed.
    fn ok(&self, words: &[&str]) -> Result<String> {
        // Into files: a daemon that was started on the way would hold a pipe open.
        let (out, told) = (self.path("/tmp/stdout"), self.path("/tmp/stderr"));
        let mut command = self.command(words);
        command.stdout(fs::File::create(&out)?).stderr(fs::File::create(&told)?);
        let status = command.status()?;
        let (out, told) = (fs::read_to_string(out)?, fs::read_to_string(told)?);
        ensure!(status.success(), "`{}` failed: {}{}{}", words.join(" "), out, told, self.log());
        Ok(out)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("/tmp/sensor.log")).unwrap_or_default()
    }

    /// What the service manager was asked for since the last time.
    fn asked(&self) -> Result<String> {
        let log = self.path("/tmp/systemctl.log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::write(log, "")?;
        Ok(text)
    }

    fn metrics(&self) -> Result<String> {
        self.net.server.enter(|| page(WEB, "/metrics"))
    }

    fn wait_for_metrics(&self) -> Result<()> {
        let served = wait_until(PATIENCE, || self.metrics().is_ok());
        ensure!(served, "no metrics: {}{}", self.log(), self.asked()?);
        Ok(())
    }

    /// Every file but what dpkg, apt and the stand-in keep about their work.
    fn files(&self) -> Result<BTreeSet<String>> {
        let listed = self.ok(&[
            "find",
            "/",
            "-xdev",
            "(",
            "-path",
            "/var/lib/dpkg",
            "-o",
            "-path",
            "/var/lib/apt",
            "-o",
            "-path",
            "/var/cache",
            "-o",
            "-path",
            "/var/log",
            "-o",
            "-path",
            "/tmp",
            ")",
            "-prune",
            "-o",
            "-print",
        ])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _stopped = self.ok(&["systemctl", "stop"]);
        let _unloaded = self.ok(&["sh", "-c", "[ ! -x /usr/bin/sensor ] || sensor unload"]);
        // The mounts go with the namespace.
        let _killed = self.holder.kill();
        let _ended = self.holder.wait();
    }
}

/// Says why where it cannot run.
fn obstacle() -> Option<String> {
    let programs = ["debootstrap", "dpkg-deb", "apt-get", "unshare"];
    if let Some(obstacle) = tools::obstacle(&programs) {
        return Some(obstacle);
    }
    env::var_os("SENSOR_DEB").is_none().then(|| "SENSOR_DEB names no package".to_owned())
}

/// The same files as a later version.
fn newer(package: &Path, directory: &Path) -> Result<PathBuf> {
    let (tree, result) = (directory.join("tree"), directory.join("newer.deb"));
    run(Command::new("dpkg-deb").arg("-R").arg(package).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let lines = text.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(version) => format!("Version: {version}+newer\n"),
        None => format!("{line}\n"),
    });
    fs::write(&control, lines.collect::<String>())?;
    run(Command::new("dpkg-deb").args(["-Znone", "-b"]).arg(&tree).arg(&result))?;
    Ok(result)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[test]
fn installed_upgraded_removed_and_purged_in_a_clean_debian() -> Result<()> {
    const TEST: &str = "installed_upgraded_removed_and_purged_in_a_clean_debian";
    if let Some(obstacle) = obstacle() {
        tools::say_skipped(TEST, &obstacle);
        return Ok(());
    }
    let Some(base) = base(TEST) else { return Ok(()) };
    let net = Net::new()?;
    let sink = Sink::start(&net.server, UDP_PORT)?;
    let root = Root::new(&net, &base)?;
    let package = PathBuf::from(env::var_os("SENSOR_DEB").context("SENSOR_DEB")?);
    fs::copy(&package, root.path("/tmp/sensor.deb"))?;
    let directory = tempfile::tempdir()?;
    fs::copy(newer(&package, directory.path())?, root.path("/tmp/newer.deb"))?;
    let before = root.files()?;

    install(&root)?;
    upgrade_under_fire(&root, &net, &sink)?;
    remove(&root, &net, &sink)?;

    root.ok(&["apt-get", "purge", "--yes", "sensor"])?;
    let after = root.files()?;
    // User and groups stay, and with them adduser's lock and the backups that it makes of the files it changes.
    let of_the_group = ["/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/run/adduser"];
    let left = after.difference(&before).filter(|file| !of_the_group.contains(&file.as_str()));
    let left: Vec<_> = left.collect();
    let lost: Vec<_> = before.difference(&after).collect();
    ensure!(left.is_empty() && lost.is_empty(), "left behind: {left:?}; lost: {lost:?}");
    Ok(())
}

/// From the package to the first metrics by one command.
fn install(root: &Root) -> Result<()> {
    root.ok(&["apt-get", "install", "--yes", "--no-install-recommends", "/tmp/sensor.deb"])?;
    root.wait_for_metrics()?;
    let asked = root.asked()?;
    ensure!(asked.contains("start sensor.service"), "the unit was not started: {asked}");
    let enabled = "/etc/systemd/system/multi-user.target.wants/sensor.service";
    ensure!(fs::symlink_metadata(root.path(enabled)).is_ok(), "the unit is not enabled");
    root.ok(&["getent", "group", "sensor"])?;
    let version = root.ok(&["sensor", "--version"])?;
    ensure!(version.starts_with("sensor "), "{version}");
    root.ok(&["sensor", "check"])?;
    let mode = root.ok(&["sensor", "mode"])?;
    ensure!(mode.contains("monitor"), "installing starts in {mode}");
    for file in [
        "/etc/sensor/sensor.toml",
        "/usr/lib/sysusers.d/sensor.conf",
        "/usr/share/man/man1/sensor.1.gz",
        "/usr/share/man/man1/sensor-run.1.gz",
        "/usr/share/man/man5/sensor.toml.5.gz",
        "/usr/share/fish/vendor_completions.d/sensor.fish",
        "/usr/share/zsh/vendor-completions/_sensor",
        "/usr/share/sensor/grafana/overview.json",
        "/usr/share/sensor/prometheus/sensor.rules.yml",
    ] {
        ensure!(fs::metadata(root.path(file)).is_ok_and(|found| found.len() > 0), "{file} is missing");
    }
    root.ok(&["bash", "-n", "/usr/share/bash-completion/completions/sensor"])?;
    let conffiles = root.ok(&["dpkg-query", "--show", "--showformat=${Conffiles}", "sensor"])?;
    ensure!(conffiles.contains("/etc/sensor/sensor.toml"), "no conffile: {conffiles}");
    Ok(())
}

/// A blocked client sends during an upgrade; nothing of it arrives.
fn upgrade_under_fire(root: &Root, net: &Net, sink: &Sink) -> Result<()> {
    let bad = v4(FLOODER);
    let local_change =
        format!("{}\n# A local change.\n", fs::read_to_string(root.path("/etc/sensor/sensor.toml"))?);
    fs::write(root.path("/etc/sensor/sensor.toml"), &local_change)?;
    root.ok(&["sensor", "mode", "enforce"])?;
    root.ok(&["sensor", "block", "add", &bad.to_string(), "--for", "1h"])?;
    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let stream = net.world.spawn({
        let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        move || udp::stream(bad, udp_target(bad), EVERY, STREAM_BOUND, &sent, &stop)
    });
    let more_are_sent = |count| {
        let goal = sent.load(Ordering::Relaxed).saturating_add(count);
        wait_until(PATIENCE, || sent.load(Ordering::Relaxed) >= goal)
    };
    let upgraded = upgrade(root, &more_are_sent);
    stop.store(true, Ordering::Relaxed);
    join(stream)?;
    upgraded?;
    ensure!(sink.packets_from(bad) == 0, "{} packets of the blocked client passed", sink.packets_from(bad));
    let kept = fs::read_to_string(root.path("/etc/sensor/sensor.toml"))?;
    ensure!(kept == local_change, "the upgrade changed the configuration");
    let blocks = root.ok(&["sensor", "block", "list"])?;
    ensure!(blocks.contains(&bad.to_string()), "the block is gone: {blocks}");
    Ok(())
}

fn upgrade(root: &Root, more_are_sent: &dyn Fn(u64) -> bool) -> Result<()> {
    ensure!(more_are_sent(300), "the stream stopped before the upgrade");
    let old = fs::read_to_string(root.path("/tmp/sensor.pid"))?;
    root.ok(&["dpkg", "--install", "--force-confold", "/tmp/newer.deb"])?;
    root.wait_for_metrics()?;
    ensure!(more_are_sent(300), "the stream stopped after the upgrade");
    let asked = root.asked()?;
    ensure!(asked.contains("restart sensor.service"), "the unit was not restarted: {asked}");
    ensure!(!asked.lines().any(|line| line.starts_with("stop")), "the upgrade stopped the unit: {asked}");
    ensure!(fs::read_to_string(root.path("/tmp/sensor.pid"))? != old, "the old daemon still runs");
    let version = root.ok(&["dpkg-query", "--show", "--showformat=${Version}", "sensor"])?;
    ensure!(version.ends_with("+newer"), "{version}");
    let status = root.ok(&["sensor", "status", "--json"])?;
    ensure!(status.contains("\"adopted\":true"), "the new daemon did not take over: {status}");
    Ok(())
}

/// Nothing runs and nothing is in the kernel any more; the configuration stays.
fn remove(root: &Root, net: &Net, sink: &Sink) -> Result<()> {
    let bad = v4(FLOODER);
    root.ok(&["apt-get", "remove", "--yes", "sensor"])?;
    let asked = root.asked()?;
    ensure!(asked.contains("stop sensor.service"), "the unit was not stopped: {asked}");
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "the program is still attached: {}", net.xdp_on(INTERFACE)?);
    let pins = root.ok(&["ls", "/sys/fs/bpf"])?;
    // Some kernels put their own `maps.debug` and `progs.debug` on every such file system.
    ensure!(!pins.contains("sensor"), "pins are left: {pins}");
    ensure!(root.path("/etc/sensor/sensor.toml").is_file(), "removing took the configuration");
    ensure!(!root.path("/usr/bin/sensor").exists(), "the program is still there");
    for client in [bad, v4(LEGITIMATE)] {
        let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        net.world.enter(|| udp::stream(client, udp_target(client), EVERY, 10, &sent, &stop))?;
        ensure!(
            wait_until(PATIENCE, || sink.packets_from(client) >= 10),
            "{client} is not heard after the removal"
        );
    }
    Ok(())
}
