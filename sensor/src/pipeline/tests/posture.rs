//! From segments on the wire to the inventory of routes.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::{Config, Observer, Pipeline};
use crate::capture::{Endpoint, Flags, Segment};
use crate::clock::Timestamp;
use crate::event::{Exchange, LeakedPassword};
use crate::identity::{Key, Leaked};
use crate::inspect::{Kind, Schemas, Side};
use crate::posture::{self, Access, Ask, Inventory, Kept, Report, RouteReport, draft, report};

/// Keeps what was found beside the document, and leaked passwords that were told later.
#[derive(Default)]
struct Told(Vec<(Side, &'static str, String)>, Vec<LeakedPassword>);

impl Observer for Told {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let found = exchange.findings.iter().filter(|finding| finding.kind == Kind::Schema);
        self.0.extend(found.map(|finding| (finding.side, finding.rule, finding.name.text().to_owned())));
    }

    fn leaked_password(&mut self, login: &LeakedPassword) {
        self.1.push(login.clone());
    }
}

struct Site {
    pipeline: Pipeline<Told>,
    now: u64,
    clients: u16,
}

impl Site {
    fn new(config: &Config) -> Self {
        let pipeline = Pipeline::new(config, &Key::from_bytes([7; 32]), Told::default()).unwrap();
        Self { pipeline, now: 1_790_000_000_000_000, clients: 0 }
    }

    /// A connection of a client of its own.
    fn exchange(&mut self, request: &str, response: &str) {
        self.clients += 1;
        let address = Ipv4Addr::from_bits(0x0a00_0000 + u32::from(self.clients));
        let client = Endpoint::new(IpAddr::V4(address), 40_000);
        let server = Endpoint::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), 80);
        // Two connections with the same numbers would be one, seen twice.
        let number = u32::from(self.clients);
        let (mut sent, mut received) = (number * 7_919, number * 60_013);
        let syn_ack = Flags(Flags::SYN.0 | Flags::ACK.0);
        for (is_client, flags, payload) in [
            (true, Flags::SYN, ""),
            (false, syn_ack, ""),
            (true, Flags::ACK, ""),
            (true, Flags::ACK, request),
            (false, Flags::ACK, response),
        ] {
            self.now += 1_000;
            let length = u32::try_from(payload.len()).unwrap();
            let segment = Segment {
                time: Timestamp::from_unix_micros(self.now),
                source: if is_client { client } else { server },
                destination: if is_client { server } else { client },
                sequence: if is_client { sent } else { received },
                acknowledgement: if is_client { received } else { sent },
                flags,
                length,
                payload: payload.as_bytes(),
                ..Segment::default()
            };
            let _instruction = self.pipeline.segment(&segment);
            *(if is_client { &mut sent } else { &mut received }) += length + u32::from(flags.has(Flags::SYN));
        }
    }

    fn get(&mut self, path: &str, status: u16) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        self.exchange(&request, &format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
    }

    fn report(&self) -> Report {
        report(&self.inventory().snapshot(self.moment()), &Ask::default())
    }

    const fn inventory(&self) -> &Inventory {
        self.pipeline.inventory()
    }

    const fn moment(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.now)
    }
}

fn of<'r>(report: &'r Report, route: &str) -> Option<&'r RouteReport> {
    report.routes.iter().find(|row| row.route == route)
}

#[test]
fn what_does_not_exist_and_what_nobody_proves_is_not_listed() {
    let mut site = Site::new(&Config::default());
    for number in 0..100 {
        site.get(&format!("/wp-content/{number}.php"), 404);
    }
    site.get("/health", 200);
    let told = site.report();
    assert_eq!(told.routes.len(), 1, "{:?}", told.routes);
    assert_eq!(of(&told, "/health").map(|row| (row.requests, row.clients)), Some((1, 1)));
}

