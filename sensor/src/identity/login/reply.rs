//! Structured responses to logins: JSON, XML, or names with values.

use zeroize::Zeroizing;

use super::json::{self, Value};
use super::place::is_second_factor;
use super::speech;
use super::tokens::{is_identifier, is_key, is_secret, is_token};
use super::words::Words;
use super::xml;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// A token is issued.
    pub(super) has_token: bool,
    pub(super) second_factor: bool,
    /// A flag says that a second factor is required, even if there is a token.
    pub(super) needs_factor: bool,
    pub(super) failure: bool,
    pub(super) success: bool,
    /// The account is empty.
    is_null: bool,
    /// The token is empty.
    has_no_token: bool,
    /// A code of 0: then missing members mean nothing.
    is_fine: bool,
    /// There were too many attempts.
    pub(super) throttled: bool,
    /// It is a JSON-RPC response, whose `id` is not an account's.
    is_rpc: bool,
    has_outer_id: bool,
    /// The last member was `result`, and is an array or an object.
    is_in_result: bool,
    /// Refused in words.
    pub(super) refused: bool,
    /// An account is shown.
    pub(super) has_account: bool,
    /// Where to go.
    pub(super) target: Option<Box<[u8]>>,
    /// The value of the whole, where it has no members.
    pub(super) whole: Option<bool>,
}

/// Maximum depth of members that count for the whole; GraphQL's `data.login.errors` is 3 deep.
const MAX_SPEAKING_DEPTH: u8 = 3;

/// Longest place to go that is kept.
const MAX_TARGET: usize = 1_024;

/// Reads JSON, including JSON within strings.
pub(super) fn read(body: &[u8]) -> Reply {
    let mut reply = Reply::default();
    walk(body, true, &mut reply);
    reply
}

fn walk(body: &[u8], is_outer: bool, reply: &mut Reply) {
    let mut inner: Vec<Zeroizing<String>> = Vec::new();
    json::walk(body, &mut |key, value, depth| {
        if let Value::Text(text) = value
            && is_outer
            && inner.len() < 4
            && text.trim_ascii_start().starts_with('{')
        {
            inner.push(Zeroizing::new(text.to_owned()));
        }
        match Words::of(key.as_bytes()) {
            Some(words) => reply.note(&words, value, depth),
            None => reply.note_whole(value, depth),
        }
    });
    inner.iter().for_each(|text| walk(text.as_bytes(), false, reply));
}

/// Reads XML elements that contain only text.
pub(super) fn read_xml(body: &[u8]) -> Reply {
    let mut reply = Reply::default();
    let mut values = (0_usize, None);
    for (name, text) in xml::elements(body).take(1_024) {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        // The result of a call of XML-RPC.
        if matches!(name, b"boolean" | b"int" | b"i4" | b"string") {
            values = (values.0.saturating_add(1), Some((name == b"boolean", text)));
        }
        reply.whole = reply.whole.or_else(|| speech::short(text.as_bytes()).filter(|_| name == b"response"));
        if let Some(words) = Words::of(name) {
            reply.note(&words, Value::Text(text), 1);
        }
    }
    for (name, text) in xml::attributes(body).take(1_024) {
        if let (Some(words), Ok(text)) = (Words::of(name), std::str::from_utf8(text)) {
            reply.note(&words, Value::Text(text), 1);
        }
    }
    // A call of XML-RPC that fails is answered with a fault.
    reply.success |=
        memchr::memmem::find(body, b"<methodResponse").is_some() && values != (1, Some((true, "0")));
    match values {
        (1, Some((true, flag))) => reply.whole = Some(flag == "1"),
        (1, Some((false, _))) => reply.whole = Some(true),
        _ => {}
    }
    reply
}

/// Reads names with values, as in `ret=1,redir=/home`.
pub(super) fn read_pairs(body: &[u8]) -> Reply {
    let mut reply = Reply::default();
    for pair in body.split(|byte| matches!(byte, b',' | b'&' | b';' | b'\n')).take(64) {
        let Some(at) = memchr::memchr(b'=', pair) else { continue };
        let (name, value) = pair.split_at_checked(at).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Some(words), Ok(value)) = (Words::of(name), std::str::from_utf8(value)) {
            reply.note(&words, Value::Text(value), 1);
        }
    }
    reply
}

