//! Secrets received, and connections waiting for theirs. Both are bounded in number and time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ring::digest;

use super::config::Config;
use super::counters::{Counters, bump};
use super::schedule;
use super::suite::{Hash, Suite};
use crate::capture::Endpoint;
use crate::capture::secret::{Digest, Label, Random, Secret, SecretBytes};
use crate::clock::Timestamp;

/// The key under which a secret is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    /// The client's random value.
    Random(Random),
    /// The hash of the hellos.
    Hellos(Digest),
    /// The hash of the ClientHello.
    ClientHello(Digest),
    /// The SHA-256 of a master secret: secrets themselves do not belong in the table.
    Master([u8; 32]),
}

impl Tag {
    pub(super) fn of_master(master: &SecretBytes) -> Self {
        let digest = digest::digest(&digest::SHA256, master.expose());
        Self::Master(digest.as_ref().try_into().unwrap_or_default())
    }
}

/// What was found under a tag.
#[derive(Debug, Default)]
struct Entry {
    master: Option<SecretBytes>,
    /// The session that the master secret is for, if known.
    server: Option<Random>,
    early: Option<SecretBytes>,
    handshake: Option<SecretBytes>,
    client: Option<SecretBytes>,
    application: Option<SecretBytes>,
    /// Not secret: the transcript hash up to the server's Finished.
    finished: Option<Digest>,
}

/// What identifies a connection.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) suite: Suite,
    pub(super) is_13: bool,
    pub(super) client: Random,
    pub(super) server: Random,
    /// Hash of the hellos; none if they were not seen whole.
    pub(super) hellos: Option<Digest>,
    /// Hash of the first ClientHello alone.
    pub(super) client_hello: Option<Digest>,
}

/// The secrets of a connection.
#[derive(Debug)]
pub(super) enum Found {
    /// TLS 1.2: the master secret.
    Master(SecretBytes),
    /// TLS 1.3.
    Traffic {
        client: SecretBytes,
        server: SecretBytes,
        /// Of the server's handshake messages.
        handshake: Option<SecretBytes>,
        early: Option<SecretBytes>,
    },
}

/// Both ends of a connection.
pub(super) type Ends = (Endpoint, Endpoint);

#[derive(Debug)]
pub(super) struct Secrets {
    entries: HashMap<Tag, Entry>,
    /// In the order of their first secret.
    order: VecDeque<(Timestamp, Tag)>,
    waiting: HashMap<Tag, Ends>,
    lifetime: Duration,
    keeps: bool,
    most: usize,
}

