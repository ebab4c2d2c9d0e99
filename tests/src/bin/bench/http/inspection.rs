//! What inspection adds to an exchange: the pipeline with it, and without.

use anyhow::{Result, ensure};
use sensor::identity::Key;
use sensor::inspect;
use sensor::pipeline::{Config, Pipeline};

use super::conversation::{Conversation, response};
use super::pipeline::Count;
use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::report::{NS, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;

const HEADERS: &str = "Host: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 \
    Firefox/128.0\r\nAccept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n";
const COOKIES: &str = "Cookie: session=0a1b2c3d4e5f60718293; theme=dark; seen=1; lang=en\r\n";
const TEN: &str = "page=2&size=50&sort=name&q=garden+chair+(wood)&from=2026-01-02&tag=a%26b";

/// Requests that take turns, their answer, and what inspection may add to an exchange, in nanoseconds.
struct Kind {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    response: Vec<u8>,
    most: f64,
}

/// The best of some rounds of each kind, with and without inspection in turn.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (3_u32, 100_000_u32) } else { (9, 500_000) };
    for kind in kinds() {
        let (mut without, mut with) = (f64::MAX, f64::MAX);
        for _ in 0..rounds {
            without = without.min(run(&kind, count, false)?);
            with = with.min(run(&kind, count, true)?);
        }
        let added = (with - without) / f64::from(count) * 1e9;
        let most = Some(Target::AtMost(1.0));
        report.compare(kind.name, (added, NS), ("target", kind.most), most);
    }
    Ok(())
}

fn kinds() -> Vec<Kind> {
    let get = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\n{HEADERS}{more}\r\n").into_bytes();
    let numbered = |number: u32| get("/things/17", &format!("X-Request-Id: {:08x}\r\n", number * 2_654_435));
    let query = format!("/things?{TEN}");
    vec![
        Kind {
            name: "added to a GET without values",
            requests: vec![get("/things/17", "")],
            response: response(0),
            most: 50.0,
        },
        Kind {
            name: "the same, each with another X-Request-Id",
            requests: (0..1_000).map(numbered).collect(),
            response: response(0),
            most: 200.0,
        },
        Kind {
            name: "added to a GET with ten values",
            requests: vec![get(&query, COOKIES)],
            response: response(0),
            most: 1_500.0,
        },
        Kind {
            name: "added by a JSON response of 4 KB",
            requests: vec![get("/things", "")],
            response: listing(),
            most: 4_000.0,
        },
    ]
}

/// A list of things in JSON, as APIs answer.
fn listing() -> Vec<u8> {
    let one = |number: u32| {
        format!(
            "{{\"id\":{number},\"name\":\"Garden chair {number}\",\"price\":{}.99,\"currency\":\"EUR\",\
             \"created_at\":\"2026-03-{:02}T10:15:30Z\",\"owner\":{{\"id\":\"5f0c{number:04}9ab1\",\"name\":\"Ada\"}},\
             \"tags\":[\"wood\",\"outdoor\"],\"stock\":{},\"href\":\"https://shop.example.net/things/{number}\"}}",
            number % 90,
            number % 28 + 1,
            number * 3
        )
    };
    let items: Vec<String> = (100..119).map(one).collect();
    let body = format!("{{\"items\":[{}],\"total\":19}}", items.join(","));
    let head = String::from_utf8(response(body.len())).unwrap_or_default();
    let head = head.split_once("\r\n\r\n").map_or("", |(head, _)| head);
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// Seconds for so many exchanges.
fn run(kind: &Kind, count: u32, is_inspected: bool) -> Result<f64> {
    // All responses are read: here it is asked what that costs, not what the budget leaves.
    let inspect = inspect::Config {
        enabled: is_inspected,
        bytes_per_second: usize::MAX,
        response_bytes_per_second: usize::MAX,
        ..inspect::Config::default()
    };
    let config = Config { inspect, ..Config::default() };
    let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), Count::default())?;
    let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
    for conversation in &mut conversations {
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let mut requests = kind.requests.iter().cycle();
    let stopwatch = Stopwatch::start();
    for _ in 0..count / CONNECTIONS {
        for conversation in &mut conversations {
            let request = requests.next().map(Vec::as_slice).unwrap_or_default();
            conversation.exchange(request, &kind.response, |segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    let counted = pipeline.observer().0;
    ensure!(counted == u64::from(count / CONNECTIONS * CONNECTIONS), "{counted} exchanges");
    Ok(seconds)
}
