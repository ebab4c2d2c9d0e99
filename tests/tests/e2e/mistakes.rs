//! Operators' mistakes and the answers to them: (what they did, the exit status, words of the answer).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, SMALL_TABLES, binary};
use sensor_tests::netns::{INTERFACE, Net};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;

/// Checks an exit status, and that stderr has all of these words and no Rust panic.
fn expect(what: &str, output: &Output, status: i32, words: &[&str]) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(status), "{what}: {}, not {status}: {said}", output.status);
    for word in words {
        ensure!(said.contains(word), "{what}: no `{word}` in: {said}");
    }
    ensure!(!said.contains("panicked"), "{what}: {said}");
    Ok(())
}

const RATE: &str = "expected RATE[/UNIT][:BURST], such as 100/min:20";
const CIDR: &str = "expected an address or CIDR, such as 203.0.113.7";

const COMMANDS: &[(&[&str], i32, &[&str])] = &[
    // Wrong usage: nothing reaches the daemon.
    (&["block", "add", "10.9.0"], 2, &["`10.9.0`", CIDR]),
    (&["block", "add", "10.0.0.0/33"], 2, &["`10.0.0.0/33`", CIDR]),
    (&["block", "add", "example.org"], 2, &["`example.org`", CIDR]),
    (&["block", "add", "10.9.0.66/24"], 2, &["10.9.0.0/24 or 10.9.0.66?"]),
    (&["allow", "add", "2001:db8::1/32"], 2, &["2001:db8::/32 or 2001:db8::1?"]),
    (&["block", "add", "::ffff:10.9.0.66"], 2, &["write the IPv4 prefix itself"]),
    (&["block", "add", "10.9.0.66", "--for", "soon"], 2, &["soon", "--for"]),
    (&["block", "add"], 2, &["CIDR"]),
    (&["limit", "set", "default", "--packets", "fast"], 2, &["fast", RATE]),
    (&["limit", "set", "default", "--packets", "100/day"], 2, &["unknown unit of time", RATE]),
    (&["limit", "set", "default", "--requests", "0/s"], 2, &["zero", RATE]),
    (&["limit", "set", "default", "--connections", "-5"], 2, &["-5"]),
    (&["limit", "set", "default", "--bits", "10M:x"], 2, &[RATE]),
    (&["limit", "set", "default"], 2, &["--packets"]),
    (&["limit", "set", "everyone", "--packets", "1/s"], 2, &["expected `default` or an address prefix"]),
    (&["limit", "set", "10.1.2.3/8", "--packets", "1/s"], 2, &["10.0.0.0/8 or 10.1.2.3?"]),
    (&["mode", "off"], 2, &["expected `monitor` or `enforce`"]),
    (&["clients", "--sort", "colour"], 2, &["colour", "packets"]),
    (&["statsu"], 2, &["statsu", "status"]),
    (&["unblock", "10.9.0.66"], 2, &["sensor block remove ADDRESS"]),
    (&["block", "10.9.0.66"], 2, &["sensor block add 10.9.0.66"]),
    (&[], 2, &["Usage"]),
    // Understood, and not to be done.
    (&["block", "add", "127.0.0.1", "--dry-run"], 1, &["not blocked: 127.0.0.1/32"]),
    (&["block", "remove", "10.9.0.77"], 1, &["10.9.0.77/32 is not blocked", "sensor block list"]),
    (&["allow", "remove", "10.9.0.77"], 1, &["10.9.0.77/32 is not allowed", "sensor allow list"]),
    (&["limit", "unset", "10.0.0.0/8"], 1, &["10.0.0.0/8", "sensor limit list"]),
    (&["limit", "unset", "default"], 1, &["configuration"]),
    (&["limit", "set", "fd00::1/128", "--packets", "1/s"], 1, &["fd00::1/128", "clients of /64"]),
];

#[test]
fn commands() -> Result<()> {
    if tools::skipped("commands", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let state = |scene: &Scene| -> Result<_> {
        Ok((scene.daemon.json(&["limit", "list"])?, scene.daemon.json(&["block", "list"])?))
    };
    let before = state(&scene)?;
    for (args, status, words) in COMMANDS {
        expect(&format!("sensor {}", args.join(" ")), &scene.daemon.cli(args)?, *status, words)?;
    }
    ensure!(state(&scene)? == before, "a mistake changed something");
    Ok(())
}

#[test]
fn no_daemon_is_exit_status_3() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("none.sock");
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale)?);
    for socket in [&socket, &stale] {
        for args in [
            vec!["status"],
            vec!["mode", "enforce"],
            vec!["limit", "list"],
            vec!["block", "add", "192.0.2.1"],
            vec!["clients"],
            vec!["explain", "192.0.2.1"],
            vec!["confirm"],
            vec!["reload"],
        ] {
            let output = Command::new(binary()?).args(&args).arg("--socket").arg(socket).output()?;
            let name = socket.to_string_lossy();
            expect(&format!("sensor {}", args.join(" ")), &output, 3, &[&name, "sensor run"])?;
        }
    }
    Ok(())
}

