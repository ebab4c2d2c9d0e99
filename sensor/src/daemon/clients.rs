//! The busiest clients.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use sensor_common::abi::Slot;

use super::clients_by::Counted;
use super::engine::Engine;
use crate::control::wire::{ClientRow, ClientSort, Rates, Standing};
use crate::kernel::{Client, KernelError};
use crate::prefix::ClientNet;

/// What `sensor clients` keeps from the first of its two samples.
pub(super) struct Sample {
    clients: BTreeMap<IpAddr, Client>,
    failures: HashMap<IpAddr, u64>,
}

impl Engine {
    /// Totals of every tracked client.
    pub(super) fn sample_clients(&self) -> Result<Sample, KernelError> {
        let mut clients = BTreeMap::default();
        self.dataplane.clients().for_each(|client| {
            clients.insert(client.address, client);
        })?;
        Ok(Sample { clients, failures: self.failures() })
    }

    fn failures(&self) -> HashMap<IpAddr, u64> {
        self.sensing
            .as_ref()
            .map(|sensing| sensing.look(|told| Self::by_client(&told.failures)))
            .unwrap_or_default()
    }

    /// Converts counts by network to counts by its first address.
    fn by_client(counts: &HashMap<ClientNet, u64>) -> HashMap<IpAddr, u64> {
        let mut clients: HashMap<IpAddr, u64> = HashMap::new();
        for (client, count) in counts {
            let total = clients.entry(client.address()).or_default();
            *total = total.saturating_add(*count);
        }
        clients
    }

    /// The busiest clients since a sample.
    pub(super) fn busiest_clients(
        &self,
        before: &Sample,
        top: usize,
        sort: ClientSort,
    ) -> Result<Vec<ClientRow>, KernelError> {
        let mut rows = Vec::new();
        let failures = self.failures();
        self.dataplane.clients().for_each(|client| {
            let of = |failures: &HashMap<IpAddr, u64>| failures.get(&client.address).copied().unwrap_or(0);
            let now = of(&failures);
            let mut row = self.client_row(&client, before.clients.get(&client.address));
            row.failures = now;
            row.rates.failures = now.saturating_sub(of(&before.failures));
            rows.push(row);
        })?;
        rows.sort_unstable_by_key(|row| Reverse((row.rates.by(sort), row.total(sort), row.client)));
        rows.truncate(top);
        self.mark(&mut rows);
        rows.iter_mut().for_each(|row| row.units = self.units_of(&row.client));
        Ok(rows)
    }

    /// What every tracked client sent, in all and since a sample.
    pub(super) fn clients_since(&self, before: &Sample) -> Result<Vec<(IpNet, Counted)>, KernelError> {
        let mut clients = Vec::new();
        let failures = self.failures();
        self.dataplane.clients().for_each(|client| {
            let mut row = self.client_row(&client, before.clients.get(&client.address));
            let of = |failures: &HashMap<IpAddr, u64>| failures.get(&client.address).copied().unwrap_or(0);
            row.failures = of(&failures);
            row.rates.failures = row.failures.saturating_sub(of(&before.failures));
            let ClientRow { rates, packets, bytes, requests, drops, failures, .. } = row;
            clients.push((row.client, Counted { rates, packets, bytes, requests, drops, failures }));
        })?;
        Ok(clients)
    }

    /// The systemd units and containers that answered a client.
    pub(super) fn units_of(&self, client: &IpNet) -> Vec<String> {
        let net = self.config.tuning.prefixes.net_of(client.addr());
        self.sensing.as_ref().map(|sensing| sensing.served().units(net)).unwrap_or_default()
    }

    pub(super) fn client_row(&self, client: &Client, before: Option<&Client>) -> ClientRow {
        let Client { address, slot, details } = client;
        let frames = |slot: &Slot| slot.packets().saturating_add(slot.drops);
        let rates = before.map_or(Rates::default(), |before| Rates {
            packets: frames(slot).saturating_sub(frames(&before.slot)),
            bits: slot.bytes.saturating_sub(before.slot.bytes).saturating_mul(8),
            requests: details.requests().saturating_sub(before.details.requests()),
            drops: slot.drops.saturating_sub(before.slot.drops),
            failures: 0,
        });
        ClientRow {
            client: self.config.tuning.prefixes.client_of(*address),
            rates,
            packets: frames(slot),
            bytes: slot.bytes,
            requests: details.requests(),
            drops: slot.drops,
            proven: slot.is_proven(),
            failures: 0,
            standing: Standing::default(),
            units: Vec::new(),
            incident: None,
        }
    }
}
