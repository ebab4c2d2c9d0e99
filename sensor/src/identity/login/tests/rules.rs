use super::super::{Conditions, LoginRule};
use super::{FORM, LoginConfig, LoginOutcome, exchanges, hasher, request, response};
use LoginOutcome::{Failure, Success, Unknown};

fn rule(route: &str) -> LoginRule {
    LoginRule {
        route: route.parse().unwrap(),
        user_field: None,
        password_field: None,
        success: Conditions::default(),
        failure: Conditions::default(),
    }
}

fn login(rule: &LoginRule, request: &str, response: &str) -> Option<super::Login> {
    let config = LoginConfig { rules: vec![rule.clone()], ..LoginConfig::default() };
    exchanges(config, request.as_bytes(), response.as_bytes())[0]
}

#[test]
fn configured_fields_are_the_only_ones() {
    let rule = LoginRule {
        user_field: Some("kunde".into()),
        password_field: Some("geheim".into()),
        ..rule("/{t}/enter")
    };
    let body = "username=other&kunde=alice&password=other&geheim=pw&new_password=x";
    let found = login(&rule, &request("POST /acme/enter", FORM, body), "").unwrap();
    assert_eq!(found.user, Some(hasher().user(b"alice")));
    assert_eq!(found.password, Some(hasher().password(b"pw")));
    let found = login(&rule, &request("POST /acme/enter", FORM, "username=other"), "").unwrap();
    assert_eq!((found.user, found.password), (None, None));
    assert_eq!(login(&rule, &request("POST /enter", FORM, "kunde=alice&geheim=pw"), ""), None);
    assert_eq!(login(&rule, &request("GET /acme/enter", "", ""), ""), None);
}

#[test]
fn a_configured_route_is_one_whatever_is_sent() {
    let found = login(&rule("/x"), &request("POST /x", "Content-Type: application/cbor\r\n", "abc"), "");
    assert!(found.is_some_and(|found| found.user.is_none()));
}

#[test]
fn conditions_decide() {
    let request = request("POST /x", FORM, "user=alice&password=pw");
    let failure = |failure| LoginRule { failure, ..rule("/x") };
    let success = |success| LoginRule { success, ..rule("/x") };
    let text = |text: &str| Conditions { text: vec![text.into()], ..Conditions::default() };
    let status = |text: &str| Conditions { status: vec![text.parse().unwrap()], ..Conditions::default() };
    let redirect = |text: &str| Conditions { redirect: vec![text.into()], ..Conditions::default() };
    let header = |text: &str| Conditions { header: vec![text.parse().unwrap()], ..Conditions::default() };
    let both = LoginRule { success: text("Hello"), ..failure(text("Nope")) };
    let to = |place: &str| response(302, &format!("Location: {place}\r\n"), "");
    let cases = [
        (failure(text("Nope")), response(200, "", "Nope"), Failure),
        (failure(text("Nope")), response(200, "", "wrong password"), Success),
        (failure(text("Nope")), response(401, "", ""), Failure),
        (failure(text("Nope")), response(500, "", ""), Unknown),
        (success(text("Hello")), response(200, "", "Hello"), Success),
        (success(text("Hello")), response(200, "", "Good day"), Failure),
        (success(text("Hello")), response(503, "", ""), Unknown),
        (both.clone(), response(200, "", "?"), Unknown),
        (both, response(200, "", "Nope Hello"), Failure),
        (failure(status("200")), response(200, "", ""), Failure),
        (success(status("4xx")), response(418, "", ""), Success),
        (success(redirect("/login/done")), to("/login/done"), Success),
        (failure(redirect("/start")), to("/start?x"), Failure),
        (success(header("X-User")), response(200, "X-User: alice\r\n", ""), Success),
        (failure(header("X-Result: denied")), response(200, "X-Result: denied\r\n", ""), Failure),
        (failure(header("X-Result: denied")), response(200, "X-Result: ok\r\n", ""), Success),
    ];
    for (rule, answer, expected) in cases {
        assert_eq!(login(&rule, &request, &answer).unwrap().outcome, expected, "{rule:?} {answer}");
    }
    assert_eq!(login(&failure(text("x")), &request, "").unwrap().outcome, Unknown, "no response");
}

#[test]
fn it_can_be_off() {
    let config = LoginConfig { enabled: false, ..LoginConfig::default() };
    let request = request("POST /login", FORM, "user=alice&password=pw");
    assert_eq!(exchanges(config, request.as_bytes(), b""), [None]);
}
