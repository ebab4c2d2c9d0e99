//! From encrypted segments in memory to exchanges, on one core: what the daemon's thread does behind its ring.

use anyhow::{Result, ensure};
use sensor_tests::peers::rustls::Pair;

use super::talks::{Recorded, pipeline};
use crate::clock::CpuTime;
use crate::contest::Effort;
use crate::http::conversation::Conversation;
use crate::report::{PER_SECOND, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;
/// Exchanges of each: the whole capture has 100 MB.
const EXCHANGES: u32 = 1_000;
const TARGET: f64 = 400_000.0;

/// The best of some rounds, in CPU time: others use the machine, too.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let rounds = if effort.quick { 3 } else { 25 };
    let pair = Pair::new()?;
    let recorded: Vec<Recorded> =
        (0..CONNECTIONS).map(|_| Recorded::new(&pair, EXCHANGES)).collect::<Result<_>>()?;
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let mut pipeline = pipeline()?;
        let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
        for (recorded, conversation) in recorded.iter().zip(&mut conversations) {
            recorded.open(conversation, &mut pipeline);
        }
        let used = CpuTime::start()?;
        for number in 0..EXCHANGES as usize {
            for (recorded, conversation) in recorded.iter().zip(&mut conversations) {
                recorded.exchange(number, conversation, &mut pipeline);
            }
        }
        let seconds = used.elapsed()?.as_secs_f64();
        let expected = u64::from(CONNECTIONS * EXCHANGES);
        ensure!(pipeline.observer().0 == expected, "{} of {expected} exchanges", pipeline.observer().0);
        ensure!(pipeline.tls().unreadable == 0, "{} records were not read", pipeline.tls().unreadable);
        best = best.min(seconds / f64::from(CONNECTIONS * EXCHANGES));
    }
    let what = "TLS 1.3 in memory to exchanges, AES-128-GCM, 1 KB, one core";
    report.compare(what, (1.0 / best, PER_SECOND), ("target", TARGET), Some(Target::AtLeast(1.0)));
    Ok(())
}
