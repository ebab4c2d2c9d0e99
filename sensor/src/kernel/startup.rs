//! Memory that starting needed and serving does not.

#![expect(unsafe_code, reason = "calls into the C library")]

use nix::libc;
use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

/// Returns memory to the kernel once the daemon has started.
pub fn release_unused() {
    release_heap();
    // Without it, more counts as the daemon's memory than it needs.
    let _released = release_program();
}

/// Unused pages of the heap. Starting parses the kernel's BTF and the programs' own, which leaves the heap of an idle
/// daemon a third empty; the C library keeps such pages until asked.
fn release_heap() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time (malloc_trim(3)).
    #[cfg(target_env = "gnu")]
    let _released = unsafe { libc::malloc_trim(0) };
}

/// Pages of the program's file, most of which only starting has touched. The ones that serving needs come back from the
/// page cache, without a read.
fn release_program() -> procfs::ProcResult<()> {
    let own = Process::myself()?;
    let program = MMapPath::Path(own.exe()?);
    for part in own.smaps()?.into_iter().filter(|part| part.pathname == program && is_as_in_file(part)) {
        let (start, end) = part.address;
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
        let start = std::ptr::with_exposed_provenance_mut(usize::try_from(start).unwrap_or_default());
        // SAFETY: this is a whole mapping of the program's file that nothing can write to and nothing has written to, so
        // whoever reads one of its pages next gets the same bytes from the file (madvise(2)).
        let _released = unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
    }
    Ok(())
}

/// Whether a mapping can hold nothing but what is in its file: what the dynamic linker has changed is anonymous memory.
fn is_as_in_file(part: &MemoryMap) -> bool {
    let is_writable = part.perms.contains(MMPermissions::WRITE);
    !is_writable && part.extension.map.get("Anonymous") == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_pages_were_released_goes_on() {
        release_unused();
        let own = Process::myself().unwrap();
        let program = MMapPath::Path(own.exe().unwrap());
        let parts = own.smaps().unwrap().into_iter().filter(|part| part.pathname == program);
        let released: Vec<_> = parts.filter(is_as_in_file).collect();
        let is_code = |part: &&MemoryMap| part.perms.contains(MMPermissions::EXECUTE);
        let code = released.iter().find(is_code).unwrap();
        let resident = code.extension.map.get("Rss").unwrap();
        assert!(resident * 2 < code.address.1 - code.address.0, "{resident} of it is resident");
    }
}
