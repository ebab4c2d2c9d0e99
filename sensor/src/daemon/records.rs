//! Answers from the event store. Reading waits for the disk, so it happens without the engine's lock.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::control::wire::{AlertExplanation, Explanation, Question};
use crate::decide::{Alert, AuditEntry, Change, Incident, RecordId, State};
use crate::groups::Origins;
use crate::store::{ReadError, Reader, Which};

/// Maximum audit entries searched for those of one alert.
const MOST_AUDIT: usize = 100_000;
/// Maximum participants over all incidents of one answer: some 15 MB.
const MOST_PARTICIPANTS: usize = 65_536;
/// Maximum alerts and entries in an explanation.
const SHOWN: usize = 10;

const BEGINNING: Timestamp = Timestamp::from_unix_nanos(0);

pub(super) fn alerts(
    reader: &Reader,
    since: Option<Timestamp>,
    after: Option<RecordId>,
    id: Option<RecordId>,
    limit: usize,
) -> Result<Vec<Alert>, String> {
    if let Some(id) = id {
        return Ok(vec![alert(reader, id)?]);
    }
    let mut alerts = reader.alerts(since.unwrap_or(BEGINNING), limit).map_err(text)?;
    alerts.retain(|alert| after.is_none_or(|after| alert.id > after));
    alerts.into_iter().map(|alert| as_it_stands(reader, alert)).collect()
}

/// Incidents with all participants, as far as they fit into an answer, and the groups that these are in.
pub(super) fn incidents(
    reader: &Reader,
    question: &Question,
    origins: &Origins,
) -> Result<Vec<Incident>, String> {
    let mut found = with_participants(reader, question)?;
    for incident in &mut found {
        incident.groups = origins.shares(incident.offenders.iter().map(|one| one.client.prefix()));
    }
    Ok(found)
}

fn with_participants(reader: &Reader, question: &Question) -> Result<Vec<Incident>, String> {
    let Question::Incidents { since, open, told_after, id, client, limit } = question else {
        return Ok(Vec::new());
    };
    if let Some(id) = id {
        return Ok(vec![incident(reader, *id)?]);
    }
    let which = match (client, open, told_after) {
        (Some(client), _, _) => Which::Of(*client),
        (None, _, Some(told_after)) => Which::Told(*told_after),
        (None, true, None) => Which::Open,
        (None, false, None) => Which::Since(since.unwrap_or(BEGINNING)),
    };
    let mut found = reader.incidents(&which, *limit).map_err(text)?;
    found.retain(|incident| {
        (!open || incident.state == State::Open) && since.is_none_or(|since| incident.last >= since)
    });
    let mut room = MOST_PARTICIPANTS;
    for incident in found.iter_mut().rev() {
        let clients = usize::try_from(incident.clients).unwrap_or(usize::MAX);
        if clients <= room {
            room = room.saturating_sub(clients);
            *incident = reader.with_participants(incident.clone()).map_err(text)?;
        }
    }
    Ok(found)
}

/// One incident with all participants.
pub(super) fn incident(reader: &Reader, id: RecordId) -> Result<Incident, String> {
    let found = reader.incident(id).map_err(text)?;
    found.ok_or_else(|| format!("there is no incident {id}; `sensor incidents` lists all that are kept"))
}

pub(super) fn audit(
    reader: &Reader,
    since: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<AuditEntry>, String> {
    reader.audit(since.unwrap_or(BEGINNING), limit).map_err(text)
}

fn alert(reader: &Reader, id: RecordId) -> Result<Alert, String> {
    let found = reader.alert(id).map_err(text)?;
    let found =
        found.ok_or_else(|| format!("there is no alert {id}; `sensor alerts` lists all that are kept"))?;
    as_it_stands(reader, found)
}

/// An alert with its incident's current action, which may have changed since the alert was raised: with the mode, the
/// detector's response, or a person's command.
fn as_it_stands(reader: &Reader, alert: Alert) -> Result<Alert, String> {
    let incident = reader.incident_alone(alert.id).map_err(text)?;
    Ok(match incident.filter(|incident| incident.action != alert.action) {
        Some(Incident { action, until, reason_no_action, .. }) => {
            Alert { action, until, reason_no_action, ..alert }
        }
        None => alert,
    })
}

/// Adds the stored records about a prefix.
pub(super) fn complete(reader: &Reader, explanation: &mut Explanation) -> Result<(), String> {
    let prefix = explanation.prefix;
    explanation.audit = reader.audit_about(&prefix, SHOWN).map_err(text)?;
    let mut alerts: BTreeMap<RecordId, Alert> = BTreeMap::new();
    // A decision may rest on an alert about something larger, such as a route.
    let ids = explanation.audit.iter().filter_map(|entry| entry.alert_id);
    let led = ids.filter_map(|id| reader.alert(id).ok().flatten());
    alerts.extend(led.map(|alert| (alert.id, alert)));
    alerts.extend(
        reader.alerts_about(&prefix, SHOWN).map_err(text)?.into_iter().map(|alert| (alert.id, alert)),
    );
    let surplus = alerts.len().saturating_sub(SHOWN);
    let latest = alerts.into_values().skip(surplus);
    explanation.alerts = latest.map(|alert| as_it_stands(reader, alert)).collect::<Result<_, _>>()?;
    // Memory has the current state of open ones.
    let open: Vec<RecordId> = explanation.incidents.iter().map(|incident| incident.id).collect();
    let kept = reader.incidents(&Which::Of(prefix), SHOWN).map_err(text)?;
    explanation.incidents.extend(kept.into_iter().filter(|incident| !open.contains(&incident.id)));
    explanation.incidents.sort_by_key(|incident| incident.id);
    Ok(())
}

/// An alert with the actions taken because of it.
pub(super) fn explain(reader: &Reader, id: RecordId) -> Result<AlertExplanation, String> {
    let alert = alert(reader, id)?;
    let mut audit = reader.audit(alert.window.start.min(alert.ts), MOST_AUDIT).map_err(text)?;
    audit.retain(|entry| entry.alert_id == Some(id));
    let changes = audit.iter().filter_map(|entry| Some((entry.what, entry.prefix()?)));
    let mut undo: Vec<String> = changes.filter_map(undone_by).take(SHOWN).collect();
    if let Some(about) = alert.about.prefix() {
        undo.push(format!("sensor allow add {about}"));
    }
    undo.push(format!(
        "[detect.{}] response = \"monitor\" or other thresholds in the configuration",
        alert.detector.slug()
    ));
    let incident = reader.incident(id).map_err(text)?;
    Ok(AlertExplanation { alert, incident, audit, undo })
}

/// The command that undoes a decision.
fn undone_by((what, prefix): (Change, IpNet)) -> Option<String> {
    if what == Change::LimitSet {
        return Some(format!("sensor limit unset {prefix}"));
    }
    matches!(what, Change::BlockAdded | Change::DenyAdded).then(|| format!("sensor block remove {prefix}"))
}

fn text(error: ReadError) -> String {
    error.to_string()
}
