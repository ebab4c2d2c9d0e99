//! Connections in memory: made by rustls once, then brought to a pipeline from any number of clients.

use anyhow::Result;
use sensor::capture::Segment;
use sensor::clock::Timestamp;
use sensor::identity::Key;
use sensor::pipeline::{Config, Pipeline};
use sensor_tests::peers::rustls::{End, Pair, Talk};

use crate::http::conversation::{Conversation, REQUEST, response};
use crate::http::pipeline::Count;

/// nginx's head is some 230 bytes.
const BODY: usize = 1_024;

/// A connection with a number of exchanges.
pub(super) struct Recorded {
    talk: Talk,
    /// Flights of the handshake.
    opening: usize,
}

impl Recorded {
    /// A new one.
    pub(super) fn new(pair: &Pair, exchanges: u32) -> Result<Self> {
        let mut talk = pair.talk()?;
        let opening = talk.flights.len();
        let response = response(BODY);
        for _ in 0..exchanges {
            talk.say(End::Client, REQUEST)?;
            talk.say(End::Server, &response)?;
        }
        Ok(Self { talk, opening })
    }

    /// The handshakes, of TCP and TLS.
    pub(super) fn open(&self, conversation: &mut Conversation, pipeline: &mut Pipeline<Count>) {
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
        for secret in &self.talk.secrets {
            let _instruction = pipeline.secret(secret.clone(), Timestamp::from_unix_nanos(1 << 60));
        }
        for flight in self.talk.flights.iter().take(self.opening) {
            say(flight, conversation, pipeline);
        }
    }

    /// An exchange, or what is between two of them.
    pub(super) fn exchange(
        &self,
        number: usize,
        conversation: &mut Conversation,
        pipeline: &mut Pipeline<Count>,
    ) {
        for flight in self.talk.flights.iter().skip(self.opening + 2 * number).take(2) {
            say(flight, conversation, pipeline);
        }
    }
}

fn say((end, bytes): &(End, Vec<u8>), conversation: &mut Conversation, pipeline: &mut Pipeline<Count>) {
    conversation.say(*end == End::Client, bytes, |segment: &Segment<'_>| {
        let _instruction = pipeline.segment(segment);
    });
}

/// A pipeline that reads TLS.
pub(super) fn pipeline() -> Result<Pipeline<Count>> {
    let mut config = Config::default();
    config.tls.has_source = true;
    Ok(Pipeline::new(&config, &Key::from_bytes([7; 32]), Count::default())?)
}
