//! TOML files merged into one tree that records the position of each value.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Position of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) file: Arc<Path>,
    /// Counted from 1.
    pub(super) line: usize,
}

/// A mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 if it is the file itself.
    pub line: usize,
    /// The dotted key; empty for syntax errors.
    pub key: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An unreadable file has no line; some mistakes belong to no file.
        if !self.file.as_os_str().is_empty() {
            write!(out, "{}:", self.file.display())?;
            if self.line > 0 {
                write!(out, "{}:", self.line)?;
            }
            out.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(Option<i64>),
    Boolean(bool),
    List(Vec<(Value, Origin)>),
    Table(BTreeMap<String, (Value, Origin)>),
    Other,
}

/// The merged files. A later file replaces single values and extends tables.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub(super) root: BTreeMap<String, (Value, Origin)>,
}

impl Document {
    /// Reads files in order.
    ///
    /// # Errors
    /// Every file that cannot be read or is not TOML.
    pub fn read(files: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut document = Self::default();
        let mut problems = Vec::new();
        for file in files {
            match fs::read_to_string(file) {
                Ok(text) => problems.extend(document.add(file, &text).err()),
                Err(error) => problems.push(Problem {
                    file: file.clone(),
                    line: 0,
                    key: String::new(),
                    message: format!("cannot be read: {error}"),
                }),
            }
        }
        if problems.is_empty() { Ok(document) } else { Err(problems) }
    }

    /// Adds the content of one file.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn add(&mut self, file: &Path, text: &str) -> Result<(), Problem> {
        let table = DeTable::parse(text).map_err(|error| Problem {
            file: file.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            key: String::new(),
            message: error.message().to_owned(),
        })?;
        let source = Source { file: file.into(), text };
        merge(&mut self.root, source.table(table.get_ref()));
        Ok(())
    }
}

fn merge(into: &mut BTreeMap<String, (Value, Origin)>, from: BTreeMap<String, (Value, Origin)>) {
    for (key, (value, origin)) in from {
        match (into.get_mut(&key), value) {
            (Some((Value::Table(old), _)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, (value, origin));
            }
        }
    }
}

struct Source<'a> {
    file: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    fn table(&self, table: &DeTable<'_>) -> BTreeMap<String, (Value, Origin)> {
        table
            .iter()
            .map(|(key, value)| {
                let origin = self.origin(key.span().start);
                (key.get_ref().to_string(), (self.value(value), origin))
            })
            .collect()
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Array(items) => Value::List(
                items.iter().map(|item| (self.value(item), self.origin(item.span().start))).collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin { file: self.file.clone(), line: line_of(self.text, offset) }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}
