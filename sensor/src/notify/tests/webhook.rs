use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::server::{BUSY, Behaviour, OK, Receiver};
use super::{alert, eventually, with_severity};
use crate::clock::Timestamp;
use crate::decide::{Alert, Incident};
use crate::detect::Severity;
use crate::notify::{DeliveryStats, Notifier, NotifyConfig, NotifyError, WebhookConfig, WebhookFormat};

/// Long enough for a slow machine.
const GRACE: Duration = Duration::from_secs(30);

fn hook(receiver: &Receiver) -> WebhookConfig {
    let url = format!("http://{}/hook?key=1", receiver.address);
    WebhookConfig { retry: Duration::from_millis(1), ..WebhookConfig::to(url.parse().unwrap()) }
}

fn start(webhook: WebhookConfig) -> Notifier {
    let config = NotifyConfig { webhook: Some(webhook), ..NotifyConfig::default() };
    Notifier::start(&config, &Handle::current(), || 0).unwrap()
}

fn totals(stats: DeliveryStats) -> (u64, u64, u64, u64, u64) {
    (stats.sent, stats.failed, stats.dropped, stats.retries, stats.depth)
}

fn alerts(receiver: &Receiver) -> Vec<Alert> {
    receiver.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

#[tokio::test]
async fn an_alert_is_posted_as_it_stands_in_records() {
    let receiver = Receiver::start(vec![OK], None).await;
    let mut config = hook(&receiver);
    config.headers = vec![("authorization".parse().unwrap(), "Bearer x".parse().unwrap())];
    let notifier = start(config);
    (1..=3).for_each(|n| notifier.alert(&alert(n)));
    notifier.alert(&with_severity(4, Severity::Low));
    notifier.alert(&with_severity(5, Severity::Medium));
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (4, 0, 0, 0, 0));
    let expected = [alert(1), alert(2), alert(3), with_severity(5, Severity::Medium)];
    assert_eq!(alerts(&receiver), expected);
    let head = receiver.requests()[0].to_lowercase();
    let host = format!("host: {}\r\n", receiver.address);
    for line in [
        "post /hook?key=1 http/1.1\r\n",
        "content-type: application/json\r\n",
        "authorization: bearer x\r\n",
        &host,
    ] {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test]
async fn what_fails_is_tried_again() {
    let fail = [
        Behaviour::Close,
        Behaviour::CloseAfterRequest,
        BUSY,
        Behaviour::Answer("HTTP/1.1 429 Slow down\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"),
        Behaviour::Answer("nonsense\r\n\r\n"),
        Behaviour::Endless,
        OK,
    ];
    let receiver = Receiver::start(fail.to_vec(), None).await;
    let notifier = start(hook(&receiver));
    notifier.alert(&alert(1));
    notifier.alert(&alert(2));
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (2, 0, 0, 6, 0));
    assert_eq!(alerts(&receiver).last(), Some(&alert(2)));
}

#[tokio::test]
async fn after_enough_tries_an_alert_is_given_up() {
    let receiver = Receiver::start(vec![BUSY, BUSY, BUSY, OK], None).await;
    let notifier = start(WebhookConfig { attempts: 3, ..hook(&receiver) });
    notifier.alert(&alert(1));
    notifier.alert(&alert(2));
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (1, 1, 0, 2, 0));
    assert_eq!(alerts(&receiver), [alert(1), alert(1), alert(1), alert(2)]);
}

#[tokio::test]
async fn what_is_refused_or_redirected_is_not_tried_again() {
    let elsewhere = Receiver::start(vec![OK], None).await;
    let location =
        format!("HTTP/1.1 307 Go\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.address);
    let redirect = Behaviour::Answer(Box::leak(location.into_boxed_str()));
    let refuse = Behaviour::Answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    let receiver = Receiver::start(vec![refuse, redirect, OK], None).await;
    let notifier = start(hook(&receiver));
    (1..=3).for_each(|n| notifier.alert(&alert(n)));
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (1, 2, 0, 0, 0));
    assert_eq!(alerts(&receiver), [alert(1), alert(2), alert(3)]);
    assert_eq!(elsewhere.requests(), [""; 0]);
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_a_timeout_and_the_oldest_go() {
    let receiver = Receiver::start(vec![Behaviour::Hang], None).await;
    let notifier =
        start(WebhookConfig { queue: 3, attempts: 2, timeout: Duration::from_millis(50), ..hook(&receiver) });
    notifier.alert(&alert(1));
    eventually(|| receiver.requests().len() == 1).await;
    (2..=9).for_each(|n| notifier.alert(&alert(n)));
    let stats = notifier.stats().webhook;
    assert_eq!((stats.dropped, stats.depth), (5, 4));
    eventually(|| notifier.stats().webhook.failed == 4).await;
    let mut tried = alerts(&receiver);
    tried.dedup();
    assert_eq!(tried, [alert(1), alert(7), alert(8), alert(9)]);
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (0, 4, 5, 4, 0));
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_receiver_that_hangs() {
    let receiver = Receiver::start(vec![Behaviour::Hang], None).await;
    let notifier = start(hook(&receiver));
    (1..=5).for_each(|n| notifier.alert(&alert(n)));
    eventually(|| receiver.requests().len() == 1).await;
    assert_eq!(totals(notifier.close(Duration::from_millis(20)).await.webhook), (0, 0, 5, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_raise_alerts() {
    let receiver = Receiver::start(vec![OK], None).await;
    let notifier = start(hook(&receiver));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let notifier = &notifier;
            scope.spawn(move || (0..50).for_each(|n| notifier.alert(&alert(thread * 50 + n))));
        }
    });
    assert_eq!(totals(notifier.close(GRACE).await.webhook), (200, 0, 0, 0, 0));
    let mut seen: Vec<_> = alerts(&receiver).into_iter().map(|alert| alert.id).collect();
    seen.sort();
    assert_eq!(seen, (0..200).map(|n| alert(n).id).collect::<Vec<_>>());
}

/// A server's side of TLS, and its certificate as PEM.
fn tls(name: &str) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn certificates_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let (trusted, other) = (directory.path().join("trusted.pem"), directory.path().join("other.pem"));
    let (acceptor, pem) = tls("localhost");
    std::fs::write(&trusted, pem).unwrap();
    std::fs::write(&other, tls("localhost").1).unwrap();
    let receiver = Receiver::start(vec![OK], Some(acceptor)).await;
    for (host, authority, expected) in [
        ("localhost", &trusted, (1, 0, 0, 0, 0)),
        // Another authority; another name.
        ("localhost", &other, (0, 1, 0, 1, 0)),
        ("127.0.0.1", &trusted, (0, 1, 0, 1, 0)),
    ] {
        let url = format!("https://{host}:{}/", receiver.address.port());
        let config = WebhookConfig { ca_file: Some(authority.clone()), attempts: 2, ..hook(&receiver) };
        let notifier = start(WebhookConfig { url: url.parse().unwrap(), ..config });
        notifier.alert(&alert(1));
        assert_eq!(totals(notifier.close(GRACE).await.webhook), expected, "{host} {authority:?}");
    }
    assert_eq!(alerts(&receiver), [alert(1)]);
}