/// While names are learned, each has a template of its own; the report has the one that replaced them.
#[test]
fn replaced_templates_are_one_route() {
    let mut site = Site::new(&Config::default());
    for number in 0..400_u32 {
        let name: String = format!("{:08}", number * 2_654_435)
            .bytes()
            .map(|digit| char::from(b'a' + (digit - b'0') * 2))
            .collect();
        site.get(&format!("/people/{name}/x1-{number}-y"), 200);
    }
    let told = site.report();
    let all: u64 = told.routes.iter().map(|row| row.requests).sum();
    assert_eq!(all, 400, "nothing is lost");
    assert!(
        told.routes.len() < site.inventory().len(),
        "{} of {}",
        told.routes.len(),
        site.inventory().len()
    );
}

#[test]
fn an_inventory_survives_a_restart_and_knows_no_value() {
    let mut site = Site::new(&Config::default());
    let body = "{\"email\":\"anna.schmidt@example.org\",\"pin\":739104}";
    for _ in 0..5 {
        let request = format!(
            "POST /people?token=zz91aa HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cr3tt0ken\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let response = format!(
            "HTTP/1.1 201 Created\r\nSet-Cookie: sid=q8w7e6r5t4\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        site.exchange(&request, &response);
    }
    let kept = serde_json::to_string(&site.inventory().snapshot(site.moment()).kept()).unwrap();
    for secret in ["anna", "schmidt", "739104", "zz91aa", "s3cr3t", "q8w7e6"] {
        assert!(!kept.contains(secret), "{secret} in {kept}");
    }
    let mut again = Inventory::new(&posture::Config::default());
    again.restore(serde_json::from_str::<Kept>(&kept).unwrap());
    let (before, after) = (site.report(), report(&again.snapshot(site.moment()), &Ask::default()));
    assert_eq!(before, after);
    assert_eq!(
        draft(&again.snapshot(site.moment()), &Ask::default()),
        draft(&site.inventory().snapshot(site.moment()), &Ask::default())
    );
    let row = of(&before, "/people").unwrap();
    assert!(row.data_in.contains(&"mail".to_owned()), "{row:?}");
    assert_eq!(row.cookies, ["sid"]);
}

/// The list is on a disk that the thread which reads HTTP does not wait for; what it says is told all the same.
#[test]
fn leaked_passwords_are_told_when_they_were_looked_up() {
    let mut list = tempfile::NamedTempFile::new().unwrap();
    // SHA-1 of `password`.
    writeln!(list, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9").unwrap();
    let mut config = Config::default();
    config.identity.login.leaked_passwords = Some(Leaked::open(list.path()).unwrap().into());
    let mut site = Site::new(&config);
    site.pipeline.identifier_mut().look_up_aside().unwrap();
    let log_in = |site: &mut Site, user: &str, password: &str| {
        let body = format!("{{\"username\":\"{user}\",\"password\":\"{password}\"}}");
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = "{\"access_token\":\"q8w7e6r5t4y3u2i1o0p9\",\"token_type\":\"bearer\"}";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        site.exchange(&request, &format!("{head}{}\r\n\r\n{answer}", answer.len()));
    };
    for (user, password) in [("anna", "password"), ("bert", "Tr0ub4dor&3"), ("carla", "password")] {
        log_in(&mut site, user, password);
    }
    let until = crate::clock::monotonic() + std::time::Duration::from_secs(10);
    while site.pipeline.totals().leaked().0 < 3 && crate::clock::monotonic() < until {
        site.pipeline.advance(site.moment());
        std::thread::yield_now();
    }
    assert_eq!(site.pipeline.totals().leaked(), (3, 2), "looked up, and in the list");
    let told = &site.pipeline.observer().1;
    let users: std::collections::BTreeSet<_> = told.iter().filter_map(|login| login.user).collect();
    assert_eq!((told.len(), users.len()), (2, 2), "{told:?}");
    assert!(told.iter().all(|login| login.route.as_deref() == Some("/login") && login.proven));
    let report = site.report();
    let finding = report.findings.iter().find(|finding| finding.class == "leaked-passwords").unwrap();
    assert!(finding.places[0].evidence.contains("2 of 3"), "{finding:?}");
    // From now on it is known at once.
    log_in(&mut site, "dora", "password");
    assert_eq!(site.pipeline.totals().leaked(), (4, 3));
    assert_eq!(site.pipeline.observer().1.len(), 2);
}

/// What is counted as rows change is what a walk over them counts after a restart.
#[test]
fn rows_are_counted_by_who_is_answered() {
    let mut site = Site::new(&Config::default());
    let ask = |site: &mut Site, path: &str, credentials: &str, status: u16| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{credentials}\r\n");
        site.exchange(&request, &format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
    };
    let bearer = "Authorization: Bearer s3cr3tt0ken\r\n";
    let of = |inventory: &Inventory| {
        let rows = inventory.by_access();
        Access::ALL.map(|access| rows.of(access, false))
    };
    // Required, optional, none, unanswered, as rows move from one to the other.
    for (path, credentials, status, expected) in [
        ("/orders", "", 403, [0, 0, 0, 1]),
        ("/orders", bearer, 200, [1, 0, 0, 0]),
        ("/orders", bearer, 200, [1, 0, 0, 0]),
        ("/health", "", 200, [1, 0, 1, 0]),
        ("/orders", "", 200, [0, 1, 1, 0]),
        ("/admin", "", 403, [0, 1, 1, 1]),
    ] {
        ask(&mut site, path, credentials, status);
        assert_eq!(of(site.inventory()), expected, "{path}");
    }
    let mut again = Inventory::new(&posture::Config::default());
    again.restore(site.inventory().snapshot(site.moment()).kept());
    assert_eq!(of(&again), [0, 1, 1, 1]);
}

#[test]
fn rows_are_bounded_and_what_found_no_place_is_counted() {
    let mut config = Config::default();
    config.posture.rows = 16;
    let mut site = Site::new(&config);
    for number in 0..40_u32 {
        let word: String =
            (0..3).map(|place| char::from(b'a' + u8::try_from(number >> (place * 2) & 3).unwrap())).collect();
        site.get(&format!("/{word}list/{word}"), 200);
    }
    assert_eq!(site.inventory().len(), 16);
    assert!(site.report().no_room > 0);
}

/// What the wire brings, beside a document.
#[test]
fn exchanges_are_compared_with_the_document() {
    let text = r#"{"openapi":"3.1.0","paths":{"/orders/{id}":{"put":{
        "parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer","maximum":99}},
            {"name":"page","in":"query","required":true,"schema":{"type":"integer"}},
            {"name":"X-Shop","in":"header","schema":{"enum":["a","b"]}}],
        "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object",
            "required":["n"],"additionalProperties":false,"properties":{"n":{"type":"integer"}}}}}},
        "responses":{"200":{"description":"","content":{"application/json":{"schema":{"type":"array"}}}}}}}}}"#;
    let mut config = Config::default();
    config.routes.patterns = crate::route::openapi("a", text).unwrap().patterns;
    config.inspect.schemas = Schemas::compile(text).unwrap();
    let json = "Content-Type: application/json\r\n";
    let (request, response) = (Side::Request, Side::Response);
    let cases = [
        ("PUT /orders/7?page=1", json, "{\"n\":1}", "[]", None),
        ("PUT /orders/100?page=1", json, "{\"n\":1}", "[]", Some((request, "range", "id"))),
        ("PUT /orders/7", json, "{\"n\":1}", "[]", Some((request, "required", "page"))),
        ("PUT /orders/7?page=x", json, "{\"n\":1}", "[]", Some((request, "type", "page"))),
        ("PUT /orders/7?page=1", json, "{\"n\":\"1\"}", "[]", Some((request, "type", "n"))),
        ("PUT /orders/7?page=1", json, "{\"n\":1,\"admin\":1}", "[]", Some((request, "extra", "admin"))),
        ("PUT /orders/7?page=1", json, "{\"n\":", "[]", Some((request, "json", ""))),
        (
            "PUT /orders/7?page=1",
            "Content-Type: text/csv\r\n",
            "n",
            "[]",
            Some((request, "content-type", "")),
        ),
        ("PUT /orders/7?page=1", json, "{\"n\":1}", "{}", Some((response, "type", ""))),
        ("DELETE /orders/7", "X-Shop: c\r\n", "", "[]", Some((request, "undocumented-method", ""))),
    ];
    for (line, headers, body, answer, expected) in cases {
        let mut site = Site::new(&config);
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        let length = answer.len();
        site.exchange(&head, &format!("HTTP/1.1 200 OK\r\n{json}Content-Length: {length}\r\n\r\n{answer}"));
        let told: Vec<(Side, &str, &str)> = site
            .pipeline
            .observer()
            .0
            .iter()
            .map(|(side, rule, name)| (*side, *rule, name.as_str()))
            .collect();
        assert_eq!(told, Vec::from_iter(expected), "{line} {body} {answer}");
    }
}