impl Reply {
    pub(super) fn note(&mut self, words: &Words, value: Value<'_>, depth: u8) {
        if is_second_factor(words) {
            let is_setting = words.any(is_about_settings);
            self.second_factor |= !is_setting && says_yes(value);
            self.needs_factor |= words.any(is_about_need)
                && matches!(value, Value::Flag(true) | Value::Number("1") | Value::Text("1" | "true"));
        } else if is_token(words) {
            self.has_token |= matches!(value, Value::Text(text) if is_secret(text));
            self.has_no_token |= match value {
                Value::Null | Value::Text("") => depth <= MAX_SPEAKING_DEPTH,
                Value::Text(text) => text.len() >= 8 && text.bytes().all(|byte| byte == b'0'),
                Value::Number(_) | Value::Flag(_) | Value::Filled | Value::Open | Value::Close => false,
            };
        } else if is_key(words) {
            self.has_token |= matches!(value, Value::Text(text) if is_identifier(text));
        } else if words.any(|word| word == b"captcha" || word == b"recaptcha") && says_yes(value) {
            self.throttled |= words.iter().nth(1).is_some();
        }
        self.note_result(words, value, depth);
        self.is_fine |= matches!(words.text(), b"code" | b"errcode" | b"err_code" | b"error_code" | b"ret")
            && matches!(value, Value::Number("0"));
        if let Value::Text(text) = value {
            self.note_text(words, text, depth);
        }
        if depth > MAX_SPEAKING_DEPTH {
            return;
        }
        let last = words.last();
        match last {
            b"jsonrpc" => self.is_rpc = true,
            b"id" if depth == 1 && words.text() == b"id" => self.has_outer_id |= says_yes(value),
            b"auth" if !matches!(value, Value::Null) => self.note_answer(value),
            b"error" | b"errors" | b"err" | b"exception" | b"fault" | b"haserror" | b"haserrors" => {
                self.failure |= says_yes(value);
            }
            b"success" | b"succeeded" | b"successful" | b"ok" | b"authenticated" | b"authorized"
            | b"valid" | b"login" | b"loggedin" | b"passed" | b"issuccess" => self.note_answer(value),
            b"status" | b"result" | b"code" | b"outcome" | b"rc" | b"rtn" | b"ret" | b"retcode" | b"type"
            | b"state" => {
                self.note_status(last, value);
            }
            // What a query for the user of nobody gives.
            b"user" | b"session" | b"data" => self.is_null |= matches!(value, Value::Null) && depth == 1,
            b"id" | b"userid" | b"username" | b"email" | b"account" => {
                // The number of a flow or of a request is none of an account.
                let is_of_user =
                    last != b"id" || words.text() == b"id" && depth > 1 || words.any(|word| word == b"user");
                self.has_account |= is_of_user && says_yes(value);
            }
            _ => {}
        }
        if matches!(value, Value::Text(_) | Value::Number(_)) && is_error_code(words) {
            self.failure |= says_yes(value);
        }
    }

    fn note_answer(&mut self, value: Value<'_>) {
        match answer(value) {
            Some(true) => self.success = true,
            Some(false) => self.failure = true,
            None => {}
        }
    }

    /// Whether a token or an account is empty.
    pub(super) const fn gives_nothing(&self) -> bool {
        (self.is_null || self.has_no_token) && !self.is_fine
    }

    /// Whether an account is shown.
    pub(super) const fn shows_account(&self) -> bool {
        self.has_account || self.has_outer_id && !self.is_rpc
    }

    /// The result of a call of ubus: an array that begins with its status.
    fn note_result(&mut self, words: &Words, value: Value<'_>, depth: u8) {
        let is_result = words.text() == b"result";
        match value {
            Value::Number(status) if self.is_in_result && is_result && depth == 2 && self.is_rpc => {
                self.success |= status == "0";
                self.failure |= status != "0";
                self.is_in_result = false;
            }
            Value::Text(_)
            | Value::Number(_)
            | Value::Flag(_)
            | Value::Null
            | Value::Filled
            | Value::Open
            | Value::Close => self.is_in_result = is_result && depth == 1 && matches!(value, Value::Filled),
        }
    }

