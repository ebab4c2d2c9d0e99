use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::rfc5424::{Message, parse};
use super::{alert, at, eventually, with_severity};
use crate::decide::{About, Action, Alert, Incident};
use crate::detect::{Number, Sample, Severity};
use crate::notify::news::News;
use crate::notify::syslog::Writer;
use crate::notify::{DeliveryStats, Notifier, NotifyConfig, SyslogConfig, SyslogFormat};
use crate::printable::printable;

/// Long enough for a slow machine.
const GRACE: Duration = Duration::from_secs(30);

fn to(url: &str) -> SyslogConfig {
    SyslogConfig { retry: Duration::from_millis(1), ..SyslogConfig::to(url.parse().unwrap()) }
}

fn start(syslog: SyslogConfig) -> Notifier {
    let config = NotifyConfig { syslog: Some(syslog), ..NotifyConfig::default() };
    Notifier::start(&config, &Handle::current(), || 0).unwrap()
}

fn totals(stats: Option<DeliveryStats>) -> (u64, u64, u64, u64) {
    let stats = stats.unwrap();
    (stats.sent, stats.failed, stats.dropped, stats.depth)
}

fn written(config: &SyslogConfig, news: News<'_>) -> Message {
    parse(&Writer::new(config, "web1.example.org").message(news).unwrap()).unwrap()
}

fn incident() -> Incident {
    let record = serde_json::json!({
        "id": "01K7Z3V5Q8000000000000040G", "detector": "rate-spike", "severity": "low", "confidence": 0.5,
        "owasp": "API4:2023", "subject": "route /a", "summary": "s", "first": at(1), "known": at(2), "last": at(3),
        "state": "over", "attempts": 7, "clients": 2, "blocked": 1, "limited": 0, "alerts": [], "action": "none",
        "step": "over", "told": at(9), "evidence": { "rate": 2.5 },
    });
    serde_json::from_value(record).unwrap()
}

#[test]
fn programs_find_in_a_message_what_the_record_says() {
    let until = at(100);
    let told = alert(1_700_000_000).with_action(Action::Block, Some(until)).with_reason("it \"is\" [so]");
    let message = written(&to("tls://a.example"), News::Alert(&told));
    assert_eq!((message.facility, message.severity), (16, 3));
    assert_eq!(
        (message.timestamp.as_str(), message.host.as_str()),
        ("2023-11-14T22:13:20.000000Z", "web1.example.org")
    );
    assert_eq!((message.app.as_str(), message.id.as_str()), ("sensor", "alert"));
    assert_eq!(message.process, std::process::id().to_string());
    let of = |element: &str, key: &str| message.elements[element].get(key).cloned().unwrap_or_default();
    for (key, value) in [
        ("id", told.id.to_string().as_str()),
        ("detector", "brute-force"),
        ("severity", "high"),
        ("confidence", "0.9"),
        ("owasp", "API2:2023"),
        ("client", "192.0.2.7"),
        ("action", "block"),
        ("until", &until.to_string()),
        ("start", "1970-01-01T00:00:00.000000Z"),
        ("reason_no_action", "it \"is\" [so]"),
    ] {
        assert_eq!(of("sensor@32473", key), value, "{key}");
    }
    assert_eq!(of("evidence@32473", "failures"), "31");
    assert_eq!(of("meta", "sequenceId"), "1");
    assert_eq!(of("origin", "software"), "sensor");
    assert!(message.text.starts_with("[high] brute-force 192.0.2.7: 31 failed logins"), "{}", message.text);
}

#[test]
fn the_end_of_an_incident_is_a_message_of_its_own() {
    let config = SyslogConfig { sd_id: "shop@1.2".to_owned(), ..to("udp://a.example") };
    let message = written(&config, News::Over(&incident()));
    assert_eq!(
        (message.id.as_str(), message.severity, message.timestamp),
        ("incident", 5, at(9).to_string())
    );
    let found = &message.elements["shop@1.2"];
    assert_eq!(
        (found["state"].as_str(), found["attempts"].as_str(), found["clients"].as_str()),
        ("over", "7", "2")
    );
    assert_eq!(found["subject"], "route /a");
    assert_eq!(message.elements["evidence@1.2"]["rate"], "2.5");
}

