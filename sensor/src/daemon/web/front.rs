//! The page at `/`: links, and the state in words. Only for those who may read the metrics.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::control::wire::{StatusReport, counted};
use crate::enforce::Mode;
use crate::printable::printable;

/// Nothing is loaded, and no other page may embed this one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
                    <meta name=\"viewport\" content=\"width=device-width\">\n<title>sensor</title>\n\
                    <style>body{font:16px/1.5 sans-serif;max-width:45em;margin:2em auto;padding:0 1em}</style>\n\
                    <h1>sensor</h1>\n";

/// The purpose of each path.
const LINKS: [(&str, &str); 3] = [
    ("/metrics", "metrics for Prometheus"),
    ("/readyz", "parts that are degraded; for readiness probes"),
    ("/healthz", "whether the daemon answers; for liveness probes"),
];

/// The page as sent.
pub(super) fn response(report: &StatusReport) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page(report)).into_response()
}

fn page(report: &StatusReport) -> String {
    let mut out = HEAD.to_owned();
    let mut say = |tag: &str, text: &str| {
        // Writing to a string does not fail.
        let written = writeln!(out, "<{tag}>{}</{tag}>", escaped(text));
        debug_assert!(written.is_ok());
    };
    if let Some(open) = report.incidents() {
        say("p", &format!("Incidents: {open}. On the host: sensor incidents --open."));
    }
    say("p", mode(report.mode));
    match (report.degraded.is_empty(), report.incidents_open) {
        (true, 0) => say("p", "Everything works."),
        (true, _) => say("p", "The sensor itself works."),
        (false, _) => {}
    }
    for what in &report.degraded {
        say("p", &format!("Degraded: {what}."));
    }
    if report.kill_switch_tripped {
        say(
            "p",
            "The kill switch is tripped: detectors requested more blocks than the configuration allows, so clients are \
             limited instead.",
        );
    }
    for row in &report.interfaces {
        say(
            "p",
            &format!(
                "{}: {}, XDP in {} mode; {} packets passed, {} dropped, {} would be dropped in enforce mode.",
                row.interface,
                row.state.label(),
                row.xdp_mode.label(),
                row.passed,
                row.dropped,
                row.would_drop
            ),
        );
    }
    for row in &report.inner_interfaces {
        let (interface, state) = (&row.interface, row.state.label());
        say("p", &format!("{interface}: {state}, inner: HTTP is read, nothing is limited or blocked."));
    }
    say("p", &http(report));
    say("p", &format!("{} tracked; {}.", counted(report.clients_tracked, "client"), report.policy()));
    let uptime = humantime::format_duration(Duration::from_secs(report.uptime_seconds));
    say("p", &format!("Version {}, up for {uptime}.", report.version));
    say("p", "On the host: sensor status, sensor alerts, sensor top.");
    out.push_str("<ul>\n");
    for (path, what) in LINKS {
        out.push_str(&format!("<li><a href=\"{path}\">{path}</a>: {what}</li>\n"));
    }
    out.push_str("</ul>\n</html>\n");
    out
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Monitor => {
            "Mode monitor: packets that limits and blocks would drop are counted; nothing is dropped."
        }
        Mode::Enforce => "Mode enforce: packets that are blocked or over a limit are dropped.",
    }
}

fn http(report: &StatusReport) -> String {
    let Some(http) = &report.http else { return "HTTP is not seen.".to_owned() };
    let ports: Vec<String> = http.http_ports.iter().map(u16::to_string).collect();
    let ports =
        if ports.is_empty() { "no port yet".to_owned() } else { format!("ports {}", ports.join(", ")) };
    format!(
        "HTTP on {ports}: {} exchanges, {} of them failed; {} segments lost.",
        http.exchanges, http.failures, http.segments_lost
    )
}

/// Text within an element.
fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::{HttpReport, InterfaceReport, Losses};
    use crate::kernel::{Presence, XdpMode};
    use crate::metrics::{Degraded, Part};

    fn report() -> StatusReport {
        StatusReport {
            version: "1.2.3".to_owned(),
            mode: Mode::Monitor,
            uptime_seconds: 3_661,
            pinned: true,
            interfaces: vec![InterfaceReport {
                interface: "a<b".to_owned(),
                xdp_mode: XdpMode::Native,
                adopted: false,
                state: Presence::default(),
                passed: 7,
                dropped: 0,
                would_drop: 2,
                answered: 0,
            }],
            inner_interfaces: Vec::new(),
            clients_tracked: 3,
            clients_max: 10,
            clients_evicted: 0,
            clients_proven: 0,
            clients_displaced: 0,
            connections_closed: 0,
            syn_cookies: false,
            syn_cookies_accepted: 0,
            too_many: None,
            blocks_active: 1,
            allows_active: 0,
            scopes: 0,
            kernel_memory_bytes: 0,
            http: Some(HttpReport { http_ports: vec![80, 8_080], exchanges: 5, ..HttpReport::default() }),
            losses: Losses::default(),
            incidents_open: 0,
            incidents_worst: None,
            pending: Vec::new(),
            kill_switch_tripped: false,
            confinement: crate::confine::Confinement::default(),
            degraded: Vec::new(),
            groups: Vec::new(),
            databases: crate::groups::Databases::default(),
            crowdsec: None,
        }
    }

    #[test]
    fn the_state_is_in_words_and_the_links_are_there() {
        let page = page(&report());
        for words in [
            "Mode monitor: packets that limits and blocks would drop are counted; nothing is dropped.",
            "Everything works.",
            "a&lt;b: up, XDP in native mode; 7 packets passed, 0 dropped, 2 would be dropped",
            "HTTP on ports 80, 8080: 5 exchanges",
            "3 clients tracked; 1 block, 0 allow rules, 0 limit scopes.",
            "Version 1.2.3, up for 1h 1m 1s.",
            "<a href=\"/metrics\">",
            "<a href=\"/readyz\">",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn open_incidents_come_first() {
        let worst = Some(crate::detect::Severity::Critical);
        let page = page(&StatusReport { incidents_open: 4, incidents_worst: worst, ..report() });
        let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}: {page}"));
        assert!(place("Incidents: 4 open, worst critical.") < place("Mode monitor"), "{page}");
        assert!(!page.contains("Everything works") && page.contains("The sensor itself works."), "{page}");
    }

    #[test]
    fn what_is_wrong_is_told_and_does_not_become_markup() {
        let what = "<script>alert(1)</script> & more".to_owned();
        let degraded = vec![Degraded { part: Part::Events, what }];
        let page = page(&StatusReport { degraded, http: None, ..report() });
        assert!(!page.contains("Everything works") && page.contains("HTTP is not seen."), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"), "{page}");
    }
}