    fn note_text(&mut self, words: &Words, text: &str, depth: u8) {
        if matches!(
            words.last(),
            b"redirect" | b"url" | b"location" | b"redir" | b"redirecturl" | b"target" | b"href"
        ) || words.text().starts_with(b"redirect")
        {
            if self.target.is_none()
                && text.len() <= MAX_TARGET
                && (text.starts_with('/') || text.contains("://"))
            {
                self.target = Some(text.as_bytes().into());
            }
            return;
        }
        // A response with a token may contain any text.
        if text.len() < 3 || depth > MAX_SPEAKING_DEPTH.saturating_add(2) || is_token(words) {
            return;
        }
        if is_identifier(text) {
            // Where a grant is answered with nothing but its code.
            self.has_token |= words.text() == b"result";
            return;
        }
        let speech = speech::of(text.as_bytes());
        self.refused |= speech.refused;
        self.throttled |= speech.throttled || speech.waits;
        self.second_factor |= speech.second_factor && !words.any(is_about_settings);
        self.success |= speech.welcome && matches!(words.last(), b"message" | b"msg" | b"detail");
    }

    /// A value that is the whole document, or an element of one that is an array.
    fn note_whole(&mut self, value: Value<'_>, depth: u8) {
        if depth > 0 {
            return;
        }
        match value {
            Value::Text(text) if is_secret(text) && text.len() >= 16 => self.has_token = true,
            Value::Text(text) => self.whole = speech::short(text.as_bytes()),
            Value::Flag(flag) => self.whole = Some(flag),
            Value::Number(_) | Value::Null | Value::Filled | Value::Open | Value::Close => {}
        }
    }

    fn note_status(&mut self, name: &[u8], value: Value<'_>) {
        match value {
            Value::Text(text) | Value::Number(text) => match text.to_ascii_lowercase().as_str() {
                "429" | "rate_limited" => self.throttled = true,
                "error" | "fail" | "failed" | "failure" | "unauthorized" | "denied" | "invalid" | "ko"
                | "nok" | "ng" => {
                    self.failure = true;
                }
                "success" | "ok" | "pass" | "succeeded" | "authenticated" | "200" => self.success = true,
                number if name != b"type" && is_http_failure(number) => self.failure = true,
                number if matches!(name, b"code" | b"status" | b"result") && is_error_number(number) => {
                    self.failure = true
                }
                // As programs end: with 0 where all went well.
                number if matches!(name, b"rc" | b"rtn") && is_small(number) => self.failure = true,
                number if matches!(value, Value::Number(_)) && number.starts_with('-') => self.failure = true,
                _ => {}
            },
            Value::Flag(false) if name != b"type" => self.failure = true,
            Value::Flag(true) if name != b"type" => self.success = true,
            Value::Flag(_) | Value::Null | Value::Filled | Value::Open | Value::Close => {}
        }
    }
}

/// A refusing HTTP status inside the response body.
fn is_http_failure(number: &str) -> bool {
    number.len() == 3 && number.parse().is_ok_and(|number: u16| (400..=599).contains(&number))
}

/// A code such as `E1001` or `ERR_17`.
fn is_error_number(code: &str) -> bool {
    let rest = code.strip_prefix("err").or_else(|| code.strip_prefix('e')).unwrap_or_default();
    let digits = rest.trim_start_matches(['_', '-']);
    digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// 1 to 99.
fn is_small(number: &str) -> bool {
    number.parse().is_ok_and(|number: u16| (1..=99).contains(&number))
}

/// Members of an account, as opposed to prompts.
fn is_about_settings(word: &[u8]) -> bool {
    matches!(
        word,
        b"enabled"
            | b"active"
            | b"configured"
            | b"available"
            | b"optional"
            | b"supported"
            | b"setup"
            | b"methods"
            | b"settings"
            | b"has"
            | b"features"
            | b"allowed"
    )
}

fn is_about_need(word: &[u8]) -> bool {
    matches!(
        word,
        b"need" | b"needs" | b"needed" | b"require" | b"requires" | b"required" | b"must" | b"pending"
    )
}

/// `errcode`, `errorCode`, `error_description`, `errno`.
fn is_error_code(words: &Words) -> bool {
    words.text().starts_with(b"error_")
        || matches!(words.text(), b"errcode" | b"err_code" | b"errno" | b"err_msg")
}

/// Whether a value is not empty.
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
        Value::Text("true" | "1" | "Y" | "y" | "yes") | Value::Number("1") | Value::Flag(true) => Some(true),
        Value::Text("false" | "0" | "N" | "n" | "no") | Value::Number("0") | Value::Flag(false) => {
            Some(false)
        }
        // GraphQL: the field of the mutation.
        Value::Null => Some(false),
        Value::Text(_) | Value::Number(_) | Value::Filled | Value::Open | Value::Close => None,
    }
}