/// A configuration and the places and words that must all be in one answer.
const CONFIGURATIONS: &[(&str, &[&str])] = &[
    (
        // Six at once.
        "mdoe = \"enforce\"\nxdp = \"fast\"\nblock = [\"10.0.0.1/8\"]\n[clients]\nmax_tracked = \"many\"\n\
         [limits.default]\npackets = \"lots\"\nbytes = \"1M\"\n",
        &[
            "sensor.toml:1: mdoe: unknown key; did you mean `mode`?",
            "sensor.toml:2: xdp:",
            "sensor.toml:3: block:",
            "10.0.0.0/8 or 10.0.0.1?",
            "sensor.toml:5: clients.max_tracked:",
            "sensor.toml:7: limits.default.packets: `lots`",
            RATE,
            "sensor.toml:8: limits.default.bytes: unknown key",
        ],
    ),
    (
        "[limits.\"10.0.0.0/8\"]\npackets = \"1/s\"\n[limits.\"10.0.0.0/8\"]\npackets = \"2/s\"\n",
        &["sensor.toml:3:", "duplicate key"],
    ),
    (
        "[limits.\"2001:db8::/32\"]\npackets = \"1/s\"\n[limits.\"2001:0db8::/32\"]\npackets = \"2/s\"\n",
        &["sensor.toml:", "overlapping scopes"],
    ),
    ("[limits.\"10.1.2.3/8\"]\npackets = \"1/s\"\n", &["sensor.toml:1: limits.", "10.0.0.0/8 or 10.1.2.3?"]),
    ("[limits.\"192.0.2\"]\npackets = \"1/s\"\n", &["sensor.toml:1: limits.", "192.0.2"]),
    ("[limits.\"2001:db8::1/128\"]\npackets = \"1/s\"\n", &["sensor.toml:1: limits.", "/64"]),
    ("allow = [\"192.0.2.1\", \"192.0.2.1/32\"]\n", &["sensor.toml:1: allow:", "twice"]),
    ("[clients]\nipv4_prefix = 40\n", &["sensor.toml:2: clients.ipv4_prefix:", "from 8 to 32"]),
    ("[web]\nlisten_address = \"9797\"\n", &["sensor.toml:2: web.listen_address:"]),
    ("[clients]\nidle = \"often\"\n", &["sensor.toml:2: clients.idle:", "5m"]),
    (
        "[http]\nring_mib = 0\nexchange_log = \"/nonexistent/sensor/exchanges.jsonl\"\n",
        &[
            "sensor.toml:2: http.ring_mib:",
            "sensor.toml:3: http.exchange_log: /nonexistent/sensor: no such directory",
        ],
    ),
    ("mode = enforce\n", &["sensor.toml:1:"]),
    ("mode = \"enforce\"\n[limits\n", &["sensor.toml:2:"]),
];

