//! One connection to the server: TCP or TLS, the login, and answers of bounded size.
//!
//! The server is trusted to be there, not to tell the truth: records are signed, and an answer larger than any that is
//! asked for ends the connection.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::config::FleetConfig;
use crate::notify;
use crate::store::{Unfit, read_own};

/// Longest wait for a connection, and for an answer beyond the time that the server is asked to wait.
const PATIENCE: Duration = Duration::from_secs(3);
/// Largest answer: three statements about each of 10,000 hosts take 11 MiB, a page of records 2 MiB.
const MAX_ANSWER: usize = 16 << 20;

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("{0}: {1}")]
    Password(PathBuf, Unfit),
    #[error("{0}: no such file")]
    NoPassword(PathBuf),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no answer in time")]
    Timeout,
}

/// A connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    allowance: Arc<AtomicUsize>,
    /// Ends with the connection.
    _driver: JoinSet<()>,
}

impl Link {
    pub(super) async fn open(config: &FleetConfig) -> Result<Self, LinkError> {
        timeout(PATIENCE, Self::connect(config)).await.map_err(|_elapsed| LinkError::Timeout)?
    }

    async fn connect(config: &FleetConfig) -> Result<Self, LinkError> {
        let stream = TcpStream::connect((config.server(), config.port())).await?;
        // Records are small, and others wait for them.
        stream.set_nodelay(true)?;
        if !config.is_tls() {
            return Self::log_in(config, stream).await;
        }
        let name = ServerName::try_from(config.server().to_owned())
            .map_err(|error| LinkError::Tls(format!("`{}`: {error}", config.server())))?;
        // Read again each time: the file may contain another authority by now.
        let connector = notify::tls_connector(config.ca_file.as_deref()).map_err(LinkError::Tls)?;
        Self::log_in(config, connector.connect(name, stream).await?).await
    }

    async fn log_in<S>(config: &FleetConfig, stream: S) -> Result<Self, LinkError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut info = RedisConnectionInfo::default().set_db(config.database()).set_skip_set_lib_name();
        if let Some(path) = &config.password_file {
            let bytes = read_own(path, true).map_err(|error| LinkError::Password(path.clone(), error))?;
            let bytes = Zeroizing::new(bytes.ok_or_else(|| LinkError::NoPassword(path.clone()))?);
            let password = String::from_utf8_lossy(&bytes);
            info = info.set_password(password.trim_end_matches(['\r', '\n']));
        }
        if let Some(user) = config.user() {
            info = info.set_username(user);
        }
        let allowance = Arc::new(AtomicUsize::new(MAX_ANSWER));
        let metered = Metered { stream, allowance: Arc::clone(&allowance) };
        let settings = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, metered, settings).await?;
        let mut running = JoinSet::new();
        running.spawn(driver);
        Ok(Self { connection, allowance, _driver: running })
    }

    /// Asks, and waits for the answer as long as the server was asked to wait, and a little longer.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        waits: Duration,
    ) -> Result<T, LinkError> {
        self.allowance.store(MAX_ANSWER, Relaxed);
        let answer = timeout(waits.saturating_add(PATIENCE), command.query_async(&mut self.connection));
        Ok(answer.await.map_err(|_elapsed| LinkError::Timeout)??)
    }

    /// The same for several commands at once.
    pub(super) async fn ask_all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, LinkError> {
        self.allowance.store(MAX_ANSWER, Relaxed);
        let answer = timeout(PATIENCE, commands.query_async(&mut self.connection));
        Ok(answer.await.map_err(|_elapsed| LinkError::Timeout)??)
    }
}

impl LinkError {
    /// An answer of another form than the command has.
    pub(super) fn unexpected(what: &'static str) -> Self {
        Self::Redis((ErrorKind::UnexpectedReturnType, what).into())
    }
}

/// Ends a connection whose answers are larger than they can be.
struct Metered<S> {
    stream: S,
    allowance: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len().saturating_sub(before);
        let take = |left: usize| left.checked_sub(read);
        Poll::Ready(match self.allowance.fetch_update(Relaxed, Relaxed, take) {
            Ok(_left) => Ok(()),
            Err(_left) => Err(io::Error::other("the answer is too large")),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_never_ends_does() {
        let allowance = Arc::new(AtomicUsize::new(100));
        let mut endless = Metered { stream: tokio::io::repeat(b'x'), allowance: Arc::clone(&allowance) };
        let mut bytes = [0; 60];
        endless.read_exact(&mut bytes).await.unwrap();
        endless.read_exact(&mut bytes).await.unwrap_err();
        allowance.store(100, Relaxed);
        endless.read_exact(&mut bytes).await.unwrap();
    }
}
