//! What may be done about a client. So far: what must never be blocked.

mod host;
mod never_block;

pub use never_block::{NeverBlock, Protected};
