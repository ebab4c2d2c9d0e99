//! Attacks that are no logins.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::event::{Held, HeldBy};
use sensor::identity::Kind;

use super::super::Actor;
use super::super::apps::App;
use super::super::record::Origin;
use super::super::routes::Route;
use super::super::stage::{ITEMS, Stage, Visitor, address};

/// Where attacks of one client come from.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(45, 155, 204, 33));

/// Requests of one client or of many, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests {
    pub(super) count: u64,
    pub(super) every: Duration,
    pub(super) sources: u64,
    pub(super) app: App,
    /// With an API key or a session, or without any.
    pub(super) principal: Option<Kind>,
    pub(super) route: Route,
    pub(super) ids: Ids,
    /// What is answered where there is nothing to be had, and to which share of requests.
    pub(super) refused: (u16, f64),
    pub(super) made: u64,
}

/// Which identifiers are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ids {
    /// One after the other.
    Sequential,
    /// Any.
    Random,
}

impl Actor for Requests {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let client = if self.sources == 1 { CLIENT } else { address(stage.random.below(self.sources)) };
        let principal = self.principal.map(|kind| stage.site.principal(kind, 666));
        let visitor = Visitor { client, app: self.app, principal, origin: Origin::Attack };
        let id = match self.ids {
            Ids::Sequential => 100 + self.made,
            Ids::Random => stage.random.below(ITEMS * 10),
        };
        let (refusal, share) = self.refused;
        let status = if stage.random.chance(share) { refusal } else { 200 };
        stage.request(&visitor, now, (self.route, id), status);
        self.made += 1;
        let gap = self.every.mul_f64(stage.random.unit().mul_add(0.4, 0.8));
        (self.made < self.count).then(|| now.plus(gap))
    }
}

/// Connections whose heads never end, as `slowloris` opens them: each is told every ten seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlowHeads {
    pub(super) connections: u16,
    pub(super) rounds: u32,
    pub(super) since: Option<Timestamp>,
}

impl Actor for SlowHeads {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        const EVERY: Duration = Duration::from_secs(10);
        let since = *self.since.get_or_insert(now);
        let ts = now.plus(EVERY);
        let bytes = 200 + ts.since(since).as_secs();
        for number in 0..self.connections {
            let client_port = 20_000 + number;
            let by = HeldBy::SlowHeaders;
            stage.hold(Held {
                proven: true,
                ts,
                client: CLIENT,
                client_port,
                server_port: 80,
                proxied: false,
                by,
                since,
                bytes,
            });
        }
        self.rounds -= 1;
        (self.rounds > 0).then_some(ts)
    }
}
