//! Queries to directories, documents and trees: LDAP, XPath, XML, document databases.

use super::{Construct, InTexts};
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 4] = [
    // External entities, parameter entities, inclusions. Documents of the web begin with types of their own.
    Construct::new(
        "xml-entity",
        Class::Xxe,
        &["<!doctype", "<!entity", "<!attlist", "<!element", "include", "<?xml-stylesheet"],
        r#"<!doctype \s [^>]{0,200} (?: \[ | \s system \b | \s public \s+ ["'] [^"']* ["'] \s* ["'] )
        | <!entity \s | <!attlist \b | <!element \b | < \w{1,12} : include \b | xinclude ["'] | <\?xml-stylesheet"#,
    )
    .in_texts(InTexts::Always)
    .also(|_, found, after| !found.ends_with(b"\"") && !found.ends_with(b"'") || !after.starts_with(b"http://www.w3")),
    Construct::new(
        "ldap-filter",
        Class::Ldap,
        &["(", ")", "objectclass", ":="],
        r"\* \s* \) \s* \( | \( \s* [|&!] \s* \( \s* [a-z] | \) \s* \( \s* [|&!] | \) \)? \s* \( \w+ \s* [~<>]? =
        | \( \w+ \s* = \s* \* \s* \) | objectclass \s* = | \w : (?: dn : )? [\d.]+ := | \* \) \) | ^ \* \)+ $
        | ^ [^()]{0,40} \) \s* \( \w* \s* [|&=*] | ^ [*()|&]{3,} $ | ^ \w{0,20} [*]? \) \s* [(|&]",
    )
    .in_texts(InTexts::Always),
    Construct::new(
        "xpath-expression",
        Class::Xpath,
        &["name(", "name (", "count", "position", "last", "length", "::", "]|", "] |", "x']", "text()", "node("],
        r#"\b (?: or | and ) \s+ (?: name | count | string-length | position | last | local-name | starts-with | contains ) \s* \(
        | \b (?: ancestor | child | descendant | following | preceding | attribute ) (?: -or-self | -sibling )? :: (?: \* | \w )
        | \b (?: parent | self ) :: (?: node \b | \* | text \b )
        | count \s* \( \s* / | substring \s* \( \s* name | ['"] \] \s* \| \s* / | x'\] | // \* \[ | / text \(\) | / node \(\)"#,
    )
    .in_texts(InTexts::Always),
    Construct::new(
        "mongo-operator",
        Class::Nosql,
        &["$", "this.", "db.", "return", "||", "&&", "new date", "while"],
        r#"(?: ^ | \[ | \. ) \$ (?: ne | gt | gte | lt | lte | in | nin | where | regex | exists | eq | not | func | expr | jsonschema
            | elemmatch | or | and | nor ) \]? $
        | \[ \$ (?: ne | gt | gte | lt | lte | nin | regex | where | exists ) \]
        | \$where \b
        | ['"]? \$ (?: ne | gt | gte | lt | lte | nin | regex | where | exists | or | and ) ['"]? \s* :
        | \b this \. \w+ \s* (?: [=!<>] =? \s* \S | \.match \b )
        | \b db \. \w+ \. (?: insert | find | drop | update | remove | aggregate | mapreduce ) | \b db\.getcollection
        | ; \s* return \s* \(? \s* (?: true | 1 | ' | " )
        | \|\| \s* ['"]? \d ['"]? \s* == | && \s* this\.
        | new \s date \(\) [^a-z]{0,4} (?: ; | do )
        | \b while \s* \( \s* (?: true | 1 | ! | \w+ \s* [-<] )"#,
    )
    .in_texts(InTexts::OutsideCode),
];
