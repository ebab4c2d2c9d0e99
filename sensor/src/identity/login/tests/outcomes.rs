use super::{FORM, JSON, LoginOutcome, login, outcome, request, response};
use LoginOutcome::{Failure, Success, Unknown};

#[test]
fn statuses() {
    let cases = [
        // Who brings no session, and is given nothing, is nobody.
        (200, Failure),
        (204, Failure),
        (400, Failure),
        (401, Failure),
        (403, Failure),
        (404, Unknown),
        (405, Unknown),
        (419, Unknown),
        (422, Failure),
        (423, Failure),
        (429, Unknown),
        (500, Unknown),
        (503, Unknown),
    ];
    for (status, expected) in cases {
        assert_eq!(outcome(&response(status, "", "")), expected, "{status}");
    }
    assert_eq!(outcome(""), Unknown, "no response");
}

#[test]
fn redirects() {
    let cases = [
        (302, "/home", Success),
        (303, "/", Success),
        (302, "https://app.example/cb?code=abc&state=x", Success),
        (302, "/oauth/authorize?client_id=x", Success),
        (302, "/home?from=/login", Success),
        (302, "/home?next=/error", Success),
        (302, "/login", Failure),
        (302, "/login/", Failure),
        (302, "/signin?next=%2Fhome", Failure),
        (302, "https://a/Account/Login?ReturnUrl=%2f", Failure),
        (302, "?error", Failure),
        (302, "/login?error", Failure),
        (302, "/?login=failed", Failure),
        (302, "/start#error=access_denied", Failure),
        (302, "/home?error=0", Success),
        (302, "/account/access-denied", Failure),
        (302, "/login/2fa", Unknown),
        (302, "/mfa/verify", Unknown),
        (301, "https://a/login/", Unknown),
        (308, "https://a/login", Unknown),
    ];
    for (status, location, expected) in cases {
        let answer = response(status, &format!("Location: {location}\r\n"), "");
        assert_eq!(outcome(&answer), expected, "{status} {location}");
    }
    assert_eq!(outcome(&response(302, "", "")), Unknown);
    assert_eq!(outcome(&response(304, "", "")), Unknown);
}

