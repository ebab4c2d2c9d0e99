//! Outcomes of several attempts in one request.

use super::LoginOutcome;
use super::answer::{Answer, Attempt};
use super::fields::{Found, Part};
use super::json::{self, Value};
use super::places::hash;
use super::reply::Reply;
use super::words::Words;
use super::xml;

/// Writes the outcomes of attempts to `outcomes`, in order: from their parts of the response if it has such, otherwise from
/// the response as a whole. If it has parts and is truncated, the outcomes of the others are unknown.
pub(super) fn outcomes(attempt: &Attempt<'_>, found: &[Found], outcomes: &mut Vec<LoginOutcome>) {
    let whole = attempt.outcome();
    outcomes.clear();
    outcomes.resize(found.len(), whole);
    let is_told = attempt.exchange.response.is_some_and(|response| (200..=299).contains(&response.status()));
    if found.len() < 2 || !is_told {
        return;
    }
    let Answer { body, is_whole, .. } = attempt.answer;
    let parts = match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => documents(body, found),
        Some(b'<') => {
            let faults = xml::faults(body);
            let outcome =
                |is_fault: &bool| Some(if *is_fault { LoginOutcome::Failure } else { LoginOutcome::Success });
            faults.iter().map(outcome).chain(std::iter::repeat(None)).take(found.len()).collect()
        }
        _ => return,
    };
    if parts.iter().all(Option::is_none) {
        return;
    }
    // An attempt without a part in the response was refused, or its part was not kept.
    let rest = if is_whole { whole } else { LoginOutcome::Unknown };
    for (outcome, part) in outcomes.iter_mut().zip(parts) {
        *outcome = part.unwrap_or(if rest == LoginOutcome::Success { LoginOutcome::Unknown } else { rest });
    }
}

/// The part of the response for one field or element.
#[derive(Clone, Default)]
struct Said {
    is_there: bool,
    is_null: bool,
    has_errors: bool,
    reply: Reply,
}

impl Said {
    fn outcome(self) -> Option<LoginOutcome> {
        let Self { is_there, is_null, has_errors, reply } = self;
        if reply.has_token {
            Some(LoginOutcome::Success)
        } else if reply.second_factor {
            Some(LoginOutcome::Unknown)
        } else if is_null || has_errors || reply.failure || reply.refused {
            Some(LoginOutcome::Failure)
        } else if is_there {
            Some(LoginOutcome::Success)
        } else {
            None
        }
    }
}

/// JSON responses: for a batch, an array in the order of its requests; for GraphQL fields, the members of `data` with their
/// names, and `errors` whose `path` begins with one (GraphQL, sections 7.1.1 and 7.1.2 of October 2021).
fn documents(body: &[u8], found: &[Found]) -> Vec<Option<LoginOutcome>> {
    let mut walk = Walk {
        index: found.iter().enumerate().map(|(at, found)| (found.part, at)).collect(),
        said: vec![Said::default(); found.len()],
        base: 0,
        elements: 0,
        section: Section::Other,
        field: None,
    };
    walk.index.sort_unstable_by_key(|(part, _)| (part.element, part.field));
    json::walk(body, &mut |key, value, depth| walk.visit(key, value, depth));
    walk.said.into_iter().map(Said::outcome).collect()
}

/// The member of the response being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Data,
    Errors,
    Other,
}

struct Walk {
    /// Attempts by their parts.
    index: Vec<(Part, usize)>,
    said: Vec<Said>,
    /// 1 within an array of answers.
    base: u8,
    elements: u16,
    section: Section,
    /// The attempt whose field is being read.
    field: Option<usize>,
}

impl Walk {
    fn find(&mut self, field: Option<u64>) -> Option<usize> {
        let wanted = Part { element: self.elements.saturating_sub(1), field };
        let key = |(part, _): &(Part, usize)| (part.element, part.field);
        let at = self.index.binary_search_by_key(&(wanted.element, wanted.field), key).ok()?;
        self.index.get(at).map(|(_, place)| *place)
    }

    fn said(&mut self, place: Option<usize>) -> Option<&mut Said> {
        self.said.get_mut(place?)
    }

    fn visit(&mut self, key: &str, value: Value<'_>, depth: u8) {
        if matches!(value, Value::Open) && depth == 1 && key.is_empty() {
            (self.base, self.elements) = (1, self.elements.saturating_add(1));
            (self.section, self.field) = (Section::Other, None);
            let element = self.find(None);
            if let Some(said) = self.said(element) {
                said.is_there = true;
            }
            return;
        }
        let level = depth.saturating_sub(self.base);
        if level == 1 {
            self.field = None;
            self.section = match key {
                "data" => Section::Data,
                "errors" => Section::Errors,
                _ => Section::Other,
            };
        }
        match self.section {
            Section::Data if level >= 2 => self.data(key, value, level),
            Section::Errors if key == "path" => self.path(value, level),
            Section::Data | Section::Errors | Section::Other => {}
        }
        // Responses to a batch that is not GraphQL.
        if self.base == 1 {
            let element = self.find(None);
            note(self.said(element), key, value, level);
        }
    }

    /// In `data`, the members of which are fields.
    fn data(&mut self, key: &str, value: Value<'_>, level: u8) {
        if level == 2 {
            self.field = self.find(Some(hash(key.as_bytes())));
            let field = self.field;
            if let Some(said) = self.said(field) {
                said.is_there = true;
                said.is_null |= matches!(value, Value::Null | Value::Flag(false));
            }
            return;
        }
        let field = self.field;
        note(self.said(field), key, value, level.saturating_sub(2));
    }

    /// The path of an error: its first element is the name of a field.
    fn path(&mut self, value: Value<'_>, level: u8) {
        if level == PATH
            && let Value::Text(name) = value
        {
            let field = self.find(Some(hash(name.as_bytes())));
            if let Some(said) = self.said(field) {
                said.has_errors = true;
            }
        }
    }
}

/// The level of what stands in `errors[].path[]`.
const PATH: u8 = 4;

fn note(said: Option<&mut Said>, key: &str, value: Value<'_>, level: u8) {
    if let Some((said, words)) = said.zip(Words::of(key.as_bytes())) {
        said.reply.note(&words, value, level);
    }
}
