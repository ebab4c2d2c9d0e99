//! The Debian package in a clean root whose first process is Debian's own systemd, so that the unit's sandbox, system call
//! filter and watchdog are the real ones; and in one without any init system, as in a container image. The tests have
//! no network but their namespaces.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::container::{Container, First, base, package, upgrade};
use sensor_tests::daemon::{PATIENCE, SMALL_TABLES, WEB, page};
use sensor_tests::inside::{Tries, library};
use sensor_tests::netns::{FLOODER, INTERFACE, Net, v4};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use tempfile::TempDir;

/// Higher than any that is released.
const NEXT_VERSION: &str = "999.0.0";

/// The package, a root, and a network; `None` if the test cannot run, which is said.
fn prepare(test: &str) -> Result<Option<(Net, Container, String)>> {
    if tools::skipped(test, &["debootstrap", "dpkg-deb", "unshare"]) {
        return Ok(None);
    }
    let Some(deb) = package() else {
        tools::say_skipped(test, "SENSOR_DEB names no package: `cargo xtask dist` makes one");
        return Ok(None);
    };
    let first = if test.contains("systemd") { First::Systemd } else { First::Nothing };
    let Some(root) = base(test) else { return Ok(None) };
    let net = Net::new()?;
    let container = Container::start(&root, &net.server, first)?;
    let deb = container.share(&deb)?;
    Ok(Some((net, container, deb)))
}

#[test]
fn with_systemd_one_command_installs_and_nothing_stays_after_a_purge() -> Result<()> {
    let test = "with_systemd_one_command_installs_and_nothing_stays_after_a_purge";
    let Some((net, container, deb)) = prepare(test)? else { return Ok(()) };
    let before = container.files()?;
    container.ok(&["dpkg", "--install", &deb])?;
    let metrics = net.server.enter(|| page(WEB, "/metrics")).context("no metrics after `dpkg --install`")?;
    ensure!(metrics.contains("sensor_packets_total"), "{metrics}");
    installed_files_are_there(&container)?;
    the_daemon_is_confined(&container)?;
    the_helper_is_confined(&container)?;
    from_inside_nothing_foreign_is_possible(&container)?;
    the_unit_reloads(&container)?;
    places_out_of_reach_are_refused(&container)?;
    a_proxy_is_reloaded_when_the_deny_file_changes(&container)?;
    the_watchdog_restarts_a_stuck_daemon(&container)?;
    an_upgrade_lets_nothing_through(&net, &container)?;

    container.ok(&["dpkg", "--remove", "sensor"])?;
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "still attached: {}", net.xdp_on(INTERFACE)?);
    ensure!(container.run(&["test", "-e", "/sys/fs/bpf/sensor"])?.status.code() == Some(1), "pins are left");
    ensure!(container.run(&["test", "-e", "/run/sensor"])?.status.code() == Some(1), "/run/sensor is left");
    container.ok(&["test", "-e", "/etc/sensor/sensor.toml"])?;
    container.ok(&["dpkg", "--purge", "sensor"])?;
    nothing_is_left(&container, &before)
}

#[test]
fn an_image_without_an_init_system_takes_the_package_and_gives_it_back() -> Result<()> {
    let test = "an_image_without_an_init_system_takes_the_package_and_gives_it_back";
    let Some((net, container, deb)) = prepare(test)? else { return Ok(()) };
    let before = container.files()?;
    container.ok(&["dpkg", "--install", &deb])?;
    installed_files_are_there(&container)?;
    // As whoever starts it in a container of their own: by the unit's own commands.
    let unit = container.ok(&["cat", "/lib/systemd/system/sensor.service"])?;
    let commands = unit.lines().filter_map(|line| line.strip_prefix("ExecStart")?.split_once('='));
    for (when, command) in commands {
        let background = if when.is_empty() { "&" } else { "" };
        let command = command.trim_start_matches(['-', '+']);
        container.ok(&["sh", "-c", &format!("{command} >/tmp/log 2>&1 </dev/null {background}")])?;
    }
    let is_served = || net.server.enter(|| page(WEB, "/metrics")).is_ok();
    ensure!(wait_until(PATIENCE, is_served), "no metrics: {}", container.ok(&["cat", "/tmp/log"])?);
    container.ok(&["sh", "-c", "kill $(pidof sensor)"])?;
    let has_ended = || container.run(&["pidof", "sensor"]).is_ok_and(|found| !found.status.success());
    ensure!(wait_until(PATIENCE, has_ended), "the daemon does not end");
    container.ok(&["dpkg", "--remove", "sensor"])?;
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "still attached: {}", net.xdp_on(INTERFACE)?);
    container.ok(&["dpkg", "--purge", "sensor"])?;
    nothing_is_left(&container, &before)
}

