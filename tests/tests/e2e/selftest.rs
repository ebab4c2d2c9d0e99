//! `sensor selftest` tells the truth and, whatever happens to it, leaves nothing behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{PATIENCE, binary};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// All checks, in their order.
const CHECKS: [&str; 9] = [
    "host",
    "namespaces",
    "daemon",
    "client",
    "burst",
    "client-during-burst",
    "login-attack",
    "block",
    "client-during-attack",
];

/// What the test's daemon writes, where only it should see it.
const FILES: [&str; 5] = ["sensor.toml", "sensor.log", "control.sock", "state", "bpf"];

/// What this process sees of the host: interfaces, and of scratch directories and mounts those of the test. Others on
/// this machine may make theirs meanwhile.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    interfaces: Vec<String>,
    mounts: Vec<PathBuf>,
    scratch: Vec<PathBuf>,
}

impl Host {
    fn now() -> Result<Self> {
        let interfaces = fs::read_to_string("/proc/self/net/dev")?;
        let interfaces = interfaces.lines().filter_map(|line| line.split_once(':'));
        let places = ["/tmp", "/mnt", "/run"].map(PathBuf::from);
        let files = places.iter().flat_map(|place| FILES.map(|file| place.join(file)));
        let own: Vec<PathBuf> = files.chain(places.iter().cloned()).collect();
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
        Ok(Self {
            interfaces: interfaces.map(|(name, _)| name.trim().to_owned()).collect(),
            mounts: mounts.filter(|mount| own.contains(mount)).collect(),
            scratch: own.into_iter().filter(|file| !places.contains(file) && file.exists()).collect(),
        })
    }
}

/// The files `name` of all processes.
fn of_processes(name: &'static str) -> impl Iterator<Item = PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .map(move |entry| entry.path().join(name))
}

/// Whether any process is in the namespace with this number.
fn is_inhabited(kind: &'static str, number: u64) -> bool {
    of_processes(kind).any(|link| fs::metadata(link).is_ok_and(|found| found.ino() == number))
}

fn is_loaded(program: u32) -> bool {
    aya::programs::loaded_programs().flatten().any(|found| found.id() == program)
}

/// The directory in `/proc` of a child of a process.
fn child_of(parent: u32) -> Option<PathBuf> {
    let line = format!("PPid:\t{parent}");
    let is_child = |status: &PathBuf| {
        fs::read_to_string(status).is_ok_and(|text| text.lines().any(|found| found == line))
    };
    of_processes("status").find(is_child)?.parent().map(Path::to_owned)
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("no number: {value}"))
}

#[test]
fn every_check_passes_and_nothing_stays() -> Result<()> {
    if tools::skipped("every_check_passes_and_nothing_stays", &[]) {
        return Ok(());
    }
    let before = Host::now()?;
    let output = Command::new(binary()?).args(["selftest", "--json"]).output()?;
    let found: Value = serde_json::from_slice(&output.stdout).context("not one JSON document")?;
    ensure!(output.status.code() == Some(0) && found["passed"] == true, "{found:#}");
    let checks = found["checks"].as_array().context("no checks")?;
    ensure!(checks.iter().map(|check| &check["check"]).eq(&CHECKS), "{found:#}");
    let figures = |name: &str| &checks.iter().find(|check| check["check"] == name).unwrap()["figures"];

    let burst = figures("burst");
    let (sent, dropped) = (number(&burst["sent"])?, number(&burst["dropped"])?);
    ensure!(sent > 1_000 && dropped > sent / 2 && number(&burst["arrived"])? + dropped <= sent, "{burst}");
    let attack = figures("login-attack");
    ensure!(
        attack["alert"]["detector"] == "credential-stuffing" && attack["alert"]["action"] == "block",
        "{attack}"
    );
    let latency = figures("block")["latency_seconds"].as_f64().context("no latency")?;
    ensure!(latency > 0.0 && latency < 1.0, "blocked after {latency} s");
    ensure!(found["seconds"].as_f64().is_some_and(|took| took < 20.0), "{}", found["seconds"]);

    ensure!(Host::now()? == before, "before {before:#?}, now {:#?}", Host::now());
    let daemon = figures("daemon");
    let process = PathBuf::from(format!("/proc/{}", daemon["pid"]));
    ensure!(!process.exists(), "the daemon of the test runs on");
    for namespace in figures("namespaces")["network_namespaces"].as_array().context("no namespaces")? {
        ensure!(!is_inhabited("ns/net", number(namespace)?), "somebody is in {namespace}");
    }
    let program = u32::try_from(number(&daemon["program_id"])?)?;
    // The kernel takes namespaces and pins down in its own time.
    ensure!(wait_until(PATIENCE, || !is_loaded(program)), "the program is still in the kernel");
    Ok(())
}

