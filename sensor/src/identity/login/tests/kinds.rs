//! Kinds of logins beyond the common form: how they are sent, and how they are answered.

use super::{FORM, JSON, Login, LoginOutcome, hasher, login, request, response};
use LoginOutcome::{Failure, Success, Unknown};

const XML: &str = "Content-Type: text/xml\r\n";
const HTML: &str = "Content-Type: text/html\r\n";
const DIGEST: &str =
    "Authorization: Digest username=\"alice\", realm=\"a,b\", nonce=\"n\", uri=\"/\", response=\"r\"\r\n";

/// Request line, headers, body, and the account where one is named.
const SENT: &[(&str, &str, &str, Option<&str>)] = &[
    // Names of fields.
    ("POST /index.php", FORM, "usernamefld=alice&passwordfld=pw&login=Sign+In", Some("alice")),
    ("POST /x", FORM, "user=alice&passwrd=pw&hash_passwrd=", Some("alice")),
    ("POST /manage/login", FORM, "username=alice&userident=pw&p_field=", Some("alice")),
    ("POST /connexion", FORM, "identifiant=alice&motdepasse=pw", Some("alice")),
    ("POST /inloggen", FORM, "gebruikersnaam=alice&wachtwoord=pw", Some("alice")),
    ("POST /api/tokens", JSON, r#"{"identity":"alice","secret":"pw"}"#, Some("alice")),
    ("POST /api/v1/login", JSON, r#"{"accessKey":"alice","secretKey":"pw"}"#, Some("alice")),
    ("POST /rest/login", JSON, r#"{"emailOrLdapLoginId":"alice","password":"pw"}"#, Some("alice")),
    ("POST /w/api.php", FORM, "action=login&lgname=alice&lgpassword=pw&lgtoken=x", Some("alice")),
    // What says nothing of accounts that are made.
    (
        "POST /v3/login",
        JSON,
        r#"{"identifier":{"user":"alice"},"password":"pw","initial_device_display_name":"phone"}"#,
        Some("alice"),
    ),
    ("POST /login", FORM, "username=alice&password=pw&newpassword=", Some("alice")),
    // Where accounts are kept, the button tells.
    ("POST /my-account/", FORM, "username=alice&password=pw&shop-login-nonce=1&login=Log+in", Some("alice")),
    // By position.
    ("POST /json", JSON, r#"{"method":"auth.login","params":["pw"],"id":1}"#, None),
    ("POST /v1/_/logon", JSON, r#"{"params":["alice","pw","1"],"state":"x"}"#, Some("alice")),
    (
        "POST /jsonrpc",
        JSON,
        r#"{"method":"call","params":{"service":"common","method":"login","args":["db","alice","pw"]}}"#,
        Some("alice"),
    ),
    (
        "POST /xmlrpc/2/common",
        XML,
        "<methodCall><methodName>authenticate</methodName><params><param><value><string>db</string></value></param>\
         <param><value><string>alice</string></value></param><param><value><string>pw</string></value></param>\
         <param><value><struct></struct></value></param></params></methodCall>",
        Some("alice"),
    ),
    // In texts, in objects, beside names.
    (
        "POST /api/v1/method.callAnon/login",
        JSON,
        r#"{"message":"{\"method\":\"login\",\"params\":[{\"user\":{\"username\":\"alice\"},\"password\":{\"digest\":\"d1\",\"algorithm\":\"sha-256\"}}]}"}"#,
        Some("alice"),
    ),
    (
        "POST /json/authenticate",
        JSON,
        r#"{"callbacks":[{"type":"NameCallback"},{"input":[{"name":"username","value":"alice"}]},{"input":[{"name":"password","value":"pw"}]}]}"#,
        Some("alice"),
    ),
    (
        "POST /rpc/login",
        XML,
        "<methodCall><methodName>x.y</methodName><params><param><value><struct>\
         <member><name>username</name><value><string>alice</string></value></member>\
         <member><name>password</name><value><string>pw</string></value></member></struct></value></param></params></methodCall>",
        Some("alice"),
    ),
    ("POST /nuova", XML, "<aaaLogin inName=\"alice\" inPassword=\"pw\"></aaaLogin>", Some("alice")),
    // Other media types.
    (
        "POST /",
        "Content-Type: application/x-amz-json-1.1\r\n",
        r#"{"AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"pw"}}"#,
        Some("alice"),
    ),
    // In the path.
    ("POST /v1/auth/userpass/login/alice", JSON, r#"{"password":"pw"}"#, Some("alice")),
    (
        "POST /v1/users/alice%40a.b/login",
        JSON,
        r#"{"credentials":{"staticPassword":"pw"}}"#,
        Some("alice@a.b"),
    ),
    // With each request.
    ("GET /private", DIGEST, "", Some("alice")),
    ("GET /rest/ping.view?u=alice&p=enc:7077&v=1&c=player&f=json", "", "", Some("alice")),
    (
        "GET /rest/ping.view?u=alice&t=26719a1196d2a940705a59634eb18eab&s=c19b2d&v=1&c=player&f=json",
        "",
        "",
        Some("alice"),
    ),
    // Codes.
    ("POST /login/challenge/totp", FORM, "challenge=123456", None),
    ("POST /mfa/verify", JSON, r#"{"code":"123 456"}"#, None),
];

/// What resembles them.
const NOT_SENT: &[(&str, &str, &str)] = &[
    ("GET /list?u=alice&p=2", "", ""),
    ("GET /list?u=alice&p=2&v=1", "", ""),
    ("POST /my-account/", FORM, "email=a%40b.c&password=pw&register=Register"),
    ("POST /my-account/edit", FORM, "account_display_name=alice&password_1=a&password_2=a"),
    ("POST /oauth/callback", FORM, "code=123456&state=s"),
    ("POST /shipping/otp-free", FORM, "note=123456"),
    ("POST /rpc", JSON, r#"{"method":"items.list","params":["alice","pw"]}"#),
    ("POST /rpc", JSON, r#"{"method":"login.page","params":[]}"#),
    ("POST /forms", JSON, r#"{"fields":[{"name":"title","value":"password"}]}"#),
    ("POST /login/resend", FORM, "challenge=8f7e42faab604bcab7ac43c44ca34d58"),
    ("GET /x", "Authorization: Digest realm=\"username=\"\r\n", ""),
];

#[test]
fn what_is_sent_is_recognised() {
    for (line, headers, body, user) in SENT {
        let found = login(&request(line, headers, body), &response(401, "", ""));
        let Some(Login { user: found, .. }) = found else { panic!("not recognised: {line} {body}") };
        assert_eq!(found, user.map(|user| hasher().user(user.as_bytes())), "user of {line} {body}");
    }
}

#[test]
fn what_resembles_it_is_not() {
    for (line, headers, body) in NOT_SENT {
        let found = login(&request(line, headers, body), &response(401, "", ""));
        assert!(found.is_none(), "taken for a login: {line} {body}");
    }
}

/// How an answer is judged: whether it is one to a document rather than to a form, status, headers, body.
type Answered = (bool, u16, String, &'static str, LoginOutcome);

const SESSION: &str = "Set-Cookie: sid=0123456789\r\n";

/// Texts, pages and documents with status 200.
fn said() -> Vec<Answered> {
    vec![
        // Texts.
        (false, 200, "".into(), "Fails.", Failure),
        (false, 200, "".into(), "Ok.", Success),
        (false, 200, "".into(), "ret=1,redir=/home", Success),
        (false, 200, "".into(), "something", Unknown),
        (false, 200, HTML.into(), "<p class=e>Identifiant ou mot de passe incorrect.</p>", Failure),
        (false, 200, HTML.into(), "<p>Benutzername oder Passwort falsch</p>", Failure),
        (false, 200, HTML.into(), "<p>密码错误</p>", Failure),
        (false, 200, HTML.into(), "<form><input id=otp autocomplete=one-time-code></form>", Unknown),
        (false, 200, HTML.into(), "<input type=hidden name=SAMLResponse value=x>", Success),
        (false, 200, HTML.into(), "<script>window.location='/home'</script>", Success),
        (false, 200, HTML.into(), "<script>window.location='/login?error=1'</script>", Failure),
        // Documents with status 200.
        (true, 200, "".into(), r#"{"url":"http://a/signin?error=CredentialsSignin"}"#, Failure),
        (true, 200, "".into(), r#"{"url":"http://a/home"}"#, Success),
        (true, 200, "".into(), r#"{"code":500,"msg":"x"}"#, Failure),
        (true, 200, "".into(), r#"{"ret":0}"#, Unknown),
        (true, 200, "".into(), r#"{}"#, Unknown),
        (true, 200, SESSION.into(), r#"{}"#, Success),
        (true, 200, "".into(), "\u{feff}{\"success\":false}", Failure),
        (true, 200, "".into(), ")]}',\n{\"success\":false}", Failure),
        (true, 200, "".into(), "while(1);{\"success\":true}", Success),
        (true, 200, "".into(), r#"{"data":null,"auth":{"client_token":"hvs.abcdefgh"}}"#, Success),
        (true, 200, "".into(), r#"{"data":null}"#, Failure),
        (true, 200, "".into(), "\"4d39axyzabcdefghijkl\"", Success),
        (true, 200, "".into(), "false", Failure),
        (true, 200, "X-Auth-Token: 0123456789\r\n".into(), "{}", Success),
    ]
}

/// More is asked for, other statuses, redirects.
fn told() -> Vec<Answered> {
    let own = "Location: /login\r\n";
    let both = |one: &str, other: &str| format!("{one}{other}");
    vec![
        (true, 200, "".into(), r#"{"requires_2fa":true,"challenge_token":"abcdefghijk"}"#, Unknown),
        (true, 200, "".into(), r#"{"finished":false,"next":"totp"}"#, Unknown),
        (true, 202, "".into(), r#"{"message":"Second factor required"}"#, Unknown),
        (true, 400, "".into(), r#"{"error":{"message":"No 2FA token found"}}"#, Unknown),
        (true, 401, "".into(), r#"{"status":"error","error":"totp-required"}"#, Unknown),
        (true, 403, "".into(), r#"{"errors":[{"code":"2FA_NEW_DEVICE_DETECTED"}]}"#, Unknown),
        (true, 422, "".into(), r#"{"redirect_browser_to":"http://a/login?aal=aal2"}"#, Unknown),
        (true, 401, "".into(), r#"{"error":"Wrong password or 2FA code"}"#, Failure),
        (true, 200, "".into(), r#"{"id":7,"username":"alice","mfa_enabled":true}"#, Success),
        (false, 303, "Location: /user/webauthn\r\n".into(), "", Unknown),
        (false, 303, "Location: /login/selectchallenge\r\n".into(), "", Unknown),
        // Refusals by other statuses.
        (true, 404, "".into(), r#"{"code":101,"error":"Invalid username/password."}"#, Failure),
        (true, 404, "".into(), r#"{"error":"Not Found","path":"/login"}"#, Unknown),
        (true, 404, "".into(), "", Failure),
        (false, 404, HTML.into(), "<h1>Not Found</h1>", Unknown),
        (true, 409, "".into(), r#"{"error":"Conflict","message":"Authentication failed"}"#, Failure),
        (true, 409, "".into(), r#"{"error":"Conflict"}"#, Unknown),
        (true, 500, "".into(), r#"{"message":"Bad credentials"}"#, Failure),
        (true, 500, "".into(), r#"{"message":"Internal error"}"#, Unknown),
        (true, 204, "".into(), "", Failure),
        (false, 204, SESSION.into(), "", Success),
        (true, 429, "".into(), r#"{"error":"Invalid password, too many attempts"}"#, Unknown),
        // Redirects to the own path.
        (false, 302, own.into(), "", Failure),
        (false, 302, both(own, "Set-Cookie: PHPSESSID=0123456789\r\n"), "", Success),
        (false, 302, both(own, "Set-Cookie: MSISAuth=AAEAAKabcdefgh\r\n"), "", Success),
        (false, 302, both(own, "Set-Cookie: x_user_state=logged_in\r\n"), "", Success),
        (false, 302, both("Location: /login?check=1\r\n", SESSION), "", Success),
        (true, 302, own.into(), "", Unknown),
        // With a status that says so, in the whole document.
        (true, 200, "".into(), r#"{"data":{"ticket":"PVE:!tfa!alice::abc","NeedTFA":1}}"#, Unknown),
        (true, 200, XML.into(), "<?xml version=\"1.0\"?><error><code>108006</code></error>", Failure),
        (true, 200, XML.into(), "<?xml version=\"1.0\"?><response>OK</response>", Success),
        (
            true,
            200,
            XML.into(),
            "<?xml version=\"1.0\"?><a><authPassed><![CDATA[0]]></authPassed></a>",
            Failure,
        ),
        (true, 200, "".into(), r#"{"type":"form","flow_id":"8f7e42faab604bcab7ac43c44ca34d58"}"#, Unknown),
    ]
}

#[test]
fn answers_are_judged_by_their_signs() {
    for (is_json, status, headers, body, expected) in said().into_iter().chain(told()) {
        let sent = if is_json {
            request("POST /login", JSON, r#"{"username":"alice","password":"pw"}"#)
        } else {
            request("POST /login", FORM, "username=alice&password=pw")
        };
        let found = login(&sent, &response(status, &headers, body)).expect("a login").outcome;
        assert_eq!(found, expected, "{status} {headers}{body}");
    }
}

#[test]
fn a_session_that_is_renewed_beats_the_place_that_is_led_to() {
    let sent = |cookie: &str| {
        request("POST /login", &format!("{FORM}Cookie: {cookie}\r\n"), "username=alice&password=pw")
    };
    let answer = response(303, "Location: /login\r\nSet-Cookie: sid=new0123456\r\n", "");
    for (cookie, expected) in [
        ("sid=old0123456", Success),
        ("sid=new0123456", Failure),
        ("a=b; sid=old0123456", Success),
        // The first one of who brings none is new, too.
        ("a=b", Success),
    ] {
        assert_eq!(login(&sent(cookie), &answer).unwrap().outcome, expected, "{cookie}");
    }
    // A session that is sealed in its cookie changes with each answer.
    let sealed = response(303, &format!("Location: /login\r\nSet-Cookie: sid={}\r\n", "n".repeat(200)), "");
    assert_eq!(login(&sent(&format!("sid={}", "o".repeat(200))), &sealed).unwrap().outcome, Failure);
}

#[test]
fn digests_that_are_too_old_are_no_failures() {
    let sent = request("GET /x", DIGEST, "");
    for (headers, expected) in [
        ("WWW-Authenticate: Digest realm=\"a\", nonce=\"n\"\r\n", Failure),
        ("WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", stale=TRUE\r\n", Unknown),
    ] {
        assert_eq!(login(&sent, &response(401, headers, "")).unwrap().outcome, expected, "{headers}");
    }
    assert_eq!(login(&sent, &response(200, "", "x")).unwrap().outcome, Success);
}

#[test]
fn codes_are_judged_as_codes() {
    let sent = request("POST /login/challenge/totp", FORM, "challenge=123456");
    let to = |place: &str| response(303, &format!("Location: {place}\r\n"), "");
    assert_eq!(login(&sent, &to("/login/challenge/totp")).unwrap().outcome, Failure);
    assert_eq!(login(&sent, &to("/apps/files")).unwrap().outcome, Success);
    let wrong = response(200, JSON, r#"{"error":"Invalid 2FA code"}"#);
    assert_eq!(login(&sent, &wrong).unwrap().outcome, Failure);
}

/// Passwords of accounts that were refused are tried again; those that were right are not.
#[test]
fn answers_without_a_sign_are_learned() {
    let exchange = |user: usize, password: usize, body: &str| {
        let sent = request("POST /enter", FORM, &format!("username=u{user}&password=p{password}"));
        (sent, response(200, "", body))
    };
    // Five accounts, three passwords each, all refused; then one that is let in.
    let mut all: Vec<_> =
        (0..15).map(|number| exchange(number / 3, number, "<p>Hello, here we are</p>")).collect();
    let (sent, _) = exchange(9, 99, "");
    all.push((sent, response(200, "Set-Cookie: sid=0123456789\r\n", "<p>Hi</p>")));
    all.push(exchange(7, 3, "<p>Hello, here we are</p>"));
    let (requests, responses): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let found = super::exchanges(
        super::LoginConfig::default(),
        requests.concat().as_bytes(),
        responses.concat().as_bytes(),
    );
    let outcomes: Vec<_> = found.iter().map(|login| login.unwrap().outcome).collect();
    assert_eq!(outcomes[0], Unknown, "nothing is known yet");
    assert_eq!(outcomes[16], Failure, "{outcomes:?}");
    assert_eq!(outcomes[15], Success);
}

#[test]
fn accounts_and_passwords_have_many_names() {
    for (line, headers, body) in [
        ("POST /login", FORM, "nutzername=alice&kennwort=hunter22"),
        ("POST /login", FORM, "nom_utilisateur=alice&mot_de_passe=hunter22"),
        ("POST /login", FORM, "user=alice&passw=hunter22"),
        ("POST /login", FORM, "login_username=alice&secretkey=hunter22"),
        ("POST /login", FORM, "account=alice&auth_key=hunter22"),
        ("POST /login", FORM, "email=alice&pincode=hunter22"),
        ("POST /login", FORM, "userinput=alice&passinput=hunter22"),
        ("POST /login", FORM, "callsign=alice&codeword=hunter22"),
        ("POST /login", FORM, "username=alice&userKey=hunter22"),
        ("POST /login", FORM, "mb_id=alice&mb_password=hunter22"),
        ("POST /login", FORM, "jmeno=alice&heslo=hunter22"),
        ("POST /login", FORM, "cardnumber=alice&pin=hunter22"),
        ("POST /api/users/alice/sessions", JSON, r#"{"password":"hunter22"}"#),
        ("POST /v1/users/alice/tokens", JSON, r#"{"password":"hunter22"}"#),
        (
            "PUT /-/user/org.couchdb.user:alice",
            JSON,
            r#"{"name":"alice","password":"hunter22","type":"user"}"#,
        ),
        ("POST /login", FORM, "data=%7B%22username%22%3A%22alice%22%2C%22password%22%3A%22hunter22%22%7D"),
        ("POST /login", JSON, "username=alice&password=hunter22"),
        ("POST /login", JSON, r#"{/*x*/"username":"alice","password":"hunter22",}"#),
        ("POST /login", JSON, r#"{"a":NaN,"username":"alice","password":"hunter22"}"#),
    ] {
        let login = login(&request(line, headers, body), &response(401, "", ""));
        let login = login.unwrap_or_else(|| panic!("no login: {line} {body}"));
        assert_eq!(login.user, Some(hasher().user(b"alice")), "{line} {body}");
        assert_eq!(login.password, Some(hasher().password(b"hunter22")), "{line} {body}");
    }
    let query =
        "GET /graphql?query=mutation%7Blogin(email%3A%22alice%22%2Cpassword%3A%22hunter22%22)%7Btoken%7D%7D";
    let by_get = login(&request(query, "", ""), &response(200, JSON, r#"{"data":{"login":null}}"#));
    assert_eq!(by_get.and_then(|login| login.user), Some(hasher().user(b"alice")));
    let parts = "--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n\
        {\"query\":\"mutation{login(email:\\\"alice\\\",password:\\\"hunter22\\\"){token}}\"}\r\n--B--\r\n";
    let parts = request("POST /graphql", "Content-Type: multipart/form-data; boundary=B\r\n", parts);
    assert_eq!(
        login(&parts, &response(401, "", "")).and_then(|login| login.user),
        Some(hasher().user(b"alice"))
    );
}

#[test]
fn codes_and_pins_without_an_account_are_attempts() {
    for (line, body) in [
        ("POST /two-factor-challenge", "_token=x&code=123456"),
        ("POST /verify", "totp=123456"),
        ("POST /account/verify", "verification_code=123456"),
        ("POST /api/unlock", "pin=1234"),
        ("POST /unlock", "pw=1234abcd"),
    ] {
        let login = login(&request(line, FORM, body), &response(401, "", ""));
        assert_eq!(login.map(|login| (login.user, login.outcome)), Some((None, Failure)), "{line}");
    }
    for (line, body) in [("POST /verify", "email=a%40b.c&lang=de"), ("POST /verify", "verification_code=abc")]
    {
        assert_eq!(login(&request(line, FORM, body), &response(401, "", "")), None, "{line} {body}");
    }
}
