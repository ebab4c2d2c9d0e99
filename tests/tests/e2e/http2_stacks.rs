//! HTTP/2 of other servers than nginx: Apache and Node.js in TLS, each beside its own log, and a gRPC pair in Python beside
//! what its server counted.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::netns::Net;
use sensor_tests::peers::shell::browse;
use sensor_tests::scene::config;
use sensor_tests::seen::line;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use sensor_tests::watched::Watched;
use serde_json::Value;
use tempfile::TempDir;

/// A server in a directory of its own; dropping it ends it.
struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a program with what is in the directory, and waits until it accepts connections.
    fn start(
        net: &Net,
        directory: TempDir,
        (program, arguments): (&str, &[&str]),
        port: u16,
    ) -> Result<Self> {
        let mut command = net.server.command(program);
        command.args(arguments).current_dir(directory.path());
        let log = File::create(directory.path().join("stderr.log"))?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn().with_context(|| program.to_owned())?;
        let server = Self { child, directory };
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        let is_up = || TcpStream::connect(here).is_ok();
        let is_up = net.server.enter(|| wait_until(Duration::from_secs(20), is_up));
        ensure!(is_up, "{program} does not answer: {}", server.read("stderr.log").unwrap_or_default());
        Ok(server)
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.directory.path().join(name))?)
    }

    fn lines(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.read(name)?.lines().map(str::to_owned).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _signalled = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ended = self.child.wait();
    }
}

/// A directory with a certificate and files.
fn site() -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("sensor-http2-").tempdir()?;
    // Apache does not serve files as root.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    for (name, bytes) in [("1k.txt", 1_024), ("10k.txt", 10_000), ("100k.txt", 100_000)] {
        fs::write(directory.path().join(name), vec![b'x'; bytes])?;
    }
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory.path()).args(["req", "-x509", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=test.example", "-newkey", "rsa:2048", "-keyout", "key", "-out", "crt"]);
    let output = openssl.output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(directory)
}

/// What is asked of the servers in TLS; `$1` is the server's address and port.
const CLIENTS: &str = r#"
curl() { command curl -sk --http2 -o /dev/null -o /dev/null -o /dev/null "$@"; }
for version in 1.2 1.3; do
  curl --tls-max $version https://$1/1k.txt https://$1/100k.txt https://$1/nothing || exit 1
  curl --tls-max $version -I https://$1/10k.txt || exit 2
done
nghttp -n https://$1/1k.txt https://$1/100k.txt > /dev/null || exit 3
h2load -n 3000 -c 4 -m 50 https://$1/10k.txt https://$1/1k.txt https://$1/nothing > /dev/null || exit 4
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
    let records = watched.equals(port, 3_000, seen, logged)?;
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
calls = [unary.future(b'number %d' % number) for number in range(500)]
failed = sum(1 for call in calls if call.exception() is not None)
assert failed == 50, failed
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
    browse(&watched.net, server.directory.path(), &format!("{packages} python3 client.py $1"))?;
    let call = |record: &Value| {
        let part = |key: &str| record[key].to_string();
        let path = record["path"].as_str().unwrap_or_default();
        let counts = [part("grpc_status"), part("request_messages"), part("response_messages")];
        format!("{path} {}", counts.join(" "))
    };
    let records = watched.equals(9_445, 560, call, || server.lines("access.log"))?;
    let odd = records.iter().find(|record| record["status"] != 200 || record["gaps"] != false);
    ensure!(odd.is_none(), "{odd:?}, {}", watched.losses()?);
    Ok(())
}
