//! Shell commands and syntax.

use super::{Construct, InTexts};
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 3] = [
    // A separator, a command, and what follows a command: an argument, a redirection, another separator, or the end.
    Construct::new(
        "shell-command",
        Class::Command,
        &[";", "|", "&", "$(", "`", "\x1e", "\\n", "\\r"],
        r#"(?: [;|&] | \$\( | \x1e | \\[nr] ) \s* (?: /? (?: [a-z]+ / )* s?bin/ )?
            (?: cat | ls | id | whoami | uname | ping6? | nslookup | dig | wget | curl | nc | netcat | ncat | bash | sh | zsh | ksh | csh
            | cmd (?: \.exe )? | powershell (?: \.exe )? | pwsh | echo | printf | sleep | rm | cp | mv | chmod | chown | ifconfig
            | ipconfig | netstat | ps | kill | touch | mkdir | grep | egrep | awk | perl | python[23]? | ruby | php | telnet | tftp
            | sudo | crontab | base64 | printenv | systeminfo | tasklist | certutil | bitsadmin | getent | busybox | nmap | socat
            | openssl | lsof | hostname | tac | rev | xxd | sed | phpinfo | system | exec | reboot | shutdown | which | w | who | dir
            | type | del | set | net | ver | env | find | head | tail | more | sort | date | pwd | cd | ftp | ssh | route | arp | reg )
            (?: \s* $ | \s* [|&`\#>)] | \\[nr] | \s* ; (?: \s* $ | \s* [^a-z\s] | \s* [a-z]+ \s* [^a-z;)\s] )
            | \s+ (?: - \w | / | ["'$] | \d | \w+ \s* (?: $ | [;|&`>\#] | \s ["'\\/-] ) | https?: | \w+ \. \w+ | \\ )
            | \$ \{? ifs | \s* < | \s* \( \s* ['"] )"#,
    )
    .in_texts(InTexts::Always)
    .also(|before, found, after| !is_parameter(before, found, after)),
    Construct::new(
        "shell-syntax",
        Class::Command,
        &[
            "echo", "`", "$(", "ifs", "/dev/", "bin/", "cmd", "%", "invoke-", "iex", "downloadstring", "powershell", "{", "?", "2>", ">", "<",
            "nc ", "ncat", "netcat", "bash", "sh ", "wget", "curl", "chmod", "rm ", "ping", "sleep", "id", "whoami", "uname", "ifconfig", "ipconfig", "net ",
            "nslookup",
        ],
        r#"[|&;] \s* echo \s+ [\w$'"]
        | ` \s* (?: / (?: usr/ )? s?bin/ | (?: id | ls | cat | whoami | uname | ping | curl | wget | nc | sleep | nslookup | dig | bash | echo | ps
            | ifconfig | printenv | python | perl | php | ruby ) \b ) [^`]{0,80} `
        | \$\( (?: \( | \s* (?: / | (?: cat | ls | id | whoami | uname | ping | curl | wget | nc | sleep | nslookup | dig | bash | sh | echo
            | printf | ps | python[23]? | perl | php | ruby | expr | env ) \b ) )
        | \$ \{? ifs \b
        | /dev/ (?: tcp | udp ) /
        | (?: ^ | [\s;|&`(='"/] ) / (?: usr/ )? (?: local/ )? s?bin/ [a-z]{1,12} \b
        | \b cmd (?: \.exe )? \s* / [ck] \b
        | % (?: comspec | systemroot | windir | programfiles | userprofile | temp ) %
        | \b invoke- (?: expression | webrequest | command ) | \b iex \s* \( | downloadstring
        | \b powershell (?: \.exe )? \s+ -
        | \{ (?: cat | ls | id | ping | curl | wget | echo | nc | sh | bash | uname | whoami ) ,
        | / (?: bin | etc ) / \?{2,} | / \?\?\? /
        | 2>&1 | > \s* / (?: dev | tmp | var | etc ) / | < \s* /etc/
        | \b (?: nc | ncat | netcat ) \s+ - \w* [elvp]
        | \b bash \s+ -[ci] | \b sh \s+ -[ci] \b
        | \b (?: wget | curl ) \s+ (?: -\w+ \s+ )* ['"]? (?: https?:// | \w+\.\w+/ )
        | \b chmod \s+ [+0-7] | \b rm \s+ -r?f | \b ping6? \s+ -[cnwi] \s* \d
        | \b sleep \s+ \d+ \s* (?: $ | [;|&`\#')"] )
        | [\s|&;] id \s* ; \s* $
        | \b whoami \b | \b uname \s+ -a | \b ifconfig \b | \b ipconfig \b | \b net \s+ (?: user | localgroup ) \b | \b nslookup \s"#,
    ),
    // Commands recognisable by their separators alone, and words split to evade filters.
    Construct::new(
        "shell-separators",
        Class::Command,
        &[";", "|", "&", "''", "\"\"", "$@", "`", "\\"],
        r#"^ \s* (?: ; | \| | & )+ \s* \w+ \s* (?: ; | \| | & | \# )* $
        | \|\| \s* \w+ \s+ \w+ \s* \|\|
        | (?: ^ | [\s;|&`] ) (?: [a-z]{1,3} (?: '' | "" | \\ | \$@ ) ){1,4} [a-z]{1,8} \s+ [/\-\w$*?]+
        | (?: ^ | [;|&`\s] ) (?: c'a't | c"a"t | c\\at | w'h'o | w\\ho | l\\s | l's' | i'd' | i\\d ) \b
        | ` \s* [a-z]{2,12} (?: \s+ -\w+ | \s+ / \S+ ) \s* `"#,
    ),
];

/// Whether an ampersand begins another parameter, as in `a=1&sort=date`, or a semicolon ends an entity (`&nbsp; date`).
fn is_parameter(before: &[u8], found: &[u8], after: &[u8]) -> bool {
    let is_next_pair =
        found.starts_with(b"&") && (found.last() == Some(&b'=') || after.first() == Some(&b'='));
    let is_entity = found.starts_with(b";") && {
        let word = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let at = before.len().saturating_sub(word).saturating_sub(1);
        word > 0 && word < 9 && before.get(at) == Some(&b'&')
    };
    // A list of words between bars: `1|type|2|date|3`.
    let mark = found.first().copied().unwrap_or_default();
    let is_list =
        found.last() == Some(&mark) && before.iter().chain(after).filter(|byte| **byte == mark).count() > 3;
    is_next_pair || is_entity || is_list || ends_a_sentence(found, after)
}

/// Whether a text ends with a semicolon, a space and a word that is an English one as well: `Tom & Jerry; more`.
fn ends_a_sentence(found: &[u8], after: &[u8]) -> bool {
    const WORDS: [&[u8]; 14] = [
        b"which", b"who", b"type", b"set", b"net", b"find", b"head", b"tail", b"more", b"sort", b"date",
        b"route", b"kill", b"touch",
    ];
    let word = found.strip_prefix(b"; ").unwrap_or_default().trim_ascii();
    after.trim_ascii().is_empty() && WORDS.contains(&word)
}
