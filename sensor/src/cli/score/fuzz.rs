//! Fuzz entry: series of values.

use super::write_scores;

/// Scores the input as a series, both as rows and as JSON, and asserts that both come as far, that every score is
/// between 0 and 1, and that the same series gives the same scores.
///
/// # Panics
/// If one of them does not hold.
pub fn series(data: &[u8]) {
    let (mut rows, mut objects, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let is_whole = write_scores(data, &mut rows, false).is_ok();
    assert_eq!(write_scores(data, &mut objects, true).is_ok(), is_whole);
    assert_eq!(write_scores(data, &mut again, false).is_ok(), is_whole);
    assert_eq!(rows, again, "the same again");
    let (rows, objects) = (String::from_utf8_lossy(&rows), String::from_utf8_lossy(&objects));
    // Rows have a heading, unless the input has none to begin with.
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    assert_eq!(rows.len(), objects.lines().count());
    for (row, object) in rows.iter().zip(objects.lines()) {
        let score = row.rsplit(',').next().and_then(|score| score.parse::<f64>().ok());
        assert!(score.is_some_and(|score| (0.0..=1.0).contains(&score)), "{row}");
        let object: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
        let score = object.get("anomaly_score").and_then(serde_json::Value::as_f64);
        assert!(score.is_some_and(|score| (0.0..=1.0).contains(&score)), "{object}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_series(rows in "(([0-9]{1,12}|2026-01-31T12:00:0[0-9]Z),-?[0-9.e]{0,6}\n){0,60}") {
            super::series(format!("timestamp,value\n{rows}").as_bytes());
        }

        #[test]
        fn any_text(text in "[a-z,\"\n0-9.]{0,60}") {
            super::series(text.as_bytes());
        }
    }
}
