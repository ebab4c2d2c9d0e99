//! `sensor limit suggest`: what limits would have done, as text, and setting the suggested ones.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use humantime::format_duration;
use serde_json::json;

use super::args::SuggestArgs;
use super::output::Rows;
use super::say::{say, say_json};
use super::{output, ssh};
use crate::clock;
use crate::control::wire::{Envelope, LimitRow, Request};
use crate::control::{self, Client};
use crate::duration::milliseconds;
use crate::enforce::Limit;
use crate::suggest::{Candidate, DimensionReport, Report, ScopeReport};

/// Queries, reports, and sets if requested.
pub(super) fn suggest(args: SuggestArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(&args.remote.socket);
    let ask = |request| client.ask(&Envelope { request, ssh: ssh::connection() });
    let since = args.since.map(|time| clock::now().minus(time));
    let request =
        Request::LimitSuggest { since, include_limited: args.include_limited, what_if: args.what_if.into() };
    let answer = ask(request)?;
    let report: Report = control::read(answer.clone())?;
    if !report.lacking.is_empty() && !args.force {
        bail!(
            "not enough traffic yet for a suggestion ({}); wait, or use --force",
            report.lacking.join("; ")
        );
    }
    if !args.apply {
        if json {
            say_json(&answer)?;
        } else {
            say(text(&report))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    for scope in report.scopes.iter().filter(|scope| !scope.suggested.is_empty()) {
        let request = Request::LimitSet {
            scope: scope.scope,
            limits: scope.suggested,
            confirm_ms: args.confirm.map(milliseconds),
        };
        rows = control::read::<Vec<LimitRow>>(ask(request)?)?;
    }
    if rows.is_empty() {
        bail!("nothing to set: no client sent traffic that a limit counts");
    }
    if json {
        say_json(&json!({"suggestion": answer, "limits": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("{}\n\n{}\n", text(&report), output::limits(&rows)))?;
    match args.confirm {
        Some(time) => {
            say(format!("set; rolled back in {} unless `sensor confirm` follows", format_duration(time)))?
        }
        None => say("set; `sensor limit unset SCOPE` removes them")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The report for a person.
fn text(report: &Report) -> String {
    let mut text = observed(report);
    for scope in &report.scopes {
        let _written = write!(text, "\n\n{}", of_scope(scope, report.limited_included));
    }
    let commands: Vec<String> = report.scopes.iter().filter_map(command).collect();
    if !commands.is_empty() {
        let _written = write!(
            text,
            "\n\nsuggested (99th percentile plus headroom, never too tight for a person at a keyboard):\n  {}",
            commands.join("\n  ")
        );
    }
    text
}

fn observed(report: &Report) -> String {
    let since = report.since.map(|since| format!(" since {since}")).unwrap_or_default();
    let mut line = format!(
        "observed {} in total{since}: {} clients, each counted once an hour",
        format_duration(Duration::from_secs(report.observed_seconds)),
        report.clients
    );
    if report.one_in > 1 {
        let _written = write!(line, "; a random one in {} is tracked", report.one_in);
    }
    let excluded = &report.excluded;
    let limited = report.scopes.iter().fold(0, |sum: u64, scope| sum.saturating_add(scope.limited));
    let left_out: Vec<String> = [
        (excluded.blocked, "blocked"),
        (excluded.named, "named by a detector"),
        (
            if report.limited_included { 0 } else { limited },
            "over a limit in force (--include-limited counts them)",
        ),
        (excluded.allowed, "allowed"),
        (excluded.scopes_full, "in scopes beyond the sixteenth"),
        (excluded.missed, "gone between two samples"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {why}"))
    .collect();
    if !left_out.is_empty() {
        let _written = write!(line, "\nleft out: {}", left_out.join(", "));
    }
    for lacking in &report.lacking {
        let _written = write!(line, "\ntoo little data: {lacking}");
    }
    line
}

fn of_scope(scope: &ScopeReport, limited_included: bool) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let asked = scope.dimensions.iter().any(|dimension| dimension.asked.is_some());
    let mut header = vec!["limit", "clients", "p50", "p90", "p99", "all", "suggested", "in force"];
    if asked {
        header.push("asked");
    }
    table.set_header(header);
    let mut table = Rows::of(table);
    for dimension in &scope.dimensions {
        table.add_row(row(dimension, asked));
    }
    table.align_right(1);
    let over = if limited_included { "with" } else { "besides" };
    let limited =
        if scope.limited > 0 { format!(", {over} {} over a limit", scope.limited) } else { String::new() };
    format!(
        "{}: {} clients{limited}; in brackets the share that would have been limited\n{}",
        scope.scope,
        scope.clients,
        output::trimmed(&table)
    )
}

fn row(dimension: &DimensionReport, asked: bool) -> Vec<String> {
    let DimensionReport { dimension: name, clients, p50, p90, p99, max, suggested, in_force, asked: judged } =
        dimension;
    let cell =
        |candidate: &Option<Candidate>| candidate.as_ref().map_or_else(|| "-".to_owned(), candidate_text);
    let mut row = vec![name.clone(), clients.to_string()];
    row.extend([p50, p90, p99, max, suggested].map(candidate_text));
    row.push(cell(in_force));
    if asked {
        row.push(cell(judged));
    }
    row
}

fn candidate_text(candidate: &Candidate) -> String {
    if candidate.limit == Limit::Off {
        return "off".to_owned();
    }
    match candidate.touched {
        Some(share) => format!("{} ({})", candidate.limit, percent(share)),
        None => format!("{} (unknown)", candidate.limit),
    }
}

/// A share as text; a non-zero one never looks like zero.
#[expect(clippy::float_arithmetic, reason = "a share is printed in percent")]
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 { "<0.1%".to_owned() } else { format!("{percent:.1}%") }
}

/// The command that sets the suggestion.
fn command(scope: &ScopeReport) -> Option<String> {
    let flags: String =
        scope.suggested.iter().map(|(dimension, limit)| format!(" --{} {limit}", dimension.name())).collect();
    (!flags.is_empty()).then(|| format!("sensor limit set {}{flags} --confirm 10m", scope.scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::Limits;
    use crate::suggest::Excluded;

    fn candidate(limit: &str, touched: f64) -> Candidate {
        Candidate { limit: limit.parse().unwrap(), touched: Some(touched), traffic: Some(0.5) }
    }

    fn report() -> Report {
        let requests = DimensionReport {
            dimension: "requests".to_owned(),
            clients: 200,
            p50: candidate("10/min:3", 0.5),
            p90: candidate("20/min:10", 0.1),
            p99: candidate("100/min:20", 0.0005),
            max: candidate("200/min:20", 0.0),
            suggested: candidate("200/min:30", 0.0),
            in_force: Some(candidate("off", 0.0)),
            asked: None,
        };
        let suggested = Limits { requests: "200/min:30".parse().ok(), ..Limits::default() };
        let scope = ScopeReport {
            scope: "default".parse().unwrap(),
            clients: 200,
            limited: 3,
            dimensions: vec![requests],
            suggested,
        };
        Report {
            observed_seconds: 7_200,
            one_in: 4,
            clients: 200,
            excluded: Excluded { blocked: 2, named: 1, ..Excluded::default() },
            scopes: vec![scope],
            ..Report::default()
        }
    }

    #[test]
    fn a_report_says_what_it_rests_on() {
        let text = text(&report());
        for part in [
            "observed 2h in total: 200 clients, each counted once an hour; a random one in 4 is tracked",
            "left out: 2 blocked, 1 named by a detector, 3 over a limit in force (--include-limited counts them)",
            "default: 200 clients, besides 3 over a limit",
            "10/min:3 (50.0%)",
            "100/min:20 (<0.1%)",
            "200/min:30 (0.0%)  off",
            "  sensor limit set default --requests 200/min:30 --confirm 10m",
        ] {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
    }

    #[test]
    fn what_was_asked_has_a_column() {
        let mut report = report();
        report.scopes[0].dimensions[0].asked = Some(candidate("120/min:40", 0.015));
        report.lacking = vec!["5 s observed".to_owned()];
        let text = text(&report);
        assert!(text.contains("asked") && text.contains("120/min:40 (1.5%)"), "{text}");
        assert!(text.contains("too little data: 5 s observed"), "{text}");
    }
}
