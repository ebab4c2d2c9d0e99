//! Clients: many addresses, short-lived connections, and connections that are never finished.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;
use sensor_tests::netns::{Net, SERVER_V4, join};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::wait;

/// Addresses that the clients use in turn. As many as a daemon meets within a minute, so that its state per client has
/// its full size before growth is measured.
const ADDRESSES: u32 = 4_096;
/// Threads with one connection each.
const THREADS: u32 = 4;
/// Requests sent together.
const TOGETHER: usize = 10;
/// Of these, how many on a connection.
const TURNS: u32 = 10;
/// Connections a second that are given up in the middle of a request.
const ABORTED: u32 = 50;
/// What one of them sends before that, by turns: nothing, part of a head, part of a body.
const BEGINNINGS: [&str; 3] =
    ["", "GET /files/1k.txt HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nhalf"];

/// The `number`th client.
pub(crate) fn client(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 32, 0, 1)) + number % ADDRESSES))
}

/// An address of the same network that no client of the load has: to be blocked.
pub(crate) fn blocked(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 32, 255, number))
}

/// The server.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, Nginx::PORT);

/// The running load; dropping it ends it.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts it, at so many exchanges a second.
    pub(crate) fn start(net: &Net, rate: u32) -> Self {
        let (stop, next) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (answered, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let every = Duration::from_secs(1) * u32::try_from(TOGETHER).unwrap_or(1) * THREADS / rate.max(1);
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let asker = Asker {
                stop: Arc::clone(&stop),
                next: Arc::clone(&next),
                answered: Arc::clone(&answered),
                failed: Arc::clone(&failed),
                every,
            };
            threads.push(net.world.spawn(move || asker.run()));
        }
        let until = Arc::clone(&stop);
        threads.push(net.world.spawn(move || abort(&until)));
        Self { stop, answered, failed, threads }
    }

    /// Requests answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Connections that failed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(join);
    }
}

struct Asker {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU32>,
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    every: Duration,
}

impl Asker {
    fn run(&self) {
        let mut at = wait::now();
        while !self.stop.load(Ordering::Relaxed) {
            if self.converse(&mut at).is_err() {
                self.failed.fetch_add(1, Ordering::Relaxed);
                // The interface may be away: what was missed then is not made up for.
                at = wait::now() + Duration::from_millis(100);
            }
        }
    }

    /// One connection, from the next address.
    fn converse(&self, at: &mut std::time::Instant) -> io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let client = Client { timeout: Duration::from_secs(1), ..Client::new(client(number), SERVER) };
        let mut connection = KeepAlive::connect(&client)?;
        for turn in 0..TURNS {
            wait::pace_until(*at);
            // Who is late asks at once, until the pace is kept again, but makes up for no more than a second.
            *at = (*at + self.every).max(wait::now() - Duration::from_secs(1));
            let path = if turn % 2 == 0 { "/" } else { "/files/1k.txt" };
            connection.ask_all(&[("GET", path); TOGETHER], "User-Agent: soak\r\n")?;
            self.answered.fetch_add(TOGETHER as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Connections that are left open for a second, and then reset.
fn abort(stop: &AtomicBool) {
    let mut open: std::collections::VecDeque<TcpStream> = std::collections::VecDeque::new();
    let mut at = wait::now();
    for (number, beginning) in (0..).zip(BEGINNINGS.iter().cycle()) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        at += Duration::from_secs(1) / ABORTED;
        wait::pace_until(at);
        open.extend(begin(number, beginning));
        while open.len() > ABORTED as usize {
            open.pop_front();
        }
    }
}

/// A connection whose end will be a reset (`SO_LINGER` of nothing, socket(7)).
fn begin(number: u32, beginning: &str) -> io::Result<TcpStream> {
    let client = Client { timeout: Duration::from_secs(1), ..Client::new(client(number), SERVER) };
    let mut stream = client.connect()?;
    setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    stream.write_all(beginning.as_bytes())?;
    Ok(stream)
}
