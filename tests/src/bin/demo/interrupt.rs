//! Ctrl-C: a flag, so that everything is cleaned up on the way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody wants this to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes note of SIGINT and SIGTERM from now on. A second one ends the program at once.
    pub(crate) fn watch() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&raised))?;
            flag::register(signal, Arc::clone(&raised))?;
        }
        Ok(Self { raised })
    }

    /// Whether there was a signal.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Fails after a signal.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_raised() {
            bail!("interrupted; everything is cleaned up");
        }
        Ok(())
    }
}
