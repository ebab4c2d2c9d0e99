//! The reference of the command line.

use clap::{Arg, Command, CommandFactory as _};

use super::text::{HEADER, code, table};
use crate::cli::args::Cli;

const INTRODUCTION: &str = "\
# Command line

With `--json`, commands print one JSON document, or one object per line for records (`alerts`, `incidents`, `audit`,
`exchanges`, `replay --exchanges`, `score`) and whatever is followed; `run`, `top` and `generate` have no JSON. With `--csv`,
lists are comma-separated values: a header, then a line for each record, with the same columns whatever is in them. `--color
auto|always|never` decides about colour. Errors go to standard error.

| exit status | |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | usage error |
| 3 | no daemon reachable |
";

pub(super) fn markdown() -> String {
    let mut out = format!("{HEADER}{INTRODUCTION}");
    for (_, command) in commands() {
        describe(&mut out, &command);
    }
    out
}

/// Every visible command, followed by its subcommands, by the name of its man page: `sensor`, `sensor-limit`,
/// `sensor-limit-set`.
pub(super) fn commands() -> Vec<(String, Command)> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut found = vec![("sensor".to_owned(), root.clone())];
    collect(&root, "sensor", &mut found);
    found
}

fn collect(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let name = format!("{name}-{}", inner.get_name());
        found.push((name.clone(), inner.clone()));
        collect(inner, &name, found);
    }
}

fn describe(out: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    out.push_str(&format!("\n## {}\n\n{about}.\n\n```\n{usage}\n```\n", code(&name)));
    let shown: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_hide_set() && !is_everywhere(arg)).collect();
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&table(&["argument", "default", "meaning"], shown.into_iter().map(row)));
    }
    if let Some(more) = command.get_after_help() {
        out.push_str(&format!("\n{more}\n"));
    }
    let inner: Vec<&Command> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).collect();
    if !inner.is_empty() {
        let rows = inner.iter().map(|inner| {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            vec![code(inner.get_bin_name().unwrap_or_else(|| inner.get_name())), about]
        });
        out.push('\n');
        out.push_str(&table(&["command", ""], rows));
    }
}

/// Described once, in the introduction.
fn is_everywhere(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "json" | "csv" | "color" | "help" | "version")
}

fn row(arg: &Arg) -> Vec<String> {
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
        .map(|value| code(value.get_name()))
        .collect();
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(heading) = arg.get_help_heading() {
        meaning = format!("{heading}: {meaning}");
    }
    if !values.is_empty() {
        meaning.push_str(&format!(": {}", values.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect();
    let name = if arg.is_positional() { arg.to_string() } else { flag(arg) };
    vec![code(&name), defaults.join(", "), meaning]
}

/// `-i`, `--interface <IFACE>` in one.
fn flag(arg: &Arg) -> String {
    match arg.get_short() {
        Some(short) if arg.get_long().is_some() => format!("-{short}, {arg}"),
        Some(_) | None => arg.to_string(),
    }
}
