//! The rules. Each looks at one row and tells what is wrong with it, with numbers.

use std::borrow::Cow;
use std::collections::HashSet;

use super::class::Class;
use super::{Place, Risk, Tell};
use crate::posture::fact::{Fact, Times};
use crate::posture::heads::flaw;
use crate::posture::report::{Ask, CREDENTIALS, data, is_limited, is_paged, span};
use crate::posture::row::{Found, Row};

/// Answers whose heads were examined from which on a header's absence means something.
const ENOUGH: u32 = 20;

/// Beginnings of segments that belong to operators or developers, of widespread frameworks and servers.
const MANAGEMENT: [&str; 18] = [
    "actuator",
    "debug",
    "phpinfo",
    "server-status",
    "server-info",
    "h2-console",
    "swagger-ui",
    "graphiql",
    "metrics",
    "jolokia",
    "hystrix",
    "env",
    "heapdump",
    "console",
    "_profiler",
    "telescope",
    ".env",
    ".git",
];

/// What holds of the whole site.
pub(super) struct Site<'a> {
    /// Hosts that were reached in TLS.
    tls_hosts: HashSet<&'a str>,
    /// Routes with a segment for the version, as what stands before it and its number: `/api/v` and 2.
    versions: HashSet<(&'a str, u32)>,
}

impl<'a> Site<'a> {
    pub(super) fn of(rows: &'a [Cow<'_, Row>]) -> Self {
        let is_tls = |row: &&Cow<'_, Row>| row.facts.has(Fact::Tls12) || row.facts.has(Fact::Tls13);
        let tls = rows.iter().filter(is_tls);
        Self {
            tls_hosts: tls.flat_map(|row| row.hosts.iter().map(|(host, _)| name(host))).collect(),
            versions: rows.iter().filter(|row| is_used(row)).filter_map(|row| version(&row.route)).collect(),
        }
    }
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
}

/// What stands before the number of a version, and the number.
fn version(route: &str) -> Option<(&str, u32)> {
    let at = route.find("/v")?.saturating_add(2);
    let rest = route.get(at..)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let number = rest.get(..end)?.parse().ok().filter(|number| *number < 100)?;
    Some((route.get(..at)?, number))
}

fn is_used(row: &Row) -> bool {
    row.status_count(|status| matches!(status, 200..=299)) > 0
}

/// Whether a class of findings is about errors that say too much.
pub(in crate::posture) fn is_leak(class: &str) -> bool {
    matches!(class, "stack-trace" | "database-error" | "directory-listing" | "diagnostics")
}

/// Tells what is wrong with a row.
pub(super) fn judge(row: &Row, site: &Site<'_>, ask: &Ask<'_>, tell: &mut Tell<'_>) {
    transport(row, site, tell);
    access(row, tell);
    browsers(row, tell);
    resources(row, tell);
    found(row, tell);
    inventory(row, site, ask, tell);
}

fn transport(row: &Row, site: &Site<'_>, tell: &mut Tell<'_>) {
    let facts = &row.facts;
    let of = |fact| facts.of(fact);
    let (clear, credentials) = (of(Fact::ClearOk), of(Fact::ClearCredentials));
    let (is_12, is_13) = (of(Fact::Tls12), of(Fact::Tls13));
    let in_tls = is_12.count.saturating_add(is_13.count);
    if credentials.count > 0 {
        let evidence = format!("{} requests with credentials or a login without TLS", credentials.count);
        tell(Class::Credentials, Risk::Critical, evidence, credentials);
    }
    if clear.count > 0 {
        let kinds = [data(row, false), data(row, true)].concat();
        let (risk, what) = if kinds.is_empty() {
            (Risk::Medium, String::new())
        } else {
            (Risk::High, format!(", with {}", kinds.join(", ")))
        };
        tell(Class::Cleartext, risk, format!("{} answers with 2xx without TLS{what}", clear.count), clear);
    }
    let has_tls_host = row.hosts.iter().any(|(host, _)| site.tls_hosts.contains(name(host)));
    if clear.count > 0 && !facts.has(Fact::ClearRedirect) && (in_tls > 0 || has_tls_host) {
        let evidence = if in_tls > 0 {
            format!("{} answers in clear text, {in_tls} exchanges in TLS", clear.count)
        } else {
            format!("{} answers in clear text; other routes of the host are served over TLS", clear.count)
        };
        tell(Class::Redirect, Risk::Medium, evidence, clear);
    }
    if is_12.count > 0 && is_13.count == 0 {
        tell(Class::WeakTls, Risk::Info, format!("{} exchanges in TLS 1.2, none in 1.3", is_12.count), is_12);
    }
    if in_tls >= ENOUGH && !facts.has(Fact::Hsts) && of(Fact::Heads).count >= ENOUGH {
        let evidence = format!("none of {} answers examined has the header", of(Fact::Heads).count);
        tell(Class::Hsts, Risk::Low, evidence, span(&[is_12, is_13]));
    }
}

