//! What reading TLS costs: the server that is watched, its handshakes, the daemon that watches; and how soon an attacker
//! inside TLS is answered.

mod handshakes;
mod memory;
mod pipeline;
mod talks;

use std::io;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::netns::Net;
use sensor_tests::peers::http::Client;
use sensor_tests::peers::rustls;
use sensor_tests::peers::tls::TlsNginx;

use crate::command;
use crate::contest::Effort;
use crate::http::live::{self, Subject};
use crate::http::response::{self, Stream, Way};
use crate::report::Report;

type Measure = fn(&mut Report, Effort) -> Result<()>;

/// The parts, in the order in which they are measured.
const PARTS: [(&str, Measure); 5] = [
    ("memory", |report, _| memory::measure(report)),
    ("pipeline", pipeline::measure),
    ("live", |report, effort| live::contest(report, effort, &NGINX)),
    ("handshakes", handshakes::measure),
    ("response", respond),
];

/// Connections that are kept; both directions are decrypted.
const NGINX: Subject<TlsNginx> = Subject {
    name: "wrk and nginx over TLS",
    scheme: "https",
    port: TlsNginx::PORT,
    start: TlsNginx::start,
    paths: [("1 KB", "/files/1k.txt", 0.95), ("100 KB", "/files/100k.txt", 0.95)],
};

/// Measures all of it, or the parts that have `only` in their names.
pub(crate) fn measure(report: &mut Report, effort: Effort, only: &str) -> Result<()> {
    let names = PARTS.map(|(name, _)| name).join(", ");
    ensure!(PARTS.iter().any(|(name, _)| name.contains(only)), "no part is called `{only}`: {names}");
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| name.contains(only)) {
        measure(report, effort).context(name)?;
    }
    Ok(())
}

/// Attackers on connections of their own, among two thousand requests of others a second.
fn respond(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("nginx") {
        report.note("nginx IS NOT INSTALLED: blocks were not timed");
        return Ok(());
    }
    let config = rustls::client_config()?;
    let connect = move |client: &Client| -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(rustls::connect(client, &config)?))
    };
    let others = (TlsNginx::PORT, "/files/1k.txt", 2_000);
    let way = Way { connect: Arc::new(connect), others, logins: TlsNginx::PORT };
    response::contest(report, effort, &way, |net: &Net| TlsNginx::start(&net.server))
}
