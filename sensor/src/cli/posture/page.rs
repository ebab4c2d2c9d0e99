//! The report as one HTML page: no scripts, nothing from elsewhere, readable on screens of both kinds and on paper.

use std::fmt::Write as _;

use crate::cli::moment::seconds;
use crate::posture::{Change, Finding, Place, Report, Risk, RouteReport};
use crate::printable::printable;

const STYLE: &str = include_str!("page.css");

/// Nothing on the page may load or run anything: what stands in it came from the network.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(super) fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 << 10);
    let from = seconds(report.since);
    let to = seconds(report.at);
    let _infallible = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>API posture</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<header>\n<h1>API posture</h1>\n<p>What was seen from {from} to {to}.</p>\n</header>\n<main>\n"
    );
    totals(&mut out, report);
    findings(&mut out, report);
    changes(&mut out, report);
    routes(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Text as it may stand in HTML, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

fn totals(out: &mut String, report: &Report) {
    let worst = |risk: Risk| report.findings.iter().filter(|finding| finding.risk == risk).count();
    let open = report.routes.iter().filter(|route| route.unauthenticated > 0).count();
    let mut tiles = vec![
        ("exchanges", report.exchanges.to_string()),
        ("routes and methods", report.routes.len().to_string()),
        ("answer without credentials", open.to_string()),
        ("critical or high", worst(Risk::Critical).saturating_add(worst(Risk::High)).to_string()),
        ("medium", worst(Risk::Medium).to_string()),
        ("low or info", worst(Risk::Low).saturating_add(worst(Risk::Info)).to_string()),
    ];
    if report.has_document {
        let shadow = report.routes.iter().filter(|route| route.documented == Some(false)).count();
        tiles.insert(3, ("undocumented", shadow.to_string()));
    }
    out.push_str("<dl class=\"tiles\">\n");
    for (name, value) in tiles {
        let _infallible = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
    if report.no_room > 0 {
        let _infallible = writeln!(
            out,
            "<p class=\"note\">{} exchanges found no place in the inventory; see <code>[posture] max_routes</code>.</p>",
            report.no_room
        );
    }
}

fn findings(out: &mut String, report: &Report) {
    out.push_str("<section id=\"findings\">\n<h2>Findings</h2>\n");
    if report.findings.is_empty() {
        out.push_str("<p>None.</p>\n");
    }
    report.findings.iter().for_each(|one| finding(out, one));
    out.push_str("</section>\n");
}

fn finding(out: &mut String, finding: &Finding) {
    let Finding { class, risk, title, owasp, remedy, places, more } = finding;
    let (title, remedy, class, owasp) = (escaped(title), escaped(remedy), escaped(class), escaped(owasp));
    let _infallible = write!(
        out,
        "<article id=\"{class}\">\n<h3>{} {title}</h3>\n<p class=\"kind\">{class}, OWASP {owasp}</p>\n<table>\n<thead><tr>\
         <th scope=\"col\">risk</th><th scope=\"col\">method</th><th scope=\"col\">route</th><th scope=\"col\">evidence</th>\
         <th scope=\"col\">first</th><th scope=\"col\">last</th></tr></thead>\n<tbody>\n",
        badge(*risk)
    );
    for place in places {
        let Place { method, route, risk, evidence, first_seen, last_seen } = place;
        let _infallible = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"route\">{}</td><td>{}</td><td class=\"time\">{}</td><td class=\"time\">{}</td></tr>",
            badge(*risk),
            escaped(method),
            escaped(route),
            escaped(evidence),
            moment(*first_seen),
            moment(*last_seen)
        );
    }
    out.push_str("</tbody>\n</table>\n");
    if *more > 0 {
        let _infallible = writeln!(out, "<p class=\"note\">and {more} more</p>");
    }
    let _infallible = writeln!(out, "<p class=\"remedy\"><strong>Remedy.</strong> {remedy}</p>\n</article>");
}

/// The word tells it, and the colour again.
fn badge(risk: Risk) -> String {
    let label = risk.label();
    format!("<span class=\"risk {label}\">{label}</span>")
}

fn moment(at: crate::clock::Timestamp) -> String {
    if at == crate::clock::Timestamp::default() {
        "-".to_owned()
    } else {
        escaped(&seconds(at)).replace('T', " ")
    }
}

fn changes(out: &mut String, report: &Report) {
    let Some(since) = report.changes_since else { return };
    let _infallible =
        writeln!(out, "<section id=\"changes\">\n<h2>Changes since {}</h2>", escaped(&seconds(since)));
    if report.since >= since {
        let _infallible = writeln!(
            out,
            "<p class=\"note\">The inventory began only at {}.</p>",
            escaped(&seconds(report.since))
        );
    } else if report.changes.is_empty() {
        out.push_str("<p>None.</p>\n");
    } else {
        out.push_str(
            "<table>\n<thead><tr><th scope=\"col\">when</th><th scope=\"col\">what</th><th scope=\"col\">method</th>\
             <th scope=\"col\">route</th><th scope=\"col\">how</th></tr></thead>\n<tbody>\n",
        );
        for Change { what, at, method, route, says } in &report.changes {
            let _infallible = writeln!(
                out,
                "<tr><td class=\"time\">{}</td><td>{}</td><td>{}</td><td class=\"route\">{}</td><td>{}</td></tr>",
                moment(*at),
                escaped(what),
                escaped(method),
                escaped(route),
                escaped(says)
            );
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</section>\n");
}

fn routes(out: &mut String, report: &Report) {
    out.push_str(
        "<section id=\"routes\">\n<h2>Inventory</h2>\n<table class=\"inventory\">\n<thead><tr><th scope=\"col\">method</th>\
         <th scope=\"col\">route</th><th scope=\"col\" class=\"number\">requests</th>\
         <th scope=\"col\" class=\"number\">clients</th><th scope=\"col\">credentials</th>\
         <th scope=\"col\" class=\"number\">refused</th><th scope=\"col\" class=\"number\">errors</th>\
         <th scope=\"col\">statuses</th><th scope=\"col\">transport</th><th scope=\"col\">data in</th>\
         <th scope=\"col\">data out</th><th scope=\"col\">hosts and ports</th><th scope=\"col\">first</th>\
         <th scope=\"col\">last</th></tr></thead>\n<tbody>\n",
    );
    report.routes.iter().for_each(|one| route(out, one));
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn route(out: &mut String, route: &RouteReport) {
    let counts = |list: &[(String, u32)]| {
        list.iter().map(|(label, count)| format!("{label} {count}")).collect::<Vec<_>>().join(", ")
    };
    let ports: Vec<String> = route.ports.iter().map(u16::to_string).collect();
    let statuses: Vec<String> =
        route.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    let mut marks = String::new();
    if route.deprecated {
        marks.push_str(" <span class=\"mark\">deprecated</span>");
    }
    if route.documented == Some(false) {
        marks.push_str(" <span class=\"mark\">undocumented</span>");
    }
    let _infallible = write!(
        out,
        "<tr><td>{}</td><td class=\"route\">{}{marks}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
         <td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>",
        escaped(&route.method),
        escaped(&route.route),
        route.requests,
        route.clients,
        escaped(&counts(&route.credentials)),
        route.refused,
        route.errors
    );
    let _infallible = writeln!(
        out,
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} :{}</td><td class=\"time\">{}</td><td class=\"time\">{}</td></tr>",
        statuses.join(", "),
        escaped(&counts(&route.transport)),
        escaped(&route.data_in.join(", ")),
        escaped(&route.data_out.join(", ")),
        escaped(&route.hosts.join(", ")),
        ports.join(" :"),
        moment(route.first_seen),
        moment(route.last_seen)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_wrote_stays_text() {
        let hostile = "/a/<script>alert(1)</script>\"'&\u{1b}[2J\u{202e}";
        let route = RouteReport {
            route: hostile.to_owned(),
            hosts: vec![hostile.to_owned()],
            data_in: vec![hostile.to_owned()],
            ..RouteReport::default()
        };
        let place = Place {
            method: hostile.to_owned(),
            route: hostile.to_owned(),
            risk: Risk::High,
            evidence: hostile.to_owned(),
            first_seen: crate::clock::Timestamp::default(),
            last_seen: crate::clock::Timestamp::default(),
        };
        let finding = Finding {
            class: hostile.to_owned(),
            risk: Risk::High,
            title: hostile.to_owned(),
            owasp: hostile.to_owned(),
            remedy: hostile.to_owned(),
            places: vec![place],
            more: 1,
        };
        let page = page(&Report { routes: vec![route], findings: vec![finding], ..Report::default() });
        assert!(
            !page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'),
            "{page}"
        );
        assert!(page.matches("&lt;script&gt;").count() >= 9, "{page}");
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("src="),
            "nothing from elsewhere"
        );
    }
}