#[tokio::test]
async fn a_missing_authority_is_an_error_at_the_start() {
    let mut webhook = WebhookConfig::to("https://localhost/".parse().unwrap());
    webhook.ca_file = Some("/nonexistent/ca.pem".into());
    let config = NotifyConfig { webhook: Some(webhook), ..NotifyConfig::default() };
    let error = Notifier::start(&config, &Handle::current(), || 0).unwrap_err();
    assert!(
        matches!(error, NotifyError::Tls { way: "webhook", .. })
            && error.to_string().contains("/nonexistent/ca.pem"),
        "{error}"
    );
}

/// A receiver that does not take an alert says why, and an operator reads it.
#[tokio::test]
async fn a_refusal_is_told_in_the_receiver_s_words_and_counted() {
    let refusal = Behaviour::Answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\ninvalid_token");
    let receiver = Receiver::start(vec![refusal, OK], None).await;
    let notifier = start(hook(&receiver));
    notifier.test(&with_severity(1, Severity::Info));
    eventually(|| notifier.ways()[0].is_idle).await;
    let way = &notifier.ways()[0];
    assert_eq!((way.name, way.sent, way.lost), ("webhook", 0, 1));
    assert_eq!(way.trouble.as_deref(), Some("answer 403 Forbidden: invalid_token"));
    notifier.alert(&alert(2));
    eventually(|| notifier.ways()[0].is_idle).await;
    assert_eq!(notifier.ways()[0].trouble, None, "the last one got there");
}

/// Alertmanager forgets what it is not told again: an incident that goes on is told once an hour, until it is over.
#[tokio::test]
async fn an_incident_that_lasts_is_told_again_to_receivers_that_forget() {
    let at = |minutes: u64| Timestamp::from_unix_micros((1_700_000_000 + minutes * 60) * 1_000_000);
    let incident = |state: &str| -> Incident {
        let record = serde_json::json!({
            "id": "01K7Z3V5Q8000000000000040G", "detector": "rate-spike", "severity": "high", "confidence": 0.9,
            "owasp": "API4:2023", "subject": "host", "summary": "s", "first": at(0), "known": at(0), "last": at(0),
            "state": state, "attempts": 0, "clients": 0, "blocked": 0, "limited": 0, "alerts": [], "action": "none",
            "step": "began", "told": at(0), "evidence": {},
        });
        serde_json::from_value(record).unwrap()
    };
    for (format, expected) in [(WebhookFormat::Alertmanager, 2), (WebhookFormat::Json, 0)] {
        let receiver = Receiver::start(vec![OK], None).await;
        let notifier = start(WebhookConfig { format, ..hook(&receiver) });
        for minutes in [0, 30, 59, 60, 61, 119, 120] {
            notifier.goes_on(&incident("open"), at(minutes));
        }
        notifier.goes_on(&incident("over"), at(500));
        assert_eq!(notifier.close(GRACE).await.webhook.sent, expected);
    }
}

/// A receiver of OpenTelemetry that answers with success may have taken nothing, and says so in the body.
#[tokio::test]
async fn a_record_that_is_rejected_counts_as_lost() {
    let body = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let rejects = Behaviour::Answer(Box::leak(answer.into_boxed_str()));
    for (format, lost) in [(WebhookFormat::Otlp, 1), (WebhookFormat::Json, 0)] {
        let receiver = Receiver::start(vec![rejects, OK], None).await;
        let notifier = start(WebhookConfig { format, ..hook(&receiver) });
        notifier.alert(&alert(1));
        eventually(|| notifier.ways()[0].is_idle).await;
        let way = notifier.ways().remove(0);
        assert_eq!((way.lost, way.trouble), (lost, (lost > 0).then(|| "not taken: too old".to_owned())));
        notifier.alert(&alert(2));
        assert_eq!(totals(notifier.close(GRACE).await.webhook), (2 - lost, lost, 0, 0, 0));
    }
}
