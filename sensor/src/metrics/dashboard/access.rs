//! For whoever answers for the API: who may do what, which credentials, which routes.

use super::panel::{GREEN, GREY, ORANGE, Row, SKY, VERMILION, YELLOW, areas, bars, lines, stat};
use super::query::{increase, rate, share, sum};
use crate::detect::Threat;
use crate::identity::Kind;
use crate::metrics::detection::{ALERTS, INCIDENTS};
use crate::metrics::http::{HTTP_EXCHANGES, HTTP_ROUTES, INVENTORY, LEAKED, LOGINS};
use crate::metrics::identity::PRINCIPALS;
use crate::metrics::inspect::FINDINGS;

/// Detectors of who may do what.
const OF_ACCESS: [Threat; 6] = [
    Threat::Bola,
    Threat::Bfla,
    Threat::Unauthenticated,
    Threat::MassAssignment,
    Threat::BusinessFlow,
    Threat::Enumeration,
];
/// Detectors of what the API looks like.
const OF_POSTURE: [Threat; 4] =
    [Threat::Schema, Threat::DataExposure, Threat::KeyExposure, Threat::TokenMisuse];

pub(super) fn rows() -> Vec<Row> {
    vec![authorization(), credentials(), routes()]
}

/// A filter for some detectors.
fn only(threats: &[Threat]) -> String {
    let slugs: Vec<&str> = threats.iter().map(|threat| threat.slug()).collect();
    format!("detector=~\"{}\"", slugs.join("|"))
}

fn authorization() -> Row {
    let of_access = only(&OF_ACCESS);
    Row {
        title: "Who may do what",
        panels: vec![
            bars("Alerts of authorization, by detector", &[&ALERTS])
                .note("`sensor alerts --id ID` shows the principal, the template and the numbers of each.")
                .query(increase(&ALERTS, "detector", &of_access, "$__rate_interval"), "{{detector}}")
                .series(OF_ACCESS.map(Threat::slug)),
            lines("Open incidents of authorization", "short", &[&INCIDENTS])
                .query(sum(&INCIDENTS, "detector", &of_access), "{{detector}}")
                .series(OF_ACCESS.map(Threat::slug)),
            areas("Refused exchanges", "reqps", &[&HTTP_EXCHANGES])
                .query(rate(&HTTP_EXCHANGES, "method", "status_class=\"4xx\""), "{{method}}"),
        ],
    }
}

fn credentials() -> Row {
    let listed = rate(&LEAKED, "", "result=\"listed\"");
    let looked_up = rate(&LEAKED, "", "result=~\"listed|unlisted\"");
    Row {
        title: "Credentials",
        panels: vec![
            areas("Principals, by kind of credentials", "reqps", &[&PRINCIPALS])
                .query(rate(&PRINCIPALS, "kind", ""), "{{kind}}")
                .series(Kind::ALL.into_iter().filter(|kind| kind.is_principal()).map(Kind::label)),
            areas("Successful logins", "reqps", &[&LOGINS])
                .query(rate(&LOGINS, "", "outcome=\"success\""), "success")
                .colours(&[("success", GREEN)]),
            stat("Logins with leaked passwords", "percentunit", &[&LEAKED])
                .note("Of successful logins, if `login.leaked_passwords` names a list.")
                .query(share(&listed, &looked_up), "leaked")
                .from(0.05, VERMILION),
            bars("Passwords looked up", &[&LEAKED])
                .query(increase(&LEAKED, "result", "", "$__rate_interval"), "{{result}}")
                .colours(&[("listed", VERMILION), ("unlisted", GREEN), ("failed", GREY)]),
        ],
    }
}

fn routes() -> Row {
    let of_posture = only(&OF_POSTURE);
    Row {
        title: "What the API looks like",
        panels: vec![
            areas("Routes and methods, by who is answered", "short", &[&INVENTORY])
                .note("`sensor posture` lists them with findings and remedies.")
                .query(sum(&INVENTORY, "auth", ""), "{{auth}}")
                .colours(&[
                    ("required", GREEN),
                    ("optional", YELLOW),
                    ("none", ORANGE),
                    ("unanswered", GREY),
                ]),
            lines("Routes that the OpenAPI document lacks", "short", &[&INVENTORY])
                .query(sum(&INVENTORY, "", "documented=\"no\""), "undocumented")
                .colours(&[("undocumented", VERMILION)]),
            bars("Alerts about routes, by detector", &[&ALERTS])
                .query(increase(&ALERTS, "detector", &of_posture, "$__rate_interval"), "{{detector}}")
                .series(OF_POSTURE.map(Threat::slug)),
            bars("Findings in exchanges, by kind", &[&FINDINGS])
                .query(increase(&FINDINGS, "kind", "", "$__rate_interval"), "{{kind}}"),
            lines("Templates of paths", "short", &[&HTTP_ROUTES])
                .query(sum(&HTTP_ROUTES, "", ""), "templates")
                .colours(&[("templates", SKY)]),
        ],
    }
}
