//! Keys and tokens that are known by how they look: what their issuers publish of their forms, and what their names say.
//!
//! A form is found by the fixed part of it (`forms`), and checked byte by byte then. What no issuer marks is told by its
//! name and by how random it looks (`named`).

mod anchors;
mod check;
mod forms;
mod named;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use anchors::Scanner;
pub(crate) use check::is_plausible as is_secret_value_bytes;
pub(crate) use named::{is_secret_name, is_secret_value, query_credential};

/// What kind of secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Class {
    /// Of a cloud, a platform or a service behind the application.
    CloudKey,
    /// Of a version control host or a registry of packages.
    CodeToken,
    /// Of a payment provider.
    PaymentKey,
    /// Of a chat or a mail service.
    ChatToken,
    /// A private key.
    PrivateKey,
    /// An address with a password in it.
    Connection,
    /// A key that is meant to be public, or only for tests. Nothing to tell.
    Public,
}

/// A secret that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// What it is.
    pub(crate) class: Class,
    /// The name of its form.
    pub(crate) form: &'static str,
    /// Where it begins.
    pub(crate) at: usize,
    /// Its length, as far as it was looked at.
    pub(crate) length: usize,
    /// It has a checksum, which is right.
    pub(crate) is_checked: bool,
}
