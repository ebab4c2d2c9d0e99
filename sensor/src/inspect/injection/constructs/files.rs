//! Paths, system files, addresses of internal services.

use super::{ABSOLUTE_PATH_RULE, Construct, InTexts};
use crate::inspect::injection::class::Class;
use crate::values::Place;

pub(super) const TABLE: [Construct; 5] = [
    Construct::new(
        "parent-path",
        Class::Traversal,
        &["..", "./", ".\\"],
        r#"(?: ^ | [^"'(.] ) (?: \.{2,} [/\\]+ ){2,}
        | \.{2,} [/\\]+ [^./\\]{1,12} [/\\]+ \.{2,} [/\\]
        | \.\. [/\\]+ .{0,64}? (?: etc/ | passwd | shadow | boot\.ini | win\.ini | windows | proc/ | config | \.php | \.conf
            | \.log | \.htaccess | \.env | web\.xml | web-inf | \{file\} )
        | (?: \.{1,2} [^\w\s.]{1,6} ){2,} (?: etc | win | boot | \{file )
        | \.\. ; /
        | (?: \.\\ ){3,} | (?: \./ ){4,}
        | (?: [/\\] \.{2,} [/\\] ){2}
        | (?: \.{3,} [/\\]+ ){2}"#,
    )
    .in_texts(InTexts::Always),
    // In any place, including the path: there it is what the request asks for.
    Construct::new(
        "system-file",
        Class::Traversal,
        &[
            "etc", "windows", "..2f", "passwd", "/proc/", "boot.ini", "win.ini", "system.ini", "winnt", "system32",
            "wp-config.php", "htpasswd", "-inf", ".ssh", "id_rsa", "bash_history", ".git", ".svn", ".aws", "/var/", "apache",
            "xampp", "wamp", "lamp", "php", "mysql", "iis", "log", "conf", "my.ini", "my.cnf", "global.asa", "inetpub",
            "ntuser.dat", "file:", "netdoc:", "ntds.dit", ".env",
        ],
        r"\b etc [^a-z0-9]{1,12} (?: [a-z0-9.\-]{1,20} [^a-z0-9]{1,6} )? (?: passwd | shadow | group | hosts | issue | fstab
            | crontab | motd | resolv | sudoers | httpd | apache2? | nginx | my\.cnf | mysql | php | ssh | ftp | init\.d | cron
            | sysconfig | samba | profile | security | master | vsftpd | lighttpd | proftpd | pure-ftpd | exports | inetd
            | redhat | debian | os-release | lsb | hostname | network | rc\. ) \b
        | \b etc .{1,14} (?: passwd | shadow ) \b
        | \b etc \W{0,4} p [a\W?*]{1,4} s+ \W{0,3} w \W{0,3} d
        | (?: \.\.2f ){2,}
        | /proc/ (?: self | version | cmdline | \d+ | net | mounts | cpuinfo | meminfo | sched_debug | stat \b | devices
            | filesystems )
        | \b boot\.ini | \b win\.ini \b | \b system\.ini
        | \b windows [^a-z0-9]{1,6} (?: system | win | repair | php | iis | panther | debug | notepad | explorer | system32 )
            [/\\.\w]
        | \b winnt [^a-z0-9]{1,4} \w | system32 [/\\]
        | wp-config\.php | \.htpasswd | web-inf [/\\] | meta-inf/context | \.ssh/ (?: id_ | auth | known ) | \b id_rsa \b
        | \.bash_history | \.git/ (?: config | head | index | logs ) | \.svn/entries | \.aws/cred
        | /var/ (?: log | lib | spool | mail | run | adm | cpanel | apache\d? | www/ (?: logs? | conf | html | mgr | vhosts ) ) /
        | [/\\] (?: apache\d? | xampp | wamp | lampp? | php\d? | mysql | iis ) [/\\] (?: logs? | conf | bin | data | etc
            | htdocs | php | apache | mysql )
        | (?: access | error ) [._\x20]? log \b [^a-z]{0,4} $ | [/\\] (?: access | error ) [._]? log \b
        | \b httpd [.\-_a-z]{0,12} conf | \b php\.ini \b | \b my\. (?: ini | cnf ) \b | global\.asa | inetpub [/\\]
        | ntuser\.dat | (?: ^ | [^a-z] ) file:/{1,4} \w | netdoc: | ntds\.dit | / \.env $",
    ),
    Construct::new(
        ABSOLUTE_PATH_RULE,
        Class::Traversal,
        &["/", "\\"],
        r"^ [/\\]+ (?: etc | proc | var/log | var/adm | var/spool | var/mail | root | usr/local | usr/bin | usr/lib
            | opt/ (?: lampp? | xampp ) | s?bin | dev/ (?: tcp | null | random | urandom | fd ) | sys/class | boot
            | private/ (?: etc | var ) | home/ [\w.]+ /\. ) [/\\] [\w.\-/\\\x20]* $
        | ^ [a-z] : [/\\]+ (?: windows | winnt | inetpub | xampp | wamp | php | apache | mysql | boot | program | users
            | documents | log | nginx | iis | autoexec | config | home | opt | temp | usr )",
    )
    .except(&[Place::Referer, Place::Header]),
    Construct::new(
        "inner-address",
        Class::Ssrf,
        &[
            "169.254", "metadata", "meta-data", "user-data", "latest/", "100.100.100", "gopher:", "dict:", "tftp:", "jar:", "netdoc:",
            "ldap", "rmi:", "file:", "burpcollab", "oast", "interact.sh", "dnslog", "ceye", "://", "nip.io", "xip.io",
            "sslip.io", "localtest", "lvh.me", "localhost", "fd00:ec2", "//",
        ],
        r"169\.254\.169\.25[0-9] | 169\.254\.170\.2 \b | metadata\.google\.internal | \b fd00:ec2::254
        | latest/ (?: meta-data | user-data | dynamic/instance | api/token ) | computemetadata | 100\.100\.100\.200
        | \b (?: gopher | dict | tftp | jar | netdoc | ldaps? | rmi ) ://
        | (?: ^ | [^a-z] ) file:/
        | burpcollaborator | oastify\.com | interact\.sh | \.oast\.\w+ | dnslog\.cn | ceye\.io
        | // (?: 0x [0-9a-f]{2,} | 0 \d{2,} \. | \d{8,10} (?: [/:] | $ ) | \[ :: | 0 (?: [/:] | $ ) | \[ 0
            | 127\.\d+ (?: \.\d+ )* | 0\.0\.0\.0 | localhost \b | [^/?\#]{0,60} @ (?: localhost | 127\. | 10\. | 192\.168\. | \[ ) )
        | \. (?: nip | xip | sslip ) \.io | localtest\.me | \b lvh\.me",
    )
    .except(&[Place::Referer]),
    Construct::new(
        "encoded-path",
        Class::Traversal,
        &["..%", "%2e", "%5c", "%2f", "..0x"],
        r"(?: \.\. %+ (?: 2 5? )* (?: 5c | 2f | c0 | c1 | 32 | 35 ) ){2} | (?: %+ 2e ){2} | (?: \.\. 0x (?: 2f | 5c ) ){2}",
    ),
];
