//! What limits would have done, and which ones are suggested.

use std::collections::BTreeMap;
use std::time::Duration;

use sensor_common::abi::Dimension;
use sensor_common::limit::Rate;
use serde::{Deserialize, Serialize};

use super::history::{Clients, Excluded, Needs, Tally, place_of};
use super::ladder::{self, RUNGS, rung_below, seconds};
use super::observer::Observer;
use super::sketch::Sketch;
use crate::clock::Timestamp;
use crate::enforce::{Limit, Limits, Scope};

/// Minimum observation time for a suggestion.
pub const LEAST_TIME: Duration = Duration::from_secs(600);
/// Minimum clients: with fewer, a 99th percentile is just the largest.
pub const LEAST_CLIENTS: u64 = 20;

/// Of limits that affect the same share of clients, the one that lets least through in this time is chosen.
const HORIZON_SECONDS: u64 = 60;
/// Headroom above the 99th percentile: the next rate of the ladder, at least twice as much, and half as much again for
/// the burst.
const HEADROOM: f64 = 1.5;

/// The lowest suggested rung and burst, about what a detector leaves an attacker (`[decide.limits]`): a person at a
/// keyboard stays below. On a host where most clients only probe, the 99th percentile is far lower.
const fn floor(dimension: Dimension) -> (usize, u64) {
    match dimension {
        Dimension::Packets => (3, 500),
        Dimension::Bits => (3, 5_000_000),
        Dimension::Connections | Dimension::Requests => (3, 10),
    }
}

/// A limit, and its effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The limit.
    pub limit: Limit,
    /// Share of clients that it would have affected at least once in an hour, from 0 to 1, and never too low; absent if
    /// unknown, below the lowest rate tracked.
    pub touched: Option<f64>,
    /// Share of all traffic that those clients sent, of which part would have been dropped.
    pub traffic: Option<f64>,
}

/// One dimension of a scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DimensionReport {
    /// Its name.
    pub dimension: String,
    /// Clients that used it, once per hour.
    pub clients: u64,
    /// The limit that would have left half of them unaffected.
    pub p50: Candidate,
    /// 90 of 100.
    pub p90: Candidate,
    /// 99 of 100.
    pub p99: Candidate,
    /// All.
    pub max: Candidate,
    /// What is suggested.
    pub suggested: Candidate,
    /// What is in force.
    pub in_force: Option<Candidate>,
    /// The one asked about.
    pub asked: Option<Candidate>,
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScopeReport {
    /// Whose limits.
    pub scope: Scope,
    /// Clients, once per hour.
    pub clients: u64,
    /// Clients that exceeded a limit in force, excluded from or included in those, as requested.
    pub limited: u64,
    /// Dimensions that were used.
    pub dimensions: Vec<DimensionReport>,
    /// The suggested limits together.
    pub suggested: Limits,
}

/// `sensor limit suggest`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Start of the data.
    pub since: Option<Timestamp>,
    /// Seconds observed, without gaps.
    pub observed_seconds: u64,
    /// One in this many clients is tracked now, chosen at random.
    pub one_in: u32,
    /// Clients tracked, once per hour; without those excluded.
    pub clients: u64,
    /// Whether those over a limit are included.
    pub limited_included: bool,
    /// Clients left out, by reason.
    pub excluded: Excluded,
    /// By scope.
    pub scopes: Vec<ScopeReport>,
    /// What is missing for a reliable suggestion; empty if nothing is.
    pub lacking: Vec<String>,
}

/// The query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// Days from this one on; all, if absent.
    pub since: Option<Timestamp>,
    /// Whether clients that exceeded a limit count.
    pub include_limited: bool,
    /// Limits to evaluate.
    pub what_if: Limits,
}

impl Observer {
    /// What limits would have done, and which ones are suggested. `in_force` are the current ones.
    #[must_use]
    pub fn report(&self, ask: &Ask, in_force: &BTreeMap<Scope, Limits>) -> Report {
        let tally = self.together(ask.since);
        let scopes = tally.scopes.iter().filter(|(scope, _)| in_force.contains_key(scope));
        let scopes: Vec<ScopeReport> = scopes
            .map(|(scope, clients)| {
                of_scope(*scope, clients, ask, in_force.get(scope).copied().unwrap_or_default())
            })
            .filter(|scope| scope.clients > 0 || scope.limited > 0)
            .collect();
        let clients = scopes.iter().fold(0, |sum: u64, scope| sum.saturating_add(scope.clients));
        Report {
            since: tally.since,
            observed_seconds: tally.observed_ns / 1_000_000_000,
            one_in: self.watched().1,
            clients,
            limited_included: ask.include_limited,
            excluded: tally.excluded,
            lacking: lacking(&tally, clients),
            scopes,
        }
    }
}

