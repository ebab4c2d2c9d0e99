//! Where the configuration comes from: files, and what flags set over them.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::places::{self, Judge};
use super::unit::Unit;
use crate::config::{Document, Problem};
use crate::kernel::XdpChoice;

/// Where the configuration is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSource {
    /// `--config`: this file and no other.
    pub file: Option<PathBuf>,
    /// What flags set over the files, at each reading.
    pub overrides: Overrides,
}

/// What the command line says over the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Interfaces to serve, if any are named.
    pub interfaces: Vec<String>,
    /// How to attach.
    pub xdp: Option<XdpChoice>,
    /// Control socket.
    pub socket: Option<PathBuf>,
    /// State directory.
    pub state_dir: Option<PathBuf>,
    /// Pin directory.
    pub pin_dir: Option<PathBuf>,
    /// Address of metrics, health and readiness.
    pub web: Option<SocketAddr>,
}

impl Overrides {
    fn apply(&self, config: &mut Config) {
        if !self.interfaces.is_empty() {
            config.interfaces.clone_from(&self.interfaces);
        }
        set(&mut config.xdp, self.xdp);
        set(&mut config.paths.socket, self.socket.clone());
        set(&mut config.paths.state_dir, self.state_dir.clone());
        set(&mut config.paths.pin_dir, self.pin_dir.clone());
        set(&mut config.paths.web, self.web);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Directory of the configuration.
const DIRECTORY: &str = "/etc/sensor";

impl ConfigSource {
    /// The files, in the order in which they are read. Without `--config` there may be none.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.file {
            return vec![file.clone()];
        }
        let directory = Path::new(DIRECTORY);
        let main = directory.join("sensor.toml");
        let parts = fs::read_dir(directory.join("conf.d")).into_iter().flatten().flatten();
        let mut parts: Vec<PathBuf> = parts.map(|entry| entry.path()).collect();
        parts.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        parts.sort();
        main.exists().then_some(main).into_iter().chain(parts).collect()
    }

    /// Where files are looked for, at each reading.
    #[must_use]
    pub fn places(&self) -> BTreeSet<PathBuf> {
        BTreeSet::from([self.file.clone().unwrap_or_else(|| DIRECTORY.into())])
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Every mistake, in the order of files and lines.
    pub fn load(&self) -> Result<Config, Vec<Problem>> {
        let mut config = Config::check(&Document::read(&self.files())?)?;
        self.overrides.apply(&mut config);
        Ok(config)
    }

    /// The same for a daemon on this host, where the directories of the files that it writes must be: a replay has no
    /// need of them.
    ///
    /// # Errors
    /// Every mistake; missing places come last.
    pub fn load_here(&self) -> Result<Config, Vec<Problem>> {
        self.load_with(&Judge::Nobody)
    }

    /// The same for the unit, whose configuration are the files in `/etc/sensor`: it has a say in where the daemon may
    /// write.
    ///
    /// # Errors
    /// Every mistake; places that cannot be written to come last.
    pub fn load_for_unit(&self) -> Result<Config, Vec<Problem>> {
        let unit = if self.file.is_none() { Unit::read(Path::new("/")) } else { None };
        self.load_with(&unit.map_or(Judge::Nobody, Judge::of))
    }

    fn load_with(&self, judge: &Judge) -> Result<Config, Vec<Problem>> {
        let missing = places::problems(&Document::read(&self.files())?, judge);
        match self.load() {
            Ok(config) if missing.is_empty() => Ok(config),
            loaded => Err(loaded.err().into_iter().flatten().chain(missing).collect()),
        }
    }
}
