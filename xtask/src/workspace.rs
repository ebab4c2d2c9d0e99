//! Where things are in the workspace.

use std::env;
use std::path::{Path, PathBuf};

/// The directory of the workspace's manifest. Cargo says where it is when it runs us; the path from
/// compiling is only for a program started by hand, since a checkout may have moved since.
pub(crate) fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let own = Path::new(&own);
    own.parent().unwrap_or(own).to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A program of a release build.
pub(crate) fn release(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}

/// The daemon, which demonstrations and tests find through the variable `SENSOR_BIN`.
pub(crate) fn sensor_bin() -> String {
    release("sensor").to_string_lossy().into_owned()
}
