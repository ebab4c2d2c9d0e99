//! The stage that checks dependencies against `deny.toml`.

use anyhow::{Context as _, Result};

use crate::outcome::{Outcome, Skip};
use crate::process;
use crate::setup;

/// What can be checked with the lock file and the packages alone.
const OFFLINE: [&str; 3] = ["bans", "licenses", "sources"];

/// Checks the dependencies. Known vulnerabilities are checked if the advisory database is reachable; otherwise that is
/// reported.
pub(crate) fn check() -> Result<Outcome> {
    setup::denier()?;
    process::run(process::cargo().args(["deny", "check", "--hide-inclusion-graph"]).args(OFFLINE))?;
    if let Err(error) = process::capture(process::cargo().args(["deny", "fetch", "db"])) {
        let reason = format!("the database of advisories cannot be had: {error:#}");
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        return Ok(Outcome::Passed(vec![Skip::new(
            "the check for known vulnerabilities in dependencies",
            reason,
        )]));
    }
    process::run(process::cargo().args(["deny", "check", "--hide-inclusion-graph", "advisories"]))
        .context("a dependency has a known vulnerability, or was withdrawn")?;
    Ok(Outcome::Passed(Vec::new()))
}
