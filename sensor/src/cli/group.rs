//! `sensor explain` of a group: which rules name it.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::args::Remote;
use super::ask_for;
use super::output::{self, printable};
use super::say::{say, say_json};
use crate::control::wire::{AllowRow, BlockRow, LimitRow, Request, StatusReport, counted};
use crate::enforce::Scope;
use crate::groups::Group;

/// The rules for a group.
#[derive(Debug, Serialize)]
struct Rules {
    group: Group,
    /// Networks in the kernel; absent if no rule names it.
    networks: Option<u64>,
    allow: Option<AllowRow>,
    block: Option<BlockRow>,
    limits: Option<LimitRow>,
    /// What is wrong with its database.
    degraded: Vec<String>,
}

pub(super) fn explain(remote: &Remote, group: Group, json: bool) -> Result<ExitCode> {
    let status: StatusReport = ask_for(remote, Request::Status)?;
    let allows: Vec<AllowRow> = ask_for(remote, Request::AllowList)?;
    let blocks: Vec<BlockRow> = ask_for(remote, Request::BlockList)?;
    let limits: Vec<LimitRow> = ask_for(remote, Request::LimitList)?;
    let about = format!("{group}:");
    let rules = Rules {
        group,
        networks: status.groups.iter().find(|(found, _)| *found == group).map(|(_, networks)| *networks),
        allow: allows.into_iter().find(|row| row.prefix == group.into()),
        block: blocks.into_iter().find(|row| row.prefix == group.into()),
        limits: limits.into_iter().find(|row| row.scope == Scope::Group(group)),
        degraded: status
            .degraded
            .into_iter()
            .map(|found| found.what)
            .filter(|what| what.starts_with(&about))
            .collect(),
    };
    if json {
        say_json(&rules)?
    } else {
        say(text(&rules))?
    }
    Ok(ExitCode::SUCCESS)
}

fn text(rules: &Rules) -> String {
    let Rules { group, networks, allow, block, limits, degraded } = rules;
    let Some(networks) = networks else {
        return format!(
            "no rule names {group}; `sensor block add {group} --dry-run` shows whom a block would hit, `sensor clients --by \
             {}` who is there",
            if let Group::Asn(_) = group { "asn" } else { "country" }
        );
    };
    let mut lines = vec![format!("{group}: {}", counted(*networks, "network"))];
    lines.extend(degraded.iter().map(|what| format!("degraded: {}", printable(what))));
    if let Some(row) = allow {
        lines.push("allowed, which no block or limit overrides:".to_owned());
        lines.extend(indented(&output::allows(&vec![row.clone()])));
        lines.push(format!("to change this: sensor allow remove {group}"));
    }
    if let Some(row) = block {
        lines.push("blocked, but for what is allowed or never blocked:".to_owned());
        lines.extend(indented(&output::blocks(&vec![row.clone()])));
        lines.push(format!("to change this: sensor block remove {group}"));
    }
    if let Some(row) = limits {
        lines.push(
            "limits of each of its clients, but for those with a longer prefix of their own:".to_owned(),
        );
        lines.extend(indented(&output::limits(&vec![row.clone()])));
        lines.push(format!("to change this: sensor limit unset {group}"));
    }
    lines.join("\n")
}

fn indented(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| format!("  {line}"))
}
