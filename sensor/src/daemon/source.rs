//! Where the configuration comes from: files, and what flags set over them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::config::Config;
use crate::config::{Document, Form, Problem, Section};
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

    /// The same for a daemon on this host, where the places that it names must be: a replay has no need of them.
    ///
    /// # Errors
    /// Every mistake; missing places come last.
    pub fn load_here(&self) -> Result<Config, Vec<Problem>> {
        let missing = missing_places(&Document::read(&self.files())?);
        match self.load() {
            Ok(config) if missing.is_empty() => Ok(config),
            loaded => Err(loaded.err().into_iter().flatten().chain(missing).collect()),
        }
    }
}

fn missing_places(document: &Document) -> Vec<Problem> {
    let problems = RefCell::default();
    let http = Section::root(document, &problems).section("http");
    let (mut enabled, mut log) = (true, None);
    http.boolean("enabled", &mut enabled);
    http.optional("exchange_log", &Form::path("/"), &mut log);
    // Mistakes in these values are told by who reads the whole.
    problems.take();
    if enabled
        && let Some(directory) = log.as_deref().and_then(Path::parent)
        && !directory.is_dir()
    {
        http.reject("exchange_log", format!("{}: no such directory; make it first", directory.display()));
    }
    problems.take()
}
