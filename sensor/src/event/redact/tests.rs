use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::event::QueryKeys;

fn redactor() -> Redactor {
    Redactor::new(Paths::Redacted, &Key::from_bytes([7; 32]))
}

#[test]
fn paths_keep_their_shape() {
    let redactor = redactor();
    let shown = |text: &'static str| path(text, Some(&redactor));
    for open in
        ["/", "*", "", "/users/17/orders/4", "//a//", "/a/..;/b", "/o/550e8400-e29b-41d4-a716-446655440000"]
    {
        assert!(matches!(shown(open), Cow::Borrowed(text) if text == open), "{open}: nothing is copied");
    }
    assert_eq!(shown("/a;jsessionid=x/b;v=1"), "/a/b");
    assert_eq!(shown("/users;x/"), "/users/");
    let token = shown("/hooks/T000/SECRET16/x/").into_owned();
    let hash = token.strip_prefix("/hooks/T000/{token:").and_then(|rest| rest.strip_suffix("}/x/")).unwrap();
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let email = shown("/users/alice@example.org");
    assert!(email.starts_with("/users/{email:"), "{email}");
    assert_eq!(path("/a/SECRET16", None), "/a/{token}");
    let raw = Redactor::new(Paths::Raw, &Key::from_bytes([7; 32]));
    assert_eq!(path("/a/SECRET16;x=y/b", Some(&raw)), "/a/SECRET16/b");
}

/// A hash in the place of a secret tells secrets apart, and those of two installations have nothing in common.
#[test]
fn hashes_tell_objects_apart() {
    let one = redactor();
    let other = Redactor::new(Paths::Redacted, &Key::from_bytes([8; 32]));
    let texts: Vec<String> = (0..100).map(|number| format!("/r/SECRET{number:02}XYZ")).collect();
    let shown = |redactor: &Redactor| -> BTreeSet<String> {
        texts.iter().map(|text| path(text, Some(redactor)).into_owned()).collect()
    };
    assert_eq!(shown(&one).len(), 100);
    assert_eq!(shown(&one), shown(&redactor()));
    assert!(shown(&one).is_disjoint(&shown(&other)));
}

#[test]
fn objects_are_what_identifiers_name() {
    let redactor = redactor();
    let of = |path: &str, route: &str| object(path.as_bytes(), Some(route), &redactor);
    let order = of("/users/17/orders/4", "/users/{id}/orders/{id}");
    assert!(order.is_some());
    for same in ["//users/17//orders/4/", "/users/17;a=b/orders/4;c", "/users/17/orders/4/items"] {
        assert_eq!(of(same, "/users/{id}/orders/{id}"), order, "{same}");
    }
    assert_ne!(of("/users/18/orders/4", "/users/{id}/orders/{id}"), order);
    assert_ne!(of("/users/17/orders/5", "/users/{id}/orders/{id}"), order);
    assert_ne!(of("/u/alice", "/u/{param}"), of("/u/bob", "/u/{param}"));
    assert_ne!(of("/x/17", "/{other}"), None, "its looks tell");
    for (path, route) in [
        ("/users", "/users"),
        ("/", "/"),
        ("/x/y", "/{other}"),
        ("/log/2024-01-02", "/log/{date}"),
        ("", "/{other}"),
    ] {
        assert_eq!(of(path, route), None, "{path}");
    }
}

#[test]
fn hosts_are_hosts() {
    let redactor = redactor();
    for (sent, shown) in [
        ("api.example", Some("api.example")),
        ("Shop.Example:8080", Some("Shop.Example:8080")),
        ("[2001:db8::1]:443", Some("[2001:db8::1]:443")),
        ("127.0.0.1:80", Some("127.0.0.1:80")),
        ("a_b:", Some("a_b:")),
        ("", Some("")),
        ("user:SECRET07@api.example", Some("api.example")),
        ("user:a@b@api.example:1", Some("api.example:1")),
        ("evil\u{1b}[2J\u{202e}", None),
        ("a:hunter2", None),
        ("a b", None),
        ("[::1]hunter", None),
        ("[hunter]", None),
        ("[::1", None),
        ("a:80:hunter", None),
        ("alice%40host", None),
    ] {
        assert_eq!(host(sent, Some(&redactor)).as_deref(), shown, "{sent:?}");
    }
    let hidden = host("SECRET28:443", Some(&redactor)).unwrap();
    assert!(hidden.starts_with("{token:") && hidden.ends_with("}:443"), "{hidden}");
    let label = host("www.SECRET28.example", None).unwrap();
    assert_eq!(label, "www.{token}.example");
}