fn access(row: &Row, tell: &mut Tell<'_>) {
    let of = |fact| row.facts.of(fact);
    let (open, refused, with) = (of(Fact::AnonymousOk), of(Fact::AnonymousRefused), of(Fact::CredentialsOk));
    if open.count == 0 || matches!(&*row.method, "OPTIONS" | "HEAD") {
        return;
    }
    let tokens =
        [Fact::Jwt, Fact::ApiKey, Fact::Basic, Fact::Bearer].into_iter().any(|fact| row.facts.has(fact));
    let kinds: Vec<&str> =
        CREDENTIALS.iter().filter(|(fact, _)| row.facts.has(*fact)).map(|(_, label)| *label).collect();
    let numbers = format!(
        "{} answers with 2xx without credentials beside {} with {}",
        open.count,
        with.count,
        kinds.join(", ")
    );
    let private = data(row, true);
    if with.count > 0 && refused.count > 0 {
        let evidence = format!("{numbers}; {} refused without", refused.count);
        tell(Class::Unauthenticated, Risk::High, evidence, open);
    } else if with.count > 0 && !private.is_empty() {
        tell(
            Class::Unauthenticated,
            Risk::High,
            format!("{numbers}; answers have {}", private.join(", ")),
            open,
        );
    } else if with.count >= open.count && tokens {
        tell(Class::Unauthenticated, Risk::Medium, format!("{numbers}; none refused without"), open);
    } else if with.count == 0
        && matches!(&*row.method, "PUT" | "PATCH" | "DELETE" | "POST")
        && !row.facts.has(Fact::Login)
    {
        let risk = if row.method.starts_with("PO") { Risk::Low } else { Risk::Medium };
        tell(
            Class::OpenWrites,
            risk,
            format!("{} accepted without credentials, none with", open.count),
            open,
        );
    }
}

fn browsers(row: &Row, tell: &mut Tell<'_>) {
    for cookie in &row.cookies {
        cookie_flags(row, (&cookie.name, cookie.flaws), cookie.times, tell);
    }
    let of = |fact| row.facts.of(fact);
    let (any, any_credentials) = (of(Fact::CorsAny), of(Fact::CorsAnyCredentials));
    let (other, null) = (of(Fact::CorsOtherCredentials), of(Fact::CorsNullCredentials));
    let is_reflected = row.origins.iter().all(|origin| *origin != 0);
    if other.count > 0 {
        let (risk, what) = if is_reflected {
            (Risk::High, "origins of several other sites were reflected with credentials")
        } else {
            (Risk::Info, "one other site is allowed with credentials; check that it is yours")
        };
        tell(Class::CorsCredentials, risk, format!("{what}, {} times", other.count), other);
    }
    if null.count > 0 {
        let evidence = format!("origin null was allowed with credentials, {} times", null.count);
        tell(Class::CorsCredentials, Risk::High, evidence, null);
    }
    if any_credentials.count > 0 {
        let evidence = format!(
            "* with credentials, {} times; browsers refuse it, and it shows what was meant",
            any_credentials.count
        );
        tell(Class::CorsCredentials, Risk::Medium, evidence, any_credentials);
    } else if any.count > 0 {
        let has_credentials = row.facts.has(Fact::CredentialsOk);
        let risk = if has_credentials { Risk::Low } else { Risk::Info };
        tell(Class::CorsAny, risk, format!("Access-Control-Allow-Origin: * in {} answers", any.count), any);
    }
    let shared = of(Fact::SharedCache);
    if shared.count > 0 {
        let evidence =
            format!("Cache-Control: public or s-maxage in {} answers to credentials", shared.count);
        tell(Class::SharedCache, Risk::Medium, evidence, shared);
    }
}

