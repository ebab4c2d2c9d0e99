//! Requests and responses as they are on the wire, and what became of them.

mod hostile;
mod kinds;
mod learned;
mod many;
mod negative;
mod outcomes;
mod rules;
mod secrets;
mod shapes;

use super::fuzz::run;
use super::{Login, LoginConfig, LoginOutcome};
use crate::http::{self, Connection, Exchange, Http, Sink};
use crate::identity::{Config, Hasher, Identifier, Key};

const KEY: [u8; 32] = [7; 32];

/// Gathers what is recognised.
struct Journal {
    identifier: Identifier,
    logins: Vec<Option<Login>>,
    /// All attempts of all exchanges, and how many more there were.
    attempts: Vec<Login>,
    uncounted: u32,
}

impl Sink for Journal {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        let mut room = Vec::new();
        let body = exchange.decode_request(&mut room);
        let path = exchange.request.and_then(|r| str::from_utf8(r.path()).ok());
        let login = self.identifier.login(exchange, body, path);
        self.logins.push(login);
        let (further, uncounted) = self.identifier.further();
        self.attempts.extend(login.iter().chain(further));
        self.uncounted += uncounted;
    }
}

/// What the exchanges of one connection are.
fn exchanges(login: LoginConfig, request: &[u8], response: &[u8]) -> Vec<Option<Login>> {
    let config = Config { login, ..Config::default() };
    let identifier = Identifier::new(&config, &Key::from_bytes(KEY)).unwrap();
    journal(identifier, request, response).logins
}

fn journal(identifier: Identifier, request: &[u8], response: &[u8]) -> Journal {
    let journal = Journal { identifier, logins: Vec::new(), attempts: Vec::new(), uncounted: 0 };
    let mut http = Http::new(http::Config::default(), journal);
    run(&mut http, request, response);
    http.into_sink()
}

/// All attempts of one connection, with how many more there were.
fn attempts(request: &[u8], response: &str) -> (Vec<Login>, u32) {
    let identifier = Identifier::new(&Config::default(), &Key::from_bytes(KEY)).unwrap();
    let journal = journal(identifier, request, response.as_bytes());
    (journal.attempts, journal.uncounted)
}

fn hasher() -> Hasher {
    Hasher::new(&Key::from_bytes(KEY))
}

/// A request without a body has none of its headers.
fn request(line: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n{headers}{length}\r\n{body}")
}

fn response(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// What one exchange is.
fn login(request: &str, response: &str) -> Option<Login> {
    let all = exchanges(LoginConfig::default(), request.as_bytes(), response.as_bytes());
    let [login] = all[..] else { panic!("{} exchanges of {request}", all.len()) };
    login
}

/// The outcome of a form sent to `/login`.
fn outcome(answer: &str) -> LoginOutcome {
    let request = request("POST /login", FORM, "username=alice&password=secret");
    login(&request, answer).expect("a login").outcome
}
