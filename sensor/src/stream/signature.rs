//! Segments with a signature or with malformed options: whether the server's kernel accepts them depends on its version
//! and build (`tcp_inbound_hash`).

use crate::capture::TcpOptions;
use crate::kernel::SignatureChecks;

/// For captures, where the server's kernel cannot be asked. Distributions enable TCP MD5, and few TCP-AO.
pub(super) const OF_A_CAPTURE: SignatureChecks = SignatureChecks { md5: Some(true), ao: None, strict: None };

/// The verdict on a segment, as far as its options determine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Taken,
    /// The server's acknowledgement decides.
    Unknown,
    Dropped,
}

/// Bytes of an MD5 option, and minimum bytes of a TCP-AO one: with fewer left, the kernel does not look for them.
const MD5: usize = 18;
const AO: usize = 5;

impl SignatureChecks {
    /// Whether a kernel accepts a segment with these options.
    #[inline]
    pub(super) fn judge(&self, options: &TcpOptions) -> Fate {
        if !options.md5 && !options.ao && options.misfit == 0 { Fate::Taken } else { self.judge_odd(options) }
    }

    #[cold]
    fn judge_odd(&self, options: &TcpOptions) -> Fate {
        let by = |present: bool, drops: Option<bool>| match drops {
            _ if !present => Fate::Taken,
            Some(true) => Fate::Dropped,
            Some(false) => Fate::Taken,
            None => Fate::Unknown,
        };
        let looked_at = usize::from(options.misfit);
        let misfit = match self.ao {
            Some(true) => by(looked_at >= AO, self.strict),
            Some(false) => by(looked_at >= MD5, self.strict),
            None if looked_at >= MD5 => by(true, self.strict),
            None => by(looked_at >= AO, self.strict.filter(|strict| !strict)),
        };
        by(options.md5, self.md5).max(by(options.ao, self.ao)).max(misfit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_is_judged_by_the_kernel() {
        let signed = [&[19, 18][..], &[9; 16]].concat();
        let with_ao = [29, 16, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
        let malformed = [&[99, 0][..], &[0; 18]].concat();
        let late = [1, 1, 1, 1, 99, 0, 0, 0];
        let plain = [2, 4, 5, 180, 4, 2, 1, 1];
        let old = SignatureChecks { md5: Some(true), ao: Some(false), strict: Some(false) };
        let new = SignatureChecks { strict: Some(true), ..old };
        let all = SignatureChecks { ao: Some(true), ..new };
        let none = SignatureChecks { md5: Some(false), ao: Some(false), strict: Some(false) };
        let unknown = OF_A_CAPTURE;
        use Fate::{Dropped, Taken, Unknown};
        for (name, options, fates) in [
            ("plain", &plain[..], [Taken, Taken, Taken, Taken, Taken]),
            ("MD5", &signed, [Dropped, Dropped, Dropped, Taken, Dropped]),
            ("AO", &with_ao, [Taken, Taken, Dropped, Taken, Unknown]),
            ("malformed", &malformed, [Taken, Dropped, Dropped, Taken, Unknown]),
            ("malformed near the end", &late, [Taken, Taken, Taken, Taken, Taken]),
            ("MD5 of a wrong length", &malformed_md5(), [Taken, Dropped, Dropped, Taken, Unknown]),
        ] {
            let options = TcpOptions::parse(options);
            let judged = [old, new, all, none, unknown].map(|kernel| kernel.judge(&options));
            assert_eq!(judged, fates, "{name}");
        }
    }

    fn malformed_md5() -> Vec<u8> {
        [&[19, 17][..], &[9; 15], &[1, 1, 1]].concat()
    }
}
