//! The detectors of attacks on logins share their memory; this joins them.
//!
//! Everything but a login returns at once. A login costs a few table look-ups.

mod attempt;
mod control;
mod familiar;
mod history;
mod incident;
mod recent;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Config, Response};
use super::learning::{Begun, PIECE, Taken};
use super::shared::{Others, Together};
use super::window::{Moment, Steady};
use super::{Detector, Offender, Signal, Threat, Usage};
use super::{account_takeover, brute_force, credential_stuffing, distributed, password_spraying};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange, Login};

pub use attempt::Network;
pub(crate) use attempt::{Attempt, Source};
pub(crate) use control::{Control, failing, odds_shift, shifted};
use familiar::Familiar;
pub(crate) use history::Client;
use history::{History, REMEMBERED, Route};
use incident::Incidents;
pub(crate) use incident::{Account, Case};
pub(crate) use recent::{Recent, Seen};

/// Brute force, password spraying, both forms of credential stuffing, and account takeover, as far as enabled.
pub(super) struct Credentials {
    steady: Steady,
    history: History,
    desk: Desk,
    guessing: Option<brute_force::Rule>,
    spraying: Option<password_spraying::Rule>,
    stuffing: credential_stuffing::Rule,
    /// The same for sites.
    site_guessing: Option<brute_force::Rule>,
    site_stuffing: credential_stuffing::Rule,
    distributed: distributed::Rule,
    stuffing_on: bool,
    takeover_on: bool,
    others: Others,
}

/// Where cases are reported.
struct Desk {
    incidents: Incidents,
    recent: Recent,
    at: Timestamp,
    now: Moment,
}

impl Desk {
    /// What an attempt's client, or its site, is known to have done recently.
    fn offence(&self, attempt: &Attempt<'_>) -> Option<Threat> {
        let of_site = || attempt.site.and_then(|site| self.incidents.offence(site, self.now));
        self.incidents.offence(attempt.client, self.now).or_else(of_site)
    }

    /// A failure of a known offender, or of a client whose site is one.
    fn goes_on(&mut self, attempt: &Attempt<'_>) -> Option<Signal> {
        let own = self.incidents.offence(attempt.client, self.now).is_some();
        let whole = if own { Some(attempt.client) } else { attempt.site };
        let client = whole.filter(|_| !attempt.is_foreign)?;
        self.incidents.goes_on(Offender { client, ..attempt.offender() }, self.now, self.at)
    }

    /// Records a case, and reports it if that is due. At its beginning, or if `look_back` says so, earlier participants
    /// join it.
    fn file(
        &mut self,
        mut case: Case,
        look_back: bool,
        part: impl Fn(&Seen) -> bool,
        explain: impl FnOnce(&Recent) -> Account,
    ) -> Option<Signal> {
        if look_back || !self.incidents.is_open(&case, self.now) {
            case.offenders.extend(self.recent.iter().filter(|seen| part(seen)).map(|seen| seen.offender));
        }
        if !self.incidents.note(&case, self.now) {
            return None;
        }
        let account = explain(&self.recent);
        self.incidents.tell(case, account, self.now, self.at)
    }

    /// Reports accounts that offenders got into before they were known as such.
    fn takeovers(&mut self, from: usize, signals: &mut Vec<Signal>) {
        let mut found = Vec::new();
        for signal in signals.iter().skip(from).filter(|signal| signal.threat != Threat::AccountTakeover) {
            for seen in account_takeover::before(&self.recent, &signal.offenders, self.now) {
                let case = account_takeover::case(seen.account, seen.offender, true);
                found.push((case, account_takeover::explain_seen(seen, Some(signal.threat))));
            }
        }
        for (case, account) in found {
            if self.incidents.note(&case, self.now) {
                signals.extend(self.incidents.tell(case, account, self.now, self.at));
            }
        }
    }
}

