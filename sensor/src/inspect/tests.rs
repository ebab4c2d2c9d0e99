use super::*;
use crate::values::Carrier;

fn found(
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Vec<(&'static str, Place, String)> {
    let mut inspector = Inspector::new(&Config::default(), &Key::from_bytes([7; 32]));
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let content_type = headers.iter().find(|(name, _)| *name == b"Content-Type").map(|(_, value)| *value);
    let carrier = Carrier {
        path: path.as_bytes(),
        query: query.as_bytes(),
        headers: headers.iter().copied(),
        content_type,
        body: body.as_bytes(),
    };
    let found = inspector.request(carrier).all().iter();
    let hard = found.filter(|finding| finding.confidence.share() > 0.6);
    let mut seen: Vec<_> =
        hard.map(|finding| (finding.class, finding.place, finding.name.text().to_owned())).collect();
    seen.dedup();
    seen
}

/// The class, place and name of the first finding.
fn first(
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(&'static str, Place, String)> {
    found(path, query, headers, body).into_iter().next()
}

#[test]
fn an_attack_is_found_wherever_it_stands() {
    let attack = "1' UNION SELECT name FROM users--";
    let (json, form, xml) = ("application/json", "application/x-www-form-urlencoded", "text/xml");
    let encoded = "1%27%20UNION%20SELECT%20name%20FROM%20users--";
    let of = |name: &str| name.to_owned();
    let multipart = format!("--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n{attack}\r\n--b--\r\n");
    let base64 = "MScgVU5JT04gU0VMRUNUIG5hbWUgRlJPTSB1c2Vycy0t";
    for (seen, place, name) in [
        (first("/", &format!("q={encoded}"), &[], ""), Place::Query, of("q")),
        (first(&format!("/a/{encoded}"), "", &[], ""), Place::Path, of("")),
        (first("/", "", &[("Cookie", &format!("a=1; q={attack}"))], ""), Place::Cookie, of("q")),
        (first("/", "", &[("X-Name", attack)], ""), Place::Header, of("X-Name")),
        (first("/", "", &[("Referer", &format!("https://h/?q={encoded}"))], ""), Place::Referer, of("q")),
        (first("/", "", &[("Content-Type", form)], &format!("a=1&q={encoded}")), Place::Form, of("q")),
        (
            first("/", "", &[("Content-Type", json)], &format!("{{\"a\":{{\"q\":[\"{attack}\"]}}}}")),
            Place::Json,
            of("a.q[]"),
        ),
        (first("/", "", &[("Content-Type", json)], &format!("{{\"q\":\"{attack}")), Place::Json, of("q")),
        (first("/", "", &[("Content-Type", xml)], &format!("<a><q>{attack}</q></a>")), Place::Xml, of("")),
        (
            first("/", "", &[("Content-Type", "multipart/form-data; boundary=b")], &multipart),
            Place::Form,
            of("q"),
        ),
        (first("/", &format!("q={base64}"), &[], ""), Place::Query, of("q")),
        (first("/", &format!("u=https://h/?q%3D{encoded}"), &[], ""), Place::Query, of("u")),
        (first("/", &format!("d=%7B%22q%22:%22{encoded}%22%7D"), &[], ""), Place::Query, of("d.q")),
    ] {
        assert_eq!(seen, Some(("sqli", place, name)));
    }
}

#[test]
fn findings_never_hold_a_value() {
    let secret = "s3cr3t-Value-9f8e7d";
    let query = format!("{secret}=1&q=%27+or+1=1--{secret}");
    let mut inspector = Inspector::new(&Config::default(), &Key::from_bytes([7; 32]));
    let carrier = Carrier {
        path: b"/",
        query: query.as_bytes(),
        headers: std::iter::empty(),
        content_type: None,
        body: b"",
    };
    let found = inspector.request(carrier);
    assert!(!found.all().is_empty());
    let shown = format!("{:?} {}", found.all(), serde_json::to_string(found.all()).unwrap());
    assert!(!shown.contains(secret) && !shown.contains("1=1"), "{shown}");
}

#[test]
fn names_that_are_none_are_not_shown() {
    for (name, shown) in [
        ("q", "q"),
        ("user[address].zip2", "user[address].zip2"),
        ("", ""),
        ("12345678", "{other}"),
        ("' or 1=1", "{other}"),
        ("eyJhbGciOiJIUzI1NiJ9", "{other}"),
    ] {
        assert_eq!(FieldName::of(name.as_bytes()).text(), shown);
    }
}

#[test]
fn what_is_kept_of_an_exchange_is_bounded() {
    let query: String = (0..100).map(|at| format!("f{at}=%27+or+1=1--&")).collect();
    assert!(found("/", &query, &[], "").len() <= MAX_FINDINGS);
}
