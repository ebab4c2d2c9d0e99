//! `sensor replay --log`: what detectors find in an hour of an access log, and what they leave alone.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use sensor_tests::daemon::binary;
use serde_json::Value;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Lines in the format `combined`, in order of time.
#[derive(Default)]
struct Log(Vec<(u32, String)>);

impl Log {
    /// `second` of an hour.
    fn add(&mut self, second: u32, client: &str, request: &str, (status, bytes): (u16, u32), agent: &str) {
        let (minute, rest) = (second / 60 % 60, second % 60);
        let line = format!(
            "{client} - - [30/Nov/2026:10:{minute:02}:{rest:02} +0000] \"{request} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\""
        );
        self.0.push((second, line));
    }

    fn text(mut self) -> String {
        self.0.sort_by_key(|(second, _)| *second);
        self.0.into_iter().fold(String::new(), |mut text, (_, line)| {
            let _written = writeln!(text, "{line}");
            text
        })
    }
}

/// Two hundred shoppers, who mistype a password now and then.
fn shoppers(log: &mut Log) {
    for shopper in 0..200_u32 {
        let client = format!("198.51.{}.{}", 100 + shopper / 100, 1 + shopper % 100);
        let mut second = shopper * 7 % 600;
        if shopper % 10 == 0 {
            log.add(second, &client, "POST /login", (401, 30), BROWSER);
            second += 9;
        }
        log.add(second, &client, "POST /login", (200, 120), BROWSER);
        for page in 0..12 {
            second += 20 + (shopper + page) % 50;
            let item = 1 + (shopper * 31 + page * 17) % 400;
            log.add(second, &client, &format!("GET /items/{item}?from=search"), (200, 4_000), BROWSER);
        }
    }
}

fn attackers(log: &mut Log) {
    for attempt in 0..900 {
        log.add(600 + attempt / 2, "203.0.113.1", "POST /login", (401, 30), "python-requests/2.32");
    }
    let mut second = 900;
    for directory in ["", "old/", "test/", "backup/", "app/", "site/", "shop/", "cms/"] {
        for name in
            [".env", ".git/config", "wp-login.php", "phpmyadmin/", "dump.sql", "admin/", "server-status"]
        {
            second += 1;
            log.add(second, "203.0.113.2", &format!("GET /{directory}{name}"), (404, 150), "Mozilla/5.0");
        }
    }
    for attempt in 0..60 {
        let request =
            format!("GET /items/1%27%20UNION%20SELECT%20{attempt},name,pw%20FROM%20users--%20-?x=1");
        log.add(1_500 + attempt, "203.0.113.3", &request, (500, 200), "Mozilla/5.0");
    }
}

fn replay(text: &str, more: &[&str]) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("access.log"), text)?;
    fs::write(directory.path().join("sensor.toml"), "")?;
    let mut sensor = Command::new(binary()?);
    sensor.current_dir(&directory).args(["replay", "access.log", "-c", "sensor.toml", "--json"]).args(more);
    Ok(sensor.output()?)
}

#[test]
fn attackers_are_found_in_a_log_and_shoppers_are_not() -> Result<()> {
    let mut log = Log::default();
    shoppers(&mut log);
    attackers(&mut log);
    let output = replay(&log.text(), &["--log", "combined"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let alerts: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<Vec<_>, serde_json::Error>>()?;
    let mut found = BTreeSet::new();
    for alert in alerts.iter().filter(|alert| alert["detector"].is_string()) {
        let text = alert.to_string();
        ensure!(!text.contains("198.51."), "a shopper is accused: {alert:#}");
        for attacker in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
            if text.contains(&format!("\"{attacker}\"")) || text.contains(&format!("{attacker}/32")) {
                found.insert((attacker, alert["detector"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    for expected in
        [("203.0.113.1", "credential-stuffing"), ("203.0.113.2", "scanner"), ("203.0.113.3", "injection")]
    {
        ensure!(
            found.iter().any(|(client, detector)| (*client, detector.as_str()) == expected),
            "{expected:?} is not among {found:?}"
        );
    }
    Ok(())
}

#[test]
fn what_is_no_log_of_this_format_is_refused() -> Result<()> {
    let line = "198.51.100.1 - - [30/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n";
    for (format, status, expected) in [
        ("common", 0, ""),
        ("combined", 1, "none of 1 lines could be read; of line 1, it does not have the configured format"),
        ("apache", 2, "neither the name of a log format"),
        ("$remote_addr", 2, "the format has no time"),
    ] {
        let output = replay(line, &["--log", format])?;
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        ensure!(output.status.code() == Some(status), "{format}: {:?}: {said}", output.status);
        ensure!(said.contains(expected), "{format}: {said}");
    }
    Ok(())
}
