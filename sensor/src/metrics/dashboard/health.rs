//! For the sensor's own health.

use super::panel::{GREEN, ORANGE, Panel, Row, VERMILION, areas, bars, lines, names, stat};
use super::process::{CPU, DESCRIPTORS, DESCRIPTORS_MAX, RESIDENT, SCRAPE_DURATION, START, THREADS, UP};
use super::query::{fill, increase, rate, select, share, sum};
use crate::metrics::access_logs;
use crate::metrics::crowdsec;
use crate::metrics::degraded::DEGRADED;
use crate::metrics::detection::{
    CAPACITY, CONNECTIONS_CLOSED, DENY_ERRORS, ENTRIES, EVENT_ERRORS, EVENTS, EVENTS_LOST, EVENTS_WAITING,
    EVICTED, LINES, REFUSED, SIGNALS_LOST, WEBHOOK,
};
use crate::metrics::families::{
    BLOCKS_ACTIVE, BUILD_INFO, CLIENTS_DISPLACED, CLIENTS_EVICTED, CLIENTS_MAX, CLIENTS_PROVEN,
    CLIENTS_REFUSED, CLIENTS_TRACKED, Family, KERNEL_MEMORY, LAST_RELOAD, NOTICES_LOST, RELOAD_SUCCESS,
    SITES_UNCOUNTED, STATE_WRITE_ERRORS, SYN_COOKIES_ACCEPTED, TOO_MANY, UNPARSED,
};
use crate::metrics::fleet;
use crate::metrics::http::{
    HTTP_OTHER_CONNECTIONS, HTTP_SEEN_TWICE, HTTP_UNPAIRED, HTTP_UNPROVEN, MIRROR_BYTES, MIRROR_LOST,
    MIRROR_SEGMENTS, MIRROR_SKIPPED, MIRROR_TRUNCATED, SEGMENTS_REFUSED, STREAM_BUFFERED_BYTES,
    STREAM_CONFLICTS, STREAM_GAPS, STREAM_LOST_BYTES, STREAMS_ACTIVE, STREAMS_CLOSED, STREAMS_PROVEN,
    WEBSOCKET_BYTES, WEBSOCKET_MESSAGES, WEBSOCKETS_ACTIVE, WEBSOCKETS_FORGOTTEN,
};
use crate::metrics::sensing::{
    BLOCKS_MAX, DATAGRAMS, DATAGRAMS_REFUSED, EXCHANGE_LOG_ERRORS, FAILURES_UNCOUNTED, INSTRUCTIONS_REFUSED,
    STREAM_BUFFERED_MAX, STREAMS_MAX, SYSLOG, SYSLOG_RETRIES, SYSLOG_WAITING, WEBHOOK_RETRIES,
    WEBHOOK_WAITING,
};
use crate::metrics::surroundings::{CLOCK_STEPS, REATTACHED, ROLE, UP as INTERFACE_UP};
use crate::metrics::tls;
use crate::metrics::web;

/// What a fill level is worth a look from.
const NEARLY_FULL: f64 = 0.9;

pub(super) fn rows() -> Vec<Row> {
    vec![
        now(),
        losses(),
        secure(),
        records(),
        tables(),
        process(),
        pipeline(),
        around(),
        access_logs_row(),
        fleet_row(),
        crowdsec_row(),
        endpoint(),
    ]
}

/// A panel of increases by one label.
fn losses_by(title: &'static str, family: &Family, label: &str) -> Panel {
    let legend = format!("{{{{{label}}}}}");
    bars(title, &[family]).query(increase(family, label, "", "$__rate_interval"), &legend)
}

/// A panel of increases of families without labels, under names for the legend.
fn losses_of(title: &'static str, families: &[(&Family, &str)]) -> Panel {
    let about: Vec<&Family> = families.iter().map(|(family, _)| *family).collect();
    families
        .iter()
        .fold(bars(title, &about), |panel, (family, legend)| {
            panel.query(increase(family, "", "", "$__rate_interval"), legend)
        })
        .series(families.iter().map(|(_, legend)| *legend))
}

