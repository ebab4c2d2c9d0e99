//! Names that anybody can claim.

use super::super::jwt::tests::{encode, token};
use super::*;
use crate::identity::{KeyedHash, Kind};

fn principal(identifier: &mut Identifier, authorization: &str, status: Option<u16>) -> KeyedHash {
    let headers = [(b"Authorization".as_slice(), authorization.as_bytes())];
    let identity = identifier.identify("192.0.2.1".parse().unwrap(), None, headers.into_iter(), b"", status);
    identity.principal.unwrap()
}

fn identifier() -> Identifier {
    Identifier::new(&Config::default(), &Key::from_bytes([9; 32])).unwrap()
}

#[test]
fn a_claim_counts_where_the_server_believed_it() {
    let payload = token(r#"{"iss":"a","sub":"victim"}"#);
    let signed = |signature: &str| {
        let head = payload.rsplit_once('.').unwrap().0.to_owned();
        format!("{head}.{signature}")
    };
    let good = "x".repeat(43);
    for (kind, claimed, true_one, forged) in [
        (
            Kind::Jwt,
            Kind::Bearer,
            format!("Bearer {}", signed(&good)),
            format!("Bearer {}", signed("forged")),
        ),
        (
            Kind::Basic,
            Kind::Basic,
            format!("Basic {}", encode("victim:a long enough password")),
            format!("Basic {}", encode("victim:guess")),
        ),
    ] {
        let mut identifier = identifier();
        let victim = principal(&mut identifier, &true_one, Some(200));
        assert_eq!(victim.kind(), kind);
        for status in [Some(401), Some(403), Some(404), Some(500), Some(429), None] {
            let other = principal(&mut identifier, &forged, status);
            assert_ne!(other, victim, "{status:?}");
            assert_eq!(other.kind(), claimed);
            assert_eq!(
                other,
                principal(&mut identifier, &forged, status),
                "the same credentials are the same"
            );
        }
        for status in [Some(404), Some(500), None, Some(204), Some(302)] {
            assert_eq!(principal(&mut identifier, &true_one, status), victim, "believed before: {status:?}");
        }
        assert_ne!(principal(&mut identifier, &true_one, Some(401)), victim, "it has expired");
    }
}

/// Secrets cannot be claimed: whoever has one is its owner, or stole it.
#[test]
fn secrets_stand_for_themselves_whatever_the_answer() {
    for authorization in ["Bearer opaque-token-1", "Token an-api-key"] {
        let mut identifier = identifier();
        let accepted = principal(&mut identifier, authorization, Some(200));
        assert_eq!(principal(&mut identifier, authorization, Some(401)), accepted);
    }
}
