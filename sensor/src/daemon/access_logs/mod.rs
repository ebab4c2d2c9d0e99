//! Access logs that are followed: what the configuration says, the thread that follows them, and their lines on the way
//! into the pipeline.
//!
//! The files are the queue: while lines wait, the thread reads no further, so nothing is lost that a server has not
//! removed. How far the pipeline has come is stored every second.

mod following;
mod lines;

use std::path::PathBuf;

pub(super) use lines::Lines;

use crate::capture::log::Layout;
use crate::config::{Form, Section};

/// Most logs.
const MAX_LOGS: usize = 16;

/// A log, and how its lines are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Its file.
    pub path: PathBuf,
    /// The format, as configured.
    pub format: String,
    /// The same, checked.
    pub(super) layout: Layout,
}

const ABOUT: &str = "Access logs to follow: requests that cannot be read on the network, because their TLS cannot be \
     decrypted. What is both read on the network and logged counts once. docs/access-logs.md says what a log lacks.";

const MEANING: &str = "The key is the absolute path of a log in quotes; the value is its format: a name or a format as \
     the server's own configuration writes it, as for `sensor replay --log`. At most 16. The daemon's user must be able \
     to read the file.";

const FORMAT: Form<String> =
    Form::any("`common`, `combined`, `nginx`, `haproxy`, `envoy`, `caddy`, `traefik` or a format", "nginx");

/// Reads `[access_logs]`.
pub(super) fn read(root: &Section<'_>) -> Vec<AccessLog> {
    let section = root.section("access_logs").about(ABOUT);
    section.explain_by(|_| Some(MEANING.to_owned()));
    let mut known: Vec<(PathBuf, String)> = Vec::new();
    let logs = section.entries("\"/var/log/nginx/access.log\"", &FORMAT, |path, format| {
        let log = AccessLog {
            path: PathBuf::from(path),
            format: format.to_owned(),
            layout: Layout::new(format).map_err(|error| error.to_string())?,
        };
        if !log.path.is_absolute() || path.ends_with('/') {
            return Err(
                "expected the absolute path of a log, such as \"/var/log/nginx/access.log\"".to_owned()
            );
        }
        // Links, and detours such as `..`.
        let real = log.path.canonicalize().unwrap_or_else(|_| log.path.components().collect());
        if let Some((_, other)) = known.iter().find(|(known, _)| *known == real) {
            return Err(format!("it is the same file as `{other}`; expected each log once"));
        }
        known.push((real, path.to_owned()));
        Ok(log)
    });
    if logs.len() > MAX_LOGS {
        root.reject("access_logs", format!("{} logs; at most {MAX_LOGS} can be followed", logs.len()));
    }
    logs
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    fn told(text: &str) -> (Vec<AccessLog>, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        let problems = RefCell::default();
        let logs = read(&Section::root(&document, &problems));
        (logs, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn logs_have_a_path_and_a_format() {
        let (logs, problems) =
            told("[access_logs]\n\"/var/log/a.log\" = \"nginx\"\n\"/var/log/b.log\" = '%a %t \"%r\" %>s'\n");
        assert!(problems.is_empty(), "{problems:?}");
        let found: Vec<_> =
            logs.iter().map(|log| (log.path.to_str().unwrap(), log.format.as_str())).collect();
        assert_eq!(found, [("/var/log/a.log", "nginx"), ("/var/log/b.log", "%a %t \"%r\" %>s")]);
    }

    #[test]
    fn mistakes_name_the_log_and_what_was_expected() {
        let own = tempfile::tempdir().unwrap();
        let file = own.path().join("a.log");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, own.path().join("b.log")).unwrap();
        let twice = format!("\"{0}/a.log\" = \"nginx\"\n\"{0}/b.log\" = \"nginx\"", own.path().display());
        for (lines, expected) in [
            (
                "\"/a.log\" = \"apache2\"",
                "s.toml:2: access_logs.\"/a.log\": `apache2` is neither the name of a log",
            ),
            ("\"/a.log\" = \"$remote_addr\"", "the format has no time"),
            ("\"/a.log\" = 7", "expected a string"),
            (
                "\"a.log\" = \"nginx\"",
                "expected the absolute path of a log, such as \"/var/log/nginx/access.log\"",
            ),
            ("\"/a/\" = \"nginx\"", "expected the absolute path of a log"),
            ("\"/x/a.log\" = \"nginx\"\n\"/x//a.log\" = \"nginx\"", "it is the same file as `/x//a.log`"),
            (&twice, "a.log`; expected each log once"),
        ] {
            let (_, problems) = told(&format!("[access_logs]\n{lines}\n"));
            assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
            assert!(problems[0].contains(expected), "{lines}: {problems:?}");
        }
        let many: String = (0..17).map(|number| format!("\"/{number}.log\" = \"nginx\"\n")).collect();
        let (_, problems) = told(&format!("[access_logs]\n{many}"));
        assert_eq!(problems, ["s.toml:1: access_logs: 17 logs; at most 16 can be followed"]);
    }
}
