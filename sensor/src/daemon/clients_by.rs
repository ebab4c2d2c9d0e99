//! Clients by autonomous system, country or network, which is what a distributed attack has in common, and by the unit
//! that answered them.

use std::cmp::Reverse;
use std::collections::HashMap;

use ipnet::IpNet;
use tokio::task::spawn_blocking;

use super::commands::{Commands, SAMPLE};
use super::engine::Engine;
use super::sensing::Sensing;
use super::served::ServedBy;
use crate::control::wire::{ClientSort, ClientsBy, ClientsRow, Rates};
use crate::groups::{Databases, Group, Origins};
use crate::kernel::ClientPrefixes;

/// What is counted of one client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) rates: Rates,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) requests: u64,
    pub(super) drops: u64,
    pub(super) failures: u64,
}

impl Commands {
    /// The busiest groups of clients, from two samples a second apart.
    pub(super) async fn clients_by(
        &self,
        by: ClientsBy,
        top: usize,
        sort: ClientSort,
    ) -> Result<Vec<ClientsRow>, String> {
        let databases = self.engine().config.databases.clone();
        check(&databases, by)?;
        let before = self.engine().sample_clients().map_err(|error| error.to_string())?;
        let units = Units::of(&self.engine());
        tokio::time::sleep(SAMPLE).await;
        let clients = self.engine().clients_since(&before).map_err(|error| error.to_string())?;
        let rows = spawn_blocking(move || {
            let namer = Namer { units, ..Namer::open(&databases, by)? };
            Ok(busiest(clients, &namer, top, sort))
        });
        rows.await.map_err(|error| error.to_string())?
    }
}

/// Whether there is a database for the question.
fn check(databases: &Databases, by: ClientsBy) -> Result<(), String> {
    let (what, key, path) = match by {
        ClientsBy::Asn => ("asn", "asn_database", &databases.asn_database),
        ClientsBy::Country => ("country", "country_database", &databases.country_database),
        ClientsBy::Prefix | ClientsBy::Unit => return Ok(()),
    };
    let missing =
        format!("--by {what} needs a database: set `names.{key}` to a file in MaxMind's format and reload");
    path.as_ref().map(drop).ok_or(missing)
}

/// Names the group that a client is in.
struct Namer {
    by: ClientsBy,
    origins: Origins,
    units: Units,
}

/// Who answered which client.
#[derive(Default)]
struct Units {
    served: ServedBy,
    prefixes: ClientPrefixes,
}

impl Units {
    fn of(engine: &Engine) -> Self {
        let served = engine.sensing.as_ref().map(Sensing::served).unwrap_or_default();
        Self { served, prefixes: engine.config.tuning.prefixes }
    }
}

impl Namer {
    fn open(databases: &Databases, by: ClientsBy) -> Result<Self, String> {
        let wanted = match by {
            ClientsBy::Asn => Databases { country_database: None, ..databases.clone() },
            ClientsBy::Country => Databases { asn_database: None, ..databases.clone() },
            ClientsBy::Prefix | ClientsBy::Unit => Databases::default(),
        };
        let mut trouble = None;
        let origins = Origins::open(&wanted, |error| trouble = Some(error.to_string()));
        trouble.map_or(Ok(Self { by, origins, units: Units::default() }), Err)
    }

    /// The groups, and whose they are: one, but for a client of several units.
    fn names(&self, client: &IpNet) -> Vec<(Option<String>, Option<String>)> {
        let one = match self.by {
            ClientsBy::Prefix => (Some(network_of(client).to_string()), None),
            ClientsBy::Asn => {
                let place = self.origins.of(client.addr());
                (place.asn.map(|asn| Group::Asn(asn).to_string()), place.organization)
            }
            ClientsBy::Country => {
                let country = self.origins.of(client.addr()).country;
                (country.map(|country| format!("country:{country}")), None)
            }
            ClientsBy::Unit => {
                let units = self.units.served.units(self.units.prefixes.net_of(client.addr()));
                let named: Vec<_> = units.into_iter().map(|unit| (Some(unit), None)).collect();
                return if named.is_empty() { vec![(None, None)] } else { named };
            }
        };
        vec![one]
    }
}

