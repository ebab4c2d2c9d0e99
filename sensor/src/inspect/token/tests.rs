//! Each misuse, and the forms that the documents have.

use ring::hmac;

use super::*;

fn part(text: &str) -> String {
    BASE64URL.encode(text).trim_end_matches('=').to_owned()
}

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.c2lnbmF0dXJlLXNpZ25hdHVyZQ", part(header), part(claims))
}

fn misuses(token: &str) -> Option<Vec<Misuse>> {
    let mut reader = Reader::default();
    Some(reader.read(token.as_bytes())?.skeleton.misuses.iter().collect())
}

/// Of a header, with claims in which nothing is wrong.
fn of_header(header: &str) -> Vec<Misuse> {
    misuses(&token(header, r#"{"iss":"a","iat":1700000000,"exp":1700003600}"#)).expect(header)
}

fn of_claims(claims: &str) -> Vec<Misuse> {
    misuses(&token(r#"{"alg":"RS256"}"#, claims)).expect(claims)
}

#[test]
fn each_misuse_of_a_header_is_told() {
    let cases = [
        (r#"{"alg":"none"}"#, Misuse::Unsigned),
        (r#"{"alg":"None"}"#, Misuse::Unsigned),
        (r#"{"alg":"nOnE","typ":"JWT"}"#, Misuse::Unsigned),
        (r#"{"alg":"\u006eone"}"#, Misuse::Unsigned),
        (r#"{"alg":" none "}"#, Misuse::Unsigned),
        (r#"{"alg":""}"#, Misuse::Unsigned),
        (r#"{"alg":null}"#, Misuse::Unsigned),
        (r#"{"typ":"JWT"}"#, Misuse::Unsigned),
        (r#"{"alg":"HS256","kid":"../../dev/null"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"/dev/null"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"..\\..\\x"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"%2e%2e%2fetc%2fpasswd"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"file:///etc/passwd"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"a\u0000b"}"#, Misuse::KeyIdPath),
        (r#"{"alg":"HS256","kid":"x' UNION SELECT 'k"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"HS256","kid":"k\" OR \"1\"=\"1"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"HS256","kid":"k|/usr/bin/id"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"HS256","kid":"k;id"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"HS256","kid":"$(id)"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"HS256","kid":"k`id`"}"#, Misuse::KeyIdQuery),
        (r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"a","e":"AQAB"}}"#, Misuse::EmbeddedKey),
        (r#"{"alg":"RS256","jku":"https://attacker.example/jwks.json"}"#, Misuse::RemoteKey),
        (r#"{"alg":"RS256","x5u":"https://attacker.example/cert.pem"}"#, Misuse::RemoteKey),
        (r#"{"alg":"RS256","x5c":["MIIB"]}"#, Misuse::Certificates),
    ];
    for (header, misuse) in cases {
        assert_eq!(of_header(header), [misuse], "{header}");
    }
    let empty = token(r#"{"alg":"RS256"}"#, "{}");
    let empty = empty.rsplit_once('.').map(|(rest, _)| format!("{rest}.")).unwrap();
    assert_eq!(misuses(&empty), Some(vec![Misuse::EmptySignature]));
}

#[test]
fn each_misuse_of_claims_is_told() {
    let cases = [
        (r#"{"iat":1700000000,"exp":1700090000}"#, Misuse::LongLived),
        (r#"{"nbf":1700000000.25,"exp":1731536000}"#, Misuse::LongLived),
        (r#"{"iat":"1700000000","exp":"1900000000"}"#, Misuse::LongLived),
        (r#"{"sub":"a","password":"hunter22"}"#, Misuse::SecretInside),
        (r#"{"sub":"a","pwd":"hunter22"}"#, Misuse::SecretInside),
        (r#"{"client_secret":"abcdefgh"}"#, Misuse::SecretInside),
    ];
    for (claims, misuse) in cases {
        assert_eq!(of_claims(claims), [misuse], "{claims}");
    }
}

/// Forms of RFC 7515, 7516, 7519, 7797, 8037, 8725, 9068 and 9449, and how identity providers name their keys.
#[test]
fn valid_forms_are_not_told() {
    let headers = [
        r#"{"typ":"JWT","alg":"HS256"}"#,
        "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES256","kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"}"#,
        r#"{"alg":"ES512"}"#,
        r#"{"alg":"EdDSA","kid":"2011-04-29"}"#,
        r#"{"typ":"at+jwt","alg":"RS256","kid":"RjEwOwOA"}"#,
        r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"a","y":"b"}}"#,
        r#"{"alg":"PS256","kid":"bilbo.baggins@hobbiton.example"}"#,
        r#"{"alg":"RS256","x5t":"dGhpcyBpcyBhIFNIQTE","x5t#S256":"abc"}"#,
        r#"{"alg":"RS256","kid":"https://issuer.example/keys/1"}"#,
        r#"{"alg":"ES256K","kid":"did:example:123#key-1"}"#,
        r#"{"alg":"RS256","kid":"projects/a/locations/b/keyRings/c/cryptoKeys/d/cryptoKeyVersions/1"}"#,
        r#"{"alg":"RS256","kid":"nOo3ZDrODXEK1jKWhXslHR_KXEg="}"#,
        r#"{"alg":"RS256","kid":"a/b+c=="}"#,
        r#"{"alg":"RS256","crit":["exp"],"exp":1363284000}"#,
        r#"{"alg":"HS256","cty":"JWT"}"#,
        r#"{"alg":"ML-DSA-65"}"#,
    ];
    for header in headers {
        assert_eq!(of_header(header), [], "{header}");
    }
    let claims = [
        "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
        r#"{"iss":"a","iat":1700000000,"exp":1700086400}"#,
        r#"{"sub":"a","jti":"x","aud":["a","b"],"nonce":"n","at_hash":"MTIzNDU2Nzg5MDEyMzQ1Ng"}"#,
        r#"{"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#,
        r#"{"sub":"a","pwd_changed_at":1700000000,"password_set":true,"secret":null}"#,
        "Payload that is no JSON",
        "",
    ];
    for claims in claims {
        assert_eq!(of_claims(claims), [], "{claims}");
    }
    let detached = format!("{}..c2lnbmF0dXJl", part(r#"{"alg":"HS256"}"#));
    assert_eq!(misuses(&detached), Some(Vec::new()), "RFC 7515, appendix F");
    let unencoded = format!("{}..c2lnbmF0dXJl", part(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#));
    assert_eq!(misuses(&unencoded), Some(Vec::new()), "RFC 7797");
    for header in [
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A128CBC-HS256"}"#,
        r#"{"alg":"ECDH-ES+A128KW","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"a","y":"b"}}"#,
    ] {
        let jwe = format!("{}.a2V5.aXY.Y2lwaGVydGV4dA.dGFn", part(header));
        assert_eq!(misuses(&jwe), Some(Vec::new()), "{header}");
    }
}

#[test]
fn what_is_no_token_is_not_read() {
    let good = token(r#"{"alg":"HS256"}"#, "{}");
    for bad in [
        "eyJ",
        "ey.ey",
        "",
        "ey..",
        "eyJ9.a.b",
        &format!("{good}.x"),
        &format!("x{good}"),
        &good.replace('.', ""),
    ] {
        assert_eq!(misuses(bad), None, "{bad}");
    }
    assert_eq!(
        misuses(&token(r#"{"alg":"RS256","alg":"none"}"#, "{}")),
        None,
        "no header (RFC 7515, section 4)"
    );
    assert_eq!(misuses(&token(&format!(r#"{{"alg":"{}"}}"#, "x".repeat(MAX_PART)), "{}")), None, "too long");
}

#[test]
fn times() {
    let mut reader = Reader::default();
    let text = token(r#"{"alg":"RS256"}"#, r#"{"iat":1000,"exp":2000}"#);
    let skeleton = reader.read(text.as_bytes()).unwrap().skeleton;
    assert!(!skeleton.is_expired(2_300) && skeleton.is_expired(2_301), "clocks differ by minutes");
    let text = token(r#"{"alg":"RS256"}"#, r#"{"iat":1000}"#);
    let skeleton = reader.read(text.as_bytes()).unwrap().skeleton;
    assert!(!skeleton.is_endless(86_000) && skeleton.is_endless(88_000) && !skeleton.is_expired(u64::MAX));
}

#[test]
fn weak_secrets_are_found_by_their_list() {
    let secrets = ["password", "secret", "changeme"];
    let list = || secrets.iter().map(|secret| secret.as_bytes());
    for (name, algorithm, hash) in [
        ("HS256", Algorithm::Hmac(256), hmac::HMAC_SHA256),
        ("HS384", Algorithm::Hmac(384), hmac::HMAC_SHA384),
        ("HS512", Algorithm::Hmac(512), hmac::HMAC_SHA512),
    ] {
        let signed = format!("{}.{}", part(&format!(r#"{{"alg":"{name}"}}"#)), part("{}"));
        let sign = |secret: &str| {
            let signature = hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), signed.as_bytes());
            format!("{signed}.{}", BASE64URL.encode(signature).trim_end_matches('='))
        };
        assert_eq!(weak_secret(sign("secret").as_bytes(), algorithm, list()), Some(1), "{name}");
        assert_eq!(weak_secret(sign("V3ry-l0ng").as_bytes(), algorithm, list()), None, "{name}");
    }
    assert_eq!(weak_secret(b"a.b.c", Algorithm::Signature, list()), None);
}

#[test]
fn the_known_example_of_rfc_7515_is_read() {
    let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let mut reader = Reader::default();
    let read = reader.read(text.as_bytes()).unwrap();
    assert_eq!((read.skeleton.algorithm, read.skeleton.expires), (Algorithm::Hmac(256), Some(1_300_819_380)));
    assert_eq!(read.issuer, b"\"joe\"");
    assert_eq!(read.skeleton.misuses, Misuses::default());
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(misuses(unsecured), Some(vec![Misuse::Unsigned]), "RFC 7519, section 6.1");
}
