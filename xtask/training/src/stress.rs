//! What is told of texts that people write: prose, searches, documentation, code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::inspect::injection::{ALERT, Injection};
use crate::request::{Judged, Request};
use crate::values::Buffers;

/// One text.
#[derive(serde::Deserialize)]
struct Text {
    family: String,
    text: String,
}

/// Prints the share of texts of each family in which something is told, each as the only parameter of a request, and as many
/// of those as are to be shown.
pub(crate) fn print(file: &Path, show: usize) -> Result<()> {
    let lines = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (mut injection, mut buffers) = (Injection::new(), Buffers::default());
    let mut families: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in lines.lines() {
        let text: Text =
            serde_json::from_str(line).context("a line is no object with `family` and `text`")?;
        let request = Request::of_value(text.text.as_bytes());
        let judged = Judged::of(&request, &mut injection, &mut buffers);
        let (all, told) = families.entry(text.family.clone()).or_default();
        *all += 1;
        if judged.is_told(ALERT) {
            *told += 1;
            if *told <= show {
                println!("  {}: {:?} {:.2} {:?}", text.family, judged.rules, judged.score, judged.worst);
            }
        }
    }
    for (family, (all, told)) in families {
        println!("{family:<20}{:>8.2} % of {all}", 100.0 * told as f64 / all as f64);
    }
    Ok(())
}
