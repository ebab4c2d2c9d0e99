use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;

use super::server::{Does, Server, eventually};
use crate::crowdsec::{CrowdsecConfig, PushCounts, PushState, Report, push};
use crate::decide::{self, Action, Alert, RecordId};

/// A machine that pushes to a server.
struct Pushing {
    server: Server,
    state: Arc<PushState>,
    queue: Sender<Report>,
    task: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Pushing {
    async fn start(scripts: Vec<(&'static str, Vec<Does>)>) -> Self {
        let server = Server::with(scripts).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login");
        std::fs::write(&path, "url: http://x\nlogin: web1\npassword: s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut config = CrowdsecConfig::to(format!("http://{}/", server.address).parse().unwrap());
        config.login_file = Some(path);
        config.timeout = Duration::from_secs(5);
        let state: Arc<PushState> = Arc::default();
        let (queue, reports) = channel(64);
        let task = tokio::spawn(push(config, reports, Arc::clone(&state)));
        Self { server, state, queue, task, _directory: directory }
    }

    fn send(&self, client: &str) {
        self.queue.try_send(report(client)).unwrap();
    }

    /// Alerts that the server was sent.
    fn alerts(&self) -> Vec<Value> {
        let asked = self.server.asked();
        let pushed = asked.iter().filter(|request| request.starts_with("POST /v1/alerts "));
        pushed
            .flat_map(|request| {
                let (_, body) = request.split_once("\r\n\r\n").unwrap();
                serde_json::from_str::<Vec<Value>>(body).unwrap()
            })
            .collect()
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn report(client: &str) -> Report {
    let id = RecordId::new(super::at(1), 1, 0);
    Report::of_alert(&Alert::from_signal(&decide::signal(client, 1), id)).unwrap()
}

fn token() -> Does {
    Does::Say(200, r#"{"code":200,"expire":"2999-01-01T00:00:00Z","token":"abc.def"}"#.to_owned())
}

fn created() -> Does {
    Does::Say(201, r#"["6"]"#.to_owned())
}

/// What is asked and answered by a server of 1.6.8 or later.
#[tokio::test]
async fn allow_lists_are_asked_first() {
    let listed = |is: bool| Does::Say(200, format!(r#"{{"allowlisted":{is},"reason":"x"}}"#));
    let pushing = Pushing::start(vec![
        ("/v1/watchers/login", vec![token()]),
        ("/v1/allowlists/check/192.0.2.7", vec![listed(true)]),
        ("/v1/allowlists/check/", vec![listed(false)]),
        ("/v1/alerts", vec![created()]),
    ])
    .await;
    pushing.send("192.0.2.7");
    pushing.send("192.0.2.8");
    eventually(|| pushing.state.counts().sent == 1 && pushing.state.counts().allowed == 1).await;
    let alerts = pushing.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["source"]["value"], "192.0.2.8");
    assert!(alerts[0]["scenario"].as_str().unwrap().starts_with("sensor@web1/"), "{alerts:?}");
    assert_eq!(pushing.state.has_lists(), Some(true));
    let asked = pushing.server.asked();
    assert!(asked[0].contains(r#""machine_id":"web1""#) && asked[0].contains("s3cret"));
    assert!(
        asked[1..].iter().all(|request| request.to_lowercase().contains("authorization: bearer abc.def\r\n"))
    );
}

/// Of 1.4.6.
#[tokio::test]
async fn an_older_server_has_no_allow_lists() {
    let scripts = vec![("/v1/watchers/login", vec![token()]), ("/v1/alerts", vec![created()])];
    let pushing = Pushing::start(scripts).await;
    for number in 1..=3 {
        pushing.send("192.0.2.7");
        eventually(|| pushing.state.counts().sent == number).await;
    }
    assert_eq!(pushing.state.has_lists(), Some(false));
    assert_eq!(pushing.server.targets("/v1/allowlists").len(), 1, "it is asked once");
    assert_eq!(pushing.server.targets("/v1/watchers").len(), 1);
    assert_eq!(pushing.state.trouble(), None);
}

/// 1.6.6, 1.6.7 and some proxies do not know a target with an escaped slash.
#[tokio::test]
async fn a_range_that_is_not_found_says_nothing_of_lists() {
    let listed = Does::Say(200, r#"{"allowlisted":true}"#.to_owned());
    let pushing = Pushing::start(vec![
        ("/v1/watchers/login", vec![token()]),
        ("/v1/allowlists/check/2001:db8::%2F64", vec![Does::Say(404, String::new())]),
        ("/v1/allowlists/check/", vec![listed]),
        ("/v1/alerts", vec![created()]),
    ])
    .await;
    pushing.send("2001:db8::/64");
    eventually(|| pushing.state.counts().sent == 1).await;
    assert_eq!(pushing.state.has_lists(), None);
    pushing.send("192.0.2.7");
    eventually(|| pushing.state.counts().allowed == 1).await;
    assert_eq!((pushing.state.has_lists(), pushing.alerts().len()), (Some(true), 1));
}

#[tokio::test]
async fn a_token_that_holds_no_longer_is_replaced() {
    let expired = Does::Say(401, r#"{"code":401,"message":"Token is expired"}"#.to_owned());
    let pushing = Pushing::start(vec![
        ("/v1/watchers/login", vec![token()]),
        ("/v1/alerts", vec![created(), expired, created()]),
    ])
    .await;
    for number in 1..=2 {
        pushing.send("192.0.2.7");
        eventually(|| pushing.state.counts().sent == number).await;
    }
    let counts = pushing.state.counts();
    assert_eq!(counts, PushCounts { sent: 2, allowed: 0, lost: 0, failures: 1 });
    assert_eq!(pushing.server.targets("/v1/watchers").len(), 2);
}

#[tokio::test]
async fn what_is_no_login_is_told() {
    for (does, expected) in [
        (Does::Say(401, r#"{"message":"incorrect Username or Password"}"#.to_owned()), "answer 401"),
        (Does::Say(200, "{}".to_owned()), "is not what CrowdSec sends"),
        (Does::Say(200, r#"{"token":"a\nb"}"#.to_owned()), "has no token"),
        (Does::Say(200, "x".repeat(100_000)), "larger than 65536 bytes"),
        (Does::Close, "no answer"),
    ] {
        let pushing = Pushing::start(vec![("/v1/watchers/login", vec![does])]).await;
        pushing.send("192.0.2.7");
        eventually(|| pushing.state.trouble().is_some()).await;
        let trouble = pushing.state.trouble().unwrap();
        assert!(trouble.contains(expected) && !trouble.contains("s3cret"), "{trouble}");
    }
}

#[test]
fn of_alerts_those_about_addresses_are_pushed_unless_a_block_is() {
    let id = RecordId::new(super::at(1), 1, 0);
    let alert = Alert::from_signal(&decide::signal("192.0.2.7", 1), id);
    assert!(Report::of_alert(&alert).is_some());
    assert!(Report::of_alert(&Alert { action: Action::Block, ..alert.clone() }).is_none());
    let about = decide::About::Subject("route /login".to_owned());
    assert!(Report::of_alert(&Alert { about, ..alert }).is_none());
}
