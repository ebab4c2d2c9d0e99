//! Exchanges by method and route: how many, how many failed, and recent latencies.
//!
//! Routes as detectors see them; hosts are not distinguished, because clients can invent them.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::latency::Latencies;
use crate::clock::Timestamp;
use crate::event::{UnitId, Units};
use crate::http::Method;
use crate::route::{Route, Routes};

/// Maximum rows of method and route; the rest share one.
pub const MAX_ROUTES: usize = 256;
/// Recent values cover the elapsed part of the current window, and the whole previous one.
pub const RECENT_WINDOW: Duration = Duration::from_secs(30);
/// When room is needed, a row without exchanges for this many windows, ten minutes, is evicted.
const IDLE_WINDOWS: u64 = 20;

/// Counts of exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCounts {
    /// All.
    pub requests: u64,
    /// Of these, answered with 4xx.
    pub client_errors: u64,
    /// Of these, answered with 5xx.
    pub server_errors: u64,
}

impl RouteCounts {
    /// Those with a status of 400 or more.
    #[must_use]
    pub const fn errors(self) -> u64 {
        self.client_errors.saturating_add(self.server_errors)
    }

    fn note(&mut self, status: Option<u16>) {
        let one = |is: bool| u64::from(is);
        self.requests = self.requests.saturating_add(1);
        self.client_errors = self.client_errors.saturating_add(one(matches!(status, Some(400..=499))));
        self.server_errors = self.server_errors.saturating_add(one(matches!(status, Some(500..=599))));
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            client_errors: self.client_errors.saturating_add(other.client_errors),
            server_errors: self.server_errors.saturating_add(other.server_errors),
        }
    }
}

/// One method and route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLine {
    /// The method as a label; empty in [`RouteTable::rest`].
    pub method: &'static str,
    /// The template; empty in [`RouteTable::rest`].
    pub route: String,
    /// The unit or container that serves it, if known.
    pub unit: Option<String>,
    /// Since the start, or since the route reappeared after an eviction.
    pub total: RouteCounts,
    /// Recent: between one and two of [`RECENT_WINDOW`].
    pub recent: RouteCounts,
    /// The median latency of the recent ones, in microseconds, to a sixteenth.
    pub p50_us: Option<u64>,
    /// 99 of 100 recent exchanges were no slower.
    pub p99_us: Option<u64>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// In no particular order.
    pub lines: Vec<RouteLine>,
    /// Exchanges without a row, or whose row was evicted, and responses whose request was not seen.
    pub rest: RouteLine,
}

/// Counts and latencies of one window.
#[derive(Clone, Debug, Default)]
struct Tally {
    counts: RouteCounts,
    latencies: Latencies,
}

/// One method and route, or the rest.
#[derive(Clone, Debug, Default)]
struct Row {
    total: RouteCounts,
    /// The number of the window that `now` is for.
    window: u64,
    now: Tally,
    before: Tally,
}

impl Row {
    fn note(&mut self, window: u64, status: Option<u16>, duration: Option<Duration>) {
        self.turn(window);
        self.total.note(status);
        self.now.counts.note(status);
        if let Some(duration) = duration {
            self.now.latencies.note(duration);
        }
    }

    fn turn(&mut self, window: u64) {
        // A segment from another CPU may come slightly late: it counts in the current window.
        if window == self.window || window.saturating_add(1) == self.window {
            return;
        }
        let now = std::mem::take(&mut self.now);
        self.before = if window == self.window.saturating_add(1) { now } else { Tally::default() };
        self.window = window;
    }

    /// Cheap if nothing is recent, as on an idle host.
    fn line(&self, method: &'static str, route: &str, window: u64) -> RouteLine {
        let mut line =
            RouteLine { method, route: route.to_owned(), total: self.total, ..RouteLine::default() };
        let tallies = match window.saturating_sub(self.window) {
            0 => [Some(&self.before), Some(&self.now)],
            1 => [Some(&self.now), None],
            _ => [None, None],
        };
        let mut latencies = Latencies::default();
        for tally in tallies.into_iter().flatten().filter(|tally| tally.counts.requests > 0) {
            line.recent = line.recent.plus(tally.counts);
            latencies.add(&tally.latencies);
        }
        if line.recent.requests > 0 {
            line.p50_us = latencies.quantile_us(500);
            line.p99_us = latencies.quantile_us(990);
        }
        line
    }
}

type Key = (Route, Method, Option<UnitId>);

/// The table.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRoute {
    /// Indexes into `rows`.
    index: HashMap<Key, usize, RandomState>,
    rows: Vec<(Key, Row)>,
    rest: Row,
    /// The window in which room was last made: once per window is enough.
    swept: u64,
}

impl ByRoute {
    /// Counts an exchange that ended at this time.
    pub(super) fn note(
        &mut self,
        (route, unit): (Option<Route>, Option<UnitId>),
        method: Method,
        status: Option<u16>,
        (ended, duration): (Timestamp, Option<Duration>),
    ) {
        let window = window_of(ended);
        let place = route.and_then(|route| self.place((route, method, unit), window));
        let row = place.and_then(|place| self.rows.get_mut(place));
        row.map_or(&mut self.rest, |(_, row)| row).note(window, status, duration);
    }

    fn place(&mut self, key: Key, window: u64) -> Option<usize> {
        if let Some(place) = self.index.get(&key) {
            return Some(*place);
        }
        if self.rows.len() >= MAX_ROUTES && self.swept != window {
            self.swept = window;
            self.sweep(window);
        }
        if self.rows.len() >= MAX_ROUTES {
            return None;
        }
        let place = self.rows.len();
        self.rows.push((key, Row::default()));
        self.index.insert(key, place);
        Some(place)
    }

    /// Makes room: while routes are being learned, templates are replaced by more general ones and never occur again.
    fn sweep(&mut self, window: u64) {
        let rest = &mut self.rest;
        self.rows.retain(|(_, row)| {
            let stays = window.saturating_sub(row.window) < IDLE_WINDOWS;
            if !stays {
                rest.total = rest.total.plus(row.total);
            }
            stays
        });
        self.index = self.rows.iter().enumerate().map(|(place, (key, _))| (*key, place)).collect();
    }

    /// The table at this time.
    pub(super) fn table(&self, routes: &Routes, units: &Units, now: Timestamp) -> RouteTable {
        let window = window_of(now);
        let lines = self.rows.iter();
        RouteTable {
            lines: lines
                .map(|((route, method, unit), row)| {
                    let unit = unit.and_then(|unit| units.name(unit)).map(str::to_owned);
                    RouteLine { unit, ..row.line(method.label(), routes.text(*route), window) }
                })
                .collect(),
            rest: self.rest.line("", "", window),
        }
    }
}

/// The number of the window that a moment falls into.
fn window_of(at: Timestamp) -> u64 {
    let window = u64::try_from(RECENT_WINDOW.as_nanos()).unwrap_or(u64::MAX);
    at.unix_nanos().checked_div(window).unwrap_or(0)
}

#[cfg(test)]
mod tests;
