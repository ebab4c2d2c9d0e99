//! The `sensor` command: daemon and command line in one.

use std::process::ExitCode;

fn main() -> ExitCode {
    sensor::cli::main()
}
