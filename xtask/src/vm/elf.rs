//! The one thing we ask of an executable.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// True when `program` names no dynamic linker.
pub(super) fn is_static(program: &Path) -> Result<bool> {
    let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    Ok(!names_linker(&bytes))
}

/// The linker's path stands in the PT_INTERP segment, which linkers put right behind the headers; further
/// back, the same text is a mere string.
fn names_linker(bytes: &[u8]) -> bool {
    const LINKER: &[u8] = b"/ld-linux";
    let start = bytes.get(..4096).unwrap_or(bytes);
    start.windows(LINKER.len()).any(|window| window == LINKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_itself_is_dynamic() {
        // True of every GNU/Linux host target; a musl host has no `ld-linux`.
        if cfg!(target_env = "gnu") {
            assert!(!is_static(&std::env::current_exe().unwrap()).unwrap());
        }
    }

    #[test]
    fn a_string_far_back_is_no_linker() {
        let mut bytes = vec![0; 8192];
        assert!(!names_linker(&bytes));
        bytes.extend_from_slice(b"/lib64/ld-linux-x86-64.so.2");
        assert!(!names_linker(&bytes));
    }
}
