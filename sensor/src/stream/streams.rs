//! All connections.

use std::hash::{BuildHasher, Hasher};

use super::acceptance;
use super::advice::instruct;
use super::config::Config;
use super::connection::{Class, Connection, Context, Next, Phase};
use super::counters::{Counters, Invalid, Refusal, add, bump};
use super::deadlines::Deadlines;
use super::protocol::{CloseCause, Protocol, Side};
use super::recent::Recent;
use super::roles;
use super::sequence::Sequence;
use super::table::Table;
use super::twins::Twins;
use crate::capture::{Direction, Endpoint, Flags, Segment, TcpHeader};
use crate::clock::Timestamp;

/// Maximum entries dropped, or deadlines handled, together with one segment.
const PER_SEGMENT: usize = 8;

/// The same for the passing of time: closing a hundred thousand connections at once would block everything else. The
/// others follow next time.
const PER_ADVANCE: usize = 16_384;

/// What a source no longer needs to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Instruction {
    /// Payload of one direction before a sequence number. Segments with SYN, FIN or RST are still needed, and so is a
    /// segment that extends beyond the number. Bytes left out are reported as [`super::Missing::NotCaptured`]; bytes
    /// that arrive anyway are delivered.
    SkipUntil {
        /// Which side's payload.
        side: Side,
        /// Its sender.
        source: Endpoint,
        /// Its receiver.
        destination: Endpoint,
        /// The first sequence number needed again.
        sequence: u32,
    },
    /// How much of a connection's long segments is needed: all of them, or only their beginnings. Repeated if the source
    /// goes on cutting segments that are needed whole.
    Copy {
        /// The client's endpoint.
        client: Endpoint,
        /// The server's endpoint.
        server: Endpoint,
        /// All of them.
        whole: bool,
    },
    /// Anything of a connection, until a SYN. The instruction is repeated if payload arrives anyway, since the source
    /// may have lost it.
    Stop {
        /// The client's endpoint.
        client: Endpoint,
        /// The server's endpoint.
        server: Endpoint,
    },
}

/// All connections, and the consumer of their bytes.
#[derive(Debug)]
pub struct Streams<P: Protocol> {
    pub(super) protocol: P,
    pub(super) config: Config,
    pub(super) counters: Counters,
    pub(super) table: Table<P::State>,
    pub(super) deadlines: Deadlines,
    pub(super) recent: Recent,
    pub(super) twins: Twins,
    /// Nothing is due before this time.
    pub(super) due: Timestamp,
    /// The entry to visit next, and when the last visit was.
    pub(super) look_next: usize,
    pub(super) looked: Timestamp,
}

impl<P: Protocol> Streams<P> {
    /// No connections yet.
    pub fn new(config: Config, protocol: P) -> Self {
        let config = config.checked();
        let seed = config.seed.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
        Self {
            protocol,
            counters: Counters::default(),
            table: Table::new(config.max_connections, seed),
            deadlines: Deadlines::default(),
            recent: Recent::default(),
            twins: Twins::default(),
            due: Timestamp::from_unix_nanos(u64::MAX),
            look_next: 0,
            looked: Timestamp::default(),
            config,
        }
    }

    /// The consumer of the bytes.
    pub const fn protocol(&self) -> &P {
        &self.protocol
    }

    /// See [`Self::protocol`].
    pub const fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    /// Returns the protocol. Unfinished connections are dropped.
    pub fn into_protocol(self) -> P {
        self.protocol
    }

    /// Totals so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes one segment in. Returns an instruction for the source about its connection, if any.
    pub fn segment(&mut self, segment: &Segment<'_>) -> Option<Instruction> {
        bump(&mut self.counters.segments);
        add(&mut self.counters.bytes, segment.length);
        if segment.time >= self.due {
            self.catch_up(segment.time, PER_SEGMENT);
        }
        if let Err(refusal) = acceptance::integrity(segment, &self.config.signatures) {
            self.turn_away(segment, refusal);
            return None;
        }
        if let Some((index, side)) = self.table.find(segment.source, segment.destination) {
            self.known(index, side, segment)
        } else {
            self.unknown(segment)
        }
    }

    /// Lets time pass: drops connections that have been idle or waiting too long. Segments trigger the same; this is
    /// for when none arrive. Its cost depends only on what is dropped, which is bounded.
    pub fn advance(&mut self, now: Timestamp) {
        if now >= self.due {
            self.catch_up(now, PER_ADVANCE);
        }
    }