/// A /24 of IPv4 and a /48 of IPv6: the smallest networks that are routed between providers, and what sites are given
/// (RFC 6177).
fn network_of(client: &IpNet) -> IpNet {
    let bits = if client.addr().is_ipv4() { 24 } else { 48 };
    IpNet::new(client.addr(), client.prefix_len().min(bits)).map_or(*client, |network| network.trunc())
}

fn busiest(clients: Vec<(IpNet, Counted)>, namer: &Namer, top: usize, sort: ClientSort) -> Vec<ClientsRow> {
    let mut rows: HashMap<Option<String>, ClientsRow> = HashMap::new();
    for (client, counted) in clients {
        for (group, organization) in namer.names(&client) {
            let row = rows.entry(group).or_insert_with_key(|group| ClientsRow {
                group: group.clone(),
                organization,
                ..ClientsRow::default()
            });
            add(row, &counted);
        }
    }
    let mut rows: Vec<ClientsRow> = rows.into_values().collect();
    let total = |row: &ClientsRow| match sort {
        ClientSort::Packets => row.packets,
        ClientSort::Bits => row.bytes,
        ClientSort::Requests => row.requests,
        ClientSort::Drops => row.drops,
        ClientSort::Failures => row.failures,
    };
    rows.sort_by(|one, other| {
        let key = |row: &ClientsRow| Reverse((row.rates.by(sort), total(row), row.clients));
        key(one).cmp(&key(other)).then_with(|| one.group.cmp(&other.group))
    });
    rows.truncate(top);
    rows
}

fn add(row: &mut ClientsRow, counted: &Counted) {
    let Counted { rates, packets, bytes, requests, drops, failures } = counted;
    for (sum, one) in [
        (&mut row.clients, 1),
        (&mut row.packets, *packets),
        (&mut row.bytes, *bytes),
        (&mut row.requests, *requests),
        (&mut row.drops, *drops),
        (&mut row.failures, *failures),
        (&mut row.rates.packets, rates.packets),
        (&mut row.rates.bits, rates.bits),
        (&mut row.rates.requests, rates.requests),
        (&mut row.rates.drops, rates.drops),
        (&mut row.rates.failures, rates.failures),
    ] {
        *sum = sum.saturating_add(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_a_network_are_added_up() {
        let clients = [
            ("192.0.2.1/32", 5, 50),
            ("192.0.2.200/32", 6, 60),
            ("198.51.100.7/32", 9, 10),
            ("2001:db8:1:2::/64", 1, 1),
            ("2001:db8:1:ffff::/64", 1, 2),
        ];
        let counted = |(client, rate, packets): (&str, u64, u64)| {
            let rates = Rates { packets: rate, ..Rates::default() };
            (client.parse().unwrap(), Counted { rates, packets, ..Counted::default() })
        };
        let namer = Namer::open(&Databases::default(), ClientsBy::Prefix).unwrap();
        let rows = busiest(clients.into_iter().map(counted).collect(), &namer, 9, ClientSort::Packets);
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.group.as_deref().unwrap(), row.clients, row.rates.packets, row.packets))
            .collect();
        assert_eq!(
            told,
            [("192.0.2.0/24", 2, 11, 110), ("198.51.100.0/24", 1, 9, 10), ("2001:db8:1::/48", 2, 2, 3)]
        );
    }

    #[test]
    fn a_question_without_its_database_is_refused() {
        let error = check(&Databases::default(), ClientsBy::Asn).unwrap_err();
        assert!(error.contains("--by asn") && error.contains("names.asn_database"), "{error}");
        assert_eq!(check(&Databases::default(), ClientsBy::Prefix), Ok(()));
    }
}
