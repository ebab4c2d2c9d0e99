//! Memory of clients, accounts, passwords and routes. Successes are kept apart from failures, so that no flood of
//! failures turns everybody into a stranger.

use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use super::familiar::{self, Familiar};
use super::{Attempt, Network, Source};
use crate::detect::config::Sources;
use crate::detect::window::{Moment, Span, Spread, Table, hash_of};
use crate::detect::{Usage, brute_force, credential_stuffing, distributed, password_spraying};
use crate::event::{Exchange, Login, LoginOutcome};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

const DAY: Duration = Duration::from_secs(86_400);
/// How long a success is remembered: people who log in monthly are still known.
pub(super) const REMEMBERED: Duration = Duration::from_secs(35 * 86_400);
/// Entries of the tables. Filled by an attack that shows each client, account and password at least twice, they take
/// about 120 MiB together; once, 40 MiB.
const CLIENTS: usize = 32_768;
const ACCOUNTS: usize = 32_768;
const PASSWORDS: usize = 16_384;
const KNOWN_CLIENTS: usize = 65_536;
const KNOWN_ACCOUNTS: usize = 131_072;
const ROUTES: usize = 64;
/// Longest name of a route, in bytes.
const LONGEST_ROUTE: usize = 128;

/// A client's recent behaviour.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) guessing: brute_force::OfClient,
    pub(crate) stuffing: credential_stuffing::OfClient,
    pub(crate) sampling: distributed::OfClient,
}

/// A client that logged in.
#[derive(Default)]
pub(super) struct Known {
    accounts: Spread<2>,
}

/// Where an account was logged in from: the latest networks, as many as one person uses.
#[derive(Default)]
pub(super) struct Homes {
    networks: [Option<Network>; KNOWN_HOMES],
    next: u8,
}

/// Networks remembered per account.
pub(super) const KNOWN_HOMES: usize = 4;

impl Homes {
    pub(super) const fn networks(&self) -> &[Option<Network>; KNOWN_HOMES] {
        &self.networks
    }
}

/// A login route.
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) control: Control,
    pub(crate) watch: distributed::Watch,
}

/// All of it.
pub(crate) struct History {
    pub(crate) clients: Table<Source, Client>,
    pub(crate) accounts: Table<KeyedHash, brute_force::OfAccount>,
    pub(crate) passwords: Table<KeyedHash, password_spraying::OfPassword>,
    pub(crate) routes: Table<Arc<str>, Route>,
    known_clients: Table<ClientNet, Known>,
    known_accounts: Table<KeyedHash, Homes>,
    sources: Sources,
    /// Attempts that could not be read.
    unread: u64,
}

impl History {
    pub(crate) fn new(sources: Sources) -> Self {
        Self {
            sources,
            unread: 0,
            clients: Table::new(CLIENTS, DAY),
            accounts: Table::new(ACCOUNTS, DAY),
            passwords: Table::new(PASSWORDS, DAY),
            routes: Table::new(ROUTES, REMEMBERED),
            known_clients: Table::new(KNOWN_CLIENTS, REMEMBERED),
            known_accounts: Table::new(KNOWN_ACCOUNTS, REMEMBERED),
        }
    }

