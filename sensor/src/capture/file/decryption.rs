//! pcapng Decryption Secrets Blocks: TLS key logs stored with the packets.

use super::block::{Block, SECRETS_AT, TLS_KEY_LOG};
use super::error::Reason;
use super::input::Input;
use super::pcapng::Pcapng;
use crate::capture::keylog::KeyLog;
use crate::capture::secret::Secret;

impl Pcapng {
    /// Whether a block is long enough for a key log, and short enough to be kept whole.
    pub(super) fn may_hold_secrets(&self, block: Block) -> bool {
        block.bytes() >= SECRETS_AT.saturating_add(4) && block.length <= self.max_block
    }

    /// Reads a key log: type, length, lines. Returns whether the secrets are TLS's.
    pub(super) fn secrets(
        &self,
        input: &mut Input,
        block: Block,
        each: &mut dyn FnMut(Secret),
    ) -> Result<bool, Reason> {
        let bytes = self.whole(input, block)?;
        let lines = self.key_log(block, bytes);
        if let Some(lines) = lines {
            let mut log = KeyLog::default();
            log.read(lines, &mut *each);
            log.finish(each);
        }
        let is_read = lines.is_some();
        input.take(block.bytes());
        Ok(is_read)
    }

    fn key_log<'b>(&self, block: Block, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let head: &[u8; SECRETS_AT] = bytes.first_chunk()?;
        let (words, _) = head.as_chunks::<4>();
        let &[_, _, kind, length] = words else { return None };
        let length = block.fit(self.u32(length), SECRETS_AT).ok()?;
        if self.u32(kind) != TLS_KEY_LOG {
            return None;
        }
        bytes.get(SECRETS_AT..SECRETS_AT.saturating_add(length))
    }
}
