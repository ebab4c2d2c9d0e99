//! Roles on the control socket, the audit trail, and protected addresses.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Groups of every Debian, and the number of a user who is in none.
const READERS: &str = "games";
const ADMINISTRATORS: &str = "news";
const USER: &str = "65534";

fn start(net: &Net) -> Result<Daemon> {
    let groups = format!("[control]\ngroup = \"{READERS}\"\nadmin_group = \"{ADMINISTRATORS}\"\n");
    let daemon = Daemon::start(net, &format!("{}{groups}", config("monitor", "off")))?;
    // Other users have to come as far as the socket.
    let directory = daemon.socket().parent().context("a directory")?.to_owned();
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    Ok(daemon)
}

/// Runs a command as a user of these groups, in an ssh session if it is said to be one.
fn run_as(daemon: &Daemon, net: &Net, groups: &str, ssh: &str, args: &[&str]) -> Result<Output> {
    let mut command = net.server.command("setpriv");
    command.args(["--reuid", USER, "--regid", USER, &format!("--groups={groups}")]);
    if !ssh.is_empty() {
        command.env("SSH_CONNECTION", ssh);
    }
    // Where everybody may execute it.
    let program = daemon.socket().with_file_name("sensor");
    if !program.exists() {
        fs::copy(sensor_tests::daemon::binary()?, &program)?;
    }
    command.arg(program).args(args).arg("--socket").arg(daemon.socket());
    Ok(command.output()?)
}

/// The audit trail, one entry a line.
fn trail(daemon: &Daemon) -> Result<Vec<Value>> {
    let printed = daemon.ok(&["audit", "--last", "99", "--json"])?;
    printed.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

const CHANGES: &[&[&str]] = &[
    &["mode", "enforce"],
    &["limit", "set", "10.8.0.0/16", "--packets", "5/s", "--confirm", "1h"],
    &["confirm"],
    &["limit", "unset", "10.8.0.0/16"],
    &["block", "add", "10.9.0.66", "--for", "1h", "--reason", "ticket 4711"],
    &["block", "remove", "10.9.0.66"],
    &["allow", "add", "10.9.0.67"],
    &["allow", "remove", "10.9.0.67"],
    &["reload"],
];

const LOOKS: &[&[&str]] = &[
    &["status"],
    &["mode"],
    &["limit", "list"],
    &["limit", "suggest", "--force"],
    &["block", "list"],
    &["allow", "list"],
    &["clients"],
    &["explain", "10.9.0.66"],
    &["alerts"],
    &["audit"],
];

#[test]
fn readers_look_and_administrators_change() -> Result<()> {
    if tools::skipped("readers_look_and_administrators_change", &["setpriv"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = start(&net)?;
    let as_member = |groups: &str, args: &[&str]| run_as(&daemon, &net, groups, "", args);
    for args in LOOKS {
        for group in [READERS, ADMINISTRATORS] {
            let output = as_member(group, args)?;
            ensure!(output.status.success(), "{group} {args:?}: {}", told(&output));
        }
    }
    for args in CHANGES {
        let refused = as_member(READERS, args)?;
        let said = told(&refused);
        ensure!(refused.status.code() == Some(1), "{args:?}: {}", refused.status);
        ensure!(
            said.contains(&format!("a member of the group `{ADMINISTRATORS}`")) && said.contains("adduser"),
            "{said}"
        );
        let done = as_member(ADMINISTRATORS, args)?;
        ensure!(done.status.success(), "{args:?}: {}", told(&done));
    }
    let neither = as_member(USER, &["status"])?;
    let said = told(&neither);
    ensure!(
        neither.status.code() == Some(1) && said.contains("permission denied"),
        "{}: {said}",
        neither.status
    );
    // Each change, with who made it; none of those that were refused.
    let changes = |entries: &[Value]| -> Vec<String> {
        let by_command = entries.iter().filter(|entry| entry["cause"]["by"] == "command");
        by_command.map(|entry| entry["what"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let expected = [
        "mode_set",
        "limit_set",
        "limit_confirmed",
        "limit_unset",
        "block_added",
        "block_removed",
        "allow_added",
        "allow_removed",
        "configuration_loaded",
    ];
    let kept = wait_until(PATIENCE, || trail(&daemon).is_ok_and(|entries| changes(&entries) == expected));
    let entries = trail(&daemon)?;
    ensure!(kept, "{entries:#?}");
    for entry in &entries {
        let cause = &entry["cause"];
        let is_whole = cause["uid"] == 65_534 && cause["user"] == "nobody" && cause["pid"].as_u64() > Some(1);
        ensure!(is_whole, "{entry}");
    }
    Ok(())
}

#[test]
fn only_a_connection_that_the_kernel_knows_protects_an_operator() -> Result<()> {
    if tools::skipped("only_a_connection_that_the_kernel_knows_protects_an_operator", &["setpriv"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = start(&net)?;
    // Stands for the ssh server: a socket of root's on this host, with a connection of the operator.
    let server = net.server.enter(|| TcpListener::bind(SocketAddr::new(SERVER_V4, 22)))?;
    let client = net.world.enter(|| connect(LEGITIMATE))?;
    let (accepted, peer) = server.accept()?;
    let real = format!("{} {} {SERVER_V4} 22", peer.ip(), peer.port());
    let forged = format!("{} 50123 {SERVER_V4} 22", v4(FLOODER));
    let is_protected = |host: u8| -> Result<bool> {
        Ok(!daemon.json(&["explain", &v4(host).to_string()])?["protected"].is_null())
    };
    // A reader's claim counts for nothing, though the connection is there.
    ensure!(run_as(&daemon, &net, READERS, &real, &["status"])?.status.success());
    ensure!(!is_protected(LEGITIMATE)?, "a user who may only look has an address protected");
    // Neither does an administrator's, where there is no such connection.
    ensure!(run_as(&daemon, &net, ADMINISTRATORS, &forged, &["status"])?.status.success());
    ensure!(!is_protected(FLOODER)?, "an environment variable is believed");
    ensure!(run_as(&daemon, &net, ADMINISTRATORS, &real, &["status"])?.status.success());
    ensure!(is_protected(LEGITIMATE)?, "the operator is not protected:\n{}", daemon.log());
    let blocked = daemon.cli(&["block", "add", &v4(LEGITIMATE).to_string()])?;
    ensure!(told(&blocked).contains("an operator's ssh session"), "{}", told(&blocked));
    let mut again = daemon.program(&["status", "--socket"]);
    let again = again.arg(daemon.socket()).env("SSH_CONNECTION", OsStr::new(&real)).output()?;
    ensure!(again.status.success());
    // Once, with who did it and until when, and not again while it lasts.
    let found = |what: &str| -> Result<Vec<Value>> {
        Ok(trail(&daemon)?.into_iter().filter(|entry| entry["what"] == what).collect())
    };
    ensure!(wait_until(PATIENCE, || found("operator_protected").is_ok_and(|found| found.len() == 1)));
    let entry = found("operator_protected")?.pop().context("an entry")?;
    ensure!(
        entry["subject"] == v4(LEGITIMATE).to_string()
            && entry["cause"]["user"] == "nobody"
            && entry["until"].is_string(),
        "{entry}"
    );
    drop((client, accepted));
    Ok(())
}

fn connect(host: u8) -> std::io::Result<TcpStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::os::fd::AsRawFd as _;
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(v4(host), 0)))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(SERVER_V4, 22)))?;
    Ok(socket.into())
}
