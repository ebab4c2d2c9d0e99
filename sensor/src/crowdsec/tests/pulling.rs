use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use tokio::task::JoinHandle;

use super::prefix;
use super::server::{Does, Server, eventually};
use crate::clock;
use crate::crowdsec::{CrowdsecBounds, CrowdsecConfig, Decision, Kept, Left, PullState, Side, Standing, run};

/// Carries everything out.
#[derive(Clone)]
struct Host {
    standing: Arc<Mutex<Standing>>,
    state: Arc<PullState>,
    done: Arc<Mutex<Vec<(bool, usize, usize)>>>,
    /// The largest number of decisions at once.
    most: Arc<Mutex<usize>>,
}

impl Side for Host {
    fn take(&self, decisions: Vec<Decision>) {
        let mut most = self.most.lock().unwrap();
        *most = decisions.len().max(*most);
        for decision in decisions {
            if let Err(why) = self.standing.lock().unwrap().offer(decision, clock::now()) {
                self.state.leave(why, 1);
            }
        }
    }

    fn let_go(&self, prefixes: &[IpNet]) {
        let mut standing = self.standing.lock().unwrap();
        prefixes.iter().for_each(|prefix| _ = standing.retract(prefix));
    }

    fn keep_only(&self, listed: &HashMap<IpNet, i64>, sure: &HashSet<IpNet>) -> Kept {
        self.standing.lock().unwrap().keep_only(listed, |prefix| sure.contains(prefix))
    }

    fn carry_out(&self, _prefixes: &[IpNet]) {}

    fn origins(&self) -> BTreeMap<String, u64> {
        self.standing.lock().unwrap().origins()
    }

    fn done(&self, all: bool, new: usize, deleted: usize) {
        self.done.lock().unwrap().push((all, new, deleted));
    }
}

