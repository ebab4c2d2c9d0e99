//! Reverse DNS, with a forward look-up to confirm the name. Name servers may be slow: several queries run at once, and
//! all have to finish within a few seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::super::say::complain;
use super::{Name, crawlers};
use crate::clock;

/// Concurrent queries.
const AT_A_TIME: usize = 16;
/// Most addresses in all.
const MOST: usize = 256;
/// Time limit for all together.
const PATIENCE: Duration = Duration::from_secs(5);

/// A source of names.
pub(super) trait Resolver: Send + Sync + 'static {
    /// The name that an address has.
    fn name(&self, address: IpAddr) -> Option<String>;
    /// The addresses that a name has.
    fn addresses(&self, name: &str) -> Vec<IpAddr>;
}

/// The system's resolver, with `/etc/hosts`.
struct System;

impl Resolver for System {
    fn name(&self, address: IpAddr) -> Option<String> {
        let name = dns_lookup::lookup_addr(&address).ok()?;
        // Without a name, the address comes back as text.
        name.parse::<IpAddr>().is_err().then_some(name)
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        dns_lookup::lookup_host(name).map(Iterator::collect).unwrap_or_default()
    }
}

/// The names found within a few seconds; reports if that is not all.
pub(super) fn resolve(mut addresses: Vec<IpAddr>) -> BTreeMap<IpAddr, Name> {
    let asked = addresses.len();
    addresses.truncate(MOST);
    let taken = addresses.len();
    let (found, answered) = resolve_by(Arc::new(System), addresses, PATIENCE);
    if answered < asked {
        complain(format!(
            "{} of {asked} addresses not resolved: {} without an answer within {} seconds, {} beyond the limit of {MOST}",
            asked.saturating_sub(answered),
            taken.saturating_sub(answered),
            PATIENCE.as_secs(),
            asked.saturating_sub(taken)
        ));
    }
    found
}

/// Names by address, and how many addresses were answered, even without a name. Threads that still wait for a name
/// server are abandoned: they end with the command.
fn resolve_by(
    resolver: Arc<dyn Resolver>,
    addresses: Vec<IpAddr>,
    patience: Duration,
) -> (BTreeMap<IpAddr, Name>, usize) {
    let (until, wanted) = (clock::now().plus(patience), addresses.len());
    let threads = wanted.min(AT_A_TIME);
    let queue = Arc::new(Mutex::new(addresses));
    let (sender, receiver) = mpsc::channel();
    for _ in 0..threads {
        let (resolver, queue, sender) = (Arc::clone(&resolver), Arc::clone(&queue), sender.clone());
        thread::spawn(move || {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            while let Some(address) = next() {
                if sender.send((address, look_up(&*resolver, address))).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let (mut found, mut answered) = (BTreeMap::new(), 0_usize);
    while answered < wanted {
        let Ok((address, name)) = receiver.recv_timeout(until.since(clock::now())) else { break };
        answered = answered.saturating_add(1);
        found.extend(name.map(|name| (address, name)));
    }
    (found, answered)
}

fn look_up(resolver: &dyn Resolver, address: IpAddr) -> Option<Name> {
    let name = resolver.name(address)?;
    let is_confirmed = resolver.addresses(&name).contains(&address);
    let crawler = if is_confirmed { crawlers::of(&name) } else { None };
    Some(Name { name: Some(name), name_confirmed: Some(is_confirmed), crawler, ..Name::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, and addresses of names; one address has a name server that never answers.
    struct Made;

    const CRAWLER: &str = "66.249.66.1";
    const LIAR: &str = "203.0.113.66";
    const HOST: &str = "198.51.100.7";
    const NAMELESS: &str = "198.51.100.8";
    const SILENT: &str = "192.0.2.1";

    impl Resolver for Made {
        fn name(&self, address: IpAddr) -> Option<String> {
            match address.to_string().as_str() {
                CRAWLER | LIAR => Some("crawl-66-249-66-1.googlebot.com".to_owned()),
                HOST => Some("host.example".to_owned()),
                SILENT => loop {
                    thread::park();
                },
                _ => None,
            }
        }

        fn addresses(&self, name: &str) -> Vec<IpAddr> {
            let address = if name == "host.example" { HOST } else { CRAWLER };
            vec![address.parse().unwrap()]
        }
    }

    fn resolved(addresses: &[&str], patience: Duration) -> (BTreeMap<IpAddr, Name>, usize) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        resolve_by(Arc::new(Made), addresses, patience)
    }

    #[test]
    fn a_crawler_is_who_is_confirmed() {
        let (found, answered) = resolved(&[CRAWLER, LIAR, HOST, NAMELESS], Duration::from_secs(60));
        assert_eq!((answered, found.len()), (4, 3));
        for (address, confirmed, crawler) in
            [(CRAWLER, true, Some("Googlebot")), (LIAR, false, None), (HOST, true, None)]
        {
            let name = &found[&address.parse().unwrap()];
            assert_eq!((name.name_confirmed, name.crawler), (Some(confirmed), crawler), "{address}");
        }
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let (found, answered) = resolved(&[SILENT, HOST], Duration::from_millis(500));
        assert_eq!((answered, found.len()), (1, 1));
    }

    #[test]
    fn nothing_is_asked_about_nobody() {
        assert_eq!(resolved(&[], Duration::from_secs(60)), (BTreeMap::new(), 0));
    }
}
