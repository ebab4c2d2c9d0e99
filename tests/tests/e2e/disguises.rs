//! Requests in forms that no honest client sends but Linux accepts: all are seen, and a blocked client gets none
//! through.

use anyhow::{Result, ensure};
use sensor_tests::netns::{v4, v6};
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::peers::raw::{Disguise, RAW, RawPeer};
use sensor_tests::scene::{Scene, config};
use sensor_tests::seen::Seen;
use sensor_tests::tools;

const DISGUISES: [(bool, Disguise); 12] = [
    (false, Disguise::None),
    (false, Disguise::Fragments),
    (false, Disguise::Tags(3)),
    (false, Disguise::Tags(4)),
    (false, Disguise::Tags(30)),
    (true, Disguise::None),
    (true, Disguise::Fragments),
    (true, Disguise::Tags(4)),
    (true, Disguise::Destinations(1)),
    (true, Disguise::Destinations(9)),
    (true, Disguise::Destinations(64)),
    (true, Disguise::Destinations(120)),
];

fn login(number: usize) -> Vec<u8> {
    let body = format!("user=u{number}&password=p{number}");
    format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn thirty_of_thirty_logins_are_seen_in_every_disguise() -> Result<()> {
    if tools::skipped("thirty_of_thirty_logins_are_seen_in_every_disguise", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let mut peer = RawPeer::new(&seen.scene.net)?;
    for (is_v6, disguise) in DISGUISES {
        for number in 0..30 {
            let answered = peer.request(is_v6, Nginx::PORT, disguise, &login(number))?;
            ensure!(answered, "{disguise:?} {number} of IPv6 {is_v6} was not answered");
        }
    }
    // The server's own log says the same, and nothing was lost.
    let records = seen.equals_the_access_log()?;
    ensure!(records.len() == DISGUISES.len() * 30, "{} exchanges", records.len());
    ensure!(records.iter().all(|record| record["login"].is_object()), "not all are logins");
    Ok(())
}

#[test]
fn a_blocked_client_gets_no_answer_in_any_disguise() -> Result<()> {
    if tools::skipped("a_blocked_client_gets_no_answer_in_any_disguise", &["ip", "nginx"]) {
        return Ok(());
    }
    let scene = Scene::with_nginx(&config("enforce", "off"))?;
    let mut peer = RawPeer::new(&scene.net)?;
    let beyond =
        [(false, Disguise::Tags(65)), (true, Disguise::Tags(65)), (true, Disguise::Destinations(65))];
    // Nobody is blocked: what goes beyond the depth that is followed is dropped all the same.
    for (is_v6, disguise) in beyond {
        ensure!(!peer.request(is_v6, Nginx::PORT, disguise, &login(0))?, "{disguise:?} was answered");
    }
    let dropped = |family: &str| -> Result<u64> {
        let labels = [("family", family), ("verdict", "drop"), ("reason", "header_depth")];
        Ok(scene.daemon.metrics()?.sum("sensor_packets_total", &labels))
    };
    let found = (dropped("other")?, dropped("ipv6")?);
    ensure!(found == (2, 1), "{found:?}");
    for (is_v6, disguise) in
        DISGUISES.into_iter().filter(|(_, disguise)| *disguise != Disguise::Destinations(120))
    {
        ensure!(peer.request(is_v6, Nginx::PORT, disguise, &login(0))?, "{disguise:?} was not answered");
    }
    for client in [v4(RAW), v6(RAW)] {
        scene.daemon.ok(&["block", "add", &client.to_string()])?;
    }
    for (is_v6, disguise) in DISGUISES {
        ensure!(!peer.request(is_v6, Nginx::PORT, disguise, &login(0))?, "{disguise:?} was answered");
    }
    Ok(())
}

#[test]
fn what_is_deeper_than_the_mirror_follows_is_told() -> Result<()> {
    if tools::skipped("what_is_deeper_than_the_mirror_follows_is_told", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let mut peer = RawPeer::new(&seen.scene.net)?;
    // Linux takes one tag off before the mirror looks.
    ensure!(peer.request(false, Nginx::PORT, Disguise::Tags(66), &login(0))?, "monitor mode drops nothing");
    let lost = |cause| {
        let metrics = seen.scene.daemon.metrics()?;
        anyhow::Ok(metrics.sum("sensor_mirror_lost_total", &[("cause", cause)]))
    };
    ensure!(lost("tag_depth")? > 0, "the loss is not counted");
    let status = seen.scene.daemon.ok(&["status"])?;
    ensure!(status.contains("segments not mirrored (tag_depth)"), "{status}");
    Ok(())
}
