//! The unit, and the daemon under it: what it tells the service manager, and that what the unit leaves it suffices.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::unistd::User;
use sensor_tests::daemon::{Daemon, PATIENCE, binary};
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, Net, v4};
use sensor_tests::peers::udp::Sink;
use sensor_tests::scene::{Scene, UDP_PORT, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use tempfile::TempDir;

/// Exposure at most 1.5, in tenths.
const EXPOSURE: &str = "15";

/// Stands in for the unit's user, whom not every host has.
const USER: &str = "nobody";

fn unit_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sensor/dist/sensor.service")
}

/// The values of a setting of the unit, in their order.
fn settings(name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(unit_path())?;
    let values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Ok(values.map(str::to_owned).collect())
}

/// The unit with the tests' own program, in a directory of its own: `verify` wants what the unit starts to be there.
fn unit_for_verification() -> Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let program = binary()?;
    let text = fs::read_to_string(unit_path())?;
    let text = text.replace("/usr/bin/sensor", program.to_str().context("the program's path")?);
    fs::write(directory.path().join("sensor.service"), text)?;
    for other in ["sensor-pins.service", "sensor-lookout.service"] {
        let text = fs::read_to_string(unit_path().with_file_name(other))?;
        let text = text.replace("/usr/bin/sensor", program.to_str().context("the program's path")?);
        fs::write(directory.path().join(other), text)?;
    }
    Ok(directory)
}

#[test]
fn systemd_finds_no_fault_with_the_unit() -> Result<()> {
    if tools::find("systemd-analyze").is_none() {
        tools::say_skipped("the check of the systemd unit", "systemd-analyze is not installed");
        return Ok(());
    }
    let directory = unit_for_verification()?;
    let unit = directory.path().join("sensor.service");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && said.trim().is_empty(), "systemd-analyze verify: {said}");
    let threshold = format!("--threshold={EXPOSURE}");
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", &threshold]).arg(unit_path());
    let output = security.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unrecognized option") {
        tools::say_skipped("the unit's exposure score", "systemd-analyze is older than 250");
        return Ok(());
    }
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// What the service manager would be told.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    fn next(&self) -> Result<String> {
        let mut buffer = [0; 4_096];
        let length = self.0.recv(&mut buffer).context("the service manager was not told")?;
        Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
    }

    /// The next that is neither a ping nor a line for people.
    fn next_state(&self) -> Result<String> {
        loop {
            let told = self.next()?;
            if told != "WATCHDOG=1\n" && !told.starts_with("STATUS=") {
                return Ok(told);
            }
        }
    }

    fn expect_reload(&self) -> Result<()> {
        let reloading = self.next_state()?;
        let mut lines = reloading.lines();
        ensure!(lines.next() == Some("RELOADING=1"), "{reloading}");
        let since = lines.next().and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        ensure!(since.is_some_and(|since| since.parse::<u64>().is_ok_and(|since| since > 0)), "{reloading}");
        let then = self.next_state()?;
        ensure!(then == "READY=1\n", "after the reload: {then}");
        Ok(())
    }
}

#[test]
fn the_service_manager_is_told_of_every_state() -> Result<()> {
    if tools::skipped("the_service_manager_is_told_of_every_state", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, &config("monitor", "off"))?;
    let notify = daemon.config_path().with_file_name("notify.sock");
    let manager = Manager::listen(&notify)?;
    let socket = format!("NOTIFY_SOCKET={}", notify.display());
    daemon.set_wrapper(&["env".to_owned(), socket, "WATCHDOG_USEC=1000000".to_owned()]);
    let attached = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let told = manager.next_state()?;
            ensure!(told == "READY=1\n", "the first state is {told}");
            net.xdp_on(INTERFACE)
        });
        let running = daemon.run();
        let first = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        running.and(first)
    })?;
    ensure!(!attached.is_empty(), "ready before the program was attached");
    let mut pings = 0;
    while pings < 3 {
        match manager.next()?.as_str() {
            "WATCHDOG=1\n" => pings += 1,
            told => ensure!(told == "STATUS=ready\n", "instead of a ping: {told}"),
        }
    }
    daemon.signal(Signal::SIGHUP)?;
    manager.expect_reload()?;
    daemon.ok(&["reload"])?;
    manager.expect_reload()?;
    daemon.write_config("mode = \"no such mode\"\n")?;
    ensure!(daemon.ok(&["reload"]).is_err(), "a configuration with a mistake was taken");
    manager.expect_reload()?;
    daemon.signal(Signal::SIGTERM)?;
    let told = manager.next_state()?;
    ensure!(told == "STOPPING=1\n", "at the end: {told}");
    ensure!(daemon.terminate()?.success(), "it did not end in order");
    Ok(())
}

