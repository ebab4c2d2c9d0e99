//! Requests over the limit that are answered with `429` by the kernel: what clients see, and what the server's log has.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, SERVER_V4, SERVER_V6, join, v4};
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// A daemon whose limit is `requests`, with what happens to those over it.
fn scene(requests: &str, too_many: &str) -> Result<Scene> {
    let config =
        config("enforce", "off").replace("requests = \"off\"", &format!("requests = \"{requests}\""));
    Scene::with_nginx(&format!("{config}[respond]\ntoo_many = \"{too_many}\"\n"))
}

fn servers() -> [SocketAddr; 2] {
    [SERVER_V4, SERVER_V6].map(|server| SocketAddr::new(server, Nginx::PORT))
}

fn outcome(scene: &Scene, outcome: &str) -> Result<u64> {
    Ok(scene.daemon.metrics()?.sum("sensor_too_many_total", &[("outcome", outcome)]))
}

/// Writes pieces, and reads until the other side closes.
fn talk(server: SocketAddr, pieces: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    for piece in pieces {
        stream.write_all(piece.as_bytes())?;
    }
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")
}

/// The paths in the server's log that begin so.
fn logged(scene: &Scene, prefix: &str) -> Result<Vec<String>> {
    let log = scene.nginx.as_ref().context("no server")?.access_log()?;
    let paths = log.iter().filter_map(|line| line.split(' ').nth(3)).filter(|path| path.starts_with(prefix));
    Ok(paths.map(str::to_owned).collect())
}

