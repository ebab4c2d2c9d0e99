//! Each test that confines itself runs in a process of its own: nothing can be regained.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use nix::libc;
use nix::sys::signal::Signal;

use super::*;

/// Runs one of the ignored tests below in another process.
fn alone(test: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    let name = format!("confine::tests::{test}");
    let words = ["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"];
    Command::new(program).args(words).output().unwrap()
}

fn reach(directory: &Path, ports: &[u16]) -> Reach {
    Reach {
        reads: BTreeSet::from([directory.join("conf/sensor.toml")]),
        keeps: BTreeSet::from([directory.join("state"), directory.join("lines/alerts.jsonl")]),
        removes: BTreeSet::from([directory.join("socket/control.sock")]),
        ports: ports.iter().copied().collect(),
        speaks_to_abstract_sockets: false,
    }
}

fn directories() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["conf", "state", "lines", "socket", "foreign"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("old"), name).unwrap();
    }
    directory
}

fn is_refused<T>(done: std::io::Result<T>) -> bool {
    done.err().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn what_is_not_needed_is_out_of_reach() {
    let output = alone("files_and_ports");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn files_and_ports() {
    let directory = directories();
    let at = |name: &str| directory.path().join(name);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    let version = crate::kernel::landlock_version();
    let confinement = std::thread::scope(|scope| {
        // The harness has threads of its own.
        let inside = scope.spawn(|| {
            let confinement = enter(&reach(directory.path(), &[port.port()]));
            assert!(fs::read(at("conf/old")).is_ok(), "configuration is read");
            assert!(fs::read("/proc/self/status").is_ok(), "what the process is can be read");
            assert!(fs::write(at("state/new"), "").is_ok(), "state is written");
            assert!(fs::rename(at("state/new"), at("state/newer")).is_ok(), "state is replaced");
            assert!(fs::hard_link(at("state/newer"), at("state/second")).is_ok(), "state is kept twice");
            assert!(fs::remove_file(at("socket/old")).is_ok(), "the socket is removed");
            assert!(
                File::options().append(true).create(true).open(at("lines/new")).is_ok(),
                "lines are written"
            );
            assert!(TcpStream::connect(port).is_ok(), "the webhook is reached");
            if version > 0 {
                assert!(is_refused(fs::read(at("foreign/old"))), "a foreign file can be read");
                assert!(is_refused(fs::write(at("foreign/new"), "")), "a foreign file can be made");
                assert!(is_refused(fs::write(at("conf/old"), "")), "configuration can be written");
                assert!(is_refused(fs::remove_file(at("conf/old"))), "configuration can be removed");
                assert!(is_refused(fs::read_dir("/root").map(drop)), "foreign directories can be listed");
            }
            if version >= 4 {
                assert!(is_refused(TcpStream::connect(other.local_addr().unwrap())), "any port is reached");
            }
            confinement
        });
        inside.join().unwrap()
    });
    assert_eq!(confinement.calls.extent, Extent::Full, "{confinement:?}");
    let expected = match version {
        0 => Extent::Off,
        1..=5 => Extent::Partial,
        _ => Extent::Full,
    };
    assert_eq!(confinement.files.extent, expected, "{confinement:?}");
}

#[test]
fn calls_that_only_an_intruder_makes_end_the_process() {
    for test in ["executes", "becomes_another_user", "makes_a_namespace"] {
        let output = alone(test);
        let status = output.status;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "{test}: {status}: {said}");
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn executes() {
    let _confined = enter(&Reach::default());
    let words: [&std::ffi::CStr; 0] = [];
    let _never = nix::unistd::execve(c"/bin/true", &words, &words);
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn becomes_another_user() {
    let _confined = enter(&Reach::default());
    let _never = nix::unistd::setuid(Uid::from_raw(0));
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn makes_a_namespace() {
    let _confined = enter(&Reach::default());
    let _never = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER);
}

#[test]
fn other_calls_fail() {
    let output = alone("refused_calls");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn refused_calls() {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockProtocol, SockType, listen, socket};
    let bound = {
        use nix::sys::socket::{SockaddrIn, bind};
        let stream = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(std::os::fd::AsRawFd::as_raw_fd(&stream), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        stream
    };
    let _confined = enter(&Reach::default());
    let flags = SockFlag::SOCK_CLOEXEC;
    let open = |family, kind, protocol: Option<SockProtocol>| socket(family, kind, flags, protocol).err();
    let refused = Some(nix::errno::Errno::EPERM);
    assert_eq!(open(AddressFamily::Unix, SockType::Datagram, None), None, "the service manager is told");
    let route = Some(SockProtocol::NetlinkRoute);
    assert_eq!(open(AddressFamily::Netlink, SockType::Raw, route), None, "interfaces are asked for");
    for (family, kind, protocol) in [
        (AddressFamily::Inet, SockType::Stream, None),
        (AddressFamily::Inet6, SockType::Datagram, None),
        (AddressFamily::Inet, SockType::Raw, Some(SockProtocol::Icmp)),
        (AddressFamily::Packet, SockType::Raw, None),
        (AddressFamily::Vsock, SockType::Stream, None),
        (AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkNetFilter)),
    ] {
        assert_eq!(open(family, kind, protocol), refused, "{family:?} {kind:?}");
    }
    assert_eq!(listen(&bound, Backlog::new(1).unwrap()).err(), refused, "it can begin to listen");
    assert!(Command::new("/bin/true").spawn().is_err(), "it can fork");
    let kill = nix::sys::signal::kill(nix::unistd::getppid(), None);
    assert_eq!(kill.err(), refused, "it can send signals");
    // Threads still start, including those that the C library creates with `clone3`.
    std::thread::spawn(|| ()).join().unwrap();
    for (command, is_allowed) in [(0, false), (1, true), (5, false), (11, false), (13, false)] {
        let answer = crate::kernel::answer_to_bpf(command);
        assert_eq!(answer != Some(libc::EPERM), is_allowed, "bpf command {command}: {answer:?}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let full = Layer::full("user sensor");
    let confinement = Confinement {
        user: full,
        files: Layer::partial(format!("Landlock 3{}", missing_in_landlock(3))),
        calls: Layer::off("no seccomp"),
    };
    assert_eq!(
        confinement.to_string(),
        "user sensor; PARTLY Landlock 3: neither TCP ports, devices nor signals are restricted; calls NOT CONFINED: \
         no seccomp"
    );
    assert_eq!(missing_in_landlock(6), "");
    assert!(user(Uid::from_raw(0)).detail.contains("--user"));
}
