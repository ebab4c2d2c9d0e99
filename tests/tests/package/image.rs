//! The container image: other tools can read it, and its daemon works with the capabilities that the manifests give it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{PATIENCE, WEB, page};
use sensor_tests::netns::{INTERFACE, Net};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;
use tempfile::TempDir;

/// Those of the manifests, and the one that chroot(2) takes, which a container engine would have used before.
const CAPABILITIES: &str = "-all,+bpf,+net_admin,+perfmon,+sys_chroot";

/// The image, or why there is none.
fn image(test: &str) -> Option<PathBuf> {
    let named = env::var_os("SENSOR_IMAGE").map(PathBuf::from).filter(|named| named.is_file());
    if named.is_none() {
        tools::say_skipped(test, "SENSOR_IMAGE names no image: `cargo xtask dist --image` makes one");
    }
    named
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The image's file system, unpacked by umoci from what skopeo copied.
fn unpacked(image: &Path) -> Result<TempDir> {
    let place = tempfile::Builder::new().prefix("sensor-image-").tempdir()?;
    let layout = place.path().join("layout");
    let from = format!("oci-archive:{}", image.display());
    let to = format!("oci:{}:test", layout.display());
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &from, &to]))?;
    let image = format!("{}:test", layout.display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(place.path().join("bundle")))?;
    Ok(place)
}

#[test]
fn other_programs_read_the_image() -> Result<()> {
    let test = "other_programs_read_the_image";
    let Some(image) = image(test) else { return Ok(()) };
    if tools::skipped(test, &["skopeo", "umoci"]) {
        return Ok(());
    }
    let from = format!("oci-archive:{}", image.display());
    let told: Value =
        serde_json::from_str(&run(Command::new("skopeo").args(["inspect", "--config", &from]))?)?;
    ensure!(told["config"]["Entrypoint"][0] == "/usr/bin/sensor", "{told}");
    ensure!(told["os"] == "linux", "{told}");
    let place = unpacked(&image)?;
    let root = place.path().join("bundle/rootfs");
    let version = run(Command::new("chroot").arg(&root).args(["/usr/bin/sensor", "--version"]))?;
    ensure!(version.starts_with("sensor "), "{version}");
    let checked = run(Command::new("chroot").arg(&root).args(["/usr/bin/sensor", "check"]))?;
    ensure!(checked.contains("no mistakes"), "{checked}");
    Ok(())
}

/// As a container engine starts it: in mount and PID namespaces of its own, with few of root's capabilities.
#[test]
fn the_daemon_of_the_image_works_with_three_capabilities() -> Result<()> {
    let test = "the_daemon_of_the_image_works_with_three_capabilities";
    let Some(image) = image(test) else { return Ok(()) };
    if tools::skipped(test, &["skopeo", "umoci", "unshare", "setpriv", "mount"]) {
        return Ok(());
    }
    let place = unpacked(&image)?;
    let root = place.path().join("bundle/rootfs");
    let net = Net::new()?;
    let script = format!(
        "set -e\nroot={}\nmount -t sysfs sys $root/sys\nmount -t bpf bpf $root/sys/fs/bpf\nmount -t proc proc $root/proc\n\
         mount -t tmpfs run $root/run\nmkdir -p $root/run/sensor\n\
         exec setpriv --clear-groups --bounding-set={CAPABILITIES} --inh-caps=-all --no-new-privs chroot $root /usr/bin/sensor run \
         -i {INTERFACE} --web.listen-address {WEB}",
        root.display()
    );
    let log = std::fs::File::create(place.path().join("log"))?;
    let mut command = net.server.command("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script]);
    let mut child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
    let is_served = || {
        let metrics = net.server.enter(|| page(WEB, "/metrics")).unwrap_or_default();
        metrics.contains("sensor_packets_total")
    };
    let served = wait_until(PATIENCE, is_served);
    let status = net.server.enter(|| page(WEB, "/readyz")).unwrap_or_default();
    let attached = net.xdp_on(INTERFACE)?;
    let _killed = child.kill();
    let _ended = child.wait();
    let log = std::fs::read_to_string(place.path().join("log"))?;
    ensure!(served, "no metrics: {log}");
    ensure!(!attached.is_empty(), "nothing is attached: {log}");
    ensure!(status.trim() == "ok", "it is degraded: {status}\n{log}");
    Ok(())
}