#[test]
fn bodies() {
    let html = "Content-Type: text/html\r\n";
    let jar = "Content-Type: text/html\r\nSet-Cookie: PHPSESSID=0123456789; path=/\r\n";
    let user = "Content-Type: text/html\r\nSet-Cookie: wordpress_logged_in_1=alice%7C123; HttpOnly\r\n";
    let gone = "Content-Type: text/html\r\nSet-Cookie: auth_token=deleted0; Max-Age=0\r\n";
    let form = "<html><form><input name=p type=\"password\"></form></html>";
    let cases = [
        (html, "<html>Hello</html>", Unknown),
        (jar, "<html>Hello</html>", Success),
        (html, "<html>Hello, alice <a href=/logout>Log out</a></html>", Success),
        (html, form, Failure),
        (jar, form, Failure),
        (html, "<html>Incorrect password.</html>", Failure),
        (jar, "<html>Incorrect password.</html>", Failure),
        (user, "<html>if (x) alert('Invalid password')</html>", Success),
        (gone, "<html>Invalid password</html>", Failure),
        (JSON, r#"{"access_token":"abcdefgh","token_type":"bearer"}"#, Success),
        (JSON, r#"{"data":{"login":{"token":"abcdefgh"}}}"#, Success),
        (JSON, r#"{"id":7,"name":"alice"}"#, Success),
        (JSON, r#"{"error":null,"errors":[],"success":true}"#, Success),
        (JSON, r#"{"success":false}"#, Failure),
        (JSON, r#"{"authenticated":false}"#, Failure),
        (JSON, r#"{"isAuthenticated":"false"}"#, Failure),
        (JSON, r#"{"error":"invalid_grant"}"#, Failure),
        (JSON, r#"{"error_code":12}"#, Failure),
        (JSON, r#"{"status":"error","message":"no"}"#, Failure),
        (JSON, r#"{"code":401}"#, Failure),
        (JSON, r#"{"message":"Invalid credentials"}"#, Failure),
        (JSON, r#"{"errors":[{"message":"nope"}],"data":{"login":null}}"#, Failure),
        (JSON, r#"{"data":{"login":{"userErrors":[{"field":"x"}],"user":null}}}"#, Failure),
        (JSON, r#"{"data":{"login":null}}"#, Failure),
        (JSON, r#"{"user":null}"#, Failure),
        (JSON, r#"{"error":"mfa_required","mfa_token":"abcdefgh"}"#, Unknown),
        (JSON, r#"{"requires2FA":true,"token":""}"#, Unknown),
        (JSON, r#"{"requires2FA":false,"token":"abcdefgh"}"#, Success),
        (
            "Content-Type: text/xml\r\n",
            "<methodResponse><fault><value>403</value></fault></methodResponse>",
            Failure,
        ),
        ("Content-Type: text/xml\r\n", "<methodResponse><params></params></methodResponse>", Success),
        ("Content-Type: text/plain\r\n", "Login incorrect", Failure),
    ];
    for (headers, body, expected) in cases {
        assert_eq!(outcome(&response(200, headers, body)), expected, "{headers}{body}");
    }
    let half = response(403, JSON, r#"{"error":"mfa_required"}"#);
    assert_eq!(outcome(&half), Unknown);
}

#[test]
fn the_end_of_a_page_that_was_not_kept_may_have_the_form() {
    let long = format!("<html>{}<input type=password></html>", "x".repeat(20 << 10));
    assert_eq!(outcome(&response(200, "", &long)), Unknown);
    let known = "Set-Cookie: remember_user_token=abcdefgh\r\n";
    assert_eq!(outcome(&response(200, known, &long)), Success);
}

#[test]
fn basic_authentication_is_answered_by_the_status() {
    let request = request("GET /login", "Authorization: Basic YWxpY2U6cHc=\r\n", "");
    let failed = r#"{"error":"no such thing"}"#;
    for (status, expected) in [
        (200, Success),
        (304, Success),
        (401, Failure),
        (403, Failure),
        (404, Unknown),
        (400, Unknown),
        (500, Unknown),
    ] {
        let body = if status == 304 { "" } else { failed };
        assert_eq!(login(&request, &response(status, "", body)).unwrap().outcome, expected, "{status}");
    }
    let refused_at_login = super::request("POST /login", FORM, "username=a&password=b");
    assert_eq!(login(&refused_at_login, &response(401, "", "")).unwrap().outcome, Failure);
}

/// The session that a login begins is told as the principal that its owner's next request has.
#[test]
fn the_session_that_a_success_begins_is_the_principal_of_what_comes_next() {
    use crate::identity::Kind;
    let form = request("POST /login", FORM, "username=alice&password=secret");
    let of = |headers: &str, body: &str, status: u16| {
        login(&form, &response(status, headers, body)).expect("a login").session
    };
    let session = super::hasher().hash(Kind::Session, b"0123456789abcdef");
    let cookie = "Set-Cookie: theme=dark\r\nSet-Cookie: sessionid=0123456789abcdef; HttpOnly\r\n";
    assert_eq!(of(&format!("Location: /home\r\n{cookie}"), "", 302), Some(session));
    let token = super::hasher().hash(Kind::Bearer, b"c2VjcmV0LXRva2VuLTEyMw");
    let document = "{\"user\":{\"name\":\"alice\"},\"access_token\":\"c2VjcmV0LXRva2VuLTEyMw\"}";
    assert_eq!(of("Content-Type: application/json\r\n", document, 200), Some(token));
    // A failure begins none, and neither does an answer that is no object.
    assert_eq!(of(cookie, "", 401), None);
    assert_eq!(of("Content-Type: application/json\r\n", "[\"access_token\"]", 200), None);
}
