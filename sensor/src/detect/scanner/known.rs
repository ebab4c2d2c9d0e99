//! Paths that scanners request, and the names of their programs.
//!
//! Curated from traffic to servers on the open Internet: files with secrets, vulnerabilities that worms and kits try,
//! consoles of well-known software, and encodings of the parent directory.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The meaning of a request for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody has a legitimate reason: it counts whatever the server answers.
    Never,
    /// The software may be installed here: it counts if the server refuses.
    IfRefused,
}

/// A known probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) text: &'static str,
    pub(super) kind: Kind,
    /// From 1, which may be a mistyped link, to 3, which is no accident.
    pub(super) weight: u32,
    /// The next character must not be a letter or digit.
    whole: bool,
}

macro_rules! probes {
    ($($kind:ident $weight:literal $whole:literal: $($text:literal)*;)*) => {
        const PROBES: &[Probe] = &[$($(
            Probe { text: $text, kind: Kind::$kind, weight: $weight, whole: $whole },
        )*)*];
    };
}

probes! {
    // Secrets that lie beside a site.
    Never 3 true: "/.env" "/.git" "/.svn" "/.hg" "/.bzr" "/.aws" "/.ssh" "/.docker" "/.kube" "/.netrc" "/.pgpass"
        "/.npmrc" "/.htpasswd" "/.bash_history" "/.mysql_history" "/id_rsa" "/id_ed25519" "/.s3cfg" "/sftp-config.json"
        "/.vscode/sftp.json" "/wp-config" "/.remote-sync.json" "/.git-credentials" "/.gitlab-ci.yml" "/.terraform";
    Never 2 true: "/.htaccess" "/.ds_store" "/.vscode" "/.idea" "/.travis.yml" "/docker-compose.yml" "/web.config"
        "/web-inf" "/meta-inf" "/phpinfo" "/phpinfo.php" "/dump.sql" "/backup.sql" "/database.sql" "/db.sql"
        "/backup.zip" "/backup.tar.gz" "/www.zip" "/secrets.json" "/credentials.json" "/application.properties";
    // Files of the system.
    Never 3 true: "etc/passwd" "etc%2fpasswd" "etc%252fpasswd" "etc%5cpasswd" "etc/shadow" "etc/group" "etc/hosts"
        "etc/issue" "proc/self" "proc/version" "win.ini" "boot.ini" "system.ini" "windows/system32" "winnt/system32"
        "windows%5csystem32" "winnt%5csystem32" "drivers%5cetc" "cmd.exe" "global.asa" "var/log";
    // The parent directory, in encodings that decoders got wrong. A single one may be a careless client's.
    Never 2 false: "/../" "\\..\\" "..%2f" "%2e%2e" ".%2e" "%2e." "..%5c" "..\\" "%252e%252e" "%25%32%65" "%%32%" "%%35%" "..0x2f" "..0x5c" "%25c0%25ae"
        "%uf025" "%c0%6e" "\\../" "...../" "%c1%9c" "%c1%1c" "%c1%pc" "%c1%8s" "%bg%qf" "..%25" "%c0%ae"
        "%c0%2e" "%c0.%c0." "%e0%80%ae" "%e0%40%ae" "%c0%5e" "%c0%ee" "%c0%fe" "%f0%80%80%ae" "%f8%80%80%80%ae"
        "%fc%80%80%80%80%ae" "%uff0e" "%u002e" "..%c0" "..%c1" "..%bg" "..%e0" "..%f0" "..%f8" "..%fc" "..%u22"
        "..%uef" "..%u00" "0x2e0x2e" "/..;/" "/...//" "..//" "../..";
    // Vulnerabilities.
    Never 3 false: "vendor/phpunit" "eval-stdin.php" "/boaform" "/gponform" "/hnap1" "/_ignition/" "/fgt_lang"
        "/dana-na/" "jmxinvokerservlet" "/wls-wsat" "/alfacgiapi" "/c99.php" "/r57.php" "/wso.php" "/b374k"
        "/alfa.php" "/webshell" "%24%7bjndi" "${jndi" "/cgi-bin/luci" "/cgi-bin/.%" "/goform/" "/setup.cgi"
        "/tmunblock.cgi" "/hudson/script" "/+cscoe+" "/remote/login" "/sdk/weblanguage" "/portal/redlion"
        "/evox/about" "/nmaplowercheck" "/nice%20ports" "/trinity.txt.bak" "/thinkphp" "/currentsetting.htm"
        "/_profiler/phpinfo" "/telescope/requests" "/debug/default/view" "/autodiscover/autodiscover.json";
    // Code in paths.
    Never 3 false: "<script" "%3cscript" "union%20select" "union+select" "' or '" "%27%20or%20" ";cat%20/" ";wget%20"
        "|cat%20" "`id`" "$(id)" "%0d%0aset-cookie" "<!--#exec";
    Never 1 false: "%00" "%0d%0a";
    // Consoles.
    IfRefused 2 true: "/phpmyadmin" "/pma" "/myadmin" "/mysqladmin" "/adminer.php" "/adminer" "/jmx-console"
        "/web-console" "/admin-console" "/axis2" "/manager/html" "/host-manager" "/solr/admin" "/druid/index.html"
        "/actuator/env" "/actuator/heapdump" "/actuator/gateway" "/_cat/indices" "/_all_dbs" "/v2/_catalog"
        "/api/v1/pods" "/geoserver/web" "/cgi-bin" "/server-info" "/debug/pprof" "/wp-json/wp/v2/users"
        "/elmah.axd" "/trace.axd" "/crossdomain.xml.bak" "/config.php.bak" "/solr" "/_vti_bin" "/owa/auth"
        "/ecp/current" "/zabbix" "/nagios" "/jolokia";
    IfRefused 1 true: "/wp-admin" "/wp-login.php" "/xmlrpc.php" "/wlwmanifest.xml"
        "/actuator" "/server-status" "/administrator" "/admin.php" "/login.action" "/jenkins" "/console" "/shell"
        "/config.php" "/install.php" "/setup.php" "/test.php" "/info.php" "/upload.php" "/cgi" "/phpunit"
        "/.well-known/security.bak" "/readme.html" "/license.txt" "/changelog.txt" "/status.php" "/old" "/bak";
}