#[test]
fn agents_lose_their_secrets() {
    for same in [
        "curl/8.5.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; SM-G998B Build/TP1A.220624.014) AppleWebKit/537.36",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "python-requests/2.31.0",
        "sqlmap/1.7#stable (https://sqlmap.org)",
    ] {
        assert_eq!(agent(same), same);
    }
    for (sent, shown) in [
        ("app/1 token=SECRET11", "app/1 token={token}"),
        ("app/SECRET11 (x)", "app/{token} (x)"),
        ("bot (+mailto:me@example.org)", "bot ({email})"),
        ("a https://u:pw@host/x", "a https://{email}/x"),
        ("SECRET11=x", "{token}"),
    ] {
        assert_eq!(agent(sent), shown, "{sent}");
    }
    assert_eq!(agent(&"\u{e9} ".repeat(9_999)).len(), 512);
}

#[test]
fn media_types_lose_their_parameters() {
    for (sent, shown) in [
        ("application/json", Some("application/json")),
        ("multipart/form-data; boundary=SECRET12", Some("multipart/form-data")),
        ("text/html ;charset=utf-8", Some("text/html")),
        ("application/vnd.api+json", Some("application/vnd.api+json")),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ),
        ("SECRET12", None),
        ("a b/c", None),
        ("application/SECRET12", None),
        ("", None),
    ] {
        assert_eq!(media_type(sent), shown, "{sent}");
    }
}

#[test]
fn of_a_query_only_names_are_told() {
    let keys = |query: &str| QueryKeys::of(query.as_bytes()).iter().map(str::to_owned).collect::<Vec<_>>();
    for (query, shown) in [
        ("user=alice&token=s3cret&&page=1", &["user", "token", "page"][..]),
        (
            "X-Amz-Signature=abc&filter%5Bname%5D=x&a[0][b]=1&$top=5",
            &["X-Amz-Signature", "filter%5Bname%5D", "a[0][b]", "$top"],
        ),
        ("firstName=&q=", &["firstName", "q"]),
        ("flag", &["{bare}"]),
        ("SECRET02eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", &["{bare}"]),
        ("x=1;password=hunter2", &["x", "password"]),
        ("x=1&&SECRET05&y", &["x", "{bare}", "{bare}"]),
        ("token%3Dabc", &["{bare}"]),
        ("token%3Dabc=1", &["{other}"]),
        ("a%20b=1", &["{other}"]),
        ("dXNlcjpwd1NFQ1JFVDI2", &["{bare}"]),
        ("dXNlcjpzZWNyZXQ=", &["{other}"]),
        ("dXNlcjpwdzE==", &["{other}"]),
        ("SECRET05=1", &["{other}"]),
        ("0123456789=1&12=3", &["{other}", "{other}"]),
        ("\u{e9}=1", &["{other}"]),
        ("=hunter2", &["{other}"]),
    ] {
        assert_eq!(keys(query), shown, "{query}");
    }
    assert_eq!(QueryKeys::of(b"\xff=1").iter().collect::<Vec<_>>(), ["{other}"]);
    assert_eq!(keys(&"a=1&".repeat(100)).len(), 32);
    assert!(keys("").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing panics, what is shown of a path hides no more once more, and no part of it is a secret.
    #[test]
    fn any_text(text in "\\PC{0,80}", sent in "(/[a-zA-Z0-9%;=@._-]{0,20}){0,5}") {
        let redactor = redactor();
        for text in [&text, &sent] {
            let shown = path(text, Some(&redactor));
            prop_assert!(shown.split('/').all(|segment| {
                segment.starts_with('{') && segment.ends_with('}') || route::secret(segment.as_bytes()).is_none()
            }), "{}", shown);
            let _shown = (host(text, Some(&redactor)), agent(text), media_type(text), query_key(text));
            let _object = object(text.as_bytes(), Some("/{id}/{...}"), &redactor);
        }
    }
}
