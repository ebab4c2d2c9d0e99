//! Running one machine and judging what it prints.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::emulator::Emulator;
use super::initramfs;
use super::kernel::Kernel;
use crate::clock::Stopwatch;
use crate::process;
use crate::progress;
use crate::workspace;

/// Six times what a machine takes beside another one.
const LIMIT: Duration = Duration::from_secs(300);
const EXIT: &str = "VM-EXIT: ";

/// Boots `kernel` and runs `suite` in it.
///
/// # Errors
///
/// When the suite fails, says nothing, or does not end in time.
pub(super) fn test(emulator: &Emulator, kernel: &Kernel, suite: &Path) -> Result<()> {
    let version = &kernel.version;
    let dir = workspace::target_dir().join("vm");
    let archive = dir.join(format!("initramfs-{version}.cpio"));
    initramfs::write(kernel, suite, &archive)?;
    let stopwatch = Stopwatch::start();
    let log = dir.join(format!("serial-{version}.log"));
    let text = console(&mut machine(emulator, kernel, &archive), version, &log, stopwatch)
        .with_context(|| format!("Linux {version}; its console is in {}", log.display()))?;
    let result = judge(&text).with_context(|| format!("Linux {version}; see {}", log.display()))?;
    progress::done(&format!("Linux {version}: {result} in {:.0} s", stopwatch.elapsed().as_secs_f64()));
    Ok(())
}

fn machine(emulator: &Emulator, kernel: &Kernel, archive: &Path) -> Command {
    let mut qemu = emulator.command();
    qemu.args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"]);
    qemu.args(["-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio"]);
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(archive);
    // A panic restarts at once, which -no-reboot turns into the end.
    qemu.args(["-append", "console=ttyS0 panic=-1 loglevel=4"]);
    qemu
}

/// Runs the machine to its end, and shows, keeps and returns its console; each line is shown with the machine's `name`.
fn console(machine: &mut Command, name: &str, log: &Path, stopwatch: Stopwatch) -> Result<String> {
    let pipes = machine.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = pipes.spawn().with_context(|| format!("cannot start `{}`", process::show(pipes)))?;
    let stdout = child.stdout.take().context("the machine has no console")?;
    let lines = lines(stdout);
    let result = follow(&lines, name, log, stopwatch);
    // On every way out: a machine that was given up must not go on.
    end(&mut child)?;
    result
}

fn lines(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // By bytes: firmware prints what is not UTF-8.
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn follow(lines: &Receiver<String>, name: &str, log: &Path, stopwatch: Stopwatch) -> Result<String> {
    let mut file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let mut text = String::new();
    loop {
        let remaining = stopwatch.remaining(LIMIT).unwrap_or_default();
        match lines.recv_timeout(remaining) {
            Ok(line) => {
                println!("   {name:<5}| {line}");
                writeln!(file, "{line}")?;
                text.push_str(&line);
                text.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(text),
            Err(RecvTimeoutError::Timeout) => bail!("did not end within {} s", LIMIT.as_secs()),
        }
    }
}

fn end(child: &mut Child) -> Result<()> {
    if child.try_wait()?.is_none() {
        child.kill()?;
    }
    child.wait().map(drop).context("waiting for the machine")
}

/// The suite's summary, if it says that it succeeded and its exit status agrees.
fn judge(console: &str) -> Result<String> {
    let Some(status) = console.lines().find_map(|line| line.strip_prefix(EXIT)) else {
        bail!("the machine ended before its tests did");
    };
    if status.trim() != "0" {
        bail!("the tests failed with exit status {status}");
    }
    match console.lines().find(|line| is_success(line)) {
        Some(line) => Ok(line.trim().to_owned()),
        None => bail!("no line says `N passed, 0 failed`, so nothing shows that a test ran"),
    }
}

/// `N passed, 0 failed` with at least one test.
fn is_success(line: &str) -> bool {
    let Some((before, after)) = line.split_once(" passed, ") else { return false };
    let passed = before.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
    passed.is_some_and(|count| count > 0) && after.starts_with("0 failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_needs_the_summary_and_the_status() {
        assert_eq!(judge("boot\n12 passed, 0 failed\nVM-EXIT: 0\n").unwrap(), "12 passed, 0 failed");
        assert!(judge("12 passed, 0 failed\n").unwrap_err().to_string().contains("ended before"));
        assert!(judge("12 passed, 0 failed\nVM-EXIT: 1\n").unwrap_err().to_string().contains("status 1"));
        assert!(judge("VM-EXIT: 0\n").unwrap_err().to_string().contains("nothing shows"));
        assert!(judge("11 passed, 1 failed\nVM-EXIT: 0\n").is_err());
        assert!(judge("0 passed, 0 failed\nVM-EXIT: 0\n").is_err());
    }

    #[test]
    fn the_console_is_shown_kept_and_returned() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut shell = Command::new("sh");
        shell.args(["-c", "printf 'one\\r\\ntwo\\377\\n'"]);
        let text = console(&mut shell, "sh", &log, Stopwatch::start()).unwrap();
        assert_eq!(text, "one\ntwo\u{fffd}\n");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), text);
    }
}
