//! TLS of rustls: clients that send from an address of their choice, and both ends of connections in memory.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sensor::capture::keylog;
use sensor::capture::secret::Secret;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring::{self, cipher_suite};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, KeyLog, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};

use super::http::Client;

/// A connection to a server with TLS.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects, TLS 1.3 with AES-128-GCM; whatever the server's certificate.
///
/// # Errors
/// If the server does not answer.
pub fn connect(client: &Client, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let name = ServerName::from(client.server.ip());
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, client.connect()?))
}

/// What clients do: no session is resumed.
///
/// # Errors
/// If rustls lacks TLS 1.3.
pub fn client_config() -> Result<Arc<ClientConfig>> {
    Ok(Arc::new(client(Arc::default())?))
}

fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

fn client(log: Arc<Log>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth();
    config.key_log = log;
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    Ok(config)
}

/// Trusts every certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Secrets of a connection, as a key log has them.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<Secret>>);

impl KeyLog for Log {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(random), hex(secret));
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keylog::KeyLog::default().read(line.as_bytes(), |secret| secrets.push(secret));
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Both ends of connections in memory: the server, and what clients do.
#[derive(Debug)]
pub struct Pair {
    server: Arc<ServerConfig>,
}

/// A connection in memory, TLS 1.3 with AES-128-GCM, its handshake done.
#[derive(Debug)]
pub struct Talk {
    client: Connection,
    server: Connection,
    /// What either side has sent so far, in order.
    pub flights: Vec<(End, Vec<u8>)>,
    /// Its secrets.
    pub secrets: Vec<Secret>,
}

impl Pair {
    /// With a new certificate.
    ///
    /// # Errors
    /// If there is none.
    pub fn new() -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["test.example".to_owned()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
        let server = builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
        Ok(Self { server: Arc::new(server) })
    }

    /// A new connection.
    ///
    /// # Errors
    /// If the handshake fails.
    pub fn talk(&self) -> Result<Talk> {
        let log = Arc::<Log>::default();
        let name = ServerName::try_from("test.example")?;
        let client = ClientConnection::new(Arc::new(client(Arc::clone(&log))?), name)?;
        let server = ServerConnection::new(Arc::clone(&self.server))?;
        let mut talk =
            Talk { client: client.into(), server: server.into(), flights: Vec::new(), secrets: Vec::new() };
        while talk.client.is_handshaking() || talk.server.is_handshaking() {
            for from in [End::Client, End::Server] {
                talk.carry(from)?;
            }
        }
        talk.secrets = std::mem::take(&mut log.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(talk)
    }
}

impl Talk {
    /// One side says something.
    ///
    /// # Errors
    /// If the other one does not understand it.
    pub fn say(&mut self, from: End, what: &[u8]) -> Result<()> {
        self.end(from).writer().write_all(what)?;
        self.carry(from)
    }

    fn end(&mut self, from: End) -> &mut Connection {
        if from == End::Client { &mut self.client } else { &mut self.server }
    }

    fn carry(&mut self, from: End) -> Result<()> {
        let mut bytes = Vec::new();
        while self.end(from).wants_write() {
            self.end(from).write_tls(&mut bytes)?;
        }
        let to = self.end(if from == End::Client { End::Server } else { End::Client });
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            to.read_tls(&mut rest)?;
            let pending = to.process_new_packets().context("a record")?.plaintext_bytes_to_read();
            to.reader().read_exact(&mut vec![0; pending])?;
        }
        if !bytes.is_empty() {
            self.flights.push((from, bytes));
        }
        Ok(())
    }
}