/// What a program says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Agent {
    /// Nothing that is known here.
    #[default]
    Other,
    /// It claims to be a crawler.
    Bot,
    /// It surveys the Internet.
    Survey(&'static str),
    /// It scans for vulnerabilities.
    Attack(&'static str),
}

/// A name in lower case, and what it stands for.
type Named = (&'static str, fn(&'static str) -> Agent);

const AGENTS: &[Named] = &[
    ("bot", |_| Agent::Bot),
    ("crawl", |_| Agent::Bot),
    ("spider", |_| Agent::Bot),
    ("slurp", |_| Agent::Bot),
    ("masscan", Agent::Survey),
    ("zgrab", Agent::Survey),
    ("censysinspect", Agent::Survey),
    ("internetmeasurement", Agent::Survey),
    ("expanse, a palo alto", Agent::Survey),
    ("l9explore", Agent::Survey),
    ("l9tcpid", Agent::Survey),
    ("leakix", Agent::Survey),
    ("netsystemsresearch", Agent::Survey),
    ("shodan", Agent::Survey),
    ("httpx - open-source", Agent::Survey),
    ("whatweb", Agent::Survey),
    ("nmap scripting engine", Agent::Attack),
    ("sqlmap", Agent::Attack),
    ("sqlninja", Agent::Attack),
    ("havij", Agent::Attack),
    ("nikto", Agent::Attack),
    ("nuclei", Agent::Attack),
    ("gobuster", Agent::Attack),
    ("dirbuster", Agent::Attack),
    ("feroxbuster", Agent::Attack),
    ("dirsearch", Agent::Attack),
    ("fuzz faster u fool", Agent::Attack),
    ("ffuf", Agent::Attack),
    ("wfuzz", Agent::Attack),
    ("kiterunner", Agent::Attack),
    ("wpscan", Agent::Attack),
    ("joomscan", Agent::Attack),
    ("cmsmap", Agent::Attack),
    ("acunetix", Agent::Attack),
    ("nessus", Agent::Attack),
    ("openvas", Agent::Attack),
    ("netsparker", Agent::Attack),
    ("invicti", Agent::Attack),
    ("w3af", Agent::Attack),
    ("arachni", Agent::Attack),
    ("skipfish", Agent::Attack),
    ("owasp zap", Agent::Attack),
    ("zaproxy", Agent::Attack),
    ("appscan", Agent::Attack),
    ("webinspect", Agent::Attack),
    ("qualys was", Agent::Attack),
    ("burpcollaborator", Agent::Attack),
    ("jaeles", Agent::Attack),
    ("commix", Agent::Attack),
    ("xsstrike", Agent::Attack),
    ("dotdotpwn", Agent::Attack),
    ("tsunamisecurityscanner", Agent::Attack),
    ("detectify", Agent::Attack),
    ("jorgee", Agent::Attack),
    ("zmeu", Agent::Attack),
    ("morfeus", Agent::Attack),
    ("muieblackcat", Agent::Attack),
    ("(hydra)", Agent::Attack),
];

