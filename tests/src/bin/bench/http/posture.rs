//! `sensor posture` of a day: how long the report takes, and how long the thread that reads HTTP does nothing else for it.

use std::fmt::Write as _;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use sensor::clock::Timestamp;
use sensor::identity::Key;
use sensor::pipeline::{Config, Pipeline};
use sensor::posture::{Ask, Snapshot, draft, report};

use super::conversation::Conversation;
use super::pipeline::Count;
use crate::clock::CpuTime;
use crate::contest::Effort;
use crate::report::{MS, Report, Target};

/// Connections that take turns: two segments of each are a turn of the thread, 128.
const CONNECTIONS: u32 = 64;
const EXCHANGES: u32 = 10_000_000;
const PRINCIPALS: u32 = 100_000;
/// With four methods each, nearly all the rows that there may be.
const TEMPLATES: u32 = 1_000;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// Reports that are asked for in the course of it.
const REPORTS: u32 = 20;

/// Milliseconds at most.
const MOST_REPORT: f64 = 2_000.0;
const MOST_PAUSE: f64 = 5.0;

/// Plays the day, and asks for reports again and again.
pub(crate) fn measure(sheet: &mut Report, effort: Effort) -> Result<()> {
    let exchanges = if effort.quick { EXCHANGES / 10 } else { EXCHANGES };
    let mut day = Day::new()?;
    let turns = exchanges / CONNECTIONS;
    let mut worst = Worst::default();
    for part in 0..REPORTS {
        let (mut plain, mut shared) = (0.0_f64, 0.0_f64);
        for turn in 0..turns / REPORTS {
            plain = plain.max(day.turn(part * (turns / REPORTS) + turn)?);
        }
        let taking = CpuTime::start()?;
        let snapshot = day.pipeline.inventory().snapshot(Timestamp::from_unix_nanos(1 << 60));
        let taken = millis(&taking)?;
        let reporter = thread::spawn(move || read(snapshot));
        // While it is read, rows are shared: those that change are copied.
        let mut turn = 0;
        while !reporter.is_finished() || turn < 1_000 {
            shared = shared.max(day.turn(turns + part * 1_000 + turn % 1_000)?);
            turn += 1;
        }
        let (reported, drafted) = reporter.join().ok().context("the report failed")??;
        for (own, more) in [
            (&mut worst.report, reported),
            (&mut worst.draft, drafted),
            (&mut worst.snapshot, taken),
            (&mut worst.plain, plain),
            (&mut worst.shared, shared),
        ] {
            *own = own.max(more);
        }
    }
    let rows = day.pipeline.inventory().len();
    ensure!(rows == METHODS.len() * TEMPLATES as usize, "{rows} rows");
    let most = Some(Target::AtMost(1.0));
    let what = format!("posture of {exchanges} exchanges, {rows} rows");
    sheet.compare(&what, (worst.report, MS), ("target", MOST_REPORT), most);
    sheet.compare("the draft OpenAPI document of it", (worst.draft, MS), ("target", MOST_REPORT), most);
    let what = "the thread's CPU time for a snapshot";
    sheet.compare(what, (worst.snapshot, MS), ("target", MOST_PAUSE), most);
    let what = "the thread's longest turn of 128 segments while a report is made";
    sheet.compare(what, (worst.shared, MS), ("target", MOST_PAUSE), most);
    sheet.compare("the longest turn at other times", (worst.plain, MS), ("target", MOST_PAUSE), most);
    Ok(())
}

/// The longest of each, in milliseconds.
#[derive(Default)]
struct Worst {
    report: f64,
    draft: f64,
    snapshot: f64,
    plain: f64,
    shared: f64,
}

fn millis(time: &CpuTime) -> Result<f64> {
    Ok(time.elapsed()?.as_secs_f64() * 1e3)
}

/// What a request to the daemon makes of a snapshot: milliseconds for a report, and for a draft of an OpenAPI document.
fn read(snapshot: Snapshot) -> Result<(f64, f64)> {
    let time = CpuTime::start()?;
    let ask = Ask { since: Some(Timestamp::from_unix_nanos(1 << 59)), ..Ask::default() };
    let report = report(&snapshot, &ask);
    let text = serde_json::to_vec(&report)?;
    ensure!(!report.findings.is_empty() && text.len() > 1 << 20, "{} bytes", text.len());
    let reported = millis(&time)?;
    let draft = serde_json::to_vec(&draft(&snapshot, &ask))?;
    ensure!(draft.len() > 1 << 20, "{} bytes", draft.len());
    drop(snapshot);
    Ok((reported, millis(&time)? - reported))
}

struct Day {
    pipeline: Pipeline<Count>,
    conversations: Vec<Conversation>,
    request: String,
    response: Vec<u8>,
}

impl Day {
    fn new() -> Result<Self> {
        let mut config = Config::default();
        config.routes.patterns = (0..TEMPLATES).map(|number| format!("/api/t{number}/{{id}}")).collect();
        config.routes.max_templates = 16_384;
        let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), Count::default())?;
        let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
        for conversation in &mut conversations {
            conversation.open(|segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
        let body = fields("answer");
        let response = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Set-Cookie: session=q8w7e6r5t4; Path=/\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { pipeline, conversations, request: String::new(), response: response.into_bytes() })
    }

    /// An exchange of each connection; the thread's milliseconds for it.
    fn turn(&mut self, turn: u32) -> Result<f64> {
        let Self { pipeline, conversations, request, response } = self;
        let time = CpuTime::start()?;
        for (conversation, number) in conversations.iter_mut().zip(0..) {
            write_request(request, turn * CONNECTIONS + number)?;
            conversation.exchange(request.as_bytes(), response, |segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
        millis(&time)
    }
}

/// Thirty members, two of them lists of objects.
fn fields(prefix: &str) -> String {
    let mut text = String::from("{");
    for number in 0..28 {
        let _infallible = write!(text, "\"{prefix}{number}\":{number},");
    }
    let lines = "[{\"sku\":\"ABC-1\",\"count\":2,\"price\":9.9},{\"sku\":\"ABC-2\",\"count\":1}]";
    let _infallible = write!(text, "\"lines\":{lines},\"email\":\"a@example.org\",\"more\":{lines}}}");
    text
}

/// One of a hundred thousand principals; one request in eight comes without credentials. Few routes have most requests.
fn write_request(request: &mut String, number: u32) -> Result<()> {
    let mixed = number.wrapping_mul(2_654_435_761);
    let (who, share) = ((mixed >> 8) % PRINCIPALS, mixed % TEMPLATES);
    // Half of the requests go to a quarter of the routes; each sixteenth to any.
    let template =
        if number.is_multiple_of(16) { number / 16 % TEMPLATES } else { share * share / TEMPLATES };
    let method = METHODS.get((number / 16 / TEMPLATES + (mixed >> 20)) as usize % METHODS.len());
    let method = *method.unwrap_or(&"GET");
    request.clear();
    write!(
        request,
        "{method} /api/t{template}/{number} HTTP/1.1\r\nHost: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: application/json\r\n"
    )?;
    if !number.is_multiple_of(8) {
        write!(request, "X-Api-Key: k{who:08}a7c3\r\n")?;
    }
    if matches!(method, "POST" | "PUT") {
        let body = fields("given");
        write!(request, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    } else {
        request.push_str("\r\n");
    }
    Ok(())
}
