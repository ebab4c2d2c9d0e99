//! Texts that show a response exposes a server's internals.

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::Leak::{DatabaseError, Diagnostics, DirectoryListing, StackTrace};
use super::{Found, Leak};

/// What must be near a mark, so that prose with the same words does not match.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// Nothing: the mark is unambiguous.
    Nothing,
    /// One of these within the next bytes.
    After(&'static [&'static [u8]]),
    /// This many digits right after it.
    Digits(usize),
    /// The mark is within the first bytes of the response.
    AtStart,
}

struct Mark {
    text: &'static str,
    leak: Leak,
    rule: &'static str,
    beside: Beside,
}

const fn mark(text: &'static str, leak: Leak, rule: &'static str, beside: Beside) -> Mark {
    Mark { text, leak, rule, beside }
}

use Beside::{After, AtStart, Digits, Nothing};

/// Marks, as the programs write them.
const MARKS: &[Mark] = &[
    mark(
        "Traceback (most recent call last)",
        StackTrace,
        "python",
        After(&[b"File \"", b"File \\\"", b"File &quot;"]),
    ),
    mark(".java:", StackTrace, "java", Digits(1)),
    mark(".kt:", StackTrace, "java", Digits(1)),
    mark("Exception in thread \"", StackTrace, "java", Nothing),
    mark("node_modules/", StackTrace, "javascript", After(&[b".js:", b".ts:", b".mjs:", b".cjs:"])),
    mark("(node:internal/", StackTrace, "javascript", Nothing),
    mark("    at Object.<anonymous> (", StackTrace, "javascript", Nothing),
    mark("Stack trace:\n#0 ", StackTrace, "php", Nothing),
    mark("Stack trace:\\n#0 ", StackTrace, "php", Nothing),
    mark("<b>Fatal error</b>:", StackTrace, "php", After(&[b"on line"])),
    mark("<b>Warning</b>:", StackTrace, "php", After(&[b"on line"])),
    mark("PHP Fatal error:", StackTrace, "php", After(&[b"on line", b" in /"])),
    mark(".php(", StackTrace, "php", Digits(1)),
    mark(".cs:line ", StackTrace, "dotnet", Digits(1)),
    mark("Server Error in '/", StackTrace, "dotnet", After(&[b"Application"])),
    mark(".rb:", StackTrace, "ruby", After(&[b":in `", b":in '"])),
    mark("goroutine ", StackTrace, "go", After(&[b"[running]:"])),
    mark("' panicked at ", StackTrace, "rust", After(&[b".rs:"])),
    mark("Werkzeug Debugger", Diagnostics, "werkzeug", Nothing),
    mark("DEBUG = True</code>", Diagnostics, "django", Nothing),
    mark("Whoops, looks like something went wrong", Diagnostics, "laravel", Nothing),
    mark("You have an error in your SQL syntax", DatabaseError, "mysql", After(&[b"server version for"])),
    mark("com.mysql.", DatabaseError, "mysql", After(&[b"Exception"])),
    mark("SQLSTATE[", DatabaseError, "pdo", After(&[b"]"])),
    mark("ORA-", DatabaseError, "oracle", Digits(5)),
    mark("PG::", DatabaseError, "postgresql", After(&[b"Error"])),
    mark("org.postgresql.util.PSQLException", DatabaseError, "postgresql", Nothing),
    mark("psycopg2.", DatabaseError, "postgresql", After(&[b"Error", b"errors."])),
    mark("ERROR:  syntax error at or near", DatabaseError, "postgresql", Nothing),
    mark("ERROR: syntax error at or near", DatabaseError, "postgresql", Nothing),
    mark("pg_query(): Query failed", DatabaseError, "postgresql", Nothing),
    mark("unterminated quoted string at or near", DatabaseError, "postgresql", Nothing),
    mark("Unclosed quotation mark after the character string", DatabaseError, "mssql", Nothing),
    mark("System.Data.SqlClient.SqlException", DatabaseError, "mssql", Nothing),
    mark("Microsoft OLE DB Provider for", DatabaseError, "mssql", After(&[b"error"])),
    mark("[Microsoft][ODBC", DatabaseError, "odbc", Nothing),
    mark("SQLite3::SQLException", DatabaseError, "sqlite", Nothing),
    mark("sqlite3.OperationalError", DatabaseError, "sqlite", Nothing),
    mark("SQLITE_ERROR: ", DatabaseError, "sqlite", Nothing),
    mark("unrecognized token: \"", DatabaseError, "sqlite", Nothing),
    mark("MongoServerError", DatabaseError, "mongodb", Nothing),
    mark("org.hibernate.exception.", DatabaseError, "hibernate", Nothing),
    mark("java.sql.SQL", DatabaseError, "jdbc", After(&[b"Exception"])),
    mark("SequelizeDatabaseError", DatabaseError, "sequelize", Nothing),
    mark("PrismaClientKnownRequestError", DatabaseError, "prisma", Nothing),
    mark("<title>Index of /", DirectoryListing, "apache", Nothing),
    mark("<title>Directory listing for ", DirectoryListing, "python", Nothing),
    mark("[To Parent Directory]", DirectoryListing, "iis", Nothing),
    mark("<title>Directory: /", DirectoryListing, "jetty", Nothing),
    mark("<title>Directory Listing For ", DirectoryListing, "tomcat", Nothing),
    mark("<title>phpinfo()</title>", Diagnostics, "phpinfo", Nothing),
    mark("Apache Server Status for ", Diagnostics, "apache-status", Nothing),
    mark("{\"activeProfiles\":[", Diagnostics, "spring-env", AtStart),
];

/// How far after a mark its companion may be.
const NEAR: usize = 512;
/// The first bytes of a response.
const START: usize = 64;

/// The searcher over all marks.
pub(crate) struct Scanner(Engine);

enum Engine {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Scanner {
    /// A searcher; none if its tables exceed the limits of the library, which a test rules out.
    pub(crate) fn new() -> Option<Self> {
        let texts = || MARKS.iter().map(|mark| mark.text);
        let mut packed = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        packed.extend(texts());
        if let Some(searcher) = packed.build() {
            return Some(Self(Engine::Packed(searcher)));
        }
        let automaton = AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostFirst).build(texts()).ok()?;
        Some(Self(Engine::Automaton(automaton)))
    }

    /// Reports each mark in a response.
    pub(crate) fn scan(&self, text: &[u8], mut tell: impl FnMut(Found)) {
        let mut look = |number: usize, start: usize, end: usize| {
            if let Some(mark) = MARKS.get(number)
                && mark.beside.holds(text, start, end)
            {
                tell(Found { leak: mark.leak, rule: mark.rule });
            }
        };
        match &self.0 {
            Engine::Packed(searcher) => searcher
                .find_iter(text)
                .for_each(|found| look(found.pattern().as_usize(), found.start(), found.end())),
            Engine::Automaton(automaton) => automaton
                .find_iter(text)
                .for_each(|found| look(found.pattern().as_usize(), found.start(), found.end())),
        }
    }
}

impl Beside {
    fn holds(self, text: &[u8], start: usize, end: usize) -> bool {
        let rest = text.get(end..).unwrap_or_default();
        let near = rest.get(..rest.len().min(NEAR)).unwrap_or_default();
        match self {
            Self::Nothing => true,
            Self::After(texts) => texts.iter().any(|wanted| memchr::memmem::find(near, wanted).is_some()),
            Self::Digits(least) => near.iter().take_while(|byte| byte.is_ascii_digit()).count() >= least,
            Self::AtStart => start <= START,
        }
    }
}
