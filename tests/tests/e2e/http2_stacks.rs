//! HTTP/2 of other servers than nginx: Apache and Node.js in TLS, each beside its own log, and beside what their servers
//! counted Go, which Prometheus is written in, and a gRPC pair in Python.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::netns::Net;
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::site::{Server, site};
use sensor_tests::scene::config;
use sensor_tests::seen::line;
use sensor_tests::tools;
use sensor_tests::watched::Watched;
use serde_json::Value;

/// Exchanges of each server, at least.
const MANY: usize = 20_000;

/// What is asked of the servers in TLS; `$1` is the server's address and port.
const CLIENTS: &str = r#"
curl() { command curl -sk --http2 -o /dev/null -o /dev/null -o /dev/null "$@"; }
for version in 1.2 1.3; do
  curl --tls-max $version https://$1/1k.txt https://$1/100k.txt https://$1/nothing || exit 1
  curl --tls-max $version -I https://$1/10k.txt || exit 2
done
nghttp -n https://$1/1k.txt https://$1/100k.txt > /dev/null || exit 3
h2load -n 3000 -c 4 -m 50 https://$1/10k.txt https://$1/1k.txt https://$1/nothing > /dev/null || exit 4
h2load -n 17000 -c 8 -m 100 https://$1/1k.txt https://$1/nothing > /dev/null || exit 5
"#;

/// A line of a log without the bytes of answers to HEAD, which Apache logs and does not send.
fn comparable(line: String) -> String {
    match line.rsplit_once(' ') {
        Some((rest, _bytes)) if line.contains(" HEAD ") => rest.to_owned(),
        _ => line,
    }
}

/// Runs the clients against a server, and compares what was seen with its log.
fn compare(net: Net, server: &Server, port: u16) -> Result<()> {
    let watched = Watched::start(net, &config("monitor", "off"), &[port])?;
    browse(&watched.net, watched.file("").as_path(), &format!("set -- $1:{port}; {CLIENTS}"))?;
    let seen = |record: &Value| comparable(line(record));
    let logged = || Ok(server.lines("access.log")?.into_iter().map(comparable).collect());
    let records = watched.equals(port, MANY, seen, logged)?;
    let odd = records.iter().find(|record| record["http_version"] != "2" || record["gaps"] != false);
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    Ok(())
}

const APACHE: &str = r#"
ServerRoot .
ServerName test.example
PidFile apache.pid
DefaultRuntimeDir .
Listen 9443
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authz_core_module MODULES/mod_authz_core.so
LoadModule ssl_module MODULES/mod_ssl.so
LoadModule http2_module MODULES/mod_http2.so
User nobody
Group nogroup
ErrorLog error.log
LogFormat "%a %{remote}p %m %U %>s %B" plain
CustomLog access.log plain
DocumentRoot .
Protocols h2
MaxKeepAliveRequests 0
SSLEngine on
SSLCertificateFile crt
SSLCertificateKeyFile key
"#;

