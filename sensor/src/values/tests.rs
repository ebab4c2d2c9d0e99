use proptest::prelude::*;

use super::*;

/// Values of a message, as `place name=text`; names of fields as `place :text`.
fn values(carrier: Carrier<'_, std::vec::IntoIter<(&[u8], &[u8])>>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut visit = |value: &Value<'_>| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, mark) = (text(value.name), if value.is_name { ':' } else { '=' });
        seen.push(format!("{} {name}{mark}{}", value.place.label(), text(value.text)));
    };
    Walk::new(&mut Buffers::default(), Limits::default(), &mut visit).all(carrier);
    seen
}

fn query(query: &str) -> Vec<String> {
    let headers = Vec::new().into_iter();
    values(Carrier { path: b"", query: query.as_bytes(), headers, content_type: None, body: b"" })
}

fn body(content_type: &str, body: &str) -> Vec<String> {
    let headers = Vec::new().into_iter();
    values(Carrier {
        path: b"",
        query: b"",
        headers,
        content_type: Some(content_type.as_bytes()),
        body: body.as_bytes(),
    })
}

#[test]
fn queries_are_taken_apart() {
    for (text, expected) in [
        ("", &[][..]),
        ("a=1&b=x+y&c=%41%zz", &["query a=1", "query b=x y", "query c=A%zz"]),
        ("bare&=v&a=", &["query =bare", "query =v"]),
        ("a[$ne]=1", &["query :a[$ne]", "query a[$ne]=1"]),
        ("d={\"k\":[1,\"x\"]}", &["query d.k[]=1", "query d.k[]=x"]),
        ("u=https://h/p?q=1%26r=2%23f", &["query u=https://h/p", "query q=1", "query r=2", "query u=f"]),
        ("b=aGVsbG8gd29ybGQ=", &["query b=hello world"]),
        ("b=q83vEjRWeJCrze8S", &["query b=q83vEjRWeJCrze8S"]),
        ("j={not json}", &["query j={not json}"]),
    ] {
        assert_eq!(query(text), expected, "{text}");
    }
}

#[test]
fn bodies_are_read_as_declared_and_as_they_look() {
    let json = "application/json";
    for (kind, text, expected) in [
        (
            json,
            "{\"a\":{\"b\":[\"x\",{\"c\":\"y\"}]},\"n\":-1.5e3}",
            &["json a.b[]=x", "json a.b[].c=y", "json n=-1.5e3"][..],
        ),
        (json, "{\"a\":\"\\u0041\\n\\\"\\ud83d\\ude00\"}", &["json a=A\n\"\u{1f600}"]),
        (json, "{\"a\":\"cut off", &["json a=cut off"]),
        (json, "{\"a\":1,,\"b\":\"x\"}", &["json a=1", "json b=x"]),
        ("text/plain", "{\"a\":\"x\"}", &["json a=x"]),
        ("text/plain", "just text, no form", &["body =just text, no form"]),
        ("application/x-www-form-urlencoded", "a=1&b=%20x", &["form a=1", "form b= x"]),
        ("application/octet-stream", "plain", &["body =plain"]),
        ("application/octet-stream", "\u{1}\u{2}\u{3}", &[]),
        ("text/xml", "<a b=\"c\">d</a>", &["xml =<a b=\"c\">d</a>", "xml a=d", "xml b=c"]),
        (json, "{\"query\":\"{ user(id: \\\"7\\\") { name } }\"}", &["graphql id=7"]),
        (json, "{\"query\":\"' or 1=1 {}\"}", &["json query=' or 1=1 {}"]),
    ] {
        assert_eq!(body(kind, text), expected, "{kind} {text}");
    }
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../a.txt\"\r\n\r\nhello\r\n--x--\r\n";
    let expected = ["file f=../a.txt", "form f=hello"];
    assert_eq!(body("multipart/form-data; boundary=x", multipart), expected);
    assert_eq!(body("application/octet-stream", multipart), expected, "as it looks");
}

#[test]
fn headers_and_cookies_are_values_but_those_of_the_protocol() {
    let headers: Vec<(&[u8], &[u8])> = vec![
        (b"Cookie", b"a=1; b=%41"),
        (b"Connection", b"close"),
        (b"Referer", b"https://host/p?q=1"),
        (b"X-A", b"v"),
    ];
    let seen = values(Carrier {
        path: b"/p",
        query: b"",
        headers: headers.into_iter(),
        content_type: None,
        body: b"",
    });
    assert_eq!(
        seen,
        ["path =/p", "cookie a=1", "cookie b=%41", "referer Referer=/p", "referer q=1", "header X-A=v"]
    );
}

#[test]
fn nothing_is_deeper_or_more_than_the_limits() {
    let deep = (0..200).fold(String::from("\"x\""), |text, _| format!("[{text}]"));
    assert_eq!(body("application/json", &deep), ["json =x"]);
    let many: String = (0..5_000).map(|at| format!("a{at}=1&")).collect();
    assert_eq!(query(&many).len(), Limits::default().values);
    let nested = (0..6).fold(String::from("x"), |text, _| serde_json::json!({ "k": text }).to_string());
    assert_eq!(body("application/json", &nested).len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_walked_within_the_limits(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz::walk(&data);
    }

    #[test]
    fn any_json_tells_its_texts(texts in proptest::collection::vec("[^\\{\\[%]{1,20}", 1..8)) {
        let document = serde_json::json!({ "a": texts }).to_string();
        let mut seen = Vec::new();
        let mut visit = |value: &Value<'_>| seen.push(String::from_utf8_lossy(value.text).into_owned());
        let headers = std::iter::empty();
        let carrier = Carrier {
            path: b"", query: b"", headers, content_type: Some(b"application/json"), body: document.as_bytes(),
        };
        // Without looking into the texts.
        let limits = Limits { depth: 0, ..Limits::default() };
        Walk::new(&mut Buffers::default(), limits, &mut visit).all(carrier);
        prop_assert_eq!(seen, texts);
    }
}
