//! Probes: what scanners send before an attack, to see how an application handles it.

use super::Construct;
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 4] = [
    // A number, e-mail address, date or file name with a stray quote at the end. Not short numbers, which may be inches or
    // minutes, and not words, which end with an apostrophe in many languages.
    Construct::new(
        "dangling-quote",
        Class::Sqli,
        &["'", "\"", "%22", "%27"],
        r#"^ (?: \d{7,} | \d{4} - \d\d - \d\d | [\w.+\-]+ @ [\w\-]+ (?: \. [\w\-]+ )+ | [a-f0-9]{8} (?: - [a-f0-9]{4} ){3} - [a-f0-9]{12}
            | (?: / [\w.\-]+ )+ \. (?: php | aspx? | jsp | do | cgi | html? ) (?: /\d+ )? ) (?: ' | " ){1,2} $"#,
    )
    .also(|before, _, _| before.is_empty()),
    // The end of a CDATA section that never began.
    Construct::new("cdata-end", Class::Xss, &["]]>"], r"\]\]> [><]")
        .also(|before, _, _| memchr::memmem::find(before, b"<![cdata[").is_none()),
    // A tag without effect between two words.
    Construct::new(
        "tag-between-words",
        Class::Xss,
        &["<a>", "<a ", "<x>", "<x ", "<xss"],
        r"^ [a-z0-9@.\-]* [a-z0-9] < (?: a | x | xss ) (?: \s [a-z] = [a-z] )? > [a-z0-9]+ $",
    ),
    // Path steps without effect.
    Construct::new(
        "idle-path",
        Class::Traversal,
        &["./"],
        r"^ \.{3} / [\w\-.@]* $ | ^ (?: \./ ){2,} | ^ \./ [\d\-]+ $",
    ),
];
