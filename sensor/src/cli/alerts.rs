//! `sensor alerts`, `sensor audit`, `sensor explain ALERT_ID`.

use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use super::args::{Remote, When};
use super::incidents::{self, Steps};
use super::names::Names;
use super::output::{printable, seconds};
use super::say::{say, say_json};
use super::{ask_for, records};
use crate::control::wire::{AlertExplanation, Question, Request, WayReport, counted};
use crate::decide::{Action, Alert, AuditEntry, Cause, RecordId, Step};
use crate::detect::{Evidence, Number};
use crate::groups::Share;

/// Options of `sensor alerts`.
pub(super) struct Wanted {
    pub(super) since: Option<When>,
    pub(super) until: Option<When>,
    pub(super) follow: bool,
    pub(super) id: Option<RecordId>,
    pub(super) last: u32,
    /// Resolver for host names.
    pub(super) resolve: bool,
}

/// Milliseconds between polls for new ones.
const FOLLOW_MS: u16 = 500;
/// Maximum alerts between two polls without loss.
const MOST: usize = 100_000;

pub(super) fn alerts(remote: &Remote, wanted: &Wanted, json: bool) -> Result<ExitCode> {
    let (mut since, until) = (wanted.since.map(When::moment), wanted.until.map(When::moment));
    let last = usize::try_from(wanted.last).unwrap_or(usize::MAX);
    // Later ones must not displace others.
    let mut limit = if until.is_some() { MOST } else { last };
    let mut after = None;
    let mut names = Names::of(remote, wanted.resolve)?;
    let mut steps = wanted.follow.then(Steps::new);
    loop {
        let question = Question::Alerts { since, after, id: wanted.id, limit };
        let mut found: Vec<Alert> = ask_for(remote, records(question))?;
        found.retain(|alert| until.is_none_or(|until| alert.ts <= until));
        let surplus = if after.is_none() { found.len().saturating_sub(last) } else { 0 };
        found.drain(..surplus);
        names.look_up(found.iter().filter_map(|alert| alert.about.prefix()));
        for alert in &found {
            tell(alert, &names, json)?;
        }
        if !wanted.follow {
            if found.is_empty() && !json {
                say("no alerts")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(last) = found.last() {
            (since, after) = (Some(last.ts), Some(last.id));
        }
        limit = MOST;
        // The alert itself reports the start.
        let grown = steps.as_mut().map(|steps| steps.next(remote)).transpose()?.unwrap_or_default();
        for incident in grown.iter().filter(|incident| incident.step != Step::Began) {
            if json { say_json(incident)? } else { say(incidents::line(incident))? }
        }
        if reader_left(PollTimeout::from(FOLLOW_MS)) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// One alert, with its client's known names.
fn tell(alert: &Alert, names: &Names, json: bool) -> Result<()> {
    let prefix = alert.about.prefix();
    if json {
        let mut record = serde_json::to_value(alert)?;
        if let Some(prefix) = &prefix {
            names.add_to(&mut record, prefix);
        }
        return Ok(say_json(&record)?);
    }
    // Of one client, its names say it.
    let groups = || Some(shares(&alert.groups)).filter(|text| !text.is_empty());
    let name = prefix.and_then(|prefix| names.get(&prefix)).map(ToString::to_string).or_else(groups);
    let name = name.map(|name| format!(" ({name})"));
    Ok(say(format!("{}{}", line(alert), name.unwrap_or_default()))?)
}

/// The groups of offenders, such as `asn:64500 Example Networks: 12 clients, country:XX: 9 clients`.
pub(super) fn shares(shares: &[Share]) -> String {
    let text = |share: &Share| {
        let organization = share.organization.as_deref().map(|name| format!(" {}", printable(name)));
        format!("{}{}: {}", share.group, organization.unwrap_or_default(), counted(share.clients, "client"))
    };
    shares.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Sends a test alert; fails if a receiver does not accept it.
pub(super) fn test(remote: &Remote, json: bool) -> Result<ExitCode> {
    let ways: Vec<WayReport> = ask_for(remote, Request::AlertsTest)?;
    if json {
        say_json(&ways)?;
    } else {
        for way in &ways {
            let trouble =
                way.trouble.as_deref().map(|why| format!(": {}", printable(why))).unwrap_or_default();
            say(format!("{}: {}{trouble}", way.way, if way.sent { "sent" } else { "not sent" }))?;
        }
    }
    Ok(if ways.iter().all(|way| way.sent) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the reader of our output has gone, or for a time; returns whether it has.
pub(super) fn reader_left(time: PollTimeout) -> bool {
    let out = io::stdout();
    // With no events requested, `poll` reports errors and hang-ups.
    let mut descriptors = [PollFd::new(out.as_fd(), PollFlags::empty())];
    poll(&mut descriptors, time).is_ok_and(|count| count > 0)
}

pub(super) fn audit(
    remote: &Remote,
    (since, until): (Option<When>, Option<When>),
    last: u32,
    json: bool,
) -> Result<ExitCode> {
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let until = until.map(When::moment);
    let limit = if until.is_some() { MOST } else { last };
    let mut found: Vec<AuditEntry> =
        ask_for(remote, records(Question::Audit { since: since.map(When::moment), limit }))?;
    found.retain(|entry| until.is_none_or(|until| entry.ts <= until));
    found.drain(..found.len().saturating_sub(last));
    for entry in &found {
        if json { say_json(entry)? } else { say(entry_line(entry))? }
    }
    if found.is_empty() && !json {
        say("no changes")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One alert on one line.
pub(super) fn line(alert: &Alert) -> String {
    let about = about(alert);
    // Most summaries begin with the subject, which is already on the line.
    let summary = alert.summary.strip_prefix(&about).and_then(|rest| rest.strip_prefix(' '));
    let units = alert.units.join(", ");
    format!(
        "{} {} {:<8} {} {}: {}{}{}",
        seconds(alert.ts),
        alert.id,
        alert.severity.label(),
        alert.detector.slug(),
        printable(&about),
        printable(summary.unwrap_or(&alert.summary)),
        if units.is_empty() { String::new() } else { format!(", at {}", printable(&units)) },
        done(alert).map(|done| format!(" [{done}]")).unwrap_or_default()
    )
}

fn about(alert: &Alert) -> String {
    match &alert.about {
        crate::decide::About::Client(client) => client.to_string(),
        crate::decide::About::Subject(subject) => subject.clone(),
    }
}

fn done(alert: &Alert) -> Option<String> {
    let until = alert.until.map(|until| format!(" until {}", seconds(until))).unwrap_or_default();
    let reason = alert.reason_no_action.as_deref();
    let what = match alert.action {
        Action::None => return reason.map(printable),
        Action::WouldLimit => "would limit",
        Action::Limit => "limited",
        Action::WouldBlock => "would block",
        Action::Block => "blocked",
    };
    Some(format!(
        "{what}{until}{}",
        reason.map(|reason| format!("; {}", printable(reason))).unwrap_or_default()
    ))
}

fn entry_line(entry: &AuditEntry) -> String {
    let what = serde_json::to_value(entry.what).ok();
    let what = what.as_ref().and_then(Value::as_str).unwrap_or_default().replace('_', " ");
    let cause = match &entry.cause {
        Cause::Detector { detector } => format!("detector {}", detector.slug()),
        Cause::Command { uid, pid, user: Some(user) } => {
            format!("command by {}, user {uid}, process {pid}", printable(user))
        }
        Cause::Command { uid, pid, user: None } => format!("command by user {uid}, process {pid}"),
        Cause::Configuration => "configuration".to_owned(),
        Cause::Expiry => "expired".to_owned(),
        Cause::Daemon => "daemon".to_owned(),
        Cause::Fleet { host: Some(host) } => format!("fleet, {}", printable(host)),
        Cause::Fleet { host: None } => "fleet".to_owned(),
        Cause::Crowdsec => "CrowdSec".to_owned(),
    };
    let until = entry.until.map(|until| format!(" until {}", seconds(until))).unwrap_or_default();
    let alert = entry.alert_id.map(|id| format!(", alert {id}")).unwrap_or_default();
    let detail = entry.detail.as_deref().map(|text| format!(": {}", printable(text))).unwrap_or_default();
    format!("{} {what} {}{until} ({cause}{alert}){detail}", seconds(entry.ts), printable(&entry.subject))
}

/// An alert with all its evidence.
pub(super) fn explanation(found: &AlertExplanation) -> String {
    let alert = &found.alert;
    let mut lines = vec![
        line(alert),
        format!(
            "seen from {} to {}, confidence {:.2}, {}",
            seconds(alert.window.start),
            seconds(alert.window.end),
            alert.confidence,
            alert.owasp
        ),
    ];
    lines.extend(evidence(&alert.evidence));
    if !alert.groups.is_empty() {
        lines.push(format!("offenders are in {}", shares(&alert.groups)));
    }
    if let Some(incident) = &found.incident {
        lines.push(format!("incident: {}", incidents::line(incident)));
    }
    if found.audit.is_empty() {
        lines.push("no policy changes".to_owned());
    }
    lines.extend(found.audit.iter().map(entry_line));
    lines.push(format!("to change this: {}", found.undo.join("; or ")));
    lines.join("\n")
}

/// The evidence of an alert or an incident.
pub(super) fn evidence(evidence: &Evidence) -> Vec<String> {
    let mut lines = vec!["evidence:".to_owned()];
    for (name, number) in &evidence.numbers {
        let number = match number {
            Number::Count(count) => count.to_string(),
            Number::Ratio(ratio) => format!("{ratio:.3}"),
            Number::Text(text) => printable(text),
        };
        lines.push(format!("  {} {number}", printable(name).replace('_', " ")));
    }
    for sample in &evidence.exchanges {
        let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), printable);
        lines.push(format!(
            "  {} {} {} {} {} {}{}",
            seconds(sample.ts),
            sample.client,
            text(&sample.method),
            text(if sample.path.is_some() { &sample.path } else { &sample.route }),
            sample.status.map_or("-".to_owned(), |status| status.to_string()),
            text(&sample.user),
            sample.unit.as_deref().map(|unit| format!(" {}", printable(unit))).unwrap_or_default()
        ));
    }
    lines
}

/// The event store's part of a client's explanation.
pub(super) fn past(alerts: &[Alert], audit: &[AuditEntry]) -> Vec<String> {
    let alerts = alerts.iter().map(|alert| format!("alert: {}", line(alert)));
    alerts.chain(audit.iter().map(|entry| format!("change: {}", entry_line(entry)))).collect()
}
