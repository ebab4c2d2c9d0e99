//! The real Prometheus server scrapes the daemon during an attack: rules load, and no panel of a dashboard is empty.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE, WEB};
use sensor_tests::netns::{FLOODER, GATEWAY, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::keys::write_key;
use sensor_tests::peers::login::{LoginServer, RIGHT};
use sensor_tests::peers::prometheus::Prometheus;
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// A password of [`LoginServer`], and a list of leaked ones with its SHA-1 hash.
const LEAKED: (&str, &str) = ("right-7", "CCBDA9C939739D40BF617C929841E3C4D0FC8545:12\n");

/// What the API is said to be: it has more.
const DOCUMENT: &str = r#"{"openapi":"3.1.0","info":{"title":"shop","version":"1"},
    "paths":{"/login":{"post":{"responses":{}}},"/profile":{"get":{"responses":{}}}}}"#;

/// Objects that are asked for one after the other: more than `enumeration` lets pass.
const OBJECTS: u32 = 400;

/// Most attempts of the attacker, which is blocked before: after some twenty on an idle machine, after hundreds on one whose
/// CPUs are busy, since a debug build that may not preempt servers lags behind them.
const ATTEMPTS: u32 = 10_000;

fn dist(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sensor/dist").join(path)
}

/// One request on a connection of its own; the answer.
fn ask(client: &Client, request: &str) -> Result<String> {
    let mut stream = client.connect()?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn log_in(client: &Client, user: &str, password: &str) -> Result<String> {
    let body = format!("{{\"username\":\"{user}\",\"password\":\"{password}\"}}");
    let length = body.len();
    ask(
        client,
        &format!(
            "POST /login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

/// Legitimate logins, a message that two readers disagree about, and passwords tried until nobody listens.
fn play(net: &Net) -> Result<()> {
    let server = (SERVER_V4, LoginServer::PORT).into();
    net.world.enter(|| {
        let us = Client::new(v4(LEGITIMATE), server);
        for number in 0..20 {
            let answer = log_in(&us, &format!("user{number}"), &format!("{RIGHT}{number}"))?;
            ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        ask(
            &us,
            "POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n0\r\n\r\n",
        )?;
        let them = Client { timeout: Duration::from_millis(500), ..Client::new(v4(FLOODER), server) };
        let silenced = (0..ATTEMPTS).any(|n| log_in(&them, &format!("leaked{n}"), "123456").is_err());
        ensure!(silenced, "the attacker was not blocked");
        Ok(())
    })
}

/// Prepares a daemon with every way out of alerts that has families of its own (nobody listens where syslog is sent), with
/// an access log that is not there yet, a fleet that shares evidence and limits and whose server is away, CrowdSec that is
/// away, too, a list of leaked passwords and an OpenAPI document.
fn daemon(net: &Net) -> Result<Daemon> {
    let daemon = Daemon::prepare(net, "")?;
    let deny = daemon.config_path().with_file_name("deny.conf");
    let key = daemon.config_path().with_file_name("authority.key");
    let made = daemon.program(&["fleet", "init", &key.display().to_string(), "--json"]).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let public: Value = serde_json::from_slice(&made.stdout)?;
    let leaked = deny.with_file_name("leaked.txt");
    let document = deny.with_file_name("shop.json");
    let evidence = deny.with_file_name("evidence.key");
    write_key(&evidence)?;
    let login = deny.with_file_name("crowdsec.login");
    fs::write(&login, "login: web1\npassword: only-for-this-test\n")?;
    fs::set_permissions(&login, PermissionsExt::from_mode(0o600))?;
    fs::write(&leaked, LEAKED.1)?;
    fs::write(&document, DOCUMENT)?;
    daemon.write_config(&format!(
        "{}[http]\nunit_metrics = true\n\n[login]\nleaked_passwords = {leaked:?}\n\n\
         [login.shop]\nroute = \"/login\"\nsuccess_status = [\"200\"]\n\
         failure_status = [\"401\"]\n\n[routes]\nopenapi = {document:?}\n\n[alerts.deny_file]\npath = {:?}\n\n\
         [alerts.syslog]\nurl = \"tcp://127.0.0.1:1\"\n\n[access_logs]\n{:?} = \"nginx\"\n\n\
         [fleet]\nurl = \"redis://127.0.0.1:1\"\nauthority = {}\nevidence_key_file = {evidence:?}\n\n\
         [detect.request-rate]\nper_principal = \"600/min\"\n\n\
         [crowdsec]\nurl = \"http://127.0.0.1:1/\"\nkey_file = {evidence:?}\nlogin_file = {login:?}\n",
        config("enforce", "off"),
        deny.display().to_string(),
        deny.with_file_name("access.log").display().to_string(),
        public.get("authority").context("no key of the authority")?
    ))?;
    Ok(daemon)
}

#[test]
fn no_panel_is_empty_and_every_rule_loads() -> Result<()> {
    if tools::skipped("no_panel_is_empty_and_every_rule_loads", &["prometheus", "promtool"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let mut daemon = daemon(&net)?;
    daemon.run()?;
    let scrape = format!("    static_configs: [{{targets: [\"{WEB}\"]}}]\n");
    let rules = dist("prometheus/sensor.rules.yml");
    let prometheus = Prometheus::start(&net.server, &rules, &scrape)?;
    // The port of the login server is watched once the daemon has found it, and counters need a first value.
    let is_watched =
        || daemon.json(&["status"]).is_ok_and(|status| status["http"]["ports"][0] == LoginServer::PORT);
    ensure!(wait_until(PATIENCE, is_watched), "{}", daemon.json(&["status"])?);
    let is_up = || one(&prometheus, "up{job=\"sensor\"}").is_some_and(|value| value == 1.0);
    ensure!(wait_until(PATIENCE, is_up), "not scraped: {}", prometheus.log());
    play(&net)?;
    rules_load(&prometheus)?;
    for name in ["overview", "health"] {
        panels_show(&prometheus, name, NUMBER)?;
    }
    work(&net, &prometheus)?;
    panels_show(&prometheus, "access", MORE)?;
    let attacked = || one(&prometheus, "instance:sensor_under_attack").is_some_and(|value| value == 1.0);
    ensure!(wait_until(PATIENCE, attacked), "the attack is not told");
    let alerts =
        || prometheus.query("ALERTS{alertname=\"SensorUnderAttack\"}").is_ok_and(|found| !found.is_empty());
    ensure!(wait_until(PATIENCE, alerts), "no alert: {}", prometheus.api("rules?type=alert")?);
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}")?;
    ensure!(firing.is_empty(), "nothing is wrong with the daemon: {firing:?}");
    let metrics = daemon.metrics()?;
    ensure!(metrics.text.len() < 64 << 10, "{} bytes", metrics.text.len());
    Ok(())
}

/// What the dashboard of authorization is about, once each: a login with a leaked password, a refused one, requests with
/// credentials, a route that the document lacks, and objects asked for one after the other.
fn work(net: &Net, prometheus: &Prometheus) -> Result<()> {
    let server = (SERVER_V4, LoginServer::PORT).into();
    net.world.enter(|| -> Result<()> {
        let us = Client::new(v4(LEGITIMATE), server);
        let with = "Authorization: Bearer q8w7e6r5t4y3u2i1";
        log_in(&us, "user7", LEAKED.0)?;
        log_in(&us, "user7", "wrong")?;
        for (path, credentials) in [("/profile", with), ("/items", with), ("/health", "Accept: */*")] {
            get(&us, path, credentials)?;
        }
        // Whoever is limited for it has asked for enough.
        let walker = Client { timeout: Duration::from_millis(500), ..Client::new(v4(GATEWAY), server) };
        let _limited = (1..=OBJECTS).try_for_each(|n| get(&walker, &format!("/orders/{n}"), "Accept: */*"));
        Ok(())
    })?;
    let told = "sum(sensor_alerts_total{detector=\"enumeration\"})";
    ensure!(wait_until(PATIENCE, || one(prometheus, told).is_some_and(|count| count > 0.0)), "no alert");
    Ok(())
}

fn get(client: &Client, path: &str, header: &str) -> Result<()> {
    let answer =
        ask(client, &format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{header}\r\nConnection: close\r\n\r\n"))?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    Ok(())
}

/// The only value of an expression.
fn one(prometheus: &Prometheus, expression: &str) -> Option<f64> {
    let found = prometheus.query(expression).ok()?;
    let [sample] = found.as_slice() else { return None };
    sample.pointer("/value/1")?.as_str()?.parse().ok()
}

fn rules_load(prometheus: &Prometheus) -> Result<()> {
    let mut told = Value::Null;
    let all_are_well = wait_until(PATIENCE, || {
        told = prometheus.api("rules").unwrap_or_default();
        let rules = told.get("groups").and_then(Value::as_array).into_iter().flatten();
        let rules: Vec<&Value> =
            rules.flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
        rules.len() > 20 && rules.iter().all(|rule| rule["health"] == "ok")
    });
    ensure!(all_are_well, "{told}");
    Ok(())
}

/// A panel has to show some number, or more than zero.
const NUMBER: f64 = f64::NEG_INFINITY;
const MORE: f64 = f64::MIN_POSITIVE;

/// Every query of every panel gives a number of at least `least`, with the variables as Grafana fills them in.
fn panels_show(prometheus: &Prometheus, name: &str, least: f64) -> Result<()> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(dist(&format!("grafana/{name}.json")))?)?;
    let panels = dashboard.get("panels").and_then(Value::as_array).context("no panels")?;
    let mut empty = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("no query")?;
            let query = query.replace("$instance", ".+").replace("$__rate_interval", "1m");
            ensure!(!query.contains('$'), "a variable that this test does not know: {query}");
            let has_number = |sample: &Value| {
                let value = sample.pointer("/value/1").and_then(Value::as_str);
                value.and_then(|value| value.parse::<f64>().ok()).is_some_and(|value| value >= least)
            };
            let mut found = Vec::new();
            let is_shown = wait_until(Duration::from_secs(5), || {
                found = prometheus.query(&query).unwrap_or_default();
                found.iter().any(has_number)
            });
            if !is_shown {
                empty.push(format!("{}: {query}: {found:?}", panel["title"]));
            }
        }
    }
    ensure!(empty.is_empty(), "{name} has empty panels:\n{}", empty.join("\n"));
    Ok(())
}

fn promtool(args: &[&str]) -> Result<()> {
    let program = tools::find("promtool").context("it was there a moment ago")?;
    let output = Command::new(program).args(args).current_dir(dist("prometheus")).output()?;
    if !output.status.success() {
        bail!(
            "promtool {args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[test]
fn the_rules_do_what_their_tests_say() -> Result<()> {
    if tools::find("promtool").is_none() {
        tools::say_skipped("the_rules_do_what_their_tests_say", "promtool is not installed");
        return Ok(());
    }
    promtool(&["check", "rules", "sensor.rules.yml"])?;
    promtool(&["test", "rules", "sensor.rules.test.yml"])?;
    promtool(&["check", "config", "prometheus.example.yml"])
}

/// What the descriptions of alerts tell people to type is there.
#[test]
fn the_commands_of_the_rules_exist() -> Result<()> {
    let rules = fs::read_to_string(dist("prometheus/sensor.rules.yml"))?;
    // Descriptions are folded over lines.
    let rules = rules.split_whitespace().collect::<Vec<_>>().join(" ");
    let commands = rules.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("sensor "));
    let mut seen = 0;
    for command in commands {
        let words = command.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let output = Command::new(sensor_tests::daemon::binary()?).args(words).arg("--help").output()?;
        ensure!(output.status.success(), "`sensor {command}`: {}", String::from_utf8_lossy(&output.stderr));
        seen += 1;
    }
    ensure!(seen > 20, "{seen} commands");
    Ok(())
}