#[test]
fn apache_is_read_as_it_logs_itself() -> Result<()> {
    const MODULES: &str = "/usr/lib/apache2/modules";
    let test = "apache_is_read_as_it_logs_itself";
    if tools::skipped(test, &["apache2", "openssl", "curl", "nghttp", "h2load"]) {
        return Ok(());
    }
    if !Path::new(MODULES).join("mod_http2.so").exists() {
        tools::say_skipped(test, "Apache's modules are not where Debian has them");
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    let here = site.path().to_str().context("a path")?.to_owned();
    let text = APACHE.replace("MODULES", MODULES).replace("Root .", &format!("Root {here}"));
    fs::write(site.path().join("apache.conf"), text.replace("RuntimeDir .", &format!("RuntimeDir {here}")))?;
    let apache = tools::find("apache2").context("no apache2")?;
    let apache = apache.to_str().context("a path")?;
    let file = format!("{here}/apache.conf");
    let server = Server::start(&net, site, (apache, &["-DFOREGROUND", "-f", &file]), 9_443)?;
    compare(net, &server, 9_443)
}

const NODE: &str = r"
const http2 = require('http2'), fs = require('fs'), log = fs.createWriteStream('access.log');
const files = {};
for (const name of ['1k.txt', '10k.txt', '100k.txt']) files['/' + name] = fs.readFileSync(name);
http2.createSecureServer({ key: fs.readFileSync('key'), cert: fs.readFileSync('crt') }, (request, response) => {
  const found = files[request.url], body = found || Buffer.from('nothing'), head = request.method === 'HEAD';
  const { remoteAddress, remotePort } = request.stream.session.socket;
  response.statusCode = found ? 200 : 404;
  response.on('close', () => log.write(
    [remoteAddress, remotePort, request.method, request.url, response.statusCode, head ? 0 : body.length].join(' ') + '\n'));
  response.end(head ? undefined : body);
}).listen(9444, '0.0.0.0');
";

#[test]
fn node_is_read_as_it_logs_itself() -> Result<()> {
    if tools::skipped("node_is_read_as_it_logs_itself", &["node", "openssl", "curl", "nghttp", "h2load"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    fs::write(site.path().join("server.js"), NODE)?;
    let server = Server::start(&net, site, ("node", &["server.js"]), 9_444)?;
    compare(net, &server, 9_444)
}

const PROMETHEUS: &str =
    "tls_server_config:\n  cert_file: crt\n  key_file: key\nhttp_server_config:\n  http2: true\n";

/// Every status that it counts: it counts no answer to a path that it does not know.
const CLIENTS_OF_PROMETHEUS: &str = r#"
curl() { command curl -sk --http2 -o /dev/null -o /dev/null -o /dev/null "$@"; }
for version in 1.2 1.3; do
  curl --tls-max $version https://$1/-/healthy https://$1/api/v1/query https://$1/api/v1/labels || exit 1
  curl --tls-max $version -d query=1 https://$1/api/v1/query || exit 2
done
nghttp -n https://$1/-/ready https://$1/api/v1/status/flags > /dev/null || exit 3
h2load -n 20000 -c 8 -m 100 https://$1/-/healthy https://$1/api/v1/labels https://$1/api/v1/query > /dev/null || exit 4
"#;

/// Prometheus has Go's HTTP/2 and TLS. It writes no log of requests, and counts them by path and status.
#[test]
fn go_is_read_as_it_counts_itself() -> Result<()> {
    const PORT: u16 = 9_446;
    if tools::skipped(
        "go_is_read_as_it_counts_itself",
        &["prometheus", "openssl", "curl", "nghttp", "h2load"],
    ) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    for (name, text) in [("web.yml", PROMETHEUS), ("prometheus.yml", "")] {
        fs::write(site.path().join(name), text)?;
    }
    let arguments =
        ["--web.config.file=web.yml", "--web.listen-address=:9446", "--config.file=prometheus.yml"];
    let server = Server::start(&net, site, ("prometheus", &arguments), PORT)?;
    let watched = Watched::start(net, &config("monitor", "off"), &[PORT])?;
    browse(&watched.net, &server.file(""), &format!("set -- $1:{PORT}; {CLIENTS_OF_PROMETHEUS}"))?;
    // On loopback, which is another's exchange, and counted under a path that nobody else asks for.
    let counted = || -> Result<Vec<String>> {
        let mut curl = watched.net.server.command("curl");
        let output = curl.args(["-sk", &format!("https://127.0.0.1:{PORT}/metrics")]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let counters =
            text.lines().filter_map(|line| line.strip_prefix("prometheus_http_requests_total{code=\""));
        let mut all = Vec::new();
        for counter in counters {
            let (code, rest) = counter.split_once("\",handler=\"").context("no handler")?;
            let (path, count) = rest.split_once("\"} ").context("no count")?;
            let count = if path == "/metrics" { 0 } else { count.parse()? };
            all.extend(std::iter::repeat_n(format!("{path} {code}"), count));
        }
        Ok(all)
    };
    let seen =
        |record: &Value| format!("{} {}", record["path"].as_str().unwrap_or_default(), record["status"]);
    let records = watched.equals(PORT, MANY, seen, counted)?;
    let odd = records.iter().find(|record| {
        record["http_version"] != "2" || record["gaps"] != false || record["tls"]["alpn"] != "h2"
    });
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    Ok(())
}

/// Every kind of method; what the server has answered is a line each: method, status, messages of the client and its own.
const GRPC_SERVER: &str = r"
import grpc, os
from concurrent import futures
log = open('access.log', 'a', buffering=1)
def unary(request, context):
    code = grpc.StatusCode.NOT_FOUND if request.endswith(b'7') else grpc.StatusCode.OK
    log.write(f'/test.Echo/Unary {code.value[0]} 1 {0 if code.value[0] else 1}\n')
    if code.value[0]: context.abort(code, 'no such thing')
    return request
def up(requests, context):
    count = sum(1 for _ in requests)
    log.write(f'/test.Echo/Up 0 {count} 1\n')
    return b'%d' % count
def down(request, context):
    log.write(f'/test.Echo/Down 0 1 {int(request)}\n')
    for number in range(int(request)): yield b'x' * 3000
def both(requests, context):
    count = 0
    for request in requests:
        count += 1
        yield request
    log.write(f'/test.Echo/Both 0 {count} {count}\n')
handlers = {
    'Unary': grpc.unary_unary_rpc_method_handler(unary), 'Up': grpc.stream_unary_rpc_method_handler(up),
    'Down': grpc.unary_stream_rpc_method_handler(down), 'Both': grpc.stream_stream_rpc_method_handler(both),
}
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('test.Echo', handlers),))
server.add_insecure_port('0.0.0.0:9445')
server.start()
server.wait_for_termination()
";
/// Pinned, so that the test does not change by itself.
const GRPC_PACKAGE: &str = "grpcio==1.85.3";
const GRPC_CLIENT: &str = r"
import grpc, sys
channel = grpc.insecure_channel(f'{sys.argv[1]}:9445')
unary, up = channel.unary_unary('/test.Echo/Unary'), channel.stream_unary('/test.Echo/Up')
down, both = channel.unary_stream('/test.Echo/Down'), channel.stream_stream('/test.Echo/Both')
failed = 0
for number in range(0, 20000, 500):
    calls = [unary.future(b'number %d' % call) for call in range(number, number + 500)]
    failed += sum(1 for call in calls if call.exception() is not None)
assert failed == 2000, failed
for number in range(20):
    assert up(iter([b'message'] * 50)) == b'50'
    assert sum(1 for _ in down(b'40')) == 40
    assert sum(1 for _ in both(iter([b'there and back'] * 60))) == 60
";

#[test]
fn a_pair_of_grpc_is_read_as_it_was_answered() -> Result<()> {
    let test = "a_pair_of_grpc_is_read_as_it_was_answered";
    if tools::skipped(test, &["python3", "pip3"]) {
        return Ok(());
    }
    let what = ("grpc", "gRPC for Python");
    let Some(packages) = tools::python_packages(test, what, &[GRPC_PACKAGE])? else { return Ok(()) };
    let (net, directory) = (Net::new()?, tempfile::Builder::new().prefix("sensor-grpc-").tempdir()?);
    let packages = format!("PYTHONPATH={}", packages.display());
    fs::write(directory.path().join("server.py"), GRPC_SERVER)?;
    fs::write(directory.path().join("client.py"), GRPC_CLIENT)?;
    let server = Server::start(&net, directory, ("env", &[&packages, "python3", "server.py"]), 9_445)?;
    let watched = Watched::start(net, &config("monitor", "off"), &[9_445])?;
    browse(&watched.net, &server.file(""), &format!("{packages} python3 client.py $1"))?;
    let call = |record: &Value| {
        let part = |key: &str| record[key].to_string();
        let path = record["path"].as_str().unwrap_or_default();
        let counts = [part("grpc_status"), part("request_messages"), part("response_messages")];
        format!("{path} {}", counts.join(" "))
    };
    let records = watched.equals(9_445, MANY, call, || server.lines("access.log"))?;
    let odd = records.iter().find(|record| record["status"] != 200 || record["gaps"] != false);
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    Ok(())
}