#[test]
fn configurations() -> Result<()> {
    if tools::skipped("configurations", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = Daemon::prepare(&net, "")?;
    for (text, words) in CONFIGURATIONS {
        daemon.write_config(text)?;
        let checked = daemon.program(&["check", "-c"]).arg(daemon.config_path()).output()?;
        expect(&format!("sensor check of\n{text}"), &checked, 1, words)?;
        // The daemon says the same and starts nothing.
        let run = daemon.run_command().output()?;
        expect(&format!("sensor run with\n{text}"), &run, 1, words)?;
        ensure!(net.xdp_on(INTERFACE)?.is_empty(), "attached with\n{text}");
    }
    daemon.write_config(&config("enforce", "100/min:20"))?;
    let checked = daemon.program(&["check", "-c"]).arg(daemon.config_path()).output()?;
    expect("sensor check of a good configuration", &checked, 0, &[])?;
    let missing = daemon.program(&["check", "-c", "/nonexistent/sensor.toml"]).output()?;
    expect("sensor check of no file", &missing, 1, &["/nonexistent/sensor.toml"])
}

#[test]
fn starts_that_cannot_work() -> Result<()> {
    if tools::skipped("starts_that_cannot_work", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, SMALL_TABLES)?;
    for (flags, status, words) in [
        (["-i", "nosuch0"], 1, ["nosuch0", "ip link"]),
        (["--mode", "of"], 2, ["--mode", "monitor"]),
        (["--xdp", "fast"], 2, ["--xdp", "generic"]),
        (["--web.listen-address", "here"], 2, ["--web.listen-address", "here"]),
    ] {
        daemon.set_flags(&flags);
        expect(&format!("sensor run {}", flags.join(" ")), &daemon.run_command().output()?, status, &words)?;
    }
    Ok(())
}

/// HTTP would be seen, and nothing of it kept.
#[test]
fn an_exchange_log_that_cannot_be_opened_is_named() -> Result<()> {
    if tools::skipped("an_exchange_log_that_cannot_be_opened_is_named", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_string_lossy();
    let mut daemon = Daemon::prepare(&net, &format!("{SMALL_TABLES}[http]\nexchange_log = \"{path}\"\n"))?;
    let checked = daemon.program(&["check", "-c"]).arg(daemon.config_path()).output()?;
    expect("sensor check of a directory in place of a file", &checked, 0, &[])?;
    let words = ["http.exchange_log", path.as_ref(), "directory"];
    expect("a directory in place of the log", &daemon.run_command().output()?, 1, &words)?;
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "attached all the same");
    ensure!(!daemon.pin_dir().exists(), "a refused start leaves pins behind");
    // Where nothing is seen, nothing is written.
    daemon.write_config(&format!(
        "{SMALL_TABLES}[http]\nenabled = false\nexchange_log = \"/nonexistent/x\"\n"
    ))?;
    let checked = daemon.program(&["check", "-c"]).arg(daemon.config_path()).output()?;
    expect("sensor check without HTTP", &checked, 0, &[])?;
    daemon.run()
}

#[test]
fn a_second_daemon_is_refused() -> Result<()> {
    if tools::skipped("a_second_daemon_is_refused", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    scene.net.add_interface("eth1")?;
    let other = Daemon::prepare(&scene.net, SMALL_TABLES)?;
    let (mine, its) = (&other, &scene.daemon);
    let socket = its.socket().to_string_lossy().into_owned();
    let pins = its.pin_dir().to_string_lossy().into_owned();
    let free = "127.0.0.1:9798";
    for (interface, socket_used, pins_used, web, words) in [
        (INTERFACE, mine.socket(), mine.pin_dir(), free, vec![INTERFACE, "another"]),
        ("eth1", its.socket(), mine.pin_dir(), free, vec![socket.as_str(), "--socket"]),
        ("eth1", mine.socket(), its.pin_dir(), free, vec![pins.as_str(), "--pin-dir"]),
        (
            "eth1",
            mine.socket(),
            mine.pin_dir(),
            "127.0.0.1:9797",
            vec!["127.0.0.1:9797", "--web.listen-address"],
        ),
    ] {
        let mut run = other.program(&["run", "-i", interface, "--web.listen-address", web, "-c"]);
        run.arg(other.config_path()).arg("--socket").arg(socket_used).arg("--pin-dir").arg(pins_used);
        run.arg("--state-dir").arg(other.state_dir());
        expect(&format!("a second daemon, {words:?}"), &run.output()?, 1, &words)?;
        ensure!(!other.pin_dir().exists(), "a refused start leaves pins behind ({words:?})");
    }
    ensure!(scene.daemon.is_ready(), "the first daemon suffered");
    ensure!(scene.daemon.json(&["mode"])?["mode"] == "monitor", "the first daemon's socket is gone");
    Ok(())
}

#[test]
fn missing_privileges_are_named() -> Result<()> {
    if tools::skipped("missing_privileges_are_named", &["setpriv"]) {
        return Ok(());
    }
    let net = Net::new()?;
    // Neither the build's directory nor a temporary one is open to others.
    let open = tempfile::tempdir()?;
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755))?;
    let program = open.path().join("sensor");
    fs::copy(binary()?, &program)?;
    let config = open.path().join("sensor.toml");
    fs::write(&config, SMALL_TABLES)?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644))?;
    let run = |privileges: &[&str]| -> Result<Output> {
        let mut run = net.server.command("setpriv");
        run.args(privileges).arg(&program).args(["run", "-i", INTERFACE, "-c"]).arg(&config);
        run.arg("--socket").arg(open.path().join("s")).arg("--state-dir").arg(open.path().join("state"));
        Ok(run.arg("--pin-dir").arg(open.path().join("bpf")).output()?)
    };
    let nobody = run(&["--reuid", "65534", "--regid", "65534", "--clear-groups"])?;
    expect("sensor run as nobody", &nobody, 1, &["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "root"])?;
    let bounded = run(&["--bounding-set", "-perfmon", "--inh-caps", "-perfmon"])?;
    expect("sensor run without CAP_PERFMON", &bounded, 1, &["CAP_PERFMON"])?;
    let said = String::from_utf8_lossy(&bounded.stderr);
    ensure!(!said.contains("CAP_BPF"), "names a capability that is there: {said}");
    ensure!(!Path::new(&open.path().join("bpf")).exists(), "a refused start leaves pins behind");
    Ok(())
}

/// The state is in files: their owner is told which cannot be read. One that can be moved aside keeps nothing from
/// starting; a place where no state can be kept does.
#[test]
fn a_broken_state_file_is_named() -> Result<()> {
    if tools::skipped("a_broken_state_file_is_named", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, SMALL_TABLES)?;
    fs::write(daemon.state_dir(), "")?;
    let place = daemon.state_dir().display().to_string();
    expect("a file for a state directory", &daemon.run_command().output()?, 1, &[&place])?;
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "attached all the same");
    ensure!(!daemon.pin_dir().exists(), "a refused start leaves pins behind");
    fs::remove_file(daemon.state_dir())?;
    fs::create_dir(daemon.state_dir())?;
    fs::write(daemon.state_dir().join("commands.json"), "{\"commands\": ")?;
    daemon.run()?;
    let status = daemon.ok(&["status"])?;
    for word in ["DEGRADED", "commands.json: EOF", "none of it is in force", "commands.json.corrupt-", "mv "]
    {
        ensure!(status.contains(word), "no `{word}` in {status}");
    }
    Ok(())
}