impl Credentials {
    /// The enabled detectors; none if all are off.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let is_on = |threat| config.response(threat) != Response::Off;
        let guessing = is_on(Threat::BruteForce).then(|| brute_force::Rule::new(&config.brute_force));
        let spraying =
            is_on(Threat::PasswordSpraying).then(|| password_spraying::Rule::new(&config.password_spraying));
        let sources = config.sources();
        let site_guessing =
            guessing.as_ref().map(|_| brute_force::Rule::new(&config.brute_force.of_sites(sources)));
        let site_stuffing = credential_stuffing::Rule::new(&config.credential_stuffing.of_sites(sources));
        let stuffing_on = is_on(Threat::CredentialStuffing);
        (guessing.is_some() || spraying.is_some() || stuffing_on).then(|| Self {
            steady: Steady::after(REMEMBERED),
            history: History::new(sources),
            desk: Desk {
                incidents: Incidents::new(),
                recent: Recent::new(),
                at: Timestamp::default(),
                now: Steady::after(REMEMBERED).at(Timestamp::default()),
            },
            guessing,
            spraying,
            stuffing: credential_stuffing::Rule::new(&config.credential_stuffing),
            site_guessing,
            site_stuffing,
            distributed: distributed::Rule::new(&config.distributed),
            stuffing_on,
            takeover_on: is_on(Threat::AccountTakeover),
            others: Others::default(),
        })
    }

    fn failure(&mut self, attempt: &Attempt<'_>, signals: &mut Vec<Signal>) {
        let (desk, now) = (&mut self.desk, attempt.now);
        let offending = desk.offence(attempt).is_some();
        let client = self.history.clients.entry(attempt.source(), now, Client::default);
        self.stuffing.observe(attempt, client);
        if let Some(rule) = &self.guessing {
            rule.observe_client(attempt, client);
            let account = attempt.account;
            let target = account.map(|account| self.history.accounts.entry(account, now, Default::default));
            let target = target.map(|target| {
                if !offending {
                    rule.observe_account(attempt, target);
                }
                &*target
            });
            if let Some(case) = rule.judge_client(attempt, client) {
                let explain = |recent: &Recent| rule.explain_client(attempt, client, recent);
                signals.extend(desk.file(case, false, |_| false, explain));
            } else if let Some(target) = target {
                let route = self.history.routes.peek(&*attempt.route, now);
                let is_common =
                    route.is_some_and(|route| route.watch.has_common_program(attempt.fingerprint, now));
                let target = (target, is_common);
                if let Some(case) = rule.judge_account(attempt, client, target) {
                    let part = |seen: &Seen| rule.was_part(attempt, target, seen);
                    let explain = |recent: &Recent| rule.explain_account(attempt, target.0, recent);
                    signals.extend(desk.file(case, false, part, explain));
                }
            }
        }
        if let (Some(rule), Some(password)) = (&mut self.spraying, attempt.password) {
            let state = self.history.passwords.entry(password, now, Default::default);
            rule.observe(attempt, state);
            if let Some(case) = rule.judge(attempt, state, || self.stuffing.accounts(&client.stuffing, now)) {
                let part = |seen: &Seen| rule.was_part(attempt, state, seen);
                signals.extend(desk.file(case, false, part, |recent| rule.explain(attempt, state, recent)));
            }
        }
        if let Some(case) = self.stuffing_on.then(|| self.stuffing.judge(attempt, client)).flatten() {
            let explain = |recent: &Recent| self.stuffing.explain(attempt, client, recent);
            signals.extend(desk.file(case, false, |_| false, explain));
        }
        if offending && !attempt.familiar {
            signals.extend(desk.goes_on(attempt));
        }
        if !offending && let Some(attempt) = self.history.of_site(attempt) {
            self.site_failure(&attempt, signals);
        }
    }

    /// A failure of a client that is not an offender itself counts for its site.
    fn site_failure(&mut self, attempt: &Attempt<'_>, signals: &mut Vec<Signal>) {
        let (desk, now) = (&mut self.desk, attempt.now);
        let site = self.history.clients.entry(attempt.source(), now, Client::default);
        self.site_stuffing.observe(attempt, site);
        if let Some(rule) = &self.site_guessing {
            rule.observe_client(attempt, site);
            if let Some(case) = rule.judge_client(attempt, site) {
                let explain = |recent: &Recent| rule.explain_client(attempt, site, recent);
                signals.extend(desk.file(case, false, |_| false, explain));
            }
        }
        if let Some(case) = self.stuffing_on.then(|| self.site_stuffing.judge(attempt, site)).flatten() {
            let explain = |recent: &Recent| self.site_stuffing.explain(attempt, site, recent);
            signals.extend(desk.file(case, false, |_| false, explain));
        }
    }

    fn success(&mut self, attempt: &Attempt<'_>, signals: &mut Vec<Signal>) {
        let (desk, now) = (&mut self.desk, attempt.now);
        if let (Some(rule), Some(password)) = (&mut self.spraying, attempt.password)
            && let Some(state) = self.history.passwords.get(&password, now)
        {
            rule.observe(attempt, state);
        }
        let client = self.history.clients.entry(attempt.source(), now, Client::default);
        self.stuffing.observe(attempt, client);
        let is_calm = self.stuffing.is_calm(client, now) && !attempt.is_foreign;
        let offence = desk.offence(attempt);
        if let Some(attempt) = self.history.of_site(attempt) {
            let site = self.history.clients.entry(attempt.source(), now, Client::default);
            self.site_stuffing.observe(&attempt, site);
        }
        let route = self.history.routes.peek(&*attempt.route, now);
        let alike =
            self.stuffing_on && route.is_some_and(|route| self.distributed.matches(attempt, &route.watch));
        if !attempt.familiar && (offence.is_some() || alike) {
            if self.takeover_on {
                let case = account_takeover::case(attempt.account, attempt.offender(), !attempt.is_foreign);
                let explain = |recent: &Recent| account_takeover::explain(attempt, offence, recent);
                signals.extend(desk.file(case, false, |_| false, explain));
            }
        } else if is_calm {
            self.history.learn(attempt);
        }
    }

    fn spread(&mut self, attempt: &Attempt<'_>, signals: &mut Vec<Signal>) {
        let (desk, now, rule) = (&mut self.desk, attempt.now, &self.distributed);
        let client = self.history.clients.entry(attempt.source(), now, Client::default);
        let stuffing = &client.stuffing;
        let accounts = || self.stuffing.open_accounts(stuffing, now);
        let Some(Route { name, control, watch }) = self.history.routes.get(&*attempt.route, now) else {
            return;
        };
        let outcome = rule.observe(attempt, &mut client.sampling, (watch, control), accounts);
        if let Some(told) = distributed::Rule::told(attempt, outcome.whose, watch, control) {
            self.others.tell(told);
        }
        let Some(case) = outcome.case else { return };
        let watch = &*watch;
        let part = |seen: &Seen| seen.failed && rule.matched(seen, watch, name, now);
        let explain = |recent: &Recent| rule.explain(attempt, watch, recent);
        signals.extend(desk.file(case, outcome.look_back, part, explain));
        if outcome.look_back && self.takeover_on {
            let got_in =
                |seen: &&Seen| !seen.failed && !seen.familiar && rule.matched(seen, watch, name, now);
            let found: Vec<_> = desk
                .recent
                .iter()
                .filter(got_in)
                .map(|seen| {
                    (
                        account_takeover::case(seen.account, seen.offender, true),
                        account_takeover::explain_seen(seen, None),
                    )
                })
                .collect();
            for (case, account) in found {
                signals.extend(desk.file(case, false, |_| false, |_| account));
            }
        }
    }

    /// Takes what all hosts of a fleet together found, if that is news.
    fn hear(&mut self, at: Timestamp) {
        let Some(outlook) = self.others.news(at) else { return };
        for (name, route) in self.history.routes.iter_mut() {
            route.watch.hear(outlook.routes.get(name), self.desk.now);
        }
    }

    fn attempt(&mut self, exchange: &Exchange<'_>, login: &Login, signals: &mut Vec<Signal>) {
        let now = self.steady.at(exchange.seen);
        let Some(attempt) = self.history.attempt(exchange, login, now) else { return };
        self.desk.at = exchange.seen;
        self.desk.now = now;
        self.desk.incidents.next_attempt();
        self.desk.recent.push(&attempt);
        let from = signals.len();
        if self.stuffing_on {
            self.spread(&attempt, signals);
        }
        if attempt.failed {
            self.failure(&attempt, signals);
        } else {
            self.success(&attempt, signals);
        }
        if self.takeover_on && signals.len() > from {
            self.desk.takeovers(from, signals);
        }
    }
}