#[test]
fn json_is_the_record_in_ascii() {
    let mut told = alert(7);
    told.summary = "caf\u{e9} \u{1f600}".to_owned();
    let config = SyslogConfig { format: SyslogFormat::Json, ..to("tls://a.example") };
    let message = written(&config, News::Alert(&told));
    assert!(message.text.is_ascii());
    assert_eq!(serde_json::from_str::<Alert>(&message.text).unwrap(), told);
}

#[test]
fn examples_go_before_the_text_is_cut() {
    let mut told = alert(7);
    let sample = Sample {
        ts: at(1),
        client: "192.0.2.7".parse().unwrap(),
        method: Some("GET".to_owned()),
        route: Some("/r".repeat(64)),
        path: None,
        status: Some(401),
        user: None,
        unit: None,
    };
    told.evidence.exchanges = vec![sample.clone()];
    let config = SyslogConfig { format: SyslogFormat::Json, max_bytes: 2_048, ..to("tls://a.example") };
    let whole = written(&config, News::Alert(&told));
    assert_eq!(serde_json::from_str::<Alert>(&whole.text).unwrap(), told);
    told.evidence.exchanges = (0..5)
        .map(|second| Sample { ts: at(second), path: Some("/p".repeat(64)), ..sample.clone() })
        .collect();
    let shorter: Alert = serde_json::from_str(&written(&config, News::Alert(&told)).text).unwrap();
    told.evidence.exchanges.clear();
    assert_eq!(shorter, told);
}

/// Text that ends values, elements, messages and frames elsewhere.
fn hostile(most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"]".to_owned()),
        Just("\\".to_owned()),
        Just("\r\n<0>1 - - - - - -".to_owned()),
        Just("\u{0}\u{1b}[2J\u{9b}\u{202e}\u{feff}".to_owned()),
        Just("[sensor@32473 id=\"forged\"]".to_owned()),
        ".{0,12}",
        "\\PC{0,12}",
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever clients invent: one message, of the grammar, within the bound, with their text as a value.
    #[test]
    fn nothing_that_a_client_says_breaks_a_message(
        summary in hostile(40), subject in hostile(40), reason in hostile(40), text in hostile(60), name in hostile(4),
        host in hostile(6), max_bytes in 2_048_usize..9_000,
        format in prop::sample::select(vec![
            SyslogFormat::Text, SyslogFormat::Json, SyslogFormat::Ecs, SyslogFormat::Ocsf,
        ]),
    ) {
        let config = SyslogConfig { max_bytes, format, ..to("tls://a.example") };
        let mut told = alert(7).with_reason(&reason);
        told.summary = summary;
        told.about = About::Subject(subject.clone());
        told.evidence.numbers.insert("text".to_owned(), Number::Text(text.clone()));
        told.evidence.numbers.insert(format!("n{name}"), Number::Count(1));
        let bytes = Writer::new(&config, &host).message(News::Alert(&told)).unwrap();
        prop_assert!(bytes.len() <= max_bytes, "{} bytes", bytes.len());
        prop_assert!(!String::from_utf8(bytes.clone()).unwrap().contains(char::is_control));
        let message = parse(&bytes).map_err(TestCaseError::fail)?;
        let own = &message.elements["sensor@32473"];
        prop_assert_eq!(&own["id"], &told.id.to_string());
        prop_assert!(printable(&subject).starts_with(&own["subject"]), "{}", own["subject"]);
        prop_assert!(printable(&reason).starts_with(&own["reason_no_action"]));
        if let Some(evidence) = message.elements.get("evidence@32473") {
            prop_assert!(printable(&text).starts_with(&evidence["text"]));
            prop_assert_eq!(&evidence["failures"], "31");
        }
        prop_assert_eq!(message.elements.keys().filter(|id| id.contains('@')).count() <= 2, true);
    }
}

