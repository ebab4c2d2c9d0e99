//! The meaning of the response to an attempt.
//!
//! In doubt the outcome is unknown: a false success would look like an account takeover, and a false failure like an
//! attack. A success needs a sign: a token, a session, an account, a redirect, or words that say so.

use zeroize::Zeroizing;

use super::LoginOutcome;
use super::body::Shape;
use super::charset;
use super::config::{Conditions, LoginRule};
use super::cookies::{self, Cookies};
use super::guard::without_guard;
use super::headers::{has_token_header, is_stale, led_by_header, says_when};
use super::location::{Says, Target};
use super::page;
use super::reply::{self, Reply};
use super::speech::{self, Speech};
use crate::http::{Decoding, Exchange, Request, Response};

/// How credentials are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// Once, to start a session.
    #[default]
    Once,
    /// With each request, and the status alone is the answer: basic and digest authentication (RFC 7617, RFC 7616).
    Always,
    /// With each request, in its query; the response body may have the answer.
    InQuery,
    /// As the code of a second factor, not a password.
    Code,
}

/// An attempt.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) request: Request<'a>,
    pub(super) path: &'a [u8],
    pub(super) rule: Option<&'a LoginRule>,
    pub(super) manner: Manner,
    pub(super) answer: Answer<'a>,
}

/// A buffer for a decoded response.
#[derive(Default)]
pub(super) struct Room {
    bytes: Zeroizing<Vec<u8>>,
    text: Zeroizing<String>,
}

/// The content of a response; decoded only once, since that has a budget.
#[derive(Clone, Copy, Default)]
pub(super) struct Answer<'a> {
    raw: &'a [u8],
    /// The body as text, without a prefix that protects JSON from being run as a script.
    pub(super) body: &'a [u8],
    /// Whether it is complete.
    pub(super) is_whole: bool,
    pub(super) cookies: Cookies,
}

impl<'a> Answer<'a> {
    /// That of an exchange with a response.
    pub(super) fn of(exchange: &Exchange<'a>, room: &'a mut Room) -> Self {
        let (Some(request), Some(response)) = (exchange.request, exchange.response) else {
            return Self::default();
        };
        let Room { bytes, text } = room;
        let (raw, decoding) = exchange.decode_response(bytes);
        let is_whole = matches!(decoding, Decoding::Identity | Decoding::Whole);
        let body = charset::decode(raw, Shape::charset(response.content_type()), text).unwrap_or(raw);
        Self { raw, body: without_guard(body), is_whole, cookies: Cookies::of(request, response) }
    }
}

impl<'a> Attempt<'a> {
    /// How it was answered.
    pub(super) fn outcome(&self) -> LoginOutcome {
        let Some(response) = self.exchange.response else { return LoginOutcome::Unknown };
        match self.rule {
            Some(rule) if !rule.success.is_empty() || !rule.failure.is_empty() => {
                self.configured(rule, response)
            }
            Some(_) | None => self.guessed(response),
        }
    }

    /// Where only one side is configured, the other is what is left of the answers that a login page gives.
    fn configured(&self, rule: &LoginRule, response: Response<'_>) -> LoginOutcome {
        if self.shows(&rule.failure, response) {
            return LoginOutcome::Failure;
        }
        if self.shows(&rule.success, response) {
            return LoginOutcome::Success;
        }
        let is_usual = matches!(response.outcome(), 200..=399);
        match (rule.success.is_empty(), rule.failure.is_empty()) {
            (false, false) => LoginOutcome::Unknown,
            (false, true) if is_usual => LoginOutcome::Failure,
            (true, false) if is_usual => LoginOutcome::Success,
            _ => self.guessed(response),
        }
    }

    fn shows(&self, signs: &Conditions, response: Response<'_>) -> bool {
        let has = |whole: &[u8], part: &String| memchr::memmem::find(whole, part.as_bytes()).is_some();
        let location = response.header("location").unwrap_or_default();
        signs.status.iter().any(|statuses| statuses.contains(response.status()))
            || signs.redirect.iter().any(|part| has(location, part))
            || signs
                .header
                .iter()
                .any(|sign| response.headers().any(|(name, value)| sign.matches(name, value)))
            || signs.text.iter().any(|part| has(self.answer.raw, part))
    }

