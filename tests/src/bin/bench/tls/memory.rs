//! What idle keep-alive connections inside TLS take beyond those in clear.

use anyhow::{Result, ensure};
use sensor::pipeline::Pipeline;
use sensor_tests::peers::rustls::Pair;
use sensor_tests::process::resident;

use super::talks::{Recorded, pipeline};
use crate::http::conversation::{Conversation, REQUEST, response};
use crate::http::pipeline::Count;
use crate::plane::ratio;
use crate::report::{BYTES, Report, Target};

const CONNECTIONS: u32 = 100_000;
/// Handshakes that are made; each is brought from many clients.
const TALKS: u32 = 100;
const BUDGET: f64 = 1_024.0;

/// The growth of this process over 100,000 connections with one exchange each, in TLS and in clear.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let pair = Pair::new()?;
    let recorded: Vec<Recorded> = (0..TALKS).map(|_| Recorded::new(&pair, 1)).collect::<Result<_>>()?;
    // Both stay: what one has freed would not count for the other.
    let (tls, secret) = grown(|number, pipeline| {
        let mut conversation = Conversation::new(number);
        if let Some(recorded) = recorded.get(number as usize % recorded.len()) {
            recorded.open(&mut conversation, pipeline);
            recorded.exchange(0, &mut conversation, pipeline);
        }
    })?;
    let response = response(1_024);
    let (clear, plain) = grown(|number, pipeline| {
        let mut conversation = Conversation::new(number);
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
        conversation.exchange(REQUEST, &response, |segment| {
            let _instruction = pipeline.segment(segment);
        });
    })?;
    ensure!(tls.tls().open == u64::from(CONNECTIONS) && clear.tls().open == 0, "{} sessions", tls.tls().open);
    let beyond = ratio(secret.saturating_sub(plain), CONNECTIONS.into());
    let what = "an idle keep-alive connection in TLS, beyond one in clear";
    report.compare(what, (beyond, BYTES), ("budget", BUDGET), Some(Target::AtMost(1.0)));
    Ok(())
}

fn grown(mut open: impl FnMut(u32, &mut Pipeline<Count>)) -> Result<(Pipeline<Count>, u64)> {
    let mut pipeline = pipeline()?;
    let before = resident(std::process::id())?;
    (0..CONNECTIONS).for_each(|number| open(number, &mut pipeline));
    let grown = resident(std::process::id())?.saturating_sub(before);
    let seen = pipeline.observer().0;
    ensure!(seen == u64::from(CONNECTIONS), "{seen} exchanges");
    Ok((pipeline, grown))
}
