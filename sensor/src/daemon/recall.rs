//! What earlier daemons left in files: read while the kernel looks at the programs, which takes as long.

use std::thread;

use anyhow::anyhow;
use tracing::warn;

use super::config::Config;
use super::responder::Responder;
use crate::clock::Timestamp;
use crate::enforce::Policy;
use crate::pipeline::{Observer, Pipeline};
use crate::route::Learned;
use crate::store::{COMMANDS, CommandStore, Pending, Saved, StateFile, StoreError};

/// The policy as it was left, and who keeps it from here on.
pub(super) struct Recalled {
    pub(super) store: CommandStore,
    pub(super) pending: Vec<Pending>,
    pub(super) policy: Policy,
    pub(super) responder: Responder,
}

impl Recalled {
    /// Reads what commands said and what detectors decided, under what the configuration says.
    ///
    /// # Errors
    /// Where the file of commands cannot be read.
    pub(super) fn read(config: &Config, now: Timestamp) -> Result<Self, StoreError> {
        let store = CommandStore::open(&config.paths.state_dir, COMMANDS)?;
        let Saved { commands, pending } = store.load()?;
        let mut policy = Policy::new(config.policy.layer(now), commands);
        let mut responder = Responder::open(config, now);
        responder.restore(&mut policy, config, now);
        policy.expire(now);
        Ok(Self { store, pending, policy, responder })
    }

    /// The same beside `meanwhile`. The thread for it has ended when this returns: none keeps capabilities that
    /// the daemon is about to give up.
    pub(super) fn read_beside<T>(
        config: &Config,
        now: Timestamp,
        meanwhile: impl FnOnce() -> T,
    ) -> (T, anyhow::Result<Self>) {
        thread::scope(|scope| {
            let reading = thread::Builder::new()
                .name("recall".to_owned())
                .spawn_scoped(scope, || Self::read(config, now));
            let done = meanwhile();
            let recalled = match reading.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(recalled)) => recalled.map_err(anyhow::Error::from),
                Ok(Err(_panic)) => Err(anyhow!("reading the state directory ended in a panic")),
                // Without a thread it takes longer.
                Err(_no_thread) => Self::read(config, now).map_err(anyhow::Error::from),
            };
            (done, recalled)
        })
    }
}

/// Gives the pipeline the routes that an earlier daemon had learned.
pub(super) fn restore_routes(file: &StateFile<Option<Learned>>, pipeline: &mut Pipeline<impl Observer>) {
    let restored = file
        .load()
        .map_err(anyhow::Error::from)
        .and_then(|learned| learned.map_or(Ok(()), |learned| Ok(pipeline.routes_mut().import(&learned)?)));
    if let Err(error) = restored {
        warn!(error = format!("{error:#}"), "routes are learned anew");
    }
}
