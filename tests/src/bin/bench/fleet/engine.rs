//! What the server has to do for many hosts: their commands, in their pace, two hosts on a connection.
//!
//! Hosts are not simulated as such, since 1,000 of them would need more than this machine: a record is random bytes of the
//! length that a real one has with so many strangers in a slot, and nobody reads what is answered.

use std::time::Duration;

use anyhow::Result;
use sensor_tests::peers::redis::Redis;
use sensor_tests::wait::{now, pace_until};

use super::resp::{Connection, Info};
use crate::contest::Effort;
use crate::report::{BYTES, MIB, PERCENT, Report, Target};

/// Hosts of the load, and those that each hears.
const HOSTS: usize = 1_000;
const HEARD: usize = 64;
/// Connections: below the usual limit of open files.
const CONNECTIONS: usize = 500;
/// A host with 1,000 exchanges a second, one in 300 of a stranger who logs in: 100 of them in a slot of 30 seconds.
const RECORD: usize = 2_048;
/// A signed decision, and how many the whole fleet makes in a second.
const DECISION: usize = 325;
const DECISIONS: usize = 10;
/// As long as the daemon lets the server keep a record, in milliseconds.
const LIFETIME: &[u8] = b"660000";
/// Slots of which the server has records.
const SLOTS: usize = 22;

pub(super) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let seconds = if effort.quick { 5 } else { 30 };
    let redis = Redis::start()?;
    let (before, after, late) = redis.enter(|| load(seconds))?;
    let of = |part: fn(&Info) -> f64| (part(&after) - part(&before)) / f64::from(seconds);
    report.compare(
        "CPU of the server for 1,000 hosts at 1,000 exchanges a second",
        (of(|info| info.cpu) * 100.0, PERCENT),
        ("one core", 100.0),
        Some(Target::AtMost(1.0)),
    );
    let mib = 1_048_576.0;
    report.value("memory of the server for 1,000 hosts", after.memory / mib, MIB);
    report.value(
        "bytes to and from the server, for each host and second",
        of(|info| info.bytes) / 1_000.0,
        BYTES,
    );
    report.note(format!(
        "the server's load: {HOSTS} hosts that hear {HEARD} others, records of {RECORD} bytes, {DECISIONS} decisions a \
         second, {:.0} commands and {:.0} MiB a second, in {seconds} seconds, of which {late} began late",
        of(|info| info.commands),
        of(|info| info.bytes) / mib
    ));
    Ok(())
}

/// Lets all hosts exchange once a second; returns what the server said before and after, and how many seconds came late.
fn load(seconds: u32) -> Result<(Info, Info, u32)> {
    let mut observer = Connection::open()?;
    let mut connections: Vec<Connection> =
        (0..CONNECTIONS).map(|_| Connection::open()).collect::<Result<_>>()?;
    let record = vec![b'x'; RECORD];
    let key = |slot: usize, host: usize| format!("sensor:{{bench}}:evidence:{slot}:{:043}", host % HOSTS);
    // What has gathered within ten minutes.
    for slot in 0..SLOTS {
        for number in 0..HOSTS {
            observer.command(&[b"SET", key(slot, number).as_bytes(), &record, b"PX", LIFETIME]);
            observer.send()?;
            observer.answers()?;
        }
    }
    let before = observer.info()?;
    let (began, mut late) = (now(), 0);
    for second in 0..seconds {
        let due = began + Duration::from_secs(second.into());
        late += u32::from(now() > due + Duration::from_millis(50));
        pace_until(due);
        for number in 0..DECISIONS {
            decide(&mut observer, second, number)?;
        }
        for (number, place) in (0..HOSTS).zip((0..CONNECTIONS).cycle()) {
            let Some(host) = connections.get_mut(place) else { continue };
            host.command(&[b"SET", key(SLOTS, number).as_bytes(), &record, b"PX", LIFETIME]);
            // As a host does: those after it in the ring, in this slot and the one before.
            let keys: Vec<String> = [SLOTS - 1, SLOTS]
                .into_iter()
                .flat_map(|slot| (1..=HEARD).map(move |next| key(slot, number + next)))
                .collect();
            let parts: Vec<&[u8]> =
                std::iter::once(b"MGET".as_slice()).chain(keys.iter().map(String::as_bytes)).collect();
            host.command(&parts);
            // Everything since a second ago; a real host is told at once.
            let from = format!("{second}-0");
            host.command(&[
                b"XREAD",
                b"COUNT",
                b"512",
                b"STREAMS",
                b"sensor:{bench}:decisions",
                from.as_bytes(),
            ]);
            if second % 2 == 0 {
                host.command(&[b"GET", b"sensor:{bench}:epoch"]);
                host.command(&[b"HVALS", b"sensor:{bench}:hosts"]);
            }
            host.send()?;
            host.answers()?;
        }
    }
    pace_until(began + Duration::from_secs(seconds.into()));
    Ok((before, observer.info()?, late))
}

/// One decision, as the daemon says it.
fn decide(observer: &mut Connection, second: u32, number: usize) -> Result<()> {
    let (id, blob) = (format!("{}-{number}", second + 1), vec![b'd'; DECISION]);
    observer.command(&[
        b"XADD",
        b"sensor:{bench}:decisions",
        b"MAXLEN",
        b"~",
        b"100000",
        id.as_bytes(),
        b"r",
        &blob,
    ]);
    let member = [id.as_bytes(), blob.as_slice()].concat();
    observer.command(&[b"ZADD", b"sensor:{bench}:standing", b"4102444800000", &member]);
    observer.send()?;
    observer.answers()?;
    Ok(())
}
