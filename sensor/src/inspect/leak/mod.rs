//! Error output of servers, and files that should not be public.

mod files;
mod marks;
#[cfg(test)]
mod tests;

pub(crate) use files::{Given, given};
pub(crate) use marks::Scanner;

/// What a response gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Leak {
    /// Where in a program something failed.
    StackTrace,
    /// What a database said.
    DatabaseError,
    /// The names of the files in a directory.
    DirectoryListing,
    /// A page about the server for its developers.
    Diagnostics,
}

/// A leak, and the rule that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it is.
    pub(crate) leak: Leak,
    /// Of which language, database or server.
    pub(crate) rule: &'static str,
}
