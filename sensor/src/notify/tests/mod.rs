//! Tests of the ways out.

mod config;
mod deny_file;
mod lines;
mod rfc5424;
pub(crate) mod server;
mod syslog;
mod webhook;

use crate::clock::Timestamp;
use crate::decide::{self, Alert, RecordId};
use crate::detect::Severity;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

/// An alert; its second is also its place in the sequence.
fn alert(second: u64) -> Alert {
    Alert::from_signal(&decide::signal("192.0.2.7", second), RecordId::new(at(second), second, 0))
}

fn with_severity(second: u64, severity: Severity) -> Alert {
    Alert { severity, ..alert(second) }
}

/// Waits for something that nothing wakes us for.
async fn eventually(mut condition: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("never came true");
}
