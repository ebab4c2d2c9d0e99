//! A record of the keys that readers ask for: the source of every description of the configuration.

use std::cell::RefCell;

/// One key, as its reader asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// The table, as TOML writes it; empty at the top level.
    pub table: String,
    /// Its key.
    pub key: &'static str,
    /// The accepted form, including bounds and unit.
    pub kind: String,
    /// The default, as TOML writes it; none if the key has no effect until it is set.
    pub default: Option<String>,
    /// The value in the document, or else the default.
    pub value: Option<String>,
    /// Another accepted value, as TOML writes it.
    pub example: String,
    /// Its meaning: the doc comment of the field that it is read into.
    pub help: String,
    /// Whether the table's name is an example: operators choose their own.
    pub made_up: bool,
}

impl Knob {
    /// The dotted key.
    #[must_use]
    pub fn path(&self) -> String {
        if self.table.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.table, self.key) }
    }
}

/// The purpose of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, as TOML writes it; empty for the top level.
    pub name: String,
    /// What its keys have in common.
    pub help: &'static str,
    /// Whether the name is an example.
    pub made_up: bool,
}

/// Everything that readers asked for, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Tables with a description.
    pub tables: Vec<Table>,
    /// Keys.
    pub knobs: Vec<Knob>,
}

impl Description {
    /// Every table with its keys, the top level first, a table before those within it.
    #[must_use]
    pub fn by_table(&self) -> Vec<(Table, Vec<&Knob>)> {
        let mut tables: Vec<(Table, Vec<&Knob>)> = Vec::new();
        for table in &self.tables {
            if tables.iter().all(|(known, _)| known.name != table.name) {
                let place = place_of(&table.name, &tables);
                tables.insert(place, (table.clone(), Vec::new()));
            }
        }
        for knob in &self.knobs {
            match tables.iter_mut().find(|(table, _)| table.name == knob.table) {
                Some((_, knobs)) => knobs.push(knob),
                None => {
                    let table = Table { name: knob.table.clone(), help: "", made_up: knob.made_up };
                    tables.push((table, vec![knob]));
                }
            }
        }
        tables
    }
}

/// Behind the table that another lies in, and what lies there already.
fn place_of(name: &str, tables: &[(Table, Vec<&Knob>)]) -> usize {
    let within = |outer: &str, name: &str| name.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let outer = tables.iter().map(|(table, _)| table.name.as_str()).filter(|outer| within(outer, name));
    let Some(outer) = outer.max_by_key(|outer| outer.len()) else { return tables.len() };
    let last = tables.iter().rposition(|(table, _)| table.name == outer || within(outer, &table.name));
    last.map_or(tables.len(), |last| last.saturating_add(1))
}

/// A section's description.
pub(super) type Recorder = RefCell<Description>;
