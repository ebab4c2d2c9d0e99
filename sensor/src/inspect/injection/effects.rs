//! Effects: whether the response shows that an attack was more than an attempt.

use std::time::Duration;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// What a response shows of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The server failed (5xx).
    ServerError,
    /// The error text of a database.
    DatabaseError,
    /// The content of a system file.
    FileContents,
    /// The output of a command.
    CommandOutput,
    /// The value is reflected unchanged in a document that a browser executes.
    Reflected,
    /// The response took as long as the value requested.
    Delayed,
}

impl Effect {
    /// All effects.
    pub const ALL: [Self; 6] = [
        Self::ServerError,
        Self::DatabaseError,
        Self::FileContents,
        Self::CommandOutput,
        Self::Reflected,
        Self::Delayed,
    ];

    const fn bit(self) -> u8 {
        match self {
            Self::ServerError => 1,
            Self::DatabaseError => 2,
            Self::FileContents => 4,
            Self::CommandOutput => 8,
            Self::Reflected => 16,
            Self::Delayed => 32,
        }
    }

    /// The word in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ServerError => "server-error",
            Self::DatabaseError => "database-error",
            Self::FileContents => "file-contents",
            Self::CommandOutput => "command-output",
            Self::Reflected => "reflected",
            Self::Delayed => "delayed",
        }
    }
}

/// A set of effects; as JSON a list of their words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects(u8);

impl Effects {
    /// Adds one.
    pub const fn insert(&mut self, effect: Effect) {
        self.0 |= effect.bit();
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn contains(self, effect: Effect) -> bool {
        self.0 & effect.bit() != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Those that are there.
    pub fn iter(self) -> impl Iterator<Item = Effect> {
        Effect::ALL.into_iter().filter(move |effect| self.contains(*effect))
    }
}

impl Serialize for Effects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Effect::label))
    }
}

/// The relevant parts of a response.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// Its body, decompressed, as far as it was kept.
    pub body: &'a [u8],
    /// From the first byte of the request to its first byte.
    pub duration: Option<Duration>,
}

/// Texts in responses, and what they show. The error texts are from the databases' documentation.
const TEXTS: [(&str, Effect); 34] = [
    ("you have an error in your sql syntax", Effect::DatabaseError),
    ("warning: mysql", Effect::DatabaseError),
    ("mysql_fetch_", Effect::DatabaseError),
    ("mysqli_", Effect::DatabaseError),
    ("com.mysql.jdbc", Effect::DatabaseError),
    ("unclosed quotation mark after the character string", Effect::DatabaseError),
    ("quoted string not properly terminated", Effect::DatabaseError),
    ("microsoft ole db provider for", Effect::DatabaseError),
    ("odbc sql server driver", Effect::DatabaseError),
    ("system.data.sqlclient.sqlexception", Effect::DatabaseError),
    ("unterminated quoted string at or near", Effect::DatabaseError),
    ("syntax error at or near", Effect::DatabaseError),
    ("pg_query()", Effect::DatabaseError),
    ("org.postgresql.util.psqlexception", Effect::DatabaseError),
    ("psycopg2.errors", Effect::DatabaseError),
    ("sqlite3.operationalerror", Effect::DatabaseError),
    ("sqlite_error", Effect::DatabaseError),
    ("unrecognized token: \"", Effect::DatabaseError),
    ("sqlstate[", Effect::DatabaseError),
    ("ora-00933", Effect::DatabaseError),
    ("ora-00936", Effect::DatabaseError),
    ("ora-01756", Effect::DatabaseError),
    ("ora-06512", Effect::DatabaseError),
    ("db2 sql error", Effect::DatabaseError),
    ("xpath syntax error", Effect::DatabaseError),
    ("java.sql.sqlexception", Effect::DatabaseError),
    ("sequelizedatabaseerror", Effect::DatabaseError),
    ("root:x:0:0:", Effect::FileContents),
    ("root:*:0:0:", Effect::FileContents),
    ("daemon:x:1:1:", Effect::FileContents),
    ("[boot loader]", Effect::FileContents),
    ("; for 16-bit app support", Effect::FileContents),
    (") gid=", Effect::CommandOutput),
    ("volume serial number is", Effect::CommandOutput),
];

/// Maximum values searched for in the response.
const MAX_VALUES: usize = 4;

/// Bytes of a value that must be reflected.
const MAX_VALUE: usize = 512;

/// Shorter values are reflected by chance.
const MIN_VALUE: usize = 6;

/// The shortest delay that stands out from noise, and the longest one considered, in seconds.
const DELAYS: std::ops::RangeInclusive<u32> = 2..=120;

/// What is searched for in answers.
pub(super) struct Sought {
    texts: Option<AhoCorasick>,
    values: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    /// Seconds that a value asks the server to wait.
    delay: Option<u32>,
}

impl Sought {
    pub(super) fn new() -> Self {
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let texts = builder.build(TEXTS.iter().map(|(text, _)| text)).ok();
        Self { texts, values: Zeroizing::default(), ends: Vec::new(), delay: None }
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.ends.clear();
        self.delay = None;
    }

