//! Why a decision of CrowdSec is not carried out.

/// One of these reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Left {
    /// It is about something else than an address or a range: a country, an autonomous system, an account.
    Scope,
    /// It is no ban, such as a captcha, or only a simulated one.
    Type,
    /// It cannot be read.
    Malformed,
    /// It came from this sensor.
    Own,
    /// Its prefix is shorter than `shortest_ipv4_prefix` or `shortest_ipv6_prefix`.
    Wide,
    /// There is no room for it.
    Full,
    /// It covers what must never be blocked, or lies in an allowed prefix.
    Protected,
    /// A person let the client go on this host.
    Declined,
    /// The kernel refused it.
    Kernel,
}

impl Left {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Scope,
        Self::Type,
        Self::Malformed,
        Self::Own,
        Self::Wide,
        Self::Full,
        Self::Protected,
        Self::Declined,
        Self::Kernel,
    ];

    /// The value of the label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Type => "type",
            Self::Malformed => "malformed",
            Self::Own => "own",
            Self::Wide => "wide",
            Self::Full => "full",
            Self::Protected => "protected",
            Self::Declined => "declined",
            Self::Kernel => "kernel",
        }
    }
}
