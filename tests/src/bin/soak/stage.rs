//! The server, the daemon, and their clients.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sensor_tests::daemon::{Daemon, PATIENCE, Scrape};
use sensor_tests::netns::{LEGITIMATE, Net, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::scene::config;
use sensor_tests::wait::wait_until;

use crate::load::{self, Load};
use crate::report::Report;
use crate::watch::{self, Process, Scraper};

/// Prefixes blocked at the start, that must be blocked at the end.
pub(crate) const BLOCKS: u8 = 20;

/// Dropped in this order: first who talks, then who listens.
pub(crate) struct Stage {
    pub(crate) load: Load,
    pub(crate) scraper: Scraper,
    pub(crate) daemon: Daemon,
    disk: Disk,
    _nginx: Nginx,
    pub(crate) net: Net,
}

impl Stage {
    /// Everything runs, and exchanges are seen.
    pub(crate) fn set(rate: u32) -> Result<Self> {
        let net = Net::new()?;
        route(&net)?;
        net.world.ip("route add local 10.32.0.0/16 dev lo\n")?;
        let nginx = Nginx::start(&net.server)?;
        let mut daemon = Daemon::prepare(&net, &config("enforce", "off"))?;
        daemon.hide_log();
        let disk = Disk::mount(daemon.state_dir())?;
        daemon.run()?;
        for number in 0..BLOCKS {
            daemon.ok(&["block", "add", &load::blocked(number).to_string(), "--for", "2h"])?;
        }
        let (load, scraper) = (Load::start(&net, rate), Scraper::start(&net));
        let stage = Self { load, scraper, daemon, disk, _nginx: nginx, net };
        stage.flows()?;
        Ok(stage)
    }

    /// The metrics now.
    pub(crate) fn metrics(&self) -> Result<Scrape> {
        self.daemon.metrics()
    }

    /// The sum of a family's samples with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.metrics().map_or(0, |metrics| metrics.sum(name, labels))
    }

    /// Whether a family's sum becomes what is asked for.
    pub(crate) fn becomes(&self, name: &str, labels: &[(&str, &str)], is: impl Fn(u64) -> bool) -> bool {
        wait_until(PATIENCE, || self.metrics().is_ok_and(|metrics| is(metrics.sum(name, labels))))
    }

    /// Waits until exchanges are seen.
    pub(crate) fn flows(&self) -> Result<()> {
        let seen = "sensor_http_exchanges_total";
        let before = self.sum(seen, &[]);
        ensure!(
            self.becomes(seen, &[], |now| now > before + 100),
            "no exchange is seen: {}",
            self.daemon.log()
        );
        Ok(())
    }

    /// The daemon's process.
    pub(crate) fn process(&self) -> Result<Process> {
        watch::process(self.daemon.pid().context("the daemon does not run")?)
    }

    /// Whether a connection from an address comes about.
    pub(crate) fn is_answered(&self, source: IpAddr) -> bool {
        let client = Client { timeout: Duration::from_millis(300), ..Client::new(source, load::SERVER) };
        self.net.world.enter(|| client.get("/")).is_ok()
    }

    /// Whether what was blocked is blocked, and the others are not.
    pub(crate) fn blocks_hold(&self) -> bool {
        !self.is_answered(load::blocked(1)) && wait_until(PATIENCE, || self.is_answered(v4(LEGITIMATE)))
    }

    /// Makes the disk full, or gives it room again.
    pub(crate) fn fill_disk(&self, full: bool) -> Result<()> {
        self.disk.fill(full)
    }

    /// The last checks.
    pub(crate) fn end(self, report: &mut Report) -> Result<()> {
        let log = self.daemon.log();
        let panics = log.lines().filter(|line| line.contains("panicked")).count();
        report.check("panics in the log", panics, panics == 0);
        let blocks = self.sum("sensor_blocks_active", &[]);
        report.check("blocks at the end", blocks, blocks >= BLOCKS.into() && self.blocks_hold());
        report.tell("exchanges answered in all", self.load.answered());
        report.tell("connections that failed in all", self.load.failed());
        Ok(())
    }
}

/// The way back to the clients; the kernel forgets it whenever the interface goes down.
pub(crate) fn route(net: &Net) -> Result<()> {
    net.server.ip(&format!("route replace 10.32.0.0/16 via {}\n", v4(LEGITIMATE)))
}

/// A small disk for the state directory.
struct Disk {
    at: PathBuf,
}

impl Disk {
    fn mount(at: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&at)?;
        mount(Some("sensor-soak"), &at, Some("tmpfs"), MsFlags::empty(), Some("size=16m,mode=0700"))?;
        Ok(Self { at })
    }

    fn fill(&self, full: bool) -> Result<()> {
        let file = self.at.join("filler");
        if !full {
            return Ok(std::fs::remove_file(file)?);
        }
        // It ends with the error that is wanted.
        let written = std::fs::write(file, vec![0; 32 << 20]);
        ensure!(written.is_err(), "the disk of 16 MiB took 32");
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where this fails, what is left is an empty mount in a directory for temporary files.
        let _unmounted = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}