    /// What is known about an attempt beforehand; none if its outcome is unknown.
    pub(crate) fn attempt<'a>(
        &mut self,
        exchange: &'a Exchange<'a>,
        login: &Login,
        now: Moment,
    ) -> Option<Attempt<'a>> {
        let failed = match login.outcome {
            LoginOutcome::Success => false,
            LoginOutcome::Failure => true,
            LoginOutcome::Unknown => return None,
        };
        let network = Network::of(exchange.client);
        let homes = login.user.and_then(|user| self.known_accounts.peek_used(&user, now));
        let familiar = homes.is_some_and(|(_, homes)| homes.networks.contains(&Some(network)));
        let client = self.sources.client(exchange.client);
        let known = self.known_clients.peek_used(&client, now);
        let lately = |used: Option<Moment>| used.is_some_and(|used| now.since(used) < DAY);
        let settled = familiar && lately(homes.map(|homes| homes.0)) && lately(known.map(|known| known.0));
        let known = known.is_some();
        // Successes are not evaluated.
        let neighbours = if failed && known { self.neighbours(client, now) } else { 0 };
        let is_owners = !failed && !familiar && self.repeated(client, login.user, exchange.cross_site, now);
        let (site, unread) = (self.sources.site(client), self.unread);
        self.unread = self.unread.wrapping_add(u64::from(login.unread));
        let route = self.route(exchange, now);
        let is_control = familiar && route.control.observe(hash_of(client.owner()), failed, now);
        let outage = route.control.is_failing(now);
        let unread = login.unread.then_some(unread);
        Some(Attempt {
            exchange,
            client,
            site,
            is_of_site: false,
            is_foreign: exchange.cross_site,
            unread,
            now,
            network,
            account: login.user,
            password: login.password,
            fingerprint: login.fingerprint,
            failed,
            route: Arc::clone(&route.name),
            familiar: familiar || is_owners,
            known,
            settled,
            neighbours,
            outage,
            is_control,
            fleet: login.fleet,
        })
    }

    /// Whether this client repeated one password for an account, in vain.
    fn repeated(&self, client: ClientNet, account: Option<KeyedHash>, is_foreign: bool, now: Moment) -> bool {
        let known = self.clients.peek(&Source { client, is_foreign }, now);
        account.zip(known).is_some_and(|(account, known)| known.stuffing.is_owners(account))
    }

    /// Accounts logged in to from a network while nothing was suspicious.
    fn neighbours(&self, client: ClientNet, now: Moment) -> u32 {
        let known = self.known_clients.peek(&client, now);
        known.map_or(0, |known| known.accounts.count(now, Span::of(REMEMBERED)))
    }

    /// The same attempt as one of its client's site.
    pub(crate) fn of_site<'a>(&self, attempt: &Attempt<'a>) -> Option<Attempt<'a>> {
        let site = attempt.site.filter(|_| !attempt.is_foreign)?;
        let neighbours = if attempt.failed { self.neighbours(site, attempt.now) } else { 0 };
        Some(Attempt { client: site, is_of_site: true, neighbours, ..attempt.clone() })
    }

    /// An unsuspicious success: its client and its account are known from now on.
    pub(crate) fn learn(&mut self, attempt: &Attempt<'_>) {
        if attempt.settled {
            return;
        }
        let now = attempt.now;
        for client in [Some(attempt.client), attempt.site].into_iter().flatten() {
            let known = self.known_clients.entry(client, now, Known::default);
            if let Some(account) = attempt.account {
                known.accounts.insert(hash_of(account), now, Span::of(REMEMBERED));
            }
        }
        let Some(account) = attempt.account else { return };
        let homes = self.known_accounts.entry(account, now, Homes::default);
        if !homes.networks.contains(&Some(attempt.network)) {
            if let Some(home) = homes.networks.get_mut(usize::from(homes.next) % KNOWN_HOMES) {
                *home = Some(attempt.network);
            }
            homes.next = homes.next.wrapping_add(1);
        }
    }

    /// Restores what was learned about a route before a restart. Entries beyond the bounds, or with an invalid name,
    /// are left out.
    pub(super) fn restore(&mut self, name: &str, learned: super::Learned, now: Moment) {
        let usage = self.routes.usage();
        if name.len() > LONGEST_ROUTE || usage.entries >= usage.capacity {
            return;
        }
        let name: Arc<str> = Arc::from(name);
        let control = Control::new(Some(learned.control));
        let watch = distributed::Watch::new(Some(learned.strangers));
        self.routes.entry(Arc::clone(&name), now, || Route { name, control, watch });
    }

    /// Takes a piece of the known accounts and clients, for a file; whether that was the last one.
    pub(super) fn take_familiar(
        &mut self,
        copying: &mut familiar::Copying,
        most: usize,
        now: Moment,
    ) -> bool {
        let count = |known: &Known| known.accounts.count(now, Span::of(REMEMBERED));
        copying.take(&mut self.known_accounts, (&mut self.known_clients, count), (most, now))
    }

    /// Restores those known before a restart.
    pub(super) fn restore_familiar(&mut self, familiar: &Familiar, now: Moment) -> Result<(), String> {
        let (accounts, clients) = familiar.read(now)?;
        for familiar::Account { account, used, networks } in accounts {
            let next = u8::try_from(networks.iter().flatten().count()).unwrap_or_default();
            self.known_accounts.entry(account, used, || Homes { networks, next });
        }
        for familiar::Client { client, used, accounts } in clients {
            let known = self.known_clients.entry(client, used, Known::default);
            // Which accounts they were is not kept: the number stays until they log in again and are counted once more.
            for number in 0..accounts {
                known.accounts.insert(hash_of((client, number)), used, Span::of(REMEMBERED));
            }
        }
        Ok(())
    }

    pub(crate) fn usage(&self) -> [Usage; 6] {
        [
            self.clients.usage(),
            self.accounts.usage(),
            self.passwords.usage(),
            self.routes.usage(),
            self.known_clients.usage(),
            self.known_accounts.usage(),
        ]
    }

    /// The route of an exchange: its template; those without one share one, since clients can invent paths.
    fn route(&mut self, exchange: &Exchange<'_>, now: Moment) -> &mut Route {
        let name = exchange.route.filter(|name| name.len() <= LONGEST_ROUTE).unwrap_or("(none)");
        let name =
            self.routes.peek(name, now).map_or_else(|| Arc::from(name), |route| Arc::clone(&route.name));
        self.routes.entry(Arc::clone(&name), now, || Route {
            name,
            control: Control::new(None),
            watch: distributed::Watch::new(None),
        })
    }
}
