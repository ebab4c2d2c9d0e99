//! `sensor generate`: files generated from the program's own definitions, so that they cannot contradict it. Those kept
//! in the repository are compared with the output.

mod alerts;
mod commands;
mod completions;
mod config;
mod configuration;
mod kubernetes;
mod man;
mod metrics;
mod roff;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::args::{GenerateArgs, Generated};
use super::say::say;

/// A generated file.
struct File {
    name: String,
    text: String,
}

impl File {
    fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text }
    }
}

/// Generates the files of one kind and writes or prints them.
pub(super) fn generate(args: &GenerateArgs) -> Result<ExitCode> {
    let files = files(&args.what)?;
    let Some(directory) = &args.out else {
        for file in &files {
            say(file.text.trim_end_matches('\n'))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for file in &files {
        let path = directory.join(&file.name);
        // A file that stays the same keeps its time: builds include some of them.
        if fs::read(&path).is_ok_and(|kept| kept == file.text.as_bytes()) {
            continue;
        }
        fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn files(what: &Generated) -> Result<Vec<File>> {
    Ok(match what {
        Generated::Config => vec![File::new("sensor.toml", config::toml())],
        Generated::Man => man::pages()?,
        Generated::Completions { shell } => completions::scripts(*shell),
        Generated::Kubernetes { runbooks } => kubernetes::manifests(runbooks.as_deref()),
        Generated::Reference => vec![
            File::new("alerts.md", alerts::markdown()),
            File::new("cli.md", commands::markdown()),
            File::new("configuration.md", configuration::markdown()),
            File::new("metrics.md", metrics::markdown()?),
        ],
    })
}