/// Longest part of a path or User-Agent examined, in bytes: clients can invent both.
const LOOKED_AT: usize = 2_048;

/// Both lists, compiled. A text is scanned once, whatever the length of the lists.
pub(super) struct Known {
    probes: AhoCorasick,
    agents: AhoCorasick,
}

impl Known {
    /// `None` if the lists are too long to compile, which a test rules out.
    pub(super) fn new() -> Option<Self> {
        let build = |texts: &mut dyn Iterator<Item = &'static str>| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::DFA))
                .ascii_case_insensitive(true)
                .build(texts)
                .ok()
        };
        let probes = build(&mut PROBES.iter().map(|probe| probe.text))?;
        let agents = build(&mut AGENTS.iter().map(|(text, _)| *text))?;
        Some(Self { probes, agents })
    }

    /// The heaviest probe that a path matches.
    pub(super) fn probe(&self, path: &str) -> Option<Probe> {
        let path = path.as_bytes();
        let path = path.get(..LOOKED_AT).unwrap_or(path);
        let found = self.probes.find_iter(path).filter_map(|found| {
            let probe = PROBES.get(found.pattern().as_usize())?;
            let follows = path.get(found.end()).is_some_and(u8::is_ascii_alphanumeric);
            (!probe.whole || !follows).then_some(*probe)
        });
        // The first of equals, so that the result does not depend on the rest of the path.
        found.reduce(|best, next| if next.weight > best.weight { next } else { best })
    }

    /// The classification of a User-Agent. An attack tool stays one even if it claims to be a crawler.
    pub(super) fn agent(&self, text: &str) -> Agent {
        let text = text.as_bytes();
        let text = text.get(..LOOKED_AT).unwrap_or(text);
        let found = self.agents.find_iter(text).filter_map(|found| AGENTS.get(found.pattern().as_usize()));
        found
            .map(|(name, make)| make(name))
            .fold(Agent::Other, |worst, next| if rank(next) > rank(worst) { next } else { worst })
    }
}

const fn rank(agent: Agent) -> u8 {
    match agent {
        Agent::Other => 0,
        Agent::Bot => 1,
        Agent::Survey(_) => 2,
        Agent::Attack(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lists_are_in_lower_case_without_repetition() {
        let texts: Vec<&str> =
            PROBES.iter().map(|probe| probe.text).chain(AGENTS.iter().map(|(text, _)| *text)).collect();
        assert!(texts.iter().all(|text| *text == text.to_ascii_lowercase()));
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len());
    }

    #[test]
    fn probes_are_known_and_their_likes_are_not() {
        let known = Known::new().unwrap();
        for (path, weight) in [
            ("/.env", 3),
            ("/api/.ENV.bak", 3),
            ("/.git/config", 3),
            ("/.git", 3),
            ("/static/../../etc/passwd", 3),
            ("/..%2f..%2fetc%2fpasswd", 3),
            ("/%2e%2e/", 2),
            ("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", 3),
            ("/phpMyAdmin/index.php", 2),
            ("/wp-login.php", 1),
        ] {
            assert_eq!(known.probe(path).map(|probe| probe.weight), Some(weight), "{path}");
        }
        for path in [
            "/",
            "/api/users/17",
            "/.well-known/acme-challenge/x",
            "/.environment",
            "/.github/x",
            "/shells",
            "/news/2024/..-and-more",
            "/v1.2/a..b",
            "/olds",
            "/consoles/ps5",
            "/pmap",
            "/v1/cgiants",
        ] {
            assert!(known.probe(path).is_none(), "{path}: {:?}", known.probe(path));
        }
    }

    #[test]
    fn agents_are_told_apart() {
        let known = Known::new().unwrap();
        for (text, agent) in [
            ("sqlmap/1.7#stable (https://sqlmap.org)", Agent::Attack("sqlmap")),
            ("Mozilla/5.0 (compatible; Nmap Scripting Engine)", Agent::Attack("nmap scripting engine")),
            ("Nuclei - bot", Agent::Attack("nuclei")),
            ("Mozilla/5.0 zgrab/0.x", Agent::Survey("zgrab")),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", Agent::Bot),
            ("python-httpx/0.27", Agent::Other),
            ("curl/8.0", Agent::Other),
            (super::super::super::made_up::BROWSER, Agent::Other),
        ] {
            assert_eq!(known.agent(text), agent, "{text}");
        }
    }
}
