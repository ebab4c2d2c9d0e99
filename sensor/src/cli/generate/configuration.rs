//! The reference of the configuration.

use super::text::{HEADER, code, table};
use crate::config::Table;
use crate::daemon::{Described, presets, reference};
use crate::detect::Preset;

const INTRODUCTION: &str = "\
# Configuration

`/etc/sensor/sensor.toml` is read first, then `/etc/sensor/conf.d/*.toml` in alphabetical order; later settings override
earlier ones. `-c FILE` replaces both. Everything is optional. `sensor check` reports mistakes by file, line and key.

Change: `reload` if `sensor reload` (or SIGHUP) applies it, `restart` if it requires a restart of the daemon, during
which the policy in the kernel stays in force. A reload names the changes it cannot apply.
";

pub(super) fn markdown() -> String {
    let mut out = format!("{HEADER}{INTRODUCTION}");
    for (table, keys) in reference() {
        let title =
            if table.name.is_empty() { "Top level".to_owned() } else { code(&format!("[{}]", table.name)) };
        out.push_str(&format!("\n## {title}\n\n{}\n\n", about(&table)));
        let rows = keys.iter().map(row);
        out.push_str(&super::text::table(&["key", "default", "change", "meaning"], rows));
    }
    let head: Vec<&str> = std::iter::once("key").chain(Preset::ALL.map(|(name, _)| name)).collect();
    let rows = presets()
        .into_iter()
        .map(|(key, values)| std::iter::once(&key).chain(&values).map(|cell| code(cell)).collect());
    out.push_str("\n## Presets\n\nDefaults that `detect.preset` changes:\n\n");
    out.push_str(&table(&head, rows));
    out
}

fn about(table: &Table) -> String {
    if table.made_up { format!("{} The name here is an example.", table.help) } else { table.help.to_owned() }
}

fn row(key: &Described) -> Vec<String> {
    let default = match &key.knob.default {
        Some(default) => code(default),
        None => format!("not set; for example {}", code(&key.knob.example)),
    };
    let change = if key.restart { "restart" } else { "reload" };
    let meaning =
        format!("{} Value: {}.", key.knob.help.replace('*', "\\*"), key.knob.kind.replace('*', "\\*"));
    vec![code(key.knob.key), default, change.to_owned(), meaning]
}
