//! The connection to a syslog server. It stays open between messages, and is made again when it has ended.
//!
//! Syslog has no acknowledgements of its own, so a message counts as delivered when the server's host has acknowledged
//! all of its bytes; over UDP, when it has left.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::kernel::unacknowledged;
use crate::notify::config::{SyslogConfig, Transport};
use crate::notify::outbox::{Carrier, Failure};
use crate::notify::tls;

pub(super) struct Link {
    config: SyslogConfig,
    host: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    open: Option<Connection>,
}

enum Connection {
    Tls(Box<TlsStream<TcpStream>>),
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// First and longest pause between two looks at what is not acknowledged yet. A host in the same network answers within
/// the first, and the others within tens of milliseconds.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(64);

/// Time for a server to refuse our certificate, or that we have none: in TLS 1.3 the client's handshake is over before the
/// server has seen it (RFC 8446, section 2), so a first message would count as sent. Once for each connection.
const VERDICT: Duration = Duration::from_millis(250);

impl Link {
    pub(super) fn new(config: SyslogConfig) -> Result<Self, String> {
        let host = config.host().to_owned();
        let tls = if config.transport() == Transport::Tls {
            let name = ServerName::try_from(host.clone()).map_err(|error| format!("`{host}`: {error}"))?;
            Some((tls::connector_as(config.ca_file.as_deref(), config.identity())?, name))
        } else {
            None
        };
        Ok(Self { config, host, tls, open: None })
    }

    /// The connection is put back only after it has worked, so that one that broke, or was given up, is never used again.
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut open = self.open.take();
        if let Some(connection) = &mut open
            && connection.has_ended().await
        {
            open = None;
        }
        let mut connection = match open {
            Some(open) => open,
            None => self.connect().await?,
        };
        connection.send(message).await?;
        self.open = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> io::Result<Connection> {
        let server = (self.host.as_str(), self.config.port());
        if self.config.transport() == Transport::Udp {
            return connect_udp(server).await.map(Connection::Udp);
        }
        let stream = TcpStream::connect(server).await?;
        Ok(match &self.tls {
            Some((connector, name)) => {
                let mut stream = connector.connect(name.clone(), stream).await?;
                if let Ok(end) = tokio::time::timeout(VERDICT, end_of(&mut stream)).await {
                    return Err(end);
                }
                Connection::Tls(Box::new(stream))
            }
            None => Connection::Tcp(stream),
        })
    }
}

/// To the first of the server's addresses that there is a route to.
async fn connect_udp(server: (&str, u16)) -> io::Result<UdpSocket> {
    let mut failed = io::Error::from(ErrorKind::NotFound);
    for address in lookup_host(server).await? {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await.map(|()| socket)
        };
        match connected.await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Waits until the server ends the connection, and returns how.
async fn end_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Error {
    let mut room = [0; 512];
    loop {
        match stream.read(&mut room).await {
            Ok(0) => return ErrorKind::ConnectionReset.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

impl Connection {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Tls(stream) => {
                write(stream, message).await?;
                acknowledged(stream, |stream| stream.get_ref().0).await
            }
            Self::Tcp(stream) => {
                write(stream, message).await?;
                acknowledged(stream, |stream| stream).await
            }
            Self::Udp(socket) => socket.send(message).await.map(drop),
        }
    }

    async fn has_ended(&mut self) -> bool {
        match self {
            Self::Tls(stream) => has_ended(stream).await,
            Self::Tcp(stream) => has_ended(stream).await,
            Self::Udp(_) => false,
        }
    }
}

/// Octet counting: the length, a space, the message (RFC 5425, section 4.3). In one piece, so that it takes one record
/// of TLS and one segment.
async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let frame = [message.len().to_string().as_bytes(), b" ", message].concat();
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Waits until the other host has acknowledged everything.
async fn acknowledged<S: AsyncRead + Unpin>(
    stream: &mut S,
    socket: impl Fn(&S) -> &TcpStream,
) -> io::Result<()> {
    let mut pause = FIRST_LOOK;
    while unacknowledged(socket(stream).as_fd())? > 0 {
        if has_ended(stream).await {
            return Err(ErrorKind::ConnectionReset.into());
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_LOOK);
    }
    Ok(())
}

/// Whether the server has closed the connection. Also reads what TLS has to say; servers send nothing else, and what they
/// send is ignored.
async fn has_ended(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut room = [0; 512];
    std::future::poll_fn(|context| {
        let mut read = ReadBuf::new(&mut room);
        Poll::Ready(match Pin::new(&mut *stream).poll_read(context, &mut read) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => read.filled().is_empty(),
            Poll::Ready(Err(_)) => true,
        })
    })
    .await
}

impl Carrier for Link {
    fn receiver(&self) -> &str {
        &self.host
    }

    async fn deliver(&mut self, report: Bytes) -> Result<(), Failure> {
        let sent = tokio::time::timeout(self.config.timeout, self.send(&report)).await;
        let sent = sent
            .unwrap_or_else(|_elapsed| Err(io::Error::new(ErrorKind::TimedOut, "not acknowledged in time")));
        sent.map_err(|error| Failure::passing(&error))
    }

    /// TLS ends with an alert of its own (RFC 5425, section 4.4).
    async fn finish(&mut self) {
        let ended = match self.open.take() {
            Some(Connection::Tls(mut stream)) => stream.shutdown().await,
            Some(Connection::Tcp(mut stream)) => stream.shutdown().await,
            Some(Connection::Udp(_)) | None => Ok(()),
        };
        // Everything was acknowledged.
        if let Err(error) = ended {
            tracing::debug!(receiver = self.host, %error, "the connection to the syslog server did not end in order");
        }
    }
}