    /// Lets the protocol check a connection again: what it waits for comes by another way than segments.
    pub fn wake(&mut self, client: Endpoint, server: Endpoint, now: Timestamp) -> Option<Instruction> {
        let (index, _) = self.table.find(client, server)?;
        self.with(index, now, |connection, context| connection.wake(context));
        instruct(self.table.get_mut(index)?, Side::Client)
    }

    /// Closes everything with [`CloseCause::EndOfCapture`], longest-idle connections first. Waiting bytes are
    /// delivered, with the gaps before them lost.
    pub fn finish(&mut self, now: Timestamp) {
        while let Some(index) = self.oldest(&Class::ALL) {
            self.give_up(index, CloseCause::EndOfCapture, now);
        }
        self.deadlines = Deadlines::default();
        self.due = Timestamp::from_unix_nanos(u64::MAX);
    }

    /// Segments that their receiver drops on any connection. A damaged segment is retransmitted intact; a signed one
    /// was meant to be signed.
    #[cold]
    fn turn_away(&mut self, segment: &Segment<'_>, why: Refusal) {
        self.counters.count_refusal(why);
        if why != Refusal::Signature {
            return;
        }
        if let Some((index, Side::Client)) = self.table.find(segment.source, segment.destination) {
            self.with(index, segment.time, |connection, context| {
                connection.keep_refused(Sequence(segment.sequence), segment.payload, context);
            });
        }
    }

    fn known(&mut self, index: usize, side: Side, segment: &Segment<'_>) -> Option<Instruction> {
        let connection = self.table.get_mut(index)?;
        if !connection.comes_from_its_side(side, segment) {
            self.counters.count_refusal(Refusal::Direction);
            return None;
        }
        let mut context = Context {
            protocol: &mut self.protocol,
            counters: &mut self.counters,
            config: &self.config,
            deadlines: &mut self.deadlines,
            recent: &mut self.recent,
            time: segment.time,
            index,
        };
        if connection.take_plain(side, segment, &mut context) {
            connection.last_seen = segment.time;
            let (class, notice) = (connection.class, connection.notice);
            if class == Class::Open && !notice {
                self.table.renew(index, class);
                return None;
            }
            return self.after(index, side, segment);
        }
        let next = match connection.phase {
            Phase::Established => connection.receive(side, segment, &mut context),
            Phase::SynSent | Phase::SynReceived => connection.shake(side, segment, &mut context),
            Phase::Closed | Phase::Stopped => late(connection, side, segment, &mut self.counters),
        };
        let shakes = side == Side::Server && connection.phase == Phase::SynReceived;
        match next {
            Next::Keep => {
                if shakes && segment.flags.has(Flags::SYN) {
                    self.look_for_twin(index, segment.time);
                }
                self.after(index, side, segment)
            }
            Next::Remove => {
                self.forget(index);
                None
            }
            Next::Anew => self.begin_anew(index, segment),
        }
    }

    /// Updates lists, bounds and instructions after a segment of a connection.
    fn after(&mut self, index: usize, side: Side, segment: &Segment<'_>) -> Option<Instruction> {
        let connection = self.table.get_mut(index)?;
        if matches!(connection.phase, Phase::Established | Phase::Stopped) {
            connection.last_seen = segment.time;
            let class = connection.class;
            self.table.renew(index, class);
        }
        if let Some(class) = self.table.reclass(index) {
            self.look_again(segment.time.plus(self.timeout(class)));
        }
        if let Some(next) = self.deadlines.next() {
            self.look_again(next);
        }
        self.bound(segment.time);
        instruct(self.table.get_mut(index)?, side)
    }

