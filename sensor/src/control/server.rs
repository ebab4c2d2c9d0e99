//! The daemon's side of the socket.

use std::fs;
use std::future::Future;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::StreamExt as _;
use nix::unistd::{Uid, User};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, LinesCodec};
use tracing::{debug, info, warn};

use super::group::{Groups, is_root};
use super::places::{Kind, Place, Places};
use super::wire::{Answer, Envelope, MAX_REQUEST, Role};
use crate::printable::to_json;

/// The peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Process ID, if the kernel reports it.
    pub pid: Option<i32>,
    /// What it may do.
    pub role: Role,
    /// The user's name, if it was resolved.
    pub user: Option<String>,
}

/// The handler of requests.
pub trait Handle: Send + Sync + 'static {
    /// Answers a request; it never fails, since a refusal is an answer. Requests beyond the peer's role do not get
    /// here.
    fn handle(
        self: Arc<Self>,
        envelope: Envelope,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon is listening there.
    #[error("another daemon answers on {0}; use `--socket` to run a second one")]
    InUse(PathBuf),
    /// The system refused.
    #[error("{path}: cannot create the control socket: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The groups that may use the socket, by name.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Its members may read.
    pub readers: &'a str,
    /// Its members may change.
    pub administrators: &'a str,
}

/// The listening socket, with the groups that may use it.
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    file: SocketFile,
    shared: Arc<Shared>,
}

/// State shared by all connections.
#[derive(Debug)]
struct Shared {
    groups: Groups,
    places: Arc<Places>,
    /// Remaining memory for answers, in KiB.
    room: Arc<Semaphore>,
    refused: AtomicU64,
    timing: Timing,
}

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// For a complete request to arrive.
    pub(super) request: Duration,
    /// For the complete answer to be read.
    pub(super) answer: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { request: Duration::from_secs(10), answer: Duration::from_secs(10) }
    }
}

/// The socket's path, which is removed with the server.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(%error, socket = %self.0.display(), "the control socket could not be removed");
        }
    }
}

/// Maximum memory for answers to users other than root, in KiB: as much as the longest answer takes.
const ROOM: u32 = 64 << 10;
/// Pause after an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);
/// Time limit for resolving a user's name: a directory service on the network may take any time.
const NAME: Duration = Duration::from_secs(1);

impl Server {
    /// Creates the socket, with mode 0660 and the groups if they exist. A socket without a listener is left over from a
    /// killed daemon, and is replaced.
    ///
    /// # Errors
    /// If another daemon answers, or the system refuses.
    pub fn bind(path: &Path, access: Access<'_>) -> Result<Self, BindError> {
        let groups = Groups::named(access.readers, access.administrators);
        Self::bind_for(path, groups, Timing::default())
    }

