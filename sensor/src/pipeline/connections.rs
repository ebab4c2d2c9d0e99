//! What is told of connections, besides exchanges.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::event::{Held, HeldBy, Http2Abuse};
use crate::http;

/// A message under way for long.
pub(super) fn held(
    connection: &http::Connection,
    message: &http::Unfinished,
    trusts: impl Fn(IpAddr) -> bool,
) -> Held {
    let client = connection.client.address().to_canonical();
    Held {
        ts: message.time,
        client,
        client_port: connection.client.port(),
        server_port: connection.server.port(),
        proxied: trusts(client),
        proven: connection.proven,
        by: match message.part {
            http::UnfinishedPart::RequestHead => HeldBy::SlowHeaders,
            http::UnfinishedPart::RequestBody => HeldBy::SlowBody,
            http::UnfinishedPart::ResponseBody => HeldBy::SlowRead,
        },
        since: message.since,
        bytes: message.bytes,
    }
}

/// What a client did to HTTP/2 itself.
pub(super) fn abuse(
    connection: &http::Connection,
    abuse: &http::Abuse,
    time: Timestamp,
    trusts: impl Fn(IpAddr) -> bool,
) -> Http2Abuse {
    let client = connection.client.address().to_canonical();
    Http2Abuse { ts: time, client, proxied: trusts(client), proven: connection.proven, abuse: *abuse }
}
