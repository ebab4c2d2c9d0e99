//! Names of clients: from the system's resolver, and only on request.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use sensor_tests::netns::{LEGITIMATE, v4};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;

#[test]
fn names_are_looked_up_on_request_only() -> Result<()> {
    if tools::skipped("names_are_looked_up_on_request_only", &["unshare", "mount"]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    scene.send(v4(LEGITIMATE), 20)?;
    let client = v4(LEGITIMATE);
    // The command sees a hosts file of its own, in a mount namespace.
    let hosts = tempfile::NamedTempFile::new()?;
    fs::write(hosts.path(), format!("127.0.0.1 localhost\n{client} crawl-1.googlebot.com\n"))?;
    let run = |args: &str| -> Result<String> {
        let daemon = &scene.daemon;
        let mut program = daemon.program(&["clients", "--socket"]);
        program.arg(daemon.socket());
        let words: Vec<String> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let script =
            format!("mount --bind {} /etc/hosts\n{} {args}", hosts.path().display(), words.join(" "));
        let mut command = Command::new("unshare");
        let output = command.args(["--mount", "sh", "-ec", &script]).output()?;
        ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let plain = run("")?;
    ensure!(plain.contains(&client.to_string()) && !plain.contains("googlebot"), "{plain}");
    let named = run("--resolve")?;
    ensure!(named.contains("crawl-1.googlebot.com, verified Googlebot"), "{named}");
    let json = run("--resolve --json")?;
    let rows: serde_json::Value = serde_json::from_str(&json)?;
    let row = rows.as_array().into_iter().flatten().find(|row| row["client"] == format!("{client}/32"));
    ensure!(row.is_some_and(|row| row["names"]["crawler"] == "Googlebot"), "{json}");
    Ok(())
}
