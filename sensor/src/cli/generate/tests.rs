use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use super::*;
use crate::config::Document;
use crate::daemon::Config;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn check(text: &str) -> Result<Config, Vec<String>> {
    let mut document = Document::default();
    document.add(Path::new("sensor.toml"), text).map_err(|problem| vec![problem.to_string()])?;
    Config::check(&document).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// What a user gets who takes the `#` from lines that look like settings.
fn uncommented(text: &str) -> String {
    let mut in_list = false;
    let line = |line: &str| {
        let bare =
            line.strip_prefix('#').filter(|bare| in_list || !bare.is_empty() && !bare.starts_with(' '));
        in_list = bare.is_some_and(|bare| bare.ends_with('[') || in_list && bare != "]");
        format!("{}\n", bare.unwrap_or(line))
    };
    text.lines().map(line).collect()
}

/// The examples alone, with the tables that they stand in.
fn examples(text: &str) -> String {
    let lines = text.lines().filter_map(|line| {
        let table = line.starts_with('[').then_some(line);
        table.or_else(|| line.strip_prefix("#   ").filter(|example| !example.starts_with(' ')))
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_file_as_it_is_changes_nothing() {
    let text = config::toml();
    assert_eq!(check(&text).unwrap(), Config::default());
    assert_eq!(text.lines().find(|line| line.chars().count() > 120), None);
}

#[test]
fn the_file_without_its_comment_signs_is_the_default() {
    let text = uncommented(&config::toml());
    assert!(text.contains("\nmode = \"monitor\"\n") && text.contains("\n    \"session\", "), "{text}");
    assert_eq!(check(&text).unwrap(), Config::default());
    let settings = text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let keys = crate::daemon::reference();
    let keys = keys.iter().flat_map(|(_, keys)| keys);
    assert_eq!(
        settings.count(),
        keys.filter(|key| key.knob.default.is_some() && key.alone && !key.knob.made_up).count()
    );
}

#[test]
fn the_examples_of_the_file_can_stand_there() {
    let text = examples(&config::toml());
    assert!(text.contains("[login.shop]\n") && text.contains("exchange_log = "), "{text}");
    // Of files, only their absence is told.
    let problems = check(&text).err().unwrap_or_default();
    assert!(problems.iter().all(|problem| problem.contains("No such file")), "{problems:#?}\n{text}");
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

/// Compares files of the repository with what they are made of.
fn compare(files: &[File], directory: &str, command: &str) {
    for file in files {
        let path = repository().join(directory).join(&file.name);
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == file.text, "{} is not as the code has it; run: {command}", path.display());
    }
}

#[test]
fn the_kept_configuration_is_up_to_date() {
    let command = "cargo run -p sensor -- generate config --out sensor/dist";
    compare(&files(&Generated::Config).unwrap(), "sensor/dist", command);
}

#[test]
fn the_kept_reference_is_up_to_date() {
    let command = "cargo run -p sensor -- generate reference --out docs/reference";
    compare(&files(&Generated::Reference).unwrap(), "docs/reference", command);
}

#[test]
fn the_kept_manifests_are_up_to_date() {
    let command = "cargo run -p sensor -- generate kubernetes --out sensor/dist/kubernetes";
    let made = files(&Generated::Kubernetes { runbooks: None }).unwrap();
    compare(&made, "sensor/dist/kubernetes", command);
}

/// The sections that the annotations lead to are there, one for each alert, with all that somebody needs at night.
#[test]
fn every_alert_has_a_runbook() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let (rules, runbooks) = (read("sensor/dist/prometheus/sensor.rules.yml"), read("docs/runbooks.md"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 15);
    for alert in &alerts {
        let name = alert.lines().next().unwrap();
        // As those who show Markdown make anchors of headings.
        let url = format!("runbook_url: {}#{}\n", kubernetes::RUNBOOKS, name.to_lowercase());
        assert!(alert.contains(&url), "{name} has no {url}");
        let section = runbooks.split("\n## ").find(|section| section.lines().next() == Some(name));
        let section = section.unwrap_or_else(|| panic!("runbooks.md has no section {name}"));
        let parts = ["**Look:** ", "**Do:** "]
            .map(|part| section.find(part).unwrap_or_else(|| panic!("{name}: {part}")));
        assert!(
            parts[0] > name.len() + 40 && parts[1] > parts[0] && section.contains("`s"),
            "{name} says too little"
        );
    }
    assert_eq!(runbooks.matches("\n## ").count(), alerts.len(), "a section of no alert");
}

/// Settings that runbooks name are there.
#[test]
fn the_settings_of_the_runbooks_exist() {
    let runbooks = fs::read_to_string(repository().join("docs/runbooks.md")).unwrap();
    let tables = crate::daemon::reference();
    let known: Vec<String> = tables.iter().flat_map(|(_, keys)| keys).map(|key| key.knob.path()).collect();
    let is_key = |word: &&str| {
        word.split_once('.').is_some_and(|(table, key)| {
            let is_name =
                |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            is_name(table) && is_name(key) && !["md", "rules", "log"].contains(&key)
        })
    };
    let code = runbooks.split('`').skip(1).step_by(2).map(|code| code.split(' ').next().unwrap_or_default());
    let keys: Vec<&str> = code.filter(is_key).collect();
    assert!(keys.len() > 5, "{keys:?}");
    for key in keys {
        assert!(known.iter().any(|known| known == key), "there is no setting {key}");
    }
}

/// What the pages tell people to configure is taken.
#[test]
fn the_configuration_in_the_pages_is_valid() {
    let mut count = 0;
    for entry in fs::read_dir(repository().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let problems = check(block).err().unwrap_or_default();
            assert!(problems.is_empty(), "{}: {problems:?} in\n{block}", path.display());
            count += 1;
        }
    }
    assert!(count > 6, "{count}");
}

/// Runs a program that may not be there; its output where it is.
fn output(program: &str, args: &[&str], input: &str) -> Option<(bool, String)> {
    use io::Write as _;
    let command = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match command {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{program}: {error}"),
    };
    // A program that reads no input closes it.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn man_pages_are_there_for_every_command_and_well_formed() {
    let pages = files(&Generated::Man).unwrap();
    let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    for name in ["sensor.1", "sensor-run.1", "sensor-limit.1", "sensor-limit-set.1", "sensor.toml.5"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"sensor-generate.1"), "{names:?}");
    for page in &pages {
        assert!(!page.text.contains('`'), "{}: {}", page.name, page.text);
        for title in ["NAME", "DESCRIPTION", "FILES", "\"SEE ALSO\""] {
            assert!(page.text.contains(&format!(".SH {title}\n")), "{}: no {title}", page.name);
        }
        if let Some((_, told)) = output("groff", &["-man", "-Tutf8", "-ww", "-z"], &page.text) {
            assert_eq!(told, "", "{}", page.name);
        }
    }
}

#[test]
fn every_example_of_a_man_page_is_a_command() {
    use clap::Parser as _;
    for line in man::EXAMPLES.iter().flat_map(|(_, lines)| lines.lines()) {
        let line = line.split(" > ").next().unwrap().replace('"', "");
        let parsed = crate::cli::args::Cli::try_parse_from(line.split(' ').filter(|word| *word != "office"));
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    }
    let commands = commands::commands();
    for (page, _) in man::EXAMPLES {
        assert!(commands.iter().any(|(name, _)| name == page), "no command has the page {page}");
    }
}

fn script(name: &str) -> String {
    let scripts = files(&Generated::Completions { shell: None }).unwrap();
    scripts.into_iter().find(|script| script.name == name).unwrap().text
}

#[test]
fn bash_completes_commands() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sensor.bash");
    fs::write(&path, script("sensor.bash")).unwrap();
    for (words, expected) in
        [("sensor li", "limit"), ("sensor limit un", "unset"), ("sensor clients --sort dr", "drops")]
    {
        let words: Vec<&str> = words.split(' ').collect();
        let (word, before) = (words[words.len() - 1], words[words.len() - 2]);
        let line = format!(
            "source {}; COMP_WORDS=({}); COMP_CWORD={}; _sensor sensor {word} {before}; echo \"${{COMPREPLY[*]}}\"",
            path.display(),
            words.join(" "),
            words.len() - 1,
        );
        let (done, told) = output("bash", &["--norc", "-c", &line], "").expect("bash is there");
        assert!(done && told.trim() == expected, "{words:?}: {told}");
    }
}

#[test]
fn other_shells_can_read_their_completions() {
    for (shell, name) in [("zsh", "_sensor"), ("fish", "sensor.fish")] {
        let text = script(name);
        assert!(text.contains("limit"), "{name}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        if let Some((done, told)) = output(shell, &["-n", &path.display().to_string()], "") {
            assert!(done, "{name}: {told}");
        }
    }
}

/// Names of numbers that detectors put into evidence, as their sources have them.
fn evidence_in(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            evidence_in(&path, names);
        } else if !path.ends_with("tests.rs") && !path.ends_with("signal.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.split(".with(\"").skip(1).filter_map(|rest| rest.split('"').next());
            names.extend(found.map(str::to_owned));
        }
    }
}

#[test]
fn every_number_of_evidence_is_explained() {
    let mut names = Vec::new();
    evidence_in(&repository().join("sensor/src/detect"), &mut names);
    assert!(names.len() > 30, "{names:?}");
    let explained = |name: &str| alerts::EVIDENCE.iter().any(|(known, _)| *known == name);
    for name in &names {
        let whole = name.strip_suffix("_threshold").unwrap_or(name);
        assert!(explained(name) || explained(whole), "{name} is not explained in cli/generate/alerts.rs");
    }
    // Names of spikes are made of those of their series.
    let is_of_a_spike =
        |name: &str| ["requests", "error_share", "latency"].iter().any(|series| name.starts_with(series));
    for (name, _) in alerts::EVIDENCE {
        assert!(is_of_a_spike(name) || names.iter().any(|used| used == name), "{name} is in no evidence");
    }
}
