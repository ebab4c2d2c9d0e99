//! One table of the configuration, and its errors; mistakes are recorded and reading continues.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use documented::DocumentedFields;

use super::document::{Document, Origin, Problem, Value};
use super::knob::{Knob, Recorder, Table};

static EMPTY: BTreeMap<String, (Value, Origin)> = BTreeMap::new();

/// Returns the meaning of a key.
type Meaning = fn(&str) -> Option<String>;

/// A table. [`Section::finish`] reports keys that no reader asked for.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    table: &'a BTreeMap<String, (Value, Origin)>,
    asked: RefCell<BTreeSet<&'static str>>,
    problems: &'a RefCell<Vec<Problem>>,
    recorder: Option<&'a Recorder>,
    meanings: RefCell<Vec<Meaning>>,
    made_up: bool,
}

impl<'a> Section<'a> {
    /// The top level of a document; errors go to `problems`.
    #[must_use]
    pub fn root(document: &'a Document, problems: &'a RefCell<Vec<Problem>>) -> Self {
        Self {
            path: String::new(),
            table: &document.root,
            asked: RefCell::default(),
            problems,
            recorder: None,
            meanings: RefCell::default(),
            made_up: false,
        }
    }

    /// The same, recording everything that readers ask for. Tables whose names are data then also exist under their
    /// example names.
    #[must_use]
    pub fn recorded(
        document: &'a Document,
        problems: &'a RefCell<Vec<Problem>>,
        recorder: &'a Recorder,
    ) -> Self {
        Self { recorder: Some(recorder), ..Self::root(document, problems) }
    }

    /// Uses the doc comments of a type's fields as the meaning of keys with the same names, unless an earlier type has
    /// such a field.
    pub fn explain<T: DocumentedFields>(&self) {
        self.explain_by(|key| T::get_field_docs(key).ok().map(str::to_owned));
    }

    /// The same for keys that are named differently from fields.
    pub fn explain_by(&self, meaning: Meaning) {
        if self.recorder.is_some() {
            self.meanings.borrow_mut().push(meaning);
        }
    }

    /// Sets the description of this table.
    #[must_use]
    pub fn about(self, help: &'static str) -> Self {
        if let Some(recorder) = self.recorder {
            let table = Table { name: self.path.clone(), help, made_up: self.made_up };
            recorder.borrow_mut().tables.push(table);
        }
        self
    }

    fn within(&self, path: String, table: &'a BTreeMap<String, (Value, Origin)>, made_up: bool) -> Self {
        Section {
            path,
            table,
            asked: RefCell::default(),
            problems: self.problems,
            recorder: self.recorder,
            meanings: RefCell::default(),
            made_up: self.made_up || made_up,
        }
    }

    /// A sub-table; an empty one if it does not exist.
    #[must_use]
    pub fn section(&self, key: &'static str) -> Self {
        let table = match self.get(key) {
            Some((Value::Table(table), _)) => table,
            Some((_, origin)) => {
                self.complain::<()>(key, origin, "expected a table");
                &EMPTY
            }
            None => &EMPTY,
        };
        self.within(self.path_of(key), table, false)
    }

