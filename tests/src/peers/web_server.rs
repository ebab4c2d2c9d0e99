//! A real server with a page that says when it is ready, in a namespace, with a directory of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::daemon::{PATIENCE, page};
use crate::netns::Namespace;
use crate::tools;
use crate::wait::wait_until;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(super) struct WebServer {
    child: Child,
    namespace: Arc<Namespace>,
    directory: TempDir,
    web: SocketAddr,
}

impl WebServer {
    /// Starts a program, and waits until it says on `/-/ready` that it is. `prepare` writes what it needs to the
    /// directory, and gives the arguments; where it listens is among them.
    ///
    /// # Errors
    /// If it does not become ready; the error has its log.
    pub(super) fn start(
        namespace: &Arc<Namespace>,
        program: &str,
        web: SocketAddr,
        prepare: impl FnOnce(&Path) -> Result<Vec<String>>,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(&format!("sensor-{program}-")).tempdir()?;
        let arguments = prepare(directory.path())?;
        let log = File::create(directory.path().join("log"))?;
        let path = tools::find(program).with_context(|| format!("no {program}"))?;
        let mut command = namespace.command(path);
        command.args(arguments).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut server = Self { child, namespace: Arc::clone(namespace), directory, web };
        let mut ended = None;
        let is_ready = wait_until(PATIENCE, || {
            ended = server.child.try_wait().ok().flatten();
            ended.is_some() || server.get("/-/ready").is_ok()
        });
        ensure!(is_ready && ended.is_none(), "{program} is not ready ({ended:?}):\n{}", server.log());
        Ok(server)
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The body of a page.
    ///
    /// # Errors
    /// If it does not answer with 200.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        self.namespace.enter(|| page(self.web, path))
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // It has nothing to keep.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
