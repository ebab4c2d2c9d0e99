//! What each detector accuses a client of, as requests and the answers of a server.

use sensor::detect::Threat;

/// Something that a client sends on one of its connections.
pub(super) struct Step {
    /// Which client, where there are several.
    pub(super) client: u8,
    /// Which of its connections.
    pub(super) connection: u16,
    /// Microseconds before it.
    pub(super) wait: u64,
    pub(super) data: String,
    /// A second copy of the same bytes, of the same length.
    pub(super) copy: Option<String>,
    /// What the server says to it, where it says anything.
    pub(super) answer: Option<String>,
}

/// What raises an alert of a detector, or of several.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) threat: Threat,
    /// Whether the wire alone tells whose connection it is, so that a proxy stands for its clients.
    pub(super) by_wire: bool,
    /// Whether others log in meanwhile: where nobody does, logging in is out of order.
    pub(super) others_log_in: bool,
    steps: fn() -> Vec<Step>,
}

impl Script {
    pub(super) fn steps(&self) -> Vec<Step> {
        (self.steps)()
    }
}

const fn row(name: &'static str, threat: Threat, steps: fn() -> Vec<Step>) -> Script {
    Script { name, threat, by_wire: false, others_log_in: false, steps }
}

/// Those that accuse clients. Spikes accuse nobody: they are of routes and of the host.
pub(super) const SCRIPTS: [Script; 15] = [
    row("brute force", Threat::BruteForce, || (0..60).map(|n| login(n, "victim", &secret(n), 401)).collect()),
    row("password spraying", Threat::PasswordSpraying, || {
        (0..60).map(|n| login(n, &user(n), "Winter2026!", 401)).collect()
    }),
    row("credential stuffing", Threat::CredentialStuffing, || {
        (0..60).map(|n| login(n, &user(n), &secret(n), 401)).collect()
    }),
    Script { others_log_in: true, ..row("credential stuffing, spread", Threat::CredentialStuffing, spread) },
    row("account takeover", Threat::AccountTakeover, || {
        let status = |n| if n == 59 { 200 } else { 401 };
        (0..60).map(|n| login(n, &user(n), &secret(n), status(n))).collect()
    }),
    row("request rate", Threat::RequestRate, || {
        (0..150).map(|n| Step { wait: 10_000, ..get(n, "/api/news", "", 200) }).collect()
    }),
    row("enumeration", Threat::Enumeration, || {
        (0..120).map(|n| get(n, &format!("/api/users/{}", 5_000 + 13 * n), "", 404)).collect()
    }),
    row("enumeration with a key", Threat::Enumeration, || {
        let key = "X-Api-Key: 0f8a6b24c1d94d5e\r\n";
        (0..120).map(|n| get(n, &format!("/api/users/{}", 5_000 + 13 * n), key, 403)).collect()
    }),
    row("scanner", Threat::Scanner, || {
        let probes =
            ["/.env", "/.git/config", "/.aws/credentials", "/.ssh/id_rsa", "/.htpasswd", "/wp-config.php"];
        (0..18).zip(probes.into_iter().cycle()).map(|(n, path)| get(n, path, "", 404)).collect()
    }),
    Script {
        name: "slow attack",
        threat: Threat::SlowAttack,
        by_wire: true,
        others_log_in: false,
        steps: slow,
    },
    row("stream evasion", Threat::StreamEvasion, || (0..12).map(twice).collect()),
    row("injection", Threat::Injection, || {
        let path = "/find?a=1'+UNION+SELECT+password+FROM+users--&b=../../../etc/passwd&c=;cat+/etc/passwd";
        (0..12).map(|n| get(n, path, "", 200)).collect()
    }),
    row("forged tokens", Threat::TokenMisuse, || {
        let token = "Authorization: Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIn0.\r\n";
        (0..24).map(|n| get(n, "/api/me", token, 200)).collect()
    }),
    row("expensive documents", Threat::Graphql, || (0..12).map(document).collect()),
    row("what the document forbids", Threat::Schema, || {
        (0..30).map(|n| get(n, &format!("/api/offers/offer-{n}"), "", 400)).collect()
    }),
];

/// A document of two hundred levels.
fn document(n: u16) -> Step {
    let body = format!(r#"{{"query":"{}a{}"}}"#, "{a".repeat(200), "}".repeat(200));
    let data = request("POST /graphql", "Content-Type: application/json\r\n", &body);
    Step { data, ..get(n, "/", "", 200) }
}

fn user(n: u16) -> String {
    format!("user{n}")
}

fn secret(n: u16) -> String {
    format!("a-secret-{n}")
}

fn request(line: &str, fields: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: a.example\r\nUser-Agent: client/1.0\r\n{fields}{length}\r\n{body}")
}

fn answer(status: u16) -> String {
    let body = if status == 200 { r#"{"token":"c2Vzc2lvbg"}"# } else { r#"{"error":"no"}"# };
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn get(n: u16, path: &str, fields: &str, status: u16) -> Step {
    Step {
        client: 0,
        connection: n / 6,
        wait: 200_000,
        data: request(&format!("GET {path}"), fields, ""),
        copy: None,
        answer: Some(answer(status)),
    }
}

/// Somebody logs in and is let in.
pub(super) fn honest(n: u16) -> (String, String) {
    let step = login(n, &format!("member{n}"), &secret(n), 200);
    (step.data.replace("client/1.0", "Mozilla/5.0"), step.answer.unwrap_or_default())
}

fn login(n: u16, user: &str, password: &str, status: u16) -> Step {
    let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    let data = request("POST /login", "Content-Type: application/json\r\n", &body);
    Step { data, answer: Some(answer(status)), ..get(n, "/", "", status) }
}

/// Each pair from another client, two from each, with a program that nobody else has.
fn spread() -> Vec<Step> {
    let of = |n: u16| {
        let step = login(0, &user(n), &secret(n), 401);
        let data = step.data.replace("client/1.0", "Go-http-client/1.1");
        Step { client: (n % 200) as u8, connection: n / 200, data, wait: 50_000, ..step }
    };
    (0..400).map(of).collect()
}

/// Heads that do not end, a byte now and then.
fn slow() -> Vec<Step> {
    let open =
        (0..30).map(|n| Step { data: "GET / HTTP/1.1\r\nHost: a\r\nX: a".to_owned(), answer: None, ..of(n) });
    let more = (0..12).flat_map(|round| (0..30).map(move |n| (round, n)));
    let more = more.map(|(round, n)| Step { data: format!("{round:02}"), answer: None, ..of(n) });
    open.chain(more).collect()
}

fn of(connection: u16) -> Step {
    Step { connection, ..get(0, "/", "", 200) }
}

/// One request, and another in the place of its bytes.
fn twice(n: u16) -> Step {
    let step = get(n, &format!("/api/fine/{n:02}"), "", 200);
    let copy = Some(step.data.replace("/api/fine", "/api/evil"));
    Step { copy, connection: n, ..step }
}
