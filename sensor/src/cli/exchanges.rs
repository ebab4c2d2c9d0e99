//! `sensor exchanges`: recent and live exchanges, filtered.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ipnet::IpNet;
use nix::poll::PollTimeout;
use serde_json::Value;

use super::alerts::reader_left;
use super::args::{Remote, When};
use super::say::{say, say_json};
use super::{answer_to, output};
use crate::clock::Timestamp;
use crate::control::wire::{Request, counted};
use crate::prefix;

#[derive(Debug, Args)]
pub(super) struct ExchangesArgs {
    #[command(flatten)]
    remote: Remote,
    /// Show only the last N
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    last: u32,
    /// Print new exchanges as they arrive; under load a sample
    #[arg(short = 'f', long)]
    pub(super) follow: bool,
    /// Only from this client or network
    #[arg(long, value_name = "CIDR", value_parser = prefix::parse)]
    client: Option<IpNet>,
    /// Only on the route with this template
    #[arg(long, value_name = "TEMPLATE")]
    route: Option<String>,
    /// Only with one of these statuses or classes, such as 401, 4xx or 200,401
    #[arg(long, value_name = "STATUS", value_parser = parse_status, value_delimiter = ',')]
    status: Vec<Status>,
    /// Only with this principal, as shown in records
    #[arg(long, value_name = "HASH")]
    principal: Option<String>,
    /// Only with this method
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only since this time: 5m (ago), today, yesterday, or a date such as 2026-11-28T10:30, local or with Z
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    since: Option<When>,
    /// Only until this time
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    until: Option<When>,
}

/// A status, or a whole class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    first: u16,
    last: u16,
}

fn parse_status(text: &str) -> Result<Status, String> {
    let expected = || "expected a status such as 401, or a class such as 4xx".to_owned();
    if let Some(class) = text.to_ascii_lowercase().strip_suffix("xx") {
        let class: u16 = class.parse().map_err(|_no_number| expected())?;
        let first = class.saturating_mul(100);
        return if (1..=5).contains(&class) {
            Ok(Status { first, last: first.saturating_add(99) })
        } else {
            Err(expected())
        };
    }
    let status = text.parse().ok().filter(|status| (100..=599).contains(status)).ok_or_else(expected)?;
    Ok(Status { first: status, last: status })
}

/// Milliseconds between polls for new ones.
const FOLLOW_MS: u16 = 500;
/// More than the daemon keeps.
const ALL: usize = 4_096;

/// One record per line, or one line for people.
pub(super) fn exchanges(args: &ExchangesArgs, json: bool) -> Result<ExitCode> {
    let (since, until) = (args.since.map(When::moment), args.until.map(When::moment));
    let mut seen = Seen::default();
    let mut first = true;
    loop {
        let answer = answer_to(&args.remote, Request::Exchanges { last: ALL })?;
        let records = seen.fresh(answer.as_array().map(Vec::as_slice).unwrap_or_default());
        let wanted: Vec<&Value> =
            records.iter().filter(|record| args.wants(record, (since, until))).collect();
        let most = if first { usize::try_from(args.last).unwrap_or(usize::MAX) } else { ALL };
        for record in wanted.iter().skip(wanted.len().saturating_sub(most)) {
            if json { say_json(*record)? } else { say(output::exchange_record(record))? }
        }
        if !args.follow {
            if wanted.is_empty() && !json {
                say(none_of(&records))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        first = false;
        if reader_left(PollTimeout::from(FOLLOW_MS)) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// The start of a record.
fn moment_of(record: &Value) -> Option<Timestamp> {
    record.get("ts").cloned().and_then(|at| serde_json::from_value(at).ok())
}

/// Reports that nothing matched, and among how many.
fn none_of(records: &[Value]) -> String {
    let Some(first) = records.first() else { return "no exchanges seen yet".to_owned() };
    let since = moment_of(first).map(|at| format!(", since {}", output::seconds(at))).unwrap_or_default();
    format!(
        "none among the last {}{since}; `[http] exchange_log` keeps every exchange in a file",
        counted(u64::try_from(records.len()).unwrap_or(u64::MAX), "exchange")
    )
}

/// Records already shown. They have no identifiers: equal ones count as one.
#[derive(Default)]
struct Seen {
    last: VecDeque<Value>,
}

impl Seen {
    fn fresh(&mut self, records: &[Value]) -> Vec<Value> {
        let fresh: Vec<Value> =
            records.iter().filter(|record| !self.last.contains(record)).cloned().collect();
        self.last = records.iter().cloned().collect();
        fresh
    }
}

impl ExchangesArgs {
    fn wants(&self, record: &Value, (since, until): (Option<Timestamp>, Option<Timestamp>)) -> bool {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let is = |wanted: &Option<String>, key: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| text(key).is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        let client = text("client").and_then(|client| client.parse::<IpAddr>().ok());
        let status =
            record.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let at = moment_of(record);
        let is_of =
            |wanted: &Status| status.is_some_and(|status| (wanted.first..=wanted.last).contains(&status));
        self.client.is_none_or(|wanted| client.is_some_and(|client| wanted.contains(&client)))
            && (self.status.is_empty() || self.status.iter().any(is_of))
            && since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && until.is_none_or(|until| at.is_some_and(|at| at <= until))
            && self.route.as_deref().is_none_or(|wanted| text("route") == Some(wanted))
            && is(&self.principal, "principal")
            && is(&self.method, "method")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: ExchangesArgs,
    }

    #[test]
    fn filters_take_what_they_say() {
        let record = json!({
            "ts": "2023-11-14T22:13:20.000000Z", "client": "192.0.2.7", "method": "POST", "route": "/login",
            "status": 401, "principal": "api_key:0123456789abcdef",
        });
        let since = Timestamp::from_unix_micros(1_700_000_000_000_000);
        for (flags, wanted) in [
            (&[][..], true),
            (&["--client", "192.0.2.0/24"], true),
            (&["--client", "192.0.2.8"], false),
            (&["--status", "4xx"], true),
            (&["--status", "4XX"], true),
            (&["--status", "200,401"], true),
            (&["--status", "200,5xx"], false),
            (&["--status", "403"], false),
            (&["--method", "post", "--route", "/login"], true),
            (&["--route", "/Login"], false),
            (&["--principal", "api_key:0123456789abcdef"], true),
            (&["--principal", "api_key:ffffffffffffffff"], false),
        ] {
            let cli = Cli::try_parse_from(["sensor"].iter().chain(flags)).unwrap();
            assert_eq!(cli.args.wants(&record, (Some(since), Some(since))), wanted, "{flags:?}");
            let later = since.plus(std::time::Duration::from_secs(1));
            assert!(!cli.args.wants(&record, (Some(later), None)), "{flags:?}");
        }
        for status in ["0xx", "6xx", "99", "600", "4x", "ok"] {
            assert!(parse_status(status).is_err(), "{status}");
        }
        let text = none_of(&[record.clone(), record.clone()]);
        assert!(text.starts_with("none among the last 2 exchanges, since 2023-11-14T22:13:20Z"), "{text}");
        assert_eq!(none_of(&[]), "no exchanges seen yet");
        let mut seen = Seen::default();
        assert_eq!(seen.fresh(std::slice::from_ref(&record)).len(), 1);
        assert!(seen.fresh(&[record]).is_empty());
    }
}