    pub(super) fn bind_for(path: &Path, groups: Groups, timing: Timing) -> Result<Self, BindError> {
        if StdStream::connect(path).is_ok() {
            return Err(BindError::InUse(path.to_owned()));
        }
        let refused = |source| BindError::Io { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(refused)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let listener = StdListener::bind(path).map_err(refused)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(refused)?;
        groups.admit(path).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let shared = Shared {
            groups,
            places: Arc::default(),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            refused: AtomicU64::new(0),
            timing,
        };
        Ok(Self { listener, file, shared: Arc::new(shared) })
    }

    /// Answers until dropped.
    ///
    /// # Errors
    /// If the socket cannot be registered with the runtime.
    pub async fn serve<H: Handle>(self, handler: Arc<H>) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener)?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => meet(stream, &self.shared, &handler),
                Err(error) => {
                    warn!(%error, socket = %self.file.0.display(), "cannot accept a control connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Identifies the peer, and starts serving it if there is a slot. Nothing here waits: the next peer may be root.
fn meet<H: Handle>(stream: UnixStream, shared: &Arc<Shared>, handler: &Arc<H>) {
    let (peer, place) = match admit(&stream, shared) {
        Ok(admitted) => admitted,
        Err(why) => {
            // The first, and then whenever their number doubles: refused peers must not fill the log.
            let before = shared.refused.fetch_add(1, Relaxed);
            if before.is_power_of_two() || before == 0 {
                warn!(why, refused = before.saturating_add(1), "control connections are refused");
            }
            return hang_up(stream, why);
        }
    };
    let (shared, handler) = (Arc::clone(shared), Arc::clone(handler));
    tokio::spawn(async move {
        if let Err(error) = converse(stream, &peer, &shared, handler).await {
            debug!(%error, uid = peer.uid, "control connection ended");
        }
        drop(place);
    });
}

fn admit(stream: &UnixStream, shared: &Shared) -> Result<(Peer, Place), String> {
    let credentials =
        stream.peer_cred().map_err(|error| format!("the kernel does not say who asks: {error}"))?;
    let uid = credentials.uid();
    let role = shared.groups.role(stream, uid, credentials.gid()).ok_or_else(|| shared.groups.outsider())?;
    let kind = if is_root(uid) { Kind::Root } else { Kind::Other(role) };
    let place = shared.places.take(uid, kind).map_err(|bound| format!("{bound}; try again in a moment"))?;
    Ok((Peer { uid, pid: credentials.pid(), role, user: None }, place))
}

/// Sends the reason, as far as possible without waiting: a fresh connection has room for it.
fn hang_up(stream: UnixStream, why: String) {
    let Ok(mut line) = to_json(&Answer::Refused(why)) else { return };
    line.push('\n');
    // Non-blocking. The runtime would first wait for readiness.
    let told = stream.into_std().and_then(|mut stream| stream.write_all(line.as_bytes()));
    if let Err(error) = told {
        debug!(%error, "a refused control connection was not told why");
    }
}

async fn converse<H: Handle>(
    mut stream: UnixStream,
    peer: &Peer,
    shared: &Shared,
    handler: Arc<H>,
) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_REQUEST));
    while let Ok(Some(line)) = timeout(shared.timing.request, lines.next()).await {
        let answer = answer(&line?, peer, shared, &handler).await;
        let mut text = to_json(&answer)?;
        drop(answer);
        let room = match room(shared, peer, text.len()) {
            Ok(room) => room,
            Err(why) => {
                text = to_json(&Answer::Refused(why))?;
                None
            }
        };
        text.push('\n');
        timeout(shared.timing.answer, writer.write_all(text.as_bytes())).await??;
        drop(room);
    }
    Ok(())
}

async fn answer<H: Handle>(line: &str, peer: &Peer, shared: &Shared, handler: &Arc<H>) -> Answer {
    let envelope: Envelope = match serde_json::from_str(line) {
        Ok(envelope) => envelope,
        Err(error) => return Answer::Refused(format!("not a request of this version: {error}")),
    };
    let mut peer = peer.clone();
    let is_audited = envelope.request.takes() == Role::Administrator || envelope.ssh.is_some();
    if is_audited {
        peer.user = user_name(peer.uid).await;
    }
    if envelope.request.takes() > peer.role {
        let why = shared.groups.refusal(peer.user.as_deref(), peer.uid);
        info!(uid = peer.uid, user = peer.user, pid = peer.pid, request = ?envelope.request, "a change was refused: its user may only read");
        return Answer::Refused(why);
    }
    Arc::clone(handler).handle(envelope, peer).await
}

/// Memory for an answer that waits to be read. Readers cannot fill the memory with answers that nobody reads.
fn room(shared: &Shared, peer: &Peer, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, String> {
    if is_root(peer.uid) {
        return Ok(None);
    }
    let kibibytes = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).saturating_add(1).min(ROOM);
    let taken = Arc::clone(&shared.room).try_acquire_many_owned(kibibytes);
    taken.map(Some).map_err(|_none| "too many large answers are being sent; try again in a moment".to_owned())
}

/// The name of a user, if it can be resolved in time.
pub async fn user_name(uid: u32) -> Option<String> {
    let found = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)).ok().flatten());
    timeout(NAME, found).await.ok()?.ok().flatten().map(|user| user.name)
}
