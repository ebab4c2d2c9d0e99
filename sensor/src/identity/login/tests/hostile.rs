use proptest::prelude::*;

use super::super::fuzz::login;
use super::{FORM, JSON, request, response};

const BODIES: [&str; 9] = [
    "username=alice&password=p%4",
    r#"{"username":"alice","password":"pw","a":{"b":[{"password":1e9}]}}"#,
    r#"{"query":"mutation { login(user: \"a\\\"b\", password: \"p\") { a } }","variables":{"password":"x"}}"#,
    "{ login(a: \"",
    "<a><methodName>wp.getPosts</methodName><value>1</value><string>a</string><i4>b</i4></a>",
    "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\npw\r\n--b--",
    "password=&password=&%=%&&=&user[password][]=1",
    "[[[[[[[[[[[[[{\"password\":[1]}]]]]]]]]]]]]]",
    "\u{feff}{\"password\":\"\\ud800\"}",
];

const TYPES: [&str; 6] = [
    FORM,
    JSON,
    "Content-Type: application/graphql\r\n",
    "Content-Type: multipart/form-data; boundary=b\r\n",
    "Content-Type: text/xml\r\n",
    "",
];

const ANSWERS: [&str; 4] = [
    r#"{"errors":[{"message":"no"}],"data":{"login":null}}"#,
    "<html><input type=password>",
    r#"{"token":"abcdefgh"}"#,
    "",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bodies(
        choices in any::<u8>(),
        kind in prop::sample::select(TYPES.to_vec()),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let head = format!("POST /a/login HTTP/1.1\r\nHost: a\r\n{kind}Content-Length: {}\r\n\r\n", body.len());
        login(&[&[choices][..], head.as_bytes(), &body].concat());
    }

    #[test]
    fn mutated_exchanges(
        choices in any::<u8>(),
        kind in prop::sample::select(TYPES.to_vec()),
        body in prop::sample::select(BODIES.to_vec()),
        answer in prop::sample::select(ANSWERS.to_vec()),
        status in prop::sample::select(vec![200_u16, 302, 401]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..8),
    ) {
        let request = request("POST /a/login", kind, body);
        let response = response(status, "Location: //\r\nSet-Cookie: a=b\r\n", answer);
        let mut data = [&[choices], request.as_bytes(), b"\xff", response.as_bytes()].concat();
        for (place, byte, edit) in edits {
            let place = place.index(data.len());
            match edit {
                0 => data[place] = byte,
                1 => data.insert(place, byte),
                _ => data.truncate(place.max(1)),
            }
        }
        login(&data);
    }

    #[test]
    fn pieces_of_documents(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "\"password\"", ":", ",", "\"x\"", "\"query\"", "\"{login(a:\\\"", "\\\")}\"", "1", "null", "\\",
            ]),
            0..40,
        ),
    ) {
        let request = request("POST /a", JSON, &pieces.concat());
        login(&[&[0], request.as_bytes(), b"\xff", response(200, "", &pieces.concat()).as_bytes()].concat());
    }
}