    /// The sub-tables whose keys are data, such as scopes, besides those returned by [`Section::section`]. While
    /// recording, there is at least one with the example's name.
    pub fn sections(&self, example: &'static str) -> impl Iterator<Item = (&'a str, Section<'a>)> + '_ {
        let asked = self.asked.borrow().clone();
        let named = self.table.iter().filter_map(move |(key, (value, _))| {
            let Value::Table(table) = value else { return None };
            let named = !asked.contains(key.as_str());
            named.then(|| (key.as_str(), self.within(self.path_of(key), table, false)))
        });
        let described = self.recorder.is_some() && !self.table.contains_key(example);
        let made_up = described.then(|| (example, self.within(self.path_of(example), &EMPTY, true)));
        named.chain(made_up)
    }

    /// The parsed form of each key and its value, without invalid ones.
    pub(super) fn each<T>(&self, mut read: impl FnMut((&String, &Value)) -> Result<T, String>) -> Vec<T> {
        let told = self.table.iter().filter_map(|(key, (value, origin))| match read((key, value)) {
            Ok(read) => Some(read),
            Err(error) => self.complain(key, origin, error),
        });
        told.collect()
    }

    /// Records a request.
    pub(super) fn record(&self, key: &'static str, knob: impl FnOnce() -> Knob) {
        if let Some(recorder) = self.recorder {
            let help = self.meanings.borrow().iter().find_map(|meaning| meaning(key)).unwrap_or_default();
            let place = Knob { table: self.path.clone(), key, help, made_up: self.made_up, ..knob() };
            recorder.borrow_mut().knobs.push(place);
        }
    }

    /// Whether a key exists, whatever its value.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Records an error about one of the table's keys.
    pub fn reject(&self, key: &str, message: impl Display) {
        if let Some((_, origin)) = self.table.get(key) {
            self.complain::<()>(key, origin, message);
        }
    }

    /// Reports the keys that no reader asked for.
    pub fn finish(self) {
        self.report_unasked(|_| true);
    }

    /// The same, except for sub-tables: their keys are data, read by [`Section::sections`].
    pub fn finish_values(self) {
        self.report_unasked(|value| !matches!(value, Value::Table(_)));
    }

    fn report_unasked(&self, concerns: impl Fn(&Value) -> bool) {
        let asked = self.asked.borrow();
        let unasked = self.table.iter().filter(|(key, _)| !asked.contains(key.as_str()));
        for (key, (_, origin)) in unasked.filter(|(_, (value, _))| concerns(value)) {
            let nearest = asked.iter().max_by(|one, other| {
                strsim::jaro_winkler(one, key).total_cmp(&strsim::jaro_winkler(other, key))
            });
            let message = match nearest.filter(|nearest| strsim::jaro_winkler(nearest, key) > 0.8) {
                Some(nearest) => format!("unknown key; did you mean `{nearest}`?"),
                None => {
                    let known: Vec<&str> = asked.iter().copied().collect();
                    format!("unknown key; known here: {}", known.join(", "))
                }
            };
            self.complain::<()>(key, origin, message);
        }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'a (Value, Origin)> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        let key = if key.contains(['.', ':', '/']) { format!("\"{key}\"") } else { key.to_owned() };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn complain<T>(&self, key: &str, origin: &Origin, message: impl Display) -> Option<T> {
        self.problems.borrow_mut().push(Problem {
            file: origin.file.to_path_buf(),
            line: origin.line,
            key: self.path_of(key),
            message: message.to_string(),
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Form;

    fn problems_of(text: &str, read: impl FnOnce(&Section<'_>)) -> Vec<String> {
        let mut document = Document::default();
        document.add(Path::new("a.toml"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        read(&root);
        root.finish();
        problems.into_inner().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let found = problems_of("a = 1\nb = \"x\"\nc = 7\n[d]\ne = 2\n", |root| {
            let (mut a, mut b, mut c) = (0_u32, false, 3_u32);
            root.integer("a", 0..=5, &mut a);
            root.boolean("b", &mut b);
            root.integer("c", 0..=5, &mut c);
            root.section("d").finish();
            assert_eq!((a, b, c), (1, false, 3));
        });
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "a.toml:2: b: expected true or false");
        assert_eq!(found[1], "a.toml:3: c: expected a whole number from 0 to 5");
        assert!(found[2].starts_with("a.toml:5: d.e: unknown key"), "{}", found[2]);
    }

    #[test]
    fn a_slip_gets_a_suggestion() {
        let found = problems_of("mdoe = \"x\"\n", |root| {
            root.optional("mode", &Form::any("a text", "x"), &mut None);
        });
        assert_eq!(found, ["a.toml:1: mdoe: unknown key; did you mean `mode`?"]);
    }

    #[test]
    fn later_files_replace_values_and_add_to_tables() {
        let mut document = Document::default();
        document.add(Path::new("a"), "m = 1\n[t]\nx = 1\ny = 1\n").unwrap();
        document.add(Path::new("b"), "m = 2\n[t]\ny = 2\n").unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let (mut m, mut x, mut y) = (0_u32, 0_u32, 0_u32);
        root.integer("m", 0..=9, &mut m);
        let table = root.section("t");
        table.integer("x", 0..=9, &mut x);
        table.integer("y", 0..=9, &mut y);
        assert_eq!((m, x, y), (2, 1, 2));
    }

    #[test]
    fn bad_syntax_names_its_line() {
        let problem = Document::default().add(Path::new("a"), "x = 1\ny = \n").unwrap_err();
        assert_eq!((problem.line, problem.key.as_str()), (2, ""));
    }
}
