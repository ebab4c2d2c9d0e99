//! Which of two copies of the same byte the receiver keeps.

use std::cmp::Ordering;

use super::sequence::Sequence;

/// From the first byte to the one after the last, as a segment had it.
pub(super) type Extent = (Sequence, Sequence);

/// Which of two copies of a byte counts, as long as the application could not read it. Afterwards, the first always
/// does.
///
/// Named after the systems that do so (J. Novak and S. Sturges, "Target-Based TCP Stream Reassembly", 2007), with the
/// names of Suricata's `host-os-policy`. Some systems turned out to behave alike; they keep their own names here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    /// The later segment where it begins before the earlier one; else the earlier.
    Bsd,
    /// The earlier segment: the rule known under this name is one for fragments of IP, not for segments.
    BsdRight,
    /// Linux 2.2 and before: as `Bsd`, and also the later one where it begins at the same byte and does not end
    /// before the earlier one.
    OldLinux,
    /// Linux: as `Bsd`, and also the later one where it begins at the same byte and ends after the earlier one.
    ///
    /// This is what `tcp_data_queue_ofo` does (Linux 4.9 to 6.18; established by experiment with 6.18): waiting
    /// segments form a tree by first byte, one that lies within another is dropped, and the application reads them in
    /// that order. A segment that starts where a waiting one ends becomes part of it, and so counts as starting where
    /// that one started, if the tree leads to it and the kernel can join their buffers. Neither is known here: the
    /// assumption is that older segments are higher in the tree, and that buffers can be joined, as they can with small
    /// segments and with cards that receive into pages.
    #[default]
    Linux,
    /// As [`Self::Solaris`].
    OldSolaris,
    /// The later segment where it does not begin after and does not end before the earlier one, and where it
    /// begins after and ends after it.
    Solaris,
    /// As [`Self::Bsd`].
    Hpux10,
    /// As [`Self::Solaris`].
    Hpux11,
    /// As [`Self::Bsd`].
    Irix,
    /// As [`Self::Bsd`].
    Macos,
    /// The earlier segment.
    First,
    /// The later segment.
    Last,
    /// As [`Self::First`].
    Vista,
    /// As [`Self::Bsd`]: Windows before Vista.
    Windows,
}

impl OverlapPolicy {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Bsd,
        Self::BsdRight,
        Self::OldLinux,
        Self::Linux,
        Self::OldSolaris,
        Self::Solaris,
        Self::Hpux10,
        Self::Hpux11,
        Self::Irix,
        Self::Macos,
        Self::First,
        Self::Last,
        Self::Vista,
        Self::Windows,
    ];

    /// Its name in configurations.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bsd => "bsd",
            Self::BsdRight => "bsd-right",
            Self::OldLinux => "old-linux",
            Self::Linux => "linux",
            Self::OldSolaris => "old-solaris",
            Self::Solaris => "solaris",
            Self::Hpux10 => "hpux10",
            Self::Hpux11 => "hpux11",
            Self::Irix => "irix",
            Self::Macos => "macos",
            Self::First => "first",
            Self::Last => "last",
            Self::Vista => "vista",
            Self::Windows => "windows",
        }
    }

    /// The policy with a name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.label() == label)
    }

    /// Whether the later of two overlapping segments counts where they overlap.
    pub(super) fn prefers_later(self, later: Extent, earlier: Extent) -> bool {
        let begins = later.0.compare(earlier.0);
        let ends = later.1.compare(earlier.1);
        match self {
            Self::First | Self::Vista | Self::BsdRight => false,
            Self::Last => true,
            Self::Bsd | Self::Windows | Self::Hpux10 | Self::Irix | Self::Macos => begins.is_lt(),
            Self::Linux => begins.is_lt() || (begins.is_eq() && ends.is_gt()),
            Self::OldLinux => begins.is_lt() || (begins.is_eq() && ends.is_ge()),
            Self::Solaris | Self::OldSolaris | Self::Hpux11 => match begins {
                Ordering::Less | Ordering::Equal => ends.is_ge(),
                Ordering::Greater => ends.is_gt(),
            },
        }
    }

    /// Whether the start and end of a waiting segment matter, and not only which came first.
    pub(super) const fn looks_at_extents(self) -> bool {
        !matches!(self, Self::First | Self::Vista | Self::BsdRight | Self::Last)
    }

    /// Whether a segment that begins where a waiting one ends becomes part of it.
    pub(super) const fn joins_neighbours(self) -> bool {
        matches!(self, Self::Linux)
    }
}