fn cookie_flags(row: &Row, (name, flaws): (&str, u8), times: Times, tell: &mut Tell<'_>) {
    // Behind a proxy the flag may be added later, and in clear text it could not be used.
    let in_tls = row.facts.has(Fact::Tls12) || row.facts.has(Fact::Tls13);
    let lacks = |bit: u8| flaws & bit != 0;
    let mut missing = Vec::new();
    if lacks(flaw::INSECURE) {
        missing.push("Secure");
    }
    if lacks(flaw::SCRIPTS) && lacks(flaw::SESSION) {
        missing.push("HttpOnly");
    }
    if lacks(flaw::OTHER_SITES) {
        missing.push("SameSite");
    }
    if missing.is_empty() {
        return;
    }
    let risk = match (lacks(flaw::SESSION), missing.as_slice()) {
        (true, ["SameSite"]) => Risk::Low,
        (true, _) if in_tls || lacks(flaw::SCRIPTS) => Risk::High,
        (true, _) => Risk::Medium,
        (false, _) => Risk::Info,
    };
    let what = if lacks(flaw::SESSION) { "session cookie" } else { "cookie" };
    tell(Class::Cookies, risk, format!("{what} {name} without {}", missing.join(", ")), times);
}

fn resources(row: &Row, tell: &mut Tell<'_>) {
    let of = |fact| row.facts.of(fact);
    let login = of(Fact::Login);
    let heads = of(Fact::Heads).count;
    if !is_limited(row) && heads >= ENOUGH {
        if login.count > 0 {
            let evidence =
                format!("{} attempts to log in; no 429, no header of limits in {heads} answers", login.count);
            tell(Class::NoRateLimit, Risk::Medium, evidence, login);
        } else if matches!(&*row.method, "POST" | "PUT" | "PATCH" | "DELETE") {
            let evidence = format!("no 429, no header of limits in {heads} answers");
            tell(Class::NoRateLimit, Risk::Info, evidence, of(Fact::Heads));
        }
    }
    let long = of(Fact::LongList);
    if long.count > 0 && !is_paged(row) {
        let evidence =
            format!("{} answers read have lists of more than 100 entries and no next part", long.count);
        tell(Class::NoPages, Risk::Low, evidence, long);
    }
    let versions = of(Fact::ServerVersion);
    if versions.count > 0 {
        let evidence = format!("Server or X-Powered-By with a version in {} answers", versions.count);
        tell(Class::Versions, Risk::Info, evidence, versions);
    }
    if &*row.method == "TRACE" && is_used(row) {
        tell(Class::Trace, Risk::Medium, format!("{} requests answered", row.total), whole(row));
    }
}

fn found(row: &Row, tell: &mut Tell<'_>) {
    let (leaked, checked) = (row.facts.of(Fact::LoginLeaked), row.facts.of(Fact::LoginChecked));
    if leaked.count > 0 {
        let evidence =
            format!("{} of {} successful logins with a password of the list", leaked.count, checked.count);
        tell(Class::LeakedPasswords, Risk::Medium, evidence, leaked);
    }
    for found in &row.found {
        let Found { kind, class, rule, is_response, times } = found;
        let side = if *is_response { "answers" } else { "requests" };
        let evidence = format!("{class} ({rule}) in {} {side}", times.count);
        match &**kind {
            "data-exposure" if is_leak(class) => tell(Class::Leaks, Risk::Medium, evidence, *times),
            "data-exposure" => {
                let is_grave = matches!(&**class, "password-hash" | "card" | "national-id" | "file");
                tell(Class::Data, if is_grave { Risk::High } else { Risk::Medium }, evidence, *times);
            }
            // The same is told of the transport.
            "key-exposure" if matches!(&**class, "cleartext" | "leaked") => {}
            "key-exposure" => {
                tell(Class::Keys, if *is_response { Risk::Critical } else { Risk::High }, evidence, *times);
            }
            // What is undocumented is told by what the document has, for all methods at once.
            "schema" if class.starts_with("undocumented") => {}
            "schema" => {
                tell(Class::Schema, if *is_response { Risk::Low } else { Risk::Medium }, evidence, *times)
            }
            "token-misuse" => {
                let is_forged = matches!(&**class, "forged" | "weak-secret" | "weak");
                tell(Class::Tokens, if is_forged { Risk::High } else { Risk::Medium }, evidence, *times);
            }
            _ => {}
        }
    }
}

