//! Debian's packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Installs `"$@"` while `policy-rc.d` forbids the packages' services to start: a test machine, and still
/// more somebody's laptop, must not get a listening web server from `setup`. An existing policy is the
/// administrator's and stays.
///
/// CrowdSec's package would register the machine with its makers; it does not where that file is there and says something.
///
/// Nothing is removed for it: what would have to go is in use, as a rustup of the same distribution is.
///
/// It is one shell script so that the policy is removed on every way out, an interrupt included.
const INSTALL: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
for package; do
    central=/etc/crowdsec/online_api_credentials.yaml
    if [ "$package" = crowdsec ] && [ ! -e "$central" ]; then
        mkdir -p /etc/crowdsec
        echo '# Not registered with the central API.' >"$central"
    fi
done
apt-get install --yes --no-remove --no-install-recommends "$@"
"#;

/// True on systems whose packages we know.
pub(super) fn available() -> bool {
    process::in_path("apt-get").is_some() && process::in_path("dpkg-query").is_some()
}

/// True when `package` is installed.
pub(super) fn installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    process::capture(&mut query).is_ok_and(|status| status == "installed")
}

/// True when the lists have all of these packages; fetches the lists first.
pub(super) fn offers(packages: &[&str]) -> bool {
    available()
        && update().is_ok()
        && packages.iter().all(|package| {
            let mut show = Command::new("apt-cache");
            show.args(["show", "--no-all-versions", package]);
            process::capture(&mut show).is_ok_and(|shown| shown.contains("Package:"))
        })
}

/// Updates the lists and installs `packages`.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    update()?;
    install_listed(packages)
}

/// Fetches the lists of packages.
pub(super) fn update() -> Result<()> {
    may_install(&[])?;
    process::capture(process::as_root("apt-get", &[]).args(["--quiet", "update"]))?;
    Ok(())
}

/// Installs `packages` from the lists as they are.
pub(super) fn install_listed(packages: &[&str]) -> Result<()> {
    may_install(packages)?;
    let mut install = process::as_root("sh", &[("DEBIAN_FRONTEND", "noninteractive")]);
    install.args(["-c", INSTALL, "sh"]).args(packages);
    let name = format!("apt-get install --no-remove --no-install-recommends {}", packages.join(" "));
    process::capture_as(&name, &mut install)?;
    Ok(())
}

fn may_install(packages: &[&str]) -> Result<()> {
    let packages = packages.join(" ");
    if !available() {
        bail!("this system has no apt-get; install by hand what Debian calls: {packages}");
    }
    if !process::can_be_root() {
        bail!("installing needs root and there is no sudo; run as root: apt-get install {packages}");
    }
    Ok(())
}
