//! Answers as text.

mod clients;
mod crowdsec;
mod exchange;
mod explanation;
mod logs;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use humantime::format_duration;
use std::fmt::Display;
use std::time::Duration;

use crate::control::wire::{
    AllowRow, BlockAdded, BlockRow, Confirmed, HttpReport, LimitRow, ModeReport, Reloaded, Removed,
    StatusReport, TooManyReport, counted,
};
use crate::enforce::{Limit, Limits, Mode, Scope};
use crate::tls::PortCounts;

pub(super) use super::moment::seconds;
pub(super) use crate::printable::printable;
pub(super) use clients::{clients, clients_by};
pub(super) use exchange::{exchange, exchange_record};
pub(super) use explanation::explanation;

pub(super) fn mode(report: &ModeReport) -> String {
    report.mode.to_string()
}

pub(super) fn confirmed(report: &Confirmed) -> String {
    if report.confirmed.is_empty() {
        let undone = report.undone.iter();
        let undone =
            undone.map(|(scope, at)| format!("; limits of {scope} were rolled back at {}", seconds(*at)));
        return format!("nothing to confirm{}", undone.collect::<String>());
    }
    let scopes: Vec<String> = report.confirmed.iter().map(ToString::to_string).collect();
    format!("confirmed: limits of {}", scopes.join(", "))
}

pub(super) fn removed(report: &Removed) -> String {
    format!("removed {}", report.removed)
}

pub(super) fn reloaded(report: &Reloaded) -> String {
    let said = [
        ("changed", &report.changed),
        ("requires a restart", &report.needs_restart),
        ("overridden on the daemon's command line", &report.overridden),
    ];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(what, keys)| format!("\n{what}: {}", printable(&keys.join(", "))))
        .collect();
    let nothing = if said.is_empty() { "; nothing changed" } else { "" };
    format!("configuration reloaded{nothing}{}", said.concat())
}

pub(super) fn blocked(added: &BlockAdded) -> String {
    let prefix = with_networks(&added.row.prefix, added.row.networks);
    let until = added.row.until.map_or("permanently".to_owned(), |until| format!("until {}", seconds(until)));
    let mut text = match added.mode {
        Mode::Enforce => format!("blocked {prefix} {until}"),
        Mode::Monitor => {
            format!("{prefix} would be dropped {until}, but mode is monitor; `sensor mode enforce` drops it")
        }
    };
    if !added.allowed.is_empty() {
        let allowed: Vec<String> = added.allowed.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nexcept {}: allowed", allowed.join(", ")));
    }
    for spared in &added.spared {
        text.push_str(&format!("\nexcept: {}, and is never blocked", printable(spared)));
    }
    text
}

pub(super) fn allowed(row: &AllowRow) -> String {
    format!("allowed {}", with_networks(&row.prefix, row.networks))
}

pub(super) fn status(report: &StatusReport) -> String {
    let mut lines = vec![
        format!("mode         {}", report.mode),
        format!("incidents    {}", incidents(report)),
        format!("uptime       {}", format_duration(Duration::from_secs(report.uptime_seconds))),
        format!(
            "enforcement  {}",
            if report.pinned { "pinned: outlives the daemon" } else { "not pinned: ends with the daemon" }
        ),
        format!(
            "clients      {} tracked of at most {}, {} evicted when idle; {} proven by a handshake, {} unproven ones \
             displaced",
            report.clients_tracked,
            report.clients_max,
            report.clients_evicted,
            report.clients_proven,
            report.clients_displaced
        ),
        format!("syn cookies  {}", syn_cookies(report)),
        format!("429          {}", report.too_many.as_ref().map_or_else(|| "off".to_owned(), too_many)),
        format!("policy       {}", report.policy()),
        format!("confined     {}", report.confinement),
        format!("memory       {} MiB in kernel maps", report.kernel_memory_bytes >> 20),
        format!("http         {}", report.http.as_ref().map_or_else(|| "not seen".to_owned(), http)),
    ];
    lines.extend(report.http.iter().flat_map(coverage));
    lines.extend(report.http.iter().flat_map(|http| http.access_logs.iter().map(logs::line)));
    lines.extend(report.crowdsec.iter().flat_map(crowdsec::lines));
    if report.connections_closed > 0 {
        lines.push(format!("ended        {} open connections of blocked clients", report.connections_closed));
    }
    lines.push(format!("losses       {}", losses(report)));
    lines.extend(report.degraded.iter().map(|what| format!("DEGRADED     {}", printable(&what.to_string()))));
    for row in &report.pending {
        lines.push(format!("unconfirmed  limits of {}, rolled back at {}", row.scope, seconds(row.deadline)));
    }
    format!("{}\n\n{}", lines.join("\n"), interfaces(report))
}

