//! `sensor top` in a real terminal, and `sensor routes`: what an operator sees and does while traffic flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{self, PATIENCE};
use sensor_tests::netns::{FLOODER, LEGITIMATE, join, v4};
use sensor_tests::peers::udp;
use sensor_tests::scene::{Scene, config, udp_target};
use sensor_tests::tmux::Tmux;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// A flood of small packets and somebody who reads a page, until told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn start(scene: &Scene) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let every = Duration::from_millis(2);
        let target = udp_target(v4(FLOODER));
        let flood = scene.net.world.spawn(move || {
            // A flood ends by being stopped.
            let _sent = udp::stream(v4(FLOODER), target, every, 1_000_000, &AtomicU64::new(0), &stopped);
        });
        let stopped = Arc::clone(&stop);
        let client = scene.http_client(v4(LEGITIMATE));
        let reader = scene.net.world.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let _answered = client.get_many("/files/1k.txt", 1, Duration::ZERO);
                let _missing = client.get_many("/files/none.txt", 1, Duration::ZERO);
                let _stopped = wait_until(Duration::from_millis(40), || stopped.load(Ordering::Relaxed));
            }
        });
        Self { stop, threads: vec![flood, reader] }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(join);
    }
}

/// What a shell types to look at a daemon, with something before and after to see the terminal by.
fn script(scene: &Scene, flags: &str) -> Result<String> {
    let program = daemon::binary()?;
    let (program, socket) = (program.display(), scene.daemon.socket());
    let socket = socket.display();
    Ok(format!("echo before; {program} top --socket {socket} {flags}; echo ended with $?; stty -a"))
}

/// The shell's screen is back, with its cursor and its keys.
fn is_given_back(terminal: &Tmux) -> Result<()> {
    let has_ended = |screen: &str| screen.contains("ended with 0") && screen.contains("icanon");
    let screen = terminal.wait_for(PATIENCE, "end", has_ended)?;
    ensure!(screen.contains("before") && !screen.contains("1 Clients"), "the screen is not clean:\n{screen}");
    ensure!(
        !screen.contains("-icanon") && !screen.contains("-echo "),
        "the keys are not given back:\n{screen}"
    );
    let flags = [terminal.variable("alternate_on")?, terminal.variable("cursor_flag")?];
    ensure!(flags == ["0", "1"], "the alternate screen or the cursor: {flags:?}");
    Ok(())
}

#[test]
fn an_operator_sees_and_blocks_a_flooder() -> Result<()> {
    if tools::skipped("an_operator_sees_and_blocks_a_flooder", &["tmux", "nginx"]) {
        return Ok(());
    }
    let mut scene = Scene::with_nginx(&config("enforce", "off"))?;
    let traffic = Traffic::start(&scene);
    let terminal = Tmux::start((80, 24), &script(&scene, "")?)?;
    let sees = |what: &str| terminal.wait_for(PATIENCE, what, |screen| screen.contains(what));
    sees("ENFORCE")?;
    sees("> 10.9.0.66 ")?;
    sees("10.9.0.2 ")?;
    sees("GET /files/1k.txt")?;
    let blocked = || scene.daemon.json(&["block", "list"]);
    terminal.press(&["b"])?;
    sees("> 10m_")?;
    terminal.press(&["Enter"])?;
    sees("Block 10.9.0.66/32 for 10m?")?;
    ensure!(blocked()? == serde_json::json!([]), "it was blocked before it was confirmed");
    terminal.press(&["y"])?;
    sees("done: blocked 10.9.0.66/32 for 10m")?;
    let list = blocked()?;
    ensure!(list[0]["prefix"] == "10.9.0.66/32" && list[0]["until"].is_string(), "{list}");
    sees("BLOCKED 9m")?;
    terminal.press(&["e"])?;
    sees("dropped: blocked by 10.9.0.66/32")?;
    terminal.press(&["Escape"])?;
    terminal.press(&["4"])?;
    sees(">4 Blocks, 1")?;
    terminal.press(&["u"])?;
    sees("Lift the block of 10.9.0.66/32?")?;
    terminal.press(&["y"])?;
    sees("Nothing is blocked.")?;
    ensure!(blocked()? == serde_json::json!([]), "the block was not lifted");
    // A daemon that goes is told, and one that comes is found.
    scene.daemon.terminate()?;
    sees("NO DAEMON")?;
    scene.daemon.run()?;
    terminal.wait_for(PATIENCE, "daemon again", |screen| !screen.contains("NO DAEMON"))?;
    terminal.press(&["q"])?;
    is_given_back(&terminal)?;
    drop(traffic);
    Ok(())
}