impl Detector for Credentials {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        let Event::Exchange(exchange) = event else { return };
        let Some(login) = &exchange.login else { return };
        for login in std::iter::once(login).chain(exchange.further.read) {
            self.attempt(exchange, login, signals);
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.desk.at = now;
        self.desk.now = self.steady.at(now);
        self.hear(now);
        let from = signals.len();
        self.desk.incidents.advance(self.desk.now, now, signals);
        if self.takeover_on && signals.len() > from {
            self.desk.takeovers(from, signals);
        }
    }

    fn usage(&self) -> Usage {
        let watches = self.history.routes.iter().map(|(_, route)| route.watch.usage());
        let tables = self.history.usage().into_iter().chain(self.desk.incidents.usage());
        tables.chain(watches).fold(Usage::default(), Usage::and)
    }

    fn name(&self) -> &'static str {
        "credentials"
    }

    fn join(&mut self, together: &Together) {
        self.others = Others::of(together);
    }

    fn take(&mut self, begun: Option<Begun>) -> Taken {
        let mut copying: Box<familiar::Copying> =
            begun.and_then(|begun| begun.downcast().ok()).unwrap_or_default();
        if !self.history.take_familiar(&mut copying, PIECE, self.desk.now) {
            return Taken::Part(copying);
        }
        let routes: BTreeMap<String, Learned> = self
            .history
            .routes
            .iter()
            .map(|(name, route)| {
                let learned = Learned { control: route.control.learned(), strangers: route.watch.learned() };
                (name.to_string(), learned)
            })
            .collect();
        Taken::All(Box::new(|| serde_json::to_value(Kept { routes, familiar: copying.kept() }).ok()))
    }

    fn restore(&mut self, learned: &serde_json::Value) -> Result<(), String> {
        // Before accounts were stored, there were only routes.
        let kept = if learned.get("routes").is_some() {
            Kept::deserialize(learned)
        } else {
            BTreeMap::deserialize(learned).map(|routes| Kept { routes, familiar: Familiar::default() })
        };
        let kept = kept.map_err(|error| format!("credentials: {error}"))?;
        for (name, learned) in kept.routes {
            self.history.restore(&name, learned, self.desk.now);
        }
        self.history.restore_familiar(&kept.familiar, self.desk.now)
    }
}

/// What survives a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    routes: BTreeMap<String, Learned>,
    #[serde(default)]
    familiar: Familiar,
}

/// What is learned about a route, and survives a restart.
#[derive(Serialize, Deserialize)]
struct Learned {
    control: control::Learned,
    strangers: distributed::Learned,
}

#[cfg(test)]
mod tests;
