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

/// All rows, those of replaced templates joined with what replaced them.
pub(super) fn merged(rows: &[Arc<Row>]) -> Vec<Cow<'_, Row>> {
    let by_text: HashMap<(&str, &str), usize> =
        rows.iter().enumerate().map(|(place, row)| ((&*row.method, &*row.route), place)).collect();
    let mut joined: Vec<Option<Cow<'_, Row>>> = rows.iter().map(|row| Some(Cow::Borrowed(&**row))).collect();
    for (place, row) in rows.iter().enumerate() {
        let mut target = None;
        let mut current = &**row;
        for _ in 0..STEPS {
            let Some(next) = replacement(current, &by_text, rows) else { break };
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

/// The row of the template that replaced a row's, if one did: it began when this one ended.
fn replacement(row: &Row, by_text: &HashMap<(&str, &str), usize>, rows: &[Arc<Row>]) -> Option<usize> {
    let segments: Vec<&str> = row.route.split('/').collect();
    (1..segments.len()).find_map(|place| {
        let own = segments.get(place)?;
        if own.starts_with('{') || own.is_empty() {
            return None;
        }
        let mut general = segments.clone();
        *general.get_mut(place)? = LEARNED;
        let text = general.join("/");
        let found = by_text.get(&(&*row.method, text.as_str())).copied()?;
        rows.get(found).is_some_and(|newer| row.last <= newer.first).then_some(found)
    })
}
