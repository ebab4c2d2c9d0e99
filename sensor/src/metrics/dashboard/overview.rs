//! For the operator.

use super::panel::{
    BLUE, GREEN, GREY, ORANGE, PURPLE, Row, SKY, VERMILION, YELLOW, areas, bars, lines, names, stat,
};
use super::query::{increase, quantile, rate, select, share, sum};
use crate::decide::Tripped;
use crate::detect::Threat;
use crate::identity::Kind;
use crate::metrics::detection::{
    ALERTS, DENIED, DETECTION, ENFORCEMENT, INCIDENTS, LIMITS, PROTECTED, SUPPRESSED, TRIPPED,
};
use crate::metrics::families::{
    BLOCKS, BLOCKS_ACTIVE, BYTES, CLIENTS_ADMITTED, CLIENTS_TRACKED, INTERFACE_INFO, MODE, PACKETS,
};
use crate::metrics::http::{
    HTTP_DURATION, HTTP_EXCHANGES, HTTP_PARSE_ERRORS, HTTP_ROUTES, LOGINS, UNIT_EXCHANGES,
};
use crate::metrics::identity::{ANOMALIES, CLIENTS, PRINCIPALS, UNTRUSTED};
use crate::metrics::inspect::{FINDINGS, SKIPPED};

/// Verdicts that packets of attacks meet, the second in monitor mode.
const REFUSED: &str = "verdict=~\"drop|would_drop\"";
/// Severities of attacks.
const SEVERE: &str = "severity=~\"high|critical\"";

pub(super) fn rows() -> Vec<Row> {
    vec![now(), packets(), http(), detection(), identity()]
}

fn now() -> Row {
    // The same as `instance:sensor_under_attack` of the rules, which need not be loaded for the dashboard.
    let attacked = format!(
        "(({} > bool 0) + ({} > bool 100)) > bool 0",
        sum(&INCIDENTS, "", SEVERE),
        rate(&PACKETS, "", REFUSED)
    );
    let failed = rate(&LOGINS, "", "outcome=\"failure\"");
    Row {
        title: "Now",
        panels: vec![
            names("Mode", &[&MODE]).query(format!("sum by (mode) ({} == 1)", select(&MODE, "")), "{{mode}}"),
            stat("Under attack", "none", &[])
                .note(
                    "Yes while an incident of severity high or critical is open, or more than 100 packets a second are \
                     refused. `sensor incidents --open` and `sensor top` say who it is.",
                )
                .query(attacked, "under attack")
                .word(0, "no", GREEN)
                .word(1, "yes", VERMILION),
            stat("Packets refused", "pps", &[&PACKETS])
                .note("Dropped, or in monitor mode what would have been.")
                .query(rate(&PACKETS, "", REFUSED), "refused")
                .from(100.0, VERMILION),
            stat("Exchanges", "reqps", &[&HTTP_EXCHANGES]).query(rate(&HTTP_EXCHANGES, "", ""), "exchanges"),
            stat("Blocks active", "short", &[&BLOCKS_ACTIVE]).query(sum(&BLOCKS_ACTIVE, "", ""), "blocks"),
            stat("Failed logins", "percentunit", &[&LOGINS])
                .query(share(&failed, &rate(&LOGINS, "", "")), "failures")
                .from(0.5, VERMILION),
        ],
    }
}