/// A host that pulls from a server.
struct Pulling {
    server: Server,
    host: Host,
    task: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Pulling {
    async fn start(script: Vec<Does>, change: impl FnOnce(&mut CrowdsecConfig)) -> Self {
        let server = Server::start(script).await;
        let directory = tempfile::tempdir().unwrap();
        let mut config = CrowdsecConfig::to(format!("http://{}/", server.address).parse().unwrap());
        config.key_file = Some(write_key(&directory, "0123456789abcdef\n", 0o600));
        config.interval = Duration::from_millis(1);
        change(&mut config);
        let host = Host {
            standing: Arc::new(Mutex::new(Standing::new(config.bounds))),
            state: Arc::default(),
            done: Arc::default(),
            most: Arc::default(),
        };
        let task = tokio::spawn(run(config, Arc::clone(&host.state), host.clone()));
        Self { server, host, task, _directory: directory }
    }

    fn stands(&self) -> BTreeSet<IpNet> {
        self.host.standing.lock().unwrap().prefixes().collect()
    }

    fn done(&self) -> Vec<(bool, usize, usize)> {
        self.host.done.lock().unwrap().clone()
    }

    /// Waits for the first failure.
    async fn failure(&self) -> String {
        eventually(|| self.host.state.trouble().is_some()).await;
        self.host.state.trouble().unwrap()
    }
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn write_key(directory: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
    let path = directory.path().join("key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    path
}

fn ban(id: u32, value: &str, duration: &str) -> String {
    format!(
        r#"{{"duration":"{duration}","id":{id},"origin":"cscli","scenario":"manual 'ban'","scope":"Ip","type":"ban","value":"{value}"}}"#
    )
}

fn say(new: &[String], deleted: &[String]) -> Does {
    let list =
        |all: &[String]| if all.is_empty() { "null".to_owned() } else { format!("[{}]", all.join(",")) };
    Does::Say(200, format!(r#"{{"new":{},"deleted":{}}}"#, list(new), list(deleted)))
}

fn nothing() -> Does {
    say(&[], &[])
}

#[tokio::test]
async fn all_then_changes() {
    let pulling = Pulling::start(
        vec![
            say(&[ban(1, "192.0.2.1", "1h"), ban(2, "192.0.2.2", "1h")], &[ban(0, "192.0.2.9", "-5h")]),
            // The deletion of one decision, and another about the same client.
            say(
                &[ban(3, "192.0.2.3", "1h"), ban(4, "192.0.2.1", "2h")],
                &[ban(1, "192.0.2.1", "-1s"), ban(2, "192.0.2.2", "-1s")],
            ),
            nothing(),
        ],
        |_| {},
    )
    .await;
    eventually(|| pulling.done().len() >= 3).await;
    assert_eq!(pulling.done()[..3], [(true, 2, 0), (false, 2, 2), (false, 0, 0)]);
    assert_eq!(pulling.stands(), [prefix("192.0.2.1/32"), prefix("192.0.2.3/32")].into());
    let targets = pulling.server.targets("/v1/decisions");
    assert_eq!(targets[0], "/v1/decisions/stream?startup=true&scopes=ip,range,country,as");
    assert_eq!(targets[1], "/v1/decisions/stream?startup=false&scopes=ip,range,country,as");
    let request = pulling.server.asked()[0].to_lowercase();
    assert!(
        request.contains("x-api-key: 0123456789abcdef\r\n") && request.contains("user-agent: sensor/"),
        "{request}"
    );
    assert!(pulling.host.state.is_connected());
    assert_eq!(pulling.host.state.counts().failures, 0);
}

/// A change that was on its way is said by nobody again.
#[tokio::test]
async fn after_a_failure_everything_is_pulled_again() {
    let fails = [
        Does::Say(500, "{\"message\":\"database is locked\"}".to_owned()),
        Does::Close,
        Does::Break("{\"new\":[]"),
        Does::Say(200, "<html>".to_owned()),
        Does::Hang,
    ];
    let mut all = Vec::new();
    for fails in fails {
        let script = vec![
            say(&[ban(1, "192.0.2.1", "1h"), ban(2, "192.0.2.2", "1h")], &[]),
            nothing(),
            fails.clone(),
            say(&[ban(2, "192.0.2.2", "1h"), ban(5, "192.0.2.5", "1h")], &[ban(1, "192.0.2.1", "-1s")]),
            nothing(),
        ];
        all.push((Pulling::start(script, |config| config.timeout = Duration::from_secs(5)).await, fails));
    }
    for (pulling, fails) in &all {
        eventually(|| pulling.done().len() >= 4).await;
        assert_eq!(
            pulling.done()[..4],
            [(true, 2, 0), (false, 0, 0), (true, 2, 1), (false, 0, 0)],
            "{fails:?}"
        );
        assert_eq!(pulling.stands(), [prefix("192.0.2.2/32"), prefix("192.0.2.5/32")].into(), "{fails:?}");
        assert!(pulling.server.targets("/v1/decisions")[3].contains("startup=true"), "{fails:?}");
        assert_eq!(pulling.host.state.counts().failures, 1, "{fails:?}");
        assert!(pulling.host.state.is_connected() && pulling.host.state.trouble().is_none(), "{fails:?}");
    }
}

/// A server whose database fails ends a list early, and calls it whole.
#[tokio::test]
async fn one_list_that_lacks_somebody_lets_nobody_go() {
    let both = || say(&[ban(1, "192.0.2.1", "1h"), ban(2, "192.0.2.2", "1h")], &[]);
    let script = vec![both(), nothing(), Does::Close, nothing(), both(), nothing()];
    let pulling = Pulling::start(script, |_| {}).await;
    eventually(|| pulling.done().len() >= 5).await;
    let expected = [(true, 2, 0), (false, 0, 0), (true, 0, 0), (true, 2, 0), (false, 0, 0)];
    assert_eq!(pulling.done()[..5], expected);
    assert_eq!(pulling.stands(), [prefix("192.0.2.1/32"), prefix("192.0.2.2/32")].into());
    // Two in a row are believed.
    let one = || say(&[ban(2, "192.0.2.2", "1h")], &[]);
    let script = vec![both(), nothing(), Does::Close, one(), one(), nothing()];
    let pulling = Pulling::start(script, |_| {}).await;
    eventually(|| pulling.done().len() >= 5).await;
    let expected = [(true, 2, 0), (false, 0, 0), (true, 1, 0), (true, 1, 1), (false, 0, 0)];
    assert_eq!(pulling.done()[..5], expected);
    assert_eq!(pulling.stands(), [prefix("192.0.2.2/32")].into());
}

/// What is listed has the places of what is listed no longer, and a shorter decision follows a longer one that was deleted.
#[tokio::test]
async fn a_whole_list_takes_the_place_of_another() {
    let first = say(&[ban(1, "192.0.2.1", "100h"), ban(2, "192.0.2.2", "1h")], &[]);
    let second = say(
        &[ban(7, "192.0.2.1", "1h"), ban(8, "192.0.2.8", "1h")],
        &[ban(1, "192.0.2.1", "-1s"), ban(2, "192.0.2.2", "-1s")],
    );
    let pulling = Pulling::start(vec![first, Does::Close, second, nothing()], |config| {
        config.bounds = CrowdsecBounds { max_decisions: 2, ..CrowdsecBounds::default() };
    })
    .await;
    eventually(|| pulling.done().len() >= 3).await;
    assert_eq!(pulling.done()[..3], [(true, 2, 0), (true, 2, 1), (false, 0, 0)]);
    assert_eq!(pulling.stands(), [prefix("192.0.2.1/32"), prefix("192.0.2.8/32")].into());
    let standing = pulling.host.standing.lock().unwrap();
    let known = standing.get(&prefix("192.0.2.1/32")).unwrap();
    assert!(known.id == 7 && known.until < clock::now().plus(Duration::from_secs(7_200)));
    assert!(pulling.host.state.counts().left.is_empty(), "there was room");
}

#[tokio::test]
async fn while_crowdsec_is_away_what_stands_holds() {
    let script = vec![say(&[ban(1, "192.0.2.1", "1h")], &[]), Does::Close];
    let pulling = Pulling::start(script, |_| {}).await;
    eventually(|| pulling.host.state.counts().failures >= 2).await;
    assert!(!pulling.host.state.is_connected() && pulling.host.state.trouble().is_some());
    assert_eq!(pulling.stands(), [prefix("192.0.2.1/32")].into());
}

#[tokio::test]
async fn everything_is_pulled_now_and_then() {
    let pulling = Pulling::start(vec![say(&[ban(1, "192.0.2.1", "1h")], &[])], |config| {
        config.full_interval = Duration::from_millis(20);
    })
    .await;
    eventually(|| pulling.done().iter().filter(|(all, ..)| *all).count() >= 3).await;
    assert!(pulling.done().iter().any(|(all, ..)| !all));
}

/// 30,000 decisions, the size of a page of CrowdSec's.
#[tokio::test]
async fn many_decisions_come_in_chunks() {
    let many: Vec<String> =
        (0..30_000).map(|n| ban(n, &format!("10.{}.{}.1", n / 256, n % 256), "1h")).collect();
    let pulling = Pulling::start(vec![say(&many, &[]), nothing()], |config| {
        config.bounds = CrowdsecBounds { max_decisions: 29_000, ..CrowdsecBounds::default() };
    })
    .await;
    eventually(|| !pulling.done().is_empty()).await;
    assert_eq!(pulling.stands().len(), 29_000);
    assert_eq!(pulling.host.state.counts().left, [(Left::Full, 1_000)].into());
    assert_eq!(*pulling.host.most.lock().unwrap(), 1_024);
}

#[tokio::test]
async fn hostile_answers_are_told_and_change_nothing() {
    for (does, expected) in [
        (
            Does::Say(403, "{\"message\":\"access forbidden\"}".to_owned()),
            "answer 403 Forbidden: {\"message\":\"access",
        ),
        (Does::Say(302, String::new()), "answer 302"),
        (Does::Say(404, "\u{1b}[2J".repeat(9_999)), "answer 404 Not Found: "),
        (Does::Say(200, "[]".to_owned()), "is not what CrowdSec sends"),
        (Does::Say(200, "{\"new\":7}".to_owned()), "is not what CrowdSec sends"),
        (Does::Say(200, format!("\"{}\"", "A".repeat(99_999))), "is not what CrowdSec sends"),
        (
            Does::Say(200, format!("{{\"new\":\"{}\"}}", "\\u001b".repeat(99_999))),
            "is not what CrowdSec sends",
        ),
        (Does::Break("{\"new\":["), "ended early"),
        (Does::Endless("{\"new\":["), "larger than 67108864 bytes"),
        (Does::Close, "no answer"),
    ] {
        let pulling = Pulling::start(vec![does], |_| {}).await;
        let trouble = pulling.failure().await;
        assert!(trouble.contains(expected), "{trouble}");
        assert!(!trouble.contains('\u{1b}') && trouble.len() < 2_000, "{trouble}");
        assert!(pulling.stands().is_empty() && !pulling.host.state.is_connected());
    }
    let pulling = Pulling::start(vec![Does::Hang], |config| config.timeout = Duration::from_millis(50)).await;
    assert_eq!(pulling.failure().await, "no answer in time");
}

/// What this host pushed is known by its login, also if that could not be read at first.
#[tokio::test]
async fn a_login_that_is_mended_is_read_with_the_next_list() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("login");
    std::fs::write(&path, "login: web1\npassword: s3cret\n").unwrap();
    let mode = |mode| {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(0o644);
    let own = ban(1, "192.0.2.1", "1h").replace("manual 'ban'", "sensor@web1/scanner");
    let pulling = Pulling::start(vec![say(&[own], &[])], |config| {
        config.login_file = Some(path.clone());
        config.full_interval = Duration::from_millis(1);
    })
    .await;
    eventually(|| !pulling.done().is_empty()).await;
    assert!(!pulling.host.state.counts().left.contains_key(&Left::Own));
    mode(0o600);
    eventually(|| pulling.host.state.counts().left.contains_key(&Left::Own)).await;
}

#[tokio::test]
async fn a_key_that_others_may_read_is_not_used() {
    for (text, mode, expected) in [
        ("abc\n", 0o644, "its mode is 0644"),
        ("", 0o600, "expected an API key"),
        ("a\u{1}b", 0o600, "expected an API key"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = write_key(&directory, text, mode);
        let pulling = Pulling::start(vec![nothing()], |config| config.key_file = Some(path)).await;
        let trouble = pulling.failure().await;
        assert!(trouble.contains(expected), "{trouble}");
        assert!(pulling.server.asked().is_empty());
    }
    let pulling =
        Pulling::start(vec![nothing()], |config| config.key_file = Some("/no/such/key".into())).await;
    assert_eq!(pulling.failure().await, "/no/such/key: no such file");
}
