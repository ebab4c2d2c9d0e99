//! SQL.

use super::{Construct, InTexts};
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 5] = [
    Construct::new(
        "sql-union",
        Class::Sqli,
        &["union"],
        r"\b union \b [^a-z0-9]{1,20} (?: (?: all | distinct | distinctrow ) \b )? [^a-z0-9]{0,20} \(? \s* select \b
        | \b union \b \W+ (?: all \W+ )? select | \d union \s+ (?: all \s+ )? select",
    )
    .in_texts(InTexts::Always),
    Construct::new(
        "sql-statement",
        Class::Sqli,
        &[
            "select",
            "insert",
            "delete",
            "update",
            "drop",
            "create",
            "alter",
            "truncate",
            "order",
            "group",
            "having",
            "outfile",
            "dumpfile",
            "infile",
            "exec",
            "procedure",
            "case",
            "declare",
            "shutdown",
            "waitfor",
            "begin",
            "use",
        ],
        r#"\b select \b [^a-z]{0,6} (?: \* | [\w@.(\'"`,\s|+\-*/:]{1,160}? ) [^a-z]{0,4} \b from \b \s* [\w`("'\[.]+ \s*
            (?: $ | where | [;\#)'"`,] | -- | limit | order | group | as \b | union | having | join )
        | \b insert \b \s+ into \b \s+ [\w`.]+ \s* (?: \( | values | select )
        | \b delete \b \s+ from \b \s+ [\w`.]+ \s* (?: $ | where | ; | -- )
        | \b update \b \s+ [\w`.]+ \s+ set \b \s+ [\w`.]+ \s* =
        | \b drop \b \s+ (?: table | database | view | user | procedure | function | index ) \b \s+ \w
        | \b (?: create | alter ) \b \s+ (?: or \s+ replace \s+ )? (?: table | user | function | database | procedure | view | login )
            \b \s+ \w+ \s* (?: [(.;@'"] | as \b | identified | with | add | drop | set | returns | $ )
        | \b truncate \s+ table \s
        | [;'")] \s* ;? \s* (?: select | insert \s into | update \s \w+ \s set | delete \s from | drop | declare | exec (?: ute )?
            | shutdown | create \s (?: table | user | function | or ) | begin | waitfor | alter ) \b \s* [\w@(*'";\[$]
        | [;'")] \s* ;? \s* use \s+ \w+ \s* (?: $ | ; | -- | \# )
        | \( \s* select \b
        | \b select \b \s* (?: @@ | \( | count \s* \( | sleep | version | user \b | database \b | load_file | null \s* , | \d+ \s* (?: ,
            | from | $ | -- | \# ) | '\w*' \s* (?: , | $ ) | case \s+ when | concat | char \b | pg_sleep | \* \s* from )
        | \b order \s+ by \s+ \d+ \s* (?: -- | \# | /\* | ; | , | $ )
        | \b group \s+ by \b .{1,60} \b having \b | \b having \s+ [\d'"(] | \b into \s+ (?: out | dump ) file
        | \b load \s+ data \s+ (?: local \s+ )? infile | \b bulk \s+ insert
        | \b exec (?: ute )? \s+ (?: immediate | master | sp_ | xp_ | \( | @ ) | \b procedure \s+ analyse
        | \b case \s+ when \b .{1,80} \b then \b | \b declare \s+ @\w+"#,
    )
    .also(|before, found, _| !is_written_statement(before, found)),
    // A condition after a quote, a number or a bracket.
    Construct::new(
        "sql-condition",
        Class::Sqli,
        &[
            "or", "and", "xor", "&&", "||", "having", "where", "like", "not", "'", "\"", "`", ")*", ") *",
            "1/0",
        ],
        r#"(?: ^ | ['"`)\s\d%*/] ) (?: or | and | xor | && | \|\| | having | where | rlike | not ) [\s(+!~\-/*'"`]+
            (?: \d+ | '[^']{0,12}'? | "[^"]{0,12}"? | \w{1,12} (?: \( \)? )? | @@?\w+ ) [\s)]*
            (?: = | <> | != | <=? | >=? | <=> | \b like \b | \b rlike \b | \b regexp \b | \b in \s* \( | \b between \b
            | \b is \s+ (?: not \s+ )? null | \b sounds \b ) \s* ['"`(+\-~!]* \s*
            (?: \d | ' | " | ` | [a-z] \w{0,12} \s* (?: $ | -- | \# | /\* | ['"`()] ) | @@? | 0x | select \b | true \b | null \b )
        | ['"`)] \s* (?: (?: or | and | xor ) \b | \|\| | && ) \s* ['"`(\d]* \s* (?: \w+ \s* )? ['"`)]* \s*
            (?: = | [<>] \s* ['"`(\d=>] | != | like | in \b | is \b | between | \|\| | -- | \# | /\* | $ )
        | ['"`] \s* = \s* ['"`(]
        | (?: ^ | \d | ['"`)] ) \s+ (?: or | and ) \s+ (?: true | false | not \s+ \w+ \s* (?: = | $ | in ) | \d+ \s* (?: -- | \# | /\* | $ )
            | exists \s* \( | \( \s* (?: select | ['"] | \d+ \s* [=<>] ) | sleep | benchmark )
        | ['"] \s* (?: or | and ) \s* ['"] | ' \s* \|\| \s* ' | \d \s* (?: \|\| | && ) \s* \d? \s* (?: -- | \# | \w+ \( )
        | ['"`] \s+ (?: like | rlike | regexp | div | mod | xor | sounds \s+ like | is \s+ (?: not \s+ )? null | between | in \s* \(
            | collate | having | limit \s+ \d | group \s+ by | order \s+ by | procedure | into | union | where ) \b \s* ['"`(\d@a-z]
        | ['"`] (?: like | rlike | regexp | xor | union | having | order \s+ by | collate ) \b \s* [(\d@]
        | ^ \s* (?: or | and ) \s+ (?: (?: true | false ) \s* (?: $ | -- | \# | /\* ) | not \s+ \d
            | \w{1,12} \s* = \s* \w{1,12} \s* (?: $ | -- | \# | /\* ) | \w{1,20} \s* \( .{0,40} \) \s* (?: = | -- | \# | /\* ) )
        | ^ \(* \s* \d+ \s* = \s* \d+ \s* \)+ \s* [*+/-] \s* \d
        | [;(,|&] \s* (?: iif | if | ifnull | isnull | case ) \s* \( [^()]{1,40} (?: = | <> | [<>] ) [^()]{1,40} , [^()]{0,40}? 1/0"#,
    )
    .also(|before, found, _| !follows_quoted_word(before, found)),
    Construct::new(
        "sql-function",
        Class::Sqli,
        &[
            "(",
            "waitfor",
            "information_schema",
            "sysobjects",
            "syscolumns",
            "sysusers",
            "sysdatabases",
            "sysprocesses",
            "xp_",
            "sp_",
            "all_",
            "rdb$",
            "mysql.",
            "pg_",
            "sqlite_master",
            "msysaccessobjects",
            "@@",
            "table_schema",
            "schema_name",
            "sysibm",
            "v$version",
            "master..",
            "master.dbo",
            "rownum",
        ],
        r#"(?: ^ | [^\w.] ) (?: sleep | benchmark | pg_sleep | extractvalue | updatexml | load_file | concat_ws | group_concat | nchar
            | unhex | elt | make_set | row_count | ctxsys \.\w+ (?: \.\w+ )? | dbms_\w+ \.\w+ | utl_\w+ \.\w+ | xmltype | json_keys
            | gtid_subset\w* | randomblob | regexp_substring | generate_series | sqlite_version | receive_message | get_host_address
            | json_depth | json_extract | load_extension | query_to_xml | lo_import | sys_context | sys_eval | xp_\w+ | openrowset
            | opendatasource | quote ) \s* \(
        | (?: ['"`=,(|+*/\s\d)\-] | ^ ) (?: char | chr | ascii | substr (?: ing )? | concat | convert | cast | ifnull | iif | count | floor
            | if | ord | mid | length | database | version | user | current_user | hex | md5 | rand | exp | lower | upper | polygon | point
            | nullif | coalesce | to_char | instr ) \s* \( \s*
            (?: [\d(@'"*\\] | select | user | database | version | \w+ \( | \) \s* (?: [,=<>+|\-] | $ | from ) )
        | ['"] \s* \. \s* sleep \s* \( | \b waitfor \s+ (?: delay | time ) | information_schema
        | \b sys (?: objects | columns | users | databases | processes ) \b | \b xp_[a-z]+ | \b sp_[a-z]+ \b | \b all_ (?: users | tables | tab_ )
        | rdb\$ | \b mysql\. (?: user | db | host ) \b | \b pg_ (?: user | catalog | shadow | tables | class | database ) \b
        | sqlite_master | msysaccessobjects
        | @@ (?: version | datadir | hostname | servername | global | basedir | spid | [a-z_]{3,} )
        | table_schema | schema_name | sysibm | v\$version | master\.\. | master\.dbo | \b user \s* \(\) | \b rownum \b"#,
    )
    .in_texts(InTexts::Always),
    // A quote that closes a string in a statement, followed by what turns the rest into a comment or a condition.
    Construct::new(
        "sql-quote",
        Class::Sqli,
        &["--", "#", "/*", "';", "\";", "%00", "'", "\"", "`", ")", "and", "or"],
        r#"^ (?: [^'"`<>{}\[\]]{0,59} [^'"`<>{}\[\]\s(] )? \s? ['"`] \s* \)* \s*
            (?: -- (?: [^a-z] | $ ) | \# (?: [^\[!] | $ ) | /\* | ; \s* (?: -- | \# | $ ) | ;%00 )
        | ^ [\w\-.%@\x20]{0,40} ['"] \s* \)+ \s* (?: $ | ; | -- | \# | and | or | as | where | union | order | having | group )
        | (?: ^ | [^\-] ) -- \s* [-+] \s* \w{0,5} $ | ^ [^\#]{0,80} (?: \d | ['")] ) \s* (?: -- \s* \w{0,6} | \# \s* ) $ | ; \s* --
        | ^ \s* ['"]{1,3} \s* (?: or | and | union | = | \|\| | & | - | \^ | \* | ; )
        | ^ \d+ \s+ (?: and | or ) \s+ \w+ \s* [=<>(]
        | ^ -? \d+ \)+ \s* (?: $ | and | or | union | order | group | having | ; | -- | \# | limit | as )"#,
    ),
];

/// Whether a match begins with the quote that closes a quoted word, as in `"our" or "my"`, and compares nothing. A quote that
/// ends a string of a statement is the first one in the value.
fn follows_quoted_word(before: &[u8], found: &[u8]) -> bool {
    let Some(quote) = found.first().filter(|byte| matches!(byte, b'\'' | b'"' | b'`')) else { return false };
    let is_closing = before.iter().filter(|byte| *byte == quote).count() % 2 == 1;
    is_closing && !found.contains(&b'=')
}

/// Whether a value begins with a statement that writes. An injected one follows something that it ends; this one is for an
/// editor of SQL, and is scored like any other text.
fn is_written_statement(before: &[u8], found: &[u8]) -> bool {
    let verbs: [&[u8]; 4] = [b"insert", b"create", b"update", b"alter"];
    before.trim_ascii().is_empty() && verbs.iter().any(|verb| found.starts_with(verb))
}
