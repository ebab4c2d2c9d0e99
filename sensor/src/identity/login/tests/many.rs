//! Several attempts in one request, attempts in unusual encodings, and attempts that cannot be read.

use super::{FORM, JSON, LoginOutcome, attempts, hasher, login, request, response};
use LoginOutcome::{Failure, Success, Unknown};

const XML: &str = "Content-Type: text/xml\r\n";

/// A request with a body of bytes.
fn bytes(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// `user0` with `pw0`, and so on.
fn are_pairs(found: &[super::Login]) {
    for (number, login) in found.iter().enumerate() {
        assert_eq!(login.user, Some(hasher().user(format!("user{number}").as_bytes())), "user {number}");
        assert_eq!(
            login.password,
            Some(hasher().password(format!("pw{number}").as_bytes())),
            "password {number}"
        );
    }
}

fn joined(count: usize, each: impl Fn(usize) -> String, between: &str) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(between)
}

fn call(number: usize) -> String {
    format!(
        "<value><struct><member><name>methodName</name><value><string>wp.getUsersBlogs</string></value></member>\
         <member><name>params</name><value><array><data><value><string>user{number}</string></value>\
         <value><string>pw{number}</string></value></data></array></value></member></struct></value>"
    )
}

fn multicall(count: usize) -> String {
    format!(
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>{}</data></array>\
         </value></param></params></methodCall>",
        joined(count, call, "")
    )
}