fn lacking(tally: &Tally, clients: u64) -> Vec<String> {
    let mut lacking = Vec::new();
    let observed = Duration::from_nanos(tally.observed_ns);
    if observed < LEAST_TIME {
        let (seen, least) = (observed.as_secs(), LEAST_TIME.as_secs() / 60);
        lacking.push(format!("{seen} s observed, at least {least} minutes needed"));
    }
    if clients < LEAST_CLIENTS {
        lacking.push(format!("{clients} clients seen, at least {LEAST_CLIENTS} needed"));
    }
    lacking
}

fn of_scope(scope: Scope, clients: &Clients, ask: &Ask, in_force: Limits) -> ScopeReport {
    let mut dimensions = Vec::new();
    let mut suggested = Limits::default();
    for dimension in Dimension::ALL {
        let place = place_of(dimension);
        let mut needs = clients.usual.get(place).cloned().unwrap_or_default();
        if ask.include_limited
            && let Some(limited) = clients.limited.get(place)
        {
            needs.merge(limited);
        }
        if needs.clients() == 0 {
            continue;
        }
        if let Some(report) =
            of_dimension(dimension, &needs, in_force.get(dimension), ask.what_if.get(dimension))
        {
            suggested = suggested.with(dimension, report.suggested.limit);
            dimensions.push(report);
        }
    }
    let counted = if ask.include_limited { clients.count_limited } else { 0 };
    let total = clients.count.saturating_add(counted);
    ScopeReport { scope, clients: total, limited: clients.count_limited, dimensions, suggested }
}

fn of_dimension(
    dimension: Dimension,
    needs: &Needs,
    in_force: Option<Limit>,
    asked: Option<Limit>,
) -> Option<DimensionReport> {
    let at = |quantile| {
        let (rung, burst) = tightest(dimension, needs, quantile)?;
        judge(dimension, needs, limit_of(dimension, rung, burst)?)
    };
    let (rung, burst) = tightest(dimension, needs, 0.99)?;
    let (least_rung, least_burst) = floor(dimension);
    let next = rung.saturating_add(1).min(RUNGS.saturating_sub(1)).max(least_rung);
    let suggested = limit_of(dimension, next, readable(precise(burst) * HEADROOM).max(least_burst))?;
    Some(DimensionReport {
        dimension: dimension.name().to_owned(),
        clients: needs.clients(),
        p50: at(0.50)?,
        p90: at(0.90)?,
        p99: at(0.99)?,
        max: at(1.0)?,
        suggested: judge(dimension, needs, suggested)?,
        in_force: in_force.and_then(|limit| judge(dimension, needs, limit)),
        asked: asked.and_then(|limit| judge(dimension, needs, limit)),
    })
}

/// Of the limits that leave this share of clients unaffected, one per rung, the one that lets least through in
/// [`HORIZON_SECONDS`]: its rung and its burst.
fn tightest(dimension: Dimension, needs: &Needs, quantile: f64) -> Option<(usize, u64)> {
    let lets_through = |(rung, burst): &(usize, u64)| {
        let (count, period) = ladder::count(dimension, *rung);
        let sustained = count.saturating_mul(HORIZON_SECONDS).checked_div(seconds(period)).unwrap_or(0);
        burst.saturating_add(sustained)
    };
    let limits = (0..RUNGS).filter_map(|rung| Some((rung, needs.rung(rung)?.quantile(quantile))));
    limits.min_by_key(lets_through)
}

fn limit_of(dimension: Dimension, rung: usize, burst: u64) -> Option<Limit> {
    let (count, period) = ladder::count(dimension, rung);
    Rate::new(count, period, Some(burst.clamp(1, Rate::MAX_BURST))).ok().map(Limit::Rate)
}

/// What a limit would have done. Its rate is rounded down to the next one tracked, so that the share is not
/// underestimated.
fn judge(dimension: Dimension, needs: &Needs, limit: Limit) -> Option<Candidate> {
    let Limit::Rate(rate) = limit else {
        return Some(Candidate { limit, touched: Some(0.0), traffic: Some(0.0) });
    };
    let sketch: Option<&Sketch> = rung_below(dimension, rate).and_then(|rung| needs.rung(rung));
    let shares = sketch.map(|sketch| sketch.above(rate.burst()));
    Some(Candidate { limit, touched: shares.map(|shares| shares.0), traffic: shares.map(|shares| shares.1) })
}

/// The next of 1, 1.5, 2, 3, 5, 7 and their multiples of ten; whole numbers below ten.
pub(super) fn readable(number: f64) -> u64 {
    const STEPS: [f64; 7] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0];
    if number <= 10.0 {
        return whole(number.ceil().max(1.0));
    }
    let scale = 10_f64.powf(number.log10().floor());
    let step = STEPS.into_iter().find(|step| step * scale >= number);
    whole((step.unwrap_or(10.0) * scale).round())
}

#[expect(clippy::cast_precision_loss, reason = "a sketch is coarser")]
const fn precise(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts saturate, and bursts are positive"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}
