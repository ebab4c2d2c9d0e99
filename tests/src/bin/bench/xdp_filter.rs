//! The reference: xdp-filter of the xdp-tools, loaded as its users load it.

use anyhow::{Context as _, Result};
use aya::programs::loaded_programs;
use nix::net::if_::if_nametoindex;
use sensor::kernel::link_facts;

use crate::command;
use crate::contest::Program;
use crate::link::Pair;
use crate::plane::CLIENT;
use crate::report::Report;

/// xdp-filter with an entry that denies [`CLIENT`].
pub(crate) struct XdpFilter {
    /// What is attached with `-f ipv4`.
    pub(crate) ipv4: Program<'static>,
    /// What is attached with `-f all`.
    pub(crate) all: Program<'static>,
}

/// Loads it; `None`, with a note, where it is not installed.
pub(crate) fn load(report: &mut Report) -> Result<Option<XdpFilter>> {
    for (program, package) in [("xdp-filter", "xdp-tools"), ("bpftool", "bpftool")] {
        if !command::exists(program) {
            report.note(format!(
                "{program} IS NOT INSTALLED (apt install {package}): compared with the empty program only"
            ));
            return Ok(None);
        }
    }
    let ipv4 = attached(report, "filter-v4", "ipv4")?;
    let all = attached(report, "filter-all", "all")?;
    command::run("xdp-filter", &["ip", "-m", "src", &CLIENT.to_string()])?;
    Ok(Some(XdpFilter { ipv4, all }))
}

/// The program on the interface: xdp-filter's own, or the dispatcher of libxdp where the kernel can extend
/// programs. Either is what a packet runs.
fn attached(report: &mut Report, name: &str, features: &str) -> Result<Program<'static>> {
    let peer = Pair::create(name)?.peer;
    command::run("xdp-filter", &["load", "-m", "native", "-f", features, &peer])?;
    let facts = link_facts(if_nametoindex(peer.as_str())?)?;
    let id = facts.program_id.context("xdp-filter attached nothing")?;
    let program = loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .context("xdp-filter's program is gone")?;
    let called = program.name_as_str().unwrap_or("unnamed");
    report.note(format!("`xdp-filter load -f {features}` is measured as the attached program, {called}"));
    Ok(Program::Numbered(id))
}
