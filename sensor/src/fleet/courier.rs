//! The task that speaks with the server.
//!
//! ```text
//! sensor:{NAME}:decisions  stream      what is decided, as it is decided (r: record, s: statement)
//! sensor:{NAME}:standing   sorted set  records that are remembered, by their end in milliseconds
//! sensor:{NAME}:hosts      hash        statements of the authority, by place
//! sensor:{NAME}:epoch      string      differs after the server lost everything
//! ```
//!
//! A session begins with the end of the stream, then reads hosts and standing records, and says what of its own the
//! server lacks; only then it counts as connected. From then on one half reads the stream, and another writes the queue
//! and looks now and then whether the server still has everything: one that was restarted empty is filled again by
//! whoever remembers.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use redis::{Value, cmd, pipe};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};

use super::config::FleetConfig;
use super::link::{Link, LinkError};
use super::member::Saying;
use super::state::LinkState;
use crate::clock::{self, Timestamp};
use crate::duration::doubled;

/// Records of a page of the standing set, of a batch of the queue, and of one reading of the stream.
const PAGE: usize = 512;
/// Longest stream: more than 1,000 hosts decide in ten minutes of attack. Who was away for longer reads what stands.
const MAX_STREAM: usize = 100_000;
/// How long the server waits for something to happen before it answers a reader of the stream.
const BLOCK: Duration = Duration::from_secs(1);
/// How often a session looks whether the server lost everything.
const CHECK: Duration = Duration::from_secs(2);
/// Checks between two comparisons of everything, and before records are read again that came too fast: five minutes and
/// ten seconds.
const COMPARE: u32 = 150;
const RETRY: u32 = 5;
/// Checks within which hosts compare everything after a connection, or after the server lost everything.
const FIRST: u32 = 15;
/// Most standing records that are read: as many as the kernel's table of blocks may hold, several times over.
const MAX_STANDING: usize = 4_000_000;
/// Pauses between connections: doubled from the first to the last. All hosts agree ten seconds after the server is back.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// The daemon's side.
pub trait Side: Send + Sync + 'static {
    /// A record came.
    fn take(&self, blob: &[u8]);
    /// A statement came.
    fn hear(&self, blob: &[u8]);
    /// Everything that the server should have; and whether it is this host's to say.
    fn everything(&self) -> Vec<(Saying, bool)>;
    /// Whether standing records should be read again.
    fn takes_again(&self) -> bool;
}

/// Speaks with the server until it is dropped.
pub async fn run(config: FleetConfig, mut queue: Receiver<Saying>, state: Arc<LinkState>, side: impl Side) {
    let keys = Keys::of(&config.name);
    let mut failed: u32 = 0;
    loop {
        let session = Session { config: &config, keys: &keys, state: &state, side: &side };
        let Err(error) = session.run(&mut queue).await;
        if state.is_connected() {
            failed = 0;
        }
        if state.failed(error.to_string()) {
            warn!(server = config.server(), %error, "no connection to the fleet; this host works on alone");
        }
        let (first, last) = PAUSES;
        sleep(doubled(first, failed, last)).await;
        failed = failed.saturating_add(1);
    }
}

/// In braces: a cluster keeps them on one node.
struct Keys {
    decisions: String,
    standing: String,
    hosts: String,
    epoch: String,
}

impl Keys {
    fn of(name: &str) -> Self {
        let key = |what: &str| format!("sensor:{{{name}}}:{what}");
        Self {
            decisions: key("decisions"),
            standing: key("standing"),
            hosts: key("hosts"),
            epoch: key("epoch"),
        }
    }
}

struct Session<'a, S> {
    config: &'a FleetConfig,
    keys: &'a Keys,
    state: &'a LinkState,
    side: &'a S,
}

/// No value: a session ends with an error only.
type Ended = Result<std::convert::Infallible, LinkError>;

