//! State of a connection until its keys are known.

use std::collections::VecDeque;

use ring::digest;

use super::counters::Held;
use super::facts::Offer;
use super::hello::{MESSAGE_HASH, ServerHello};
use super::secrets::{Identity, Tag};
use super::suite::Suite;
use crate::capture::secret::{Random, digest};
use crate::clock::Timestamp;
use crate::stream::{Missing, Side};

/// Overhead of an item in the queue, besides its bytes.
const ITEM: usize = size_of::<Item>();

/// Before the keys are known.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    pub(super) client: Hello,
    pub(super) server: Hello,
    /// The first ClientHello and the HelloRetryRequest.
    pub(super) retried: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) random: Option<Random>,
    pub(super) offer: Offer,
    pub(super) identity: Option<Identity>,
    /// What came after the hellos, in order.
    pub(super) queue: VecDeque<Item>,
    pub(super) queued: usize,
    pub(super) deadline: Timestamp,
    pub(super) tags: Vec<Tag>,
}

/// The hello of a side.
#[derive(Debug, Default)]
pub(super) struct Hello {
    /// Messages, headers included.
    pub(super) message: Vec<u8>,
    pub(super) is_read: bool,
    /// Its end was not captured.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) side: Side,
    pub(super) time: Timestamp,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Bytes(Box<[u8]>),
    Missing(u64, Missing),
    End,
}

impl Handshake {
    pub(super) fn hello(&mut self, side: Side) -> &mut Hello {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Queues what cannot be read yet; what finds no room counts as missing.
    pub(super) fn keep(&mut self, side: Side, what: What, time: Timestamp, (held, most): (&mut Held, usize)) {
        let what = match what {
            What::Bytes(bytes) if self.queued >= most || !held.has_room() => {
                held.refused = held.refused.saturating_add(bytes.len() as u64);
                What::Missing(bytes.len() as u64, Missing::NotCaptured)
            }
            what @ (What::Bytes(_) | What::Missing(..) | What::End) => what,
        };
        if let (What::Missing(more, why), Some(Item { side: last, what: What::Missing(length, reason), .. })) =
            (&what, self.queue.back_mut())
            && (*last, *reason) == (side, *why)
        {
            *length = length.saturating_add(*more);
            return;
        }
        let size = ITEM.saturating_add(if let What::Bytes(bytes) = &what { bytes.len() } else { 0 });
        self.queued = self.queued.saturating_add(size);
        held.add(size);
        self.queue.push_back(Item { side, time, what });
    }

    pub(super) fn take_queue(&mut self, held: &mut Held) -> VecDeque<Item> {
        held.remove(std::mem::take(&mut self.queued));
        std::mem::take(&mut self.queue)
    }

    pub(super) fn identity(&self, server: &ServerHello, message: &[u8]) -> Option<Identity> {
        let suite = Suite::new(server.version, server.suite)?;
        let algorithm = suite.hash.digest();
        let first = self.retried.as_ref().map_or(&self.client.message, |(first, _)| first);
        let whole = !self.client.is_cut;
        let hellos = whole.then(|| {
            let mut context = digest::Context::new(algorithm);
            if let Some((first, retry)) = &self.retried {
                let length = u8::try_from(suite.hash.bytes()).unwrap_or_default();
                context.update(&[MESSAGE_HASH, 0, 0, length]);
                context.update(digest::digest(algorithm, first).as_ref());
                context.update(retry);
            }
            context.update(&self.client.message);
            context.update(message);
            digest(context.finish().as_ref())
        });
        Some(Identity {
            suite,
            is_13: server.version == 0x0304,
            client: self.random?,
            server: server.random,
            hellos,
            client_hello: whole.then(|| digest(digest::digest(algorithm, first).as_ref())),
        })
    }
}
