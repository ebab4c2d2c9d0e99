use super::{FORM, JSON, LoginOutcome, hasher, login, request, response};

/// What the common frameworks send: request line, headers, body, user, password.
const SHAPES: &[(&str, &str, &str, &str, &str)] = &[
    // WordPress.
    (
        "POST /wp-login.php",
        FORM,
        "log=alice&pwd=S%2B1&rememberme=forever&wp-submit=Log+In&redirect_to=%2Fwp-admin%2F",
        "alice",
        "S+1",
    ),
    // Django.
    (
        "POST /accounts/login/?next=/home",
        FORM,
        "csrfmiddlewaretoken=abc&username=alice&password=a+b&next=%2Fhome",
        "alice",
        "a b",
    ),
    // Spring Security, and the servlet specification.
    ("POST /login", FORM, "username=alice&password=pw&_csrf=12345678", "alice", "pw"),
    ("POST /app/j_security_check", FORM, "j_username=alice&j_password=pw", "alice", "pw"),
    // Rails with Devise.
    (
        "POST /users/sign_in",
        FORM,
        "utf8=%E2%9C%93&authenticity_token=x&user%5Bemail%5D=alice%40a.b&user%5Bpassword%5D=pw&user%5Bremember_me%5D=0&commit=Log+in",
        "alice@a.b",
        "pw",
    ),
    ("POST /users/sign_in", FORM, "user[login]=alice&user[password]=pw", "alice", "pw"),
    // Laravel.
    ("POST /login", FORM, "_token=xyz&email=alice%40a.b&password=pw&remember=on", "alice@a.b", "pw"),
    ("POST /login", JSON, r#"{"email":"alice@a.b","password":"pw","remember":true}"#, "alice@a.b", "pw"),
    // Keycloak: its page, and its token endpoint.
    (
        "POST /realms/r/login-actions/authenticate?session_code=a&execution=b&client_id=c&tab_id=d",
        FORM,
        "username=alice&password=pw&credentialId=",
        "alice",
        "pw",
    ),
    (
        "POST /realms/r/protocol/openid-connect/token",
        FORM,
        "grant_type=password&client_id=web&client_secret=s3&username=alice&password=pw",
        "alice",
        "pw",
    ),
    // Auth0's grant for a realm.
    (
        "POST /oauth/token",
        JSON,
        r#"{"grant_type":"http://auth0.com/oauth/grant-type/password-realm","client_id":"c","username":"alice","password":"pw","realm":"r"}"#,
        "alice",
        "pw",
    ),
    // Firebase.
    (
        "POST /v1/accounts:signInWithPassword?key=AIza",
        JSON,
        r#"{"email":"alice@a.b","password":"pw","returnSecureToken":true}"#,
        "alice@a.b",
        "pw",
    ),
    // ASP.NET: Web Forms, Core.
    (
        "POST /Account/Login.aspx",
        FORM,
        "__VIEWSTATE=x&ctl00%24Main%24Login1%24UserName=alice&ctl00%24Main%24Login1%24Password=pw&ctl00%24Main%24Login1%24LoginButton=Log+In",
        "alice",
        "pw",
    ),
    (
        "POST /Identity/Account/Login",
        FORM,
        "Input.Email=alice%40a.b&Input.Password=pw&Input.RememberMe=false&__RequestVerificationToken=t",
        "alice@a.b",
        "pw",
    ),
    // Symfony, Drupal, Joomla, MediaWiki, Magento, phpMyAdmin, Jira, OpenCart.
    ("POST /login_check", FORM, "_username=alice&_password=pw", "alice", "pw"),
    (
        "POST /user/login?destination=node",
        FORM,
        "name=alice&pass=pw&form_build_id=form-1&form_id=user_login_form&op=Log+in",
        "alice",
        "pw",
    ),
    ("POST /index.php", FORM, "username=alice&password=pw&option=com_users&task=user.login", "alice", "pw"),
    (
        "POST /index.php?title=Special:UserLogin",
        FORM,
        "wpName=alice&wpPassword=pw&wploginattempt=Log+in",
        "alice",
        "pw",
    ),
    (
        "POST /customer/account/loginPost/",
        FORM,
        "form_key=k&login%5Busername%5D=alice%40a.b&login%5Bpassword%5D=pw&send=",
        "alice@a.b",
        "pw",
    ),
    ("POST /phpmyadmin/index.php", FORM, "pma_username=alice&pma_password=pw&server=1", "alice", "pw"),
    ("POST /rest/gadget/1.0/login", FORM, "os_username=alice&os_password=pw&os_cookie=true", "alice", "pw"),
    ("POST /index.php?route=account/login", FORM, "email=alice%40a.b&password=pw", "alice@a.b", "pw"),
    // Interfaces in JSON, one and more levels deep.
    ("POST /api/sessions", JSON, r#"{"session":{"email":"alice@a.b","password":"pw"}}"#, "alice@a.b", "pw"),
    (
        "POST /api/auth",
        JSON,
        r#"{"data":{"attributes":{"identifier":"alice","password":"pw"}}}"#,
        "alice",
        "pw",
    ),
    ("PUT /v1/session", JSON, r#"{"phone":491701234567,"pin":1234}"#, "491701234567", "1234"),
    (
        "POST /web/session/authenticate",
        JSON,
        r#"{"jsonrpc":"2.0","params":{"db":"d","login":"alice","password":"pw"}}"#,
        "alice",
        "pw",
    ),
    (
        "POST /rpc",
        JSON,
        r#"{"method":"user.login","params":{"user":"alice","password":"pw"},"id":1}"#,
        "alice",
        "pw",
    ),
    // JSON that a script sends without asking for permission; a name that is escaped.
    (
        "POST /x",
        "Content-Type: text/plain;charset=UTF-8\r\n",
        r#"{"username":"alice","password":"pw"}"#,
        "alice",
        "pw",
    ),
    ("POST /x", JSON, r#"{"username":"alice","\u0070\u0061\u0073\u0073word":"p\u0077"}"#, "alice", "pw"),
    ("POST /x", FORM, "user=alice&p%61ssw%6Frd=pw", "alice", "pw"),
    // Learned: nothing but the field tells.
    ("POST /enter", FORM, "username=alice&password=pw", "alice", "pw"),
    ("POST /", FORM, "user=alice&pass=pw", "alice", "pw"),
    // GraphQL: variables, before and after; in the text; alone.
    (
        "POST /graphql",
        JSON,
        r#"{"operationName":"Login","query":"mutation Login($email: String!, $password: String!) { login(email: $email, password: $password) { token } }","variables":{"email":"alice@a.b","password":"pw"}}"#,
        "alice@a.b",
        "pw",
    ),
    (
        "POST /graphql",
        JSON,
        r#"{"variables":{"input":{"email":"alice@a.b","password":"pw"}},"query":"mutation($input:X){signIn(input:$input){jwt}}"}"#,
        "alice@a.b",
        "pw",
    ),
    (
        "POST /graphql",
        JSON,
        r#"{"query":"mutation { tokenAuth(username: \"alice\", password: \"p\\\"w\") { token } }"}"#,
        "alice",
        "p\"w",
    ),
    (
        "POST /graphql",
        "Content-Type: application/graphql\r\n",
        r#"mutation { login(user: "alice", password: "pw") { id } }"#,
        "alice",
        "pw",
    ),
    (
        "POST /graphql",
        JSON,
        r#"[{"query":"{ me { id } }"},{"query":"mutation{login(email:\"alice@a.b\",password:\"pw\"){id}}"}]"#,
        "alice@a.b",
        "pw",
    ),
    // XML-RPC of WordPress, SOAP.
    (
        "POST /xmlrpc.php",
        "Content-Type: text/xml\r\n",
        "<?xml version=\"1.0\"?><methodCall><methodName>wp.getUsersBlogs</methodName><params><param><value><string>alice</string></value></param><param><value>pw</value></param></params></methodCall>",
        "alice",
        "pw",
    ),
    (
        "POST /xmlrpc.php",
        "Content-Type: text/xml\r\n",
        "<methodCall><methodName>wp.getPosts</methodName><params><param><value><int>1</int></value></param><param><value><string>alice</string></value></param><param><value><string>pw</string></value></param></params></methodCall>",
        "alice",
        "pw",
    ),
    (
        "POST /xmlrpc.php",
        "Content-Type: text/xml\r\n",
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data><value><struct><member><name>methodName</name><value><string>wp.getUsersBlogs</string></value></member><member><name>params</name><value><array><data><value><string>alice</string></value><value><string>pw</string></value></data></array></value></member></struct></value></data></array></value></param></params></methodCall>",
        "alice",
        "pw",
    ),
    (
        "POST /ws",
        "Content-Type: text/xml; charset=utf-8\r\n",
        "<s:Envelope><s:Header><wsse:UsernameToken><wsse:Username>alice</wsse:Username><wsse:Password Type=\"x\">pw</wsse:Password></wsse:UsernameToken></s:Header></s:Envelope>",
        "alice",
        "pw",
    ),
    // Multipart, with a file beside.
    (
        "POST /login",
        "Content-Type: multipart/form-data; boundary=\"b1\"\r\n",
        "--b1\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--b1\r\nContent-Disposition: form-data; name=\"f\"; filename=\"password\"\r\n\r\nx\r\n--b1\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\npw\r\n--b1--\r\n",
        "alice",
        "pw",
    ),
    // In the query, as cameras and routers have it.
    ("GET /login.cgi?user=alice&pwd=pw", "", "", "alice", "pw"),
    ("POST /cgi?username=alice&password=pw", "", "", "alice", "pw"),
    // Basic; alice:pw.
    ("GET /private", "Authorization: Basic YWxpY2U6cHc=\r\n", "", "alice", "pw"),
    ("DELETE /x/1", "authorization: basic YWxpY2U6cHc=\r\n", "", "alice", "pw"),
    // A client's own credentials stand beside those of the user.
    (
        "POST /oauth/token",
        "Authorization: Basic Y2xpZW50OnMz\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "grant_type=password&username=alice&password=pw",
        "alice",
        "pw",
    ),
];

#[test]
fn what_frameworks_send_is_recognised() {
    for (line, headers, body, user, password) in SHAPES {
        let refused = login(&request(line, headers, body), &response(401, "", ""));
        let Some(refused) = refused else { panic!("not recognised: {line} {body}") };
        assert_eq!(refused.user, Some(hasher().user(user.as_bytes())), "user of {line} {body}");
        assert_eq!(
            refused.password,
            Some(hasher().password(password.as_bytes())),
            "password of {line} {body}"
        );
        assert_eq!(refused.outcome, LoginOutcome::Failure, "{line}");
    }
}

#[test]
fn a_second_factor_is_an_attempt_where_one_logs_in() {
    let code = login(&request("POST /login/otp", FORM, "otp_code=123456"), &response(401, "", ""));
    assert_eq!(code.map(|login| (login.user, login.outcome)), Some((None, LoginOutcome::Failure)));
}

#[test]
fn a_body_that_was_cut_is_read_as_far_as_it_goes() {
    let whole = r#"{"username":"alice","password":"pw","rest":"xxxxxxxxxxxxxxxx"}"#;
    let request = request("POST /login", JSON, whole);
    let found = login(&request[..request.len() - 12], "").unwrap();
    assert_eq!(found.user, Some(hasher().user(b"alice")));
    assert_eq!(found.outcome, LoginOutcome::Unknown);
}

#[test]
fn coded_bodies_are_read() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"username=alice&password=pw").unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: a\r\n{FORM}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let all = super::exchanges(super::LoginConfig::default(), &request, b"");
    assert_eq!(all[0].unwrap().user, Some(hasher().user(b"alice")));
}

#[test]
fn programs_are_told_apart_by_what_they_send() {
    let of = |headers: &str| {
        let text =
            format!("POST /login HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: 10\r\n\r\npassword=x");
        login(&text, "").unwrap().fingerprint
    };
    let one = of("User-Agent: x\r\nAccept: */*\r\n");
    assert_eq!(one, of("user-agent: x\r\naccept: text/html\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n"));
    assert_eq!(one, 0xcaeffc0f0b5ee311, "the same in every version");
    for other in ["Accept: */*\r\nUser-Agent: x\r\n", "User-Agent: y\r\nAccept: */*\r\n", "User-Agent: x\r\n"]
    {
        assert_ne!(one, of(other), "{other}");
    }
}
