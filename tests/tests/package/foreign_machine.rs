//! The program for another machine, run by an emulator of user space: it starts, checks a configuration, and reads a
//! capture as this machine's program does. `cargo xtask test --arm64` builds it and names it in `SENSOR_FOREIGN`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::binary;
use sensor_tests::hostile::{Family, Wire};
use sensor_tests::tools;

/// The emulator, and where the libraries of the other machine are.
const EMULATOR: (&str, &str) = ("qemu-aarch64", "/usr/aarch64-linux-gnu");

fn foreign(program: &Path, args: &[&str]) -> Result<Output> {
    let (emulator, libraries) = EMULATOR;
    let mut command = Command::new(emulator);
    command.args(["-L", libraries]).arg(program).args(args).output().context("cannot start the emulator")
}

/// Logins that fail.
fn capture() -> Vec<u8> {
    let mut wire = Wire::new(Family::V4);
    for number in 0..40 {
        let mut peer = wire.open(number % 4);
        let body = format!("{{\"username\":\"user{number}\",\"password\":\"leaked{number}\"}}");
        let head = "POST /login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json";
        wire.up(&mut peer, format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        wire.down(&mut peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}");
        wire.close(&mut peer);
    }
    wire.into_file()
}

#[test]
fn the_program_for_another_machine_does_the_same() -> Result<()> {
    let test = "the_program_for_another_machine_does_the_same";
    let Some(program) = env::var_os("SENSOR_FOREIGN") else {
        tools::say_skipped(test, "SENSOR_FOREIGN names no program: `cargo xtask test --arm64` builds one");
        return Ok(());
    };
    let (program, native) = (Path::new(&program), binary()?);
    if tools::skipped(test, &["qemu-aarch64"]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("good.toml"), "mode = \"enforce\"\n")?;
    fs::write(path("bad.toml"), "mode = \"enforced\"\n")?;
    fs::write(path("capture.pcap"), capture())?;
    for (args, succeeds) in [
        (vec!["--version"], true),
        (vec!["check", "-c", &path("good.toml")], true),
        (vec!["check", "-c", &path("bad.toml")], false),
        (vec!["replay", "-c", &path("good.toml"), "--exchanges", "--json", &path("capture.pcap")], true),
        (vec!["replay", "-c", &path("good.toml"), "--json", &path("capture.pcap")], true),
    ] {
        let (there, here) = (foreign(program, &args)?, Command::new(&native).args(&args).output()?);
        let said = String::from_utf8_lossy(&there.stderr).into_owned();
        ensure!(there.status.success() == succeeds, "{args:?}: {}: {said}", there.status);
        ensure!(there.stdout == here.stdout, "{args:?}: {}", String::from_utf8_lossy(&there.stdout));
        ensure!(!succeeds || !there.stdout.is_empty(), "{args:?} prints nothing");
    }
    Ok(())
}
