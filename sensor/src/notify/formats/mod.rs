//! Records in the schemas of others. They say what the record says, under other names; nothing that it has not.

mod attack;
mod ecs;
mod ocsf;
mod otlp;

pub(super) use ecs::ecs;
pub(super) use ocsf::ocsf;
pub(super) use otlp::{otlp, rejected};

/// What this program is called in them.
const PRODUCT: &str = "sensor";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The page about a place in the OWASP API Security Top 10 of 2023, such as `API2:2023`.
fn owasp_page(place: &str) -> Option<&'static str> {
    Some(match place {
        "API1:2023" => {
            "https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/"
        }
        "API2:2023" => "https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/",
        "API3:2023" => {
            "https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/"
        }
        "API4:2023" => {
            "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/"
        }
        "API5:2023" => {
            "https://owasp.org/API-Security/editions/2023/en/0xa5-broken-function-level-authorization/"
        }
        "API6:2023" => {
            "https://owasp.org/API-Security/editions/2023/en/0xa6-unrestricted-access-to-sensitive-business-flows/"
        }
        "API8:2023" => "https://owasp.org/API-Security/editions/2023/en/0xa8-security-misconfiguration/",
        "API9:2023" => "https://owasp.org/API-Security/editions/2023/en/0xa9-improper-inventory-management/",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Threat;

    #[test]
    fn every_detector_has_a_page() {
        for threat in Threat::ALL {
            assert!(owasp_page(threat.owasp()).is_some(), "{}", threat.slug());
        }
    }
}
