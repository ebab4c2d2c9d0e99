//! The daemon's side of the socket.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use nix::unistd::{Gid, Group, Uid, User, chown, getgrouplist};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec};
use tracing::{debug, warn};

use super::wire::{Answer, Envelope, MAX_REQUEST};
use crate::printable::to_json;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Process id, where the kernel tells.
    pub pid: Option<i32>,
}

/// What answers requests.
pub trait Handle: Send + Sync + 'static {
    /// The answer to a request; it never fails, a refusal is an answer.
    fn handle(
        self: Arc<Self>,
        envelope: Envelope,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}

/// Why the socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("another daemon answers on {0}; `--socket` names another socket for a second one")]
    InUse(PathBuf),
    /// The system refused.
    #[error("{path}: cannot make the control socket: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The listening socket, with the group that may use it.
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    file: SocketFile,
    group: Option<Gid>,
}

/// The socket's name in the file system, which goes when the server does.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(%error, socket = %self.0.display(), "the control socket could not be removed");
        }
    }
}

/// Connections served at once.
const MAX_CONNECTIONS: usize = 32;
/// How long a connection may stay silent.
const SILENCE: Duration = Duration::from_secs(30);

impl Server {
    /// Makes the socket, with mode 0660 and the group where it exists. A socket that nobody answers on is left
    /// over from a daemon that was killed, and is replaced.
    ///
    /// # Errors
    /// Where another daemon answers, or the system refuses.
    pub fn bind(path: &Path, group: &str) -> Result<Self, BindError> {
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
        let group = Group::from_name(group).ok().flatten().map(|group| group.gid);
        if let Some(group) = group {
            chown(path, None, Some(group)).map_err(|errno| refused(errno.into()))?;
        }
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self { listener, file, group })
    }

    /// Answers until dropped.
    ///
    /// # Errors
    /// Where the socket cannot be handed to the run time.
    pub async fn serve<H: Handle>(self, handler: Arc<H>) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener)?;
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, socket = %self.file.0.display(), "cannot accept a control connection");
                    continue;
                }
            };
            let Ok(permit) = connections.clone().acquire_owned().await else { return Ok(()) };
            let (handler, group) = (handler.clone(), self.group);
            tokio::spawn(async move {
                if let Err(error) = converse(stream, handler, group).await {
                    debug!(%error, "control connection ended");
                }
                drop(permit);
            });
        }
    }
}

async fn converse<H: Handle>(stream: UnixStream, handler: Arc<H>, group: Option<Gid>) -> anyhow::Result<()> {
    let credentials = stream.peer_cred()?;
    let peer = Peer { uid: credentials.uid(), pid: credentials.pid() };
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_REQUEST));
    if !may_ask(peer, Gid::from_raw(credentials.gid()), group) {
        warn!(uid = peer.uid, pid = peer.pid, "control request refused");
        return Ok(());
    }
    while let Ok(Some(line)) = timeout(SILENCE, lines.next()).await {
        let answer = match serde_json::from_str(&line?) {
            Ok(envelope) => handler.clone().handle(envelope, peer).await,
            Err(error) => Answer::Refused(format!("not a request of this version: {error}")),
        };
        lines.send(to_json(&answer)?).await?;
    }
    Ok(())
}

/// Root, the daemon's own user, and members of the group.
fn may_ask(peer: Peer, gid: Gid, group: Option<Gid>) -> bool {
    let uid = Uid::from_raw(peer.uid);
    if uid.is_root() || uid == Uid::effective() || group == Some(gid) {
        return true;
    }
    let Some(group) = group else { return false };
    let Ok(Some(user)) = User::from_uid(uid) else { return false };
    let Ok(name) = std::ffi::CString::new(user.name) else { return false };
    getgrouplist(&name, gid).is_ok_and(|groups| groups.contains(&group))
}
