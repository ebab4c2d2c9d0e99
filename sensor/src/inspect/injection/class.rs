//! Classes of injection, by what is meant to execute them.

/// The class of an injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// SQL.
    Sqli,
    /// Operators and scripts of document databases.
    Nosql,
    /// A shell.
    Command,
    /// Path traversal and system files.
    Traversal,
    /// Scripts in a browser.
    Xss,
    /// Requests that the server is made to send, to internal addresses.
    Ssrf,
    /// Template engines, and expressions of application frameworks.
    Template,
    /// Code of the server's language.
    Code,
    /// LDAP filters.
    Ldap,
    /// `XPath`.
    Xpath,
    /// Entities and inclusions of XML.
    Xxe,
    /// Lookups of Log4j (CVE-2021-44228).
    Log4shell,
    /// Functions in the environment of bash (CVE-2014-6271).
    Shellshock,
    /// Line breaks that begin a header or a command.
    Crlf,
    /// Serialised objects.
    Deserialisation,
    /// Server-side includes.
    Ssi,
    /// Recognised by its score, or by an encoding that hides something.
    Unclear,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 17] = [
        Self::Sqli,
        Self::Nosql,
        Self::Command,
        Self::Traversal,
        Self::Xss,
        Self::Ssrf,
        Self::Template,
        Self::Code,
        Self::Ldap,
        Self::Xpath,
        Self::Xxe,
        Self::Log4shell,
        Self::Shellshock,
        Self::Crlf,
        Self::Deserialisation,
        Self::Ssi,
        Self::Unclear,
    ];

    /// The slug in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sqli => "sqli",
            Self::Nosql => "nosql",
            Self::Command => "command",
            Self::Traversal => "traversal",
            Self::Xss => "xss",
            Self::Ssrf => "ssrf",
            Self::Template => "template",
            Self::Code => "code",
            Self::Ldap => "ldap",
            Self::Xpath => "xpath",
            Self::Xxe => "xxe",
            Self::Log4shell => "log4shell",
            Self::Shellshock => "shellshock",
            Self::Crlf => "crlf",
            Self::Deserialisation => "deserialisation",
            Self::Ssi => "ssi",
            Self::Unclear => "unclear",
        }
    }
}
