//! Names that anybody can claim.

use super::super::jwt::tests::{encode, token};
use super::*;
use crate::identity::{KeyedHash, Kind};

fn ask(
    identifier: &mut Identifier,
    authorization: Option<&str>,
    answered: &Answered<'_>,
) -> Option<KeyedHash> {
    let headers = authorization.map(|value| (b"Authorization".as_slice(), value.as_bytes()));
    identifier.identify(address("192.0.2.1"), None, headers.into_iter(), b"", answered).principal
}

fn principal(identifier: &mut Identifier, authorization: &str, status: Option<u16>) -> KeyedHash {
    ask(identifier, Some(authorization), &Answered { status, ..ANSWERED }).unwrap()
}

/// One that has seen the route refuse a request without credentials.
fn identifier() -> Identifier {
    let mut identifier = Identifier::new(&Config::default(), &Key::from_bytes([9; 32])).unwrap();
    assert_eq!(ask(&mut identifier, None, &Answered { status: Some(401), ..ANSWERED }), None);
    identifier
}

fn signed(signature: &str) -> String {
    let payload = token(r#"{"iss":"a","sub":"victim"}"#);
    format!("Bearer {}.{signature}", payload.rsplit_once('.').unwrap().0)
}

#[test]
fn a_claim_counts_where_the_server_believed_it() {
    let good = "x".repeat(43);
    for (kind, claimed, true_one, forged) in [
        (Kind::Jwt, Kind::Bearer, signed(&good), signed("forged")),
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
        for status in [Some(401), Some(403), Some(404), Some(500), Some(429), Some(302), None] {
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

/// What a server that looks at no credentials says is no proof.
#[test]
fn a_claim_does_not_count_where_the_server_answers_everybody() {
    let claim = signed("forged");
    let kind = |identifier: &mut Identifier, answered: &Answered<'_>| {
        ask(identifier, Some(&claim), answered).unwrap().kind()
    };
    let on =
        |method, route, status| Answered { method, route: Some(route), status: Some(status), proven: true };
    // Of each row: what happened before without credentials, and whether a success is proof then.
    for (before, is_proof) in [
        (vec![], false),
        (vec![on("GET", "/a", 200)], false),
        (vec![on("GET", "/a", 403)], false),
        (vec![on("GET", "/a", 302)], false),
        (vec![on("POST", "/a", 401), on("GET", "/b", 401)], false),
        (vec![Answered { proven: false, ..on("GET", "/a", 401) }], false),
        (vec![on("GET", "/a", 401)], true),
        (vec![on("GET", "/a", 401), on("OPTIONS", "/a", 204)], true),
        (vec![on("GET", "/a", 401), on("GET", "/a", 200)], false),
        (vec![on("GET", "/a", 200), on("GET", "/a", 401)], false),
    ] {
        let mut identifier = Identifier::new(&Config::default(), &Key::from_bytes([9; 32])).unwrap();
        for answered in &before {
            assert_eq!(ask(&mut identifier, None, answered), None);
        }
        let expected = if is_proof { Kind::Jwt } else { Kind::Bearer };
        assert_eq!(kind(&mut identifier, &ANSWERED), expected, "{before:?}");
        // What was proven once holds elsewhere, and nobody proves it who may not be there.
        assert_eq!(kind(&mut identifier, &on("GET", "/open", 200)), expected, "{before:?}");
    }
    let mut identifier = identifier();
    assert_eq!(kind(&mut identifier, &Answered { proven: false, ..ANSWERED }), Kind::Bearer);
    assert_eq!(kind(&mut identifier, &Answered { route: None, ..ANSWERED }), Kind::Bearer);
    assert_eq!(kind(&mut identifier, &ANSWERED), Kind::Jwt);
}

/// The answer to a login says nothing of the token beside it: where one logs in, requests without a token succeed, too.
#[test]
fn a_login_confirms_no_token() {
    let mut identifier = Identifier::new(&Config::default(), &Key::from_bytes([9; 32])).unwrap();
    let login =
        |status| Answered { method: "POST", route: Some("/login"), status: Some(status), proven: true };
    ask(&mut identifier, None, &login(200));
    ask(&mut identifier, Some(&signed("forged")), &login(401));
    let found = ask(&mut identifier, Some(&signed("forged")), &login(200));
    assert_eq!(found.unwrap().kind(), Kind::Bearer);
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
