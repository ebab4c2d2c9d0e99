use super::{FORM, JSON, login, request, response};

/// What has something of a login and is none.
const OTHERS: &[(&str, &str, &str)] = &[
    // To look at a page.
    ("GET /login", "", ""),
    ("HEAD /login", "", ""),
    ("OPTIONS /login", "", ""),
    ("GET /login?next=/home", "", ""),
    ("POST /login", "", ""),
    ("POST /logout", FORM, "csrf_token=x"),
    // Searches, comments, settings.
    ("GET /search?q=password", "", ""),
    ("POST /search", FORM, "q=password+reset&user=alice"),
    ("POST /comments", FORM, "name=alice&email=a%40b.c&comment=my+password+is+secret"),
    ("POST /results", JSON, r#"{"user":"ci","pass_count":10,"fail":1,"bypass":"x"}"#),
    ("POST /settings/mail", FORM, "smtp_user=alice&smtp_password=pw"),
    ("POST /files/7/open", FORM, "zip_password=pw"),
    ("PUT /api/users/17", JSON, r#"{"email":"a@b.c","password":"pw"}"#),
    // Registration.
    ("POST /register", FORM, "username=alice&email=a%40b.c&password=pw"),
    ("POST /wp-signup.php", FORM, "user_name=alice&password=pw"),
    ("POST /api/users", JSON, r#"{"email":"a@b.c","password":"pw"}"#),
    ("POST /users", FORM, "user%5Bemail%5D=a%40b.c&user%5Bpassword%5D=pw&user%5Bpassword_confirmation%5D=pw"),
    ("POST /join", FORM, "username=alice&password1=pw&password2=pw"),
    ("POST /join", JSON, r#"{"email":"a@b.c","password":"pw","firstName":"Alice"}"#),
    (
        "POST /graphql",
        JSON,
        r#"{"query":"mutation { signUp(email: \"a@b.c\", password: \"pw\") { token } }"}"#,
    ),
    (
        "POST /graphql",
        JSON,
        r#"{"query":"mutation createUser($u:String,$password:String){createUser(u:$u,password:$password){id}}","variables":{"u":"a","password":"pw"}}"#,
    ),
    // Passwords that are changed, or asked for.
    ("POST /account/password", FORM, "current_password=a&new_password=b&confirm_password=b"),
    ("POST /auth/change-password", JSON, r#"{"password":"a"}"#),
    ("POST /auth/reset", JSON, r#"{"token":"t","password":"a"}"#),
    ("POST /login", FORM, "old_password=a&password=b"),
    (
        "POST /wp-login.php?action=lostpassword",
        FORM,
        "user_login=alice&redirect_to=&wp-submit=Get+New+Password",
    ),
    ("POST /wp-login.php?action=resetpass", FORM, "pass1=a&pass2=a&rp_key=k"),
    ("POST /wp-login.php?action=postpass", FORM, "post_password=a"),
    ("POST /login/forgot", FORM, "email=a%40b.c"),
    // Other grants, and the ends of other logins.
    ("POST /oauth/token", FORM, "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s"),
    ("POST /oauth/token", FORM, "grant_type=authorization_code&code=c&client_id=id"),
    ("POST /oauth/callback", FORM, "code=c&state=s"),
    ("GET /oauth/callback?code=c&state=s&user=alice", "", ""),
    ("POST /saml/acs", FORM, "SAMLResponse=PHNhbWw%2B&RelayState=x"),
    ("POST /session/refresh", JSON, r#"{"refreshToken":"abcdef"}"#),
    ("POST /login", FORM, "email=alice%40a.b"),
    // Nothing to read.
    ("POST /login", "Content-Type: image/png\r\n", "password=pw"),
    ("POST /login", "Content-Type: multipart/form-data\r\n", "name=\"password\"\r\n\r\npw"),
    ("GET /x", "Authorization: Bearer YWxpY2U6cHc=\r\n", ""),
    ("GET /x", "Authorization: Basic ???\r\n", ""),
];

#[test]
fn what_resembles_a_login_is_none() {
    for (line, headers, body) in OTHERS {
        let found = login(&request(line, headers, body), &response(401, "", ""));
        assert!(found.is_none(), "taken for a login: {line} {body}");
    }
}