    /// A segment of an unknown connection.
    fn unknown(&mut self, segment: &Segment<'_>) -> Option<Instruction> {
        let flags = segment.flags;
        let (syn, ack) = (flags.has(Flags::SYN), flags.has(Flags::ACK));
        if flags.has(Flags::RST) || (!syn && ack && segment.length == 0) {
            bump(&mut self.counters.stray);
            return None;
        }
        if (syn && flags.has(Flags::FIN)) || (!syn && !ack) {
            self.counters.count_invalid(Invalid::Flags);
            return None;
        }
        // A SYN that leaves this host is not a client's, and a SYN|ACK that arrives is not a server's.
        let expected = if ack { Direction::Egress } else { Direction::Ingress };
        if syn && segment.direction.is_some_and(|direction| direction != expected) {
            self.counters.count_refusal(Refusal::Direction);
            return None;
        }
        self.make_room(segment.time);
        let mut context = Context {
            protocol: &mut self.protocol,
            counters: &mut self.counters,
            config: &self.config,
            deadlines: &mut self.deadlines,
            recent: &mut self.recent,
            time: segment.time,
            index: 0,
        };
        let connection = match (syn, ack) {
            (true, false) => Connection::from_syn(segment, &mut context),
            (true, true) => Connection::from_answer(segment),
            _ => midstream(segment, &mut context),
        };
        let index = self.table.insert(connection);
        bump(&mut self.counters.tracked);
        self.look_again(segment.time.plus(self.config.half_open_timeout));
        if syn {
            return None;
        }
        let side = self.table.find(segment.source, segment.destination)?.1;
        self.known(index, side, segment)
    }

    fn begin_anew(&mut self, index: usize, segment: &Segment<'_>) -> Option<Instruction> {
        let connection = self.forget(index)?;
        // The SYN may have come a while ago; the current segment continues from it.
        if connection.reopening_known && !segment.flags.has(Flags::SYN) {
            let syn = Segment {
                sequence: connection.reopening.0,
                flags: Flags::SYN,
                length: 0,
                payload: &[],
                header: TcpHeader::default(),
                ..*segment
            };
            let _none = self.unknown(&syn);
            let (index, side) = self.table.find(segment.source, segment.destination)?;
            return self.known(index, side, segment);
        }
        self.unknown(segment)
    }

    /// Removes a connection from the table that the protocol does not know, or no longer knows.
    pub(super) fn forget(&mut self, index: usize) -> Option<Connection<P::State>> {
        let mut connection = self.table.remove(index)?;
        connection.client_half.clear(&mut self.counters);
        connection.server_half.clear(&mut self.counters);
        self.counters.tracked = self.counters.tracked.saturating_sub(1);
        Some(connection)
    }

    /// Closes a connection and removes it from the table.
    pub(super) fn give_up(&mut self, index: usize, cause: CloseCause, time: Timestamp) {
        self.with(index, time, |connection, context| connection.close(cause, context));
        self.forget(index);
    }

    /// Runs a connection.
    pub(super) fn with<T>(
        &mut self,
        index: usize,
        time: Timestamp,
        work: impl FnOnce(&mut Connection<P::State>, &mut Context<'_, P>) -> T,
    ) -> Option<T> {
        let connection = self.table.get_mut(index)?;
        let mut context = Context {
            protocol: &mut self.protocol,
            counters: &mut self.counters,
            config: &self.config,
            deadlines: &mut self.deadlines,
            recent: &mut self.recent,
            time,
            index,
        };
        Some(work(connection, &mut context))
    }
}

/// A segment of a closed connection.
fn late<S>(
    connection: &mut Connection<S>,
    side: Side,
    segment: &Segment<'_>,
    counters: &mut Counters,
) -> Next {
    let flags = segment.flags;
    let half = connection.look(side);
    let again = half.isn_known && half.isn == Sequence(segment.sequence);
    let syn = flags.has(Flags::SYN) && flags.0 & (Flags::FIN.0 | Flags::RST.0) == 0;
    // A SYN|ACK may stand for a SYN that was missed, if it comes from the server.
    let begins = syn && (!flags.has(Flags::ACK) || side == Side::Server);
    if begins && !again {
        return Next::Anew;
    }
    bump(if syn && again { &mut counters.repeated_syns } else { &mut counters.late });
    connection.notice |= connection.phase == Phase::Stopped && segment.length > 0;
    Next::Keep
}

/// A connection whose handshake was missed, started by its first segment with data.
fn midstream<P: Protocol>(segment: &Segment<'_>, context: &mut Context<'_, P>) -> Connection<P::State> {
    let (client, server) = if roles::from_client(segment, context.config) {
        (segment.source, segment.destination)
    } else {
        (segment.destination, segment.source)
    };
    let mut connection = Connection::new(client, server, segment);
    connection.establish(true, context);
    let is_client = client == segment.source;
    connection.began = Sequence(if is_client { segment.sequence } else { segment.acknowledgement });
    connection
}