fn inventory(row: &Row, site: &Site<'_>, ask: &Ask<'_>, tell: &mut Tell<'_>) {
    if !is_used(row) {
        return;
    }
    let operation = ask.documented.map(|documented| documented.find(&row.route, &row.method));
    if operation.as_ref().is_some_and(Option::is_none) {
        let has_other =
            ask.documented.is_some_and(|documented| documented.of_route(&row.route).next().is_some());
        let what =
            if has_other { "the method is not in the document" } else { "the path is not in the document" };
        tell(
            Class::Shadow,
            Risk::Medium,
            format!("{what}; {} requests, {} clients", row.total, clients(row)),
            whole(row),
        );
    }
    let told = row.facts.of(Fact::Deprecated);
    if operation.flatten().is_some_and(|operation| operation.deprecated) {
        let evidence =
            format!("deprecated in the document; {} requests, {} clients", row.total, clients(row));
        tell(Class::Deprecated, Risk::Low, evidence, whole(row));
    } else if told.count > 0 {
        let evidence = format!("answers say so themselves; {} requests, {} clients", row.total, clients(row));
        tell(Class::Deprecated, Risk::Low, evidence, told);
    }
    if let Some((before, number)) = version(&row.route) {
        let newest = (number.saturating_add(1)..number.saturating_add(10))
            .rfind(|newer| site.versions.contains(&(before, *newer)));
        if let Some(newest) = newest {
            let evidence =
                format!("version {number} beside {newest}; {} requests, {} clients", row.total, clients(row));
            tell(Class::OldVersion, Risk::Low, evidence, whole(row));
        }
    }
    let is_management = row.route.split('/').any(|segment| MANAGEMENT.contains(&segment));
    let open = row.facts.of(Fact::AnonymousOk);
    if is_management
        && open.count > 0
        && row.facts.has(Fact::Clear) | row.facts.has(Fact::Tls12) | row.facts.has(Fact::Tls13)
    {
        tell(
            Class::Management,
            Risk::Medium,
            format!("{} answers with 2xx without credentials", open.count),
            open,
        );
    }
}

/// An estimate that may be above the number of requests would look wrong.
fn clients(row: &Row) -> u64 {
    row.clients.count().min(row.total)
}

fn whole(row: &Row) -> Times {
    Times { count: u32::try_from(row.total).unwrap_or(u32::MAX), first: row.first, last: row.last }
}

/// Operations of the document that no row is of. Only where all routes are asked for.
pub(super) fn unseen(rows: &[Cow<'_, Row>], ask: &Ask<'_>, tell: &mut dyn FnMut(Place)) {
    let Some(documented) = ask.documented.filter(|_| ask.route.is_none()) else { return };
    let seen: HashSet<(String, &str)> =
        rows.iter().map(|row| (crate::route::anonymous(&row.route), &*row.method)).collect();
    for operation in documented.operations() {
        let key = (crate::route::anonymous(&operation.pattern), operation.method);
        if !seen.contains(&key) {
            tell(Place {
                method: operation.method.to_owned(),
                route: operation.pattern.clone(),
                risk: Risk::Info,
                evidence: "never seen".to_owned(),
                first_seen: ask.since.unwrap_or_default(),
                last_seen: ask.since.unwrap_or_default(),
            });
        }
    }
}
