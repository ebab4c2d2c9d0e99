//! Functions of Go programs. A stripped program still has its table of functions, since the runtime prints traces by it.
//!
//! The layout is that of Go's `internal/abi` and `debug/gosym`, from Go 1.18 (2022) on; earlier programs are passed over.

use object::read::elf::{ElfFile64, SectionHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ReadRef};

/// What the table begins with: Go 1.18 and 1.19, and all later versions.
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];
/// Of the header: four bytes, two zeros, the quantum of instructions, the size of a pointer; then eight words.
const WORDS: usize = 8;
/// Largest table that is read.
const MAX_TABLE: usize = 256 << 20;

/// The address of a function by its full name, such as `crypto/tls.(*Config).writeKeyLog`.
pub(super) fn function_address<'a, R: ReadRef<'a>>(
    elf: &ElfFile64<'a, Endianness, R>,
    name: &[u8],
) -> Option<u64> {
    let table = elf.sections().find(|section| {
        section.name_bytes().is_ok_and(|name| name == b".gopclntab" || name == b".data.rel.ro.gopclntab")
    })?;
    if usize::try_from(table.size()).ok()? > MAX_TABLE {
        return None;
    }
    let endian = elf.endian();
    let header = elf.elf_section_table().section(table.index()).ok()?;
    let table = header.data(endian, elf.data()).ok()?;
    // Position-independent programs have the address there only once they run.
    let text = elf.section_by_name(".text").map(|section| section.address());
    in_table(table, name, text?)
}

/// The address of a function by the table, `text` where the table has no address of the first one.
fn in_table(table: &[u8], name: &[u8], text: u64) -> Option<u64> {
    let magic = u32_at(table, 0)?;
    if !MAGICS.contains(&magic) || table.get(4..6)? != [0, 0] || table.get(7) != Some(&8) {
        return None;
    }
    let word = |index: usize| u64_at(table, index.checked_add(1)?.checked_mul(WORDS)?);
    let count = usize::try_from(word(0)?).ok()?;
    let start = word(2).filter(|start| *start != 0).unwrap_or(text);
    let names = table.get(usize::try_from(word(3)?).ok()?..)?;
    let functions = table.get(usize::try_from(word(7)?).ok()?..)?;
    let mut wanted = Vec::with_capacity(name.len().saturating_add(2));
    wanted.push(0);
    wanted.extend_from_slice(name);
    wanted.push(0);
    let wanted = u32::try_from(memchr::memmem::find(names, &wanted)?.checked_add(1)?).ok()?;
    // Pairs: where a function begins, from `start`, and where it is described, from here.
    let pairs = functions.chunks_exact(8).take(count);
    pairs.filter_map(|pair| Some((u32_at(pair, 0)?, u32_at(pair, 4)?))).find_map(|(entry, described)| {
        let named = u32_at(functions, usize::try_from(described).ok()?.checked_add(4)?)?;
        (named == wanted).then(|| start.checked_add(entry.into())).flatten()
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// How far behind the beginning of a function of Go the jump lies that follows the check of the stack: the kernel emulates
/// it, and the arguments are still where they were.
pub(super) const fn emulated(code: &[u8]) -> u64 {
    if !cfg!(target_arch = "x86_64") {
        return 0;
    }
    match code {
        // cmp rsp, [r14+16]; jbe
        [0x49, 0x3b, 0x66, 0x10, 0x76, ..] | [0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, ..] => 4,
        // lea r12, [rsp-frame]; cmp r12, [r14+16]; jbe
        [0x4c, 0x8d, 0x64, 0x24, _, 0x4d, 0x3b, 0x66, 0x10, 0x76, ..]
        | [0x4c, 0x8d, 0x64, 0x24, _, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, ..] => 9,
        [0x4c, 0x8d, 0xa4, 0x24, _, _, _, _, 0x4d, 0x3b, 0x66, 0x10, 0x76 | 0x0f, ..] => 12,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A table of these functions: name and where each begins.
    fn table(magic: u32, start: u64, functions: &[(&str, u32)]) -> Vec<u8> {
        let mut names = vec![0];
        let mut places = Vec::new();
        for (name, _) in functions {
            places.push(u32::try_from(names.len()).unwrap());
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        let header = 8 + WORDS * 8;
        let described = functions.len() * 8 + 4;
        let mut table = magic.to_le_bytes().to_vec();
        table.extend([0, 0, 1, 8]);
        let at = [functions.len(), 0, 0, header, 0, 0, 0, header + names.len()];
        for (index, word) in at.into_iter().enumerate() {
            table.extend(if index == 2 { start } else { word as u64 }.to_le_bytes());
        }
        table.extend(&names);
        for (index, (_, entry)) in functions.iter().enumerate() {
            table.extend(entry.to_le_bytes());
            table.extend(u32::try_from(described + index * 8).unwrap().to_le_bytes());
        }
        table.extend(0_u32.to_le_bytes());
        for ((_, entry), name) in functions.iter().zip(places) {
            table.extend(entry.to_le_bytes());
            table.extend(name.to_le_bytes());
        }
        table
    }

    const FUNCTIONS: [(&str, u32); 4] = [
        ("crypto/tls.(*Config).writeKeyLogs", 0),
        ("my/crypto/tls.(*Config).writeKeyLog", 32),
        ("crypto/tls.(*Config).writeKeyLog", 64),
        ("main.main", 96),
    ];

    #[test]
    fn functions_are_found_by_their_whole_name() {
        for magic in MAGICS {
            for (name, entry) in FUNCTIONS {
                let found = |start| in_table(&table(magic, start, &FUNCTIONS), name.as_bytes(), 0x1000);
                assert_eq!(found(0x40_1000), Some(0x40_1000 + u64::from(entry)), "{name}");
                assert_eq!(found(0), Some(0x1000 + u64::from(entry)), "position-independent");
            }
            assert_eq!(in_table(&table(magic, 1, &FUNCTIONS), b"main", 1), None);
        }
        assert_eq!(in_table(&table(0xffff_fffa, 1, &FUNCTIONS), b"main.main", 1), None, "Go 1.16");
    }

    #[test]
    fn the_probe_goes_to_the_jump_behind_the_check_of_the_stack() {
        for (code, offset) in [
            (&[0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 0, 0, 0][..], 4),
            (&[0x49, 0x3b, 0x66, 0x10, 0x76, 0x10], 4),
            (&[0x4c, 0x8d, 0x64, 0x24, 0xe8, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86], 9),
            (&[0x4c, 0x8d, 0xa4, 0x24, 0, 0xff, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86], 12),
            (&[0x55, 0x48, 0x89, 0xe5], 0),
        ] {
            let expected = if cfg!(target_arch = "x86_64") { offset } else { 0 };
            assert_eq!(emulated(code), expected, "{code:x?}");
        }
    }

    proptest! {
        /// A damaged table is one in which nothing is found, or something else.
        #[test]
        fn any_bytes(cut in 0..400_usize, at in 0..400_usize, value in any::<u8>()) {
            let mut table = table(MAGICS[1], 1, &FUNCTIONS);
            if let Some(byte) = table.get_mut(at) {
                *byte = value;
            }
            let _found = in_table(table.get(..cut).unwrap_or(&table), b"main.main", 1);
        }
    }
}
