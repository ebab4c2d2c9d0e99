//! One table of the configuration, read key by key; whatever is wrong is noted and reading goes on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::document::{Document, Origin, Problem, Value};

static EMPTY: BTreeMap<String, (Value, Origin)> = BTreeMap::new();

/// A table. Keys that nobody asked for are reported by [`Section::finish`].
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    table: &'a BTreeMap<String, (Value, Origin)>,
    asked: RefCell<BTreeSet<&'static str>>,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Section<'a> {
    /// The top level of a document; problems go to `problems`.
    #[must_use]
    pub fn root(document: &'a Document, problems: &'a RefCell<Vec<Problem>>) -> Self {
        Self { path: String::new(), table: &document.root, asked: RefCell::default(), problems }
    }

    /// A sub-table; an empty one where it is not there.
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
        Section { path: self.path_of(key), table, asked: RefCell::default(), problems: self.problems }
    }

    /// The sub-tables whose keys are data, such as scopes; other keys are those of this table's own.
    pub fn sections(&self) -> impl Iterator<Item = (&'a str, Section<'a>)> + '_ {
        self.table.iter().filter_map(|(key, (value, _))| {
            let Value::Table(table) = value else { return None };
            let section = Section {
                path: self.path_of(key),
                table,
                asked: RefCell::default(),
                problems: self.problems,
            };
            Some((key.as_str(), section))
        })
    }

    /// A value in text form, read by `parse`.
    pub fn parsed<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (value, origin) = self.get(key)?;
        let text = match value {
            Value::Text(text) => text.clone(),
            // `packets = 100` is as good as `packets = "100"`.
            Value::Integer(Some(number)) => number.to_string(),
            Value::Integer(None) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other => {
                return self.complain(key, origin, "expected a string");
            }
        };
        match parse(&text) {
            Ok(parsed) => Some(parsed),
            Err(error) => self.complain(key, origin, format!("`{text}`: {error}")),
        }
    }

    /// A path.
    #[must_use]
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.parsed(key, |text| {
            let path = PathBuf::from(text);
            if path.is_absolute() { Ok(path) } else { Err("expected an absolute path") }
        })
    }

    /// A time such as `5m`.
    #[must_use]
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, |text| {
            humantime::parse_duration(text)
                .map_err(|error| format!("{error}; expected a time such as 5m or 1h30m"))
        })
    }

    /// A whole number within bounds.
    #[must_use]
    pub fn integer(&self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let (value, origin) = self.get(key)?;
        let number = if let Value::Integer(Some(number)) = value {
            u32::try_from(*number).ok().filter(|number| bounds.contains(number))
        } else {
            None
        };
        if number.is_none() {
            let message = format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
            self.complain::<u32>(key, origin, message);
        }
        number
    }

    /// A flag.
    #[must_use]
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        match self.get(key)? {
            (Value::Boolean(flag), _) => Some(*flag),
            (_, origin) => self.complain(key, origin, "expected true or false"),
        }
    }

    /// A list of texts, each read by `parse`. Bad items are reported and left out.
    pub fn list<T, E: Display>(
        &self,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = match self.get(key)? {
            (Value::List(items), _) => items,
            (_, origin) => return self.complain(key, origin, "expected a list of strings"),
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (item, origin) in items {
            let text = match item {
                Value::Text(text) => text.clone(),
                // `[401, 403]` is as good as `["401", "403"]`.
                Value::Integer(Some(number)) => number.to_string(),
                Value::Integer(None)
                | Value::Boolean(_)
                | Value::List(_)
                | Value::Table(_)
                | Value::Other => {
                    self.complain::<()>(key, origin, "expected a string");
                    continue;
                }
            };
            match parse(&text) {
                Ok(item) => parsed.push(item),
                Err(error) => drop(self.complain::<()>(key, origin, error)),
            }
        }
        Some(parsed)
    }

    /// The values of a table whose keys are data, such as users, each read by `parse` from key and text. Mistakes
    /// do not repeat the value, which may be a secret.
    pub fn entries<T, E: Display>(&self, mut parse: impl FnMut(&str, &str) -> Result<T, E>) -> Vec<T> {
        let mut parsed = Vec::with_capacity(self.table.len());
        for (key, (value, origin)) in self.table {
            if let Value::Text(text) = value {
                match parse(key, text) {
                    Ok(entry) => parsed.push(entry),
                    Err(error) => drop(self.complain::<()>(key, origin, error)),
                }
            } else {
                self.complain::<()>(key, origin, "expected a string");
            }
        }
        parsed
    }

    /// Whether a key is there, whatever its value.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Notes a mistake in one of the keys, as this table knows it.
    pub fn reject(&self, key: &str, message: impl Display) {
        if let Some((_, origin)) = self.table.get(key) {
            self.complain::<()>(key, origin, message);
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        self.report_unasked(|_| true);
    }

    /// The same, but for sub-tables: their keys are data, read by [`Section::sections`].
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

    fn get(&self, key: &'static str) -> Option<&'a (Value, Origin)> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        let key = if key.contains(['.', ':', '/']) { format!("\"{key}\"") } else { key.to_owned() };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn complain<T>(&self, key: &str, origin: &Origin, message: impl Display) -> Option<T> {
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
            assert_eq!(root.integer("a", 0..=5), Some(1));
            assert_eq!(root.boolean("b"), None);
            assert_eq!(root.integer("c", 0..=5), None);
            root.section("d").finish();
        });
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "a.toml:2: b: expected true or false");
        assert_eq!(found[1], "a.toml:3: c: expected a whole number from 0 to 5");
        assert!(found[2].starts_with("a.toml:5: d.e: unknown key"), "{}", found[2]);
    }

    #[test]
    fn a_slip_gets_a_suggestion() {
        let found = problems_of("mdoe = \"x\"\n", |root| {
            assert_eq!(root.parsed("mode", |text| Ok::<_, String>(text.to_owned())), None);
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
        assert_eq!(root.integer("m", 0..=9), Some(2));
        let table = root.section("t");
        assert_eq!((table.integer("x", 0..=9), table.integer("y", 0..=9)), (Some(1), Some(2)));
    }

    #[test]
    fn bad_syntax_names_its_line() {
        let problem = Document::default().add(Path::new("a"), "x = 1\ny = \n").unwrap_err();
        assert_eq!((problem.line, problem.key.as_str()), (2, ""));
    }
}
