//! Hellos, and the bytes that wait for their connection's secret.

use std::collections::VecDeque;

use super::counters::{Outcome, bump};
use super::early::Start;
use super::engine::Application;
use super::facts::{Facts, Offer, TlsVersion};
use super::flow::Flow;
use super::hello::{CLIENT_HELLO, ClientHello, SERVER_HELLO, ServerHello};
use super::record::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Taken};
use super::schedule;
use super::secrets::Found;
use super::session::{Phase, Stage};
use super::waiting::{Handshake, Item, What};
use crate::clock::Timestamp;
use crate::kernel::Guarded;
use crate::stream::{Advice, Missing, Side};

/// Longest hello read, header included. Those with post-quantum keys have some 2 KiB.
const MAX_HELLO: usize = 32 << 10;
/// Of a ClientHello: the header of its message, the version, the random value.
const RANDOM_END: usize = 4 + 2 + 32;

impl<P: Application> Flow<'_, P> {
    /// Bytes of a connection whose keys are unknown.
    pub(super) fn before_open(
        &mut self,
        mut handshake: Box<Handshake>,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
    ) -> Advice {
        let mut rest = bytes;
        while !handshake.hello(side).is_read {
            let mut payload = std::mem::take(&mut self.shared.payload);
            let taken = self.session.half(side).framing.take(&mut rest, &mut payload, &mut self.shared.held);
            let go_on = match taken {
                Taken::Record(header) => self.hello_record(&mut handshake, side, header.kind, &payload, time),
                Taken::More => Ok(false),
                Taken::NotOne => Err(Outcome::Incomplete),
            };
            self.shared.payload = payload;
            match go_on {
                Ok(true) => {}
                Ok(false) => {
                    self.session.stage = Stage::Hello(handshake);
                    return Advice::Continue;
                }
                Err(outcome) => return self.give_up(Some(handshake), outcome),
            }
        }
        if !rest.is_empty() {
            let bound = (&mut self.shared.held, self.shared.config.connection_bytes);
            handshake.keep(side, What::Bytes(rest.into()), time, bound);
        }
        self.after_hello(handshake, time)
    }

    /// A record before the end of a side's hello; returns whether to continue.
    fn hello_record(
        &mut self,
        handshake: &mut Handshake,
        side: Side,
        kind: u8,
        payload: &[u8],
        time: Timestamp,
    ) -> Result<bool, Outcome> {
        match kind {
            // For middleboxes, around a HelloRetryRequest (RFC 8446, appendix D.4).
            CHANGE_CIPHER_SPEC => return Ok(true),
            // Early data that the server skips after a HelloRetryRequest.
            APPLICATION_DATA if handshake.retried.is_some() => return Ok(true),
            HANDSHAKE => {}
            _ => return Err(Outcome::Incomplete),
        }
        let hello = handshake.hello(side);
        hello.message.extend_from_slice(payload);
        let expected = if side == Side::Client { CLIENT_HELLO } else { SERVER_HELLO };
        if hello.message.first().is_some_and(|kind| *kind != expected) {
            return Err(Outcome::Incomplete);
        }
        let Some(length) = message_length(&hello.message) else { return Ok(true) };
        if length > MAX_HELLO {
            return Err(Outcome::Incomplete);
        }
        if hello.message.len() < length {
            return Ok(true);
        }
        hello.message.truncate(length);
        hello.is_read = true;
        match side {
            Side::Client => self.client_hello(handshake).ok_or(Outcome::Incomplete).map(|()| true),
            Side::Server => self.server_hello(handshake, time).map(|()| true),
        }
    }

    fn client_hello(&mut self, handshake: &mut Handshake) -> Option<()> {
        let hello = ClientHello::parse(handshake.client.message.get(4..)?)?;
        if handshake.random.is_none() {
            handshake.random = Some(hello.random);
            handshake.offer = Offer::of(&hello);
            self.note_port(|port| bump(&mut port.connections));
        }
        Some(())
    }

    fn server_hello(&mut self, handshake: &mut Handshake, time: Timestamp) -> Result<(), Outcome> {
        let message = std::mem::take(&mut handshake.server.message);
        let hello = ServerHello::parse(message.get(4..).unwrap_or_default()).ok_or(Outcome::Incomplete)?;
        if hello.is_retry && handshake.retried.is_none() && handshake.client.is_read {
            let first = std::mem::take(&mut handshake.client.message);
            handshake.retried = Some((first, message));
            handshake.client.is_read = false;
            handshake.server.is_read = false;
            return self.read_again(handshake, time);
        }
        if !handshake.client.is_read {
            return Err(Outcome::Incomplete);
        }
        let version = TlsVersion::of(hello.version).ok_or(Outcome::DarkLibrary)?;
        let identity = handshake.identity(&hello, &message).ok_or(Outcome::DarkLibrary)?;
        self.session.hash = identity.suite.hash;
        handshake.identity = Some(identity);
        handshake.deadline = time.plus(self.shared.config.wait);
        let offer = &handshake.offer;
        self.session.facts = Some(Box::new(Facts {
            version,
            sni: offer.sni.clone(),
            alpn: hello.protocol.or_else(|| offer.alpn.clone()),
            ja4: offer.ja4,
        }));
        self.session.server.phase = if hello.version == 0x0304 { Phase::Handshake } else { Phase::Clear };
        self.session.client.phase = self.session.server.phase;
        self.session.encrypt_then_mac = hello.encrypt_then_mac;
        Ok(())
    }

    /// After its first hello, the client sends its second one and whatever precedes that.
    fn read_again(&mut self, handshake: &mut Handshake, time: Timestamp) -> Result<(), Outcome> {
        let (client, others): (VecDeque<_>, VecDeque<_>) = handshake
            .take_queue(&mut self.shared.held)
            .into_iter()
            .partition(|item| item.side == Side::Client);
        let most = self.shared.config.connection_bytes;
        for Item { side, what, time } in others {
            handshake.keep(side, what, time, (&mut self.shared.held, most));
        }
        let mut payload = Vec::new();
        for Item { what, .. } in client {
            let What::Bytes(bytes) = what else { return Err(Outcome::Incomplete) };
            let mut rest: &[u8] = &bytes;
            while !rest.is_empty() && !handshake.client.is_read {
                let framing = &mut self.session.client.framing;
                match framing.take(&mut rest, &mut payload, &mut self.shared.held) {
                    Taken::Record(header) => {
                        self.hello_record(handshake, Side::Client, header.kind, &payload, time)?;
                    }
                    Taken::More => {}
                    Taken::NotOne => return Err(Outcome::Incomplete),
                }
            }
            if !rest.is_empty() {
                handshake.keep(Side::Client, What::Bytes(rest.into()), time, (&mut self.shared.held, most));
            }
        }
        Ok(())
    }

    /// Once a side's hello is read: looks up the secrets, if the other hello is read, too.
    fn after_hello(&mut self, mut handshake: Box<Handshake>, time: Timestamp) -> Advice {
        let Some(identity) = &handshake.identity else {
            self.session.stage = Stage::Hello(handshake);
            return Advice::Continue;
        };
        match self.shared.secrets.find(identity) {
            Ok(found) => {
                self.stop_waiting(&mut handshake);
                self.unlock(handshake, found)
            }
            Err(_) if !self.shared.config.has_source => self.give_up(Some(handshake), Outcome::DarkLibrary),
            Err(_) if !handshake.tags.is_empty() && time >= handshake.deadline => {
                self.give_up(Some(handshake), Outcome::DarkSecret)
            }
            Err(tags) => {
                if handshake.tags.is_empty() {
                    self.shared.deadlines.push_back((handshake.deadline, self.session.ends));
                    bump(&mut self.shared.counters.waiting);
                }
                for tag in &tags {
                    self.shared.secrets.wait(*tag, self.session.ends);
                }
                handshake.tags = tags;
                self.session.stage = Stage::Waiting(handshake);
                Advice::Continue
            }
        }
    }

    fn stop_waiting(&mut self, handshake: &mut Handshake) {
        if !handshake.tags.is_empty() {
            let waiting = &mut self.shared.counters.waiting;
            *waiting = waiting.saturating_sub(1);
        }
        for tag in handshake.tags.drain(..) {
            self.shared.secrets.wait_no_more(&tag, &self.session.ends);
        }
    }

    /// The keys are known: reads the bytes that waited.
    fn unlock(&mut self, mut handshake: Box<Handshake>, found: Found) -> Advice {
        let queue = handshake.take_queue(&mut self.shared.held);
        if self.set_keys(&handshake, found).is_none() {
            return self.give_up(Some(handshake), Outcome::DarkSecret);
        }
        drop(handshake);
        self.session.stage = Stage::Open;
        self.session.outcome = Outcome::Decrypted;
        let counters = &mut self.shared.counters;
        counters.open = counters.open.saturating_add(1);
        self.note_port(|port| bump(&mut port.decrypted));
        for Item { side, time, what } in queue {
            let advice = match what {
                What::Bytes(bytes) => self.data(side, &bytes, time),
                What::Missing(length, why) => self.missing(side, length, why, time),
                What::End => {
                    self.end(side, time);
                    Advice::Continue
                }
            };
            if advice == Advice::Stop {
                return Advice::Stop;
            }
        }
        self.copying()
    }

    fn set_keys(&mut self, handshake: &Handshake, found: Found) -> Option<()> {
        let identity = handshake.identity.as_ref()?;
        let suite = identity.suite;
        match found {
            Found::Master(master) => {
                let randoms = (&identity.client, &identity.server);
                let (client, server) =
                    schedule::keys_12(suite, &master, randoms, self.session.encrypt_then_mac)?;
                self.session.client.keys = Some(Guarded::new(client));
                self.session.server.keys = Some(Guarded::new(server));
            }
            Found::Traffic { client, server, handshake: extensions, early } => {
                self.session.client.keys = Some(Guarded::new(schedule::keys(suite, &client)?));
                self.session.server.keys = Some(Guarded::new(schedule::keys(suite, &server)?));
                self.session.client.secret = Some(client);
                self.session.server.secret = Some(server);
                let keys = |secret| schedule::keys(suite, &secret);
                let early = early.filter(|_| handshake.offer.early_data && handshake.retried.is_none());
                let start = Start::new(extensions.and_then(keys), early.and_then(keys));
                self.session.start = Some(Guarded::new(start));
            }
        }
        Some(())
    }

    /// Bytes are missing before the keys are known.
    pub(super) fn missing_before_open(
        &mut self,
        mut handshake: Box<Handshake>,
        side: Side,
        (length, why): (u64, Missing),
        time: Timestamp,
    ) -> Advice {
        if handshake.hello(side).is_read {
            let bound = (&mut self.shared.held, self.shared.config.connection_bytes);
            handshake.keep(side, What::Missing(length, why), time, bound);
            return self.after_hello(handshake, time);
        }
        let mut payload = std::mem::take(&mut self.shared.payload);
        let hole = self.session.half(side).framing.hole(length, &mut payload, &mut self.shared.held);
        let read = hole.cut.is_some() && hole.unknown == 0 && side == Side::Client;
        if read {
            handshake.client.message.extend_from_slice(&payload);
        }
        self.shared.payload = payload;
        // Enough for a look-up in a key log.
        let random = handshake.client.message.get(6..RANDOM_END).and_then(|bytes| bytes.try_into().ok());
        if !read || handshake.client.message.first() != Some(&CLIENT_HELLO) || random.is_none() {
            return self.give_up(Some(handshake), Outcome::Incomplete);
        }
        if handshake.random.is_none() {
            handshake.random = random;
            self.note_port(|port| bump(&mut port.connections));
        }
        handshake.client.is_read = true;
        handshake.client.is_cut = true;
        self.after_hello(handshake, time)
    }

    pub(super) fn end_before_open(&mut self, mut handshake: Box<Handshake>, side: Side, time: Timestamp) {
        let bound = (&mut self.shared.held, self.shared.config.connection_bytes);
        handshake.keep(side, What::End, time, bound);
        let _advice = self.after_hello(handshake, time);
    }

    pub(super) fn look_again(&mut self, handshake: Box<Handshake>, time: Timestamp) -> Advice {
        self.after_hello(handshake, time)
    }

    /// Gives up reading this connection.
    pub(super) fn give_up(&mut self, handshake: Option<Box<Handshake>>, outcome: Outcome) -> Advice {
        if let Some(mut handshake) = handshake {
            self.stop_waiting(&mut handshake);
            handshake.take_queue(&mut self.shared.held);
        }
        self.session.outcome = outcome;
        self.shut();
        Advice::Stop
    }
}

/// Length of a handshake message, header included.
fn message_length(message: &[u8]) -> Option<usize> {
    let [_, a, b, c] = message.first_chunk::<4>().copied()?;
    usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?.checked_add(4)
}
