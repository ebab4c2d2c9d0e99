//! What a JSON document says about a login that it answers.

use super::json::{self, Value};
use super::place::is_second_factor;
use super::words::Words;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// A token is given.
    pub(super) has_token: bool,
    pub(super) second_factor: bool,
    pub(super) failure: bool,
    pub(super) success: bool,
}

/// Deepest members that speak of the whole; those of GraphQL's `data.login.errors` are 3 deep.
const MAX_SPEAKING_DEPTH: u8 = 3;

pub(super) fn read(body: &[u8]) -> Reply {
    let mut reply = Reply::default();
    json::walk(body, &mut |key, value, depth| {
        if let Some(words) = Words::of(key.as_bytes()) {
            reply.note(&words, value, depth);
        }
    });
    reply
}

impl Reply {
    pub(super) fn note(&mut self, words: &Words, value: Value<'_>, depth: u8) {
        if is_second_factor(words) {
            self.second_factor |= says_yes(value);
        } else if is_token(words) {
            self.has_token |= matches!(value, Value::Text(text) if text.len() >= 8);
        }
        if depth > MAX_SPEAKING_DEPTH {
            return;
        }
        let last = words.last();
        match last {
            b"error" | b"errors" | b"err" | b"exception" | b"fault" => self.failure |= says_yes(value),
            b"success" | b"succeeded" | b"ok" | b"authenticated" | b"authorized" | b"valid" | b"login"
            | b"loggedin" => match answer(value) {
                Some(true) => self.success = true,
                Some(false) => self.failure = true,
                None => {}
            },
            b"status" | b"result" | b"code" | b"outcome" => self.note_status(value),
            // What a query for the user of nobody gives.
            b"user" | b"session" | b"data" => self.failure |= matches!(value, Value::Null) && depth == 1,
            _ => {}
        }
        if matches!(value, Value::Text(_) | Value::Number(_)) && words.text().starts_with(b"error_") {
            self.failure |= says_yes(value);
        }
    }

    fn note_status(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) | Value::Number(text) => match text.to_ascii_lowercase().as_str() {
                "error" | "fail" | "failed" | "failure" | "unauthorized" | "denied" | "invalid" | "ko"
                | "nok" => {
                    self.failure = true;
                }
                "success" | "ok" | "succeeded" | "authenticated" | "200" => self.success = true,
                "400" | "401" | "403" | "422" | "423" | "429" => self.failure = true,
                _ => {}
            },
            Value::Flag(false) => self.failure = true,
            Value::Flag(true) => self.success = true,
            Value::Null | Value::Filled | Value::Open | Value::Close => {}
        }
    }
}

/// A token to act with, not one for the next step of the same login.
fn is_token(words: &Words) -> bool {
    matches!(
        words.text(),
        b"token"
            | b"jwt"
            | b"access_token"
            | b"id_token"
            | b"auth_token"
            | b"session_token"
            | b"refresh_token"
            | b"bearer_token"
            | b"api_token"
            | b"user_token"
    )
}

/// Whether there is something where there would be nothing.
fn says_yes(value: Value<'_>) -> bool {
    match value {
        Value::Text(text) => !matches!(
            text.to_ascii_lowercase().as_str(),
            "" | "0" | "false" | "none" | "null" | "no" | "ok" | "success"
        ),
        Value::Number(number) => number != "0",
        Value::Flag(flag) => flag,
        Value::Null | Value::Open | Value::Close => false,
        Value::Filled => true,
    }
}

fn answer(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Text("true") | Value::Number("1") | Value::Flag(true) => Some(true),
        Value::Text("false") | Value::Number("0") | Value::Flag(false) => Some(false),
        // GraphQL: the field of the mutation.
        Value::Null => Some(false),
        Value::Text(_) | Value::Number(_) | Value::Filled | Value::Open | Value::Close => None,
    }
}
