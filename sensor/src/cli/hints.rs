//! Words that people type instead of a command, and the one they mean. The parser's own tips go by spelling: for
//! `unblock` that is `unload`, which removes everything.

use std::env;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::say::complain;
use crate::prefix;

/// Words from other tools, with the equivalent command.
const WORDS: &[(&str, &str)] = &[
    ("unblock", "sensor block remove ADDRESS"),
    ("unban", "sensor block remove ADDRESS"),
    ("ban", "sensor block add ADDRESS"),
    ("deny", "sensor block add ADDRESS"),
    ("drop", "sensor block add ADDRESS"),
    ("unallow", "sensor allow remove ADDRESS"),
    ("disallow", "sensor allow remove ADDRESS"),
    ("whitelist", "sensor allow add ADDRESS"),
    ("blocks", "sensor block list"),
    ("allows", "sensor allow list"),
    ("limits", "sensor limit list"),
    ("enforce", "sensor mode enforce"),
    ("monitor", "sensor mode monitor"),
    ("start", "systemctl start sensor"),
    ("stop", "systemctl stop sensor"),
    ("restart", "systemctl restart sensor"),
    ("logs", "journalctl -u sensor"),
];

/// Exits as the parser's error requires, with a better tip if there is one.
pub(super) fn exit(error: &clap::Error) -> ! {
    let words: Vec<String> = env::args().skip(1).collect();
    if let Some(text) = hint(error, &words) {
        complain(text);
        std::process::exit(2);
    }
    error.exit()
}

fn hint(error: &clap::Error, words: &[String]) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let before = words.iter().position(|word| word == typed).and_then(|at| words.get(at.checked_sub(1)?));
    let meant = match before.map(String::as_str) {
        Some(group @ ("block" | "allow")) if prefix::parse(typed).is_ok() => {
            format!("sensor {group} add {typed}")
        }
        Some("block" | "allow" | "limit") => return None,
        _ => WORDS.iter().find(|(word, _)| word == typed)?.1.to_owned(),
    };
    Some(format!("error: unrecognized subcommand '{typed}'\n\n  tip: did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn what_is_meant_is_told() {
        for (typed, expected) in [
            ("unblock 192.0.2.7", Some("sensor block remove ADDRESS")),
            ("block 192.0.2.7", Some("sensor block add 192.0.2.7")),
            ("allow 192.0.2.0/24", Some("sensor allow add 192.0.2.0/24")),
            ("--json blocks", Some("sensor block list")),
            ("block frobnicate", None),
            ("statsu", None),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            let error = Cli::try_parse_from(std::iter::once(&"sensor".to_owned()).chain(&words)).unwrap_err();
            let hint = hint(&error, &words);
            assert_eq!(hint.is_some(), expected.is_some(), "{typed}: {hint:?}");
            assert!(hint.unwrap_or_default().contains(expected.unwrap_or_default()), "{typed}");
        }
    }

    /// Whatever a tip says can be typed.
    #[test]
    fn every_command_in_a_tip_parses() {
        for (_, command) in WORDS.iter().filter(|(_, command)| command.starts_with("sensor ")) {
            let command = command.replace("ADDRESS", "192.0.2.7");
            assert!(Cli::try_parse_from(command.split(' ')).is_ok(), "{command}");
        }
        for typed in [
            "block rm 192.0.2.7",
            "block del 192.0.2.7",
            "block delete 192.0.2.7",
            "allow rm 192.0.2.7",
            "incidents -f",
            "alerts -f",
            "exchanges -f",
            "check s.toml",
            "incidents --since yesterday",
        ] {
            let words = std::iter::once("sensor").chain(typed.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{typed}");
        }
    }
}
