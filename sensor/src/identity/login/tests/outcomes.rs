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
        (303, "/start", Success),
        // The first page is for everybody.
        (303, "/", Unknown),
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

#[test]
fn a_new_session_beats_the_place_it_leads_back_to() {
    let path = "POST /login";
    let cases = [
        ("PHPSESSID=abcdef0123456789; path=/; HttpOnly", Success),
        ("zbx_session=eyJzZXNzaW9uaWQiOiI; secure; HttpOnly", Success),
        ("JSESSIONID=ABCDEF0123456789; Path=/", Success),
        (".AspNetCore.Cookies=CfDJ8abc; path=/; HttpOnly", Success),
        ("connect.sid=s%3Aabc.def; Path=/; HttpOnly", Success),
        ("_app_session=abcdefgh; path=/; HttpOnly", Success),
        ("lemonldap=abcdef0123456789; path=/; HttpOnly", Success),
        ("theme=dark; path=/", Failure),
        ("XSRF-TOKEN=eyJpdiI6Imabcdef123", Failure),
        ("flash=eyJlcnJvciI6ImJhZCJ9; HttpOnly", Failure),
        ("PHPSESSID=deleted; Max-Age=0; HttpOnly", Failure),
        // The message may be in the session itself.
        ("session=eyJlcnJvciI6ImJhZCJ9.abc.def; HttpOnly", Failure),
        ("sid=abcdef0123456789; HttpOnly\r\nSet-Cookie: messages=bad", Failure),
    ];
    for (cookie, expected) in cases {
        let form = request(path, FORM, "username=alice&password=secret");
        let headers = format!("Location: /login\r\nSet-Cookie: {cookie}\r\n");
        assert_eq!(login(&form, &response(302, &headers, "")).unwrap().outcome, expected, "{cookie}");
        let headers = format!("Location: /login?error\r\nSet-Cookie: {cookie}\r\n");
        assert_eq!(login(&form, &response(302, &headers, "")).unwrap().outcome, Failure, "{cookie}");
    }
}

#[test]
fn throttling_says_nothing_about_a_password() {
    for (status, headers, body) in [
        (422, JSON, r#"{"message":"Too many login attempts. Please try again in 52 seconds."}"#),
        (200, JSON, r#"{"success":false,"message":"Too many attempts, please wait 30 seconds"}"#),
        (200, JSON, r#"{"code":429,"msg":"x"}"#),
        (403, JSON, r#"{"error":"rate_limited"}"#),
        (403, JSON, r#"{"error":"captcha_required"}"#),
        (403, JSON, r#"{"captcha_required":true}"#),
        (400, JSON, r#"{"code":"TOO_MANY_ATTEMPTS_TRY_LATER"}"#),
        (400, JSON, r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2000}"#),
        (401, JSON, r#"{"message":"Too many requests. Retry later."}"#),
        (403, JSON, r#"{"message":"Zu viele Anmeldeversuche. Bitte versuchen Sie es sp\u00e4ter erneut."}"#),
        (403, "Retry-After: 30\r\n", ""),
        (503, JSON, r#"{"message":"login failed: overloaded"}"#),
        (302, "Location: /login?error=too_many_attempts\r\n", ""),
        (302, "Location: /login?throttled=1\r\n", ""),
        (302, "Location: /account/lockout\r\n", ""),
    ] {
        assert_eq!(outcome(&response(status, headers, body)), Unknown, "{status} {headers}{body}");
    }
    for (status, body) in [
        (401, r#"{"message":"Wrong password. Please try again later."}"#),
        (200, r#"{"success":false,"captcha":false}"#),
        (403, r#"{"captcha_required":false}"#),
    ] {
        assert_eq!(outcome(&response(status, JSON, body)), Failure, "{body}");
    }
}

#[test]
fn tokens_stand_in_headers_and_under_other_names() {
    for (status, headers, body) in [
        (200, "Authorization: Bearer abcdefghijkl.abcdef.abcdef\r\n", ""),
        (200, "X-JWT: abcdefghijkl.abcdef.abcdef\r\n", "{}"),
        (201, "X-Session-Id: abcdefghijklabcdefabcdef\r\n", ""),
        (204, "X-Auth: abcdefghijklabcdefabcdef\r\n", ""),
        (200, "X-Access-Token: abcdefghijklabcdef\r\n", ""),
        (201, "X-Subject-Token: abcdefghijklabcdef\r\n", r#"{"token":{"methods":["password"]}}"#),
        (200, "Content-Type: text/plain\r\n", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"),
        (200, JSON, r#"{"key":"0123456789abcdef0123456789abcdef01234567"}"#),
        (200, JSON, r#"{"bearer":"abcdefgh12345678","error":false}"#),
        (200, JSON, r#"{"apiKey":"abcdefgh12345678"}"#),
        (
            200,
            "Content-Type: text/xml\r\n",
            "<Doc><authPassed>1</authPassed><authSid>abcd1234</authSid></Doc>",
        ),
        (200, "", "<html><a href=/logout>Out</a><form><input type=password name=p></form></html>"),
    ] {
        assert_eq!(outcome(&response(status, headers, body)), Success, "{status} {headers}{body}");
    }
    for (headers, body) in [
        ("X-CSRF-Token: abcdefghijklabcdef\r\n", ""),
        (JSON, r#"{"error":"x","key":"error.invalid_credentials"}"#),
        ("", "<html><a href=/logout>Out</a>Wrong password<input type=password name=p></html>"),
    ] {
        assert_eq!(outcome(&response(200, headers, body)), Failure, "{headers}{body}");
    }
}

#[test]
fn failures_inside_a_success() {
    for body in [
        r#"{"token":null}"#,
        r#"{"token":""}"#,
        r#"{"data":{"authenticate":{"jwtToken":null}}}"#,
        r#"{"ret":-1}"#,
        r#"{"rc":1}"#,
        r#"{"rtn":1,"errmsg":"x"}"#,
        r#"{"auth":0}"#,
        r#"{"status":"NG"}"#,
        r#"{"success":"N"}"#,
        r#"{"code":"E1001"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[6]}"#,
        r#"{}&&{"success":false}"#,
        "/*-secure-\n{\"success\":false}*/",
        r#"throw 1; <dont be evil> {"success":false}"#,
        r#"callback({"success":false});"#,
        "<QDocRoot><authPassed>0</authPassed></QDocRoot>",
        "<result>FAIL</result>",
    ] {
        assert_eq!(outcome(&response(200, JSON, body)), Failure, "{body}");
    }
    for (body, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":[0,{"ubus_rpc_session":"0123456789abcdef"}]}"#, Success),
        (r#"{"success":"Y"}"#, Success),
        (r#"{"code":"E"}"#, Unknown),
        (r#"{"ret":0}"#, Unknown),
        (r#"{"code":0,"msg":"ok","data":null}"#, Unknown),
        (r#"{"id":7,"token":null}"#, Success),
    ] {
        assert_eq!(outcome(&response(200, JSON, body)), expected, "{body}");
    }
}
