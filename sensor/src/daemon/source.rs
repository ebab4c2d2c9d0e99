//! Sources of the configuration: files, overridden by flags.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sensor_common::limit::Rate;

use super::config::Config;
use super::places::{self, Judge};
use super::unit::Unit;
use crate::config::{Description, Document, Problem};
use crate::kernel::XdpChoice;

/// Where the configuration is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSource {
    /// `--config`: this file and no other.
    pub file: Option<PathBuf>,
    /// Flags that override the files, at each reading.
    pub overrides: Overrides,
    /// The files' content at the last reading.
    pub read: Description,
}

/// Command-line overrides of the configuration.
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
    /// Whether a flag overrides this key.
    pub(super) fn hold(&self, key: &str) -> bool {
        match key {
            "interfaces" => !self.interfaces.is_empty(),
            "xdp" => self.xdp.is_some(),
            "control.socket" => self.socket.is_some(),
            "paths.state_dir" => self.state_dir.is_some(),
            "paths.pin_dir" => self.pin_dir.is_some(),
            "web.listen_address" => self.web.is_some(),
            _ => false,
        }
    }

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

    /// Where files are searched, at each reading.
    #[must_use]
    pub fn places(&self) -> BTreeSet<PathBuf> {
        BTreeSet::from([self.file.clone().unwrap_or_else(|| DIRECTORY.into())])
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Every error, in the order of files and lines.
    pub fn load(&self) -> Result<Config, Vec<Problem>> {
        let mut config = Config::check(&Document::read(&self.files())?)?;
        self.overrides.apply(&mut config);
        Ok(config)
    }

    /// Every key with its value.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub(super) fn describe(&self) -> Result<Description, Vec<Problem>> {
        Ok(Config::described(&Document::read(&self.files())?).1)
    }

    /// The meaning of the rates set in the files, each with its key, in words.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn rates_in_words(&self) -> Result<Vec<String>, Vec<Problem>> {
        Ok(rates_in_words(&self.describe()?))
    }

    /// Reads and checks it for a daemon on this host, where the directories of the files that it writes must exist: a
    /// replay does not need them.
    ///
    /// # Errors
    /// Every error; missing directories come last.
    pub fn load_here(&self) -> Result<Config, Vec<Problem>> {
        self.load_with(&Judge::Nobody)
    }

    /// The same for the unit, whose configuration is the files in `/etc/sensor`: the unit restricts where the daemon
    /// may write.
    ///
    /// # Errors
    /// Every error; directories that cannot be written come last.
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

fn rates_in_words(description: &Description) -> Vec<String> {
    let set = description.knobs.iter().filter(|knob| !knob.made_up && knob.value != knob.default);
    let rates = set.filter(|knob| knob.kind.contains("a rate")).filter_map(|knob| {
        let rate: Rate = knob.value.as_deref()?.trim_matches('"').parse().ok()?;
        let unit = match knob.key {
            "bits" | "connections" | "notices" | "packets" | "requests" => knob.key,
            "newcomers" => "packets of sources not seen before",
            "newcomers_per_network" => "packets of one network's sources not seen before",
            // What detectors count.
            _ => "requests",
        };
        Some(format!("{}: {}", knob.path(), rate.in_words(unit)))
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_with_their_keys() {
        let mut document = Document::default();
        let text = "[limits]\nnewcomers = \"50k/s\"\n[limits.default]\nbits = \"200M\"\nrequests = \"100/min\"\n\
                    packets = \"off\"\n[limits.\"192.0.2.0/24\"]\nconnections = \"100/min:20\"\n\
                    [detect.request-rate]\nper_client = \"600/min\"\n";
        document.add(Path::new("s.toml"), text).unwrap();
        let mut told = rates_in_words(&Config::described(&document).1);
        told.sort();
        assert_eq!(
            told,
            [
                "detect.request-rate.per_client: 600 requests in any minute",
                "limits.\"192.0.2.0/24\".connections: 100 connections a minute, 20 at once",
                "limits.default.bits: 200M bits in any second",
                "limits.default.requests: 100 requests in any minute",
                "limits.newcomers: 50k packets of sources not seen before in any second",
            ]
        );
    }
}
