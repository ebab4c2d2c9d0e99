//! Schemathesis, which knows nothing of this project, sends requests that an OpenAPI document allows and others. What the
//! document refuses has to be told by the detector `schema`, and nothing else.
//!
//! Schemathesis' own word does not decide: some of what it calls invalid is allowed by the document (a number where text
//! is wanted is text in a query). The server judges each request with `jsonschema`, and answers 200 or 400.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use sensor_tests::captures::{Capture, replay};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Pinned, so that the test does not change by itself.
const PACKAGES: [&str; 3] = ["schemathesis==4.32.5", "jsonschema==4.26.0", "rfc3339-validator==0.1.4"];
const PORT: u16 = 9_449;
/// Requests of each operation, beside those that cover its boundaries.
const EXAMPLES: &str = "150";

/// The server; dropping it ends it.
struct Judge(Child);

impl Drop for Judge {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)
}

/// Lines of verdicts, and the exchanges of the same requests in the same order.
fn play(packages: &Path, directory: &Path) -> Result<(Vec<Value>, Vec<Value>)> {
    let net = Net::new()?;
    let (document, verdicts) = (file("judged.json"), directory.join("verdicts.jsonl"));
    let mut judge = net.server.command("python3");
    judge.arg(file("judge.py")).arg(&document).args(["0.0.0.0", &PORT.to_string()]).arg(&verdicts);
    let log = File::create(directory.join("judge.log"))?;
    let judge = judge.env("PYTHONPATH", packages).stdout(Stdio::null()).stderr(log).spawn()?;
    let _judge = Judge(judge);
    let here = SocketAddr::from(([127, 0, 0, 1], PORT));
    let is_up = net.server.enter(|| wait_until(PATIENCE, || TcpStream::connect(here).is_ok()));
    ensure!(is_up, "no answer: {}", fs::read_to_string(directory.join("judge.log"))?);
    let filter = format!("tcp port {PORT}");
    let capture = Capture::start(&net.server, directory.join("judged.pcap"), 65_536, &filter)?;
    let mut source = net.world.command("python3");
    source.arg(packages.join("bin/st")).arg("run").arg(&document);
    source.arg("--url").arg(format!("http://{SERVER_V4}:{PORT}"));
    source.args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--no-shrink", "--no-color"]);
    source.args(["--generation-deterministic", "--continue-on-failure", "--workers", "1"]);
    source.args(["--suppress-health-check", "all", "--checks", "not_a_server_error"]);
    // It leaves files where it runs.
    let output = source.env("PYTHONPATH", packages).current_dir(directory).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let capture = capture.end()?;
    let text = fs::read_to_string(&verdicts)?;
    let verdicts = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let config = directory.join("sensor.toml");
    fs::write(&config, format!("[routes]\nopenapi = {document:?}\n"))?;
    let (records, _) = replay(&capture, &["-c", config.to_str().context("no name")?])?;
    Ok((verdicts, records))
}

#[test]
fn what_the_document_refuses_is_told_and_nothing_else() -> Result<()> {
    let test = "what_the_document_refuses_is_told_and_nothing_else";
    if tools::skipped(test, &["python3", "pip3", "tcpdump"]) {
        return Ok(());
    }
    let what = ("schemathesis", "Schemathesis");
    let Some(packages) = tools::python_packages(test, what, &PACKAGES)? else { return Ok(()) };
    let directory = tempfile::Builder::new().prefix("sensor-schemathesis-").tempdir()?;
    let (verdicts, records) = play(&packages, directory.path())?;
    ensure!(verdicts.len() == records.len(), "{} requests, {} seen", verdicts.len(), records.len());
    let (mut accepted, mut refused, mut missed, mut wrong) = (0_u32, 0_u32, Vec::new(), Vec::new());
    for (verdict, record) in verdicts.iter().zip(&records) {
        let status = &verdict["status"];
        ensure!(*status == record["status"], "not the same request: {verdict} {record}");
        let found = record["findings"].as_array().into_iter().flatten();
        let is_told = found.clone().any(|finding| finding["kind"] == "schema");
        match (status.as_u64(), is_told) {
            (Some(200), false) => accepted += 1,
            (Some(400), true) => refused += 1,
            (Some(400), false) => missed.push(verdict),
            // A path or a method that neither the document nor the server has.
            (Some(404), false) => {}
            _ => wrong.push((verdict, record)),
        }
    }
    ensure!(wrong.is_empty(), "{} of what the document allows is told: {wrong:#?}", wrong.len());
    let all = f64::from(refused) + f64::from(u32::try_from(missed.len())?);
    ensure!(f64::from(refused) / all >= 0.99, "{} of {all} are not told: {missed:#?}", missed.len());
    ensure!(
        accepted >= 200 && refused >= 200,
        "{accepted} accepted, {refused} refused: too few to say anything"
    );
    Ok(())
}
