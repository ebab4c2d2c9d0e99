//! The configuration file with every key at its default, as comments.

use super::text::wrapped;
use crate::config::Table;
use crate::daemon::{Described, reference};

const HEADER: &str = "\
# Configuration of sensor. `sensor generate config` prints this file.
#
# /etc/sensor/sensor.toml is read first, then /etc/sensor/conf.d/*.toml in alphabetical order; later settings override
# earlier ones. Everything is optional: a line such as `#key = value` shows the default; remove its `#` to change it.
# Lines indented after their `#` are examples.
#
# `sensor check` finds mistakes. `sensor reload` applies changes, except to settings marked as requiring a restart.
";

/// Maximum line length.
const WIDTH: usize = 110;

pub(super) fn toml() -> String {
    let mut out = HEADER.to_owned();
    for (table, keys) in reference() {
        if table.made_up {
            example_table(&mut out, &table, &keys);
            continue;
        }
        out.push_str("\n\n");
        out.push_str(&wrapped(table.help, "# ", WIDTH));
        if !table.name.is_empty() {
            out.push_str(&format!("[{}]\n", table.name));
        }
        for key in &keys {
            out.push('\n');
            out.push_str(&about(key, "# "));
            match &key.knob.default {
                Some(default) if key.alone => out.push_str(&commented(key.knob.key, default)),
                Some(default) => {
                    out.push_str(&format!(
                        "# Default, if this table is used:\n#   {} = {default}\n",
                        key.knob.key
                    ));
                }
                None => out.push_str(&format!("# Example:\n#   {} = {}\n", key.knob.key, key.knob.example)),
            }
        }
    }
    out
}

/// A table whose name operators choose.
fn example_table(out: &mut String, table: &Table, keys: &[Described]) {
    out.push_str("\n\n");
    out.push_str(&wrapped(table.help, "# ", WIDTH));
    out.push_str(&format!("# Example:\n#   [{}]\n", table.name));
    for key in keys {
        out.push_str("#\n");
        out.push_str(&about(key, "#   # "));
        out.push_str(&format!("#   {} = {}\n", key.knob.key, key.knob.example));
    }
}

fn about(key: &Described, prefix: &str) -> String {
    let mut out = wrapped(&key.knob.help, prefix, WIDTH);
    let change = if key.restart { " Requires a restart." } else { "" };
    out.push_str(&wrapped(&format!("Value: {}.{change}", key.knob.kind), prefix, WIDTH));
    out
}

/// A setting that takes effect by removing only its `#`; long lists take several lines.
fn commented(key: &str, value: &str) -> String {
    let line = format!("#{key} = {value}\n");
    let items = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    match items {
        Some(items) if line.len() > WIDTH => {
            format!("#{key} = [\n{}#]\n", wrapped(&format!("{items},"), "#    ", WIDTH))
        }
        Some(_) | None => line,
    }
}
