//! Whether a program runs on the oldest systems that the package is for.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::process;

/// The C library of Ubuntu 22.04; Debian 12 has 2.36.
const NEWEST: (u32, u32) = (2, 35);
/// What every system with that C library has.
const LIBRARIES: [&str; 5] =
    ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

/// Names what a program needs and those systems lack.
///
/// # Errors
///
/// When there is something.
pub(super) fn check(binary: &Path) -> Result<()> {
    let read = |what: &str| {
        process::capture(Command::new("readelf").args(["--wide", what]).arg(binary).env("LC_ALL", "C"))
    };
    let (dynamic, symbols) = (read("--dynamic")?, read("--dyn-syms")?);
    let libraries = unknown_libraries(&dynamic);
    ensure!(libraries.is_empty(), "{} needs {}", binary.display(), libraries.join(", "));
    let symbols = new_symbols(&symbols);
    ensure!(
        symbols.is_empty(),
        "{} needs a C library newer than {}.{}: {}; build it on an older system",
        binary.display(),
        NEWEST.0,
        NEWEST.1,
        symbols.join(", ")
    );
    Ok(())
}

/// As in `0x… (NEEDED)  Shared library: [libc.so.6]`.
fn unknown_libraries(dynamic: &str) -> Vec<&str> {
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let named = needed.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0));
    named.filter(|name| !LIBRARIES.contains(name)).collect()
}

/// As in `12: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND dlsym@GLIBC_2.34 (5)`.
fn new_symbols(symbols: &str) -> Vec<&str> {
    let versioned =
        symbols.split_ascii_whitespace().filter_map(|word| Some((word, word.split_once("@GLIBC_")?.1)));
    versioned.filter(|(_, version)| is_newer(version)).map(|(symbol, _)| symbol).collect()
}

/// Also for what does not read like a version, as `PRIVATE` and `ABI_DT_RELR`: no program may need that.
fn is_newer(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) > NEWEST,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_libraries_are_named() {
        let dynamic = " 0x0000000000000001 (NEEDED)             Shared library: [libssl.so.3]\n \
                       0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n \
                       0x000000000000000e (SONAME)             Library soname: [own.so]\n";
        assert_eq!(unknown_libraries(dynamic), ["libssl.so.3"]);
    }

    #[test]
    fn newer_symbols_are_named() {
        let symbols = "     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND dlsym@GLIBC_2.34 (5)\n     \
                       2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __isoc23_strtol@GLIBC_2.38 (6)\n     \
                       3: 0000000000000000     0 FUNC    WEAK   DEFAULT  UND old@GLIBC_2.2.5 (2)\n     \
                       4: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND odd@GLIBC_PRIVATE (7)\n     \
                       5: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _Unwind_Resume@GCC_3.0 (4)\n";
        assert_eq!(new_symbols(symbols), ["__isoc23_strtol@GLIBC_2.38", "odd@GLIBC_PRIVATE"]);
        assert!(!is_newer("2.35") && is_newer("3.0"));
    }
}
