//! What was checked, as a table.

use std::fmt;

use comfy_table::{Table, presets};

/// The checks so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    found: String,
    /// Whether it is as it must be; nothing, where it is only told.
    holds: Option<bool>,
}

impl Report {
    /// Something that must hold.
    pub(crate) fn check(&mut self, what: &str, found: impl fmt::Display, holds: bool) {
        self.add(what, found.to_string(), Some(holds));
    }

    /// A figure.
    pub(crate) fn tell(&mut self, what: &str, found: impl fmt::Display) {
        self.add(what, found.to_string(), None);
    }

    fn add(&mut self, what: &str, found: String, holds: Option<bool>) {
        println!("{} {what}: {found}", mark(holds));
        self.rows.push(Row { what: what.to_owned(), found, holds });
    }

    /// Whether everything holds.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.holds != Some(false))
    }
}

const fn mark(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "ok",
        Some(false) => "FAILED",
        None => "--",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(["", "check", "found"]);
        for row in &self.rows {
            table.add_row([mark(row.holds), &row.what, &row.found]);
        }
        write!(out, "\n{table}")
    }
}