/// Messages of one stream, by octet counting.
async fn read_frames(mut stream: impl AsyncRead + Unpin, most: usize, told: mpsc::UnboundedSender<Message>) {
    for _ in 0..most {
        let mut length = 0_usize;
        loop {
            match stream.read_u8().await {
                Ok(b' ') => break,
                Ok(digit @ b'0'..=b'9') => length = length * 10 + usize::from(digit - b'0'),
                Ok(other) => panic!("{other} in a length"),
                Err(_) => return,
            }
        }
        let mut message = vec![0; length];
        if stream.read_exact(&mut message).await.is_err() {
            return;
        }
        told.send(parse(&message).unwrap()).unwrap();
    }
}

/// A server that ends each connection after so many messages. Its port, and the messages.
async fn server(most: usize, tls: Option<TlsAcceptor>) -> (u16, mpsc::UnboundedReceiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Some(tls) = &tls else {
                read_frames(stream, most, told.clone()).await;
                continue;
            };
            // A client that does not trust us ends the handshake.
            if let Ok(stream) = tls.accept(stream).await {
                read_frames(stream, most, told.clone()).await;
            }
        }
    });
    (port, messages)
}

async fn ids(messages: &mut mpsc::UnboundedReceiver<Message>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let message = tokio::time::timeout(GRACE, messages.recv()).await.expect("no message").unwrap();
        ids.push(message.elements["sensor@32473"]["id"].clone());
    }
    ids
}

fn expected(seconds: impl IntoIterator<Item = u64>) -> Vec<String> {
    seconds.into_iter().map(|second| alert(second).id.to_string()).collect()
}

#[tokio::test]
async fn messages_share_a_connection_and_are_told_apart() {
    let (port, mut messages) = server(usize::MAX, None).await;
    let notifier = start(to(&format!("tcp://127.0.0.1:{port}")));
    (1..=20).for_each(|n| notifier.alert(&alert(n)));
    notifier.alert(&with_severity(21, Severity::Low));
    notifier.resolved(&Incident { severity: Severity::High, ..incident() });
    assert_eq!(totals(notifier.close(GRACE).await.syslog), (21, 0, 0, 0));
    assert_eq!(ids(&mut messages, 20).await, expected(1..=20));
    let last = messages.recv().await.unwrap();
    assert_eq!((last.id.as_str(), last.elements["meta"]["sequenceId"].as_str()), ("incident", "21"));
}

/// The server's host acknowledges what arrives before the end of a connection; what comes after it is sent again.
#[tokio::test]
async fn a_connection_that_ends_loses_nothing() {
    let (port, mut messages) = server(3, None).await;
    let notifier = start(to(&format!("tcp://localhost:{port}")));
    for n in 1..=20 {
        notifier.alert(&alert(n));
        // The end of the connection is there before the next message.
        let mut received = ids(&mut messages, 1).await;
        assert_eq!(received.pop(), expected([n]).pop());
    }
    assert_eq!(totals(notifier.close(GRACE).await.syslog), (20, 0, 0, 0));
}

#[tokio::test]
async fn a_server_that_is_away_costs_what_does_not_fit() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let config = SyslogConfig { queue: 3, attempts: u32::MAX, ..to(&format!("tcp://127.0.0.1:{port}")) };
    let notifier = start(SyslogConfig { retry: Duration::from_millis(20), ..config });
    notifier.alert(&alert(1));
    eventually(|| notifier.stats().syslog.unwrap().retries > 0).await;
    (2..=9).for_each(|n| notifier.alert(&alert(n)));
    assert_eq!(totals(notifier.stats().syslog), (0, 0, 5, 4));
    assert_eq!(notifier.ways()[0].name, "syslog");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let (told, mut messages) = mpsc::unbounded_channel();
    tokio::spawn(async move { read_frames(listener.accept().await.unwrap().0, 9, told).await });
    assert_eq!(ids(&mut messages, 4).await, expected([1, 7, 8, 9]));
    assert_eq!(totals(notifier.close(GRACE).await.syslog), (4, 0, 5, 0));
}

