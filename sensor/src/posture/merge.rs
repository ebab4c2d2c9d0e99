//! Templates that were replaced while routes were learned: `/users/alice` and its sixty siblings are `/users/{param}`
//! since. What was seen under the old names belongs to the new one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::row::Row;

/// What a segment becomes when its level turns out to hold names.
const LEARNED: &str = "{param}";
/// Replacements in a row that are followed.
const STEPS: usize = 16;

/// Templates with learned parameters, by method and number of segments.
type General<'r> = HashMap<(&'r str, usize), Vec<(usize, Vec<&'r str>)>>;

/// All rows, those of replaced templates joined with what replaced them.
pub(super) fn merged(rows: &[Arc<Row>]) -> Vec<Cow<'_, Row>> {
    let mut general = General::new();
    for (place, row) in rows.iter().enumerate() {
        let segments: Vec<&str> = row.route.split('/').collect();
        if segments.contains(&LEARNED) {
            general.entry((&*row.method, segments.len())).or_default().push((place, segments));
        }
    }
    let mut joined: Vec<Option<Cow<'_, Row>>> = rows.iter().map(|row| Some(Cow::Borrowed(&**row))).collect();
    for (place, row) in rows.iter().enumerate() {
        let mut target = None;
        let mut current = &**row;
        for _ in 0..STEPS {
            let Some(next) = replacement(current, &general, rows) else { break };
            target = Some(next);
            let Some(row) = rows.get(next) else { break };
            current = row;
        }
        let Some(target) = target else { continue };
        if let Some(slot) = joined.get_mut(place) {
            *slot = None;
        }
        if let Some(Some(into)) = joined.get_mut(target) {
            into.to_mut().merge(row);
        }
    }
    joined.into_iter().flatten().collect()
}

/// The row of the template that replaced a row's, if one did: it began when this one ended. The least general one, where
/// several could have.
fn replacement(row: &Row, general: &General<'_>, rows: &[Arc<Row>]) -> Option<usize> {
    let segments: Vec<&str> = row.route.split('/').collect();
    let candidates = general.get(&(&*row.method, segments.len()))?;
    let replaces = |own: &&str, other: &&str| own == other || *other == LEARNED && !own.starts_with('{');
    let fitting = candidates.iter().filter(|(place, other)| {
        *other != segments
            && segments.iter().zip(other).all(|(own, other)| replaces(own, other))
            && rows.get(*place).is_some_and(|newer| row.last <= newer.first)
    });
    let parameters = |other: &[&str]| other.iter().filter(|segment| **segment == LEARNED).count();
    fitting.min_by_key(|(_, other)| parameters(other)).map(|(place, _)| *place)
}