/// Another user, with the unit's capabilities and scheduling, under `strace` where that is installed.
fn confined(trace: Option<&Path>) -> Result<Vec<String>> {
    let bounding = settings("CapabilityBoundingSet")?.join(" ");
    ensure!(
        settings("AmbientCapabilities")?.join(" ") == bounding,
        "other capabilities than those of the bound"
    );
    let names: Vec<String> =
        bounding.split_whitespace().map(|name| name.replace("CAP_", "+").to_lowercase()).collect();
    ensure!(!names.is_empty(), "the unit bounds no capabilities");
    let set = format!("-all,{}", names.join(","));
    let mut words = Vec::new();
    if let Some(trace) = trace {
        // The tracer as a grandchild: signals are for the daemon.
        words.extend(["strace", "-D", "-f", "-qq", "-A", "-o"].map(str::to_owned));
        words.push(trace.display().to_string());
    }
    ensure!(settings("CPUSchedulingPolicy")? == ["batch"], "the unit does not ask for batch scheduling");
    words.extend(["chrt", "--batch", "0", "setpriv"].map(str::to_owned));
    words.extend([format!("--reuid={USER}"), "--regid=nogroup".to_owned(), "--clear-groups".to_owned()]);
    words.extend(["bounding-set", "inh-caps", "ambient-caps"].map(|which| format!("--{which}={set}")));
    words.push("--no-new-privs".to_owned());
    Ok(words)
}