fn installed_files_are_there(container: &Container) -> Result<()> {
    for file in [
        "/usr/share/man/man1/sensor.1.gz",
        "/usr/share/man/man5/sensor.toml.5.gz",
        "/usr/share/bash-completion/completions/sensor",
        "/usr/share/zsh/vendor-completions/_sensor",
        "/usr/share/fish/vendor_completions.d/sensor.fish",
        "/usr/share/sensor/prometheus/sensor.rules.yml",
        "/usr/share/sensor/grafana/overview.json",
        "/usr/share/doc/sensor/copyright",
    ] {
        container.ok(&["test", "-s", file])?;
    }
    let version = container.ok(&["sensor", "--version"])?;
    ensure!(version.starts_with("sensor "), "{version}");
    container.ok(&["sensor", "check"])?;
    container.ok(&["gzip", "--test", "/usr/share/man/man1/sensor.1.gz"])?;
    let conffiles = container.ok(&["cat", "/var/lib/dpkg/info/sensor.conffiles"])?;
    ensure!(conffiles.contains("/etc/sensor/sensor.toml"), "{conffiles}");
    let changed = container.ok(&["dpkg", "--verify", "sensor"])?;
    ensure!(changed.is_empty(), "{changed}");
    Ok(())
}

fn property(container: &Container, name: &str) -> Result<String> {
    container.property(name)
}

/// A process has these capabilities, no more to gain, and filters of system calls; returns what the kernel says of it.
fn has_capabilities(container: &Container, pid: &str, capabilities: &str) -> Result<String> {
    let status = container.ok(&["cat", &format!("/proc/{pid}/status")])?;
    for (key, value) in
        [("CapEff", capabilities), ("CapPrm", capabilities), ("NoNewPrivs", "1"), ("Seccomp", "2")]
    {
        let found = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        ensure!(found.map(str::trim) == Some(value), "{key} is not {value}:\n{status}");
    }
    Ok(status)
}

/// It may look at processes, and the daemon is connected to it.
fn the_helper_is_confined(container: &Container) -> Result<()> {
    let show = ["systemctl", "show", "--property=MainPID", "--value", "sensor-lookout"];
    let pid = container.ok(&show)?.trim().to_owned();
    // CAP_SYS_PTRACE.
    let status = has_capabilities(container, &pid, "0000000000080000")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).context("no user")?;
    ensure!(uids.split_whitespace().all(|uid| uid != "0"), "it is root:\n{status}");
    let told = || container.ok(&["sensor", "status", "--json"]).unwrap_or_default();
    let is_connected = || told().contains("\"finds_later\":true");
    ensure!(wait_until(PATIENCE, is_connected), "no helper: {}", told());
    // Stopped and started again by itself, it is found again.
    container.ok(&["systemctl", "kill", "--signal=KILL", "sensor-lookout"])?;
    let restarted = || container.ok(&show).is_ok_and(|now| now.trim() != pid && now.trim() != "0");
    ensure!(wait_until(PATIENCE, restarted), "it is not started again");
    Ok(())
}

/// Enabled, in monitor mode, and with nothing but what it needs.
fn the_daemon_is_confined(container: &Container) -> Result<()> {
    ensure!(container.ok(&["systemctl", "is-enabled", "sensor"])?.trim() == "enabled", "not enabled");
    ensure!(container.ok(&["sensor", "mode"])?.contains("monitor"), "not in monitor mode");
    let none = "0000000000000000";
    let status = has_capabilities(container, &property(container, "MainPID")?, none)?;
    for set in ["CapInh", "CapAmb"] {
        ensure!(status.contains(&format!("{set}:\t{none}\n")), "{set} is not empty:\n{status}");
    }
    for (place, access) in [
        ("/run/sensor/control.sock", "sensor:sensor 660"),
        ("/var/lib/sensor", "sensor:sensor 700"),
        ("/var/lib/sensor/hash.key", "sensor:sensor 600"),
        ("/run/sensor", "sensor:sensor 755"),
        ("/sys/fs/bpf/sensor", "sensor:sensor 700"),
        ("/etc/sensor", "root:root 755"),
    ] {
        let found = container.ok(&["stat", "--format", "%U:%G %a", place])?;
        ensure!(found.trim() == access, "{place}: {found}");
    }
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).context("no user")?;
    ensure!(uids.split_whitespace().all(|uid| uid != "0"), "it is root:\n{status}");
    let told = container.ok(&["sensor", "status", "--json"])?;
    ensure!(told.matches("\"extent\":\"full\"").count() == 3, "not all layers are in force: {told}");
    let score = container.run(&["systemd-analyze", "security", "--no-pager", "--threshold=15", "sensor"])?;
    ensure!(score.status.success(), "exposure: {}", String::from_utf8_lossy(&score.stdout));
    // Outside of the unit's own mount namespace, where the next daemon finds them.
    container.ok(&["test", "-e", "/sys/fs/bpf/sensor/maps"])?;
    let log = container.ok(&["journalctl", "--unit=sensor", "--no-pager", "--output=cat"])?;
    for word in ["WARN", "without pins", "HTTP is not seen"] {
        ensure!(!log.contains(word), "{word}:\n{log}");
    }
    Ok(())
}

