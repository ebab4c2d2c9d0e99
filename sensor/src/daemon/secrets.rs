//! Where the secrets of TLS sessions come from: the probe in the servers' libraries, and key logs.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use documented::DocumentedFields;
use nix::unistd::User;
use tracing::{info, warn};

use super::config::Config;
use super::keylogs::KeyLogs;
use super::lookout::Lookout;
use crate::capture::secret::Secret;
use crate::config::{Form, Section};
use crate::control::wire::SecretsReport;
use crate::event::is_container;
use crate::kernel::{self, Found, InspectedLibraries, Listener, SecretEvents, SecretProbe};

/// Whether TLS is read, and by what secrets.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct TlsConfig {
    /// Whether to read TLS of servers on this host. With `false`, no library is probed, no key log is read, and nothing
    /// beyond a connection's first bytes is copied.
    pub enabled: bool,
    /// Whether a probe in the kernel takes session secrets from the servers' TLS library (OpenSSL 3 and later, Go). Only
    /// secrets of processes that share a control group with a watched listening socket leave the kernel; and of containers,
    /// while a watched port has its listener in one.
    pub probe: bool,
    /// Key logs in NSS format written by servers (`SSLKEYLOGFILE` and the like): files, followed as they grow and are
    /// replaced, and named pipes.
    pub keylog: Vec<PathBuf>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self { enabled: true, probe: true, keylog: Vec::new() }
    }
}

const ABOUT: &str = "How TLS that servers on this host terminate is read. Secrets stay in memory only as long as \
     their connection needs them, and go nowhere else.";

impl TlsConfig {
    /// Reads `[tls]`.
    pub(super) fn read(root: &Section<'_>) -> Self {
        let tls = root.section("tls").about(ABOUT);
        let mut config = Self::default();
        tls.explain::<Self>();
        tls.boolean("enabled", &mut config.enabled);
        tls.boolean("probe", &mut config.probe);
        tls.list("keylog", &Form::path("/var/log/nginx/keys.log"), &mut config.keylog);
        tls.finish();
        config
    }
}

/// Most groups of containers that are listened to; the kernel's table has room for twice as many.
const MAX_CONTAINERS: usize = 2_048;
/// They are looked for every so many refreshes, ten seconds.
const ROUNDS: u32 = 5;

/// The sources.
#[derive(Default)]
pub(super) struct Secrets {
    probe: Option<SecretProbe>,
    lookout: Lookout,
    inspected: InspectedLibraries,
    logs: Option<KeyLogs>,
    /// Whether a process of this host publishes ports of containers.
    publishes: bool,
    /// Control groups of containers, and how often they were not looked for since.
    containers: HashSet<u64>,
    rounds: u32,
}

impl Secrets {
    /// Starts what finds TLS libraries, if they are probed. Must be called by the only thread.
    pub(super) fn lookout(config: &Config, user: Option<&User>) -> Lookout {
        let sense = &config.sense;
        if sense.enabled && sense.tls.enabled && sense.tls.probe {
            Lookout::start(user)
        } else {
            Lookout::default()
        }
    }

    /// Loads the probe, and attaches it to the libraries of this host.
    pub(super) fn probe(config: &TlsConfig, lookout: Lookout) -> Self {
        let mut secrets = Self { lookout, ..Self::default() };
        if !config.enabled || !config.probe {
            return secrets;
        }
        match SecretProbe::load() {
            Ok(probe) => secrets.probe = Some(probe),
            Err(error) => warn!(%error, "TLS libraries are not probed; key logs are still read"),
        }
        let found = secrets.lookout.first();
        secrets.attach(found);
        secrets
    }

    /// Follows key logs, too.
    pub(super) fn follow(&mut self, config: &TlsConfig) -> anyhow::Result<()> {
        if config.enabled && !config.keylog.is_empty() {
            self.logs = Some(KeyLogs::start(&config.keylog)?);
        }
        Ok(())
    }

    /// Probes libraries in these files and in the directories of the system.
    fn attach(&mut self, found: Vec<Found>) {
        self.publishes |= found.iter().any(Found::publishes_containers);
        let Some(probe) = &mut self.probe else { return };
        let system = kernel::libraries_of_system(&mut self.inspected);
        for (library, file) in kernel::libraries_in(found, &mut self.inspected).into_iter().chain(system) {
            if probe.has(library.file) {
                continue;
            }
            let (path, offset) = (library.path.clone(), library.offset);
            match probe.attach(library, file) {
                Ok(()) => info!(path = %path.display(), offset, "probing a TLS library"),
                Err(error) => warn!(%error, "a TLS library is not probed"),
            }
        }
    }

    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        self.logs.is_some() || self.probe.as_ref().is_some_and(|probe| probe.attached().next().is_some())
    }

    /// Listens to the processes that own these ports, and probes libraries that came or were replaced.
    pub(super) fn refresh(&mut self, listeners: &[Listener], ports: &BTreeSet<u16>) {
        if self.probe.is_none() {
            return;
        }
        let watched = listeners.iter().filter(|listener| ports.contains(&listener.port));
        let mut groups: HashSet<u64> = watched.filter_map(|listener| listener.group).collect();
        let is_translated = |port: &u16| listeners.iter().all(|listener| listener.port != *port);
        if self.publishes || ports.iter().any(is_translated) {
            groups.extend(self.containers());
        }
        let Some(probe) = &mut self.probe else { return };
        if let Err(error) = probe.listen_to(&groups) {
            warn!(%error, "the list of servers to probe could not be written to the kernel");
        }
        if probe.attaches_late() {
            let found = self.lookout.next();
            self.attach(found);
        }
    }

    /// Control groups of containers, looked for now and then: to which of them a port is translated is unknown here.
    fn containers(&mut self) -> impl Iterator<Item = u64> {
        if self.rounds == 0 {
            let groups = kernel::all_groups().into_iter();
            self.containers = groups
                .filter(|(_, path)| is_container(path))
                .map(|(group, _)| group)
                .take(MAX_CONTAINERS)
                .collect();
        }
        self.rounds = self.rounds.wrapping_add(1).checked_rem(ROUNDS).unwrap_or_default();
        self.containers.iter().copied()
    }

    /// The next secret, if there is one.
    pub(super) fn next_secret(&mut self) -> Option<Secret> {
        let probed = self.probe.as_mut().and_then(|probe| probe.next_secret(Secret::of_record));
        probed.or_else(|| self.logs.as_ref().and_then(KeyLogs::next_secret))
    }

    /// What they are and have brought.
    pub(super) fn report(&self) -> SecretsReport {
        let SecretEvents { sent, filtered, unread, lost } =
            self.probe.as_ref().map(SecretProbe::events).unwrap_or_default();
        let (lost_of_logs, malformed) = self.logs.as_ref().map(KeyLogs::losses).unwrap_or_default();
        let attached = self.probe.iter().flat_map(SecretProbe::attached);
        SecretsReport {
            finds_later: self.lookout.is_there()
                && self.probe.as_ref().is_some_and(SecretProbe::attaches_late),
            libraries: attached.map(|library| library.path.display().to_string()).collect(),
            probed: sent,
            filtered,
            unread,
            lost: lost.saturating_add(lost_of_logs),
            malformed,
        }
    }
}