impl Secrets {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
            lifetime: config.secret_lifetime,
            keeps: config.keeps_secrets,
            most: config.secrets.max(1),
        }
    }

    /// Takes a secret; returns the connection that waits for it.
    pub(super) fn learn(&mut self, secret: Secret, now: Timestamp, counters: &mut Counters) -> Option<Ends> {
        bump(&mut counters.secrets);
        let tag = match &secret {
            Secret::Logged { random, .. } => Tag::Random(*random),
            Secret::Master { client, .. } => Tag::Random(*client),
            Secret::Handshake { transcript, .. } => Tag::Hellos(*transcript),
            Secret::Application { secret, .. } => Tag::of_master(secret),
            Secret::Early { transcript, .. } => Tag::ClientHello(*transcript),
        };
        if !self.entries.contains_key(&tag) {
            if self.entries.len() >= self.most && self.drop_oldest() {
                bump(&mut counters.secrets_evicted);
            }
            self.order.push_back((now, tag));
        }
        let entry = self.entries.entry(tag).or_default();
        match secret {
            Secret::Logged { label, secret, .. } => {
                let place = match label {
                    Label::Master => &mut entry.master,
                    Label::ClientEarly => &mut entry.early,
                    Label::ServerHandshake => &mut entry.handshake,
                    Label::ClientApplication => &mut entry.client,
                    Label::ServerApplication => &mut entry.application,
                };
                *place = Some(secret);
            }
            Secret::Master { server, secret, .. } => {
                entry.master = Some(secret);
                entry.server = Some(server);
            }
            Secret::Handshake { secret, .. } => entry.handshake = Some(secret),
            Secret::Application { transcript, .. } => entry.finished = Some(transcript),
            Secret::Early { secret, .. } => entry.early = Some(secret),
        }
        self.waiting.get(&tag).copied()
    }

    fn drop_oldest(&mut self) -> bool {
        // A used entry leaves the order, too.
        while let Some((_, tag)) = self.order.pop_front() {
            if self.entries.remove(&tag).is_some() {
                return true;
            }
        }
        false
    }

    /// Drops expired entries.
    pub(super) fn expire(&mut self, now: Timestamp, counters: &mut Counters) {
        while !self.keeps
            && let Some((since, _)) = self.order.front()
            && now.since(*since) > self.lifetime
        {
            let Some((_, tag)) = self.order.pop_front() else { return };
            if self.entries.remove(&tag).is_some() {
                bump(&mut counters.secrets_expired);
            }
        }
    }

    /// Records that a connection waits.
    pub(super) fn wait(&mut self, tag: Tag, ends: Ends) {
        if self.waiting.len() < self.most || self.waiting.contains_key(&tag) {
            self.waiting.insert(tag, ends);
        }
    }

    pub(super) fn wait_no_more(&mut self, tag: &Tag, ends: &Ends) {
        if self.waiting.get(tag) == Some(ends) {
            self.waiting.remove(tag);
        }
    }

    /// The secrets of a connection, or what it has to wait for.
    pub(super) fn find(&mut self, identity: &Identity) -> Result<Found, Vec<Tag>> {
        let random = Tag::Random(identity.client);
        if !identity.is_13 {
            return self.master(&random, identity).ok_or_else(|| vec![random]);
        }
        if let Some(found) = self.logged(&random, identity) {
            return Ok(found);
        }
        let mut tags = vec![random];
        if let Some(hellos) = identity.hellos {
            tags.push(Tag::Hellos(hellos));
            match self.by_handshake(hellos, identity) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(master)) => tags.push(master),
                None => {}
            }
        }
        Err(tags)
    }

    fn master(&mut self, tag: &Tag, identity: &Identity) -> Option<Found> {
        let entry = self.entries.get(tag)?;
        if entry.server.is_some_and(|server| server != identity.server) {
            return None;
        }
        let found = Found::Master(entry.master.clone()?);
        self.used(&[*tag]);
        Some(found)
    }

    /// Of a key log.
    fn logged(&mut self, tag: &Tag, identity: &Identity) -> Option<Found> {
        let entry = self.entries.get(tag)?;
        let (client, server) = (entry.client.clone()?, entry.application.clone()?);
        let (handshake, early) = (entry.handshake.clone(), entry.early.clone());
        let early = early.or_else(|| self.early(identity));
        self.used(&[*tag]);
        Some(Found::Traffic { client, server, handshake, early })
    }

    /// From the library: the master secret follows from the handshake secret, and leads to the second hash that is
    /// needed.
    fn by_handshake(&mut self, hellos: Digest, identity: &Identity) -> Option<Result<Found, Tag>> {
        let hash = identity.suite.hash;
        let secret = self.entries.get(&Tag::Hellos(hellos))?.handshake.clone()?;
        let master = schedule::master(hash, &secret)?;
        let tag = Tag::of_master(&master);
        let Some(finished) = self.entries.get(&tag).and_then(|entry| entry.finished) else {
            return Some(Err(tag));
        };
        let of = |secret, who: &[u8], transcript: &Digest| {
            schedule::traffic(hash, secret, who, trim(transcript, hash))
        };
        let found = Found::Traffic {
            client: of(&master, b"c ap", &finished)?,
            server: of(&master, b"s ap", &finished)?,
            handshake: of(&secret, b"s hs", &hellos),
            early: self.early(identity),
        };
        self.used(&[Tag::Hellos(hellos), tag]);
        Some(Ok(found))
    }

    fn early(&self, identity: &Identity) -> Option<SecretBytes> {
        let transcript = identity.client_hello?;
        let secret = self.entries.get(&Tag::ClientHello(transcript))?.early.as_ref()?;
        let hash = identity.suite.hash;
        schedule::traffic(hash, secret, b"c e", trim(&transcript, hash))
    }

    fn used(&mut self, tags: &[Tag]) {
        if !self.keeps {
            tags.iter().for_each(|tag| drop(self.entries.remove(tag)));
        }
    }
}

fn trim(digest: &Digest, hash: Hash) -> &[u8] {
    digest.get(..hash.bytes()).unwrap_or_default()
}
