//! The table of `sensor clients`.

use super::super::names::Names;
use super::{table, trimmed};
use crate::control::wire::{ClientRow, ClientsRow};

/// With a column of units and one of names if any are known.
pub(in crate::cli) fn clients(rows: &[ClientRow], names: &Names) -> String {
    if rows.is_empty() {
        return "no clients yet; a source becomes one with its second packet".to_owned();
    }
    let mut head = vec![
        "client",
        "packets/s",
        "bits/s",
        "requests/s",
        "drops/s",
        "packets",
        "drops",
        "failures",
        "incident",
    ];
    // Columns of what is known of any.
    let is_served = rows.iter().any(|row| !row.units.is_empty());
    let is_named = rows.iter().any(|row| names.get(&row.client).is_some());
    head.extend(is_served.then_some("units").into_iter().chain(is_named.then_some("name")));
    let mut table = table(&head, 1);
    (9..head.len()).for_each(|column| table.align_left(column));
    for row in rows {
        let mark = row.incident.map(|mark| format!("{} {}", mark.severity.label(), mark.id));
        let name = is_named.then(|| names.get(&row.client).map(ToString::to_string).unwrap_or_default());
        let cells = [
            row.client.to_string(),
            row.rates.packets.to_string(),
            row.rates.bits.to_string(),
            row.rates.requests.to_string(),
            row.rates.drops.to_string(),
            row.packets.to_string(),
            row.drops.to_string(),
            row.failures.to_string(),
            mark.unwrap_or_default(),
        ];
        let units = is_served.then(|| row.units.join(", "));
        table.add_row(cells.into_iter().chain(units).chain(name));
    }
    trimmed(&table)
}

/// Clients that were put together.
pub(in crate::cli) fn clients_by(rows: &Vec<ClientsRow>) -> String {
    if rows.is_empty() {
        return "no clients yet; a source becomes one with its second packet".to_owned();
    }
    let mut head = vec![
        "group",
        "clients",
        "packets/s",
        "bits/s",
        "requests/s",
        "drops/s",
        "packets",
        "drops",
        "failures",
    ];
    let is_named = rows.iter().any(|row| row.organization.is_some());
    if is_named {
        head.push("name");
    }
    let mut table = table(&head, 1);
    table.align_left(9);
    for row in rows {
        let name = is_named.then(|| row.organization.clone().unwrap_or_default());
        let cells = [
            row.group.clone().unwrap_or_else(|| "unknown".to_owned()),
            row.clients.to_string(),
            row.rates.packets.to_string(),
            row.rates.bits.to_string(),
            row.rates.requests.to_string(),
            row.rates.drops.to_string(),
            row.packets.to_string(),
            row.drops.to_string(),
            row.failures.to_string(),
        ];
        table.add_row(cells.into_iter().chain(name));
    }
    trimmed(&table)
}