#[test]
fn a_connection_that_stays_open_is_answered_and_closed() -> Result<()> {
    if tools::skipped("a_connection_that_stays_open_is_answered_and_closed", &["nginx"]) {
        return Ok(());
    }
    let scene = scene("1/min:2", "429")?;
    for server in servers() {
        let said = scene.net.world.enter(|| -> Result<String> {
            let mut stream = TcpStream::connect(server)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            for path in ["/kept/1", "/kept/2"] {
                stream.write_all(get(path).as_bytes())?;
                let mut answer = [0; 4_096];
                let length = stream.read(&mut answer)?;
                ensure!(answer.get(..length).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200 ")));
            }
            stream.write_all(get("/kept/refused").as_bytes())?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            Ok(said)
        });
        let said = said.with_context(|| format!("{server}: {}", scene.daemon.log()))?;
        ensure!(said.starts_with("HTTP/1.1 429 Too Many Requests\r\nRetry-After: "), "{server}: {said}");
        ensure!(said.ends_with("Content-Length: 0\r\nConnection: close\r\n\r\n"), "{server}: {said}");
        let after =
            said.split("Retry-After:").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let seconds: u64 = after.trim().parse()?;
        ensure!((50..=60).contains(&seconds), "{server}: try again after {seconds} s");
    }
    ensure!(outcome(&scene, "answered")? == 2, "{}", outcome(&scene, "answered")?);
    ensure!(
        logged(&scene, "/kept/")? == ["/kept/1", "/kept/2", "/kept/1", "/kept/2"],
        "{:?}",
        logged(&scene, "/")?
    );
    let status = scene.daemon.ok(&["status"])?;
    ensure!(status.contains("429          on, 2 requests answered"), "{status}");
    Ok(())
}

#[test]
fn clients_understand_and_try_again() -> Result<()> {
    if tools::skipped("clients_understand_and_try_again", &["nginx", "curl", "python3"]) {
        return Ok(());
    }
    let scene = scene("30/min:1", "429")?;
    let said = |program: &str, args: &[&str]| -> Result<String> {
        let output = scene.net.world.command(program).args(args).output()?;
        Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };
    let python = "import sys, urllib.request, urllib.error\n\
                  try:\n    urllib.request.urlopen(sys.argv[1], timeout=20)\n\
                  except urllib.error.HTTPError as error:\n\
                  \x20   print(error.code, error.headers['Retry-After'], error.read())\n";
    for server in servers() {
        let url = |path: &str| format!("http://{server}{path}");
        let code = ["-g", "-s", "-S", "-o", "/dev/null", "-w", "%{http_code} "];
        let curl = |more: &[&str], path: &str| said("curl", &[&code, more, &[&url(path)]].concat());
        let plain = curl(&["--retry", "9"], "/seen/plain")?;
        ensure!(plain.contains("200"), "{server}: {plain}");
        let refused = curl(&[], "/refused/curl")?;
        ensure!(refused.trim() == "429", "{server}: {refused}");
        let told = said("python3", &["-c", python, &url("/refused/python")])?;
        ensure!(["429 1 b''", "429 2 b''"].contains(&told.trim()), "{server}: {told}");
        let again = curl(&["--retry", "9"], "/seen/retried")?;
        ensure!(again.contains("200"), "{server}: {again}");
    }
    let answered = outcome(&scene, "answered")?;
    ensure!(answered >= 6, "{answered}");
    ensure!(logged(&scene, "/refused")?.is_empty(), "{:?}", logged(&scene, "/refused")?);
    ensure!(logged(&scene, "/seen")?.len() == 4, "{:?}", logged(&scene, "/seen")?);
    Ok(())
}

#[test]
fn a_hundred_clients_at_once_are_answered() -> Result<()> {
    if tools::skipped("a_hundred_clients_at_once_are_answered", &["nginx"]) {
        return Ok(());
    }
    let scene = scene("1/h:1", "429")?;
    let server = SocketAddr::new(SERVER_V4, Nginx::PORT);
    let clients: Vec<_> = (0..100)
        .map(|number| {
            scene.net.world.spawn(move || {
                let request =
                    get(&format!("/many/{number}")).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                talk(server, &[&request])
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for client in clients {
        let said = join(client)?;
        served += usize::from(said.starts_with("HTTP/1.1 200 "));
        refused += usize::from(said.starts_with("HTTP/1.1 429 "));
    }
    ensure!((served, refused) == (1, 99), "{served} served, {refused} told");
    ensure!(logged(&scene, "/many")?.len() == 1, "{:?}", logged(&scene, "/many")?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_dropped_as_ever() -> Result<()> {
    if tools::skipped("what_does_not_fit_is_dropped_as_ever", &["nginx"]) {
        return Ok(());
    }
    let scene = scene("1/h:1", "429")?;
    let server = SocketAddr::new(SERVER_V4, Nginx::PORT);
    let close = "GET /first HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    let first = scene.net.world.enter(|| talk(server, &[close]))?;
    ensure!(first.starts_with("HTTP/1.1 200 "), "{first}");
    let patience = Duration::from_millis(500);
    for (what, text) in [
        ("the beginning of a head", "GET /unfit HTTP/1.1\r\nHost: he"),
        ("a head with content", "POST /unfit HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nab"),
    ] {
        let before = outcome(&scene, "not_one_head")?;
        let said = scene.net.world.enter(|| -> std::io::Result<_> {
            let mut stream = TcpStream::connect(server)?;
            stream.set_read_timeout(Some(patience))?;
            stream.write_all(text.as_bytes())?;
            Ok(stream.read(&mut [0; 64]))
        })?;
        ensure!(said.is_err(), "{what}: {said:?}");
        ensure!(wait_until(PATIENCE, || outcome(&scene, "not_one_head").unwrap_or(0) > before), "{what}");
    }
    ensure!(outcome(&scene, "answered")? == 0);
    ensure!(logged(&scene, "/unfit")?.is_empty());
    Ok(())
}

#[test]
fn nothing_is_answered_unless_opted_for() -> Result<()> {
    if tools::skipped("nothing_is_answered_unless_opted_for", &["nginx"]) {
        return Ok(());
    }
    let scene = scene("1/h:1", "drop")?;
    let source: [IpAddr; 2] = [v4(LEGITIMATE), v4(FLOODER)];
    for client in source {
        let mut client = scene.http_client(client);
        client.timeout = Duration::from_millis(500);
        let tally = scene.net.world.enter(|| client.get_many("/", 2, Duration::from_millis(10)));
        ensure!(tally.ok == 1, "{tally:?}");
        ensure!(tally.why.as_ref().is_none_or(|why| !why.contains("429")), "{tally:?}");
    }
    let status = scene.daemon.ok(&["status"])?;
    ensure!(status.contains("429          off"), "{status}");
    Ok(())
}
