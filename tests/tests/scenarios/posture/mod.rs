//! `sensor replay --posture` over a shop whose API is known: the report fact by fact, the page in a real browser, the
//! draft document beside the true one and before a public validator.
#![expect(clippy::arithmetic_side_effects, clippy::float_arithmetic, reason = "a wrong test may panic")]

mod application;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::binary;
use sensor_tests::tools;
use serde_json::Value;

use application::{SECRETS, TRUE, capture};

/// Runs a replay of the shop; what it prints, and the number of exchanges.
fn replay(directory: &Path, args: &[&str]) -> Result<(String, u64)> {
    let (bytes, exchanges) = capture();
    let file = directory.join("shop.pcap");
    fs::write(&file, bytes)?;
    fs::write(directory.join("sensor.toml"), "")?;
    let mut sensor = Command::new(binary()?);
    sensor.current_dir(directory).args(["replay", "shop.pcap", "-c", "sensor.toml", "--posture"]).args(args);
    let output = sensor.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((String::from_utf8(output.stdout)?, exchanges))
}

fn of<'r>(report: &'r Value, route: &str, method: &str) -> Result<&'r Value> {
    let rows = report["routes"].as_array().context("no routes")?;
    rows.iter()
        .find(|row| row["route"] == route && row["method"] == method)
        .with_context(|| format!("no {method} {route} in {report:#}"))
}

/// The classes of findings at a place, with their risks.
fn found(report: &Value, route: &str) -> BTreeMap<String, String> {
    let findings = report["findings"].as_array().into_iter().flatten();
    let of_place = findings.flat_map(|finding| {
        let places = finding["places"].as_array().into_iter().flatten();
        places
            .filter(|place| place["route"] == route)
            .map(|place| (text(&finding["class"]), text(&place["risk"])))
            .collect::<Vec<_>>()
    });
    of_place.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_report_tells_what_the_shop_is_like() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (printed, exchanges) = replay(directory.path(), &["--json"])?;
    let report: Value = serde_json::from_str(printed.trim())?;
    ensure!(report["exchanges"] == exchanges, "{} of {exchanges}", report["exchanges"]);
    for secret in SECRETS {
        ensure!(!printed.contains(secret), "{secret} is told");
    }
    ensure!(!printed.contains("wp-admin"), "what does not exist is listed");
    let orders = of(&report, "/api/v1/orders/{uuid}", "GET")?;
    ensure!(
        orders["requests"] == 84 && orders["refused"] == 40 && orders["unauthenticated"] == 4,
        "{orders:#}"
    );
    ensure!(orders["credentials"][0][0] == "bearer" && orders["with_credentials"] == 40, "{orders:#}");
    ensure!(orders["ports"][0] == 80 && orders["hosts"][0] == "shop.example", "{orders:#}");
    ensure!(orders["transport"][0][0] == "clear" && orders["statuses"][1][0] == 401, "{orders:#}");
    let clients = orders["clients"].as_u64().unwrap_or(0);
    ensure!((30..=60).contains(&clients), "{clients} clients");
    let users = of(&report, "/api/v1/users/{id}", "PUT")?;
    ensure!(
        users["data_in"]
            .as_array()
            .is_some_and(|kinds| kinds.contains(&"mail".into()) && kinds.contains(&"birth".into())),
        "{users:#}"
    );
    let products = of(&report, "/api/v1/products", "GET")?;
    ensure!(products["paged"] == true && products["with_credentials"] == 0, "{products:#}");
    Ok(())
}

