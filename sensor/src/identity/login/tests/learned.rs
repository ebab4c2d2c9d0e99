//! What is learned from what clients do after an answer.

use super::{JSON, Login, LoginOutcome, attempts, request, response};
use LoginOutcome::{Failure, Success, Unknown};

/// Attempts for account and password, each with its answer.
fn logins(all: impl IntoIterator<Item = (String, String, String)>) -> Vec<LoginOutcome> {
    let mut requests = String::new();
    let mut answers = String::new();
    for (user, password, answer) in all {
        let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
        requests += &request("POST /api/login", JSON, &body);
        answers += &answer;
    }
    let (found, _) = attempts(requests.as_bytes(), &answers);
    found.iter().map(|login: &Login| login.outcome).collect()
}

fn odd() -> [String; 6] {
    [
        response(200, JSON, r#"{"s":3}"#),
        response(404, JSON, r#"{"x":1}"#),
        response(409, JSON, r#"{"x":1}"#),
        response(500, JSON, r#"{"x":1}"#),
        response(202, JSON, r#"{"x":1}"#),
        response(302, "Location: /\r\n", ""),
    ]
}

#[test]
fn eight_passwords_of_one_account_answered_alike_were_refused() {
    for answer in odd() {
        let found = logins((0..20).map(|at| ("alice".into(), format!("p{at}"), answer.clone())));
        assert!(found.iter().take(7).all(|outcome| *outcome == Unknown), "{answer} {found:?}");
        assert!(found.iter().skip(7).all(|outcome| *outcome == Failure), "{answer} {found:?}");
        // A program that repeats itself, or two people with one account, are none.
        let found = logins((0..20).map(|at| ("alice".into(), format!("p{}", at % 2), answer.clone())));
        assert!(found.iter().all(|outcome| *outcome == Unknown), "{answer} {found:?}");
        // Nor are many people with a password each.
        let found = logins((0..60).map(|at| (format!("u{at}"), format!("p{at}"), answer.clone())));
        assert!(found.iter().all(|outcome| *outcome == Unknown), "{answer} {found:?}");
    }
}

#[test]
fn a_common_answer_without_a_session_beside_a_rare_one_with_one_refuses() {
    let session = |at| {
        let cookie = format!("Content-Type: application/json\r\nSet-Cookie: x={at:016}; HttpOnly\r\n");
        response(200, &cookie, r#"{"x":2}"#)
    };
    for answer in odd() {
        let found = logins((0..100).map(|at| {
            let answer = if at % 25 == 24 { session(at) } else { answer.clone() };
            (format!("u{at}"), format!("p{at}"), answer)
        }));
        let of = |wanted| found.iter().skip(25).filter(|outcome| **outcome == wanted).count();
        assert_eq!((of(Failure), of(Success)), (72, 3), "{answer} {found:?}");
    }
}

/// A session that failures begin as well is no sign.
#[test]
fn a_new_session_that_everybody_gets_is_no_success() {
    let back = |at| {
        response(302, &format!("Location: /api/login\r\nSet-Cookie: sid=abcdef{at:08}; HttpOnly\r\n"), "")
    };
    let home =
        |at| response(302, &format!("Location: /home\r\nSet-Cookie: sid=fedcba{at:08}; HttpOnly\r\n"), "");
    let guesses = logins((0..20).map(|at| ("alice".into(), format!("p{at}"), back(at))));
    assert!(guesses.iter().skip(7).all(|outcome| *outcome == Failure), "{guesses:?}");
    let beside =
        logins((0..20).map(|at| (format!("u{at}"), "p".into(), if at == 0 { home(at) } else { back(at) })));
    assert!(beside.iter().skip(1).all(|outcome| *outcome == Unknown), "{beside:?}");
    let alone = logins((0..20).map(|at| (format!("u{at}"), format!("p{at}"), back(at))));
    assert!(alone.iter().all(|outcome| *outcome == Success), "{alone:?}");
}
