//! Completions of shells.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::File;
use crate::cli::args::Cli;

/// Those that the package has.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

pub(super) fn scripts(shell: Option<Shell>) -> Vec<File> {
    let shells = shell.map_or_else(|| SHELLS.to_vec(), |shell| vec![shell]);
    shells.into_iter().map(script).collect()
}

fn script(shell: Shell) -> File {
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "sensor", &mut text);
    let name = match shell {
        Shell::Bash => "sensor.bash".to_owned(),
        Shell::Fish => "sensor.fish".to_owned(),
        Shell::Zsh => "_sensor".to_owned(),
        Shell::Elvish | Shell::PowerShell | _ => format!("sensor.{shell}"),
    };
    File::new(name, String::from_utf8_lossy(&text).into_owned())
}
