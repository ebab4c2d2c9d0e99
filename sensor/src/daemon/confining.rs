//! What the daemon needs after set-up, and reporting of the sandbox built from that.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;

use tracing::{info, warn};

use super::config::Config;
use super::source::ConfigSource;
use crate::confine::{Confinement, Extent, Reach};
use crate::crowdsec::CrowdsecConfig;
use crate::fleet::FleetConfig;
use crate::kernel::{library_directories, program_directories};
use crate::notify::{NotifyConfig, Output, SyslogConfig};

/// Files that are read again or replaced, and hosts that are contacted. `pins`: where interfaces that come back are
/// pinned again.
pub(super) fn reach(config: &Config, source: &ConfigSource, pins: Option<&Path>) -> Reach {
    let NotifyConfig { output, webhook, syslog, deny_file } = &config.notify;
    let mut reads = source.places();
    reads.extend(config.sense.openapi.clone());
    reads.extend(config.access_logs.iter().map(|log| log.path.clone()));
    let leaked = &config.sense.pipeline.identity.login.leaked_passwords;
    reads.extend(leaked.iter().map(|list| list.path().to_owned()));
    if config.sense.enabled && config.sense.tls.enabled {
        reads.extend(config.sense.tls.keylog.iter().cloned());
        if config.sense.tls.probe {
            reads.extend(library_directories());
            reads.extend(program_directories());
        }
    }
    reads.extend(config.web.tls.iter().flat_map(|files| [files.cert.clone(), files.key.clone()]));
    reads.extend(webhook.iter().filter_map(|webhook| webhook.ca_file.clone()));
    let of_syslog = syslog.iter().flat_map(|syslog| [&syslog.ca_file, &syslog.cert_file, &syslog.key_file]);
    reads.extend(of_syslog.flatten().cloned());
    reads.extend(
        config
            .fleet
            .iter()
            .flat_map(|fleet| [&fleet.password_file, &fleet.ca_file, &fleet.evidence_key_file])
            .flatten()
            .cloned(),
    );
    reads.extend(config.crowdsec.iter().flat_map(CrowdsecConfig::files).cloned());
    reads.extend(config.databases.paths().cloned());
    let mut keeps = BTreeSet::from([config.paths.state_dir.clone()]);
    keeps.extend(pins.map(Path::to_owned));
    keeps.extend(deny_file.iter().map(|file| file.path.clone()));
    if let Output::File(path) = output {
        keeps.insert(path.clone());
    }
    Reach {
        reads,
        keeps,
        removes: BTreeSet::from([config.paths.socket.clone()]),
        ports: webhook
            .iter()
            .map(|webhook| webhook.port())
            // Also of a server that gets datagrams, to which no rule of Landlock applies: sockets are allowed with it.
            .chain(syslog.iter().map(SyslogConfig::port))
            .chain(config.fleet.iter().map(FleetConfig::port))
            .chain(config.crowdsec.iter().map(CrowdsecConfig::port))
            .collect(),
        speaks_to_abstract_sockets: env::var_os("NOTIFY_SOCKET").is_some_and(|name| is_abstract(&name)),
    }
}

/// sd_notify(3): an abstract socket is written with an `@`.
fn is_abstract(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'@')
}

/// Logs which layers are in force, and warns of what the kernel lacks.
pub(super) fn tell(confinement: &Confinement) {
    info!(%confinement, "confined");
    for (layer, state) in [("files", &confinement.files), ("calls", &confinement.calls)] {
        if state.extent != Extent::Full {
            warn!(layer, detail = state.detail, "a layer of the daemon's sandbox is incomplete");
        }
    }
}

/// systemd sets it for every service (systemd.exec(5)).
const OF_A_UNIT: &str = "INVOCATION_ID";

/// Logs what the unit has to allow: what it blocks is lost without an error.
pub(super) fn tell_of_addresses(config: &Config) {
    if env::var_os(OF_A_UNIT).is_none() {
        return;
    }
    if config.notify.webhook.is_some() || config.notify.syslog.is_some() {
        info!(
            "alerts are sent over the network: the unit's IPAddressAllow= has to name the receiver's address"
        );
    }
    if let Some(fleet) = &config.fleet {
        info!(
            server = fleet.server(),
            "the fleet's server is reached over the network: the unit's IPAddressAllow= has to name it"
        );
    }
    if let Some(crowdsec) = config.crowdsec.as_ref().filter(|crowdsec| !crowdsec.is_local()) {
        let server = crowdsec.server();
        info!(
            server,
            "CrowdSec is asked over the network: the unit's IPAddressAllow= has to name its address"
        );
    }
    if !config.paths.web.ip().to_canonical().is_loopback() {
        info!(address = %config.paths.web, "metrics are served to others: the unit's IPAddressAllow= has to name them");
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::PathBuf;

    use super::*;
    use crate::config::Document;

    #[test]
    fn what_the_configuration_names_is_within_reach() {
        let directory = tempfile::tempdir().unwrap();
        let openapi = directory.path().join("shop.yaml");
        std::fs::write(&openapi, "openapi: 3.0.0\npaths: {}\n").unwrap();
        let text = format!(
            "[tls]\nkeylog = [\"/run/nginx/keys.log\"]\n[routes]\nopenapi = \"{}\"\n[alerts]\noutput = \"/var/log/sensor/alerts.jsonl\"\n[alerts.webhook]\nurl = \
             \"https://example.org:8443/\"\n[alerts.syslog]\nurl = \"tcp://example.org\"\n[alerts.deny_file]\npath = \"/srv/deny/deny.conf\"\n",
            openapi.display()
        );
        let mut document = Document::default();
        document.add(Path::new("sensor.toml"), &text).unwrap();
        let config = Config::check(&document).unwrap();
        let source = ConfigSource { file: Some("/srv/sensor.toml".into()), ..ConfigSource::default() };
        let found = reach(&config, &source, Some(Path::new("/sys/fs/bpf/sensor")));
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let mut reads = BTreeSet::from([openapi, "/srv/sensor.toml".into(), "/run/nginx/keys.log".into()]);
        reads.extend(library_directories());
        reads.extend(program_directories());
        assert_eq!(found.reads, reads);
        let kept =
            ["/srv/deny/deny.conf", "/sys/fs/bpf/sensor", "/var/lib/sensor", "/var/log/sensor/alerts.jsonl"];
        assert_eq!(found.keeps, paths(&kept));
        assert_eq!(found.removes, paths(&["/run/sensor/control.sock"]));
        assert_eq!(found.ports, [514, 8443].into());
    }

    #[test]
    fn without_a_webhook_no_host_is() {
        let mut config = Config::default();
        config.sense.tls.enabled = false;
        let found = reach(&config, &ConfigSource::default(), None);
        assert!(found.ports.is_empty());
        assert_eq!(found.reads, ["/etc/sensor".into()].into());
        assert_eq!(found.keeps, ["/var/lib/sensor".into()].into());
    }

    #[test]
    fn abstract_sockets_are_told_apart() {
        for (name, expected) in
            [("@/org/freedesktop/systemd1", true), ("/run/systemd/notify", false), ("", false)]
        {
            assert_eq!(is_abstract(OsStr::new(name)), expected, "{name}");
        }
    }
}
