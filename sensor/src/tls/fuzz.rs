//! Fuzz entries: arbitrary bytes in, postconditions checked.

use super::{Application, Config, Facts, Outcome, Tls};
use crate::capture::Endpoint;
use crate::capture::keylog::KeyLog;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Missing, Opening, Protocol, Side};

/// Counts what it is told.
#[derive(Debug, Default)]
struct Counter {
    bytes: u64,
    facts: bool,
}

impl Protocol for Counter {
    type State = ();

    fn open(&mut self, _opening: &Opening) {}

    fn data(&mut self, (): &mut (), _: Side, bytes: &[u8], _: Timestamp) -> Advice {
        assert!(!bytes.is_empty(), "nothing is no data");
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Advice::Continue
    }

    fn missing(&mut self, (): &mut (), _: Side, length: u64, _: Missing, _: Timestamp) -> Advice {
        assert!(length > 0, "nothing is not missing");
        Advice::Continue
    }

    fn end(&mut self, (): &mut (), _: Side, _: Timestamp) {}

    fn close(&mut self, (): (), _: CloseCause, _: Timestamp) {}
}

impl Application for Counter {
    fn secured(&mut self, (): &mut (), _: Box<Facts>) {
        assert!(!std::mem::replace(&mut self.facts, true), "facts are told once");
    }
}

/// A connection as a series of steps: an action, a two-byte length, and bytes of a side or of a key log.
pub fn connection(data: &[u8]) {
    let Some((selector, mut rest)) = data.split_first() else { return };
    let config = Config {
        has_source: selector & 1 == 0,
        connection_bytes: 4_096,
        waiting_bytes: 16_384,
        secrets: 8,
        expanded_keys: 2,
        ..Config::default()
    };
    let mut tls = Tls::new(config, Counter::default());
    let at = |port| Endpoint::new([192, 0, 2, 1].into(), port);
    let mut time = Timestamp::from_unix_micros(1);
    let opening =
        Opening { client: at(1), server: at(443), time, interface: 1, midstream: selector & 2 != 0 };
    let mut state = tls.open(&opening);
    let (mut said, mut stopped) = (0_u64, false);
    while let Some(([step, high, low], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (bytes, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        rest = after;
        let side = if step & 1 == 0 { Side::Client } else { Side::Server };
        time = time.plus(std::time::Duration::from_millis(u64::from(step >> 4)));
        let advice = match (step >> 1) & 7 {
            _ if stopped => break,
            0..=3 if !bytes.is_empty() => {
                said = said.saturating_add(bytes.len() as u64);
                tls.data(&mut state, side, bytes, time)
            }
            4 if length > 0 => tls.missing(&mut state, side, length as u64, Missing::Lost, time),
            5 => {
                let mut woken = false;
                KeyLog::default().read(bytes, |secret| woken |= tls.learn(secret, time).is_some());
                if woken { tls.wake(&mut state, time) } else { Advice::Continue }
            }
            6 => {
                tls.end(&mut state, side, time);
                Advice::Continue
            }
            _ => tls.wake(&mut state, time),
        };
        stopped = advice == Advice::Stop;
        assert!(tls.held() <= 16_384 + 2 * (65_536 + 128), "what waits is bounded: {}", tls.held());
    }
    tls.close(state, CloseCause::Idle, time);
    tls.finish();
    assert_eq!(tls.held(), 0, "nothing waits for a connection that is over");
    assert!(tls.inner().bytes <= said, "there is less inside than outside");
    let counters = tls.counters();
    assert_eq!((counters.open, counters.waiting), (0, 0));
    let ended: u64 = counters.outcomes().map(|(_, count)| count).sum();
    assert!(ended <= 1 && Outcome::ALL.len() == counters.outcomes().count());
}
