//! What an idle HTTP/2 connection takes of the daemon's memory.

use anyhow::{Result, ensure};
use sensor_tests::peers::http2_raw::{self, END_HEADERS, END_STREAM};
use sensor_tests::process::resident;

use crate::http::{Conversation, pipeline};
use crate::plane::ratio;
use crate::report::{BYTES, Report, Target};

const CONNECTIONS: u32 = 20_000;
const BUDGET: f64 = 8_192.0;

/// The growth of this process over 20,000 connections, each after a browser's first request and nginx's answer, with all
/// their fields in the dynamic tables.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let mut client = [http2_raw::PREFACE, &http2_raw::settings(&[])].concat();
    client.extend(http2_raw::frame(http2_raw::HEADERS, END_HEADERS | END_STREAM, 1, &request()));
    let mut server = http2_raw::settings(&[]);
    server.extend(http2_raw::frame(http2_raw::HEADERS, END_HEADERS, 1, &response()));
    server.extend(http2_raw::frame(http2_raw::DATA, END_STREAM, 1, &[b'x'; 100]));
    let mut pipeline = pipeline()?;
    let before = resident(std::process::id())?;
    for number in 0..CONNECTIONS {
        let mut conversation = Conversation::new(number);
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
        conversation.exchange(&client, &server, |segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let grown = resident(std::process::id())?.saturating_sub(before);
    ensure!(pipeline.streams().active == u64::from(CONNECTIONS), "{} connections", pipeline.streams().active);
    let seen = pipeline.observer().0;
    ensure!(seen == u64::from(CONNECTIONS), "{seen} exchanges");
    let each = ratio(grown, u64::from(CONNECTIONS));
    report.compare("an idle HTTP/2 connection", (each, BYTES), ("budget", BUDGET), Some(Target::AtMost(1.0)));
    Ok(())
}

/// As Firefox asks: what it repeats is indexed.
fn request() -> Vec<u8> {
    http2_raw::block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "shop.example.net"),
        (":path", "/api/v1/users/12345/orders?page=2"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "application/json"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("te", "trailers"),
    ])
}

fn response() -> Vec<u8> {
    http2_raw::block(&[
        (":status", "200"),
        ("server", "nginx/1.22.1"),
        ("date", "Tue, 24 Nov 2026 02:00:52 GMT"),
        ("content-type", "application/json"),
        ("content-length", "100"),
        ("etag", "\"65c2a1f3-3e8\""),
    ])
}