fn now() -> Row {
    let lost = rate(&MIRROR_LOST, "", "");
    Row {
        title: "Now",
        panels: vec![
            stat("Scrape", "none", &[&UP])
                .query(format!("min({})", select(&UP, "")), "up")
                .word(0, "no", VERMILION)
                .word(1, "yes", GREEN),
            names("Version", &[&BUILD_INFO])
                .query(format!("count by (version) ({})", select(&BUILD_INFO, "")), "{{version}}"),
            stat("Uptime", "s", &[&START]).query(format!("time() - max({})", select(&START, "")), "time"),
            stat("Last reload", "none", &[&RELOAD_SUCCESS])
                .note("If refused, `sensor check` lists the mistakes.")
                .query(format!("min({})", select(&RELOAD_SUCCESS, "")), "taken")
                .word(0, "refused", VERMILION)
                .word(1, "taken", GREEN),
            stat("Configuration loaded", "dateTimeFromNow", &[&LAST_RELOAD])
                .query(format!("1000 * max({})", select(&LAST_RELOAD, "")), "taken"),
            stat("Segments lost", "percentunit", &[&MIRROR_LOST])
                .note("Share of the segments that should have been copied.")
                .query(share(&lost, &format!("{lost} + {}", rate(&MIRROR_SEGMENTS, "", ""))), "lost")
                .base(GREEN)
                .from(0.000_1, ORANGE)
                .from(0.001, VERMILION),
        ],
    }
}

fn losses() -> Row {
    Row {
        title: "Losses: capture",
        panels: vec![
            losses_by("Segments not copied", &MIRROR_LOST, "cause"),
            losses_of("Stream gaps", &[(&STREAM_GAPS, "gaps")]),
            losses_by("Segments that the server drops", &SEGMENTS_REFUSED, "reason"),
            losses_by("Fragments and extension headers without a segment", &DATAGRAMS_REFUSED, "reason"),
            lines("Segments from fragments or with extension headers", "pps", &[&DATAGRAMS])
                .query(rate(&DATAGRAMS, "", ""), "read")
                .series(["read"]),
            losses_of(
                "Unproven or contradictory",
                &[(&HTTP_UNPROVEN, "exchanges not proven"), (&STREAM_CONFLICTS, "conflicting segments")],
            ),
            lines("Connections proven", "cps", &[&STREAMS_PROVEN])
                .query(rate(&STREAMS_PROVEN, "", ""), "proven")
                .series(["proven"]),
            lines("Clients with a proven address", "cps", &[&CLIENTS_PROVEN, &SYN_COOKIES_ACCEPTED])
                .query(rate(&CLIENTS_PROVEN, "", ""), "proven")
                .query(rate(&SYN_COOKIES_ACCEPTED, "", ""), "by a SYN cookie")
                .series(["proven", "by a SYN cookie"]),
            losses_by("Requests over the limit handed on for a 429", &TOO_MANY, "outcome"),
            lines("Open connections of blocked clients ended", "cps", &[&CONNECTIONS_CLOSED])
                .query(rate(&CONNECTIONS_CLOSED, "", ""), "ended")
                .series(["ended"]),
            lines("Exchanges seen on both sides of a proxy", "cps", &[&HTTP_SEEN_TWICE])
                .query(rate(&HTTP_SEEN_TWICE, "", ""), "seen twice")
                .series(["seen twice"]),
            lines("Bytes lost in gaps", "Bps", &[&STREAM_LOST_BYTES])
                .query(rate(&STREAM_LOST_BYTES, "", ""), "lost")
                .series(["lost"]),
            losses_by("HTTP messages with only one side seen", &HTTP_UNPAIRED, "seen"),
            losses_by("Frames not read in full", &UNPARSED, "kind"),
            losses_by("Sources not admitted to the client table", &CLIENTS_REFUSED, "cause"),
            losses_by("Over-limit notices lost", &NOTICES_LOST, "cause"),
            losses_of(
                "Signals, failures and instructions lost",
                &[
                    (&SIGNALS_LOST, "signals of detectors"),
                    (&FAILURES_UNCOUNTED, "failures of clients"),
                    (&INSTRUCTIONS_REFUSED, "instructions to the mirror"),
                ],
            ),
            losses_of("Decisions refused by the kernel", &[(&REFUSED, "refused")]),
        ],
    }
}