#[test]
fn what_the_unit_leaves_the_daemon_suffices() -> Result<()> {
    if tools::skipped("what_the_unit_leaves_the_daemon_suffices", &["setpriv", "chrt"]) {
        return Ok(());
    }
    let missing = ["strace", "systemd-analyze"].into_iter().find(|program| tools::find(program).is_none());
    if let Some(missing) = missing {
        tools::say_skipped(
            "the check of the unit's system call filter",
            &format!("{missing} is not installed"),
        );
    }
    let net = Net::new()?;
    let sink = Sink::start(&net.server, UDP_PORT)?;
    let mut daemon = Daemon::prepare(&net, &config("enforce", "off"))?;
    let trace = daemon.config_path().with_file_name("trace");
    daemon.set_wrapper(&confined(missing.is_none().then_some(trace.as_path()))?);
    // As systemd does at boot; the daemon may not mount.
    fs::create_dir_all(daemon.pin_dir())?;
    mount(Some("bpf"), &daemon.pin_dir(), Some("bpf"), MsFlags::empty(), Some("mode=0700"))?;
    // As the unit's directories are.
    let user = User::from_name(USER)?.context("a user")?;
    let directory = daemon.config_path().parent().context("a directory")?.to_owned();
    for place in [directory, daemon.pin_dir()] {
        std::os::unix::fs::chown(place, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    daemon.run()?;
    let log = daemon.log();
    ensure!(!log.contains("WARN"), "{log}");
    let confinement = &daemon.json(&["status"])?["confinement"];
    for layer in ["user", "files", "calls"] {
        ensure!(confinement[layer]["extent"] == "full", "{layer}: {confinement}");
    }
    let mut scene = Scene { daemon, sink, nginx: None, net };
    let (good, bad) = (v4(LEGITIMATE), v4(FLOODER));
    scene.all_arrive(good, 20)?;
    scene.all_arrive(bad, 20)?;
    scene.daemon.ok(&["block", "add", &bad.to_string(), "--for", "1h"])?;
    ensure!(scene.dropped_of(bad, 20)? == 20, "the block does not drop");
    scene.daemon.ok(&["reload"])?;
    scene.daemon.kill9()?;
    ensure!(!scene.is_heard(bad)?, "the block ended with the daemon");
    scene.daemon.run()?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["interfaces"][0]["adopted"] == true, "the link was not taken over: {status}");
    ensure!(scene.dropped_of(bad, 20)? == 20, "the block does not drop after the restart");
    ensure!(scene.daemon.terminate()?.success(), "it did not end in order");
    if missing.is_none() {
        every_call_is_allowed(&trace)?;
    }
    Ok(())
}

/// The daemon's system calls are all in the unit's filter.
fn every_call_is_allowed(trace: &Path) -> Result<()> {
    let finished = || fs::read_to_string(trace).is_ok_and(|text| text.contains("exit_group"));
    ensure!(wait_until(PATIENCE, finished), "the trace has no end");
    let text = fs::read_to_string(trace)?;
    // The programs that start it come before, each time.
    let start = format!("{}\"", binary()?.display());
    let daemons = text.split("execve(\"").filter(|program| program.starts_with(&start));
    let calls: BTreeSet<&str> =
        daemons.flat_map(|daemon| daemon.lines().skip(1)).filter_map(system_call).collect();
    ensure!(calls.len() > 40 && calls.contains("bpf"), "this is no trace of the daemon: {calls:?}");
    let allowed = allowed_calls()?;
    let refused: Vec<_> = calls.iter().filter(|call| !allowed.contains(**call)).collect();
    ensure!(refused.is_empty(), "the unit's filter refuses {refused:?}");
    Ok(())
}

/// The call of a line as in `1234 openat(AT_FDCWD, …) = 3` and `1234 <... ppoll resumed>`.
fn system_call(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_start().split_once(' ')?;
    let name = rest.trim_start().split_once('(')?.0;
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    is_name(name).then_some(name)
}

/// What the unit's filter allows, its lines taken in order as systemd does.
fn allowed_calls() -> Result<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for line in settings("SystemCallFilter")? {
        let (removes, names) = line.strip_prefix('~').map_or((false, line.as_str()), |names| (true, names));
        for name in names.split_whitespace() {
            let calls = expand(name)?;
            if removes {
                allowed.retain(|call| !calls.contains(call));
            } else {
                allowed.extend(calls);
            }
        }
    }
    Ok(allowed)
}

/// The calls of a set, and of the sets in it.
fn expand(name: &str) -> Result<BTreeSet<String>> {
    if !name.starts_with('@') {
        return Ok([name.to_owned()].into());
    }
    let output = Command::new("systemd-analyze").args(["--no-pager", "syscall-filter", name]).output()?;
    if !output.status.success() {
        bail!("systemd-analyze syscall-filter {name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let members = printed.lines().filter(|line| line.starts_with(' ')).map(str::trim);
    let mut calls = BTreeSet::new();
    for member in members.filter(|member| !member.starts_with('#')) {
        calls.extend(expand(member)?);
    }
    Ok(calls)
}

#[test]
fn the_trace_is_read_as_strace_writes_it() {
    for (line, call) in [
        ("27321 openat(AT_FDCWD, \"/proc\", O_RDONLY) = 3", Some("openat")),
        ("  321 pwrite64(3, \"\", 0) = 0", Some("pwrite64")),
        ("27321 <... ppoll resumed>) = 0", None),
        ("27321 --- SIGTERM {si_signo=SIGTERM} ---", None),
        ("27321 +++ exited with 0 +++", None),
    ] {
        assert_eq!(system_call(line), call, "{line}");
    }
}
