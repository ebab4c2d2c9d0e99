//! Tests with a server that says what a test wants. Answers of 1.4.6 are as its server sends them, those of later versions
//! as their documentation describes them.

mod answers;
mod pulling;
mod pushing;
mod remembering;
mod server;

use ipnet::IpNet;

use super::decision::Decision;
use crate::clock::Timestamp;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn decision(id: i64, whom: &str, until: u64) -> Decision {
    let (origin, scenario) = ("CAPI".to_owned(), "crowdsecurity/ssh-bf".to_owned());
    Decision { id, prefix: prefix(whom), until: at(until), origin, scenario }
}
