//! Lookups, templates and code of servers.

use super::{Construct, InTexts};
use crate::inspect::injection::class::Class;

pub(super) const TABLE: [Construct; 11] = [
    // Lookups of Log4j 2, including nested ones that hide the keyword.
    Construct::new(
        "log4j-lookup",
        Class::Log4shell,
        &["${", "jndi"],
        r"\$\{ \s* (?: jndi | lower | upper | env | sys | java | main | ctx | base64 | k8s | docker | spring | log4j
            | web | bundle | marker | map | sd | event | script | dns | date | const | ::- ) \s* :
        | \$\{ [^{}]{0,40} \$\{ [^{}]{0,40} :
        | \$\{ [^{}]{0,12} :-
        | \b jndi \s* : \s* (?: ldaps? | rmi | dns | iiop | corba | nis | nds | http ) \b",
    )
    .in_texts(InTexts::Always),
    // A function definition followed by a command (CVE-2014-6271), or one that never ends (CVE-2014-6278).
    Construct::new(
        "bash-function",
        Class::Shellshock,
        &["{"],
        r"\( \s* \) \s* \{ (?: .{0,24}? ; \s* \} \s* ; | \s* _ \s* ; | \s* _ \s* \} )",
    )
    .in_texts(InTexts::Always),
    Construct::new(
        "server-include",
        Class::Ssi,
        &["<!--"],
        r"<!-- \s* \# \s* (?: exec | include | echo | config | printenv | set | fsize | flastmod | if ) \b",
    )
    .in_texts(InTexts::Always),
    // Arithmetic and objects in the delimiters of template engines.
    Construct::new(
        "template-expression",
        Class::Template,
        &["{{", "${", "#{", "%{", "*{", "~{", "@{", "<%", "<#", "#set", "{%", "{php", "{$", "@("],
        r#"\{\{ \s* ['"(\d] [^{}]{0,60} [*+\-|.%/] [^{}]{0,60} \}\}
        | \{\{ [^{}]{0,200} (?: __\w+__ | constructor | \b config \b | self [.\[] | request \s* [.|\[] | lipsum | cycler
            | joiner | namespace | range \( | system \( | exec | popen | _self | dump \( | \[\] \s* [|.\[]
            | \| \s* (?: attr | filter | map | sort | reduce ) \s* \( )
        | [$\#%*@~] \{ \s* (?: ['"(]? \s* \d+ \s* ['")]? \s* [*+\-/] \s* ['"]? \d | t \s* \( \s* java
            | .{0,80} (?: getruntime | \.class \b | class \. | \b runtime | \.exec \( | new \s java | processbuilder
                | \b session \. | \b self \. | \#_ | @ java | \.getclass ) )
        | \$\{\{ .{1,80} \}\}
        | __ \$\{
        | <% =? \s* .{0,40} (?: \d \s* \* \s* \d | system | \b exec | ` | \b file \. | \b dir \. | runtime | \b request )
        | <\# (?: assign | list | include ) \s
        | \# set \s* \( \s* \$ \w+ \s* =
        | \{ php \}
        | \{ \$ smarty
        | \{ \s* (?: system | exec | passthru | eval | phpinfo ) \s* \(
        | @ \( \s* \d+ \s* [*+] \s* \d
        | \{% \s* (?: for | if | set | import | include | debug | extends | from | macro | block | with ) \b"#,
    ),
    Construct::new(
        "java-class",
        Class::Code,
        &[
            "java.", "javax.", "javax", "runtime", "processbuilder", "forname", "memberaccess", "ognl", "xwork",
            "springframework", "freemarker", "org.apache", "class", "com.sun", "bsh.", "scriptengine", "groovy",
        ],
        r"\b java \. (?: lang | io | net | util | nio | sql | security | beans ) \.
        | \b javax \. (?: script | naming | el | management | swing ) \b
        | \b getruntime \s* \( | \b processbuilder \b | \.class \. forname | \.forname \s* \( | \# _? memberaccess
        | \b ognl \. | \b xwork2? \. | springframework \. | freemarker \. template
        | org\.apache\. (?: commons | struts | xalan | bcel | tomcat | catalina | shiro | log4j | velocity )
        | class \. module \. classloader | class \[ .? module | com\.sun\.
        | bsh\.interpreter | scriptenginemanager | \b groovy\.",
    )
    .in_texts(InTexts::Always),
    Construct::new(
        "php-code",
        Class::Code,
        &["<?", "://", "php", "(", "$_", "$globals", "auto_prepend", "allow_url", "base64,", "data:"],
        r"<\? (?: php \b | = | \s* (?: system | exec | passthru | echo | eval | phpinfo | include | require | \$ ) )
        | \b php :// (?: filter | input | fd | memory | temp | stdin | stdout | output )
        | \b (?: phar | expect | zip | glob | data | ssh2 (?: \.\w+ )? | ogg | rar | compress (?: \.zlib )? ) ://
        | \b data : [a-z/;]{0,30} base64 , [a-z0-9+/]{8}
        | \b phpinfo \s* \(
        | (?: ^ | [^\w.\-$>] ) (?: system | passthru | shell_exec | popen | proc_open | pcntl_exec | phpinfo | assert | eval
            | create_function | call_user_func (?: _array )? | base64_decode | file_get_contents | file_put_contents
            | preg_replace | var_dump | print_r | readfile | highlight_file | show_source | array_map | array_filter
            | fopen | fwrite | unlink | scandir | gzinflate | str_rot13 | session_start | ini_set | getenv | posix_\w+
            | move_uploaded_file | curl_exec | fsockopen ) \s? \( \s* [^)\s]
        | auto_prepend_file | allow_url_include
        | \$_ (?: get | post | request | server | cookie | files | session | env ) \b
        | \$ globals \b",
    )
    .in_texts(InTexts::OutsideCode)
    .also(|_, found, after| !found.starts_with(b"data:") || !is_picture(found, after)),
    Construct::new(
        "python-code",
        Class::Code,
        &["__", "os.", "os import", "import os", "subprocess", "!!python", "posix", "compile", "cos "],
        r"__import__ | __class__ | __globals__ | __builtins__ | __subclasses__ | __mro__ | __bases?__ | __getattribute__
        | __reduce__ | \b os \. (?: system | popen | environ | exec[lv]p? ) \b
        | \b subprocess \. | !!python/ | \b cposix \b | c__builtin__ | \b cos \s+ system \b | \b import \s+ os \b
        | exec \( \s* compile | \b from \s+ os \s+ import",
    )
    .in_texts(InTexts::OutsideCode),
    Construct::new(
        "node-code",
        Class::Code,
        &["child_process", "process.", "require", "nd_func", "__proto__", "constructor"],
        r#"child_process | \b process \. (?: mainmodule | env \b | binding | exit \b | cwd )
        | \b require \s* \( \s* ['"`] (?: child_process | fs | os | http | net | vm | util ) ['"`]
        | _\$\$nd_func | __proto__ | constructor [.\[]{1,2} ['"]? (?: prototype | constructor )
        | \.constructor \s* \( \s* ['"`]"#,
    ),
    // PHP, Java, .NET, Python, Ruby; also the first letters of their base64.
    Construct::new(
        "serialised-object",
        Class::Deserialisation,
        &["o:", "c:", "ro0ab", "aced0005", "aaeaaad", "ga", "ysoserial", "@type", "!ruby", "php_object", "a:"],
        r#"(?: ^ | [^a-z0-9] ) [oc] : \d+ : " [a-z_\\]
        | (?: ^ | [^a-z0-9] ) a : \d+ : \{ [is] : \d
        | ro0ab [a-z0-9]{2} | aced0005 | aaeaaad/////
        | ^ ga [sr] [vlw] | ysoserial
        | \{ \s* "@type" \s* : \s* " (?: com | org | java | ch ) \b
        | !ruby/ (?: object | hash ) | php_?object"#,
    )
    .in_texts(InTexts::OutsideCode),
    // A line break followed by a header or a command.
    Construct::new(
        "header-break",
        Class::Crlf,
        &["\x1e", "set-cookie"],
        r"\x1e | (?: ^ | [/\x20] ) set-cookie \s* :",
    ),
    Construct::new(
        "mail-header",
        Class::Crlf,
        &["bcc:", "rcpt to", "mail from"],
        r"(?: ^ | \s ) bcc \s* : \s* \S+ @ | \b rcpt \s to \s* : | \b mail \s from \s* : \s* <",
    ),
];

/// Whether base64 in a `data:` URL is media, as pages embed it.
fn is_picture(found: &[u8], _after: &[u8]) -> bool {
    let starts = [&b"data:image/"[..], b"data:font/", b"data:audio/", b"data:video/", b"data:application/"];
    starts.iter().any(|start| found.starts_with(start)) && !found.starts_with(b"data:image/svg")
}
