//! Messages in use, bounded in number and bytes, and spare ones, so that the usual exchange allocates nothing.

use std::collections::VecDeque;

use super::config::Config;
use super::counters::{Counters, add};
use super::header::HeaderSpan;
use super::message::Message;
use crate::clock::Timestamp;

/// Room for a usual head and a small body.
const USUAL_BYTES: usize = 512;

/// Memory above which a message is not kept for the next one.
const SPARE_BYTES: usize = 40 << 10;

/// Waiting requests of a connection but the oldest.
#[derive(Debug, Default)]
pub(super) struct Waiting(pub VecDeque<Box<Message>>);

#[derive(Debug)]
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "the boxes move to connections and back")]
    spare: Vec<Box<Message>>,
    #[expect(clippy::vec_box, reason = "the boxes move to connections and back")]
    spare_queues: Vec<Box<Waiting>>,
    in_use: usize,
    /// Bytes of all buffers, spare ones included.
    bytes: usize,
    max_in_use: usize,
    max_bytes: usize,
    max_spare: usize,
}

impl Pool {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            spare: Vec::new(),
            spare_queues: Vec::new(),
            in_use: 0,
            bytes: 0,
            max_in_use: config.messages,
            max_bytes: config.buffer_bytes,
            max_spare: config.spare_messages,
        }
    }

    pub(super) const fn in_use(&self) -> usize {
        self.in_use
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// An empty message.
    #[inline]
    pub(super) fn take(&mut self, started: Timestamp, counters: &mut Counters) -> Option<Box<Message>> {
        if self.in_use >= self.max_in_use {
            add(&mut counters.messages_exhausted, 1);
            return None;
        }
        self.in_use = self.in_use.saturating_add(1);
        let mut message = self.spare.pop().unwrap_or_default();
        message.reset(started);
        Some(message)
    }

    /// Takes a message back.
    #[inline]
    pub(super) fn give(&mut self, mut message: Box<Message>) {
        self.in_use = self.in_use.saturating_sub(1);
        self.settle(&mut message);
        if self.spare.len() < self.max_spare && message.charged <= SPARE_BYTES {
            self.spare.push(message);
        } else {
            self.bytes = self.bytes.saturating_sub(message.charged);
        }
    }

    /// Makes room for so many more bytes in a message; false where the bound does not allow it.
    #[inline]
    pub(super) fn make_room(&mut self, message: &mut Message, more: usize, counters: &mut Counters) -> bool {
        if message.bytes.capacity().saturating_sub(message.bytes.len()) >= more {
            return true;
        }
        let needed = message.bytes.len().saturating_add(more).max(USUAL_BYTES);
        let capacity = needed.checked_next_power_of_two().unwrap_or(needed);
        if self.bytes.saturating_add(capacity) > self.max_bytes {
            self.spare_for(capacity);
        }
        let held = self.bytes.saturating_sub(message.bytes.capacity());
        if held.saturating_add(capacity) > self.max_bytes {
            add(&mut counters.buffers_exhausted, 1);
            return false;
        }
        message.bytes.reserve_exact(capacity.saturating_sub(message.bytes.len()));
        self.settle(message);
        true
    }

    /// Frees spare messages until so many bytes fit.
    fn spare_for(&mut self, bytes: usize) {
        while self.bytes.saturating_add(bytes) > self.max_bytes {
            let Some(message) = self.spare.pop() else { return };
            self.bytes = self.bytes.saturating_sub(message.charged);
        }
    }

    /// Counts the memory of a message anew.
    #[inline]
    pub(super) fn settle(&mut self, message: &mut Message) {
        let spans = message.spans.capacity().saturating_mul(size_of::<HeaderSpan>());
        let bytes = message.bytes.capacity().saturating_add(spans);
        self.bytes = self.bytes.saturating_sub(message.charged).saturating_add(bytes);
        message.charged = bytes;
    }

    pub(super) fn take_queue(&mut self) -> Box<Waiting> {
        self.spare_queues.pop().unwrap_or_default()
    }

    pub(super) fn give_queue(&mut self, queue: Box<Waiting>) {
        if self.spare_queues.len() < 16 {
            self.spare_queues.push(queue);
        }
    }
}