    fn guessed(&self, response: Response<'_>) -> LoginOutcome {
        let status = response.outcome();
        match (self.manner, status) {
            // Too many requests: that says nothing about this attempt (RFC 6585, section 4).
            (_, 429 | 503) => LoginOutcome::Unknown,
            (Manner::Always | Manner::InQuery, 401) if is_stale(response) => LoginOutcome::Unknown,
            (Manner::Always | Manner::InQuery, 401 | 403 | 423) => LoginOutcome::Failure,
            (Manner::Always, 200..=399) => LoginOutcome::Success,
            (Manner::Always, _) => LoginOutcome::Unknown,
            (Manner::InQuery, 200..=299) => self.by_error(),
            (Manner::InQuery, _) => LoginOutcome::Unknown,
            (_, 200..=299) => self.by_body(response),
            (_, 301..=303 | 305..=308) => self.by_redirect(response),
            (_, 300 | 304) => LoginOutcome::Unknown,
            (_, 400 | 401 | 403 | 422 | 423) => self.by_refusal(response, true),
            (_, 400..=599) => self.by_refusal(response, false),
            (_, _) => LoginOutcome::Unknown,
        }
    }

    fn query(&self) -> &'a [u8] {
        self.request.query().unwrap_or_default()
    }

    fn by_redirect(&self, response: Response<'_>) -> LoginOutcome {
        let Some(location) = response.header("location") else { return LoginOutcome::Unknown };
        let target = Target::of(location);
        let is_code = self.manner == Manner::Code;
        let cookies = self.answer.cookies;
        let is_same = super::location::same_path(target.path, self.path);
        // To the same path with another scheme, host or trailing slash: the client repeats the request there.
        let is_repeated = matches!(response.status(), 307 | 308) || response.status() == 301 && is_same;
        match target.says(self.path, self.query()) {
            Says::Throttled => LoginOutcome::Unknown,
            Says::Failure => LoginOutcome::Failure,
            _ if is_repeated => LoginOutcome::Unknown,
            Says::Back | Says::SecondFactor if is_code && is_same => LoginOutcome::Failure,
            Says::SecondFactor => LoginOutcome::Unknown,
            Says::Back | Says::BackOtherwise | Says::LoginPage if cookies.of_user || cookies.is_renewed => {
                LoginOutcome::Success
            }
            Says::BackOtherwise if cookies.is_new => LoginOutcome::Success,
            // Many start a session with the redirect to where they were; what the route's other answers are may speak
            // against it ([`Shapes`](super::shapes::Shapes)).
            Says::Back if self.begins_session_here() => LoginOutcome::Success,
            // A program is told to go on asking.
            Says::Back if self.is_of_program() => LoginOutcome::Unknown,
            Says::Back | Says::BackOtherwise | Says::LoginPage => LoginOutcome::Failure,
            // The first page is for everybody.
            Says::Elsewhere
                if self.is_of_nobody() && matches!(target.path, b"/") && target.says_nothing() =>
            {
                LoginOutcome::Unknown
            }
            Says::Elsewhere => LoginOutcome::Success,
        }
    }

    /// Whether neither the request nor the response has a session.
    pub(super) fn is_of_nobody(&self) -> bool {
        !self.answer.cookies.begin_session() && !cookies::brings_any(self.request)
    }

    fn begins_session_here(&self) -> bool {
        let cookies = self.answer.cookies;
        self.manner == Manner::Once && cookies.is_new_session && !cookies.has_message
    }

    /// Whether the response is about the number of attempts, not the password.
    pub(super) fn is_throttled(&self) -> bool {
        let Some(response) = self.exchange.response else { return false };
        let Said { speech, reply, .. } = Said::of(self.answer.body);
        matches!(response.outcome(), 429 | 503)
            || says_when(response)
            || speech.throttled
            || speech.waits
            || reply.throttled
    }

    /// Whether the only sign of success is a new session with a redirect back, which some servers give everybody.
    pub(super) fn is_weak(&self) -> bool {
        let cookies = self.answer.cookies;
        let Some(response) = self.exchange.response else { return false };
        let Some(location) = response.header("location").filter(|_| (300..=399).contains(&response.status()))
        else {
            return false;
        };
        let says = Target::of(location).says(self.path, self.query());
        says == Says::Back && !cookies.of_user && !cookies.is_renewed
    }

    /// Whether a program sent it, not a form.
    fn is_of_program(&self) -> bool {
        let kind = self.request.content_type().unwrap_or_default();
        memchr::memmem::find(&kind.to_ascii_lowercase(), b"json").is_some()
    }

    /// A response with a refusing status; whether that is certain, or may be about something else.
    fn by_refusal(&self, response: Response<'_>, is_sure: bool) -> LoginOutcome {
        let body = self.answer.body;
        let Said { speech, reply, .. } = Said::of(body);
        let is_half = speech.second_factor || reply.second_factor || self.leads_to_half(&reply);
        let is_empty = body.is_empty() && response.body_length() == Some(0);
        let is_throttled = speech.throttled || reply.throttled || speech.waits && !reply.refused;
        if is_half && self.manner != Manner::Code || is_throttled || says_when(response) {
            LoginOutcome::Unknown
        } else if is_sure || speech.refused || reply.refused {
            LoginOutcome::Failure
        } else if is_empty && response.status() == 404 && self.is_of_program() {
            // Where there is no such route, servers say so.
            LoginOutcome::Failure
        } else {
            LoginOutcome::Unknown
        }
    }

    fn leads_to_half(&self, reply: &Reply) -> bool {
        let target = reply.target.as_deref().map(Target::of);
        target.is_some_and(|target| target.says(self.path, self.query()) == Says::SecondFactor)
    }

    /// A response to credentials in the query: an error may be about the resource.
    fn by_error(&self) -> LoginOutcome {
        let Said { speech, reply, .. } = Said::of(self.answer.body);
        if speech.refused || reply.refused {
            LoginOutcome::Failure
        } else if reply.failure || !self.answer.is_whole {
            LoginOutcome::Unknown
        } else {
            LoginOutcome::Success
        }
    }

    fn by_body(&self, response: Response<'_>) -> LoginOutcome {
        let Answer { body, is_whole, cookies, .. } = self.answer;
        let Said { speech, reply, page } = Said::of(body);
        let page = page.unwrap_or_default();
        let is_code = self.manner == Manner::Code;
        let led_to = reply.target.as_deref().or(page.target).or_else(|| led_by_header(response));
        let says = led_to.map(|target| Target::of(target).says(self.path, self.query()));
        let is_half = reply.second_factor
            || speech.second_factor
            || says == Some(Says::SecondFactor)
            || page.code_input && !page.password_input;
        let is_throttled = speech.throttled || reply.throttled || says == Some(Says::Throttled);
        // A user who can log out, or has a new session, is logged in, whatever else the page asks for.
        let is_in = page.has_logout || cookies.is_renewed || cookies.of_user;
        if reply.needs_factor && !is_code {
            LoginOutcome::Unknown
        } else if reply.has_token && !reply.failure || has_token_header(response) {
            LoginOutcome::Success
        } else if is_half && !is_code || is_throttled {
            LoginOutcome::Unknown
        } else if reply.failure
            || page.password_input && (!is_in || speech.refused)
            || is_code && page.code_input
            || says == Some(Says::Failure)
            || reply.whole == Some(false)
        {
            LoginOutcome::Failure
        } else if reply.success || cookies.of_user {
            LoginOutcome::Success
        } else if speech.refused || reply.refused {
            LoginOutcome::Failure
        } else if page.assertion
            || speech.welcome
            || reply.shows_account()
            || reply.whole == Some(true)
            || says == Some(Says::Elsewhere)
            || is_whole && (cookies.is_new || cookies.is_renewed)
        {
            LoginOutcome::Success
        } else if speech.waits {
            LoginOutcome::Unknown
        } else if reply.gives_nothing() || matches!(says, Some(Says::Back | Says::LoginPage)) {
            LoginOutcome::Failure
        } else if body.is_empty() && is_whole && !cookies::brings_any(self.request) {
            // Who brings nothing and is given nothing is nobody.
            LoginOutcome::Failure
        } else {
            // The form may be in what was not kept.
            LoginOutcome::Unknown
        }
    }
}

