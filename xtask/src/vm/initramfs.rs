//! The machine's whole file system: a shell, the modules, the suite with its libraries.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::kernel::Kernel;
use super::modules;
use crate::process;

/// The shell and the few commands that the machine needs, in one static binary.
pub(super) const BUSYBOX: &str = "busybox";

/// The first process. The machine ends whatever the suite does; only its exit status counts.
const INIT: &str = r#"#!/busybox sh
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sys /sys
/busybox mount -t devtmpfs dev /dev
/busybox mount -t tmpfs tmp /tmp
/busybox mount -t tmpfs run /run
/busybox mount -t bpf bpf /sys/fs/bpf
exec </dev/null >/dev/ttyS0 2>&1
for module in /modules/*.ko; do
    /busybox insmod "$module" || echo "insmod $module failed"
done
/busybox ip link set lo up
/suite
echo "VM-EXIT: $?"
/busybox sync
/busybox poweroff -f
"#;

/// Writes the archive for `kernel` that runs `suite` to `archive`.
pub(super) fn write(kernel: &Kernel, suite: &Path, archive: &Path) -> Result<()> {
    let dir = tempfile::tempdir().context("creating a scratch directory")?;
    let root = dir.path();
    for name in ["proc", "sys", "dev", "tmp", "run", "modules"] {
        fs::create_dir(root.join(name))?;
    }
    let busybox = process::in_path(BUSYBOX).context("busybox cannot be found")?;
    executable(&root.join("busybox"), &fs::read(busybox)?)?;
    executable(&root.join("suite"), &fs::read(suite)?)?;
    executable(&root.join("init"), INIT.as_bytes())?;
    libraries(suite, root)?;
    for (number, module) in modules::read(&kernel.modules)?.iter().enumerate() {
        // The shell expands the pattern in this order.
        let name = format!("{number:02}-{}.ko", module.name);
        fs::write(root.join("modules").join(name), &module.code)?;
    }
    pack(root, archive).with_context(|| format!("packing {}", archive.display()))
}

/// Copies the libraries and the dynamic linker that a program needs to where it looks for them.
fn libraries(program: &Path, root: &Path) -> Result<()> {
    let said = process::capture(Command::new("ldd").arg(program))?;
    for library in paths(&said) {
        let place = root.join(library.trim_start_matches('/'));
        if let Some(directory) = place.parent() {
            fs::create_dir_all(directory)?;
        }
        executable(&place, &fs::read(library).with_context(|| format!("reading {library}"))?)?;
    }
    Ok(())
}

/// The files that `ldd` names: `libc.so.6 => /lib/libc.so.6 (0x7f...)`, or the linker's path alone.
fn paths(said: &str) -> impl Iterator<Item = &str> {
    said.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

fn executable(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn pack(root: &Path, archive: &Path) -> Result<()> {
    let mut cpio = Command::new("sh");
    cpio.args(["-c", "find . | cpio --quiet --create --format=newc --owner=0:0"]).current_dir(root);
    let status = cpio.stdin(Stdio::null()).stdout(File::create(archive)?).status()?;
    if !status.success() {
        bail!("`{}` failed ({status})", process::show(&cpio));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f8e)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f8f)\n";
        assert!(paths(said).eq(["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]));
    }
}
