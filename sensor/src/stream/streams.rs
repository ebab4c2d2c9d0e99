//! All connections.

use std::hash::{BuildHasher, Hasher};

use super::acceptance;
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

/// Entries given up, or deadlines met, along with one segment at most.
const PER_SEGMENT: usize = 8;

/// The same at a time: that of a hundred thousand connections at once would be in everybody's way. The others come the
/// next time.
const PER_ADVANCE: usize = 16_384;

/// What a source need not bring any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Instruction {
    /// Payload of one direction before a sequence number. Segments with SYN, FIN or RST are still needed, and so
    /// is a segment that goes beyond the number. What is left out is reported as
    /// [`super::Missing::NotCaptured`]; what comes all the same is delivered.
    SkipUntil {
        /// Whose payload.
        side: Side,
        /// Its sender.
        source: Endpoint,
        /// Its receiver.
        destination: Endpoint,
        /// The first sequence number that is needed again.
        sequence: u32,
    },
    /// Anything of a connection, until a SYN. It is given again where payload comes all the same, since the
    /// source may have forgotten.
    Stop {
        /// Where the client's end is.
        client: Endpoint,
        /// Where the server's end is.
        server: Endpoint,
    },
}

/// All connections, and what is done with their bytes.
#[derive(Debug)]
pub struct Streams<P: Protocol> {
    pub(super) protocol: P,
    pub(super) config: Config,
    pub(super) counters: Counters,
    pub(super) table: Table<P::State>,
    pub(super) deadlines: Deadlines,
    pub(super) recent: Recent,
    pub(super) twins: Twins,
    /// Nothing needs to be done before.
    pub(super) due: Timestamp,
    /// The entry to look at next, and when that was done last.
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

    /// What is done with the bytes.
    pub const fn protocol(&self) -> &P {
        &self.protocol
    }

    /// See [`Self::protocol`].
    pub const fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    /// Gives the protocol back. What was not finished is forgotten.
    pub fn into_protocol(self) -> P {
        self.protocol
    }

    /// What happened so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes one segment in. Returns what the source should be told about its connection, if anything.
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

    /// Lets time pass: gives up what has been idle or waiting for too long. Segments do the same on the way;
    /// this is for when none come. Takes time only for what is given up, of which there is a bound.
    pub fn advance(&mut self, now: Timestamp) {
        if now >= self.due {
            self.catch_up(now, PER_ADVANCE);
        }
    }

    /// Lets the protocol look at a connection again: what it waits for comes by another way than segments.
    pub fn wake(&mut self, client: Endpoint, server: Endpoint, now: Timestamp) -> Option<Instruction> {
        let (index, _) = self.table.find(client, server)?;
        self.with(index, now, |connection, context| connection.wake(context));
        instruct(self.table.get_mut(index)?, Side::Client)
    }

    /// Closes everything with [`CloseCause::EndOfCapture`], the connection idle for longest first. What waits is
    /// delivered, with the holes before it lost.
    pub fn finish(&mut self, now: Timestamp) {
        while let Some(index) = self.oldest(&Class::ALL) {
            self.give_up(index, CloseCause::EndOfCapture, now);
        }
        self.deadlines = Deadlines::default();
        self.due = Timestamp::from_unix_nanos(u64::MAX);
    }

    /// What its receiver drops whichever connection it belongs to. What was damaged on its way is sent again as it was; a
    /// signed segment is what it was meant to be.
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

    /// Sees to lists, bounds and instructions after a segment of a connection.
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

    /// A segment of no connection.
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
        // A SYN that leaves this host is none of a client, an answer that comes none of a server.
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
        // The SYN may have come a while ago; the segment at hand goes on from it.
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

    /// Takes a connection out of the table that the protocol knows nothing of, or no more.
    pub(super) fn forget(&mut self, index: usize) -> Option<Connection<P::State>> {
        let mut connection = self.table.remove(index)?;
        connection.client_half.clear(&mut self.counters);
        connection.server_half.clear(&mut self.counters);
        self.counters.tracked = self.counters.tracked.saturating_sub(1);
        Some(connection)
    }

    /// Closes a connection and takes it out of the table.
    pub(super) fn give_up(&mut self, index: usize, cause: CloseCause, time: Timestamp) {
        self.with(index, time, |connection, context| connection.close(cause, context));
        self.forget(index);
    }

    /// Lets a connection work.
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

/// A segment of a connection that is over.
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
    // An answer may stand for a SYN that was missed, where it comes from the server.
    let begins = syn && (!flags.has(Flags::ACK) || side == Side::Server);
    if begins && !again {
        return Next::Anew;
    }
    bump(if syn && again { &mut counters.repeated_syns } else { &mut counters.late });
    connection.notice |= connection.phase == Phase::Stopped && segment.length > 0;
    Next::Keep
}

/// A connection whose handshake was missed, as its first segment with data begins it.
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

/// What the source is to be told; the rest, where there is more, with the next segment.
fn instruct<S>(connection: &mut Connection<S>, side: Side) -> Option<Instruction> {
    if !connection.notice {
        return None;
    }
    connection.notice = false;
    let (client, server) = (connection.client, connection.server);
    if connection.phase == Phase::Stopped {
        return Some(Instruction::Stop { client, server });
    }
    let side = if connection.look(side).tell_skip { side } else { side.other() };
    let half = connection.half(side);
    if !std::mem::take(&mut half.tell_skip) {
        return None;
    }
    let sequence = half.skip_end()?.0;
    let (source, destination) = match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    };
    connection.notice = connection.look(side.other()).tell_skip;
    Some(Instruction::SkipUntil { side, source, destination, sequence })
}