fn packets() -> Row {
    let bits = format!("8 * {}", rate(&BYTES, "verdict", ""));
    let verdicts = [("pass", BLUE), ("drop", VERMILION), ("would_drop", ORANGE)];
    Row {
        title: "Packets",
        panels: vec![
            areas("Packets by verdict", "pps", &[&PACKETS])
                .query(rate(&PACKETS, "verdict", ""), "{{verdict}}")
                .colours(&verdicts),
            areas("Packets refused, by reason", "pps", &[&PACKETS])
                .note(
                    "`would_drop` is what monitor mode would have dropped; `sensor explain CLIENT` says why.",
                )
                .query(rate(&PACKETS, "verdict, reason", REFUSED), "{{verdict}} {{reason}}"),
            areas("Bits by verdict", "bps", &[&BYTES]).query(bits, "{{verdict}}").colours(&verdicts),
            areas("Packets by interface", "pps", &[&INTERFACE_INFO, &PACKETS]).query(
                format!(
                    "sum by (instance, interface, xdp_mode) (sum by (instance, interface) \
                     (rate({}[$__rate_interval])) * on (instance, interface) group_left (xdp_mode) {})",
                    select(&PACKETS, ""),
                    select(&INTERFACE_INFO, "")
                ),
                "{{instance}} {{interface}} ({{xdp_mode}})",
            ),
            lines("Clients", "short", &[&CLIENTS_TRACKED])
                .query(sum(&CLIENTS_TRACKED, "", ""), "tracked")
                .colours(&[("tracked", BLUE)]),
            lines("New clients", "cps", &[&CLIENTS_ADMITTED])
                .query(rate(&CLIENTS_ADMITTED, "", ""), "admitted")
                .colours(&[("admitted", BLUE)]),
        ],
    }
}

fn http() -> Row {
    let errors = rate(&HTTP_EXCHANGES, "", "status_class=\"5xx\"");
    let refusals = rate(&HTTP_EXCHANGES, "", "status_class=\"4xx\"");
    let all = rate(&HTTP_EXCHANGES, "", "");
    let mean = format!(
        "sum(rate({0}_sum{{instance=~\"$instance\"}}[$__rate_interval])) / \
         (sum(rate({0}_count{{instance=~\"$instance\"}}[$__rate_interval])) > 0) or vector(0)",
        HTTP_DURATION.name
    );
    Row {
        title: "HTTP",
        panels: vec![
            areas("Exchanges by status class", "reqps", &[&HTTP_EXCHANGES])
                .query(rate(&HTTP_EXCHANGES, "status_class", ""), "{{status_class}}")
                .colours(&[
                    ("1xx", PURPLE),
                    ("2xx", GREEN),
                    ("3xx", SKY),
                    ("4xx", ORANGE),
                    ("5xx", VERMILION),
                    ("none", GREY),
                    ("other", YELLOW),
                ]),
            lines("Latency", "s", &[&HTTP_DURATION])
                .query(quantile("0.5", &HTTP_DURATION), "p50")
                .query(quantile("0.9", &HTTP_DURATION), "p90")
                .query(quantile("0.99", &HTTP_DURATION), "p99")
                .query(mean, "mean")
                .series(["p50", "p90", "p99", "mean"]),
            lines("Share of errors", "percentunit", &[&HTTP_EXCHANGES])
                .query(share(&refusals, &all), "4xx")
                .query(share(&errors, &all), "5xx")
                .colours(&[("4xx", ORANGE), ("5xx", VERMILION)])
                .most(1.0),
            areas("Logins by outcome", "reqps", &[&LOGINS])
                .query(rate(&LOGINS, "outcome", ""), "{{outcome}}")
                .colours(&[("success", GREEN), ("failure", VERMILION), ("unknown", GREY)]),
            areas("Exchanges by method and version", "reqps", &[&HTTP_EXCHANGES])
                .query(rate(&HTTP_EXCHANGES, "method, version", ""), "{{method}} HTTP/{{version}}"),
            areas("Exchanges by unit", "reqps", &[&UNIT_EXCHANGES])
                .note("Systemd units and containers, with `http.unit_metrics`.")
                .query(rate(&UNIT_EXCHANGES, "unit", ""), "{{unit}}"),
            bars("HTTP anomalies", &[&HTTP_PARSE_ERRORS])
                .query(increase(&HTTP_PARSE_ERRORS, "kind", "", "$__rate_interval"), "{{kind}}"),
        ],
    }
}

