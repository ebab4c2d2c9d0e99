//! CrowdSec, on a line.

use std::time::Duration;

use humantime::format_duration;

use super::printable;
use crate::control::wire::{CrowdsecPushes, CrowdsecReport, counted};

pub(super) fn lines(report: &CrowdsecReport) -> impl Iterator<Item = String> {
    let pulls = report.pulls.then(|| pulls(report));
    let pushes = report.pushes.as_ref().map(|pushes| told(&report.server, pushes));
    pulls.into_iter().chain(pushes)
}

fn pulls(report: &CrowdsecReport) -> String {
    let CrowdsecReport { server, decisions, blocks, .. } = report;
    let state = if report.connected { "connected" } else { "NOT CONNECTED" };
    let age = report.age_ms.map(|age| {
        let age = Duration::from_secs(Duration::from_millis(age).as_secs());
        format!(", answered {} ago", format_duration(age))
    });
    let left: String = report.left.iter().map(|(why, count)| format!(", {count} left ({why})")).collect();
    let usage = if report.usage_metrics == Some(false) { "; it takes no usage metrics" } else { "" };
    printable(&format!(
        "crowdsec     {state}, {server}{}; {}, {blocks} in force{left}{usage}",
        age.unwrap_or_default(),
        counted(*decisions, "decision"),
    ))
}

fn told(server: &str, pushes: &CrowdsecPushes) -> String {
    let CrowdsecPushes { sent, allowed, lost, .. } = pushes;
    let lists = match pushes.allow_lists {
        Some(false) => "; it has no allow lists",
        Some(true) | None => "",
    };
    printable(&format!(
        "crowdsec     {} pushed to {server}, {allowed} allowed there, {lost} lost{lists}",
        counted(*sent, "alert")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_on_the_line() {
        let report = CrowdsecReport {
            server: "127.0.0.1:8080".to_owned(),
            connected: true,
            age_ms: Some(3_700),
            decisions: 7,
            blocks: 6,
            left: [("protected".to_owned(), 1)].into(),
            pulls: true,
            ..CrowdsecReport::default()
        };
        assert_eq!(
            lines(&report).collect::<Vec<_>>(),
            [
                "crowdsec     connected, 127.0.0.1:8080, answered 3s ago; 7 decisions, 6 in force, 1 left (protected)"
            ]
        );
        let pushes = CrowdsecPushes { sent: 3, allow_lists: Some(false), ..CrowdsecPushes::default() };
        let away = CrowdsecReport {
            connected: false,
            age_ms: None,
            left: [].into(),
            usage_metrics: Some(false),
            pushes: Some(pushes),
            ..report
        };
        assert_eq!(
            lines(&away).collect::<Vec<_>>(),
            [
                "crowdsec     NOT CONNECTED, 127.0.0.1:8080; 7 decisions, 6 in force; it takes no usage metrics",
                "crowdsec     3 alerts pushed to 127.0.0.1:8080, 0 allowed there, 0 lost; it has no allow lists",
            ]
        );
    }
}
