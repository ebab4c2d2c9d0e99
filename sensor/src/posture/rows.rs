//! How many rows of the inventory there are, by who is answered.

/// Who is answered with success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// Only requests with credentials.
    Required,
    /// Requests with credentials and without.
    Optional,
    /// Only requests without credentials.
    None,
    /// Nobody.
    #[default]
    Unanswered,
}

impl Access {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Required, Self::Optional, Self::None, Self::Unanswered];

    /// The word in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::None => "none",
            Self::Unanswered => "unanswered",
        }
    }
}

/// How a row is counted; a new one as one that answered nobody yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) access: Access,
    /// Whether the OpenAPI document lacks it.
    pub(super) is_undocumented: bool,
}

/// Rows by who is answered; those that the OpenAPI document lacks apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    all: [u64; Access::ALL.len()],
    undocumented: [u64; Access::ALL.len()],
}

impl Rows {
    /// One of each kind, as a sample.
    #[must_use]
    pub const fn of_everything() -> Self {
        Self { all: [1; Access::ALL.len()], undocumented: [1; Access::ALL.len()] }
    }

    pub(super) fn add(&mut self, standing: Standing) {
        let count = self.count(standing);
        *count = count.saturating_add(1);
    }

    /// Takes away a row that was added.
    pub(super) fn remove(&mut self, standing: Standing) {
        let count = self.count(standing);
        *count = count.saturating_sub(1);
    }

    const fn count(&mut self, standing: Standing) -> &mut u64 {
        let counts = if standing.is_undocumented { &mut self.undocumented } else { &mut self.all };
        let [required, optional, none, unanswered] = counts;
        match standing.access {
            Access::Required => required,
            Access::Optional => optional,
            Access::None => none,
            Access::Unanswered => unanswered,
        }
    }

    /// Rows by who is answered, and whether the document lacks them.
    #[must_use]
    pub fn of(&self, access: Access, is_undocumented: bool) -> u64 {
        let counts = if is_undocumented { &self.undocumented } else { &self.all };
        counts.get(access as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_access_and_document() {
        let mut rows = Rows::default();
        for (access, is_undocumented) in
            [(Access::Required, false), (Access::Required, false), (Access::None, true)]
        {
            rows.add(Standing { access, is_undocumented });
        }
        rows.remove(Standing { access: Access::Required, is_undocumented: false });
        assert_eq!(rows.of(Access::Required, false), 1);
        assert_eq!(rows.of(Access::None, true), 1);
        assert_eq!(rows.of(Access::None, false), 0);
    }
}
