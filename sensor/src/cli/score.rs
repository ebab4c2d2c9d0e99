//! `sensor score`: scores a series with the baseline that the daemon uses for rates, errors and latencies.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use serde::Serialize;

use super::args::ScoreArgs;
use super::say::{SayError, complain};
use crate::clock::Timestamp;
use crate::control::wire::counted;
use crate::detect::baseline::Baseline;
use crate::printable::{printable, write_json};

/// Runs the command.
pub(super) fn score(args: &ScoreArgs, json: bool) -> Result<ExitCode> {
    let name = args.series.display();
    let input: Box<dyn Read> = if args.series == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.series).with_context(|| format!("cannot open {name}"))?)
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let scored = write_scores(input, &mut out, json);
    let flushed = out.flush();
    match flushed.map_err(Failure::Output).and(scored) {
        Ok(passed_over) => {
            if passed_over > 0 {
                complain(format!("{} skipped: not a number", counted(passed_over, "value")));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Output(error)) => Err(SayError::from(error)).context("writing scores"),
        Err(Failure::Input { line, reason }) => anyhow::bail!("{name}:{line}: {reason}"),
    }
}

/// Why it ended early.
#[derive(Debug)]
enum Failure {
    Input { line: u64, reason: String },
    Output(io::Error),
}

/// A row of the output; timestamp and value unchanged.
#[derive(Serialize)]
struct Row<'a> {
    timestamp: &'a str,
    value: Option<f64>,
    anomaly_score: f64,
}

/// Reads a row, scores it, writes it; returns how many values were invalid. Values that parsed as a time or a number
/// need no quotes in the output.
fn write_scores(input: impl Read, out: &mut impl Write, json: bool) -> Result<u64, Failure> {
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(input);
    let columns = Columns::of(reader.headers().map_err(unreadable)?)?;
    if !json {
        writeln!(out, "timestamp,value,anomaly_score").map_err(Failure::Output)?;
    }
    let mut baseline = Baseline::new();
    let mut record = StringRecord::new();
    let mut passed_over: u64 = 0;
    while reader.read_record(&mut record).map_err(unreadable)? {
        let line = record.position().map_or(0, csv::Position::line);
        let failure = |reason: String| Failure::Input { line, reason };
        let (timestamp, text) = columns.fields(&record).map_err(failure)?;
        let at = moment(timestamp).map_err(failure)?;
        let value = number(text).map_err(failure)?;
        // A gap in the measurements carries no information, but has its row.
        passed_over = passed_over.saturating_add(u64::from(value.is_none()));
        let anomaly_score = value.map_or(0.0, |value| baseline.observe(at, value).anomaly);
        if json {
            write_json(&mut *out, &Row { timestamp, value, anomaly_score })
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
        } else {
            writeln!(out, "{},{},{anomaly_score:.6}", printable(timestamp), printable(text))
        }
        .map_err(Failure::Output)?;
    }
    Ok(passed_over)
}

/// Columns of timestamp and value.
struct Columns {
    timestamp: usize,
    value: usize,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, Failure> {
        let find = |name: &str| {
            header.iter().position(|column| column.eq_ignore_ascii_case(name)).ok_or_else(|| Failure::Input {
                line: 1,
                reason: format!("no column `{name}`; the first line must name `timestamp` and `value`"),
            })
        };
        Ok(Self { timestamp: find("timestamp")?, value: find("value")? })
    }

    fn fields<'a>(&self, record: &'a StringRecord) -> Result<(&'a str, &'a str), String> {
        match (record.get(self.timestamp), record.get(self.value)) {
            (Some(timestamp), Some(value)) => Ok((timestamp, value)),
            _ => Err(format!("only {} fields", record.len())),
        }
    }
}

/// A time as seconds since 1970, or in RFC 3339; without a zone it is UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    let known = |since: Duration| Timestamp::default().plus(since);
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .map(known)
            .map_err(|_error| format!("`{text}` is not a time since 1970"));
    }
    civil(text)
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map(known)
        .ok_or_else(|| format!("`{text}` is not a timestamp such as 2026-01-31T12:00:00Z"))
}

/// RFC 3339, section 5.6, with letters of either case. Times without a zone are accepted, too.
fn civil(text: &str) -> Option<SystemTime> {
    let text = text.to_ascii_uppercase();
    let Some((local, offset)) = with_offset(&text) else { return weak(&text) };
    let local = weak(local)?;
    match offset {
        Offset::East(ahead) => local.checked_sub(ahead),
        Offset::West(behind) => local.checked_add(behind),
    }
}