#[tokio::test]
async fn what_a_server_does_not_acknowledge_is_not_sent() {
    // A listener that accepts nothing completes handshakes until its queue is full, and its host acknowledges until its
    // buffers are.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tls://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let directory = tempfile::tempdir().unwrap();
    let (_, _, cert) = tls_server("127.0.0.1", None, directory.path());
    let config =
        SyslogConfig { timeout: Duration::from_millis(30), attempts: 2, ca_file: Some(cert), ..to(&url) };
    let notifier = start(config);
    notifier.test(&with_severity(1, Severity::Info));
    eventually(|| notifier.ways()[0].is_idle).await;
    let way = &notifier.ways()[0];
    assert_eq!((way.sent, way.lost), (0, 1));
    assert_eq!(way.trouble.as_deref(), Some("not acknowledged in time"));
}

#[tokio::test]
async fn a_datagram_is_a_message() {
    for host in ["127.0.0.1", "[::1]"] {
        let Ok(socket) = UdpSocket::bind(format!("{host}:0")).await else {
            assert_ne!(host, "127.0.0.1", "only IPv6 may be missing");
            continue;
        };
        let notifier = start(to(&format!("udp://{host}:{}", socket.local_addr().unwrap().port())));
        (1..=3).for_each(|n| notifier.alert(&alert(n)));
        for n in 1..=3 {
            let mut datagram = vec![0; 65_536];
            let length = tokio::time::timeout(GRACE, socket.recv(&mut datagram)).await.unwrap().unwrap();
            let message = parse(&datagram[..length]).unwrap();
            assert_eq!(message.elements["sensor@32473"]["id"], alert(n).id.to_string());
        }
        assert_eq!(totals(notifier.close(GRACE).await.syslog), (3, 0, 0, 0));
    }
}

/// A server's side of TLS for a name, its key, and the file with its certificate. It asks for a certificate where clients
/// have one.
fn tls_server(
    name: &str,
    clients: Option<&rcgen::Certificate>,
    directory: &Path,
) -> (TlsAcceptor, rcgen::KeyPair, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client.der().clone()).unwrap();
            let provider = Arc::new(ring::default_provider());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let path = directory.join("server.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.signing_key, path)
}

#[tokio::test]
async fn both_sides_check_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let client = rcgen::generate_simple_self_signed(["sensor".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join("client.pem"), directory.path().join("client.key"));
    std::fs::write(&cert, client.cert.pem()).unwrap();
    std::fs::write(&key, client.signing_key.serialize_pem()).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = directory.path().join("stranger.pem");
    std::fs::write(&stranger, other.cert.pem()).unwrap();
    let (acceptor, _, authority) = tls_server("localhost", Some(&client.cert), directory.path());
    let (port, mut messages) = server(usize::MAX, Some(acceptor)).await;
    for (host, authority, is_known, sent) in [
        ("localhost", &authority, true, true),
        // Another authority; another name; no certificate of ours.
        ("localhost", &stranger, true, false),
        ("127.0.0.1", &authority, true, false),
        ("localhost", &authority, false, false),
    ] {
        let config = SyslogConfig {
            ca_file: Some(authority.clone()),
            cert_file: is_known.then(|| cert.clone()),
            key_file: is_known.then(|| key.clone()),
            attempts: 2,
            ..to(&format!("tls://{host}:{port}"))
        };
        let notifier = start(config);
        notifier.alert(&alert(1));
        eventually(|| notifier.ways()[0].is_idle).await;
        if !sent && is_known {
            assert!(notifier.ways()[0].trouble.as_deref().unwrap().contains("certificate"));
        }
        let stats = totals(notifier.close(GRACE).await.syslog);
        if sent {
            assert_eq!(ids(&mut messages, 1).await, expected([1]));
        }
        assert_eq!(stats, (u64::from(sent), u64::from(!sent), 0, 0), "{host} {authority:?} {is_known}");
        assert!(messages.try_recv().is_err(), "a message got through");
    }
}
