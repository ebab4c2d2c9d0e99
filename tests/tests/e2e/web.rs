//! The metrics over TLS and with a password: curl and Prometheus get in, others do not, and a reload changes the keys.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE, WEB};
use sensor_tests::netns::Net;
use sensor_tests::peers::prometheus::Prometheus;
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

const USER: &str = "prometheus";
const PASSWORD: &str = "scrape me";
/// Of that password, by the C library.
const HASH: &str = "$2b$06$UM.OA323MjA2i6ZH25mage7feR4mD2ZBx8TTw.dcQzvu8jWSYlGoq";

/// A daemon that was started without TLS and users, and has them since a reload.
struct Protected {
    daemon: Daemon,
    net: Net,
}

impl Protected {
    fn new() -> Result<Self> {
        let net = Net::new()?;
        let daemon = Daemon::start(&net, &config("monitor", "off"))?;
        let protected = Self { daemon, net };
        protected.issue("web")?;
        protected.daemon.write_config(&format!(
            "{}[web]\ntls_cert_file = {:?}\ntls_key_file = {:?}\nbasic_auth_users = {{ {USER} = \"{HASH}\" }}\n",
            config("monitor", "off"),
            protected.file("web.pem"),
            protected.file("web.key"),
        ))?;
        let reloaded = protected.daemon.json(&["reload"])?;
        let later = reloaded.get("needs_restart").and_then(serde_json::Value::as_array);
        ensure!(later.is_some_and(Vec::is_empty), "{reloaded}");
        Ok(protected)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.daemon.config_path().with_file_name(name)
    }

    /// Makes a certificate and its key.
    fn issue(&self, name: &str) -> Result<()> {
        let made = rcgen::generate_simple_self_signed([WEB.ip().to_string()])?;
        fs::write(self.file(&format!("{name}.pem")), made.cert.pem())?;
        Ok(fs::write(self.file(&format!("{name}.key")), made.signing_key.serialize_pem())?)
    }

    /// What curl gets: its exit status, the status of the answer, and the body.
    fn curl(&self, url: &str, args: &[&str]) -> Result<(i32, String, String)> {
        let mut curl = self.net.server.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]);
        let output = curl.arg("--cacert").arg(self.file("ca.pem")).args(args).arg(url).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        Ok((output.status.code().unwrap_or(-1), status.to_owned(), body.to_owned()))
    }

    fn trust(&self, name: &str) -> Result<()> {
        fs::copy(self.file(name), self.file("ca.pem"))?;
        Ok(())
    }
}

fn url(path: &str) -> String {
    format!("https://{WEB}{path}")
}

#[test]
fn who_has_the_password_reads_the_metrics() -> Result<()> {
    if tools::skipped("who_has_the_password_reads_the_metrics", &["curl"]) {
        return Ok(());
    }
    let protected = Protected::new()?;
    protected.trust("web.pem")?;
    let pair = |password: &str| format!("{USER}:{password}");
    for (path, args, expected) in [
        ("/metrics", vec!["--user".to_owned(), pair(PASSWORD)], "200"),
        ("/metrics", vec!["--user".to_owned(), pair("wrong")], "401"),
        ("/metrics", vec!["--user".to_owned(), format!("nobody:{PASSWORD}")], "401"),
        ("/metrics", vec![], "401"),
        ("/", vec!["--user".to_owned(), pair(PASSWORD)], "200"),
        ("/", vec![], "401"),
        ("/healthz", vec![], "200"),
        ("/readyz", vec![], "200"),
        ("/else", vec![], "404"),
        (
            "/metrics",
            vec!["--tls-max".to_owned(), "1.2".to_owned(), "--user".to_owned(), pair(PASSWORD)],
            "200",
        ),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (exit, status, body) = protected.curl(&url(path), &args)?;
        ensure!(
            (exit, status.as_str()) == (0, expected),
            "{path} {args:?}: {exit} {status}, expected {expected}"
        );
        ensure!(
            body.contains("sensor_build_info") == (expected == "200" && path == "/metrics"),
            "{path}: {body}"
        );
        ensure!(body.contains("Mode monitor:") == (expected == "200" && path == "/"), "{path}: {body}");
    }
    let (exit, status, _) = protected.curl(&format!("http://{WEB}/healthz"), &[])?;
    ensure!(exit != 0 && status == "000", "plain HTTP is answered over a port of TLS: {exit} {status}");
    let (_, _, metrics) = protected.curl(&url("/metrics"), &["--user", &pair(PASSWORD)])?;
    for expected in ["sensor_web_handshakes_failed_total 1\n", "refused_total{cause=\"credentials\"} 4\n"] {
        ensure!(metrics.contains(expected), "no {expected} in {metrics}");
    }
    Ok(())
}

