//! The socket with real connections of real users.

use std::future::Future;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::json;

use super::group::Groups;
use super::server::{Handle, Peer, Server, Timing};
use super::wire::{Answer, Envelope, Request, Role};
use super::{Client, ClientError};
use crate::enforce::Mode;

/// Users and groups that no machine has.
const READERS: u32 = 3_200_100;
const ADMINISTRATORS: u32 = 3_200_200;

/// Says who asked; of `Exchanges`, an answer of so many KiB.
struct Echo;

impl Handle for Echo {
    fn handle(
        self: Arc<Self>,
        envelope: Envelope,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            let may_change = peer.role == Role::Administrator;
            Answer::Done(if let Request::Exchanges { last } = envelope.request {
                json!("x".repeat(last << 10))
            } else {
                json!({"uid": peer.uid, "pid": peer.pid, "may_change": may_change})
            })
        })
    }
}

struct Served {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

fn serve(timing: Timing) -> Served {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = directory.path().join("control.sock");
    let groups = Groups::numbered(READERS, ADMINISTRATORS);
    let server = Server::bind_for(&socket, groups, timing).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.spawn(server.serve(Arc::new(Echo)));
    Served { _directory: directory, socket, runtime }
}

fn ask(socket: &Path, request: Request) -> Result<serde_json::Value, ClientError> {
    Client::new(socket).ask(&Envelope { request, ssh: None })
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn needs_root() -> bool {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: other users can be had by root only");
    }
    geteuid().is_root()
}

/// A program of another user that connects so many times, asks for something or nothing, and reads nothing; it says
/// when it is done, and holds on until it is killed.
fn crowd(socket: &Path, uid: u32, group: u32, connections: usize, line: &str) -> Crowd {
    let script = "import socket, sys\n\
        path, count, line = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()\n\
        kept = []\n\
        for _ in range(count):\n    \
            s = socket.socket(socket.AF_UNIX)\n    \
            try:\n        \
                s.connect(path); s.sendall(line)\n    \
            except OSError:\n        pass\n    \
            kept.append(s)\n\
        print('there', flush=True)\n\
        sys.stdin.read()\n";
    let mut child = Command::new("setpriv")
        .env("PATH", "/usr/bin:/bin")
        .args([format!("--reuid={uid}"), format!("--regid={uid}"), format!("--groups={group}")])
        .args(["python3", "-c", script])
        .arg(socket)
        .args([connections.to_string().as_str(), line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "there\n");
    Crowd(child)
}

struct Crowd(Child);

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A request by another user's process: the line that comes back, also where the daemon hangs up without reading.
fn ask_as(socket: &Path, uid: u32, groups: &str, request: &str) -> io::Result<String> {
    let script = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.connect(sys.argv[1])\n\
        try:\n    s.sendall(sys.argv[2].encode() + b'\\n')\n\
        except BrokenPipeError:\n    pass\n\
        sys.stdout.write(s.makefile().readline())\n";
    let output = Command::new("setpriv")
        .env("PATH", "/usr/bin:/bin")
        .args([format!("--reuid={uid}"), format!("--regid={uid}"), format!("--groups={groups}")])
        .args(["python3", "-c", script])
        .args([socket.as_os_str(), request.as_ref()])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_socket_is_for_its_groups() {
    if !needs_root() {
        return;
    }
    let served = serve(Timing::default());
    let found = std::fs::metadata(&served.socket).unwrap();
    assert_eq!((found.permissions().mode() & 0o7777, found.gid()), (0o660, READERS));
    let (status, change) =
        (r#"{"request":{"command":"status"}}"#, r#"{"request":{"command":"mode","set":"enforce"}}"#);
    let (readers, administrators) = (READERS.to_string(), ADMINISTRATORS.to_string());
    for (groups, request, expected) in [
        (&readers, status, "\"may_change\":false"),
        (&readers, change, "may look and not change"),
        (&administrators, status, "\"may_change\":true"),
        (&administrators, change, "\"uid\":3200001"),
        (&format!("{readers},{administrators}"), change, "\"uid\":3200001"),
        (&"3200999".to_owned(), status, "PermissionError"),
    ] {
        let told = ask_as(&served.socket, 3_200_001, groups, request).unwrap();
        assert!(told.contains(expected), "{groups} {request}: {told}");
    }
    let own = ask(&served.socket, Request::Mode { set: Some(Mode::Enforce) }).unwrap();
    assert_eq!((&own["uid"], &own["pid"]), (&json!(0), &json!(std::process::id())));
    drop(served.runtime);
}

/// The attack of the issue: connections that never read, and never say anything. Each user has a share.
#[test]
fn nobody_locks_root_out() {
    if !needs_root() {
        return;
    }
    let served = serve(Timing { request: Duration::from_secs(600), answer: Duration::from_secs(600) });
    let large = "{\"request\":{\"command\":\"exchanges\",\"last\":400}}\n";
    let held = [
        crowd(&served.socket, 3_200_001, READERS, 40, ""),
        crowd(&served.socket, 3_200_002, READERS, 40, large),
        crowd(&served.socket, 3_200_003, READERS, 40, "half a request"),
        crowd(&served.socket, 3_200_004, ADMINISTRATORS, 40, large),
        crowd(&served.socket, 3_200_005, ADMINISTRATORS, 40, ""),
    ];
    ask(&served.socket, Request::Status).unwrap();
    let told =
        ask_as(&served.socket, 3_200_001, &READERS.to_string(), "{\"request\":{\"command\":\"status\"}}")
            .unwrap();
    assert!(told.contains("refused") && told.contains("connections already"), "{told}");
    drop(held);
}

#[test]
fn who_reads_or_says_nothing_is_hung_up_on() {
    let short = Duration::from_millis(200);
    let served = serve(Timing { request: short, answer: short });
    let patience = Some(Duration::from_secs(30));
    let mut end = Vec::new();
    for said in ["", "{\"request\":"] {
        let mut silent = UnixStream::connect(&served.socket).unwrap();
        silent.set_read_timeout(patience).unwrap();
        silent.write_all(said.as_bytes()).unwrap();
        // Also with an error: what it said was not read.
        let _ended = silent.read_to_end(&mut end);
        assert_eq!(end, [0; 0]);
    }
    // An answer that is larger than what the kernel holds for a socket, and nobody takes it: its connection goes, with
    // what was not sent.
    let mut deaf = UnixStream::connect(&served.socket).unwrap();
    deaf.set_read_timeout(patience).unwrap();
    deaf.write_all(b"{\"request\":{\"command\":\"exchanges\",\"last\":4096}}\n").unwrap();
    let hung_up = || {
        let mut events =
            [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&deaf), nix::poll::PollFlags::POLLHUP)];
        nix::poll::poll(&mut events, 30_000_u16).unwrap();
        events[0].revents().unwrap().contains(nix::poll::PollFlags::POLLHUP)
    };
    assert!(hung_up(), "an answer that nobody takes is held for good");
    let mut taken = Vec::new();
    deaf.read_to_end(&mut taken).unwrap();
    assert!(taken.len() < 4_096 << 10, "{}", taken.len());
}

#[test]
fn long_answers_share_a_room() {
    if !needs_root() {
        return;
    }
    let served = serve(Timing::default());
    let large = "{\"request\":{\"command\":\"exchanges\",\"last\":40000}}";
    let held = crowd(&served.socket, 3_200_001, READERS, 1, &format!("{large}\n"));
    let readers = READERS.to_string();
    // The first one's answer is being made, or waits.
    let told = (0..200).map(|_| ask_as(&served.socket, 3_200_002, &readers, large).unwrap());
    let refused = told.take(20).find(|told| told.contains("too many large answers"));
    assert!(refused.is_some(), "two answers of 40 MB wait at a time");
    assert_eq!(
        ask(&served.socket, Request::Exchanges { last: 40_000 }).unwrap().as_str().unwrap().len(),
        40_000 << 10
    );
    drop(held);
}