#[test]
fn each_attempt_of_a_request_counts() {
    let pair = |number: usize| format!(r#"{{"username":"user{number}","password":"pw{number}"}}"#);
    let alias = |number: usize| {
        format!(r#"a{number}: login(username: \"user{number}\", password: \"pw{number}\") {{ token }}"#)
    };
    let document = |number: usize| {
        format!(
            r#"{{"query":"mutation($u:String,$p:String){{login(username:$u,password:$p){{token}}}}","variables":{{"u":"user{number}","p":"pw{number}"}}}}"#
        )
    };
    let call = |number: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{number},"method":"login","params":{{"user":"user{number}","password":"pw{number}"}}}}"#
        )
    };
    let row =
        |number: usize| format!("login[{number}][user]=user{number}&login[{number}][password]=pw{number}");
    let column = |number: usize| format!("user[]=user{number}&password[]=pw{number}");
    let variable =
        |number: usize| format!("a{number}:login(username:$u{number},password:$p{number}){{token}}");
    let value = |number: usize| format!(r#""u{number}":"user{number}","p{number}":"pw{number}""#);
    let variables = |count| {
        format!(
            r#"{{"variables":{{{}}},"query":"mutation {{ {} }}"}}"#,
            joined(count, value, ","),
            joined(count, variable, " ")
        )
    };
    let soap = |number: usize| format!("<Username>user{number}</Username><Password>pw{number}</Password>");
    for count in [2, 20, 60] {
        for (line, headers, body) in [
            ("POST /login", JSON, format!("[{}]", joined(count, pair, ","))),
            ("POST /login", JSON, format!(r#"{{"requests":[{}]}}"#, joined(count, pair, ","))),
            ("POST /rpc", JSON, format!("[{}]", joined(count, call, ","))),
            ("POST /graphql", JSON, format!("[{}]", joined(count, document, ","))),
            ("POST /graphql", JSON, format!(r#"{{"query":"mutation {{ {} }}"}}"#, joined(count, alias, " "))),
            ("POST /graphql", JSON, variables(count)),
            ("POST /login", FORM, joined(count, row, "&")),
            ("POST /login", FORM, joined(count, column, "&")),
            ("POST /xmlrpc.php", XML, multicall(count)),
            ("POST /ws", XML, format!("<Envelope>{}</Envelope>", joined(count, soap, ""))),
        ] {
            let (found, uncounted) =
                attempts(request(line, headers, &body).as_bytes(), &response(401, "", ""));
            assert_eq!((found.len(), uncounted), (count, 0), "{line} {body}");
            are_pairs(&found);
            assert!(found.iter().all(|login| login.outcome == Failure && !login.unread), "{line} {body}");
        }
    }
}

#[test]
fn beyond_a_bound_attempts_are_counted_only() {
    let alias = |number: usize| format!(r#"a{number}:login(u:\"u{number}\",password:\"p\"){{t}}"#);
    let body = format!(r#"{{"query":"mutation{{{}}}"}}"#, joined(400, alias, " "));
    let (found, uncounted) = attempts(request("POST /login", JSON, &body).as_bytes(), &response(401, "", ""));
    assert_eq!((found.len(), uncounted), (128, 272));
}

#[test]
fn outcomes_are_those_of_the_parts_of_the_answer() {
    let alias = |number: usize| {
        format!(r#"a{number}: login(user: \"user{number}\", password: \"pw{number}\") {{ token }}"#)
    };
    let body = format!(r#"{{"query":"mutation {{ {} }}"}}"#, joined(4, alias, " "));
    let graphql = request("POST /graphql", JSON, &body);
    let one = r#"{"query":"mutation{login(user:\"u\",password:\"p\"){token}}"}"#;
    let batch = request("POST /graphql", JSON, &format!("[{one},{one},{one},{one}]"));
    let calls = request("POST /xmlrpc.php", XML, &multicall(4));
    let fault = "<value><struct><member><name>faultCode</name><value><int>403</int></value></member></struct></value>";
    let blogs = "<value><array><data><value><array><data/></array></value></data></array></value>";
    let answers = |entries: &str| {
        format!(
            "<methodResponse><params><param><value><array><data>{entries}</data></array></value></param></params></methodResponse>"
        )
    };
    for (asked, answer, expected) in [
        (
            &graphql,
            r#"{"data":{"a0":null,"a1":{"token":"abcdefgh"},"a2":{"token":null,"errors":[{"message":"no"}]},"a3":null}}"#.to_owned(),
            [Failure, Success, Failure, Failure],
        ),
        (
            &graphql,
            r#"{"errors":[{"message":"no","path":["a0"]},{"path":["a3","x"]}],"data":{"a1":{"id":1},"a2":{"id":2}}}"#.to_owned(),
            [Failure, Success, Success, Failure],
        ),
        (
            &batch,
            r#"[{"data":{"login":{"token":"abcdefgh"}}},{"errors":[{"path":["login"]}],"data":null},{"data":{"login":null}},{"data":{"login":{"token":"abcdefgh"}}}]"#.to_owned(),
            [Success, Failure, Failure, Success],
        ),
        (&calls, answers(&[fault, blogs, fault, fault].concat()), [Failure, Success, Failure, Failure]),
        (&calls, answers(fault)[..200].to_owned(), [Failure, Unknown, Unknown, Unknown]),
    ] {
        let (found, _) = attempts(asked.as_bytes(), &response(200, "", &answer));
        let outcomes: Vec<_> = found.iter().map(|login| login.outcome).collect();
        assert_eq!(outcomes, expected, "{answer}");
    }
    let (found, _) = attempts(graphql.as_bytes(), &response(403, "", ""));
    assert!(found.iter().all(|login| login.outcome == Failure));
}

#[test]
fn encodings_hide_nothing() {
    let json = r#"{"username":"alice","password":"pw"}"#;
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf32: Vec<u8> = json.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for (headers, body) in [
        (JSON, marked(b"\xef\xbb\xbf", json.as_bytes())),
        (JSON, utf16.clone()),
        (JSON, big.clone()),
        (JSON, utf32),
        (JSON, marked(b"\xff\xfe", &utf16)),
        (JSON, marked(b"\xfe\xff", &big)),
        ("Content-Type: application/json; charset=utf-16le\r\n", utf16),
        ("Content-Type: application/json; charset=utf-16\r\n", json.as_bytes().to_vec()),
        (
            "Content-Type: application/json; charset=\"iso-8859-1\"\r\n",
            marked(b"{\"x\":\"\xe9\",", &json.as_bytes()[1..]),
        ),
        (JSON, marked(b"{\"x\":\"\xff\xfe\",", &json.as_bytes()[1..])),
        ("Content-Type: application/vnd.api\r\n", json.as_bytes().to_vec()),
        ("Content-Type: application/octet-stream\r\n", json.as_bytes().to_vec()),
    ] {
        let (found, _) = attempts(&bytes("POST /login", headers, &body), &response(401, "", ""));
        let [login] = found[..] else { panic!("{headers} {body:?}: {found:?}") };
        assert_eq!(login.user, Some(hasher().user(b"alice")), "{headers} {body:?}");
        assert_eq!(login.password, Some(hasher().password(b"pw")), "{headers} {body:?}");
    }
}

#[test]
fn what_cannot_be_read_where_one_logs_in_is_an_attempt_of_an_unknown_account() {
    let refused = response(401, "", "");
    let padded = format!(r#"{{"padding":"{}","username":"alice","password":"pw"}}"#, "x".repeat(17 << 10));
    for (headers, body) in [
        (JSON, padded.clone()),
        (FORM, format!("padding={}&username=alice&password=pw", "x".repeat(17 << 10))),
        ("Content-Type: application/json; charset=ibm037\r\n", "x".to_owned()),
        ("Content-Type: application/json\r\nContent-Encoding: exi\r\n", "x".to_owned()),
    ] {
        let found = login(&request("POST /login", headers, &body), &refused);
        let found = found.unwrap_or_else(|| panic!("{headers}"));
        assert_eq!(
            (found.user, found.password, found.outcome, found.unread),
            (None, None, Failure, true),
            "{headers}"
        );
    }
    for (line, body) in
        [("POST /upload", &padded), ("POST /login", &String::new()), ("POST /login", &"{\"a\":1}".to_owned())]
    {
        assert_eq!(login(&request(line, JSON, body), &refused), None, "{line}");
    }
}

#[test]
fn where_one_logs_in_is_learned_from_what_is_submitted_there() {
    let attempt = request("POST /v1/enter", JSON, r#"{"username":"alice","password":"pw"}"#);
    let other = request("POST /v1/enter", JSON, r#"{"a":1}"#);
    let padded = request("POST /v1/enter", JSON, &format!(r#"{{"padding":"{}"}}"#, "x".repeat(17 << 10)));
    let refused = response(401, "", "");
    for (attempts_before, others_before, expected) in [(0, 0, 0), (2, 0, 2), (3, 0, 4), (3, 3, 4), (3, 9, 3)]
    {
        let requests =
            [attempt.repeat(attempts_before), other.repeat(others_before), padded.clone()].concat();
        let responses = refused.repeat(attempts_before + others_before + 1);
        let (found, _) = attempts(requests.as_bytes(), &responses);
        assert_eq!(found.len(), expected, "{attempts_before} and {others_before}");
        assert_eq!(found.last().is_some_and(|login| login.unread), expected > attempts_before);
    }
}

/// A body that was cut before its fields is an attempt where one logs in, be it an endpoint rather than a page; where calls
/// of all kinds go, once one of them was.
#[test]
fn bodies_that_were_cut_are_attempts_at_endpoints_too() {
    let padded = |line: &str| request(line, JSON, &format!(r#"{{"padding":"{}"}}"#, "x".repeat(17 << 10)));
    for (line, is_attempt) in [
        ("POST /oauth/token", true),
        ("POST /api/sessions", true),
        ("POST /api/auth", true),
        ("POST /xmlrpc.php", true),
        ("POST /users/authenticate", true),
        ("POST /articles", false),
        ("POST /graphql", false),
        ("PUT /sessions/17/notes", false),
    ] {
        let (found, _) = attempts(padded(line).as_bytes(), &response(401, "", ""));
        assert_eq!(found.first().is_some_and(|login| login.unread), is_attempt, "{line}");
    }
    let known = request(
        "POST /graphql",
        JSON,
        r#"{"query":"mutation{login(email:\"alice\",password:\"pw\"){token}}"}"#,
    );
    let answer = response(401, "", "");
    let both = known + &padded("POST /graphql");
    let (found, _) = attempts(both.as_bytes(), &answer.repeat(2));
    assert_eq!(found.iter().map(|login| login.unread).collect::<Vec<_>>(), [false, true]);
}
