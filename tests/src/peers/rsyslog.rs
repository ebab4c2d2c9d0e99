//! The real rsyslog, in a namespace: over TLS, TCP and UDP, with what it understood as lines of JSON.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::running::Running;
use crate::daemon::PATIENCE;
use crate::netns::Namespace;
use crate::tools;
use crate::wait::wait_until;

/// A server; dropping it ends it.
#[derive(Debug)]
pub struct Rsyslog {
    /// Ends before its directory and its namespace.
    running: Running,
    namespace: Arc<Namespace>,
    directory: TempDir,
}

/// The packages that it takes are `rsyslog` and `rsyslog-openssl`; the second has no program but this library.
const TLS_DRIVER: &str = "rsyslog/lmnsd_ossl.so";

impl Rsyslog {
    /// Where it speaks TLS, on its namespace's loopback.
    pub const TLS_PORT: u16 = 6_514;
    /// Where it speaks TCP and UDP.
    pub const PORT: u16 = 514;

    /// Whether it and its library for TLS are not installed; reports that.
    #[must_use]
    pub fn skipped(test: &str) -> bool {
        if tools::skipped(test, &["rsyslogd"]) {
            return true;
        }
        let places = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        let is_there = places.chain(["/usr/lib64".into()]).any(|place| place.join(TLS_DRIVER).is_file());
        if !is_there {
            tools::say_skipped(
                test,
                "rsyslog-openssl is not installed; `cargo xtask setup --tests` installs it",
            );
        }
        !is_there
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it does not come up; the error has its log.
    pub fn start(namespace: &Arc<Namespace>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-rsyslog-").tempdir()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(directory.path().join("cert.pem"), made.cert.pem())?;
        fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem())?;
        let place = directory.path().display().to_string();
        fs::write(directory.path().join("rsyslog.conf"), configuration(&place))?;
        let mut server = Self { namespace: Arc::clone(namespace), directory, running: Running::default() };
        server.run()?;
        Ok(server)
    }

    /// Starts it again; what it has received stays.
    ///
    /// # Errors
    /// If it does not come up, or runs already.
    pub fn run(&mut self) -> Result<()> {
        let mut command = self.namespace.command(tools::find("rsyslogd").context("no rsyslogd")?);
        command.arg("-n").arg("-f").arg(self.file("rsyslog.conf")).arg("-i").arg(self.file("pid"));
        let log = self.file("log");
        self.running.start(&mut command, &log)?;
        let is_up = |port| {
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            self.namespace.enter(|| TcpStream::connect(address)).is_ok()
        };
        let is_up = wait_until(PATIENCE, || is_up(Self::TLS_PORT) && is_up(Self::PORT));
        ensure!(is_up, "rsyslogd does not come up: {}", self.log());
        Ok(())
    }

    /// Ends it, as after a crash.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.running.kill9()?;
        // It refuses to start beside another one.
        fs::remove_file(self.file("pid"))?;
        Ok(())
    }

    /// A file in its directory: `cert.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Messages so far: header, text, and `elements` of structured data. A line that is being written is left out.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.file("messages.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn configuration(place: &str) -> String {
    let words = [
        ("priority", "pri"),
        ("host", "hostname"),
        ("app", "app-name"),
        ("process", "procid"),
        ("id", "msgid"),
        ("text", "msg"),
    ];
    let words = words.map(|(name, property)| {
        format!("property(outname=\"{name}\" name=\"{property}\" format=\"jsonf\") constant(value=\",\")\n")
    });
    let (tls_port, port) = (Rsyslog::TLS_PORT, Rsyslog::PORT);
    format!(
        r#"global(workDirectory="{place}" maxMessageSize="64k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{place}/cert.pem" defaultNetstreamDriverCertFile="{place}/cert.pem"
  defaultNetstreamDriverKeyFile="{place}/key.pem")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
module(load="imudp")
module(load="mmpstrucdata")
template(name="record" type="list") {{
constant(value="{{")
{words}
property(outname="timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
constant(value=",\"elements\":") property(name="$!rfc5424-sd") constant(value="}}\n")
}}
ruleset(name="all") {{
  action(type="mmpstrucdata" sd_name.lowercase="off")
  action(type="omfile" file="{place}/messages.jsonl" template="record")
}}
input(type="imtcp" port="{tls_port}" address="127.0.0.1" ruleset="all")
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="all" streamDriver.name="ptcp" streamDriver.mode="0")
input(type="imudp" port="{port}" address="127.0.0.1" ruleset="all")
"#,
        words = words.concat()
    )
}
