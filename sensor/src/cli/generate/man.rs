//! Man pages: one for each command, and one for the configuration file.

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::Roff;

use super::File;
use super::commands::commands;
use super::roff::{literal, section, term, text};
use crate::daemon::{Described, reference};

/// Examples by the name of the page.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("sensor", "sensor run -i eth0\nsensor status\nsensor alerts --follow"),
    ("sensor-run", "sensor run\nsensor run -i eth0 -i eth1 --mode enforce\nsensor run -c ./sensor.toml"),
    ("sensor-check", "sensor check\nsensor check -c ./sensor.toml"),
    ("sensor-doctor", "sensor doctor\nsensor doctor -i eth0 --json"),
    ("sensor-replay", "sensor replay capture.pcapng\nsensor replay --exchanges --json capture.pcap.gz"),
    ("sensor-score", "sensor score requests.csv > scored.csv"),
    ("sensor-mode", "sensor mode\nsensor mode enforce"),
    (
        "sensor-limit-set",
        "sensor limit set default --requests 100/s:500\nsensor limit set 203.0.113.0/24 --packets 1k/s --confirm 5m",
    ),
    ("sensor-limit-unset", "sensor limit unset 203.0.113.0/24"),
    (
        "sensor-block-add",
        "sensor block add 203.0.113.7 --for 10m --reason \"probing\"\nsensor block add --dry-run 203.0.113.0/24",
    ),
    ("sensor-block-remove", "sensor block remove 203.0.113.7"),
    ("sensor-allow-add", "sensor allow add 198.51.100.0/24 --reason \"our office\""),
    ("sensor-allow-remove", "sensor allow remove 198.51.100.0/24"),
    ("sensor-clients", "sensor clients --top 5 --sort drops"),
    (
        "sensor-exchanges",
        "sensor exchanges --last 50\nsensor exchanges --follow --status 4xx --client 203.0.113.7",
    ),
    ("sensor-explain", "sensor explain 203.0.113.7"),
    ("sensor-alerts", "sensor alerts --since 1h\nsensor alerts --follow --json"),
    ("sensor-incidents", "sensor incidents --open\nsensor incidents --since 1d --json"),
    ("sensor-account", "sensor account alice@example.org\nsensor account -"),
    ("sensor-audit", "sensor audit --since 1d"),
];

const FILES: [(&str, &str); 6] = [
    ("/etc/sensor/sensor.toml", "the configuration; see sensor.toml(5)"),
    ("/etc/sensor/conf.d/*.toml", "further configuration, read afterwards in alphabetical order"),
    ("/run/sensor/control.sock", "the control socket"),
    ("/var/lib/sensor", "state, kept across restarts"),
    ("/var/lib/sensor/events.db", "alerts, incidents, decisions and the audit trail"),
    ("/sys/fs/bpf/sensor", "kernel objects that outlive the daemon"),
];

const STATUSES: [(&str, &str); 4] =
    [("0", "done"), ("1", "failed"), ("2", "usage error"), ("3", "no daemon reachable")];

/// # Errors
/// If a page cannot be rendered.
pub(super) fn pages() -> Result<Vec<File>> {
    let commands = commands();
    let mut pages = Vec::with_capacity(commands.len().saturating_add(1));
    for (name, command) in &commands {
        pages.push(File::new(format!("{name}.1"), page(name, command, &commands)?));
    }
    pages.push(File::new("sensor.toml.5", configuration()));
    Ok(pages)
}

fn source() -> String {
    format!("sensor {}", env!("CARGO_PKG_VERSION"))
}

fn page(name: &str, command: &Command, all: &[(String, Command)]) -> Result<String> {
    let man = Man::new(command.clone()).title(name.to_uppercase()).source(source()).manual("sensor");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut head = Roff::new();
    section(&mut head, "NAME");
    text(&mut head, &format!("{name} - {}", about.trim_end_matches('.')));
    head.to_writer(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let mut rest = Roff::new();
    inner(&mut rest, name, command);
    section(&mut rest, "EXIT STATUS");
    for (status, meaning) in STATUSES {
        term(&mut rest, status, meaning);
    }
    section(&mut rest, "FILES");
    for (path, meaning) in FILES {
        term(&mut rest, path, meaning);
    }
    if let Some((_, examples)) = EXAMPLES.iter().find(|(page, _)| *page == name) {
        section(&mut rest, "EXAMPLES");
        literal(&mut rest, examples);
    }
    section(&mut rest, "SEE ALSO");
    text(&mut rest, &see_also(name, all));
    rest.to_writer(&mut out)?;
    Ok(in_bold(&String::from_utf8_lossy(&out)))
}

/// With what stands between backticks in bold: help texts are written for terminals.
fn in_bold(page: &str) -> String {
    let mut out = String::new();
    for (place, part) in page.split('`').enumerate() {
        match (place, place.is_multiple_of(2)) {
            (0, _) => {}
            (_, true) => out.push_str("\\fR"),
            (_, false) => out.push_str("\\fB"),
        }
        out.push_str(part);
    }
    out
}

fn inner(page: &mut Roff, name: &str, command: &Command) {
    if command.get_subcommands().all(Command::is_hide_set) {
        return;
    }
    section(page, "COMMANDS");
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        term(page, &format!("{name}-{}(1)", inner.get_name()), &about);
    }
}

/// The pages around this one.
fn see_also(name: &str, all: &[(String, Command)]) -> String {
    let outer = name.rsplit_once('-').map(|(outer, _)| outer);
    let near = all.iter().map(|(page, _)| page.as_str()).filter(|page| {
        *page != name && (Some(*page) == outer || page.rsplit_once('-').map(|(outer, _)| outer) == Some(name))
    });
    let mut pages: Vec<String> = near.map(|page| format!("{page}(1)")).collect();
    pages.push("sensor.toml(5)".to_owned());
    pages.join(", ")
}

fn configuration() -> String {
    let mut page = Roff::new();
    page.control("TH", ["SENSOR.TOML", "5", "", &source(), "sensor"]);
    section(&mut page, "NAME");
    text(&mut page, "sensor.toml - configuration of sensor");
    section(&mut page, "DESCRIPTION");
    text(
        &mut page,
        "`/etc/sensor/sensor.toml` is read first, then `/etc/sensor/conf.d/*.toml` in alphabetical order; later \
         settings override earlier ones. The option `-c` of `sensor run` replaces both. The format is TOML. \
         Everything is optional.\n\n`sensor check` finds mistakes. `sensor reload` applies changes, except to settings \
         marked as requiring a restart.",
    );
    for (table, keys) in reference() {
        let title = if table.name.is_empty() { "TOP LEVEL".to_owned() } else { format!("[{}]", table.name) };
        section(&mut page, &title);
        text(&mut page, table.help);
        if table.made_up {
            text(&mut page, "The name of this table is an example.");
        }
        for key in &keys {
            term(&mut page, key.knob.key, &meaning(key));
        }
    }
    section(&mut page, "FILES");
    for (path, meaning) in FILES {
        term(&mut page, path, meaning);
    }
    section(&mut page, "SEE ALSO");
    text(&mut page, "sensor(1), sensor-check(1), sensor-reload(1)");
    page.to_roff()
}

fn meaning(key: &Described) -> String {
    let default = match &key.knob.default {
        Some(default) => format!("Default: `{default}`."),
        None => format!("Not set by default; for example `{}`.", key.knob.example),
    };
    let change = if key.restart { "Requires a restart." } else { "Applied on reload." };
    format!("{}\n\nValue: {}. {default} {change}", key.knob.help, key.knob.kind)
}
