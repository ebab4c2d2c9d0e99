//! What replays and daemons read of HTTP/2, beside nginx's own log: in clear text with prior knowledge, and in TLS.

use anyhow::{Context as _, Result, ensure};
use sensor_tests::captures::{Capture, replay};
use sensor_tests::netns::Net;
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::peers::shell::browse;
use sensor_tests::scene::config;
use sensor_tests::seen::{difference, line, tally};
use sensor_tests::tools;
use sensor_tests::watched::Watched;
use serde_json::Value;

/// Requests of h2load.
const MANY: usize = 20_000;

fn same(records: &[Value], logged: Vec<String>) -> Result<()> {
    let (seen, expected) = (tally(records.iter().map(line)), tally(logged.into_iter()));
    ensure!(seen == expected, "differs: {:?}", difference(&seen, &expected));
    let odd = records.iter().find(|record| {
        record["http_version"] != "2"
            || record["gaps"] != false
            || record["anomalies"] != serde_json::json!([])
    });
    ensure!(odd.is_none(), "{odd:?}");
    Ok(())
}

/// How curl ends says little: Debian's ends with errors where a server answers an upload before its end. The server's log
/// says what was asked.
const CLEAR: &str = r#"
at() { echo "http://$server:8080$1"; }
server=$1
curl() { command curl -s --http2-prior-knowledge -o /dev/null -o /dev/null -o /dev/null "$@"; }
curl $(at /1k.txt) $(at /100k.txt) $(at /nothing)
curl -I $(at /100k.txt)
curl --data-binary @100k.txt $(at /post)
curl -Z $(at /1k.txt) $(at /nothing) $(at /100k.txt) 2> /dev/null
nghttp -n $(at /1k.txt) $(at /100k.txt) > /dev/null
h2load -n 20000 -c 4 -m 100 $(at /1k.txt) $(at /nothing) > /dev/null
"#;

#[test]
fn captures_in_clear_text_are_read_as_nginx_logged_them() -> Result<()> {
    let test = "captures_in_clear_text_are_read_as_nginx_logged_them";
    if tools::skipped(test, &["nginx", "curl", "openssl", "tcpdump", "h2load", "nghttp"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let nginx = Http2Nginx::start(&net.server)?;
    let capture = Capture::start(&net.server, nginx.file("clear.pcap"), 262_144, "tcp")?;
    browse(&net, &nginx.file(""), CLEAR)?;
    let capture = capture.end()?;
    let logged = nginx.access_log()?;
    ensure!(logged.len() > MANY, "{} requests", logged.len());
    same(&replay(&capture, &[])?.0, logged)
}

/// A daemon beside nginx, and its exchanges beside nginx's log, after a script of clients.
fn live(test: &str, programs: &[&str], script: &str, (port, least): (u16, usize)) -> Result<()> {
    if tools::skipped(test, &[&["nginx", "openssl"][..], programs].concat()) {
        return Ok(());
    }
    let net = Net::new()?;
    let nginx = Http2Nginx::start(&net.server)?;
    let ports = [Http2Nginx::PORT, Http2Nginx::TLS_PORT];
    let watched = Watched::start(net, &config("monitor", "off"), &ports)?;
    browse(&watched.net, &nginx.file(""), script)?;
    let records = watched.equals(port, least, line, || nginx.access_log())?;
    let odd = records.iter().find(|record| {
        record["http_version"] != "2"
            || record["gaps"] != false
            || record["anomalies"] != serde_json::json!([])
    });
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    Ok(())
}

/// A hundred answers of 10 KB at a time leave nginx as aggregates of many frames, far longer than the snap length.
#[test]
fn interleaved_answers_in_long_aggregates_are_read() -> Result<()> {
    live(
        "interleaved_answers_in_long_aggregates_are_read",
        &["h2load"],
        "for time in $(seq 20); do h2load -n 200 -c 2 -m 100 http://$1:8080/10k.txt http://$1:8080/1k.txt > /dev/null; done",
        (Http2Nginx::PORT, 4_000),
    )
}

#[test]
fn interleaved_answers_in_tls_are_read() -> Result<()> {
    live(
        "interleaved_answers_in_tls_are_read",
        &["h2load"],
        "for time in $(seq 20); do h2load -n 200 -c 2 -m 100 https://$1:8443/10k.txt https://$1:8443/1k.txt > /dev/null; done",
        (Http2Nginx::TLS_PORT, 4_000),
    )
}

/// Each of the clients that there are: many streams at once, priorities, uploads, cancelled parallel transfers.
const CLIENTS_IN_TLS: &str = r#"
at() { echo "https://$server:8443$1"; }
server=$1
curl() { command curl -sk --http2 -o /dev/null -o /dev/null -o /dev/null "$@"; }
for version in 1.2 1.3; do
  curl --tls-max $version $(at /1k.txt) $(at /100k.txt) $(at /nothing)
  curl --tls-max $version -I $(at /100k.txt)
  curl --tls-max $version -Z $(at /1k.txt) $(at /nothing) $(at /100k.txt) 2> /dev/null
  curl --tls-max $version --data-binary @100k.txt $(at /post)
done
nghttp -n $(at /1k.txt) $(at /100k.txt) > /dev/null
h2load -n 20000 -c 8 -m 100 $(at /1k.txt) $(at /nothing) > /dev/null
"#;

#[test]
fn twenty_thousand_exchanges_in_tls_are_read_as_nginx_logged_them() -> Result<()> {
    live(
        "twenty_thousand_exchanges_in_tls_are_read_as_nginx_logged_them",
        &["curl", "nghttp", "h2load"],
        CLIENTS_IN_TLS,
        (Http2Nginx::TLS_PORT, MANY),
    )
}

const ENCRYPTED: &str = r#"
export SSLKEYLOGFILE=$PWD/keys.log
at() { echo "https://$server:8443$1"; }
server=$1
curl() { command curl -sk --http2 -o /dev/null -o /dev/null -o /dev/null "$@"; }
for version in 1.2 1.3; do
  for time in 1 2 3; do
    curl --tls-max $version $(at /1k.txt) $(at /100k.txt) $(at /nothing)
    curl --tls-max $version -Z $(at /1k.txt) $(at /nothing) $(at /100k.txt) 2> /dev/null
  done
  curl --tls-max $version --data-binary @100k.txt $(at /post)
done
exit 0
"#;

#[test]
fn captures_in_tls_are_read_as_nginx_logged_them() -> Result<()> {
    let test = "captures_in_tls_are_read_as_nginx_logged_them";
    if tools::skipped(test, &["nginx", "curl", "openssl", "tcpdump"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let nginx = Http2Nginx::start(&net.server)?;
    let capture = Capture::start(&net.server, nginx.file("tls.pcap"), 262_144, "tcp")?;
    browse(&net, &nginx.file(""), ENCRYPTED)?;
    let capture = capture.end()?;
    let logged = nginx.access_log()?;
    ensure!(logged.len() == 38, "{} requests", logged.len());
    let keys = nginx.file("keys.log");
    let (records, _) = replay(&capture, &["--keylog", keys.to_str().context("a path")?])?;
    ensure!(records.iter().all(|record| record["source"] == "tls" && record["tls"]["alpn"] == "h2"));
    same(&records, logged)
}
