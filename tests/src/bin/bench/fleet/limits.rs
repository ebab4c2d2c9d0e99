//! A key that asks too much at eight hosts in turn: how much passes, and what that costs the server.

use std::time::Duration;

use anyhow::Result;
use sensor_tests::netns::{FLOODER, v4};
use sensor_tests::peers::keys::{LIMIT, Site};

use crate::contest::Effort;
use crate::report::{REQUESTS, Report, Target};

const HOSTS: u8 = 8;
/// Times between two requests, in milliseconds: all hosts together see 20, 50 and 100 a second.
const PACES: [u64; 3] = [50, 20, 10];

pub(super) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let paces = if effort.quick { &PACES[..1] } else { &PACES[..] };
    for pace in paces {
        // A blocked client would be no measure for the next pace.
        let site = Site::start(HOSTS, "")?;
        let every = Duration::from_millis(*pace);
        let (passed, admitted) = site.spend("a-key", v4(FLOODER), (every, LIMIT * 3));
        let what =
            format!("requests of a key at 8 hosts that pass, one in {pace} ms / that its limit admits");
        report.compare(
            &what,
            (f64::from(passed), REQUESTS),
            ("admitted", admitted),
            Some(Target::Within(0.95, 1.05)),
        );
        let sum = |family: &str| -> Result<u64> {
            site.fleet.hosts.iter().map(|host| Ok(host.metrics()?.sum(family, &[]))).sum()
        };
        let (calls, charged) =
            (sum("sensor_fleet_limit_calls_total")?, sum("sensor_fleet_limit_requests_total")?);
        report.note(format!("{calls} calls of the server charged {charged} requests"));
    }
    Ok(())
}
