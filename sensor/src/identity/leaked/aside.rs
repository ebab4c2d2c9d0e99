//! Look-ups on a thread of their own: a disk may take a tenth of a second for one, which the thread that reads HTTP
//! cannot wait for.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{Digest, Leaked};
use crate::identity::KeyedHash;

/// Passwords that wait: of a cold disk that takes 100 ms for each, those of 100 s.
const WAITING: usize = 1_024;

/// A password that was looked up, and whether the list has it; none if that could not be said.
pub(super) type Answer = (KeyedHash, Option<bool>);

/// The thread, which ends when this is dropped; nothing waits for that.
#[derive(Debug)]
pub(super) struct Aside {
    asks: SyncSender<(KeyedHash, Digest)>,
    answers: Receiver<Answer>,
    waiting: HashSet<KeyedHash>,
}

impl Aside {
    /// Starts it.
    pub(super) fn start(list: Arc<Leaked>) -> io::Result<Self> {
        Self::start_with(move |digest| list.has(digest))
    }

    /// The same, with any way to look up.
    pub(super) fn start_with(has: impl Fn(&Digest) -> io::Result<bool> + Send + 'static) -> io::Result<Self> {
        let (asks, asked) = sync_channel::<(KeyedHash, Digest)>(WAITING);
        let (tell, answers) = sync_channel(WAITING);
        std::thread::Builder::new().name("leaked".to_owned()).spawn(move || {
            for (password, digest) in asked {
                if tell.send((password, has(&digest).ok())).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { asks, answers, waiting: HashSet::default() })
    }

    /// Asks about a password; whether an answer will come.
    pub(super) fn ask(&mut self, password: KeyedHash, digest: Digest) -> bool {
        if self.waiting.contains(&password) {
            return true;
        }
        let is_asked = self.asks.try_send((password, digest)).is_ok();
        if is_asked {
            self.waiting.insert(password);
        }
        is_asked
    }

    /// Whether an answer about a password will come.
    pub(super) fn awaits(&self, password: KeyedHash) -> bool {
        self.waiting.contains(&password)
    }

    /// The next answer that has come.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.waiting.remove(&answer.0);
        Some(answer)
    }
}
