//! Support of the tests: connections between a client and a server of rustls, and an application that writes down what it
//! is told.

mod dark;
mod holes;
mod reading;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, Connection, KeyLog, RootCertStore, ServerConfig, ServerConnection,
    SignatureAlgorithm, SupportedCipherSuite,
};

use super::*;
use crate::capture::Endpoint;
use crate::capture::keylog;
use crate::capture::secret::Secret;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Missing, Opening, Protocol, Side};

/// A connection as the wire had it.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    /// What was sent, in order.
    pub(super) flights: Vec<(Side, Vec<u8>)>,
    pub(super) secrets: Vec<Secret>,
    /// What was inside, of client and server.
    pub(super) inside: [Vec<u8>; 2],
}

/// Suites that rustls has and this room reads, as far as they go with the certificate of [`talk`].
pub(super) fn suites() -> Vec<SupportedCipherSuite> {
    let mut suites = ring::default_provider().cipher_suites;
    suites.retain(|suite| suite.usable_for_signature_algorithm(SignatureAlgorithm::ECDSA));
    suites
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Secret>>);

impl KeyLog for Log {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(random), hex(secret));
        keylog::KeyLog::default().read(line.as_bytes(), |secret| self.0.lock().unwrap().push(secret));
    }
}

/// An application's messages, in turns.
pub(super) const TURNS: [(&[u8], &[u8]); 3] = [
    (b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ),
    (b"GET /third HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
];

/// A connection with this suite on which both sides send these messages in turns.
pub(super) fn talk(suite: SupportedCipherSuite, turns: &[(&[u8], &[u8])]) -> Talk {
    static CERTIFICATE: OnceLock<CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    let certificate =
        CERTIFICATE.get_or_init(|| generate_simple_self_signed(vec!["test.example".to_owned()]).unwrap());
    let chain = vec![CertificateDer::from(certificate.cert.der().to_vec())];
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() });
    let versions = [suite.version()];
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let client =
        ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    let log = Arc::new(Log::default());
    client.key_log = log.clone();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from("test.example").unwrap();
    let mut ends = (
        Connection::from(ClientConnection::new(Arc::new(client), name).unwrap()),
        Connection::from(ServerConnection::new(Arc::new(server)).unwrap()),
    );
    let mut talk = Talk::default();
    while ends.0.is_handshaking() || ends.1.is_handshaking() {
        move_all(&mut ends, &mut talk);
    }
    for (request, response) in turns {
        ends.0.writer().write_all(request).unwrap();
        move_all(&mut ends, &mut talk);
        ends.1.writer().write_all(response).unwrap();
        move_all(&mut ends, &mut talk);
        talk.inside[0].extend_from_slice(request);
        talk.inside[1].extend_from_slice(response);
    }
    talk.secrets = log.0.lock().unwrap().clone();
    talk
}

/// Brings what each side has to say to the other one.
fn move_all((client, server): &mut (Connection, Connection), talk: &mut Talk) {
    for side in [Side::Client, Side::Server, Side::Client] {
        let (from, to) =
            if side == Side::Client { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
        while from.wants_write() {
            let mut bytes = Vec::new();
            from.write_tls(&mut bytes).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                to.read_tls(&mut rest).unwrap();
                to.process_new_packets().unwrap();
                let mut inside = Vec::new();
                let _end = to.reader().read_to_end(&mut inside);
            }
            talk.flights.push((side, bytes));
        }
    }
}

/// What an application is told.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// By side: bytes, and where others are missing.
    pub(super) told: [Vec<Piece>; 2],
    pub(super) facts: Option<Facts>,
    pub(super) unverified: bool,
    pub(super) ended: [bool; 2],
    pub(super) closed: Option<CloseCause>,
    pub(super) stops: bool,
    pub(super) needs_whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Missing(u64),
}

impl Recorder {
    /// All bytes of a side.
    pub(super) fn bytes(&self, side: Side) -> Vec<u8> {
        let bytes = self.told[side as usize].iter().filter_map(|piece| match piece {
            Piece::Bytes(bytes) => Some(&bytes[..]),
            Piece::Missing(_) => None,
        });
        bytes.collect::<Vec<_>>().concat()
    }
}

impl Protocol for Recorder {
    type State = ();

    fn open(&mut self, _opening: &Opening) {}

