//! `sensor fleet`: statements are signed here, with the authority's key, and only their signed form reaches the daemon.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::args::{Authority, FleetCommand, Remote};
use super::output::{table, trimmed};
use super::say::{say, say_json};
use super::{ask, ask_for};
use crate::clock;
use crate::control::wire::{FleetEvidence, FleetHost, FleetLimits, FleetReport, FleetSays, Request, counted};
use crate::decide::Measure;
use crate::fleet::{MAX_NAME, PublicKey, Says, SigningKey, Statement};
use crate::printable::printable;

pub(super) fn fleet(command: FleetCommand, json: bool) -> Result<ExitCode> {
    match command {
        FleetCommand::Status(remote) => ask::<FleetReport>(&remote, Request::Fleet, json, status),
        FleetCommand::Hosts(remote) => {
            if json {
                let report: FleetReport = ask_for(&remote, Request::Fleet)?;
                say_json(&report.hosts)?;
                return Ok(ExitCode::SUCCESS);
            }
            ask::<FleetReport>(&remote, Request::Fleet, json, hosts)
        }
        FleetCommand::Init { file } => init(&file, json),
        FleetCommand::Join { authority, name } => {
            let report = report(&authority)?;
            let name = name.unwrap_or_else(|| report.host.clone());
            ensure!((1..=MAX_NAME).contains(&name.len()), "a host's name has 1 to {MAX_NAME} characters");
            let taken = report
                .hosts
                .iter()
                .any(|host| host.host == name && host.key != report.key && host.expelled.is_none());
            ensure!(
                !taken,
                "another host is enrolled as {}; --name gives this one another name",
                printable(&name)
            );
            let key = report.key;
            tell(&authority, &report, key, Says::Enrol { host: name }, json)
        }
        FleetCommand::Expel { authority, host } => {
            let report = report(&authority)?;
            let key = find(&report.hosts, &host)?;
            tell(&authority, &report, key, Says::Expel, json)
        }
        FleetCommand::Undo { authority, host } => {
            let report = report(&authority)?;
            let key = find(&report.hosts, &host)?;
            tell(&authority, &report, key, Says::Undo, json)
        }
    }
}

