//! CrowdSec's local API.

use super::finding::Finding;
use crate::control::wire::{CrowdsecPushes, CrowdsecReport, counted};

pub(super) fn findings(report: &CrowdsecReport) -> Vec<Finding> {
    let pulls = report.pulls.then(|| pulls(report));
    let pushes = report.pushes.as_ref().map(|told| pushes(&report.server, told));
    pulls.into_iter().chain(pushes).collect()
}

fn pulls(report: &CrowdsecReport) -> Finding {
    let CrowdsecReport { server, decisions, blocks, .. } = report;
    if let Some(trouble) = &report.trouble {
        return Finding::problem(format!("CrowdSec at {server}: {trouble}"), remedy(trouble, BOUNCER));
    }
    if !report.connected {
        return Finding::note(
            format!("CrowdSec at {server} has not answered yet"),
            "ask again in some seconds",
        );
    }
    let full = report.left.get("full").copied().unwrap_or(0);
    if full > 0 {
        return Finding::note(
            format!("CrowdSec at {server}: {full} decisions had no room"),
            "raise `crowdsec.max_decisions`, or `clients.max_blocks`, and restart",
        );
    }
    Finding::good(format!("CrowdSec at {server}: {}, {blocks} in force", counted(*decisions, "decision")))
}

fn pushes(server: &str, pushes: &CrowdsecPushes) -> Finding {
    if let Some(trouble) = &pushes.trouble {
        let what = format!("CrowdSec at {server}: alerts are not pushed: {trouble}");
        return Finding::problem(what, remedy(trouble, MACHINE));
    }
    let sent = counted(pushes.sent, "alert");
    if pushes.allow_lists == Some(false) {
        return Finding::note(
            format!("CrowdSec at {server}: {sent} pushed; its version has no allow lists"),
            "what CrowdSec must not block has to be in its whitelists, or in this sensor's allow rules",
        );
    }
    Finding::good(format!("CrowdSec at {server}: {sent} pushed"))
}

const BOUNCER: &str = "CrowdSec does not know this key: `cscli bouncers list` shows whom it knows, `cscli bouncers add sensor -o \
                       raw` makes a key for `crowdsec.key_file`";

const MACHINE: &str = "CrowdSec does not know this login, or has not validated it: see `cscli machines list`; `cscli machines \
                       add NAME -a -f FILE` makes a file for `crowdsec.login_file`";

fn remedy(trouble: &str, unknown: &'static str) -> &'static str {
    if trouble.contains("403") || trouble.contains("401") {
        return unknown;
    }
    if trouble.contains("no connection") {
        return "does `crowdsec.url` name the address on which CrowdSec's local API listens (`listen_uri` in its config.yaml), \
                and does the unit's IPAddressAllow= have it?";
    }
    if trouble.contains("no such file")
        || trouble.contains("cannot be read")
        || trouble.contains("its mode is")
    {
        return "the file has to belong to root or to the daemon's user, who alone may read it: `chown sensor FILE; chmod 600 \
                FILE`";
    }
    "docs/crowdsec.md describes the set-up"
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Severity, check};
    use super::*;

    #[test]
    fn each_trouble_has_its_remedy() {
        let report = |trouble: Option<&str>| CrowdsecReport {
            server: "127.0.0.1:8080".to_owned(),
            connected: trouble.is_none(),
            trouble: trouble.map(str::to_owned),
            decisions: 7,
            blocks: 6,
            ..CrowdsecReport::default()
        };
        for (trouble, remedy) in [
            ("answer 403 Forbidden: access forbidden", "cscli bouncers"),
            ("no connection: Connection refused (os error 111)", "listen_uri"),
            ("/etc/sensor/crowdsec.key: its mode is 0644, so others may read it", "chmod 600"),
            ("the answer ended early", "docs/crowdsec.md"),
        ] {
            check(&pulls(&report(Some(trouble))), Severity::Problem, trouble, remedy);
        }
        check(&pulls(&report(None)), Severity::Good, "7 decisions, 6 in force", "");
        let waiting = CrowdsecReport { connected: false, ..report(None) };
        check(&pulls(&waiting), Severity::Note, "not answered yet", "again");
        let full = CrowdsecReport { left: [("full".to_owned(), 3)].into(), ..report(None) };
        check(&pulls(&full), Severity::Note, "3 decisions had no room", "max_decisions");
        let told = |allow_lists, trouble: Option<&str>| CrowdsecPushes {
            sent: 3,
            allow_lists,
            trouble: trouble.map(str::to_owned),
            ..CrowdsecPushes::default()
        };
        check(&pushes("x:1", &told(Some(true), None)), Severity::Good, "3 alerts pushed", "");
        check(&pushes("x:1", &told(Some(false), None)), Severity::Note, "no allow lists", "whitelists");
        let unknown = told(None, Some("answer 401 Unauthorized"));
        check(&pushes("x:1", &unknown), Severity::Problem, "not pushed", "cscli machines");
        assert!(findings(&CrowdsecReport::default()).is_empty());
    }
}