fn secure() -> Row {
    Row {
        title: "TLS",
        panels: vec![
            losses_by("TLS connections", &tls::TLS_CONNECTIONS, "outcome"),
            lines("TLS connections open", "short", &[&tls::TLS_OPEN, &tls::TLS_WAITING])
                .query(sum(&tls::TLS_OPEN, "", ""), "decrypted")
                .query(sum(&tls::TLS_WAITING, "", ""), "waiting for their secret")
                .series(["decrypted", "waiting for their secret"]),
            losses_by("TLS records", &tls::TLS_RECORDS, "kind"),
            losses_by("TLS session secrets", &tls::TLS_SECRETS, "fate"),
            losses_of("TLS resynchronisations", &[(&tls::TLS_RESYNCHRONISATIONS, "found")]),
            lines("Encrypted bytes dropped while waiting for a secret", "Bps", &[&tls::TLS_REFUSED_BYTES])
                .query(rate(&tls::TLS_REFUSED_BYTES, "", ""), "refused")
                .series(["refused"]),
        ],
    }
}

fn records() -> Row {
    Row {
        title: "Losses: storage and delivery",
        panels: vec![
            losses_of(
                "Failed writes",
                &[
                    (&STATE_WRITE_ERRORS, "state file"),
                    (&EVENT_ERRORS, "event store"),
                    (&DENY_ERRORS, "deny file"),
                    (&EXCHANGE_LOG_ERRORS, "exchange log"),
                ],
            ),
            losses_of("Records dropped by the event store", &[(&EVENTS_LOST, "lost")]),
            losses_by("Records written to the event store", &EVENTS, "kind"),
            losses_by("Alert lines", &LINES, "outcome"),
            losses_by("Webhook alerts", &WEBHOOK, "outcome")
                .note("Includes failed attempts that were retried.")
                .query(increase(&WEBHOOK_RETRIES, "", "", "$__rate_interval"), "retried"),
            losses_by("Alerts by syslog", &SYSLOG, "outcome")
                .note("Includes failed attempts that were retried.")
                .query(increase(&SYSLOG_RETRIES, "", "", "$__rate_interval"), "retried"),
            lines("Waiting", "short", &[&EVENTS_WAITING, &WEBHOOK_WAITING, &SYSLOG_WAITING])
                .query(sum(&EVENTS_WAITING, "", ""), "for the event store")
                .query(sum(&WEBHOOK_WAITING, "", ""), "for the webhook")
                .query(sum(&SYSLOG_WAITING, "", ""), "for the syslog server")
                .series(["for the event store", "for the webhook", "for the syslog server"]),
        ],
    }
}

fn tables() -> Row {
    let tables: [(&Family, &Family, &str); 5] = [
        (&CLIENTS_TRACKED, &CLIENTS_MAX, "clients"),
        (&BLOCKS_ACTIVE, &BLOCKS_MAX, "blocks"),
        (&ENTRIES, &CAPACITY, "detectors"),
        (&STREAMS_ACTIVE, &STREAMS_MAX, "streams"),
        (&STREAM_BUFFERED_BYTES, &STREAM_BUFFERED_MAX, "bytes of streams"),
    ];
    let about: Vec<&Family> = tables.iter().map(|(entries, _, _)| *entries).collect();
    let fills = lines("Table fill", "percentunit", &about).width(12).most(1.0);
    let fills = tables
        .iter()
        .fold(fills, |panel, (entries, capacity, name)| {
            panel.query(fill(entries, capacity), &format!("{{{{instance}}}} {name}"))
        })
        .from(NEARLY_FULL, VERMILION);
    Row {
        title: "Tables",
        panels: vec![
            fills,
            losses_of(
                "Entries evicted early",
                &[
                    (&CLIENTS_EVICTED, "idle clients"),
                    (&CLIENTS_DISPLACED, "clients without proof of address"),
                    (&EVICTED, "detectors, incidents, decisions"),
                    (&SITES_UNCOUNTED, "packets of sites without a budget"),
                ],
            )
            .width(12)
            // It is told once there are any.
            .query(
                format!("{} or vector(0)", increase(&WEBSOCKETS_FORGOTTEN, "", "", "$__rate_interval")),
                "open WebSockets",
            ),
        ],
    }
}