/// The daemon itself tries to get out of the unit, by a library that is loaded into it.
fn from_inside_nothing_foreign_is_possible(container: &Container) -> Result<()> {
    if tools::find("cc").is_none() {
        tools::say_skipped("what is possible from inside", "cc is not installed");
        return Ok(());
    }
    let scratch = TempDir::new()?;
    let library = container.share(&library(scratch.path())?)?;
    // Where the unit may run programs from.
    let drop_in = format!(
        "install -m 755 {library} /usr/lib/probe.so; mkdir -p /run/systemd/system/sensor.service.d\n\
         printf '[Service]\\nEnvironment=LD_PRELOAD=/usr/lib/probe.so PROBE_OUT=/var/lib/sensor/probe\\n' \
         >/run/systemd/system/sensor.service.d/inside.conf\nsystemctl daemon-reload\nsystemctl restart sensor"
    );
    container.ok(&["sh", "-c", &drop_in])?;
    // What there is to be had, were it not for the unit: a systemd, a bus.
    container.ok(&["sh", "-c", "test -S /run/systemd/private && mkdir -p /run/dbus"])?;
    let pid = property(container, "MainPID")?;
    container.ok(&["sh", "-c", &format!("kill -USR1 {pid}")])?;
    let mut tries = None;
    let is_done = || {
        tries = container.ok(&["cat", "/var/lib/sensor/probe"]).ok().and_then(|text| Tries::read(&text));
        tries.is_some()
    };
    ensure!(wait_until(PATIENCE, is_done), "the library tried nothing");
    let tries = tries.context("tries")?;
    tries.nothing_foreign_is_possible()?;
    tries.nothing_of_roots_is_possible()?;
    // A shell is the end of the process; the unit starts another.
    container.ok(&["sh", "-c", &format!("kill -USR2 {pid}")])?;
    let is_new = || property(container, "MainPID").is_ok_and(|now| now != pid && now != "0");
    ensure!(wait_until(PATIENCE, is_new), "the daemon became a shell, or was not started again");
    let log = container.ok(&["journalctl", "--unit=sensor", "--no-pager", "--output=cat"])?;
    ensure!(log.contains("SYS"), "it was not ended for a system call:\n{log}");
    let undo = "rm -r /run/systemd/system/sensor.service.d /usr/lib/probe.so /var/lib/sensor/probe; \
                rmdir /run/dbus; systemctl daemon-reload; systemctl restart sensor";
    container.ok(&["sh", "-c", undo]).map(drop)
}

fn configure(container: &Container, text: &str) -> Result<()> {
    let script = "mkdir -p /etc/sensor/conf.d; printf '%s' \"$1\" >/etc/sensor/conf.d/test.toml";
    container.ok(&["sh", "-c", script, "sh", text]).map(drop)
}

fn the_unit_reloads(container: &Container) -> Result<()> {
    let pid = property(container, "MainPID")?;
    configure(container, "mode = \"enforced\"\n")?;
    let refused = container.run(&["systemctl", "reload", "sensor"])?;
    ensure!(!refused.status.success(), "a broken configuration is taken");
    ensure!(property(container, "ActiveState")? == "active", "a refused reload ended the daemon");
    ensure!(
        container.ok(&["sensor", "mode"])?.contains("monitor"),
        "half of a broken configuration was taken"
    );
    configure(container, &format!("mode = \"enforce\"\n{SMALL_TABLES}"))?;
    container.ok(&["systemctl", "reload", "sensor"])?;
    ensure!(container.ok(&["sensor", "mode"])?.contains("enforce"), "the new configuration is not in force");
    ensure!(property(container, "MainPID")? == pid, "the reload was a restart");
    Ok(())
}

