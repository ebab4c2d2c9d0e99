//! What may be spent on undoing content codings. Their senders choose how much comes of each byte, so all that comes of
//! one is paid for:
//!
//! * a body comes to no more than [`Config::inflate_bytes`], and to no more than [`RATIO`] times its length;
//! * a connection earns [`EARNED`] bytes with each byte of its messages, which nobody else can spend;
//! * what it has not earned comes from an allowance that all connections share, by the second.
//!
//! So compressed text is decoded whoever else sends what, and a bomb costs no more than other traffic of its size.

use std::cell::Cell;

use super::anomaly::Anomaly;
use super::config::Config;
use super::counters::{Counters, add};
use super::decode::{self, Decoding};
use super::message::Message;
use crate::clock::Timestamp;

/// Bytes that a connection earns with each byte of a message on the wire.
const EARNED: u64 = 4;

/// Most that a connection saves up, in bytes.
const SAVED: u64 = 256 << 10;

/// Most bytes that come of each byte of a body. Text gives 3 to 20.
const RATIO: usize = 64;

/// What a body may come to all the same, in bytes.
const SMALL: usize = 16 << 10;

/// The part of a second in which the allowance fills up, as its reciprocal.
const FILLS: u64 = 8;

const SECOND: u64 = 1_000_000_000;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: u64,
    left: u64,
    filled: Timestamp,
}

impl Allowance {
    pub(super) fn new(config: &Config) -> Self {
        let per_second = config.inflate_bytes_per_second as u64;
        Self { per_second, left: 0, filled: Timestamp::default() }
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.since(self.filled).as_nanos()).unwrap_or(u64::MAX).min(SECOND);
        let more = passed.saturating_mul(self.per_second).checked_div(SECOND).unwrap_or(0);
        // Civil time may have been set back; then it begins to pass again from there.
        if more > 0 || now < self.filled {
            self.filled = now;
        }
        let most = self.per_second.checked_div(FILLS).unwrap_or(0);
        self.left = self.left.saturating_add(more).min(most);
    }

    /// What there is for an exchange that ends now: these messages, one or two, earn for their connection, which has
    /// saved so much. Time passes only where something is coded.
    pub(super) fn open(
        &mut self,
        longest: usize,
        saved: u32,
        messages: [Option<&Message>; 2],
        now: impl FnOnce() -> Timestamp,
    ) -> Purse {
        let mut own = u64::from(saved);
        let mut is_coded = false;
        for message in messages.into_iter().flatten() {
            let wire = message.body_wire_length.saturating_add(message.head_length as u64);
            own = own.saturating_add(wire.saturating_mul(EARNED));
            is_coded |= message.facts.content_encoding.is_some();
        }
        if is_coded {
            self.fill(now());
        }
        Purse {
            longest,
            own: Cell::new(own.min(SAVED)),
            shared: Cell::new(self.left),
            by_body: Cell::new(false),
            by_budget: Cell::new(false),
        }
    }

    /// Takes back what was not spent; what the connection has saved.
    pub(super) fn close(&mut self, purse: &Purse, counters: &mut Counters) -> u32 {
        self.left = purse.shared.get();
        add(&mut counters.inflations_bounded, purse.by_body.get().into());
        add(&mut counters.inflations_refused, purse.by_budget.get().into());
        if purse.is_limited() {
            counters.note_one(Anomaly::InflationLimited);
        }
        u32::try_from(purse.own.get()).unwrap_or(u32::MAX)
    }
}

/// What there is for the bodies of one exchange.
#[derive(Debug)]
pub(super) struct Purse {
    longest: usize,
    own: Cell<u64>,
    shared: Cell<u64>,
    by_body: Cell<bool>,
    by_budget: Cell<bool>,
}

impl Purse {
    /// The kept body of a message, decoded as far as there is something left for it.
    pub(super) fn decode<'a>(&self, message: &'a Message, out: &'a mut Vec<u8>) -> (&'a [u8], Decoding) {
        let (body, is_whole) = (message.body(), message.body_is_whole());
        let encoding = message.content_encoding().unwrap_or_default();
        if !decode::is_coded(encoding) {
            let (body, decoding, _) = decode::decode(body, is_whole, encoding, self.longest, out);
            return (body, decoding);
        }
        let most = self.longest.min(body.len().saturating_mul(RATIO).max(SMALL));
        let funds = self.own.get().saturating_add(self.shared.get());
        let limit = usize::try_from(funds).unwrap_or(usize::MAX).min(most);
        let (decoded, decoding, made) = decode::decode(body, is_whole, encoding, limit, out);
        self.pay(made as u64);
        if decoding == Decoding::Bounded {
            let hit = if limit < most { &self.by_budget } else { &self.by_body };
            hit.set(true);
        }
        (decoded, decoding)
    }

    /// The same for who can do without: of what the connection has earned itself, and not the last half of that, since an attempt
    /// to log in may follow. That it ends early is no anomaly.
    pub(super) fn decode_spare<'a>(
        &self,
        message: &'a Message,
        out: &'a mut Vec<u8>,
    ) -> (&'a [u8], Decoding) {
        let (body, is_whole) = (message.body(), message.body_is_whole());
        let encoding = message.content_encoding().unwrap_or_default();
        let spare = usize::try_from(self.own.get() / 2).unwrap_or(usize::MAX);
        let limit = if decode::is_coded(encoding) { self.longest.min(spare) } else { self.longest };
        let (decoded, decoding, made) = decode::decode(body, is_whole, encoding, limit, out);
        if decode::is_coded(encoding) {
            self.pay(made as u64);
        }
        (decoded, decoding)
    }

    fn pay(&self, made: u64) {
        let own = self.own.get();
        self.own.set(own.saturating_sub(made));
        let shared = self.shared.get();
        self.shared.set(shared.saturating_sub(made.saturating_sub(own)));
    }

    /// Whether a bound kept a body from being decoded to its end.
    pub(super) fn is_limited(&self) -> bool {
        self.by_body.get() || self.by_budget.get()
    }
}