fn process() -> Row {
    Row {
        title: "Process",
        panels: vec![
            lines("Memory", "bytes", &[&RESIDENT, &KERNEL_MEMORY])
                .query(sum(&RESIDENT, "instance", ""), "{{instance}} resident")
                .query(sum(&KERNEL_MEMORY, "instance", ""), "{{instance}} kernel maps"),
            lines("CPU", "percentunit", &[&CPU])
                .note("1 is one core.")
                .query(rate(&CPU, "instance", ""), "{{instance}}"),
            lines("File descriptors", "percentunit", &[&DESCRIPTORS])
                .note("Share of the limit.")
                .query(fill(&DESCRIPTORS, &DESCRIPTORS_MAX), "{{instance}}")
                .from(NEARLY_FULL, VERMILION),
            lines("Threads", "short", &[&THREADS]).query(sum(&THREADS, "instance", ""), "{{instance}}"),
        ],
    }
}

fn pipeline() -> Row {
    Row {
        title: "Pipeline",
        panels: vec![
            areas("Segments copied", "pps", &[&MIRROR_SEGMENTS, &MIRROR_SKIPPED, &MIRROR_TRUNCATED])
                .query(rate(&MIRROR_SEGMENTS, "direction", ""), "{{direction}}")
                .query(rate(&MIRROR_SKIPPED, "", ""), "left out")
                .query(rate(&MIRROR_TRUNCATED, "", ""), "truncated")
                .series(["ingress", "egress", "left out", "truncated"]),
            areas("Bytes copied", "Bps", &[&MIRROR_BYTES])
                .query(rate(&MIRROR_BYTES, "direction", ""), "{{direction}}")
                .series(["ingress", "egress"]),
            lines("Connections being reassembled", "short", &[&STREAMS_ACTIVE])
                .query(sum(&STREAMS_ACTIVE, "instance", ""), "{{instance}}"),
            areas("Connections forgotten", "cps", &[&STREAMS_CLOSED])
                .query(rate(&STREAMS_CLOSED, "cause", ""), "{{cause}}"),
            areas("Connections other than HTTP/1", "cps", &[&HTTP_OTHER_CONNECTIONS])
                .query(rate(&HTTP_OTHER_CONNECTIONS, "kind", ""), "{{kind}}"),
            lines("WebSockets open", "short", &[&WEBSOCKETS_ACTIVE])
                .query(sum(&WEBSOCKETS_ACTIVE, "instance", ""), "{{instance}}"),
            areas("WebSocket messages", "cps", &[&WEBSOCKET_MESSAGES])
                .query(rate(&WEBSOCKET_MESSAGES, "direction", ""), "{{direction}}")
                .series(["ingress", "egress"]),
            areas("WebSocket bytes", "Bps", &[&WEBSOCKET_BYTES])
                .query(rate(&WEBSOCKET_BYTES, "direction", ""), "{{direction}}")
                .series(["ingress", "egress"]),
        ],
    }
}

fn around() -> Row {
    Row {
        title: "Around the sensor",
        panels: vec![
            lines("Interfaces served", "short", &[&INTERFACE_UP, &ROLE])
                .note("1 where it is up and served; outer interfaces limit and block, inner ones are only read.")
                .query(
                    format!(
                        "{} * on (instance, interface) group_left (role) {}",
                        select(&INTERFACE_UP, ""),
                        select(&ROLE, "")
                    ),
                    "{{instance}} {{interface}} ({{role}})",
                ),
            lines("Degraded parts", "short", &[&DEGRADED])
                .note("1 if a part is degraded; `sensor status` says what to do.")
                .query(select(&DEGRADED, ""), "{{instance}} {{part}}"),
            losses_by("Interfaces reattached", &REATTACHED, "interface"),
            losses_of("System clock steps", &[(&CLOCK_STEPS, "steps")]),
        ],
    }
}

fn access_logs_row() -> Row {
    Row {
        title: "Access logs",
        panels: vec![
            losses_by("Lines of access logs", &access_logs::LINES, "fate"),
            lines("Bytes not read yet", "bytes", &[&access_logs::UNREAD])
                .query(select(&access_logs::UNREAD, ""), "{{instance}} {{path}}"),
            lines("Logs that can be read", "short", &[&access_logs::READABLE, &access_logs::GAPS])
                .note("1 while a log can be read; `sensor doctor` says why one cannot.")
                .query(select(&access_logs::READABLE, ""), "{{instance}} {{path}}")
                .query(increase(&access_logs::GAPS, "path", "", "$__rate_interval"), "gaps in {{path}}"),
        ],
    }
}