/// `sensor check` names a place that the unit may not write to, and what it says to do helps.
fn places_out_of_reach_are_refused(container: &Container) -> Result<()> {
    configure(container, "[alerts.deny_file]\npath = \"/srv/deny/deny.conf\"\n")?;
    container.ok(&["install", "--directory", "--owner=sensor", "/srv/deny"])?;
    let checked = container.run(&["sensor", "check"])?;
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    ensure!(
        !checked.status.success()
            && said.contains("alerts.deny_file.path: /srv/deny: the unit sensor.service")
            && said.contains("ReadWritePaths=/srv/deny"),
        "{said}"
    );
    let refused = container.run(&["systemctl", "reload", "sensor"])?;
    ensure!(!refused.status.success(), "the unit takes what it cannot do");
    let drop_in = "mkdir -p /run/systemd/system/sensor.service.d\n\
                   printf '[Service]\\nReadWritePaths=/srv/deny\\n' >/run/systemd/system/sensor.service.d/deny.conf\n\
                   systemctl daemon-reload\nsensor check\nsystemctl restart sensor";
    container.ok(&["sh", "-ec", drop_in])?;
    let is_written =
        || container.run(&["test", "-e", "/srv/deny/deny.conf"]).is_ok_and(|it| it.status.success());
    ensure!(wait_until(PATIENCE, is_written), "the daemon does not write where the drop-in lets it");
    configure(container, &format!("mode = \"enforce\"\n{SMALL_TABLES}"))?;
    let undo = "rm -r /run/systemd/system/sensor.service.d /srv/deny; systemctl daemon-reload; systemctl restart sensor";
    container.ok(&["sh", "-ec", undo]).map(drop)
}

/// With a unit that counts its reloads in place of a proxy.
fn a_proxy_is_reloaded_when_the_deny_file_changes(container: &Container) -> Result<()> {
    let start = "printf '[Service]\\nExecStart=/bin/sleep infinity\\nExecReload=/bin/sh -c \"echo >>/run/reloads\"\\n' \
                 >/run/systemd/system/proxy.service\nsystemctl daemon-reload\nsystemctl start proxy\n\
                 systemctl start sensor-deny@proxy.path";
    container.ok(&["sh", "-ec", start])?;
    let reloads = || {
        let counted = container.run(&["cat", "/run/reloads"]).map(|found| found.stdout.len());
        counted.unwrap_or_default()
    };
    // Replaced as the daemon does it; twice, so that the path is seen to be watched again.
    for round in 1..=2 {
        let before = reloads();
        let change =
            format!("echo {round} >/var/lib/sensor/new && mv /var/lib/sensor/new /var/lib/sensor/deny.conf");
        container.ok(&["sh", "-ec", &change])?;
        ensure!(wait_until(PATIENCE, || reloads() > before), "no reload after change {round}");
        let is_over = || {
            let state = container.run(&["systemctl", "is-active", "sensor-deny@proxy.service"]);
            state.is_ok_and(|state| state.stdout.starts_with(b"inactive"))
        };
        ensure!(wait_until(PATIENCE, is_over), "the reload does not end");
    }
    let undo = "systemctl stop sensor-deny@proxy.path proxy; rm /run/systemd/system/proxy.service /run/reloads \
                /var/lib/sensor/deny.conf; systemctl daemon-reload";
    container.ok(&["sh", "-ec", undo]).map(drop)
}

fn the_watchdog_restarts_a_stuck_daemon(container: &Container) -> Result<()> {
    let drop_in = "mkdir -p /run/systemd/system/sensor.service.d\n\
                   printf '[Service]\\nWatchdogSec=1s\\nRestartSec=0\\n' >/run/systemd/system/sensor.service.d/test.conf\n\
                   systemctl daemon-reload\nsystemctl restart sensor";
    container.ok(&["sh", "-c", drop_in])?;
    let pid = property(container, "MainPID")?;
    // Watched and well for longer than the watchdog waits: what it is told reaches it.
    let stays =
        !wait_until(Duration::from_secs(3), || property(container, "MainPID").is_ok_and(|now| now != pid));
    ensure!(stays, "a daemon that is well was restarted");
    container.ok(&["sh", "-c", &format!("kill -STOP {pid}")])?;
    let is_new = || {
        let is_active = property(container, "ActiveState").is_ok_and(|state| state == "active");
        is_active && property(container, "MainPID").is_ok_and(|now| now != pid && now != "0")
    };
    ensure!(wait_until(PATIENCE, is_new), "a stuck daemon is not restarted");
    let undo = "rm -r /run/systemd/system/sensor.service.d && systemctl daemon-reload";
    container.ok(&["sh", "-c", undo]).map(drop)
}

