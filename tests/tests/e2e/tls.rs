//! What is read of TLS, beside nginx's own log: in captures with key logs, with live key logs, and by the probe in nginx's
//! library.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::captures::{Capture, replay};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{LEGITIMATE, Net, v4};
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::tls::{TlsNginx, VARIETY, is_read};
use sensor_tests::scene::config;
use sensor_tests::seen::{difference, line, tally};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

fn same(records: &[Value], logged: Vec<String>, what: &str) -> Result<()> {
    let (seen, expected) = (tally(records.iter().map(line)), tally(logged.into_iter()));
    ensure!(seen == expected, "{what}: differs: {:?}", difference(&seen, &expected));
    Ok(())
}

#[test]
fn captures_with_key_logs_are_read_as_nginx_logged_them() -> Result<()> {
    let test = "captures_with_key_logs_are_read_as_nginx_logged_them";
    if tools::skipped(test, &["nginx", "curl", "openssl", "tcpdump", "editcap"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let nginx = TlsNginx::start(&net.server)?;
    let capture = Capture::start(&net.server, nginx.file("all.pcap"), 65_536, "tcp")?;
    browse(&net, nginx.directory(), VARIETY)?;
    let capture = capture.end()?;
    let logged = nginx.access_log(is_read)?;
    ensure!(logged.len() > 100, "{} requests", logged.len());
    let keys = nginx.file("keys.log");
    let keys = keys.to_str().context("a path")?;
    let (records, summary) = replay(&capture, &["--keylog", keys])?;
    same(&records, logged.clone(), "whole")?;
    ensure!(records.iter().all(|record| record["source"] == "tls" && record["gaps"] == false));
    ensure!(summary["tls_partly"] == 0 && summary["tls_dark"].as_u64() > Some(0), "{summary}");
    let of = |version: &str| records.iter().filter(|record| record["tls"]["version"] == version).count();
    ensure!(of("1.2") > 50 && of("1.3") > 30 && of("1.2") + of("1.3") == records.len());
    let named = |record: &&Value| record["tls"]["sni"] == "test.example" && record["tls"]["ja4"].is_string();
    ensure!(records.iter().filter(named).count() > 40, "{:?}", records.first());
    // As the mirror copies them, and shorter.
    for snap in ["4150", "1500"] {
        let cut = nginx.file(&format!("{snap}.pcap"));
        let status = Command::new("editcap").args(["-s", snap]).arg(&capture).arg(&cut).status()?;
        ensure!(status.success(), "editcap: {status}");
        let (records, _) = replay(&cut, &["--keylog", keys])?;
        same(&records, logged.clone(), snap)?;
    }
    // The secrets within the file.
    let inside = nginx.file("inside.pcapng");
    let status = Command::new("editcap")
        .args(["--inject-secrets", &format!("tls,{keys}")])
        .arg(&capture)
        .arg(&inside)
        .status()?;
    ensure!(status.success(), "editcap: {status}");
    same(&replay(&inside, &[])?.0, logged, "in the file")?;
    // Without secrets nothing is read, and nothing is made up.
    let (records, summary) = replay(&capture, &[])?;
    ensure!(records.is_empty() && summary["tls_decrypted"] == 0, "{summary}");
    Ok(())
}

/// A daemon that logs exchanges, beside nginx with TLS.
struct Live {
    daemon: Daemon,
    nginx: TlsNginx,
    net: Net,
}

impl Live {
    fn start(more: &str, tls: impl Fn(&TlsNginx) -> String) -> Result<Self> {
        let net = Net::new()?;
        let nginx = TlsNginx::start(&net.server)?;
        Self::watch(net, nginx, more, tls)
    }

    fn watch(net: Net, nginx: TlsNginx, more: &str, tls: impl Fn(&TlsNginx) -> String) -> Result<Self> {
        let log = nginx.file("exchanges.jsonl");
        let text = format!("{more}[http]\nexchange_log = \"{}\"\n[tls]\n{}", log.display(), tls(&nginx));
        let live = Self { daemon: Daemon::start(&net, &text)?, nginx, net };
        let watched = || {
            let status = live.daemon.json(&["status"]).unwrap_or_default();
            let ports = status.pointer("/http/ports").and_then(Value::as_array);
            ports.is_some_and(|ports| ports.contains(&TlsNginx::PORT.into()))
        };
        ensure!(wait_until(PATIENCE, watched), "the port is not watched: {}", live.daemon.log());
        Ok(live)
    }

    fn records(&self) -> Result<Vec<Value>> {
        records(&self.nginx)
    }

    /// Once it is so, or never: the records are those of nginx's log.
    fn equals_the_access_log(&self, least: usize) -> Result<()> {
        let equal = || -> Result<()> {
            let logged = self.nginx.access_log(is_read)?;
            ensure!(logged.len() >= least, "{} requests", logged.len());
            same(&self.records()?, logged, "live")
        };
        if wait_until(PATIENCE, || equal().is_ok()) {
            return Ok(());
        }
        let status = self.daemon.json(&["status"])?;
        equal().with_context(|| format!("{status}\n{}", self.daemon.log()))
    }
}

/// The log of exchanges so far.
fn records(nginx: &TlsNginx) -> Result<Vec<Value>> {
    let text = fs::read_to_string(nginx.file("exchanges.jsonl"))?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn live_key_logs_are_followed() -> Result<()> {
    if tools::skipped("live_key_logs_are_followed", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let live = Live::start(&config("monitor", "off"), |nginx| {
        format!("probe = false\nkeylog = [\"{}\"]\n", nginx.file("keys.log").display())
    })?;
    // The file is read some time after the connection: of a large body, more would have to wait than a connection may.
    let variety =
        VARIETY.replace("/files/3m.txt", "/files/100k.txt").replace("head -c 200000", "head -c 50000");
    browse(&live.net, live.nginx.directory(), &variety)?;
    live.equals_the_access_log(100)
}

#[test]
fn the_probe_reads_what_nginx_serves() -> Result<()> {
    if tools::skipped("the_probe_reads_what_nginx_serves", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let live = Live::start(&config("monitor", "off"), |_| String::new())?;
    browse(&live.net, live.nginx.directory(), VARIETY)?;
    live.equals_the_access_log(100)?;
    let status = live.daemon.json(&["status"])?;
    let port = &status["http"]["tls"][TlsNginx::PORT.to_string()];
    ensure!(port["decrypted"].as_u64() > Some(20) && port["dark_before"] == 0, "{status}");
    Ok(())
}

#[test]
fn many_connections_at_a_time_are_read() -> Result<()> {
    if tools::skipped("many_connections_at_a_time_are_read", &["nginx", "curl"]) {
        return Ok(());
    }
    let live = Live::start(&config("monitor", "off"), |_| String::new())?;
    let many = "curl_() { curl -skZ --http1.1 --parallel-max 40 -o /dev/null \"$@\"; }; for version in 1.2 1.3; do \
                curl_ --tls-max $version -H 'Connection: close' \"https://$1:8443/files/1k.txt?[1-1000]\" || exit 1; \
                curl_ --tls-max $version \"https://$1:8443/files/1k.txt?[1-9000]\" || exit 1; done";
    browse(&live.net, live.nginx.directory(), many)?;
    live.equals_the_access_log(20_000)
}

/// New workers derive secrets as the old ones did, while those still end their connections.
#[test]
fn nothing_is_lost_while_nginx_reloads() -> Result<()> {
    if tools::skipped("nothing_is_lost_while_nginx_reloads", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let live = Live::start(&config("monitor", "off"), |_| String::new())?;
    let master = Pid::from_raw(i32::try_from(live.nginx.pid())?);
    for version in ["1.2", "1.3"] {
        let each = format!(
            "curl -skZ --http1.1 --parallel-max 4 --tls-max {version} -H 'Connection: close' -o /dev/null \
             \"https://$1:8443/files/1k.txt?[1-100]\""
        );
        for _ in 0..3 {
            browse(&live.net, live.nginx.directory(), &each)?;
            kill(master, Signal::SIGHUP)?;
            // Old and new workers serve these.
            browse(&live.net, live.nginx.directory(), &each)?;
        }
    }
    live.equals_the_access_log(1_200)
}

/// An upgrade replaces the library's file, and another nginx takes over the port: the old one's connections are read on, and
/// the new one's as soon as its library is found.
#[test]
fn an_upgraded_library_is_read_under_load() -> Result<()> {
    if tools::skipped("an_upgraded_library_is_read_under_load", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let nginx = TlsNginx::start_with_its_own_library(&net.server)?;
    let Live { daemon, mut nginx, net } =
        Live::watch(net, nginx, &config("monitor", "off"), |_| String::new())?;
    let (directory, library) = (nginx.directory().to_owned(), nginx.file(TlsNginx::LIBRARY));
    let own = format!("{} offset", library.display());
    let probed = |times: usize| daemon.log().matches(&own).count() == times;
    ensure!(wait_until(PATIENCE, || probed(1)), "its library is not found: {}", daemon.log());
    let ask = |path: &str| {
        let each = |version: &str| {
            format!(
                "curl -skZ --http1.1 --parallel-max 4 --tls-max {version} -H 'Connection: close' -o /dev/null \
                 \"https://$1:8443/{path}/[1-50].txt\""
            )
        };
        browse(&net, &directory, &format!("{}; {}", each("1.2"), each("1.3")))
    };
    ask("before")?;
    nginx.upgrade_library()?;
    // The old file is gone, but still in use.
    ask("deleted")?;
    nginx.replace(&net.server, || {
        // Both serve these.
        let is_found = || ask("during").is_ok() && probed(2);
        ensure!(wait_until(PATIENCE, is_found), "the new library is not found: {}", daemon.log());
        ask("both")
    })?;
    ask("after")?;
    let told = ["/before/", "/deleted/", "/both/", "/after/"];
    let equal = || -> Result<()> {
        let is_told = |line: &String| told.iter().any(|path| line.contains(path));
        let logged: Vec<String> = nginx.access_log(is_read)?.into_iter().filter(is_told).collect();
        ensure!(logged.len() == 100 * told.len(), "{} requests", logged.len());
        let (seen, expected) = (records(&nginx)?, tally(logged.into_iter()));
        let seen = tally(seen.iter().map(line).filter(is_told));
        ensure!(seen == expected, "differs: {:?}", difference(&seen, &expected));
        Ok(())
    };
    if !wait_until(PATIENCE, || equal().is_ok()) {
        equal().with_context(|| daemon.log())?;
    }
    Ok(())
}

#[test]
fn an_attack_inside_tls_is_blocked() -> Result<()> {
    if tools::skipped("an_attack_inside_tls_is_blocked", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let enforcing = format!("mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}");
    let live = Live::start(&enforcing, |_| String::new())?;
    let script = format!(
        "for number in $(seq 400); do curl -sk --http1.1 -m 3 --interface {} -d \"user=name$number\" -d \"password=secret$number\" \
         https://$1:8443/login > /dev/null || exit 0; done; exit 1",
        v4(LEGITIMATE)
    );
    browse(&live.net, live.nginx.directory(), &script).context("400 attempts to log in got through")?;
    let blocks = live.daemon.json(&["block", "list"])?.to_string();
    ensure!(blocks.contains(&v4(LEGITIMATE).to_string()), "{blocks}: {}", live.daemon.ok(&["alerts"])?);
    Ok(())
}

#[test]
fn tls_is_left_alone_where_that_is_configured() -> Result<()> {
    if tools::skipped("tls_is_left_alone_where_that_is_configured", &["nginx", "curl", "openssl"]) {
        return Ok(());
    }
    let live = Live::start(&config("monitor", "off"), |_| "enabled = false\n".to_owned())?;
    browse(&live.net, live.nginx.directory(), "curl -sk -o /dev/null https://$1:8443/files/1k.txt")?;
    let dark = || {
        let status = live.daemon.json(&["status"]).unwrap_or_default();
        status["http"]["tls"][TlsNginx::PORT.to_string()]["dark_library"] == 1
    };
    ensure!(wait_until(PATIENCE, dark), "{}", live.daemon.ok(&["status"])?);
    ensure!(live.records()?.is_empty() && !live.daemon.log().contains("probing"), "{}", live.daemon.log());
    Ok(())
}
