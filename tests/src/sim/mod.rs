//! A simulated site with labelled traffic: legitimate users and programs, and attacks.
//!
//! A simulation is a fast substitute, with known truth, for what is not available: weeks of a real site's traffic with
//! each request labelled. Rates have sources where there are any, and are otherwise marked as assumed. Its results are
//! about simulated traffic.
//!
//! Everything follows from a seed. Actors have separate random numbers, so an attack does not change the legitimate
//! traffic around it.
#![expect(
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    reason = "rates, shares and times of random events are real numbers, and never negative"
)]

pub mod apps;
pub mod attack;
pub mod baseline;
mod exposure;
pub mod judge;
pub mod live;
mod machines;
mod people;
pub mod plan;
pub mod random;
pub mod record;
pub mod routes;
mod situations;
pub mod stage;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sensor::clock::Timestamp;

use attack::Attack;
use plan::{MINUTE, Plan};
use random::{Random, mix};
use record::{Behaviour, SimEvent};
use stage::{Events, Site, Stage};

/// An actor who does things from time to time.
pub trait Actor: Send {
    /// What it does now; when it wants to act again. Nothing it does may become known before `now`.
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp>;
}

/// Events in the order in which they become known; memory for those under way only.
pub struct Simulation {
    site: Site,
    actors: Vec<(Box<dyn Actor>, Random)>,
    wakeups: BinaryHeap<Reverse<(Timestamp, usize)>>,
    events: Events,
}

impl Simulation {
    /// Legitimate traffic.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let site = Site::new(plan.clone());
        let (actors, wakeups, events) = (Vec::new(), BinaryHeap::new(), Events::default());
        let mut simulation = Self { site, actors, wakeups, events };
        let start = plan.start;
        simulation.add(start, people::Population);
        if plan.has(Behaviour::Office) {
            simulation.add(start, people::Office);
        }
        if plan.has(Behaviour::Marketing) {
            simulation.add(start, people::Marketing);
        }
        if plan.has(Behaviour::HealthChecker) {
            simulation.add(start, machines::HealthChecker);
        }
        if plan.has(Behaviour::Crawler) {
            simulation.add(start, machines::Crawler);
        }
        if plan.has(Behaviour::Bot) {
            (0..20).for_each(|bot| simulation.add(start, machines::Bot(bot)));
        }
        if plan.has(Behaviour::BatchJob) {
            simulation.add(start, machines::BatchJob::new());
        }
        if plan.has(Behaviour::ExpiredKey) {
            simulation.add(start, machines::ExpiredKey);
        }
        if plan.has(Behaviour::OldPassword) {
            for user in [1_001, 2_002, 3_003] {
                simulation.add(start.plus(MINUTE * (user % 15) as u32), machines::OldPassword::new(user));
            }
        }
        for actor in situations::of(|behaviour| plan.has(behaviour)) {
            simulation.add_boxed(start, actor);
        }
        simulation
    }

    /// Legitimate traffic, and an attack in it.
    #[must_use]
    pub fn with_attack(plan: &Plan, attack: Attack) -> Self {
        let mut simulation = Self::new(plan);
        simulation.site.trouble = attack.trouble;
        for actor in attack.actors {
            simulation.add_boxed(attack.start, actor);
        }
        simulation
    }

    fn add(&mut self, at: Timestamp, actor: impl Actor + 'static) {
        self.add_boxed(at, Box::new(actor));
    }

    fn add_boxed(&mut self, at: Timestamp, actor: Box<dyn Actor>) {
        let number = self.actors.len();
        let random = Random::new(self.site.plan.seed).fork(mix(number as u64));
        self.actors.push((actor, random));
        self.wakeups.push(Reverse((at, number)));
    }

    /// The site.
    #[must_use]
    pub const fn site(&self) -> &Site {
        &self.site
    }
}

impl Iterator for Simulation {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        let end = self.site.plan.end();
        while let Some(&Reverse((at, number))) = self.wakeups.peek() {
            let is_due = at < end && self.events.next_at().is_none_or(|next| at <= next);
            if !is_due {
                break;
            }
            self.wakeups.pop();
            let (actor, random) = &mut self.actors[number];
            let mut stage = Stage { site: &self.site, random, events: &mut self.events };
            if let Some(next) = actor.act(at, &mut stage) {
                self.wakeups.push(Reverse((next, number)));
            }
        }
        // What is under way at the end comes to its own.
        self.events.pop()
    }
}

#[cfg(test)]
mod tests;
