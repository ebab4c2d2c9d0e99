//! What the configuration says about the deny file.

use std::path::PathBuf;

use documented::DocumentedFields;

use crate::config::{Form, Section};

/// How clients stand in the deny file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenyFormat {
    /// `deny 192.0.2.7;`, for an `include` in a `server` block of nginx.
    #[default]
    Nginx,
    /// For `acl NAME src -f FILE` of HAProxy: prefixes, one a line, with a comment.
    Haproxy,
    /// Prefixes, one a line, and nothing else.
    Plain,
}

/// Which clients stand in the deny file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Those behind a trusted proxy, whom the kernel cannot block.
    #[default]
    Proxied,
    /// Those that the kernel blocks, too.
    All,
}

/// A file of clients to deny.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct DenyConfig {
    /// File of clients to deny, rewritten with each change. Its directory must exist.
    pub path: PathBuf,
    /// `nginx`: lines such as `deny 192.0.2.7;`, for an `include` in a `server` block. `haproxy`: prefixes with comments,
    /// for `acl NAME src -f FILE`. `plain`: prefixes only.
    pub format: DenyFormat,
    /// `proxied`: clients behind a trusted proxy, which the kernel cannot block. `all`: also clients that the kernel
    /// blocks.
    pub include: Include,
    /// Maximum clients; beyond it the one that expires first is removed.
    pub max_entries: usize,
}

impl DenyConfig {
    /// A file with the defaults.
    #[must_use]
    pub const fn to(path: PathBuf) -> Self {
        Self { path, format: DenyFormat::Nginx, include: Include::Proxied, max_entries: 10_000 }
    }
}

pub(super) const ABOUT: &str = "A file of clients for a proxy to deny; disabled without a `path`.";

pub(super) fn read(section: Section<'_>) -> Option<DenyConfig> {
    let formats =
        [("nginx", DenyFormat::Nginx), ("haproxy", DenyFormat::Haproxy), ("plain", DenyFormat::Plain)];
    let includes = [("proxied", Include::Proxied), ("all", Include::All)];
    let mut path = None;
    let mut config = DenyConfig::to(PathBuf::new());
    section.explain::<DenyConfig>();
    section.optional("path", &Form::path("/var/lib/sensor/deny.conf"), &mut path);
    section.choice("format", &formats, &mut config.format);
    section.choice("include", &includes, &mut config.include);
    section.integer("max_entries", 1..=1_000_000, &mut config.max_entries);
    if path.is_none() {
        for key in ["format", "include", "max_entries"] {
            section.reject(key, "the deny file needs `path`");
        }
    }
    section.finish();
    path.map(|path| DenyConfig { path, ..config })
}
