//! What the simulated site offers.

use std::fmt;
use std::time::Duration;

use super::random::mix;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// The login.
    Login,
    /// Asking for a new password.
    Reset,
    /// The start page.
    Home,
    /// Scripts and pictures.
    Static,
    /// A search.
    Search,
    /// An item, which anybody may see.
    Item,
    /// The orders of a user, which only the user may see.
    UserOrders,
    /// One's own orders; asked by programs with a key, too.
    Orders,
    /// Whether the site is well.
    Health,
    /// A path that does not exist, of [`PROBES`].
    Probe,
    /// A package of a mirror.
    Package,
    /// The stored result of a step of a build.
    BuildResult,
    /// The picture of a member.
    Avatar,
    /// A snapshot of a backup.
    Snapshot,
    /// An icon in one of its sizes.
    Icon,
    /// The cover of a book.
    Cover,
    /// One's own data, to which a token is brought.
    Profile,
    /// The data of customers, for staff.
    Customers,
    /// Questions in GraphQL.
    Graphql,
}

/// What scanners look for: well-known places of secrets, consoles and leaks.
pub const PROBES: [&str; 24] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/wp-admin/",
    "/phpmyadmin/",
    "/admin/",
    "/administrator/",
    "/actuator/env",
    "/actuator/heapdump",
    "/server-status",
    "/.aws/credentials",
    "/backup.zip",
    "/db.sql",
    "/config.json",
    "/api/swagger.json",
    "/v2/api-docs",
    "/console/",
    "/solr/admin/",
    "/cgi-bin/test.cgi",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/.svn/entries",
    "/debug/vars",
    "/jenkins/",
    "/manager/html",
];

impl Route {
    /// Its template, as the sensor learns it.
    #[must_use]
    pub const fn template(self) -> &'static str {
        match self {
            Self::Login => "/login",
            Self::Reset => "/password/reset",
            Self::Home => "/",
            Self::Static => "/static/{id}",
            Self::Search => "/api/search",
            Self::Item => "/api/items/{id}",
            Self::UserOrders => "/api/users/{id}/orders",
            Self::Orders => "/api/orders",
            Self::Health => "/health",
            Self::Probe => "/{other}",
            Self::Package => "/packages/{id}",
            Self::BuildResult => "/cache/{id}",
            Self::Avatar => "/avatars/{id}",
            Self::Snapshot => "/snapshots/{id}",
            Self::Icon => "/icons/{id}",
            Self::Cover => "/covers/{id}",
            Self::Profile => "/api/profile",
            Self::Customers => "/api/customers",
            Self::Graphql => "/graphql",
        }
    }

    /// The path with an identifier.
    #[must_use]
    pub const fn path(self, id: u64) -> Path {
        Path(self, id)
    }

    /// Median time until the response begins; a login checks a password, which is slow on purpose.
    #[must_use]
    pub const fn median(self) -> Duration {
        Duration::from_millis(match self {
            Self::Login => 180,
            Self::Reset => 90,
            Self::Home => 12,
            Self::Static => 2,
            Self::Search => 70,
            Self::Item => 15,
            Self::UserOrders | Self::Orders | Self::Profile | Self::Customers | Self::Graphql => 35,
            Self::Health | Self::Probe | Self::Icon => 1,
            Self::Package | Self::BuildResult | Self::Snapshot => 20,
            Self::Avatar | Self::Cover => 4,
        })
    }

    /// Bytes of a response's body.
    #[must_use]
    pub const fn bytes(self, status: u16) -> u64 {
        match (self, status) {
            (_, 400..) => 60,
            (Self::Static, _) => 40_000,
            (Self::Home, _) => 12_000,
            _ => 900,
        }
    }
}

/// A path, as text.
#[derive(Clone, Copy, Debug)]
pub struct Path(Route, u64);

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(route, id) = *self;
        match route {
            Route::Item => write!(out, "/api/items/{id}"),
            Route::UserOrders => write!(out, "/api/users/{id}/orders"),
            Route::Static => write!(out, "/static/{id}"),
            Route::Package => write!(out, "/packages/{:016x}{:016x}.narinfo", mix(id), mix(!id)),
            Route::BuildResult => write!(out, "/cache/{:016x}", mix(id)),
            Route::Avatar => write!(out, "/avatars/{id}.png"),
            Route::Snapshot => write!(out, "/snapshots/{id}"),
            Route::Icon => write!(out, "/icons/touch-{0}x{0}.png", 16 * (id + 1)),
            Route::Cover => write!(out, "/covers/{id}.jpg"),
            Route::Probe => {
                let known = PROBES.len() as u64;
                write!(out, "{}", PROBES[(id % known) as usize])?;
                // After the list: the same places below other folders, as scanners do.
                if id < known { Ok(()) } else { write!(out, "~{}", id / known) }
            }
            fixed @ (Route::Login
            | Route::Reset
            | Route::Home
            | Route::Search
            | Route::Orders
            | Route::Profile
            | Route::Customers
            | Route::Graphql
            | Route::Health) => out.write_str(fixed.template()),
        }
    }
}