/// While somebody reads a snapshot, rows that change are copied: that is bounded, and what is spared is only a sample.
#[test]
fn copies_beside_a_snapshot_are_bounded() {
    const ROUTES: u64 = 600;
    let mut config = Config::default();
    config.routes.patterns = (0..ROUTES).map(|number| format!("/r{number}")).collect();
    let fields: Vec<String> = (0..100).map(|number| format!("\"field{number}\":{number}")).collect();
    let body = format!("{{{}}}", fields.join(","));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    let answer = format!("{head}{}\r\n\r\n{body}", body.len());
    let round = |site: &mut Site| {
        let before = site.inventory().counters().documents;
        for number in 0..ROUTES {
            site.exchange(&format!("GET /r{number} HTTP/1.1\r\nHost: a\r\n\r\n"), &answer);
        }
        site.inventory().counters().documents - before
    };
    let mut site = Site::new(&config);
    assert_eq!((round(&mut site), round(&mut site)), (ROUTES, ROUTES), "the first ones of a row are read");
    let snapshot = site.inventory().snapshot(site.moment());
    let beside = round(&mut site);
    assert!(beside < 100, "{beside} rows copied");
    assert_eq!(report(&snapshot, &Ask::default()).routes[0].requests, 2, "it stays as it was");
    drop(snapshot);
    assert_eq!(round(&mut site), ROUTES);
    assert!(site.report().routes.iter().all(|row| row.requests == 4), "all are counted");
}

