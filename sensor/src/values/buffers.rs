//! Buffers for decoded values, kept from one message to the next.

use zeroize::Zeroizing;

/// Free buffers. They are wiped when dropped.
#[derive(Default)]
pub struct Buffers {
    free: Vec<Zeroizing<Vec<u8>>>,
}

/// Buffers beyond this capacity are not kept.
const KEPT: usize = 1 << 17;

impl Buffers {
    /// An empty buffer.
    pub fn take(&mut self) -> Zeroizing<Vec<u8>> {
        self.free.pop().unwrap_or_default()
    }

    /// Returns a buffer.
    pub fn give(&mut self, mut buffer: Zeroizing<Vec<u8>>) {
        if buffer.capacity() <= KEPT && self.free.len() < 16 {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}
