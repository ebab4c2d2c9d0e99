//! The picture of `sensor top` in the README: a real terminal, a real daemon, an attack on logins and a flood.
//!
//! Everything happens in network namespaces that it creates and removes.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "it adds up times, and says where the picture is"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle_svg::Term;
use anyhow::{Context as _, Result};
use clap::Parser;
use sensor_tests::daemon::{self, Daemon, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, Net, SERVER_V4, join, v4};
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::udp;
use sensor_tests::scene::udp_target;
use sensor_tests::sim::Simulation;
use sensor_tests::sim::attack::Scenario;
use sensor_tests::sim::live::{self, Pace};
use sensor_tests::sim::plan::{MINUTE, Plan};
use sensor_tests::tmux::Tmux;
use sensor_tests::wait::wait_until;

/// Takes the picture of `sensor top`.
#[derive(Debug, Parser)]
#[command(name = "sensor-picture")]
struct Args {
    /// Where it goes
    #[arg(long, value_name = "FILE", default_value = "docs/top.svg")]
    out: PathBuf,
}

const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, LoginServer::PORT);
const ATTACK: &str = "stuffing, 1 address, 10/s";
/// What the charts are to show of the time before and after the block.
const HISTORY: Duration = Duration::from_secs(45);
/// A flood of some seconds, well over the limit of packets.
const FLOOD: u64 = 1_500_000;

fn main() -> Result<()> {
    let args = Args::parse();
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let daemon = Daemon::start(&net, &format!("mode = \"enforce\"\n{SMALL_TABLES}"))?;
    let program = daemon::binary()?;
    let script = format!("{} top --socket {}", program.display(), daemon.socket().display());
    let terminal = Tmux::start((120, 34), &script)?;
    terminal.wait_for(PATIENCE, "mode", |screen| screen.contains("ENFORCE"))?;
    let pace = Pace { faster: 4, residents: 200, attackers: 1, logins_only: true };
    live::prepare(&net, &pace)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let flood = net.world.spawn(move || {
        let _early = wait_until(HISTORY / 2, || stopped.load(Ordering::Relaxed));
        // How much of it the network took is on the screen.
        let _sent = udp::flood(v4(FLOODER), udp_target(v4(FLOODER)), 64, FLOOD, &stopped);
    });
    let scenario = Scenario::named(ATTACK).context(ATTACK)?;
    let plan = Plan { behaviours: Vec::new(), ..Plan::busy(1, live::noon(), 3 * MINUTE) };
    let attack = scenario.begin(plan.start.plus(2 * MINUTE));
    let played = live::play(&net, SERVER, Simulation::with_attack(&plan, attack), &pace);
    let picture = terminal.screen_with_looks();
    stop.store(true, Ordering::Relaxed);
    join(flood);
    played?;
    fs::write(&args.out, Term::new().render_svg(picture?.trim_end()))?;
    println!("{}", args.out.display());
    Ok(())
}