#[test]
fn a_full_table_names_its_bound() -> Result<()> {
    if tools::skipped("a_full_table_names_its_bound", &[]) {
        return Ok(());
    }
    let bounds = "doorkeeper = 262144\nmax_blocks = 2\nmax_allows = 2\nmax_scopes = 1\n";
    let scene = Scene::new(&config("enforce", "off").replace("doorkeeper = 262144\n", bounds))?;
    scene.daemon.ok(&["limit", "set", "198.18.1.0/24", "--packets", "5/s"])?;
    for address in ["198.18.0.1", "198.18.0.2"] {
        scene.daemon.ok(&["block", "add", address])?;
        scene.daemon.ok(&["allow", "add", address])?;
    }
    for (args, words) in [
        (vec!["block", "add", "198.18.0.3"], ["2", "clients.max_blocks"]),
        (vec!["allow", "add", "198.18.0.3"], ["2", "clients.max_allows"]),
        (vec!["limit", "set", "198.18.2.0/24", "--packets", "5/s"], ["1", "clients.max_scopes"]),
    ] {
        expect(&args.join(" "), &scene.daemon.cli(&args)?, 1, &words)?;
    }
    // What is there can still be changed, and families do not share their room.
    scene.daemon.ok(&["allow", "remove", "198.18.0.2"])?;
    scene.daemon.ok(&["block", "add", "198.18.0.2", "--for", "1h"])?;
    scene.daemon.ok(&["limit", "set", "198.18.1.0/24", "--packets", "6/s"])?;
    scene.daemon.ok(&["block", "add", "2001:db8::1"])?;
    let list = scene.daemon.json(&["block", "list"])?;
    ensure!(list.as_array().map(Vec::len) == Some(3), "{list}");
    Ok(())
}

#[test]
fn a_reader_who_left_is_no_failure_and_a_full_disk_is_one() -> Result<()> {
    // `sensor generate config | head -0`: the other end of the pipe is closed before anything is written.
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let output = Command::new(binary()?).args(["generate", "config"]).stdout(writer).output()?;
    expect("a pipe that nobody reads", &output, 0, &[])?;
    ensure!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let full = fs::File::options().write(true).open("/dev/full")?;
    let output = Command::new(binary()?).args(["generate", "config"]).stdout(full).output()?;
    expect("a full disk", &output, 1, &["standard output", "No space left"])
}