    fn data(&mut self, (): &mut (), side: Side, bytes: &[u8], _time: Timestamp) -> Advice {
        assert!(!bytes.is_empty(), "nothing is no data");
        let told = &mut self.told[side as usize];
        match told.last_mut() {
            Some(Piece::Bytes(last)) => last.extend_from_slice(bytes),
            _ => told.push(Piece::Bytes(bytes.to_vec())),
        }
        match (self.stops, self.needs_whole) {
            (true, _) => Advice::Stop,
            (false, true) => Advice::Whole,
            (false, false) => Advice::Continue,
        }
    }

    fn missing(&mut self, (): &mut (), side: Side, length: u64, _: Missing, _: Timestamp) -> Advice {
        assert!(length > 0, "nothing is not missing");
        self.told[side as usize].push(Piece::Missing(length));
        Advice::Continue
    }

    fn end(&mut self, (): &mut (), side: Side, _: Timestamp) {
        self.ended[side as usize] = true;
    }

    fn close(&mut self, (): (), cause: CloseCause, _: Timestamp) {
        self.closed = Some(cause);
    }
}

impl Application for Recorder {
    fn secured(&mut self, (): &mut (), facts: Box<Facts>) {
        assert!(self.facts.is_none(), "facts are told once");
        self.facts = Some(*facts);
    }

    fn unverified(&mut self, (): &mut ()) {
        self.unverified = true;
    }
}

/// One connection at this room.
pub(super) struct Wire {
    pub(super) tls: Tls<Recorder>,
    state: Option<State<()>>,
    pub(super) stopped: bool,
    /// All advice about data, in order, without repetitions.
    pub(super) advice: Vec<Advice>,
    pub(super) now: Timestamp,
}

impl Wire {
    pub(super) fn new(config: Config, midstream: bool) -> Self {
        let mut tls = Tls::new(config, Recorder::default());
        let (client, server) = ends();
        let now = Timestamp::from_unix_micros(1_000_000);
        let state = tls.open(&Opening { client, server, time: now, interface: 1, midstream });
        Self { tls, state: Some(state), stopped: false, advice: Vec::new(), now }
    }

    /// With all secrets at hand.
    pub(super) fn knowing(talk: &Talk) -> Self {
        let mut wire = Self::new(Config { has_source: true, ..Config::default() }, false);
        wire.learn(talk);
        wire
    }

    pub(super) fn learn(&mut self, talk: &Talk) {
        for secret in &talk.secrets {
            if self.tls.learn(secret.clone(), self.now).is_some() {
                self.wake();
            }
        }
    }

    pub(super) fn wake(&mut self) {
        let state = self.state.as_mut().unwrap();
        self.stopped |= self.tls.wake(state, self.now) == Advice::Stop;
    }

    pub(super) fn data(&mut self, side: Side, bytes: &[u8]) {
        let state = self.state.as_mut().unwrap();
        let advice = self.tls.data(state, side, bytes, self.now);
        self.stopped |= advice == Advice::Stop;
        if self.advice.last() != Some(&advice) {
            self.advice.push(advice);
        }
    }

    pub(super) fn missing(&mut self, side: Side, length: u64) {
        let state = self.state.as_mut().unwrap();
        self.stopped |= self.tls.missing(state, side, length, Missing::NotCaptured, self.now) == Advice::Stop;
    }

    pub(super) fn play(&mut self, talk: &Talk) {
        for (side, bytes) in &talk.flights {
            self.data(*side, bytes);
        }
    }

    /// Ends it; what became of it.
    pub(super) fn close(&mut self) -> Outcome {
        let mut state = self.state.take().unwrap();
        self.tls.end(&mut state, Side::Client, self.now);
        self.tls.end(&mut state, Side::Server, self.now);
        self.tls.close(state, CloseCause::Fin, self.now);
        self.tls.finish();
        assert_eq!(self.tls.held(), 0, "nothing waits for a connection that is over");
        let counters = self.tls.counters();
        assert_eq!((counters.open, counters.waiting), (0, 0));
        let mut ended = counters.outcomes().filter(|(_, count)| *count == 1);
        let outcome = ended.next().expect("one connection has ended").0;
        assert_eq!(ended.next(), None);
        outcome
    }

    pub(super) fn read(&self, side: Side) -> Vec<u8> {
        self.tls.inner().bytes(side)
    }
}

pub(super) fn ends() -> (Endpoint, Endpoint) {
    let at = |last, port| Endpoint::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
    (at(1, 40_000), at(2, 443))
}

/// What `suite.version()` is called in records.
pub(super) fn version_of(suite: SupportedCipherSuite) -> TlsVersion {
    if suite.version().version == rustls::ProtocolVersion::TLSv1_3 {
        TlsVersion::Tls13
    } else {
        TlsVersion::Tls12
    }
}
