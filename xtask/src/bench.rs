//! `cargo xtask bench`

use std::iter;

use anyhow::Result;
use clap::ValueEnum;

use crate::{build, setup};

/// Flags of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure.
    suite: Suite,
    /// Passed to the measurement.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// What a packet costs in the kernel.
    Kernel,
    /// What seeing HTTP costs.
    Http,
    /// What reading TLS costs, and how soon an attack inside is blocked.
    Tls,
    /// What seeing HTTP/2 costs.
    Http2,
    /// What a fleet costs, and how fast it is.
    Fleet,
    /// What an idle daemon takes, how soon one with many blocks is ready, what its limits leave of downloads.
    Daemon,
    /// What each megabyte of hostile input costs, beside ordinary traffic.
    Hostile,
    /// What a value costs the detector of spikes, and what a series takes.
    Series,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Http2 => "http2",
            Self::Fleet => "fleet",
            Self::Daemon => "daemon",
            Self::Hostile => "hostile",
            Self::Series => "series",
        }
    }
}

/// Replaces this process with the measurement.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::everything()?;
    build::and_become(
        "sensor-bench",
        iter::once(args.suite.name()).chain(args.args.iter().map(String::as_str)),
    )
}
