//! What may be done about a client. So far: what must never be blocked, and the records of what was
//! found, decided and changed.

mod alert;
mod audit;
mod decision;
mod host;
mod id;
mod never_block;

pub use alert::{About, Action, Alert, Window};
pub use audit::{AuditEntry, Cause, Change};
pub use decision::{Decision, Measure};
pub use id::{IdError, Ids, RecordId};
pub use never_block::{NeverBlock, Protected};

#[cfg(test)]
pub(crate) use alert::tests::signal;