/// The meaning of a body.
struct Said<'b> {
    speech: Speech,
    reply: Reply,
    page: Option<page::Page<'b>>,
}

impl<'b> Said<'b> {
    fn of(body: &'b [u8]) -> Self {
        let body = body.trim_ascii();
        let mut said = Self { speech: Speech::default(), reply: Reply::default(), page: None };
        match body.first() {
            Some(b'{' | b'[' | b'"') => said.reply = reply::read(body),
            Some(b'<') if page::is_page(body) => {
                let page = page::read(body);
                said.speech = page.speech;
                said.page = Some(page);
            }
            Some(b'<') => {
                said.reply = reply::read_xml(body);
                let fault: [&[u8]; 6] =
                    [b"<fault>", b":fault>", b":Fault>", b"<Fault>", b"<error>", b"<Error>"];
                said.reply.failure |= fault.iter().any(|tag| memchr::memmem::find(body, tag).is_some());
            }
            // A message before a form.
            Some(_) if memchr::memmem::find(body, b"<form").is_some() => {
                let page = page::read(body);
                said.speech = page.speech;
                said.page = Some(page);
            }
            Some(_) => {
                let is_short = body.len() <= MAX_TEXT;
                said.reply = if is_short { reply::read_pairs(body) } else { Reply::default() };
                said.reply.whole = speech::short(body);
                said.reply.has_token |= is_jwt(body);
                said.speech = speech::of(body);
            }
            None => {}
        }
        said
    }
}

/// A JSON Web Token and nothing else (RFC 7519).
fn is_jwt(text: &[u8]) -> bool {
    text.starts_with(b"eyJ")
        && memchr::memchr_iter(b'.', text).count() == 2
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Longest text that is read as names with values.
const MAX_TEXT: usize = 1_024;
