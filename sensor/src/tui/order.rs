//! Order of rows, and what identifies them.

use ipnet::IpNet;

use crate::control::wire::{BlockRow, ClientRow, ClientSort, RouteRow, RouteSort};
use crate::groups::Whom;

/// The order of clients and routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) clients: ClientSort,
    pub(super) routes: RouteSort,
}

/// What identifies a route's row.
pub(super) type RouteKey = (String, String);

pub(super) fn client_keys(rows: &[ClientRow]) -> Vec<IpNet> {
    rows.iter().map(|row| row.client).collect()
}

pub(super) fn route_keys(rows: &[RouteRow]) -> Vec<RouteKey> {
    rows.iter().map(|row| (row.method.clone(), row.route.clone())).collect()
}

pub(super) fn block_keys(rows: &[BlockRow]) -> Vec<Whom> {
    rows.iter().map(|row| row.prefix).collect()
}

pub(super) const fn next_client_sort(sort: ClientSort) -> ClientSort {
    match sort {
        ClientSort::Packets => ClientSort::Bits,
        ClientSort::Bits => ClientSort::Requests,
        ClientSort::Requests => ClientSort::Failures,
        ClientSort::Failures => ClientSort::Drops,
        ClientSort::Drops => ClientSort::Packets,
    }
}

pub(super) const fn next_route_sort(sort: RouteSort) -> RouteSort {
    match sort {
        RouteSort::Requests => RouteSort::Errors,
        RouteSort::Errors => RouteSort::Latency,
        RouteSort::Latency => RouteSort::Requests,
    }
}
