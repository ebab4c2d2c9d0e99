//! pcapng timestamps: from units of any resolution to nanoseconds since 1970.

use crate::clock::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// How an interface counts time: the options `if_tsresol` and `if_tsoffset` of its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeScale {
    unit: Unit,
    /// Seconds to add.
    offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Nanoseconds per unit.
    Nanos(u64),
    /// Units per nanosecond; 0 if no 64-bit count of them reaches one.
    PerNano(u64),
    /// The second, halved this many times.
    Binary(u8),
}

impl TimeScale {
    /// From the byte of `if_tsresol` (default: 6, microseconds) and the seconds of `if_tsoffset`.
    pub(super) fn new(resolution: u8, offset: i64) -> Self {
        let exponent = u32::from(resolution & 0x7f);
        let unit = if resolution & 0x80 != 0 {
            Unit::Binary(resolution & 0x7f)
        } else if exponent <= 9 {
            Unit::Nanos(10_u64.saturating_pow(9_u32.saturating_sub(exponent)))
        } else {
            Unit::PerNano(10_u64.checked_pow(exponent.saturating_sub(9)).unwrap_or(0))
        };
        Self { unit, offset }
    }

    /// The time of a count of units, saturating at the first or last representable one.
    #[inline]
    pub(super) fn time(self, count: u64) -> Timestamp {
        if self.offset != 0 {
            return self.time_with_offset(count);
        }
        Timestamp::from_unix_nanos(match self.unit {
            Unit::Nanos(each) => count.saturating_mul(each),
            Unit::PerNano(_) | Unit::Binary(_) => u64::try_from(self.nanos(count)).unwrap_or(u64::MAX),
        })
    }

    /// Offset and count may both be beyond 64 bits of nanoseconds, and their sum within.
    fn time_with_offset(self, count: u64) -> Timestamp {
        let offset = i128::from(self.offset).saturating_mul(i128::from(NANOS));
        let nanos = i128::try_from(self.nanos(count)).unwrap_or(i128::MAX).saturating_add(offset);
        Timestamp::from_unix_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    fn nanos(self, count: u64) -> u128 {
        match self.unit {
            Unit::Nanos(each) => u128::from(count).saturating_mul(u128::from(each)),
            Unit::PerNano(number) => u128::from(count.checked_div(number).unwrap_or(0)),
            Unit::Binary(exponent) => {
                // Below 2^94.
                u128::from(count).saturating_mul(u128::from(NANOS)) >> exponent.min(127)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_nanoseconds() {
        for (resolution, count, nanos) in [
            (0, 7, 7_000_000_000),
            (3, 1_234, 1_234_000_000),
            (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
            (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
            (12, 1_999, 1),
            (28, u64::MAX, 1),
            (29, u64::MAX, 0),
            (127, u64::MAX, 0),
            (0x80, 3, 3_000_000_000),
            (0x80 | 10, 1_536, 1_500_000_000),
            (0x80 | 32, 1 << 31, 500_000_000),
            (0x80 | 63, u64::MAX, 1_999_999_999),
            (0x80 | 127, u64::MAX, 0),
        ] {
            let time = TimeScale::new(resolution, 0).time(count);
            assert_eq!(time.unix_nanos(), nanos, "resolution {resolution:#x}, count {count}");
        }
    }

    #[test]
    fn time_saturates_at_both_ends() {
        for (resolution, offset, count, nanos) in [
            (0, 0, u64::MAX, u64::MAX),
            (0, i64::MAX, u64::MAX, u64::MAX),
            (6, i64::MIN, u64::MAX, 0),
            (6, -2, 1_000_000, 0),
            (6, -2, 3_000_000, 1_000_000_000),
            (6, 2, 3_000_000, 5_000_000_000),
            // The count alone is beyond the last representable time.
            (0, -99_999_999_999, 100_000_000_000, 1_000_000_000),
        ] {
            let time = TimeScale::new(resolution, offset).time(count);
            assert_eq!(time.unix_nanos(), nanos, "resolution {resolution}, offset {offset}, count {count}");
        }
    }
}