#[test]
fn changes_are_what_came_after() {
    let mut site = Site::new(&Config::default());
    site.get("/old", 200);
    site.get("/both", 200);
    site.now += 86_400_000_000;
    let since = site.moment();
    site.get("/both", 200);
    site.get("/new", 200);
    let ask = Ask { since: Some(since), ..Ask::default() };
    let told = report(&site.inventory().snapshot(site.moment()), &ask);
    let changes: Vec<(&str, &str)> =
        told.changes.iter().map(|change| (change.what.as_str(), change.route.as_str())).collect();
    assert_eq!(changes, [("new-route", "/new"), ("gone", "/old")]);
}

/// What an exchange costs, with the inventory and without: `--run-ignored only --no-capture`, in a release build.
#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn cost_of_an_exchange() {
    let measure = |is_on: bool| {
        let mut config = Config::default();
        config.posture.enabled = is_on;
        let mut site = Site::new(&config);
        let began = crate::clock::monotonic();
        for number in 0..60_000_u32 {
            site.get(&format!("/api/{}", number % 7 + 10), 200);
        }
        (crate::clock::monotonic() - began).as_nanos() / 60_000
    };
    let without = (0..5).map(|_| measure(false)).min();
    let with = (0..5).map(|_| measure(true)).min();
    let told = writeln!(std::io::stderr(), "{with:?} ns with the inventory, {without:?} without");
    assert!(told.is_ok());
}