fn detection() -> Row {
    let detectors = Threat::ALL.map(Threat::slug);
    let made_by = detectors.into_iter().chain(["command"]);
    Row {
        title: "Attacks and responses",
        panels: vec![
            bars("Alerts by detector", &[&ALERTS])
                .query(increase(&ALERTS, "detector", "", "$__rate_interval"), "{{detector}}")
                .series(detectors),
            bars("Alerts by severity", &[&ALERTS])
                .query(increase(&ALERTS, "severity", "", "$__rate_interval"), "{{severity}}")
                .colours(&[
                    ("info", GREY),
                    ("low", SKY),
                    ("medium", YELLOW),
                    ("high", ORANGE),
                    ("critical", VERMILION),
                ]),
            lines("Open incidents", "short", &[&INCIDENTS])
                .note("Attacks under way, by detector. `sensor incidents --open` names their offenders.")
                .query(sum(&INCIDENTS, "detector", ""), "{{detector}}")
                .series(detectors),
            lines("Prefixes blocked and denied", "short", &[&BLOCKS_ACTIVE, &DENIED])
                .query(sum(&BLOCKS_ACTIVE, "", ""), "blocked in the kernel")
                .query(format!("{} or vector(0)", sum(&DENIED, "", "")), "in the deny file")
                .series(["blocked in the kernel", "in the deny file"]),
            bars("Blocks made", &[&BLOCKS])
                .query(increase(&BLOCKS, "detector", "", "$__rate_interval"), "{{detector}}")
                .series(made_by),
            bars("Limits tightened", &[&LIMITS])
                .query(increase(&LIMITS, "detector", "", "$__rate_interval"), "{{detector}}")
                .series(detectors),
            lines("Latency from deciding byte to alert and block", "s", &[&DETECTION, &ENFORCEMENT])
                .query(quantile("0.5", &DETECTION), "alert p50")
                .query(quantile("0.99", &DETECTION), "alert p99")
                .query(quantile("0.5", &ENFORCEMENT), "block p50")
                .query(quantile("0.99", &ENFORCEMENT), "block p99")
                .series(["alert p50", "alert p99", "block p50", "block p99"]),
            stat("Kill switch", "none", &[&TRIPPED])
                .query(format!("max({})", select(&TRIPPED, "")), "kill switch")
                .word(0, "armed", GREEN)
                .word(1, "tripped", VERMILION),
            bars("Blocks reduced to limits", &[&SUPPRESSED])
                .width(10)
                .query(increase(&SUPPRESSED, "bound", "", "$__rate_interval"), "{{bound}}")
                .series(Tripped::ALL.map(Tripped::label)),
            bars("Offenders protected or allowed", &[&PROTECTED])
                .width(10)
                .query(increase(&PROTECTED, "", "", "$__rate_interval"), "protected or allowed")
                .series(["protected or allowed"]),
        ],
    }
}

fn identity() -> Row {
    Row {
        title: "Clients and principals",
        panels: vec![
            areas("Source of the client address", "reqps", &[&CLIENTS])
                .query(rate(&CLIENTS, "mechanism", ""), "{{mechanism}}"),
            areas("Principals by kind of credentials", "reqps", &[&PRINCIPALS])
                .query(rate(&PRINCIPALS, "kind", ""), "{{kind}}")
                .series(Kind::ALL.into_iter().filter(|kind| kind.is_principal()).map(Kind::label)),
            bars("Faulty forwarding headers or credentials", &[&ANOMALIES, &UNTRUSTED])
                .query(increase(&ANOMALIES, "kind", "", "$__rate_interval"), "{{kind}}")
                .query(increase(&UNTRUSTED, "by", "", "$__rate_interval"), "untrusted {{by}}"),
            bars("Findings in exchanges", &[&FINDINGS, &SKIPPED])
                .query(increase(&FINDINGS, "kind", "", "$__rate_interval"), "{{kind}}")
                .query(increase(&SKIPPED, "", "", "$__rate_interval"), "not inspected in full"),
            lines("Route templates", "short", &[&HTTP_ROUTES])
                .query(sum(&HTTP_ROUTES, "", ""), "routes")
                .series(["routes"]),
        ],
    }
}
