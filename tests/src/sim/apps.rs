//! Programs that send requests: User-Agents, and what the order of their headers hashes to.

use super::random::{Random, mix};

/// Browsers and applications of legitimate users, the most common first. Their shares follow Zipf's law, so the
/// first has about a fourth of all: as the current version of the most common browser on the most common system.
pub const POPULAR: u16 = 30;

/// A program. Numbers below [`POPULAR`] are browsers and the site's own applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct App(pub u16);

impl App {
    /// The most common browser: what a careful attacker imitates.
    pub const COMMONEST: Self = Self(0);
    /// The browser that an office installs on all of its machines.
    pub const OFFICE: Self = Self(4);
    /// The site's own application, which logs in by itself with what it has stored.
    pub const STORED: Self = Self(9);
    /// A script with a library's User-Agent.
    pub const SCRIPT: Self = Self(POPULAR);
    /// A stuffing tool that names an old browser and orders headers as none does.
    pub const TOOL: Self = Self(POPULAR + 1);
    /// A scanner that says what it is.
    pub const SCANNER: Self = Self(POPULAR + 2);
    /// A search engine's crawler.
    pub const CRAWLER: Self = Self(POPULAR + 3);
    /// An orchestrator's health check.
    pub const PROBE: Self = Self(POPULAR + 4);
    /// A partner's back-end.
    pub const BATCH: Self = Self(POPULAR + 5);
    /// A mirror of packages.
    pub const PACKAGES: Self = Self(POPULAR + 6);
    /// A build agent.
    pub const BUILD: Self = Self(POPULAR + 7);
    /// A backup.
    pub const BACKUP: Self = Self(POPULAR + 8);
    /// A program that keeps files of a desktop up to date.
    pub const SYNC: Self = Self(POPULAR + 9);
    /// A reader of books.
    pub const SHELF: Self = Self(POPULAR + 10);
    /// Programs beyond the popular ones.
    const OTHERS: [&str; 11] = [
        "python-requests/2.31.0",
        "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0",
        "Mozilla/5.0 zgrab/0.x",
        "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/about)",
        "kube-probe/1.30",
        "partner-sync/4.2 (Java/17.0.9)",
        "artifact-mirror/3.1",
        "build-agent/7.4",
        "snapshots/2.4 (linux)",
        "Mozilla/5.0 (Linux) files-desktop/5.13.4",
        "Shelf/2.1 (Android 14)",
    ];

    /// Of a user: the same every time.
    #[must_use]
    pub fn of_user(shares: &Shares, user: u64) -> Self {
        shares.pick(&mut Random::new(mix(user ^ 0xa99)))
    }

    /// What it sends as User-Agent.
    #[must_use]
    pub fn user_agent(self) -> String {
        if let Some(other) = self.0.checked_sub(POPULAR) {
            return Self::OTHERS[usize::from(other)].to_owned();
        }
        let version = self.0 / 5;
        match self.0 % 5 {
            0 => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
                131 - version
            ),
            1 => format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                5 - version
            ),
            2 => format!(
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
                131 - version
            ),
            3 => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
                133 - version
            ),
            _ => format!("Shop/5.{} (Android 14)", 9 - version),
        }
    }

    /// The hash of its headers' order and User-Agent.
    #[must_use]
    pub const fn fingerprint(self) -> u64 {
        mix(0xf19e_0000 ^ self.0 as u64)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..POPULAR + Self::OTHERS.len() as u16).map(Self)
    }
}

/// Cumulative shares of the popular programs.
#[derive(Clone, Debug)]
pub struct Shares([f64; POPULAR as usize]);

impl Shares {
    /// Zipf's law with exponent 1.
    #[must_use]
    pub fn zipf() -> Self {
        let mut sum = 0.0;
        let mut shares = [0.0; POPULAR as usize];
        for (share, rank) in shares.iter_mut().zip(1_u32..) {
            sum += 1.0 / f64::from(rank);
            *share = sum;
        }
        Self(shares.map(|share| share / sum))
    }

    /// A program, with the probability of its share.
    pub fn pick(&self, random: &mut Random) -> App {
        let unit = random.unit();
        App(self.0.partition_point(|share| *share <= unit) as u16)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn programs_differ_and_the_first_is_the_most_common() {
        let agents: BTreeSet<String> = App::all().map(App::user_agent).collect();
        assert_eq!(agents.len(), App::all().count());
        let shares = Shares::zipf();
        let mut random = Random::new(5);
        let mut counts = [0_u32; POPULAR as usize];
        (0..100_000).for_each(|_| counts[usize::from(shares.pick(&mut random).0)] += 1);
        assert!((23_000..27_000).contains(&counts[0]) && counts[29] > 500, "{counts:?}");
    }
}
