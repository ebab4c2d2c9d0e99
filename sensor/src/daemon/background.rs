//! Periodic work: expiry, rollback, notices, the program's diagnostics.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::commands::Commands;
use super::degraded;
use super::run::see_http;
use super::sensing::Sensing;
use super::supervisor::{self, Watchdog};
use crate::clock;
use crate::kernel::{self, LinkEvents, Notices};

/// How often blocks expire and unconfirmed changes are rolled back.
const TICK: Duration = Duration::from_millis(500);
/// Ticks between two checks of the host's addresses and routes.
const REFRESH: u32 = 60;
/// Ticks between two checks whether a database was replaced.
const DATABASES: u32 = 10;

/// Expiry and rollback, until dropped.
pub(super) async fn tick(commands: Arc<Commands>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    let mut watchdog = Watchdog::of_environment();
    let mut told = String::new();
    loop {
        ticks.tick().await;
        count = count.wrapping_add(1);
        // If a task holds the lock for ever, the watchdog is not notified.
        let mut engine = commands.engine();
        engine.watch_clock(clock::kernel_clock());
        engine.tick(clock::now());
        let is_half_minute = count.is_multiple_of(REFRESH) || std::mem::take(&mut engine.hurries);
        if is_half_minute {
            engine.renew_operators(clock::now());
            engine.keep_again();
            engine.refresh_protection(clock::now());
            engine.retain_events(clock::now());
            engine.keep_fleet();
            engine.look_at_interfaces();
        }
        let pulse = engine.sensing.as_ref().map(Sensing::pulse);
        let now_degraded = degraded::whole(&engine.degraded());
        drop(engine);
        if now_degraded != told {
            supervisor::status(&now_degraded);
            told = now_degraded;
        }
        if is_half_minute {
            see_http(&commands);
            commands.keep_decisions_aside();
        }
        if is_half_minute || count.is_multiple_of(DATABASES) {
            commands.look_at_databases();
        }
        watchdog.tell(clock::monotonic(), pulse);
    }
}

/// Watches interfaces that go and come back, until dropped. Some may have changed before this started.
pub(super) async fn follow_interfaces(commands: Arc<Commands>) {
    let events = LinkEvents::subscribe().map_err(anyhow::Error::from);
    let mut events = match events.and_then(|events| Ok(kernel::watch_links(events)?)) {
        Ok(events) => events,
        Err(error) => return warn!(%error, "interfaces that come back are found only twice a minute"),
    };
    commands.engine().look_at_interfaces();
    while let Ok(mut ready) = events.readable_mut().await {
        ready.get_inner_mut().drain();
        ready.clear_ready();
        commands.engine().look_at_interfaces();
    }
}

/// Over-limit notices, until dropped.
pub(super) async fn read_notices(notices: Notices, commands: Arc<Commands>) -> std::io::Result<()> {
    let mut ring = kernel::watch_notices(notices)?;
    loop {
        let mut ready = ring.readable_mut().await?;
        while let Some(notice) = ready.get_inner_mut().next_notice() {
            info!(client = %notice.client, limit = notice.reason.label(), dropped = notice.dropped, "over limit");
            commands.engine().note(clock::now(), notice);
        }
        ready.clear_ready();
    }
}

/// The program's diagnostics, until dropped.
pub(super) async fn read_diagnostics(commands: Arc<Commands>) {
    let diagnostics = kernel::watch_diagnostics(&mut commands.engine().dataplane);
    let mut ring = match diagnostics {
        Ok(ring) => ring,
        Err(error) => return warn!(%error, "no diagnostics of the eBPF program"),
    };
    while let Ok(mut ready) = ring.readable_mut().await {
        ready.get_inner_mut().flush();
        ready.clear_ready();
    }
}