fn interfaces(report: &StatusReport) -> String {
    let mut table = table(&["interface", "state", "xdp", "passed", "dropped", "would drop"], 3);
    for row in &report.interfaces {
        table.add_row([
            row.interface.clone(),
            row.state.label().to_owned(),
            row.xdp_mode.label().to_owned(),
            row.passed.to_string(),
            row.dropped.to_string(),
            row.would_drop.to_string(),
        ]);
    }
    for row in &report.inner_interfaces {
        let state = row.state.label().to_owned();
        table.add_row([
            row.interface.clone(),
            state,
            "inner".to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    trimmed(&table)
}

fn too_many(report: &TooManyReport) -> String {
    let state = report
        .trouble
        .as_ref()
        .map_or_else(|| "on".to_owned(), |why| format!("NOT ACTIVE: {}", printable(why)));
    format!("{state}, {} requests answered, {} that did not fit dropped", report.answered, report.dropped)
}

fn syn_cookies(report: &StatusReport) -> String {
    let answered = report.interfaces.iter().fold(0, |sum: u64, row| sum.saturating_add(row.answered));
    if !report.syn_cookies && answered == 0 {
        return "off".to_owned();
    }
    let state = if report.syn_cookies { "on" } else { "off" };
    format!("{state}, {answered} SYNs answered, {} clients admitted by them", report.syn_cookies_accepted)
}

fn incidents(report: &StatusReport) -> String {
    let open = report.incidents().map(|open| format!("{open}: sensor incidents --open"));
    open.unwrap_or_else(|| "none open".to_owned())
}

/// Ports shown.
const MOST_PORTS: usize = 16;

/// How much is read of each port that speaks TLS or QUIC, and why not the rest. `sensor doctor` has the remedy.
pub(super) fn coverage(report: &HttpReport) -> Vec<String> {
    let encrypted = report.tls.iter().filter(|(_, counts)| counts.connections > 0 || counts.quic > 0);
    let mut lines: Vec<String> =
        encrypted.clone().take(MOST_PORTS).map(|(port, counts)| line(report, *port, counts)).collect();
    let more = encrypted.count().saturating_sub(MOST_PORTS);
    if more > 0 {
        lines.push(format!("tls          and {more} more ports: --json"));
    }
    lines
}

fn line(report: &HttpReport, port: u16, counts: &PortCounts) -> String {
    let by = report
        .units
        .get(&port)
        .map(|units| format!(" ({})", printable(&units.join(", "))))
        .unwrap_or_default();
    let known = [
        ("in clear", counts.clear),
        ("decrypted", counts.decrypted),
        ("dark: opened before they were watched", counts.dark_before),
        ("dark: library or suite not supported", counts.dark_library),
        ("dark: their secret never came", counts.dark_secret),
        ("QUIC, not read", counts.quic),
    ];
    let told: Vec<String> =
        known.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    let told = if told.is_empty() { "no connection ended yet".to_owned() } else { told.join(", ") };
    format!("tls          port {port}{by}: {told}")
}

fn http(report: &HttpReport) -> String {
    let ports: Vec<String> = report.ports.iter().map(ToString::to_string).collect();
    let ports = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
    format!(
        "{}, {} failed; {}, {}; ports {ports}",
        counted(report.exchanges, "exchange"),
        report.failures,
        counted(report.connections, "connection"),
        counted(report.routes, "route"),
    )
}

/// Losses, by cause; `none` if there are none.
pub(super) fn losses(report: &StatusReport) -> String {
    let losses = &report.losses;
    let http = report.http.clone().unwrap_or_default();
    // An older daemon does not report causes.
    let by_cause: u64 = http.segments_lost_by.values().fold(0, |sum, count| sum.saturating_add(*count));
    let untold = http.segments_lost.saturating_sub(by_cause);
    let causes = http.segments_lost_by.iter().filter(|(_, count)| **count > 0);
    let causes = causes.map(|(cause, count)| format!("segments not mirrored ({cause}): {count}"));
    let counts = [
        ("segments not mirrored", untold),
        ("stream gaps", http.stream_gaps),
        ("mirror instructions refused", http.refused_instructions),
        ("failures not counted per client", http.failures_uncounted),
        ("exchanges not logged", http.log_errors),
        ("client table full", losses.table_full),
        ("admission contended", losses.admission_contended),
        ("notices lost", losses.notices_lost),
        ("notices over rate", losses.notices_suppressed),
        ("frames not fully parsed", losses.unparsed),
        ("state not written", losses.state_write_errors),
        ("alerts not delivered", losses.alerts_undelivered),
    ];
    let others = counts.iter().filter(|(_, count)| *count > 0);
    let some: Vec<String> = causes.chain(others.map(|(what, count)| format!("{what}: {count}"))).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

pub(super) fn limits(rows: &Vec<LimitRow>) -> String {
    let mut table = table(&["scope", "packets", "bits", "connections", "requests", "from"], 6);
    for row in rows {
        let limit = |limit: Option<Limit>| limit.map_or("off".to_owned(), |limit| limit.to_string());
        table.add_row([
            with_networks(&row.scope, row.networks),
            limit(row.limits.packets),
            limit(row.limits.bits),
            limit(row.limits.connections),
            limit(row.limits.requests),
            row.origin.label().to_owned(),
        ]);
    }
    let mut text = trimmed(&table);
    for row in rows {
        for (dimension, burst) in &row.raised_bursts {
            text.push_str(&format!(
                "\nnote: {} {dimension}: burst raised to {burst}, the least that one kernel clock tick or the largest \
                 frame needs",
                row.scope
            ));
        }
        if let Some(until) = row.unconfirmed_until {
            text.push_str(&format!(
                "\nlimits of {} are rolled back at {} unless `sensor confirm` follows",
                row.scope,
                seconds(until)
            ));
        }
    }
    text
}

/// The meaning of a scope's limits that were set, and whether they are enforced.
pub(super) fn limits_in_words(rows: &[LimitRow], (scope, set): (Scope, Limits), mode: Mode) -> String {
    let of_scope = rows.iter().filter(|row| row.scope == scope).flat_map(|row| row.limits.iter());
    let of_scope = of_scope.filter(|(dimension, _)| set.get(*dimension).is_some());
    let mut lines: Vec<String> = of_scope
        .filter_map(|(dimension, limit)| {
            let Limit::Rate(rate) = limit else { return None };
            Some(format!("{scope}: {}", rate.in_words(dimension.name())))
        })
        .collect();
    if mode == Mode::Monitor {
        lines.push("mode is monitor: packets over a limit are counted, not dropped".to_owned());
    }
    lines.join("\n")
}

/// A group is listed with the number of its networks.
pub(super) fn with_networks(whom: &dyn Display, networks: Option<u64>) -> String {
    networks.map_or_else(|| whom.to_string(), |networks| format!("{whom} ({})", counted(networks, "network")))
}

pub(super) fn blocks(rows: &Vec<BlockRow>) -> String {
    if rows.is_empty() {
        return "no blocks".to_owned();
    }
    let mut table = table(&["prefix", "until", "since", "from", "reason"], 5);
    for row in rows {
        table.add_row([
            with_networks(&row.prefix, row.networks),
            row.until.map_or("permanent".to_owned(), seconds),
            seconds(row.since),
            row.origin.label().to_owned(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    trimmed(&table)
}

pub(super) fn allows(rows: &Vec<AllowRow>) -> String {
    if rows.is_empty() {
        return "no allow rules".to_owned();
    }
    let mut table = table(&["prefix", "since", "from", "reason"], 4);
    for row in rows {
        table.add_row([
            with_networks(&row.prefix, row.networks),
            seconds(row.since),
            row.origin.label().to_owned(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    trimmed(&table)
}

/// A table. Cells may contain anything: they are escaped, line ends included, when they are added.
pub(super) struct Rows(Table);

/// A table whose columns from `first_number` on are aligned to the right.
pub(super) fn table(header: &[&str], first_number: usize) -> Rows {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header.iter().copied());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= first_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Rows(table)
}

impl Rows {
    /// The rows of a table that has none yet.
    pub(super) const fn of(table: Table) -> Self {
        Self(table)
    }

    pub(super) fn align_left(&mut self, column: usize) {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }

    pub(super) fn align_right(&mut self, column: usize) {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    pub(super) fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells.into_iter().map(|cell| printable(&cell)));
    }
}

pub(super) fn trimmed(table: &Rows) -> String {
    table.0.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