#[test]
fn the_report_ranks_what_is_wrong_with_the_shop() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (printed, _) = replay(directory.path(), &["--json"])?;
    let report: Value = serde_json::from_str(printed.trim())?;
    for (route, class, risk) in [
        ("/api/v1/orders/{uuid}", "unauthenticated", "high"),
        ("/api/v1/orders/{uuid}", "cleartext-credentials", "critical"),
        ("/login", "cleartext-credentials", "critical"),
        ("/login", "cookie-flags", "high"),
        ("/login", "no-rate-limit", "medium"),
        ("/login", "server-version", "info"),
        ("/reports/all", "no-pagination", "low"),
        ("/actuator/env", "management-route", "medium"),
        ("/api/v1/products", "old-version", "low"),
        ("/api/v1/me", "cors-credentials", "high"),
        ("/pay", "verbose-errors", "medium"),
        ("/api/v1/products/{id}", "cleartext", "medium"),
    ] {
        let found = found(&report, route);
        ensure!(found.get(class).is_some_and(|own| own == risk), "{class} at {route}: {found:?}");
    }
    // What is fine is not told.
    for (route, class) in [
        ("/api/v1/products", "unauthenticated"),
        ("/api/v1/products", "no-pagination"),
        ("/api/v2/products", "old-version"),
        ("/api/v1/products/{id}", "management-route"),
        ("/api/v1/orders", "unauthenticated-write"),
    ] {
        ensure!(!found(&report, route).contains_key(class), "{class} at {route}");
    }
    let risks: Vec<usize> = report["findings"]
        .as_array()
        .context("none")?
        .iter()
        .map(|finding| {
            ["critical", "high", "medium", "low", "info"]
                .iter()
                .position(|risk| finding["risk"] == *risk)
                .unwrap_or(9)
        })
        .collect();
    ensure!(risks.is_sorted(), "the worst come first: {risks:?}");
    Ok(())
}

#[test]
fn people_read_the_report_as_text() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (printed, _) = replay(directory.path(), &[])?;
    for wanted in
        ["critical: Credentials cross the network in clear text", "remedy:", "GET     /api/v1/orders/{uuid}"]
    {
        ensure!(printed.contains(wanted), "{wanted:?} in\n{printed}");
    }
    Ok(())
}

/// A type as the table of the truth writes it.
fn type_of(schema: &Value) -> String {
    let types: Vec<String> = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect(),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![text(one)]
        }
    };
    let format = schema["format"].as_str().map(|format| format!(" {format}")).unwrap_or_default();
    format!("{}{format}", types.join(" "))
}

/// All members of a schema, with their paths.
fn fields(schema: &Value, path: &str, all: &mut BTreeSet<(String, String)>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        all.insert((path.clone(), type_of(member)));
        fields(member, &path, all);
    }
    if let Some(items) = schema.get("items") {
        let path = format!("{path}[]");
        all.insert((path.clone(), type_of(items)));
        fields(items, &path, all);
    }
}

/// A path without the names of its parameters.
fn bare(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// The facts of an operation of the draft.
fn facts_of(operation: &Value) -> BTreeSet<(String, String)> {
    let mut facts = BTreeSet::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = text(&parameter["in"]);
        let name = if place == "path" { String::new() } else { text(&parameter["name"]) };
        facts.insert((format!("{place} {name}"), type_of(&parameter["schema"])));
    }
    let mut members = |content: &Value, what: &str| {
        for (_, media) in content.as_object().into_iter().flatten() {
            let mut all = BTreeSet::new();
            fields(&media["schema"], "", &mut all);
            facts.extend(all.into_iter().map(|(path, own)| (format!("{what} {path}"), own)));
        }
    };
    members(operation["requestBody"].get("content").unwrap_or(&Value::Null), "body");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            members(&response["content"], "answer");
        }
    }
    facts
}

#[test]
fn the_draft_is_what_the_shop_is() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (printed, _) = replay(directory.path(), &["--openapi", "-"])?;
    for secret in SECRETS {
        ensure!(!printed.contains(secret), "{secret} is told");
    }
    let draft: Value = serde_json::from_str(&printed)?;
    let mut operations = BTreeMap::new();
    for (path, item) in draft["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("no item")? {
            operations.insert((method.clone(), bare(path)), facts_of(operation));
        }
    }
    let (mut right, mut wrong) = (0_u32, Vec::new());
    for truth in TRUE {
        let key = (truth.method.to_owned(), truth.path.to_owned());
        let Some(known) = operations.get(&key) else {
            wrong.push(format!("{key:?} is missing"));
            continue;
        };
        right += 1;
        let mut expected = BTreeSet::new();
        for (place, name, own) in truth.parameters {
            expected.insert((format!("{place} {name}"), (*own).to_owned()));
        }
        expected.extend(truth.body.iter().map(|(path, own)| (format!("body {path}"), (*own).to_owned())));
        expected.extend(truth.answer.iter().map(|(path, own)| (format!("answer {path}"), (*own).to_owned())));
        right += u32::try_from(expected.intersection(known).count())?;
        wrong.extend(expected.symmetric_difference(known).map(|fact| format!("{key:?} {fact:?}")));
    }
    let known: BTreeSet<(String, String)> =
        TRUE.iter().map(|truth| (truth.method.to_owned(), truth.path.to_owned())).collect();
    // `/api/v1/me` is a route of the faults, which the table leaves out.
    let invented = operations.keys().filter(|key| !known.contains(*key) && key.1 != "/api/v1/me");
    wrong.extend(invented.map(|key| format!("{key:?} is invented")));
    let all = f64::from(right) + f64::from(u32::try_from(wrong.len())?);
    ensure!(f64::from(right) / all >= 0.95, "{right} right of {all}: {wrong:#?}");
    Ok(())
}