#[test]
fn people_are_told_in_words() -> Result<()> {
    if tools::skipped("people_are_told_in_words", &[]) {
        return Ok(());
    }
    let output = Command::new(binary()?).arg("selftest").output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{}: {text}", output.status);
    for (check, line) in CHECKS.iter().zip(text.lines()) {
        ensure!(line.starts_with("ok ") && line.contains(check), "{check}: {line}");
    }
    ensure!(text.contains("dropped by XDP") && text.contains("all 9 checks passed in"), "{text}");
    Ok(())
}

#[test]
fn it_beats_a_hasty_end() -> Result<()> {
    if tools::skipped("it_beats_a_hasty_end", &[]) {
        return Ok(());
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let before = Host::now()?;
        let mut test = Command::new(binary()?);
        let mut test = test.arg("selftest").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut daemon = None;
        let is_ready = wait_until(PATIENCE, || {
            daemon = child_of(test.id());
            daemon.as_deref().is_some_and(|daemon| sees_the_pair(daemon) && has_attached(daemon))
        });
        let ended = end(&mut test, signal);
        let daemon = daemon.with_context(|| format!("no daemon was started; {ended:?}"))?;
        ensure!(is_ready, "the daemon did not attach");
        ended?;
        ensure!(wait_until(PATIENCE, || !daemon.exists()), "{signal}: the daemon runs on");
        ensure!(Host::now()? == before, "{signal}: before {before:#?}, now {:#?}", Host::now());
    }
    Ok(())
}

/// Whether a process is in the network namespace of a test's server.
fn sees_the_pair(process: &Path) -> bool {
    fs::read_to_string(process.join("net/dev")).is_ok_and(|text| text.contains("veth0"))
}

/// Whether a process has attached programs. Before that, it ends by itself where its interface is gone.
fn has_attached(process: &Path) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let mut links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.to_string_lossy().contains("bpf_link"))
}

fn end(test: &mut Child, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(test.id())?), signal)?;
    let status = test.wait()?;
    ensure!(!status.success(), "it had ended already");
    Ok(())
}

#[test]
fn without_privileges_it_says_what_is_missing() -> Result<()> {
    if tools::skipped("without_privileges_it_says_what_is_missing", &["setpriv"]) {
        return Ok(());
    }
    for (flags, failed, missing) in
        [(["--bounding-set", "-all"], 0, "CAP_BPF"), (["--bounding-set", "-sys_admin"], 1, "CAP_SYS_ADMIN")]
    {
        let mut command = Command::new("setpriv");
        command.args(flags).arg(binary()?).args(["selftest", "--json"]);
        let output = command.output()?;
        let found: Value = serde_json::from_slice(&output.stdout).context("not one JSON document")?;
        ensure!(output.status.code() == Some(1) && found["passed"] == false, "{found:#}");
        let check = &found["checks"][failed];
        ensure!(check["outcome"] == "failed" && check["check"] == CHECKS[failed], "{found:#}");
        ensure!(check["what"].as_str().is_some_and(|what| what.contains(missing)), "{check}");
        ensure!(check["remedy"].as_str().is_some_and(|remedy| remedy.contains("root")), "{check}");
        let rest = found["checks"].as_array().into_iter().flatten().skip(failed + 1);
        ensure!(rest.filter(|check| check["outcome"] == "not_run").count() == 8 - failed, "{found:#}");
    }
    Ok(())
}