#[test]
fn without_colours_in_a_large_terminal_until_a_signal() -> Result<()> {
    if tools::skipped("without_colours_in_a_large_terminal_until_a_signal", &["tmux", "nginx"]) {
        return Ok(());
    }
    let scene = Scene::with_nginx(&config("monitor", "off"))?;
    let traffic = Traffic::start(&scene);
    let terminal = Tmux::start((140, 45), &format!("export NO_COLOR=1; {}", script(&scene, "")?))?;
    let sees = |what: &str| terminal.wait_for(PATIENCE, what, |screen| screen.contains(what));
    for what in ["MONITOR (drops nothing)", "> 10.9.0.66 ", "GET /files/", "3 Alerts", "4 Blocks"] {
        sees(what)?;
    }
    let looks = terminal.screen_with_looks()?;
    ensure!(!has_colours(&looks), "{looks}");
    drop(traffic);
    let routes = scene.daemon.json(&["routes"])?;
    let row = routes["routes"].as_array().into_iter().flatten().find(|row| row["route"] == "/files/1k.txt");
    let row = row.with_context(|| format!("the route is not told: {routes}"))?;
    ensure!(row["method"] == "GET" && row["total"]["requests"].as_u64() > Some(0), "{row}");
    ensure!(row["total"]["client_errors"] == 0 && row["p99_us"].as_u64() > Some(0), "{row}");
    let errors = scene.daemon.ok(&["routes", "--sort", "errors", "--top", "1"])?;
    ensure!(errors.lines().count() <= 3 && errors.contains("GET"), "{errors}");
    kill(top_in(&terminal)?, Signal::SIGTERM)?;
    is_given_back(&terminal)?;
    // A terminal that is closed, as when ssh breaks off, leaves nothing behind: neither by the signal, nor where
    // that is ignored.
    for ignore in ["", "trap '' HUP; "] {
        let terminal = Tmux::start((80, 24), &format!("{ignore}{}", script(&scene, "")?))?;
        terminal.wait_for(PATIENCE, "picture", |screen| screen.contains("1 Clients"))?;
        let top = top_in(&terminal)?;
        drop(terminal);
        let has_ended = wait_until(PATIENCE, || kill(top, None).is_err());
        ensure!(has_ended, "it outlives its terminal ({ignore}): {top}");
    }
    Ok(())
}

/// The process that the terminal's shell waits for.
fn top_in(terminal: &Tmux) -> Result<Pid> {
    let shell = terminal.variable("pane_pid")?;
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
    Ok(Pid::from_raw(children.trim().parse().with_context(|| format!("not one child: {children}"))?))
}

/// Whether a colour is selected: 30 to 49, 90 to 107 (ECMA-48, SGR).
fn has_colours(screen: &str) -> bool {
    let looks = screen.split("\u{1b}[").skip(1).filter_map(|part| part.split_once('m'));
    let numbers = looks.flat_map(|(look, _)| look.split([';', ':'])).filter_map(|number| number.parse().ok());
    // 39 and 49 are the terminal's own.
    numbers.into_iter().any(|number: u8| matches!(number, 30..=38 | 40..=48 | 90..=107))
}

#[test]
fn without_a_daemon_or_a_terminal_it_says_what_to_do() -> Result<()> {
    if tools::skipped("without_a_daemon_or_a_terminal_it_says_what_to_do", &["tmux"]) {
        return Ok(());
    }
    let program = daemon::binary()?;
    let output = std::process::Command::new(&program).arg("top").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("sensor status --json"), "{said}");
    let script = format!("{} top --socket /nonexistent/sock; echo ended with $?", program.display());
    let terminal = Tmux::start((80, 24), &script)?;
    let screen = terminal.wait_for(PATIENCE, "end", |screen| screen.contains("ended with 3"))?;
    ensure!(screen.contains("no daemon answers on /nonexistent/sock"), "{screen}");
    Ok(())
}