/// The validator, pinned.
const VALIDATOR: &str = "openapi-spec-validator==0.9.0";

#[test]
fn a_public_validator_takes_the_draft() -> Result<()> {
    let test = "a_public_validator_takes_the_draft";
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("draft.json");
    replay(directory.path(), &["--openapi", &file.display().to_string()])?;
    let python = "import json, sys\nfrom openapi_spec_validator import OpenAPIV31SpecValidator as V\n\
                  V(json.load(open(sys.argv[1]))).validate()\n";
    let what = ("openapi", "the validator");
    let Some(packages) = tools::python_packages(test, what, &[VALIDATOR])? else { return Ok(()) };
    let validate = |file: &Path| {
        let mut check = Command::new("python3");
        check.env("PYTHONPATH", &packages).args(["-c", python]).arg(file).output()
    };
    let output = validate(&file)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // It does find what is wrong.
    let broken = fs::read_to_string(&file)?.replacen("\"in\": \"path\"", "\"in\": \"road\"", 1);
    fs::write(&file, broken)?;
    ensure!(!validate(&file)?.status.success(), "the validator takes anything");
    Ok(())
}

/// Runs a browser on a page.
fn browse(page: &Path, profile: &Path, args: &[&str]) -> Result<String> {
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.arg(format!("--user-data-dir={}", profile.display())).args(args);
    let output =
        chromium.arg(format!("file://{}", page.display())).output().context("cannot start chromium")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_browser_shows_the_page_light_dark_and_on_paper() -> Result<()> {
    let test = "a_browser_shows_the_page_light_dark_and_on_paper";
    if tools::find("chromium").is_none() {
        tools::say_skipped(test, "chromium is not installed");
        return Ok(());
    }
    let directory = tempfile::Builder::new().prefix("sensor-page-").tempdir()?;
    let page = directory.path().join("posture.html");
    replay(directory.path(), &["--html", &page.display().to_string()])?;
    let html = fs::read_to_string(&page)?;
    ensure!(!html.contains("<script") && !html.contains("http://") && !html.contains("src="), "{html}");
    for secret in SECRETS {
        ensure!(!html.contains(secret), "{secret} is told");
    }
    let profile = directory.path().join("profile");
    let shown = browse(&page, &profile, &["--dump-dom"])?;
    ensure!(shown.contains("API posture") && shown.contains("/api/v1/orders/{uuid}"), "{shown}");
    // Pictures differ, and neither is one colour: the page is there in both.
    let light = picture(directory.path(), &page, &profile, "light", &[])?;
    let dark =
        picture(directory.path(), &page, &profile, "dark", &["--blink-settings=preferredColorScheme=0"])?;
    ensure!(light != dark, "the dark page is the light one");
    ensure!(light.len() > 20_000 && dark.len() > 20_000, "{} and {} bytes", light.len(), dark.len());
    let paper = directory.path().join("posture.pdf");
    browse(&page, &profile, &["--no-pdf-header-footer", &format!("--print-to-pdf={}", paper.display())])?;
    let pdf = fs::read(&paper)?;
    ensure!(pdf.starts_with(b"%PDF-") && pdf.len() > 10_000, "{} bytes of paper", pdf.len());
    if let Some(keep) = std::env::var_os("SENSOR_KEEP_PAGES") {
        for file in ["posture.html", "posture.pdf", "light.png", "dark.png"] {
            fs::copy(directory.path().join(file), Path::new(&keep).join(file))?;
        }
    }
    Ok(())
}

fn picture(directory: &Path, page: &Path, profile: &Path, name: &str, more: &[&str]) -> Result<Vec<u8>> {
    let file = directory.join(format!("{name}.png"));
    let shot = format!("--screenshot={}", file.display());
    browse(page, profile, &[&["--window-size=1400,1800", shot.as_str()][..], more].concat())?;
    Ok(fs::read(file)?)
}
