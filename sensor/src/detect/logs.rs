//! What detectors say to access logs of real sites and of real scanners, in the combined format.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::made_up::exchange;
use super::{Config, Detectors};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange};
use crate::route::Routes;

struct Line<'a> {
    client: &'a str,
    time: Timestamp,
    method: &'static str,
    path: &'a str,
    status: u16,
    agent: &'a str,
}

fn time(text: &str) -> Option<Timestamp> {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == &text[3..6])? + 1;
    let text = format!("{}-{month:02}-{}T{}Z", &text[7..11], &text[..2], &text[12..20]);
    serde_json::from_value(text.into()).ok()
}

fn line(text: &str) -> Option<Line<'_>> {
    let parts: Vec<&str> = text.trim_start_matches('"').split('"').collect();
    let (client, rest) = parts.first()?.split_once(' ')?;
    let mut request = parts.get(1)?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    Some(Line {
        client,
        time: time(rest.split_once('[')?.1)?,
        method: crate::http::Method::ALL
            .map(|known| known.label())
            .into_iter()
            .find(|known| *known == method)?,
        path: target.split('?').next()?,
        status: parts.get(2)?.split_whitespace().next()?.parse().ok()?,
        agent: parts.get(5).copied().unwrap_or_default(),
    })
}

/// `ACCESS_LOGS` names the files, separated by colons; with `WITHOUT_AGENTS` their User-Agents are left out.
#[test]
#[ignore = "needs logs that are not kept here"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_access_logs() {
    let with_agents = std::env::var_os("WITHOUT_AGENTS").is_none();
    for name in std::env::var("ACCESS_LOGS").unwrap_or_default().split(':').filter(|name| !name.is_empty()) {
        let text = String::from_utf8_lossy(&std::fs::read(name).unwrap()).into_owned();
        let mut lines: Vec<Line<'_>> = text.lines().filter_map(line).collect();
        lines.sort_by_key(|line| line.time);
        let mut routes = Routes::new(&crate::route::Config::default()).unwrap();
        let mut detectors = Detectors::new(&Config { seed: Some(1), ..Config::default() });
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let mut last = Timestamp::default();
        for (number, line) in lines.iter().enumerate() {
            let route = routes.observe(line.path.as_bytes(), Some(line.status));
            let client = u32::try_from(hasher.hash_one(line.client) >> 32).unwrap();
            let event = Exchange {
                client: line.client.parse().unwrap_or(Ipv4Addr::from(client).into()),
                method: Some(line.method),
                user_agent: with_agents.then(|| line.agent.into()),
                seen: line.time,
                ts: line.time,
                ..exchange(0, 0, line.path, routes.text(route), line.status)
            };
            if line.time.since(last) >= Duration::from_secs(1) {
                last = line.time;
                detectors.advance(last).for_each(drop);
            }
            for signal in detectors.observe(&Event::Exchange(&event)) {
                println!("{number}: {:?} {} {:?}", signal.severity, signal.summary, signal.evidence.numbers);
                *found.entry(format!("{} {:?}", signal.threat.slug(), signal.severity)).or_default() += 1;
            }
        }
        println!("{name}: {} requests: {found:?}", lines.len());
    }
}
