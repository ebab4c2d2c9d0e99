//! Buffers for decoded values, kept from one message to the next.

use zeroize::Zeroizing;

/// Buffers that wait for use. They are wiped when they are dropped.
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

    /// Gives a buffer back.
    pub fn give(&mut self, mut buffer: Zeroizing<Vec<u8>>) {
        if buffer.capacity() <= KEPT && self.free.len() < 16 {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}
