//! Limits: rates as operators write them, quotas as the kernel stores them, and the GCRA step.

mod gcra;
mod rate;

pub use gcra::{MAX_UNITS, Quota, Step};
pub use rate::{InWords, ParseRateError, Period, Rate};
