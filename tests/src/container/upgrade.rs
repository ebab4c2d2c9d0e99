//! Other versions of the package, and what an upgrade must not interrupt.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Container;
use crate::daemon::PATIENCE;
use crate::netns::{LEGITIMATE, Net, join, v4};
use crate::peers::udp::{self, Sink};
use crate::scene::{UDP_PORT, udp_target};
use crate::wait::wait_until;

/// Lower than any that is released.
const BEFORE: &str = "0.0.1";

/// The same package under another version.
///
/// # Errors
/// If it cannot be taken apart or put together.
pub fn with_version(deb: &Path, scratch: &Path, version: &str) -> Result<PathBuf> {
    build(deb, scratch, version, "")
}

/// The package as it was when the daemon ran as root: that version's unit and script, with today's program.
///
/// # Errors
/// If it cannot be taken apart or put together.
pub fn as_root(deb: &Path, scratch: &Path) -> Result<PathBuf> {
    std::fs::write(scratch.join("sensor.service"), include_str!("before/sensor.service"))?;
    std::fs::write(scratch.join("postinst"), include_str!("before/postinst"))?;
    let replace = "find \"$2/tree\" -name sensor.service -exec cp \"$2/sensor.service\" {} \\; ; \
                   install -m 755 \"$2/postinst\" \"$2/tree/DEBIAN/postinst\"; \
                   find \"$2/tree\" -path '*/sysusers.d/sensor.conf' -exec sh -c 'echo g sensor - >\"$1\"' sh {} \\;;";
    build(deb, scratch, BEFORE, replace)
}

fn build(deb: &Path, scratch: &Path, version: &str, change: &str) -> Result<PathBuf> {
    let script = format!(
        "set -e; dpkg-deb -R \"$1\" \"$2/tree\"; {change} \
         sed -i \"s/^Version: .*/Version: $3/\" \"$2/tree/DEBIAN/control\"; \
         dpkg-deb --root-owner-group -Zgzip -z1 -b \"$2/tree\" \"$2/$3.deb\""
    );
    let output =
        Command::new("sh").args(["-c", &script, "sh"]).arg(deb).arg(scratch).arg(version).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(scratch.join(format!("{version}.deb")))
}

/// Installs a package while a blocked client sends a thousand packets a second: none may arrive, and the new daemon
/// must adopt the kernel's state.
///
/// # Errors
/// If one arrives, or it does not.
pub fn under_fire(net: &Net, container: &Container, blocked: IpAddr, next: &str) -> Result<()> {
    let sink = Sink::start(&net.server, UDP_PORT)?;
    let allowed = v4(LEGITIMATE);
    let pid = container.property("MainPID")?;
    let stop = Arc::new(AtomicBool::new(false));
    let stream = |source| {
        let sent = Arc::new(AtomicU64::new(0));
        let (counted, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        let every = Duration::from_millis(1);
        let thread =
            net.world.spawn(move || udp::stream(source, udp_target(source), every, 600_000, &counted, &stop));
        (sent, thread)
    };
    let streams = [stream(blocked), stream(allowed)];
    let all_sent = |count| streams.iter().all(|(sent, _)| sent.load(Ordering::Relaxed) >= count);
    let outcome = (|| {
        ensure!(wait_until(PATIENCE, || all_sent(200)), "nothing is sent");
        container.ok(&["dpkg", "--install", next])?;
        let so_far = streams[0].0.load(Ordering::Relaxed);
        ensure!(wait_until(PATIENCE, || all_sent(so_far.saturating_add(200))), "nothing is sent any more");
        Ok(so_far)
    })();
    stop.store(true, Ordering::Relaxed);
    for (_, thread) in streams {
        join(thread)?;
    }
    let sent = outcome?;
    ensure!(container.property("ActiveState")? == "active", "the daemon does not run after the upgrade");
    ensure!(container.property("MainPID")? != pid, "the upgrade does not restart the daemon");
    let passed = sink.packets_from(blocked);
    ensure!(passed == 0, "{passed} of more than {sent} packets of a blocked client passed");
    ensure!(sink.packets_from(allowed) > 0, "nobody's packets passed");
    let status = container.ok(&["sensor", "status", "--json"])?;
    ensure!(status.contains("\"adopted\":true") || status.contains("\"adopted\": true"), "{status}");
    Ok(())
}
