//! `sensor check`

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::args::CheckArgs;
use super::say::{complain, say, say_json};
use crate::config::Problem;
use crate::daemon::ConfigSource;

/// Prints the errors of a configuration needed for another command.
pub(super) fn problems_of(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        complain(problem.to_string());
    }
    ExitCode::FAILURE
}

/// Prints every error; exit status 1 if there is one.
pub(super) fn check(args: &CheckArgs, json: bool) -> Result<ExitCode> {
    let source =
        ConfigSource { file: args.config.clone().or_else(|| args.file.clone()), ..ConfigSource::default() };
    let problems = source.load_for_unit().err().unwrap_or_default();
    let files = source.files();
    let rates = source.rates_in_words().unwrap_or_default();
    if json {
        let problems: Vec<_> = problems
            .iter()
            .map(|found| json!({"file": found.file, "line": found.line, "key": found.key, "message": found.message}))
            .collect();
        say_json(&json!({"files": files, "problems": problems, "rates": rates}))?;
    } else {
        for problem in &problems {
            complain(problem.to_string());
        }
        if problems.is_empty() {
            rates.iter().try_for_each(say)?;
        }
        match (problems.len(), files.len()) {
            (0, 0) => say("no configuration files; defaults apply")?,
            (0, 1) => say("1 file, no mistakes")?,
            (0, count) => say(format!("{count} files, no mistakes"))?,
            (1, _) => complain("1 mistake"),
            (count, _) => complain(format!("{count} mistakes")),
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
