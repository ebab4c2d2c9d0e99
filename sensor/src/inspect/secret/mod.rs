//! Keys and tokens, recognised by published formats or by their names.
//!
//! A format ([`crate::route::key_forms`]) is found by its fixed part and then checked byte by byte. Secrets without a
//! published format are recognised by their name and entropy (`named`).

mod anchors;
mod check;
mod named;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use crate::route::key_forms::Class;
pub(crate) use anchors::Scanner;
pub(crate) use check::is_plausible as is_secret_value_bytes;
pub(crate) use named::{is_secret_name, is_secret_value, query_credential};

/// A secret that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// What it is.
    pub(crate) class: Class,
    /// The name of its format.
    pub(crate) form: &'static str,
    /// Where it begins.
    pub(crate) at: usize,
    /// Its length, as far as it was checked.
    pub(crate) length: usize,
    /// It has a valid checksum.
    pub(crate) is_checked: bool,
}