/// A time in UTC, also without seconds.
fn weak(text: &str) -> Option<SystemTime> {
    let local = text.strip_suffix('Z').unwrap_or(text);
    let is_short = local.matches(':').count() == 1;
    let whole = if is_short { format!("{local}:00") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&whole).ok()
}

/// Offset of a time zone from UTC.
enum Offset {
    East(Duration),
    West(Duration),
}

/// Splits a local time from its numeric offset, such as `+02:00` or `+0200`, if it ends in one and has a time of day
/// before it.
fn with_offset(text: &str) -> Option<(&str, Offset)> {
    let at = text.rfind(['+', '-'])?;
    let (local, zone) = text.split_at_checked(at)?;
    if !local.contains(':') || local.ends_with('Z') {
        return None;
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let (hours, minutes) = clock.split_once(':').or_else(|| clock.split_at_checked(2))?;
    let number = |digits: &str, most: u64| {
        let number = digits.parse::<u64>().ok().filter(|number| *number <= most);
        number.filter(|_| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let seconds =
        number(hours, 23)?.saturating_mul(60).saturating_add(number(minutes, 59)?).saturating_mul(60);
    let offset = Duration::from_secs(seconds);
    match sign {
        "+" => Some((local, Offset::East(offset))),
        "-" => Some((local, Offset::West(offset))),
        _ => None,
    }
}

/// Markers for missing measurements, besides NaN.
const NOTHING: [&str; 7] = ["", "-", "null", "none", "na", "n/a", "#n/a"];

/// A measured value; none if nothing was measured, or it is not finite.
fn number(text: &str) -> Result<Option<f64>, String> {
    if NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) => Ok(value.is_finite().then_some(value)),
        Err(_error) => Err(format!("`{text}` is not a number")),
    }
}

fn unreadable(error: csv::Error) -> Failure {
    let line = error.position().map_or(1, csv::Position::line);
    let garbled = matches!(error.kind(), csv::ErrorKind::Utf8 { .. });
    let reason = if garbled { "not UTF-8".to_owned() } else { error.to_string() };
    Failure::Input { line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(input: &str, json: bool) -> Result<String, String> {
        let mut out = Vec::new();
        match write_scores(input.as_bytes(), &mut out, json) {
            Ok(_) => Ok(String::from_utf8(out).unwrap()),
            Err(Failure::Input { line, reason }) => Err(format!("{line}: {reason}")),
            Err(Failure::Output(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn rows_are_kept_as_they_were() {
        let input = "\"TimeStamp\",Label,\"Value\"\n\
                     \"2018-04-25T00:00:00Z\",0,\"1.50\"\n\
                     2018-04-25 00:01:00,1,\n\
                     1524614520,0,1e3\n\
                     2018-04-25 00:03:00.25,0,-0\n";
        assert_eq!(
            scored(input, false).unwrap(),
            "timestamp,value,anomaly_score\n\
             2018-04-25T00:00:00Z,1.50,0.000000\n\
             2018-04-25 00:01:00,,0.000000\n\
             1524614520,1e3,0.000000\n\
             2018-04-25 00:03:00.25,-0,0.000000\n"
        );
        let json = scored(input, true).unwrap();
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["timestamp"], "2018-04-25T00:00:00Z");
        assert_eq!((&lines[0]["value"], &lines[1]["value"]), (&1.5.into(), &serde_json::Value::Null));
    }

    #[test]
    fn an_outlier_scores_high() {
        use std::fmt::Write as _;
        let mut input = "timestamp,value\n".to_owned();
        for minute in 0..120 {
            let value = if minute == 100 { 5_000 } else { 100 + minute * 7 % 13 };
            writeln!(input, "2026-01-05T{:02}:{:02}:00Z,{value}", minute / 60, minute % 60).unwrap();
        }
        let scored = scored(&input, false).unwrap();
        let score_of = |line: &str| line.rsplit(',').next().unwrap().parse::<f64>().unwrap();
        let scores: Vec<f64> = scored.lines().skip(1).map(score_of).collect();
        assert!(scores[100] > 0.6, "{}", scores[100]);
        assert!(scores[..100].iter().all(|&score| score < 0.4), "{scores:?}");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (input, error) in [
            ("", "1: no column `timestamp`; the first line must name `timestamp` and `value`"),
            ("time,value\n", "1: no column `timestamp`; the first line must name `timestamp` and `value`"),
            (
                "timestamp,values\n1,2\n",
                "1: no column `value`; the first line must name `timestamp` and `value`",
            ),
            ("timestamp,value\n1,2\n2,3\n3,x\n", "4: `x` is not a number"),
            ("timestamp,value\n1,\"1,5\"\n", "2: `1,5` is not a number"),
            ("timestamp,value\n1,--\n", "2: `--` is not a number"),
            ("timestamp,value\n1\n", "2: only 1 fields"),
            (
                "timestamp,value\nyesterday,2\n",
                "2: `yesterday` is not a timestamp such as 2026-01-31T12:00:00Z",
            ),
            ("timestamp,value\n-5,2\n", "2: `-5` is not a time since 1970"),
            (
                "timestamp,value\n1960-01-01T00:00:00Z,2\n",
                "2: `1960-01-01T00:00:00Z` is not a timestamp such as 2026-01-31T12:00:00Z",
            ),
        ] {
            assert_eq!(scored(input, false).unwrap_err(), error, "{input:?}");
        }
    }

    #[test]
    fn what_was_not_measured_changes_no_score() {
        let row = |minute: u32| format!("2026-01-05T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let series = |missing: &str| {
            let value = |minute| match minute {
                40 => missing.to_owned(),
                70 => "9000".to_owned(),
                _ => (100 + minute * 7 % 13).to_string(),
            };
            let rows: Vec<String> =
                (0..80).map(|minute| format!("{},{}\n", row(minute), value(minute))).collect();
            scored(&format!("timestamp,value\n{}", rows.concat()), false).unwrap()
        };
        let scores = |text: &str| -> Vec<String> {
            text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
        };
        let empty = scores(&series(""));
        assert_eq!((empty.len(), &*empty[40]), (80, "0.000000"));
        for missing in [
            "NaN",
            "nan",
            "-NaN",
            "null",
            "NULL",
            "None",
            "N/A",
            "na",
            "#N/A",
            "-",
            "inf",
            "+Inf",
            "-Infinity",
            "1e400",
        ] {
            assert_eq!(scores(&series(missing)), empty, "{missing}");
        }
        let counted =
            write_scores(&b"timestamp,value\n1,2\n2,null\n3,\n4,inf\n5,6\n"[..], &mut Vec::new(), false);
        assert_eq!(counted.unwrap(), 3);
        let json = scored("timestamp,value\n1,NaN\n", true).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap()["value"],
            serde_json::Value::Null
        );
    }

    #[test]
    fn a_time_may_have_any_zone() {
        for (text, seconds) in [
            ("2026-01-31T12:00:00Z", 1_769_860_800.0),
            ("2026-01-31t12:00:00z", 1_769_860_800.0),
            ("2026-01-31 12:00:00", 1_769_860_800.0),
            ("2026-01-31T14:00:00+02:00", 1_769_860_800.0),
            ("2026-01-31T06:30:00.5-05:30", 1_769_860_800.5),
            ("2026-02-01 11:59:00+23:59", 1_769_860_800.0),
            ("2026-01-31T12:00:00-00:00", 1_769_860_800.0),
            ("2026-01-31T14:00:00+0200", 1_769_860_800.0),
            ("2026-01-31T06:30:00.5-0530", 1_769_860_800.5),
            ("2026-01-31T12:00Z", 1_769_860_800.0),
            ("2026-01-31 12:00", 1_769_860_800.0),
            ("2026-01-31T14:00+02:00", 1_769_860_800.0),
            ("2026-01-31T14:00+0200", 1_769_860_800.0),
        ] {
            let since = moment(text).unwrap().since(Timestamp::default());
            assert!((since.as_secs_f64() - seconds).abs() < 1e-6, "{text}: {since:?}");
        }
        for text in [
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+02:60",
            "2026-01-31T12:00:00+2:000",
            "2026-01-31T12:00:00+02",
            "2026-01-31T12:00:00+02000",
            "2026-01-31T12Z",
            "2026-01-31T12:00:00++2:00",
            "2026-01-31T12:00:00Z+02:00",
            "1970-01-01T01:00:00+02:00",
            "2026-01-31+02:00",
            "+02:00",
            "\u{e9}+02:00",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_a_mistake() {
        let failure = write_scores(&b"timestamp,value\n1,\xff\n"[..], &mut Vec::new(), false).unwrap_err();
        let Failure::Input { line: 2, reason } = failure else { panic!("{failure:?}") };
        assert_eq!(reason, "not UTF-8");
    }
}