fn fleet_row() -> Row {
    Row {
        title: "Fleet",
        panels: vec![
            lines("Connected to the fleet", "short", &[&fleet::CONNECTED])
                .note("1 while the fleet's server answers; without it, a host works on alone.")
                .query(select(&fleet::CONNECTED, ""), "{{instance}}"),
            lines("Time since the server's last answer", "s", &[&fleet::LAG])
                .query(select(&fleet::LAG, ""), "{{instance}}"),
            lines("Hosts, blocks and records", "short", &[&fleet::HOSTS, &fleet::BLOCKS, &fleet::REMEMBERED])
                .query(sum(&fleet::HOSTS, "instance", ""), "{{instance}} hosts")
                .query(sum(&fleet::BLOCKS, "instance", ""), "{{instance}} blocks")
                .query(sum(&fleet::REMEMBERED, "instance", ""), "{{instance}} records"),
            lines("Evidence", "short", &[&fleet::EVIDENCE_HOSTS, &fleet::EVIDENCE_ATTACKED])
                .note("Hosts whose counts are part of the sums, and login routes on which these show an attack.")
                .query(sum(&fleet::EVIDENCE_HOSTS, "instance", ""), "{{instance}} hosts")
                .query(sum(&fleet::EVIDENCE_ATTACKED, "instance", ""), "{{instance}} routes"),
            lines("Time since the evidence was summed", "s", &[&fleet::EVIDENCE_AGE])
                .query(select(&fleet::EVIDENCE_AGE, ""), "{{instance}}"),
            losses_by("Evidence exchanged", &fleet::EVIDENCE_RECORDS, "direction"),
            losses_of("Evidence refused", &[(&fleet::EVIDENCE_REFUSED, "records")]),
            losses_by("Attempts not shared", &fleet::EVIDENCE_LOST, "cause"),
            losses_by("Requests charged to limits of principals", &fleet::LIMIT_REQUESTS, "scope"),
            losses_of(
                "Limits of principals at the fleet's server",
                &[(&fleet::LIMIT_CALLS, "calls"), (&fleet::LIMIT_OVER, "over the limit")],
            ),
            losses_by("Records exchanged", &fleet::RECORDS, "direction"),
            losses_by("Records refused", &fleet::REFUSED, "cause"),
            losses_of(
                "Reconnections and delayed records",
                &[(&fleet::RECONNECTS, "reconnections"), (&fleet::DELAYED, "delayed records")],
            ),
        ],
    }
}

fn crowdsec_row() -> Row {
    let (blocks, known) = (&crowdsec::BLOCKS, &crowdsec::DECISIONS);
    Row {
        title: "CrowdSec",
        panels: vec![
            lines("Connected to CrowdSec", "short", &[&crowdsec::CONNECTED])
                .note("1 while CrowdSec answers; without it, the decisions known hold until they end.")
                .query(select(&crowdsec::CONNECTED, ""), "{{instance}}"),
            lines("Time since CrowdSec's last answer", "s", &[&crowdsec::AGE])
                .query(select(&crowdsec::AGE, ""), "{{instance}}"),
            lines("Decisions of CrowdSec", "short", &[known, blocks])
                .query(sum(known, "instance", ""), "{{instance}} known")
                .query(sum(blocks, "instance", ""), "{{instance}} in force"),
            losses_by("Questions to CrowdSec", &crowdsec::PULLS, "outcome"),
            losses_by("Decisions new and deleted", &crowdsec::CHANGES, "change"),
            losses_by("Decisions left", &crowdsec::LEFT, "cause"),
            losses_by("Alerts for CrowdSec", &crowdsec::ALERTS, "outcome"),
        ],
    }
}

fn endpoint() -> Row {
    Row {
        title: "Metrics endpoint",
        panels: vec![
            lines("Scrape duration", "s", &[&SCRAPE_DURATION])
                .query(select(&SCRAPE_DURATION, ""), "{{instance}}"),
            lines("Connections", "short", &[&web::CONNECTIONS])
                .query(sum(&web::CONNECTIONS, "instance", ""), "{{instance}}"),
            bars("Refused connections and requests", &[&web::REFUSED, &web::HANDSHAKES, &web::UNAUTHORIZED])
                .query(increase(&web::REFUSED, "bound", "", "$__rate_interval"), "connections: {{bound}}")
                .query(increase(&web::HANDSHAKES, "", "", "$__rate_interval"), "handshakes")
                .query(increase(&web::UNAUTHORIZED, "cause", "", "$__rate_interval"), "logins: {{cause}}"),
        ],
    }
}
