//! `sensor posture`: the report as text, JSON, a page, or a draft OpenAPI document.

mod page;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::args::{PostureArgs, When, Written};
use super::output::{seconds, table, trimmed};
use super::say::{complain, say, say_json};
use super::{answer_to, control};
use crate::control::wire::{PostureReport, Request, counted};
use crate::posture::{Change, Finding, Report, RouteReport};

/// Places of a finding that text shows.
const PLACES: usize = 8;

pub(super) fn posture(args: &PostureArgs, json: bool) -> Result<ExitCode> {
    let since = args.since.map(When::moment);
    let draft = args.written.openapi.is_some();
    let request = Request::Posture { route: args.route.clone(), since, draft };
    let answer: PostureReport = control::read(answer_to(&args.remote, request)?)?;
    show(&answer, &args.written, json)?;
    Ok(ExitCode::SUCCESS)
}

impl Written {
    /// Whether a file is wanted.
    pub(super) const fn is_any(&self) -> bool {
        self.html.is_some() || self.openapi.is_some()
    }
}

/// Writes the files that are wanted; the report itself where none is, or where JSON is.
pub(super) fn show(answer: &PostureReport, written: &Written, json: bool) -> Result<()> {
    if let Some(path) = &written.html {
        write(path, &page::page(&answer.report))?;
    }
    if let (Some(path), Some(document)) = (&written.openapi, &answer.openapi) {
        write(path, &format!("{document:#}\n"))?;
    }
    if json && !written.is_any() {
        say_json(&answer.report)?;
    } else if !written.is_any() {
        say(text(&answer.report))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new("-") {
        say(text.trim_end())?;
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    complain(format!("sensor: written to {}", path.display()));
    Ok(())
}

fn text(report: &Report) -> String {
    if report.routes.is_empty() {
        return "no route was seen yet; `sensor status` shows which ports are watched".to_owned();
    }
    let mut text = summary(report);
    for finding in &report.findings {
        text.push_str("\n\n");
        text.push_str(&of_finding(finding));
    }
    if let Some(since) = report.changes_since {
        let _infallible = write!(text, "\n\nchanges since {}", seconds(since));
        if report.since >= since {
            let _infallible = write!(text, ": the inventory began only at {}", seconds(report.since));
        } else if report.changes.is_empty() {
            text.push_str(": none");
        }
        report.changes.iter().for_each(|change| text.push_str(&of_change(change)));
    }
    text.push_str("\n\n");
    text.push_str(&routes(&report.routes));
    text
}

fn summary(report: &Report) -> String {
    let mut text = format!(
        "{}, {} since {}; {}",
        counted(length(&report.routes), "operation"),
        counted(report.exchanges, "exchange"),
        seconds(report.since),
        counted(length(&report.findings), "finding")
    );
    if report.no_room > 0 {
        let _infallible =
            write!(text, "; {} exchanges found no place (`[posture] max_routes`)", report.no_room);
    }
    text
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn of_finding(finding: &Finding) -> String {
    let mut text =
        format!("{}: {} ({}, {})", finding.risk.label(), finding.title, finding.class, finding.owasp);
    for place in finding.places.iter().take(PLACES) {
        let _infallible = write!(text, "\n  {} {}: {}", place.method, place.route, place.evidence);
    }
    let more = finding.places.len().saturating_sub(PLACES).saturating_add(finding.more);
    if more > 0 {
        let _infallible = write!(text, "\n  and {more} more");
    }
    let _infallible = write!(text, "\n  remedy: {}", finding.remedy);
    text
}

fn of_change(change: &Change) -> String {
    format!("\n  {} {} {} {}: {}", seconds(change.at), change.what, change.method, change.route, change.says)
}

fn routes(routes: &[RouteReport]) -> String {
    let mut table = table(
        &[
            "method",
            "route",
            "requests",
            "clients",
            "with creds %",
            "refused %",
            "errors %",
            "data in",
            "data out",
            "last seen",
        ],
        2,
    );
    table.align_left(7);
    table.align_left(8);
    for route in routes {
        let share =
            |part| crate::tui::share(part, route.requests).map_or("-".to_owned(), |share| share.to_string());
        table.add_row([
            route.method.clone(),
            shown(route),
            route.requests.to_string(),
            route.clients.to_string(),
            share(route.with_credentials),
            share(route.refused),
            share(route.errors),
            route.data_in.join(" "),
            route.data_out.join(" "),
            seconds(route.last_seen),
        ]);
    }
    trimmed(&table)
}

/// The template, with what is unusual about it.
fn shown(route: &RouteReport) -> String {
    let mut text = route.route.clone();
    if route.deprecated {
        text.push_str(" (deprecated)");
    }
    if route.documented == Some(false) {
        text.push_str(" (undocumented)");
    }
    text
}
