//! Observations made each second, like Prometheus, and the kernel's data on the process.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use sensor_tests::daemon::{WEB, page};
use sensor_tests::netns::{Net, join};
use sensor_tests::process::resident;
use sensor_tests::wait;

/// One scrape: how long it took from connecting to the last byte, and how long its text was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scraped {
    pub(crate) took: Duration,
    pub(crate) bytes: usize,
}

/// Scrapes each second; dropping it ends it.
pub(crate) struct Scraper {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Scraped>>>,
    thread: Option<JoinHandle<()>>,
}

impl Scraper {
    /// From the namespace of the daemon.
    pub(crate) fn start(net: &Net) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Scraped>>>::default());
        let (until, into) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = net.server.spawn(move || {
            let mut at = wait::now();
            while !until.load(Ordering::Relaxed) {
                if let Ok(scraped) = scrape() {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(scraped);
                }
                at += Duration::from_secs(1);
                wait::pace_until(at);
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// What was scraped since the last time that this was asked.
    pub(crate) fn take(&self) -> Vec<Scraped> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().into_iter().for_each(join);
    }
}

fn scrape() -> Result<Scraped> {
    let begun = wait::now();
    let text = page(WEB, "/metrics")?;
    Ok(Scraped { took: begun.elapsed(), bytes: text.len() })
}

/// The process as the kernel sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Resident memory, in KiB.
    pub(crate) rss: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

/// A look at it.
pub(crate) fn process(pid: u32) -> Result<Process> {
    let rss = resident(pid)? >> 10;
    Ok(Process { rss, descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() })
}