/// A blocked client sends all the while that a new version is installed and its daemon takes over.
fn an_upgrade_lets_nothing_through(net: &Net, container: &Container) -> Result<()> {
    let blocked = v4(FLOODER);
    container.ok(&["sensor", "block", "add", &blocked.to_string()])?;
    let scratch = TempDir::new()?;
    let next = upgrade::with_version(&package().context("no package")?, scratch.path(), NEXT_VERSION)?;
    upgrade::under_fire(net, container, blocked, &container.share(&next)?)?;
    let installed = container.ok(&["dpkg-query", "--show", "--showformat=${Version}", "sensor"])?;
    ensure!(installed == NEXT_VERSION, "{installed} is installed");
    Ok(())
}

#[test]
fn with_systemd_an_upgrade_from_root_keeps_state_and_enforcement() -> Result<()> {
    let test = "with_systemd_an_upgrade_from_root_keeps_state_and_enforcement";
    let Some((net, container, deb)) = prepare(test)? else { return Ok(()) };
    let scratch = TempDir::new()?;
    let before = upgrade::as_root(&package().context("no package")?, scratch.path())?;
    container.ok(&["dpkg", "--install", &container.share(&before)?])?;
    configure(&container, &format!("mode = \"enforce\"\n{SMALL_TABLES}"))?;
    // A secret that nobody but root could read; nothing is sent to it.
    let secret = "umask 077; printf '[alerts.webhook]\\nurl = \"http://192.0.2.1/x\"\\n' >/etc/sensor/conf.d/secret.toml";
    container.ok(&["sh", "-c", secret])?;
    container.ok(&["systemctl", "restart", "sensor"])?;
    let owner = |place: &str| container.ok(&["stat", "--format", "%U:%G %a", place]);
    ensure!(owner("/var/lib/sensor/hash.key")?.trim() == "root:root 600", "this is no daemon that is root");
    let key = container.ok(&["sha256sum", "/var/lib/sensor/hash.key"])?;
    let blocked = v4(FLOODER);
    container.ok(&["sensor", "block", "add", &blocked.to_string(), "--reason", "of before"])?;

    upgrade::under_fire(&net, &container, blocked, &deb)?;
    for (place, access) in [
        ("/var/lib/sensor", "sensor:sensor 700"),
        ("/var/lib/sensor/hash.key", "sensor:sensor 600"),
        ("/var/lib/sensor/events.db", "sensor:sensor 600"),
        ("/sys/fs/bpf/sensor/links/eth0", "sensor:sensor 600"),
        ("/etc/sensor/conf.d/secret.toml", "sensor:root 600"),
        ("/etc/sensor/sensor.toml", "root:root 644"),
    ] {
        ensure!(owner(place)?.trim() == access, "{place}: {}", owner(place)?);
    }
    ensure!(container.ok(&["sha256sum", "/var/lib/sensor/hash.key"])? == key, "another key");
    let blocks = container.ok(&["sensor", "block", "list"])?;
    ensure!(blocks.contains("of before"), "the block is forgotten: {blocks}");
    // The webhook is reached as it was.
    let addresses = property(&container, "IPAddressAllow")?;
    ensure!(addresses.contains("0.0.0.0/0"), "the webhook is out of reach: {addresses}");
    container.ok(&["dpkg", "--remove", "sensor"])?;
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "still attached: {}", net.xdp_on(INTERFACE)?);
    container.ok(&["dpkg", "--purge", "sensor"])?;
    ensure!(
        container.run(&["test", "-e", "/etc/systemd/system/sensor.service.d"])?.status.code() == Some(1),
        "what the upgrade wrote is left"
    );
    Ok(())
}

/// What dpkg, ldconfig and systemd write of any package.
const OF_ANY_PACKAGE: [&str; 8] = [
    "/var/lib/dpkg/",
    "/var/log/",
    "/var/cache/",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/.pwd.lock",
];

fn nothing_is_left(container: &Container, before: &[String]) -> Result<()> {
    let after = container.files()?;
    let new = after.iter().filter(|file| before.binary_search(file).is_err());
    let left: Vec<_> =
        new.filter(|file| !OF_ANY_PACKAGE.iter().any(|known| file.starts_with(known))).collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    let lost: Vec<_> = before.iter().filter(|file| after.binary_search(file).is_err()).collect();
    ensure!(lost.is_empty(), "taken away: {lost:?}");
    Ok(())
}
