//! HTML and JavaScript.

use super::{Construct, InTexts};
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 4] = [
    // Tags that execute something, or have attributes that do. Editors send the others.
    Construct::new(
        "html-tag",
        Class::Xss,
        &["<"],
        r#"< \s* /? \s* script \b
        | < (?: svg | img | iframe | object | embed | applet | frameset | frame | math | isindex | layer | bgsound | marquee | xss
            | animate | set | body | video | audio | image | input | form | button | details | textarea | noscript | template
            | base | meta | link | style | keygen | x | a | b | p | i | u | div | span | h1 | select | brute | xml | j | table | td
            | br | dialog | font | center | title ) (?: [\s/\x0c+"'] | %0[9acd] ) [^<]{0,400}?
            (?: [\s/"'`;] on [a-z]{3,24} \s* =
            | \b (?: src | href | data | action | formaction | srcdoc | from | to | values | code | background | dynsrc | lowsrc
                | poster | content ) \s* = \s* ['"`]? \s*
                (?: j \W{0,6} a \W{0,6} v \W{0,6} a \W{0,6} s | vb \W{0,4} script | data: \s* [^i\s] | &\# | \\\\ )
            | style \s* = .{0,60} (?: expression | behaviou?r | -moz-binding | javascript )
            | \b srcdoc \b | \b autofocus \b )
        | < (?: iframe | object | embed | applet | frame | frameset | base | isindex | layer | bgsound | xss | meta ) (?: [\s/>] | $ )
        | < svg \b [^>]{0,100} (?: onload | < script | /onload )
        | < (?: img | image | script | video | audio ) [\s/] [^>]{0,40} src \s* = \s* ['"`]? \s* (?: x \b | // | [a-z]? \s* > | `)
        | < style \b .{0,60} (?: @import | expression | javascript | binding | url \( \s* ['"]? \s* // )
        | < !\[cdata\[ .{0,20} (?: < | \]\] )
        | < x \s | < [a-z]+ / [a-z]+ \s* [=/] | < [a-z]{1,8} \s+ on [a-z]{3,24}"#,
    )
    .in_texts(InTexts::Always),
    // Characters that scanners send to see which are reflected.
    Construct::new(
        "probe-marks",
        Class::Xss,
        &["'/\"<", "\"'>", "'\"<", "'\">", "{{.}}", "\"><", "'><"],
        r#"'/"< | ["'] {2} \s* < | ["'] {2} > < | \{\{\.\}\} | ["'] > \s* < [a-z!/]"#,
    )
    .in_texts(InTexts::Always),
    // An event handler after a quote, in a tag, or with code.
    Construct::new(
        "html-handler",
        Class::Xss,
        &["on"],
        r#"['"`] \s* [/;+\x20\x0c]* (?: \w{0,20} \s* =? \s* )? \b on [a-z]{3,24} \s* = \s* ["'`]? \s* \(? \s* [a-z_$!/\[{(.;\\+\d]
        | < [^>]{0,80} [\s/"'`] on [a-z]{3,24} \s* =
        | \b on (?: error | load | click | mouse\w+ | focus\w* | blur | key\w+ | pointer\w+ | wheel | toggle | animation\w+
            | transition\w+ | submit | change | input | resize | scroll\w* | begin | end | repeat | start | finish | drag\w* | drop
            | copy | cut | paste | context\w+ | beforeunload | unload | hashchange | message | abort | auxclick | select\w* )
            \s* = \s* ["'`]? \s* \(? \s* (?: alert | confirm | prompt | eval | javascript | document | window | location | fetch
            | this | top | parent | self | write | import | [a-z_$]{1,20} \s* [(`.=\[] )"#,
    )
    .in_texts(InTexts::Always),
    // JavaScript in a URL or after a quote.
    Construct::new(
        "script-text",
        Class::Xss,
        &[
            "script", "s c r i p t", "data", "expression", "alert", "confirm", "prompt", "document", "fromcharcode", "window", "top", "self",
            "parent", "this", "frames", "globalthis", "constructor", "eval", "find", "map", "filter", "atob", "escape", "settimeout",
            "setinterval", "function", "binding", "innerhtml", "xmlhttprequest", "import", "location", "[][", "&{", "j a v a",
        ],
        r#"(?: j \s* a \s* v \s* a \s* s \s* c \s* r \s* i \s* p \s* t | vbscript | livescript ) \s* : \s* [^\s\d]
        | \b data \s* : \s* text/html
        | (?: ^ | [^a-z_.] ) (?: alert | confirm | prompt ) \s* (?: \( [^)\s] | ` | \?\. | \. (?: call | apply | bind ) | \) \s* \( )
        | (?: ^ | [^\w.] ) expression \s* \(
        | \b document \s* (?: \?\. | [.\[] ) \s* ['"]? (?: cookie | domain | write | location | body | url | documenturi )
        | string\.fromcharcode
        | \b (?: window | top | self | parent | this | frames | globalthis ) \s* \[ \s* ['"/`]
        | \[ \s* ['"] (?: alert | constructor | eval | map | find | filter ) ['"]
        | (?: ^ | [^\w.\-] ) (?: eval | atob | unescape ) \s* \( \s* [^)\s]
        | (?: ^ | [^\w.\-] ) (?: settimeout | setinterval | function ) \s* \( \s* ['"`]
        | -moz-binding | \.innerhtml \s* = | xmlhttprequest \s* \( | \b import \s* \( \s* ['"]
        | \b location (?: \.href )? \s* = \s* ['"`]? (?: javascript | http | // )
        | &\{ \s* alert | \[\]\[\(!\[\]"#,
    )
    .in_texts(InTexts::Always)
    .also(|_, found, after| !is_script_url(found) || runs(found, after)),
];

fn is_script_url(found: &[u8]) -> bool {
    found.len() > 1
        && found
            .get(..found.len().saturating_sub(1))
            .is_some_and(|start| start.trim_ascii_end().ends_with(b":"))
        && !found.starts_with(b"data")
}

/// Whether a `javascript:` URL does more than nothing, or than what links do with it.
fn runs(found: &[u8], after: &[u8]) -> bool {
    let mut start = [0_u8; 24];
    let last = found.last().copied().unwrap_or(b' ');
    let bytes = std::iter::once(&last).chain(after);
    start.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    let length = after.len().saturating_add(1).min(start.len());
    let text = start.get(..length).unwrap_or_default();
    let idle: [&[u8]; 8] = [
        b"void(0)",
        b"void 0",
        b"return false",
        b"{}",
        b"history",
        b"window.open",
        b"window.print",
        b"self.close",
    ];
    let is_end = text.trim_ascii_end() == b";";
    let is_comment = text.starts_with(b"//") && text.len() < 4;
    !(is_end || is_comment || idle.iter().any(|idle| text.starts_with(idle)))
}
