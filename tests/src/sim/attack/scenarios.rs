//! The catalogue.

use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::detect::Threat;
use sensor::identity::Kind;

use super::super::apps::App;
use super::super::plan::{HOUR, MINUTE};
use super::super::routes::{PROBES, Route};
use super::super::stage::Trouble;
use super::logins::{Credentials, Logins, Spread};
use super::probing::{Ids, Requests, SlowHeads};
use super::{Attack, Class, Scenario};

const STUFFING: &[Threat] = &[Threat::CredentialStuffing];
const BRUTE_FORCE: &[Threat] = &[Threat::BruteForce];
/// Many accounts and mostly failures: that it is one password is the better word, the other is not wrong.
const SPRAYING: &[Threat] = &[Threat::PasswordSpraying, Threat::CredentialStuffing];
const ENUMERATION: &[Threat] = &[Threat::Enumeration];
const SCANNER: &[Threat] = &[Threat::Scanner];
/// Of a stolen list; in the middle of what is published.
const SUCCESS: f64 = 0.007;

const fn scenario(
    name: &'static str,
    class: Class,
    threats: &'static [Threat],
    minutes: u32,
    make: fn(&Scenario) -> Attack,
) -> Scenario {
    Scenario { name, class, threats, lasts: Duration::from_secs(minutes as u64 * 60), make }
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario("stuffing, 1 address, 10/s", Class::SingleSource, STUFFING, 5, |s| {
        logins(s, 3_000, Spread::Hosted(1), Credentials::Stolen(SUCCESS), App::TOOL)
    }),
    scenario("stuffing, 1 address, 5/min", Class::SingleSource, STUFFING, 120, |s| {
        logins(s, 600, Spread::Hosted(1), Credentials::Stolen(SUCCESS), App::SCRIPT)
    }),
    scenario("stuffing, 1 address, 18/h", Class::SingleSource, STUFFING, 480, |s| {
        logins(s, 144, Spread::Hosted(1), Credentials::Stolen(SUCCESS), App::COMMONEST)
    }),
    scenario("brute force, 1 address, 2/s", Class::SingleSource, BRUTE_FORCE, 10, |s| {
        logins(s, 1_200, Spread::Hosted(1), Credentials::OneAccount, App::SCRIPT)
    }),
    scenario("brute force, 1 address, 18/h", Class::SingleSource, BRUTE_FORCE, 360, |s| {
        logins(s, 108, Spread::Hosted(1), Credentials::OneAccount, App::COMMONEST)
    }),
    scenario("spraying, 1 address, 1/s", Class::SingleSource, SPRAYING, 10, |s| {
        logins(s, 600, Spread::Hosted(1), Credentials::OnePassword(0.005), App::TOOL)
    }),
    scenario("spraying, 1 address, 1/min", Class::SingleSource, SPRAYING, 300, |s| {
        logins(s, 300, Spread::Hosted(1), Credentials::OnePassword(0.005), App::COMMONEST)
    }),
    scenario("brute force, 200 addresses x 5", Class::SeveralSources, BRUTE_FORCE, 60, |s| {
        logins(s, 1_000, Spread::Residential(200), Credentials::OneAccount, App::COMMONEST)
    }),
    scenario("spraying, 300 addresses x 10", Class::SeveralSources, SPRAYING, 120, |s| {
        logins(s, 3_000, Spread::Hosted(300), Credentials::OnePassword(0.005), App::TOOL)
    }),
    scenario("stuffing, 2,000 hosted x 2, odd tool", Class::Distributed, STUFFING, 10, |s| {
        logins(s, 4_000, Spread::Hosted(2_000), Credentials::Stolen(SUCCESS), App::TOOL)
    }),
    scenario("stuffing, 2,000 homes x 2, odd tool", Class::Distributed, STUFFING, 10, |s| {
        logins(s, 4_000, Spread::Residential(2_000), Credentials::Stolen(SUCCESS), App::TOOL)
    }),
    scenario("stuffing, 2,000 homes x 2, as browser", Class::Distributed, STUFFING, 10, |s| {
        logins(s, 4_000, Spread::Residential(2_000), Credentials::Stolen(SUCCESS), App::COMMONEST)
    }),
    scenario("stuffing, 5,000 hosted x 1, odd tool", Class::LowAndSlow, STUFFING, 360, |s| {
        logins(s, 5_000, Spread::Hosted(5_000), Credentials::Stolen(SUCCESS), App::TOOL)
    }),
    scenario("stuffing, 5,000 homes x 1, as browser", Class::LowAndSlow, STUFFING, 360, |s| {
        logins(s, 5_000, Spread::Residential(5_000), Credentials::Stolen(SUCCESS), App::COMMONEST)
    }),
    scenario("stuffing, 300 hosted, 1/h each, odd tool", Class::LowAndSlow, STUFFING, 480, |s| {
        logins(s, 2_400, Spread::Hosted(300), Credentials::Stolen(SUCCESS), App::TOOL)
    }),
    scenario("stuffing, 300 homes, 1/h each, as browser", Class::LowAndSlow, STUFFING, 480, |s| {
        logins(s, 2_400, Spread::Residential(300), Credentials::Stolen(SUCCESS), App::COMMONEST)
    }),
    scenario("enumeration in order, answered", Class::Probing, ENUMERATION, 5, |s| {
        requests(s, 1_500, Some(Kind::Session), (Route::UserOrders, Ids::Sequential), (403, 0.05))
    }),
    scenario("enumeration in order, refused, 6/min", Class::Probing, ENUMERATION, 120, |s| {
        requests(s, 720, Some(Kind::Session), (Route::UserOrders, Ids::Sequential), (403, 0.95))
    }),
    scenario("enumeration at random", Class::Probing, ENUMERATION, 10, |s| {
        requests(s, 1_200, None, (Route::Item, Ids::Random), (404, 0.9))
    }),
    scenario("scanner, 5/s", Class::Probing, SCANNER, 2, |s| {
        requests(s, 600, None, (Route::Probe, Ids::Sequential), (404, 1.0))
    }),
    scenario("scanner, 2/min", Class::Probing, SCANNER, 60, |s| {
        requests(s, 5 * PROBES.len() as u64, None, (Route::Probe, Ids::Random), (404, 1.0))
    }),
    scenario("forged tokens, 2/min", Class::Exposure, &[Threat::TokenMisuse], 10, |s| {
        requests(s, 20, None, (Route::Profile, Ids::Sequential), (401, 1.0))
    }),
    scenario("customers' records, 6/min", Class::Exposure, &[Threat::DataExposure], 30, |s| {
        requests(s, 180, Some(Kind::Session), (Route::Customers, Ids::Sequential), (200, 0.0))
    }),
    scenario("expensive documents, 2/min", Class::Exposure, &[Threat::Graphql], 10, |s| {
        requests(s, 20, None, (Route::Graphql, Ids::Sequential), (200, 0.0))
    }),
    scenario("one key, 20 requests/s", Class::Load, &[Threat::RequestRate], 5, |s| {
        requests(s, 6_000, Some(Kind::ApiKey), (Route::Orders, Ids::Sequential), (200, 0.0))
    }),
    scenario("slow heads, 150 connections", Class::Load, &[Threat::SlowAttack], 10, |s| {
        let rounds = (s.lasts.as_secs() / 10) as u32;
        Attack {
            actors: vec![Box::new(SlowHeads { connections: 150, rounds, since: None })],
            ..Attack::default()
        }
    }),
    scenario("search at 20 times its rate", Class::Anomaly, &[Threat::RateSpike], 10, |s| {
        let every = MINUTE / (60 * 40);
        let count = (s.lasts.as_secs() * 40).max(1);
        let app = App::COMMONEST;
        let requests = Requests {
            count,
            every,
            sources: 300,
            app,
            principal: None,
            route: Route::Search,
            ids: Ids::Random,
            refused: (200, 0.0),
            made: 0,
        };
        Attack { actors: vec![Box::new(requests)], ..Attack::default() }
    }),
    scenario("30% of searches fail", Class::Anomaly, &[Threat::ErrorSpike], 10, |_| trouble(0.3, 1)),
    scenario("searches take 8 times as long", Class::Anomaly, &[Threat::LatencySpike], 15, |_| {
        trouble(0.0, 8)
    }),
];

fn logins(scenario: &Scenario, attempts: u64, spread: Spread, credentials: Credentials, app: App) -> Attack {
    let logins = Logins { attempts, lasts: scenario.lasts, spread, credentials, app, made: 0 };
    Attack { actors: vec![Box::new(logins)], ..Attack::default() }
}

fn requests(
    scenario: &Scenario,
    count: u64,
    principal: Option<Kind>,
    (route, ids): (Route, Ids),
    refused: (u16, f64),
) -> Attack {
    let every = scenario.lasts / u32::try_from(count).unwrap_or(1);
    let app = if route == Route::Probe { App::SCANNER } else { App::SCRIPT };
    let requests = Requests { count, every, sources: 1, app, principal, route, ids, refused, made: 0 };
    Attack { actors: vec![Box::new(requests)], ..Attack::default() }
}

/// Of the site itself, on one route.
fn trouble(failing: f64, slower: u32) -> Attack {
    let window = (Timestamp::default(), Timestamp::default().plus(HOUR));
    let trouble = Trouble { route: Route::Search, window, failing, slower };
    Attack { trouble: Some(trouble), ..Attack::default() }
}