#[test]
fn a_reload_changes_the_certificate_or_refuses_it_whole() -> Result<()> {
    if tools::skipped("a_reload_changes_the_certificate_or_refuses_it_whole", &["curl"]) {
        return Ok(());
    }
    let protected = Protected::new()?;
    fs::copy(protected.file("web.pem"), protected.file("old.pem"))?;
    protected.trust("web.pem")?;
    // The key of another certificate: `sensor check` and the reload tell it, and the old pair stays.
    let key = fs::read(protected.file("web.key"))?;
    protected.issue("other")?;
    fs::copy(protected.file("other.key"), protected.file("web.key"))?;
    let config = protected.daemon.config_path();
    let checked = protected.daemon.program(&["check", "-c"]).arg(&config).output()?;
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    ensure!(checked.status.code() == Some(1) && told.contains("web.tls_key_file: "), "{told}");
    ensure!(told.contains("sensor.toml:") && told.contains("does not match"), "{told}");
    let refused = protected.daemon.cli(&["reload"])?;
    ensure!(!refused.status.success(), "a key of another certificate is taken");
    let (exit, status, _) = protected.curl(&url("/healthz"), &[])?;
    ensure!((exit, status.as_str()) == (0, "200"), "{exit} {status}");
    fs::write(protected.file("web.key"), key)?;
    // A new pair under the old names, as a renewal makes it.
    protected.issue("web")?;
    protected.daemon.ok(&["reload"])?;
    let (exit, _, _) = protected.curl(&url("/healthz"), &[])?;
    ensure!(exit != 0, "the old certificate is still in use");
    protected.trust("web.pem")?;
    let (exit, status, _) = protected.curl(&url("/healthz"), &[])?;
    ensure!((exit, status.as_str()) == (0, "200"), "{exit} {status}");
    Ok(())
}

#[test]
fn prometheus_scrapes_over_tls_with_its_password() -> Result<()> {
    let test = "prometheus_scrapes_over_tls_with_its_password";
    if tools::skipped(test, &["prometheus"]) {
        return Ok(());
    }
    let protected = Protected::new()?;
    let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sensor/dist/prometheus/sensor.rules.yml");
    let scrape = format!(
        "    scheme: https\n    tls_config: {{ca_file: {:?}}}\n    basic_auth: {{username: {USER}, password: \"{PASSWORD}\"}}\n    \
         static_configs: [{{targets: [\"{WEB}\"]}}]\n",
        protected.file("web.pem")
    );
    let prometheus = Prometheus::start(&protected.net.server, &rules, &scrape)?;
    let is_up = || {
        let found = prometheus.query("up{job=\"sensor\"} == 1 and on (instance) sensor_build_info");
        found.is_ok_and(|found| found.len() == 1)
    };
    ensure!(wait_until(PATIENCE, is_up), "{}", prometheus.api("targets")?);
    Ok(())
}

/// Another user's two thousand connections, from as many addresses; a line for each hundred.
fn crowd(net: &Net) -> std::io::Result<Child> {
    let script = "import socket, sys\n\
        kept = []\n\
        for n in range(2000):\n    \
            s = socket.socket()\n    \
            s.bind(('127.%d.%d.%d' % (n % 100, n // 100 % 100, 1 + n % 250), 0))\n    \
            s.connect(('127.0.0.1', int(sys.argv[1])))\n    \
            kept.append(s)\n    \
            if n % 100 == 99: print(n + 1, flush=True)\n\
        sys.stdin.read()\n";
    let mut crowd = net.server.command("setpriv");
    crowd.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "prlimit",
        "--nofile=4096",
        "python3",
        "-c",
        script,
    ]);
    crowd.arg(WEB.port().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    crowd.spawn()
}

/// No user of this host keeps another one's scrape out, whatever he holds open, and from whichever address of 127/8.
#[test]
fn connections_that_say_nothing_keep_nobody_out() -> Result<()> {
    if tools::skipped("connections_that_say_nothing_keep_nobody_out", &["curl", "python3", "setpriv"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = Daemon::start(&net, &config("monitor", "off"))?;
    let mut crowd = crowd(&net)?;
    let scrape = || -> Result<String> {
        let mut curl = net.server.command("curl");
        curl.args(["--silent", "--fail", "--max-time", "10"]).arg(format!("http://{WEB}/metrics"));
        let output = curl.output()?;
        ensure!(output.status.success(), "no scrape: {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // While they come, and when all are there.
    let mut lines = BufReader::new(crowd.stdout.take().context("its output")?).lines();
    let outcome = (1..=20).try_for_each(|hundreds| -> Result<()> {
        let line = lines.next().context("they ended early")??;
        ensure!(line == (hundreds * 100).to_string(), "{line}");
        ensure!(scrape()?.contains("sensor_build_info"), "after {line}");
        Ok(())
    });
    let told = scrape();
    crowd.kill()?;
    crowd.wait()?;
    outcome?;
    let told = told?;
    let count = |name: &str| -> Option<u64> {
        told.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    // A share of 16, and the scrape.
    ensure!(count("sensor_web_connections ").is_some_and(|count| count <= 17), "{told}");
    ensure!(
        count("sensor_web_connections_refused_total{bound=\"idle\"}").is_some_and(|count| count >= 1_984),
        "{told}"
    );
    ensure!(count("sensor_web_connections_refused_total{bound=\"all\"}") == Some(0), "{told}");
    // What says nothing is hung up on after ten seconds.
    let idle = net.server.enter(|| TcpStream::connect(WEB))?;
    idle.set_read_timeout(Some(PATIENCE))?;
    let mut end = String::new();
    (&idle).read_to_string(&mut end)?;
    ensure!(end.is_empty() || end.contains("408"), "a connection that says nothing is answered: {end}");
    ensure!(daemon.is_ready());
    Ok(())
}