    /// Notes a value with a hit, and its normal form.
    pub(super) fn note(&mut self, text: &[u8], normal: &[u8]) {
        self.delay = self.delay.or_else(|| delay(normal));
        let runs = text.iter().any(|byte| matches!(byte, b'<' | b'"' | b'\''));
        if runs && text.len() >= MIN_VALUE && self.ends.len() < MAX_VALUES {
            self.values.extend_from_slice(text.get(..MAX_VALUE).unwrap_or(text));
            self.ends.push(self.values.len());
        }
    }

    /// What an answer shows.
    pub(super) fn look(&self, answer: &Answer<'_>) -> Effects {
        let mut effects = Effects::default();
        if (500..600).contains(&answer.status) {
            effects.insert(Effect::ServerError);
        }
        if self.is_delayed(answer.duration) {
            effects.insert(Effect::Delayed);
        }
        if let Some(texts) = &self.texts {
            for found in texts.find_iter(answer.body) {
                if let Some((_, effect)) = TEXTS.get(found.pattern().as_usize()) {
                    effects.insert(*effect);
                }
            }
        }
        if self.is_reflected(answer) {
            effects.insert(Effect::Reflected);
        }
        effects
    }

    fn is_delayed(&self, duration: Option<Duration>) -> bool {
        let (Some(asked), Some(duration)) = (self.delay, duration) else { return false };
        let (asked, half) = (
            Duration::from_secs(u64::from(asked)),
            Duration::from_millis(u64::from(asked).saturating_mul(500)),
        );
        // Timers may fire a tick early; a response that took half as long again is just slow.
        let least = asked.saturating_sub(Duration::from_millis(100));
        (least..asked.saturating_add(half).saturating_add(Duration::from_secs(1))).contains(&duration)
    }

    fn is_reflected(&self, answer: &Answer<'_>) -> bool {
        let is_run = answer.content_type.is_none_or(|kind| {
            [&b"html"[..], b"xml", b"svg"].iter().any(|name| memchr::memmem::find(kind, name).is_some())
        });
        let mut start = 0_usize;
        is_run
            && self.ends.iter().any(|end| {
                let value = self.values.get(start..*end).unwrap_or_default();
                start = *end;
                memchr::memmem::find(answer.body, value).is_some()
            })
    }
}

/// Calls that delay a server, and the text before the number of seconds.
const WAITS: [&[u8]; 6] = [b"sleep(", b"sleep ", b"delay '", b"ping -c ", b"ping -n ", b"receive_message("];

/// The delay in seconds that a normal form requests.
fn delay(text: &[u8]) -> Option<u32> {
    WAITS.iter().find_map(|wait| {
        let at = memchr::memmem::find(text, wait)?.saturating_add(wait.len());
        let rest = text.get(at..).and_then(|rest| rest.get(..64).or(Some(rest)))?;
        let clock = rest.split(|byte| *byte == b'\'').next().unwrap_or_default();
        let seconds = if *wait == b"delay '" {
            clock
                .split(|byte| *byte == b':')
                .try_fold(0_u32, |sum, part| Some(sum.saturating_mul(60).saturating_add(number(part)?)))?
        } else {
            let digits = rest.iter().position(u8::is_ascii_digit).filter(|at| *at < 24)?;
            number(rest.get(digits..)?)?
        };
        DELAYS.contains(&seconds).then_some(seconds)
    })
}

fn number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(values: &[&str], answer: Answer<'_>) -> Vec<&'static str> {
        let mut sought = Sought::new();
        values.iter().for_each(|value| sought.note(value.as_bytes(), value.to_lowercase().as_bytes()));
        sought.look(&answer).iter().map(Effect::label).collect()
    }

    fn answer(body: &str) -> Answer<'_> {
        Answer { status: 200, content_type: Some(b"text/html"), body: body.as_bytes(), duration: None }
    }

    #[test]
    fn answers_show_what_worked() {
        let none: [&str; 0] = [];
        for (value, body, expected) in [
            ("' OR 1", "You have an error in your SQL syntax; check", &["database-error"][..]),
            ("../etc/passwd", "root:x:0:0:root:/root:/bin/bash", &["file-contents"]),
            (";id;", "uid=33(www-data) gid=33(www-data)", &["command-output"]),
            ("<script>x</script>", "You searched for <script>x</script>.", &["reflected"]),
            ("<script>x</script>", "You searched for &lt;script&gt;x&lt;/script&gt;.", &none),
            ("<script>x</script>", "Nothing was found.", &none),
        ] {
            assert_eq!(look(&[value], answer(body)), expected, "{value}: {body}");
        }
        let json = Answer { content_type: Some(b"application/json"), ..answer("<script>x</script>") };
        assert_eq!(look(&["<script>x</script>"], json), none, "no browser runs JSON");
        assert_eq!(look(&["x' or 1"], Answer { status: 502, ..answer("") }), ["server-error"]);
    }

    #[test]
    fn a_delay_is_told_where_it_was_asked_for() {
        for (value, millis, expected) in [
            ("1 and sleep(5)", 5_020, true),
            ("1 and sleep(5)", 400, false),
            ("1 and sleep(5)", 20_000, false),
            ("; waitfor delay '0:0:10'--", 10_100, true),
            ("select pg_sleep(3)", 3_010, true),
            ("1 or 1=1", 5_000, false),
        ] {
            let duration = Some(Duration::from_millis(millis));
            let seen = look(&[value], Answer { duration, ..answer("") });
            assert_eq!(seen == ["delayed"], expected, "{value} {millis}");
        }
    }
}
