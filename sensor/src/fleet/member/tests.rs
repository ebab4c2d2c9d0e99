use std::net::IpAddr;

use hyper::Uri;
use ipnet::IpNet;

use super::super::key::key;
use super::*;
use crate::decide::Measure;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn client(number: u8) -> Subject {
    (IpNet::from(IpAddr::from([192, 0, 2, number])), Measure::Block)
}

fn statement(seconds: u64, host: u8, says: Says) -> (Statement, Vec<u8>) {
    let statement = Statement { at: at(seconds), key: key(host).public(), says };
    let blob = statement.seal("main", &key(99)).unwrap();
    (statement, blob)
}

fn member(number: u8, queue: usize) -> (Member, Receiver<Saying>) {
    let config = FleetConfig { queue, ..FleetConfig::to(Uri::from_static("redis://x"), key(99).public()) };
    let (mut member, said) = Member::new(config, key(number), at(100));
    for host in 1..=3 {
        member.hear(&statement(1, host, Says::Enrol { host: format!("web{host}") }).1).unwrap();
    }
    (member, said)
}

fn deliver(said: &mut Receiver<Saying>, to: &mut [&mut Member], now: Timestamp) {
    while let Ok(saying) = said.try_recv() {
        for member in to.iter_mut() {
            match &saying {
                Saying::Record { blob, .. } => drop(member.take(blob, now)),
                Saying::Statement { blob, .. } => drop(member.hear(blob)),
            }
        }
    }
}

#[test]
fn blocks_and_their_removal_reach_the_others() {
    let (mut one, mut said) = member(1, 16);
    let (mut other, mut others) = member(2, 16);
    one.hold(client(7), Some(at(900)), "scanner".to_owned(), at(100));
    deliver(&mut said, &mut [&mut other], at(100));
    let effect = other.effect(&client(7), at(101)).unwrap();
    assert_eq!((other.name_of(effect.by).as_str(), effect.reason.as_str()), ("web1", "scanner"));
    assert_eq!(one.effect(&client(7), at(101)), None, "its own policy has it");
    one.lift(client(7), false, at(102));
    deliver(&mut said, &mut [&mut other], at(102));
    assert_eq!(other.effect(&client(7), at(103)), None);
    // By a person on the other host, whose clock is late.
    one.hold(client(7), None, "scanner".to_owned(), at(110));
    deliver(&mut said, &mut [&mut other], at(105));
    assert!(other.effect(&client(7), at(105)).is_some());
    other.lift(client(7), true, at(105));
    assert_eq!(other.effect(&client(7), at(105)), None);
    let (mut third, _said) = member(3, 16);
    for (saying, _) in one.everything() {
        if let Saying::Record { blob, .. } = saying {
            third.take(&blob, at(110));
        }
    }
    assert!(third.effect(&client(7), at(110)).is_some());
    deliver(&mut others, &mut [&mut one, &mut third], at(110));
    assert_eq!(third.effect(&client(7), at(111)), None);
}

#[test]
fn what_does_not_fit_the_queue_is_counted_and_said_later() {
    let (mut one, _said) = member(1, 2);
    for number in 0..10 {
        one.hold(client(number), None, "x".to_owned(), at(100));
    }
    assert_eq!(one.state().counts().lost, 8);
    let records = one.everything().into_iter().filter(|(what, _)| matches!(what, Saying::Record { .. }));
    assert_eq!(records.count(), 10);
}

#[test]
fn a_stolen_host_is_expelled_and_undone() {
    let (mut thief, mut said) = member(3, 16);
    let (mut one, _said) = member(1, 16);
    thief.hold(client(7), None, "x".to_owned(), at(100));
    deliver(&mut said, &mut [&mut one], at(100));
    let (expel, blob) = statement(110, 3, Says::Expel);
    assert!(one.tell(&expel, blob).unwrap().is_empty());
    assert!(one.effect(&client(7), at(111)).is_some(), "what it had decided stands");
    thief.hold(client(8), None, "x".to_owned(), at(112));
    deliver(&mut said, &mut [&mut one], at(112));
    assert_eq!((one.effect(&client(8), at(113)), one.refused()[&Refusal::Expelled]), (None, 1));
    let (undo, blob) = statement(120, 3, Says::Undo);
    assert_eq!(one.tell(&undo, blob).unwrap(), [client(7)]);
    assert_eq!(one.effect(&client(7), at(121)), None);
    // The thief cannot sign a statement.
    let enrol = Statement { at: at(130), key: key(4).public(), says: Says::Enrol { host: "x".to_owned() } };
    let forged = enrol.seal("main", &key(3)).unwrap();
    assert_eq!(one.hear(&forged), Err(Refusal::Stranger));
}

#[test]
fn sequences_rise_over_a_restart_with_the_clock_set_back() {
    let (mut one, mut said) = member(1, 16);
    one.hold(client(7), None, "x".to_owned(), at(100));
    let Ok(Saying::Record { blob, .. }) = said.try_recv() else { panic!("nothing was said") };
    let config = FleetConfig::to(Uri::from_static("redis://x"), key(99).public());
    let (mut again, _said) = Member::new(config, key(1), at(50));
    again.take(&blob, at(50));
    again.lift(client(7), false, at(51));
    assert!(!again.standing().holds(&client(7)), "the newer record counts");
}
