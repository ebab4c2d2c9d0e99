//! Starting other programs: all of xtask's ways to do so.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Error, Result, bail};

/// How many lines of a failed program's stderr an error repeats.
const LAST_LINES: usize = 15;
/// How much of each: linkers print lines of many screens.
const LINE_LENGTH: usize = 300;

/// Runs with inherited input and output.
///
/// # Errors
///
/// When it cannot be started or fails; the error names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if status.success() {
        return Ok(());
    }
    bail!("`{}` failed ({status})", show(command));
}

/// Runs quietly and returns stdout.
///
/// # Errors
///
/// When it cannot be started or fails; the error names the command and repeats its last words.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let name = show(command);
    capture_as(&name, command)
}

/// As [`capture`], for a command that its errors shall call `name`.
///
/// # Errors
///
/// As [`capture`].
pub(crate) fn capture_as(name: &str, command: &mut Command) -> Result<String> {
    // Its last words shall be the cause, not where in its source it noticed.
    command.env_remove("RUST_BACKTRACE");
    let output = command.output().with_context(|| cannot_start(command))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Some programs (apt-get among them) explain on stdout.
    let words = if stderr.trim().is_empty() { &*stdout } else { &*stderr };
    bail!("`{name}` failed ({}):\n{}", output.status, last_lines(words));
}

/// Runs quietly, and returns whether it succeeded and what it said on stderr: for programs whose failure is a
/// result.
///
/// # Errors
///
/// When it cannot be started.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, String)> {
    command.env_remove("RUST_BACKTRACE");
    let output = command.output().with_context(|| cannot_start(command))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Replaces this process; returns only when that fails.
pub(crate) fn exec(mut command: Command) -> Error {
    let error = command.exec();
    Error::new(error).context(cannot_start(&command))
}

/// Where `program` is, if it is installed. Looks where administrators' programs are, too: they are not in
/// the `PATH` of ordinary users.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// True for root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// True when [`as_root`] has a way to work.
pub(crate) fn can_be_root() -> bool {
    is_root() || in_path("sudo").is_some()
}

/// A command that runs as root, by sudo if need be, with these variables set: sudo drops those of the
/// caller.
pub(crate) fn as_root(program: impl Into<PathBuf>, variables: &[(&str, &str)]) -> Command {
    let program = program.into();
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return command;
    }
    let mut command = Command::new("sudo");
    command.arg("env");
    command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(program);
    command
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace::root());
    // What cargo says to this program about its own package would be news to build scripts that look at it (ring's), so
    // that whatever was built by hand would be built again.
    let about_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_us)) {
        command.env_remove(name);
    }
    command
}

/// A command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`; is it installed and in PATH?", show(command))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    let kept: Vec<String> = lines.iter().skip(from).map(|line| format!("  {line:.LINE_LENGTH$}")).collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_last_words() {
        let error = capture(Command::new("sh").args(["-c", "echo early >&2; echo cause >&2; exit 3"]));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`sh -c"), "{text}");
        assert!(text.contains("cause"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let text = run(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(text.contains("no-such-program-here"), "{text}");
    }

    #[test]
    fn stdout_is_returned() {
        assert_eq!(capture(Command::new("echo").arg("hello")).unwrap(), "hello\n");
    }

    #[test]
    fn a_failure_that_is_watched_is_a_result() {
        let watched = watch(Command::new("sh").args(["-c", "echo words >&2; exit 3"])).unwrap();
        assert_eq!(watched, (false, "words\n".to_owned()));
    }

    #[test]
    fn only_the_end_is_kept() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let kept = last_lines(&text);
        assert_eq!(kept.lines().count(), LAST_LINES);
        assert!(kept.contains("line 99") && !kept.contains("line 84\n"));
    }

    #[test]
    fn shells_are_found_and_nonsense_is_not() {
        assert!(in_path("sh").is_some());
        assert!(in_path("no-such-program-here").is_none());
    }
}
