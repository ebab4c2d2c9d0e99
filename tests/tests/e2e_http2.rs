//! What a replay reads of HTTP/2, beside nginx's own log: in clear text with prior knowledge, and in TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{PATIENCE, binary};
use sensor_tests::netns::{INTERFACE, Net, SERVER_V4};
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::seen::{difference, line, tally};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Requests of h2load.
const MANY: usize = 20_000;

/// tcpdump in the server's namespace; dropping it ends nothing.
struct Capture {
    child: Child,
    path: PathBuf,
}

impl Capture {
    fn start(net: &Net, path: PathBuf) -> Result<Self> {
        let mut tcpdump = net.server.command("tcpdump");
        tcpdump.args(["-i", INTERFACE, "-B", "262144", "--immediate-mode", "-U", "-w"]).arg(&path).arg("tcp");
        let child = tcpdump.stderr(Stdio::null()).spawn().context("cannot start tcpdump")?;
        let capture = Self { child, path };
        ensure!(
            wait_until(PATIENCE, || fs::metadata(&capture.path).is_ok_and(|about| about.len() >= 24)),
            "tcpdump writes nothing"
        );
        Ok(capture)
    }

    fn end(mut self) -> Result<PathBuf> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(self.path.clone())
    }
}

/// Runs a shell script of a client in the world; `$1` is the server's address.
fn browse(net: &Net, nginx: &Http2Nginx, script: &str) -> Result<()> {
    let mut shell = net.world.command("bash");
    shell.current_dir(nginx.file("")).args(["-c", script, "client", &SERVER_V4.to_string()]);
    let output = shell.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client ended with {}: {told}", output.status);
    Ok(())
}

/// The records of a replay.
fn replay(capture: &Path, more: &[&str]) -> Result<Vec<Value>> {
    let mut sensor = Command::new(binary()?);
    sensor.args(["replay", "--exchanges", "--json"]).args(more).arg(capture);
    let output = sensor.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

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
    let capture = Capture::start(&net, nginx.file("clear.pcap"))?;
    browse(&net, &nginx, CLEAR)?;
    let capture = capture.end()?;
    let logged = nginx.access_log()?;
    ensure!(logged.len() > MANY, "{} requests", logged.len());
    same(&replay(&capture, &[])?, logged)
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
    let capture = Capture::start(&net, nginx.file("tls.pcap"))?;
    browse(&net, &nginx, ENCRYPTED)?;
    let capture = capture.end()?;
    let logged = nginx.access_log()?;
    ensure!(logged.len() == 38, "{} requests", logged.len());
    let keys = nginx.file("keys.log");
    let records = replay(&capture, &["--keylog", keys.to_str().context("a path")?])?;
    ensure!(records.iter().all(|record| record["source"] == "tls" && record["tls"]["alpn"] == "h2"));
    same(&records, logged)
}
