use super::super::jwt::tests::{encode, token};
use super::super::{Anomaly, Config, Kind};
use super::{Exchange, identifier, identify};

fn principal(headers: &[&str], query: &str) -> Option<String> {
    let exchange = Exchange { peer: "192.0.2.1", proxied: None, headers, query };
    identify(&mut identifier(&Config::default()), &exchange).principal.map(|found| found.to_string())
}

fn hash(kind: Kind, value: &str) -> Option<String> {
    Some(identifier(&Config::default()).hasher().hash(kind, value.as_bytes()).to_string())
}

/// Headers and query, and what is hashed as what.
type Case<'a> = (&'a [&'a str], &'a str, Option<(Kind, &'a str)>);

#[test]
fn every_place_of_credentials() {
    let cases: [Case<'_>; 46] = [
        (&["Authorization: Bearer abc"], "", Some((Kind::Bearer, "abc"))),
        (&["authorization:bearer   abc "], "", Some((Kind::Bearer, "abc"))),
        (&["Authorization: Bearer a.b.c"], "", Some((Kind::Bearer, "a.b.c"))),
        (&["Authorization: Basic YWxpY2U6cHc="], "", Some((Kind::Basic, "alice"))),
        (&["Authorization: Basic QUxJQ0U6cHc"], "", Some((Kind::Basic, "alice"))),
        (&["Authorization: Basic OnB3"], "", None),
        (&["Authorization: Token abc"], "", Some((Kind::ApiKey, "abc"))),
        (&["Authorization: ApiKey abc"], "", Some((Kind::ApiKey, "abc"))),
        (&["Authorization: Negotiate abc"], "", None),
        (&["Authorization: Digest username=\"a\""], "", None),
        (&["Authorization: "], "", None),
        (&["X-API-Key: abc"], "", Some((Kind::ApiKey, "abc"))),
        (&["apikey: abc"], "", Some((Kind::ApiKey, "abc"))),
        (&["X-Auth-Token: \"abc\""], "", Some((Kind::ApiKey, "abc"))),
        (&["X-Auth-Token: b", "X-Api-Key: a"], "", Some((Kind::ApiKey, "a"))),
        (&["X-Api-Key:"], "", None),
        (&["Authorization: Token a", "X-Api-Key: b"], "", Some((Kind::ApiKey, "b"))),
        (&["Authorization: Token a", "X-Api-Key: null"], "api_key=b", Some((Kind::ApiKey, "a"))),
        (&[], "api_key=abc", Some((Kind::ApiKey, "abc"))),
        (&[], "a=b&API_KEY=abc&c", Some((Kind::ApiKey, "abc"))),
        (&[], "apikey=b&api_key=a", Some((Kind::ApiKey, "a"))),
        (&[], "api_key=%61b%63", Some((Kind::ApiKey, "abc"))),
        (&[], "api_key=a%zz%4", Some((Kind::ApiKey, "a%zz%4"))),
        (&[], "access_token=abc", Some((Kind::Bearer, "abc"))),
        (&[], "access_token=%61bc", Some((Kind::Bearer, "abc"))),
        (&[], "key=abc", None),
        (&[], "my_api_key=abc&api_keys=1&api_key", None),
        (&[], "api_key=&api_key=abc", Some((Kind::ApiKey, "abc"))),
        (&["X-Api-Key: a"], "api_key=b", Some((Kind::ApiKey, "a"))),
        (&["Cookie: sid=abc"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: a=1; PHPSESSID=abc; b=2"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: a=1;jsessionid=abc"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: connect.sid=s%3Aabc"], "", Some((Kind::Session, "s:abc"))),
        (&["Cookie: __Secure-next-auth.session-token=abc"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: wordpress_logged_in_0123=abc"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: ASP.NET_SessionId=\"abc\""], "", Some((Kind::Session, "abc"))),
        (&["Cookie: shop_session=b; session=a"], "", Some((Kind::Session, "a"))),
        (&["Cookie: session=a; shop_session=b"], "", Some((Kind::Session, "a"))),
        (&["Cookie: sid=a; sid=b"], "", Some((Kind::Session, "a"))),
        (&["Cookie: a=1", "Cookie: session=abc"], "", Some((Kind::Session, "abc"))),
        (&["Cookie: theme=dark; sessions=1; _ga=GA1.2.3"], "", None),
        (&["Cookie: session=deleted; sid="], "", None),
        (&["Authorization: Bearer null"], "", None),
        (&["Authorization: Bearer undefined", "Cookie: sid=a"], "", Some((Kind::Session, "a"))),
        (&["Accept: */*", "X-Custom: 1"], "q=1", None),
        (&["Set-Cookie: session=abc"], "", None),
    ];
    for (headers, query, expected) in cases {
        let expected = expected.and_then(|(kind, value)| hash(kind, value));
        assert_eq!(principal(headers, query), expected, "{headers:?} {query}");
    }
}

#[test]
fn a_jwt_stands_for_its_issuer_and_subject() {
    let by_header = |payload: &str| principal(&[&format!("Authorization: Bearer {}", token(payload))], "");
    let one = by_header(r#"{"iss":"https://id.example","sub":"alice","exp":1}"#);
    assert!(one.as_ref().unwrap().starts_with("jwt:"));
    assert_eq!(one, by_header(r#"{"sub":"alice","exp":2,"iss":"https://id.example"}"#), "renewed");
    assert_ne!(one, by_header(r#"{"iss":"https://id.example","sub":"bob"}"#));
    assert_ne!(one, by_header(r#"{"iss":"https://other.example","sub":"alice"}"#));
    assert_ne!(by_header(r#"{"iss":1,"sub":23}"#), by_header(r#"{"iss":12,"sub":3}"#), "framed");
    assert!(by_header(r#"{"iss":"x"}"#).unwrap().starts_with("bearer:"));
    let jwt = token(r#"{"iss":"https://id.example","sub":"alice"}"#);
    assert_eq!(one, principal(&[&format!("Cookie: session={jwt}")], ""));
    assert_eq!(one, principal(&[&format!("X-Auth-Token: {jwt}")], ""));
    assert_eq!(one, principal(&[], &format!("access_token={jwt}")));
}

#[test]
fn precedence_is_that_of_the_kinds() {
    let jwt = format!("Authorization: Bearer {}", token(r#"{"sub":"alice"}"#));
    let basic = format!("Authorization: Basic {}", encode("alice:pw"));
    let rest = ["X-Api-Key: key", "Cookie: sid=session"];
    let kind = |headers: &[&str]| principal(headers, "").unwrap().split_once(':').unwrap().0.to_owned();
    assert_eq!(kind(&[&jwt, rest[0], rest[1]]), "jwt");
    assert_eq!(kind(&[&basic, rest[0], rest[1]]), "api_key");
    assert_eq!(kind(&["Authorization: Bearer x", rest[0], rest[1]]), "api_key");
    assert_eq!(kind(&[&basic, rest[1]]), "basic");
    assert_eq!(kind(&["Authorization: Bearer x", rest[1]]), "bearer");
    assert_eq!(kind(&[rest[1]]), "session");
    let exchange = Exchange { peer: "192.0.2.1", proxied: None, headers: &[&basic], query: "access_token=x" };
    let found = identify(&mut identifier(&Config::default()), &exchange).principal;
    assert_eq!(found.unwrap().kind(), Kind::Basic);
}

#[test]
fn strange_credentials_are_reported() {
    let many = "a=1;".repeat(65);
    let exact = "a=1;".repeat(64);
    let query = "a=1&".repeat(64);
    let cases: [(&[&str], &str, Option<Anomaly>); 9] = [
        (&["Authorization: Bearer"], "", Some(Anomaly::CredentialsMalformed)),
        (&["Authorization: Basic !!"], "", Some(Anomaly::CredentialsMalformed)),
        (&["Authorization: Basic YQ=="], "", Some(Anomaly::CredentialsMalformed)),
        (&["Authorization: Bearer a", "Authorization: Bearer b"], "", Some(Anomaly::CredentialsDuplicate)),
        (&[&format!("Cookie: {many}")], "", Some(Anomaly::CredentialsTruncated)),
        (&[&format!("Cookie: {exact}")], "", None),
        (&[], &format!("{query}a=1"), Some(Anomaly::CredentialsTruncated)),
        (&[], &query, None),
        (&["Authorization: Basic YWxpY2U6cHc="], "", None),
    ];
    for (headers, query, anomaly) in cases {
        let exchange = Exchange { peer: "192.0.2.1", proxied: None, headers, query };
        let mut identifier = identifier(&Config::default());
        let identity = identify(&mut identifier, &exchange);
        assert_eq!(identity.anomalies.iter().next(), anomaly, "{headers:?}");
        let counted: u64 = identifier.counters().anomalies.iter().sum();
        assert_eq!(counted, u64::from(anomaly.is_some()));
    }
}

#[test]
fn basic_credentials_are_a_login() {
    let mut identifier = identifier(&Config::default());
    let login = identifier.always_login(b"Basic QWxpY2U6cHc=").unwrap();
    assert_eq!(login.user, identifier.hasher().user(b"alice"));
    assert_eq!(login.password, Some(identifier.hasher().password(b"pw")));
    assert_eq!(identifier.always_login(b"Bearer QWxpY2U6cHc="), None);
    assert_eq!(identifier.always_login(b"Basic ???"), None);
}