fn init(file: &Path, json: bool) -> Result<ExitCode> {
    let authority = SigningKey::make(file)?.public();
    if json {
        say_json(&json!({ "authority": authority, "file": file }))?;
    } else {
        say(format!(
            "The authority's private key is in {}: keep it off the hosts. Their configuration needs:\n\n[fleet]\n\
             authority = \"{authority}\"",
            printable(&file.display().to_string())
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(authority: &Authority) -> Result<FleetReport> {
    Ok(ask_for(&authority.remote, Request::Fleet)?)
}

/// A host by key, or by a name that only one host has that is not expelled.
fn find(hosts: &[FleetHost], wanted: &str) -> Result<PublicKey> {
    if let Some(host) = hosts.iter().find(|host| host.key.to_string() == wanted) {
        return Ok(host.key);
    }
    let named: Vec<&FleetHost> = hosts.iter().filter(|host| host.host == wanted).collect();
    let wanted = printable(wanted);
    match named.as_slice() {
        [one] => Ok(one.key),
        [] => anyhow::bail!("no host is called {wanted}; `sensor fleet hosts` lists them"),
        _ => anyhow::bail!("several hosts are called {wanted}; give the key that `sensor fleet hosts` shows"),
    }
}

fn tell(
    authority: &Authority,
    report: &FleetReport,
    key: PublicKey,
    says: Says,
    json: bool,
) -> Result<ExitCode> {
    let file = authority.file.display();
    let signer = SigningKey::read(&authority.file)?;
    ensure!(
        signer.public() == report.authority,
        "{file} has the key of {}, and this fleet's authority is {}",
        signer.public(),
        report.authority
    );
    let done = match &says {
        Says::Enrol { .. } => "enrolled",
        Says::Expel => "expelled",
        Says::Undo => "decisions undone",
    };
    let statement = Statement { at: clock::now(), key, says };
    let blob = statement.seal(&report.name, &signer).context("the statement cannot be written")?;
    let request = Request::FleetTell { statement: URL_SAFE_NO_PAD.encode(blob) };
    let remote: &Remote = &authority.remote;
    ask::<FleetHost>(remote, request, json, |host| format!("{}: {done}", printable(&host.host)))
}

fn status(report: &FleetReport) -> String {
    let state = match (&report.trouble, report.connected) {
        (_, true) => "connected".to_owned(),
        (Some(why), false) => format!("NOT CONNECTED: {}; this host works on alone", printable(why)),
        (None, false) => "connecting".to_owned(),
    };
    let lag = report.lag_ms.map(|lag| format!(", last answer {lag} ms ago")).unwrap_or_default();
    let trusted = match &report.not_trusted {
        None => "enrolled".to_owned(),
        Some(why) => format!("NOT ENROLLED: {}; `sensor fleet join` enrols it", printable(why)),
    };
    let refused: Vec<String> = report.refused.iter().map(|(why, count)| format!("{count} {why}")).collect();
    let refused = if refused.is_empty() { "none".to_owned() } else { printable(&refused.join(", ")) };
    [
        format!("fleet:      {} at {}: {state}{lag}", printable(&report.name), printable(&report.server)),
        format!("this host:  {} ({}), {trusted}", printable(&report.host), report.key),
        format!("records:    {} sent, {} received, {} delayed", report.sent, report.taken, report.lost),
        format!("refused:    {refused}"),
        format!(
            "in force:   {} of other hosts; {} remembered; {} enrolled",
            counted(report.blocks, "block"),
            counted(report.records, "record"),
            counted(enrolled(report), "host")
        ),
        format!("evidence:   {}", evidence(&report.evidence)),
        format!("limits:     {}", limits(&report.limits)),
        format!("reconnects: {}", report.reconnects),
    ]
    .join("\n")
}

fn evidence(evidence: &FleetEvidence) -> String {
    let why = evidence.trouble.as_deref().map(printable);
    if !evidence.shared {
        return format!("not shared: {}", why.unwrap_or_else(|| "`[fleet] evidence` is off".to_owned()));
    }
    if let Some(why) = why {
        return format!("NONE: {why}; detectors count on this host alone");
    }
    let age = evidence.age_ms.map_or_else(|| "no sums yet".to_owned(), |age| format!("sums {age} ms old"));
    let attacked = match evidence.attacked {
        0 => "no attack seen together".to_owned(),
        routes => format!("AN ATTACK seen together on {}", counted(routes, "login route")),
    };
    let (heard, lost) =
        (counted(evidence.hosts, "other host"), evidence.lost.saturating_add(evidence.unsaid));
    format!("{heard} heard, {age}; {attacked}; {} not shared", counted(lost, "attempt"))
}

fn limits(limits: &FleetLimits) -> String {
    let why = limits.trouble.as_deref().map(printable);
    if !limits.shared {
        let none = "none that could hold for all hosts (`per_principal` in `[detect.request-rate]`)";
        return why
            .map_or_else(|| none.to_owned(), |why| format!("of principals, on each host alone: {why}"));
    }
    let lost = counted(limits.lost, "request");
    if let Some(why) = why {
        return format!("of principals, ON THIS HOST ALONE: {why}; {lost} not charged to the fleet");
    }
    let (charged, over) = (counted(limits.charged, "request"), counted(limits.over, "time"));
    format!("of principals: {charged} charged to the fleet, over the limit {over}; {lost} on this host alone")
}

fn enrolled(report: &FleetReport) -> u64 {
    let enrolled = report.hosts.iter().filter(|host| host.expelled.is_none()).count();
    u64::try_from(enrolled).unwrap_or(u64::MAX)
}

fn hosts(report: &FleetReport) -> String {
    if report.hosts.is_empty() {
        return "no host is enrolled; `sensor fleet join` enrols this one".to_owned();
    }
    let mut rows = table(&["host", "key", "enrolled", "state", "records"], 4);
    for host in &report.hosts {
        let state = match (host.expelled, host.undone, host.own) {
            (Some(at), _, _) => format!("expelled {at}"),
            (None, Some(at), _) => format!("undone until {at}"),
            (None, None, true) => "this host".to_owned(),
            (None, None, false) => String::new(),
        };
        let (since, records) = (host.since.to_string(), host.records.to_string());
        rows.add_row([host.host.clone(), host.key.to_string(), since, state, records]);
    }
    trimmed(&rows)
}

/// A line of `sensor explain`.
pub(super) fn line(said: &FleetSays) -> String {
    let what = match said.measure {
        Measure::Deny => "denied at proxies",
        Measure::Block | Measure::Limit => "blocked",
    };
    let until = said.until.map_or_else(|| "for good".to_owned(), |until| format!("until {until}"));
    format!(
        "fleet: {what} by {} since {} {until}: {}",
        printable(&said.host),
        said.since,
        printable(&said.reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn host(name: &str, seed: u8) -> FleetHost {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap().public();
        let since = Timestamp::default();
        FleetHost { host: name.to_owned(), key, since, expelled: None, undone: None, records: 0, own: false }
    }

    #[test]
    fn hosts_are_found_by_name_or_key() {
        let hosts = [host("web1", 1), host("web2", 2), host("web2", 3)];
        assert_eq!(find(&hosts, "web1").unwrap(), hosts[0].key);
        assert_eq!(find(&hosts, &hosts[2].key.to_string()).unwrap(), hosts[2].key);
        assert!(find(&hosts, "web2").unwrap_err().to_string().contains("several"));
        assert!(find(&hosts, "web9").unwrap_err().to_string().contains("no host"));
    }
}