impl<S: Side> Session<'_, S> {
    async fn run(&self, queue: &mut Receiver<Saying>) -> Ended {
        let mut talk = Link::open(self.config).await?;
        let mut listen = Link::open(self.config).await?;
        let epoch = self.epoch(&mut talk).await?;
        let last = self.end_of_stream(&mut talk).await?;
        // All that waits is among what is compared.
        while queue.try_recv().is_ok() {}
        self.compare(&mut talk, false).await?;
        self.state.connected();
        info!(server = self.config.server(), name = self.config.name, "connected to the fleet");
        let reading = self.read(&mut listen, last);
        let writing = self.write(&mut talk, queue, epoch);
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
        }
    }

    fn answered(&self) {
        self.state.answered(clock::monotonic());
    }

    /// The mark of the server's memory.
    async fn epoch(&self, talk: &mut Link) -> Result<Vec<u8>, LinkError> {
        let mark = clock::now().unix_nanos();
        let mut commands = pipe();
        commands.cmd("SET").arg(&self.keys.epoch).arg(mark).arg("NX").ignore();
        commands.cmd("GET").arg(&self.keys.epoch);
        let (epoch,): (Vec<u8>,) = talk.ask_all(&commands).await?;
        self.answered();
        Ok(epoch)
    }

    async fn end_of_stream(&self, talk: &mut Link) -> Result<Vec<u8>, LinkError> {
        let mut command = cmd("XREVRANGE");
        command.arg(&self.keys.decisions).arg("+").arg("-").arg("COUNT").arg(1);
        let answer: Value = talk.ask(&command, Duration::ZERO).await?;
        Ok(entries(answer)?.pop().map_or_else(|| b"0-0".to_vec(), |(id, _)| id))
    }

    /// Reads everything that stands, and says what the server lacks: of this host, or of all that it remembers.
    async fn compare(&self, talk: &mut Link, all: bool) -> Result<(), LinkError> {
        let hasher = RandomState::new();
        let mut there: HashSet<u64> = HashSet::new();
        let hosts: Value = talk.ask(cmd("HVALS").arg(&self.keys.hosts), Duration::ZERO).await?;
        for blob in blobs(hosts)? {
            self.side.hear(&blob);
            there.insert(hasher.hash_one(&blob));
        }
        let from = milliseconds(clock::now());
        let mut offset: usize = 0;
        loop {
            let mut command = cmd("ZRANGE");
            command.arg(&self.keys.standing).arg(format!("({from}")).arg("+inf").arg("BYSCORE");
            command.arg("LIMIT").arg(offset).arg(PAGE);
            let page = blobs(talk.ask(&command, Duration::ZERO).await?)?;
            self.answered();
            let count = page.len();
            for blob in page {
                self.side.take(&blob);
                there.insert(hasher.hash_one(&blob));
            }
            offset = offset.saturating_add(PAGE);
            if count < PAGE || offset > MAX_STANDING {
                break;
            }
        }
        let is_missing = |(saying, _): &(Saying, bool)| {
            let (Saying::Record { blob, .. } | Saying::Statement { blob, .. }) = saying;
            !there.contains(&hasher.hash_one(blob))
        };
        let missing = self.side.everything().into_iter().filter(is_missing);
        let (own, others): (Vec<_>, Vec<_>) = missing.partition(|(_, is_own)| *is_own);
        let said = |part: Vec<(Saying, bool)>| part.into_iter().map(|(saying, _)| saying).collect::<Vec<_>>();
        let (own, others) = (said(own), if all { said(others) } else { Vec::new() });
        if !own.is_empty() || !others.is_empty() {
            debug!(own = own.len(), others = others.len(), "the server lacks what stands");
        }
        for batch in own.chunks(PAGE) {
            self.say(talk, batch, true).await?;
        }
        // For newcomers: who is connected has them.
        for batch in others.chunks(PAGE) {
            self.say(talk, batch, false).await?;
        }
        Ok(())
    }

    async fn say(&self, talk: &mut Link, batch: &[Saying], is_news: bool) -> Result<(), LinkError> {
        let mut commands = pipe();
        for saying in batch {
            let (field, blob) = match saying {
                Saying::Record { blob, end, replaces } => {
                    if let Some(replaced) = replaces {
                        commands.cmd("ZREM").arg(&self.keys.standing).arg(replaced.as_slice()).ignore();
                    }
                    let end = end.map_or_else(|| "+inf".to_owned(), |end| milliseconds(end).to_string());
                    commands.cmd("ZADD").arg(&self.keys.standing).arg(end).arg(blob.as_slice()).ignore();
                    ("r", blob)
                }
                Saying::Statement { place, blob } => {
                    commands.cmd("HSET").arg(&self.keys.hosts).arg(place).arg(blob.as_slice()).ignore();
                    ("s", blob)
                }
            };
            if !is_news {
                continue;
            }
            let stream = commands.cmd("XADD").arg(&self.keys.decisions);
            stream.arg("MAXLEN").arg("~").arg(MAX_STREAM).arg("*").arg(field).arg(blob.as_slice()).ignore();
        }
        let () = talk.ask_all(&commands).await?;
        self.state.count_sent(batch.len());
        self.answered();
        Ok(())
    }

    async fn write(&self, talk: &mut Link, queue: &mut Receiver<Saying>, mut epoch: Vec<u8>) -> Ended {
        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Hosts compare at different times, so that one of them fills the server and the others find it filled.
        let mut count = start();
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                // The daemon ends when there is nobody left to say anything.
                said = queue.recv_many(&mut batch, PAGE), if !queue.is_closed() => {
                    if said > 0 {
                        self.say(talk, &batch, true).await?;
                        batch.clear();
                    }
                }
                _ = checks.tick() => {
                    count = count.wrapping_add(1);
                    let found = self.check(talk, &epoch, count).await?;
                    if found != epoch {
                        (epoch, count) = (found, start());
                    }
                }
            }
        }
    }

    /// Looks whether the server still has everything. Returns the mark of its memory.
    async fn check(&self, talk: &mut Link, epoch: &[u8], count: u32) -> Result<Vec<u8>, LinkError> {
        let found = self.epoch(talk).await?;
        let is_due = count.is_multiple_of(COMPARE);
        if found != epoch {
            info!("the server of the fleet lost everything; what this host decided is sent again");
            self.compare(talk, false).await?;
        } else if is_due || (count.is_multiple_of(RETRY) && self.side.takes_again()) {
            self.compare(talk, is_due).await?;
            let mut command = cmd("ZREMRANGEBYSCORE");
            command.arg(&self.keys.standing).arg("-inf").arg(milliseconds(clock::now()));
            let _removed: i64 = talk.ask(&command, Duration::ZERO).await?;
        }
        Ok(found)
    }

    async fn read(&self, listen: &mut Link, mut last: Vec<u8>) -> Ended {
        loop {
            let mut command = cmd("XREAD");
            command
                .arg("COUNT")
                .arg(PAGE)
                .arg("BLOCK")
                .arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1_000));
            command.arg("STREAMS").arg(&self.keys.decisions).arg(last.as_slice());
            let answer: Value = listen.ask(&command, BLOCK).await?;
            self.answered();
            for (id, fields) in of_stream(answer)? {
                fields.iter().for_each(|(field, blob)| self.hand(field, blob));
                last = id;
            }
        }
    }

    fn hand(&self, field: &[u8], blob: &[u8]) {
        match field {
            b"r" => self.side.take(blob),
            b"s" => self.side.hear(blob),
            // Of a later version.
            _ => {}
        }
    }
}

