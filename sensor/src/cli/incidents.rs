//! `sensor incidents`, `sensor account`, `sensor block add --incident` and `--dry-run`.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::poll::PollTimeout;

use super::alerts::{evidence, reader_left, shares};
use super::args::{AccountArgs, IncidentsArgs, Remote, When};
use super::names::Names;
use super::output::{clients, printable, seconds, table, trimmed, with_networks};
use super::say::{complain, say, say_json};
use super::{answer_to, ask, ask_for, records};
use crate::clock::{self, Timestamp};
use crate::control;
use crate::control::wire::{
    AccountReport, BlockAdded, IncidentBlocks, LeftAlone, Preview, Question, Request, Target, Typed,
};
use crate::decide::{About, Action, Incident, Participant, RecordId, Step};
use crate::duration::milliseconds;
use crate::groups::Whom;

/// Milliseconds between polls for new steps.
const FOLLOW_MS: u16 = 500;
/// Maximum incidents between two polls without loss.
const MOST: usize = 10_000;
/// Longest name of an account, in bytes.
const MAX_NAME: usize = 4_096;

pub(super) fn incidents(args: &IncidentsArgs, json: bool) -> Result<ExitCode> {
    let IncidentsArgs { open, client, id, follow, .. } = *args;
    let limit = usize::try_from(args.last).unwrap_or(usize::MAX);
    let mut steps = Steps::new();
    let since = args.since.map(When::moment);
    let question = Question::Incidents { since, open, told_after: None, id, client, limit };
    let mut found: Vec<Incident> = ask_for(&args.remote, records(question))?;
    let until = args.until.map(When::moment);
    found.retain(|incident| until.is_none_or(|until| incident.first <= until));
    for incident in &found {
        if json {
            say_json(incident)?;
        } else if id.is_some() {
            say(whole(incident))?;
        } else {
            say(line(incident))?;
        }
    }
    if !follow {
        if found.is_empty() && !json {
            say(if open { "no open incidents" } else { "no incidents" })?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    steps.skip(&found);
    while !reader_left(PollTimeout::from(FOLLOW_MS)) {
        for incident in steps.next(&args.remote)? {
            if json { say_json(&incident)? } else { say(line(&incident))? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Steps of incidents, each once.
pub(super) struct Steps {
    after: Timestamp,
    last: Vec<(RecordId, Timestamp)>,
}

impl Steps {
    /// Those from now on.
    pub(super) fn new() -> Self {
        Self { after: clock::now(), last: Vec::new() }
    }

    /// Already shown.
    fn skip(&mut self, known: &[Incident]) {
        for incident in known {
            self.after = self.after.max(incident.told);
        }
        self.last = known.iter().map(|incident| (incident.id, incident.told)).collect();
    }

    /// Steps since the last poll. The daemon's writer may take a moment, so the polls overlap by a second.
    pub(super) fn next(&mut self, remote: &Remote) -> Result<Vec<Incident>> {
        let told_after = Some(self.after.minus(Duration::from_secs(1)));
        let question =
            Question::Incidents { since: None, open: false, told_after, id: None, client: None, limit: MOST };
        let mut found: Vec<Incident> = ask_for(remote, records(question))?;
        let before = std::mem::take(&mut self.last);
        self.last = found.iter().map(|incident| (incident.id, incident.told)).collect();
        found.retain(|incident| !before.contains(&(incident.id, incident.told)));
        self.after = found.iter().map(|incident| incident.told).fold(self.after, Timestamp::max);
        found.sort_by_key(|incident| incident.told);
        Ok(found)
    }
}

pub(super) fn account(args: &AccountArgs, json: bool) -> Result<ExitCode> {
    let mut name = args.name.clone();
    if name == "-" {
        name.clear();
        let most = u64::try_from(MAX_NAME).unwrap_or(u64::MAX).saturating_add(1);
        std::io::stdin().take(most).read_to_string(&mut name).context("standard input")?;
        name.truncate(name.trim_end_matches(['\r', '\n']).len());
    }
    ensure!(!name.trim().is_empty(), "expected an account name");
    ensure!(name.len() <= MAX_NAME, "the name is longer than {MAX_NAME} bytes");
    let request = Request::Account { name: Typed(name) };
    ask::<AccountReport>(&args.remote, request, json, account_text)
}

fn account_text(report: &AccountReport) -> String {
    let mut lines =
        vec![format!("hash on this host: {}, or {} with Basic authentication", report.user, report.basic)];
    if report.incidents.is_empty() {
        lines.push("no incidents involve this account".to_owned());
    }
    lines.extend(report.incidents.iter().map(line));
    lines.join("\n")
}

/// `sensor block add`, also as a preview.
pub(super) fn block(
    remote: &Remote,
    target: Target,
    (time, reason, fleet): (Option<Duration>, Option<String>, bool),
    is_dry: bool,
    json: bool,
) -> Result<ExitCode> {
    match target {
        target if is_dry => {
            let answer = answer_to(remote, Request::BlockPreview { target })?;
            let found: Preview = control::read(answer.clone())?;
            if json {
                say_json(&answer)?;
            } else if hits_nobody(&found) {
                complain(format!("sensor: {}", preview(&found)));
            } else {
                say(preview(&found))?;
            }
            // As `block add` would.
            Ok(if hits_nobody(&found) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Target::Incident(id) => {
            let request = Request::BlockIncident { id, for_ms: time.map(milliseconds), reason, fleet };
            ask::<IncidentBlocks>(remote, request, json, blocked)
        }
        Target::Prefix(prefix) => one(remote, prefix.into(), (time, reason, fleet), json),
        Target::Group(group) => one(remote, group.into(), (time, reason, fleet), json),
    }
}

fn one(
    remote: &Remote,
    prefix: Whom,
    (time, reason, fleet): (Option<Duration>, Option<String>, bool),
    json: bool,
) -> Result<ExitCode> {
    let request = Request::BlockAdd { prefix, for_ms: time.map(milliseconds), reason, fleet };
    ask::<BlockAdded>(remote, request, json, super::output::blocked)
}

/// Whether `block add` would be refused.
const fn hits_nobody(found: &Preview) -> bool {
    found.prefixes.is_empty() && found.group.is_none()
}

fn left_alone(rows: &[LeftAlone]) -> impl Iterator<Item = String> {
    rows.iter().map(|row| format!("not blocked: {}: {}", row.prefix, printable(&row.why)))
}

fn blocked(report: &IncidentBlocks) -> String {
    let rows = report.blocked.iter().map(super::output::blocked);
    rows.chain(left_alone(&report.left_alone)).collect::<Vec<_>>().join("\n")
}

fn preview(found: &Preview) -> String {
    if hits_nobody(found) {
        let why: Vec<String> = left_alone(&found.left_alone).collect();
        return if why.is_empty() { "nobody to block".to_owned() } else { why.join("\n") };
    }
    let mut lines = Vec::new();
    let what = match &found.prefixes[..] {
        [] => found
            .group
            .map_or_else(|| "nothing".to_owned(), |(group, networks)| with_networks(&group, Some(networks))),
        [one] => one.to_string(),
        [first, ..] => format!("{} prefixes, including {first}", found.prefixes.len()),
    };
    let how =
        if found.enforced { "would block" } else { "would block (mode is monitor: nothing is dropped)" };
    lines.push(format!("{how} {what}; nothing was changed"));
    lines.extend(left_alone(&found.left_alone));
    lines.push(format!(
        "would hit {} of {} current clients, and {} of {} packets in the last second",
        found.hit, found.tracked, found.packets, found.packets_of_all
    ));
    if found.allowed > 0 {
        lines.push(format!("of these, {} are allowed and would pass", found.allowed));
    }
    if found.innocent > 0 {
        lines.push(format!("of these, {} are in no open incident", found.innocent));
    }
    if !found.clients.is_empty() {
        lines.push(clients(&found.clients, &Names::default()));
    }
    lines.join("\n")
}

fn about(incident: &Incident) -> String {
    match &incident.about {
        About::Client(client) => client.to_string(),
        About::Subject(subject) => printable(subject),
    }
}

/// One incident on one line, starting with its latest step.
pub(super) fn line(incident: &Incident) -> String {
    let step = match incident.step {
        Step::Began => "began",
        Step::Worse => "worse",
        Step::Grew => "grew",
        Step::Over => "over",
    };
    format!(
        "{} {} {:<8} {:<5} {} {}: {}{}",
        seconds(incident.told),
        incident.id,
        incident.severity.label(),
        step,
        incident.detector.slug(),
        about(incident),
        size(incident),
        done(incident).map(|done| format!(" [{done}]")).unwrap_or_default()
    )
}

/// Its size and duration.
fn size(incident: &Incident) -> String {
    let attempts =
        if incident.attempts > 0 { incident.detector.counted(incident.attempts) } else { String::new() };
    let clients = match incident.clients {
        0 => String::new(),
        1 => "1 client".to_owned(),
        clients => format!("{clients} clients"),
    };
    let both =
        [attempts, clients].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" by ");
    let both = if both.is_empty() { printable(&incident.summary) } else { both };
    format!("{both}, {} to {}", seconds(incident.first), seconds(incident.last))
}

fn done(incident: &Incident) -> Option<String> {
    let until = incident.until.map(|until| format!(" until {}", seconds(until))).unwrap_or_default();
    let reason = incident.reason_no_action.as_deref().map(printable);
    let (blocked, limited) = (incident.blocked, incident.limited);
    let what = match incident.action {
        Action::None => return reason,
        Action::WouldLimit => format!("would limit {limited}"),
        Action::Limit => format!("{limited} limited"),
        Action::WouldBlock => format!("would block {blocked}"),
        Action::Block => format!("{blocked} blocked"),
    };
    Some(format!("{what}{until}{}", reason.map(|reason| format!("; {reason}")).unwrap_or_default()))
}

/// An incident with all participants.
pub(super) fn whole(incident: &Incident) -> String {
    let mut lines = vec![line(incident), printable(&incident.summary)];
    lines.extend(evidence(&incident.evidence));
    if !incident.groups.is_empty() {
        lines.push(format!("clients are in {}", shares(&incident.groups)));
    }
    if incident.unlisted > 0 {
        lines.push(format!("clients not listed: {}, counted once per report", incident.unlisted));
    }
    if !incident.offenders.is_empty() {
        lines.push(participants(&incident.offenders));
    }
    lines.join("\n")
}

fn participants(rows: &[Participant]) -> String {
    let mut table = table(&["client", "attempts", "first", "last", "action", "until", "reason"], 7);
    table.align_right(1);
    for row in rows {
        let action = match row.action {
            Action::None if row.until.is_some() => "denied",
            Action::None => "",
            Action::WouldLimit => "would limit",
            Action::Limit => "limited",
            Action::WouldBlock => "would block",
            Action::Block => "blocked",
        };
        table.add_row([
            row.client.to_string(),
            row.attempts.to_string(),
            seconds(row.first),
            seconds(row.last),
            action.to_owned(),
            row.until.map(seconds).unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    trimmed(&table)
}

#[cfg(test)]
mod tests;
