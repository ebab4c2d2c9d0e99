//! What inspection costs per request.

use std::time::Duration;

use crate::inspect::injection::Injection;
use crate::request::Request;
use crate::values::{Buffers, Value};

#[path = "../../src/clock.rs"]
mod clock;

/// Requests that are measured of each kind.
const ROUNDS: u32 = 500_000;

/// Prints the time for each kind of request, warm: as of a client that was seen before.
pub(crate) fn print() {
    let mut injection = Injection::new();
    let mut buffers = Buffers::default();
    for (name, request) in requests() {
        let mut told = 0_u32;
        let mut times = [Duration::ZERO; 5];
        times.fill_with(|| measure(&request, &mut injection, &mut buffers, &mut told));
        times.sort();
        let nanoseconds = times.get(2).map_or(0, Duration::as_nanos) / u128::from(ROUNDS);
        println!("{name:<40}{nanoseconds:>8} ns, {told} told");
    }
}

/// The time that many looks at a request take.
fn measure(request: &Request, injection: &mut Injection, buffers: &mut Buffers, told: &mut u32) -> Duration {
    let watch = clock::Stopwatch::start();
    for _ in 0..ROUNDS {
        injection.begin();
        request.values(buffers, &mut |value: &Value<'_>| injection.value(value, &mut |_| *told += 1));
    }
    watch.elapsed()
}

fn requests() -> Vec<(&'static str, Request)> {
    let mut bare = Request::of_target("/things/17");
    bare.header("Host", "api.example.com");
    let mut ordinary = bare.clone();
    ordinary.header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36");
    ordinary.header("Accept", "application/json, text/plain, */*");
    ordinary.header("Accept-Language", "en-US,en;q=0.9");
    let mut ten = ordinary.clone();
    ten.query = b"page=2&size=50&sort=name&q=garden+chair+(wood)&from=2026-01-02&tag=a%26b".to_vec();
    ten.header("Cookie", "session=0a1b2c3d4e5f60718293; theme=dark; seen=1; lang=en");
    let mut attack = bare.clone();
    attack.query = b"id=1%27%20union%20select%20name%20from%20users--".to_vec();
    vec![
        ("a path and Host", bare),
        ("a GET without values, four headers", ordinary),
        ("ten values", ten),
        ("an attack", attack),
    ]
}