/// A random count, soon before a comparison.
fn start() -> u32 {
    let number = RandomState::new().hash_one(0_u8).checked_rem(u64::from(FIRST));
    COMPARE
        .saturating_sub(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0))
        .saturating_sub(1)
}

/// Milliseconds since 1970, rounded up: nothing is forgotten early.
fn milliseconds(at: Timestamp) -> u64 {
    at.unix_nanos().div_ceil(1_000_000)
}

/// An entry of a stream: its identifier, and its fields.
type Entry = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

fn bytes(value: Value) -> Result<Vec<u8>, LinkError> {
    if let Value::BulkString(bytes) = value {
        Ok(bytes)
    } else {
        Err(LinkError::unexpected("expected a string"))
    }
}

fn list(value: Value) -> Result<Vec<Value>, LinkError> {
    if let Value::Array(values) = value {
        return Ok(values);
    }
    // Nothing happened.
    if value == Value::Nil { Ok(Vec::new()) } else { Err(LinkError::unexpected("expected a list")) }
}

fn blobs(value: Value) -> Result<Vec<Vec<u8>>, LinkError> {
    list(value)?.into_iter().map(bytes).collect()
}

/// The entries of the one stream in an answer to `XREAD`.
fn of_stream(answer: Value) -> Result<Vec<Entry>, LinkError> {
    let Some(stream) = list(answer)?.pop() else { return Ok(Vec::new()) };
    entries(list(stream)?.pop().unwrap_or(Value::Nil))
}

fn entries(value: Value) -> Result<Vec<Entry>, LinkError> {
    let entry = |value| {
        let mut parts = list(value)?.into_iter();
        let (id, fields) = (parts.next().unwrap_or(Value::Nil), parts.next().unwrap_or(Value::Nil));
        let mut fields = blobs(fields)?.into_iter();
        let mut pairs = Vec::new();
        while let (Some(field), Some(blob)) = (fields.next(), fields.next()) {
            pairs.push((field, blob));
        }
        Ok((bytes(id)?, pairs))
    };
    list(value)?.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn answers_of_streams() {
        let one = |id: &str| Value::Array(vec![text(id), Value::Array(vec![text("r"), text("blob")])]);
        let answer = Value::Array(vec![Value::Array(vec![
            text("sensor:{x}:decisions"),
            Value::Array(vec![one("1-0"), one("2-0")]),
        ])]);
        let read = of_stream(answer).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1], (b"2-0".to_vec(), vec![(b"r".to_vec(), b"blob".to_vec())]));
        assert!(of_stream(Value::Nil).unwrap().is_empty(), "nothing happened");
        for odd in [
            Value::Int(1),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Okay])]),
        ] {
            of_stream(odd).unwrap_err();
        }
    }
}
