//! Each abuse of HTTP/2 against a real nginx: told, and cut off in the kernel; and the nearest that legitimate clients do.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::peers::http2_raw::{Abuser, DATA, Decent, END_STREAM, Kind, PING};
use sensor_tests::tools;
use sensor_tests::wait;
use sensor_tests::watched::Watched;

const ENFORCING: &str = "mode = \"enforce\"\n";

fn start() -> Result<(Http2Nginx, Watched)> {
    let net = Net::new()?;
    let nginx = Http2Nginx::start(&net.server)?;
    let config = format!("{ENFORCING}{SMALL_TABLES}{NO_LIMITS}");
    let watched = Watched::start(net, &config, &[Http2Nginx::PORT])?;
    Ok((nginx, watched))
}

const fn client(host: u8) -> Client {
    Client::new(v4(host), SocketAddr::new(SERVER_V4, Http2Nginx::PORT))
}

fn blocks(daemon: &Daemon) -> Result<String> {
    Ok(daemon.json(&["block", "list"])?.to_string())
}

/// Each has the alert of its own, and the clients that ask meanwhile are answered.
fn is_told_and_cut_off(kind: Kind, word: &str) -> Result<()> {
    if tools::skipped(&format!("{kind:?}"), &["nginx", "openssl"]) {
        return Ok(());
    }
    let (_nginx, watched) = start()?;
    let abuser = Abuser::new(client(FLOODER), kind);
    let decent = watched.net.world.enter(|| Decent::connect(&client(LEGITIMATE)))?;
    let cut_off = watched.net.world.enter(|| abuser.until_cut_off());
    let alerts = watched.daemon.ok(&["alerts"])?;
    let connections =
        cut_off.with_context(|| format!("{alerts}\n{}", watched.losses().unwrap_or_default()))?;
    ensure!(alerts.contains("http2-abuse") && alerts.contains(word), "no alert of {word}: {alerts}");
    let listed = blocks(&watched.daemon)?;
    ensure!(listed.contains(&v4(FLOODER).to_string()), "{listed}");
    ensure!(!listed.contains(&v4(LEGITIMATE).to_string()), "{listed}");
    let mut decent = decent;
    decent.ask("/1k.txt", 3, 0)?;
    decent.read_all()?;
    ensure!(decent.answered == 3, "{} answers", decent.answered);
    ensure!(connections > 0, "cut off before it did anything");
    Ok(())
}

macro_rules! abuses {
    ($($name:ident: $kind:ident, $word:literal;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            is_told_and_cut_off(Kind::$kind, $word)
        })*

        #[test]
        fn every_kind_is_tested() {
            let tested = [$(Kind::$kind),*];
            assert!(Kind::ALL.iter().all(|kind| tested.contains(kind)), "{tested:?}");
        }
    };
}

abuses! {
    rapid_reset_is_cut_off: RapidReset, "stream resets";
    continuation_floods_are_cut_off: Continuation, "CONTINUATION frames";
    hpack_bombs_are_cut_off: HpackBomb, "HPACK bombs";
    settings_floods_are_cut_off: Settings, "SETTINGS frames";
    ping_floods_are_cut_off: Ping, "PING frames";
    floods_of_empty_frames_are_cut_off: EmptyData, "empty frames";
    priority_floods_are_cut_off: Priority, "PRIORITY frames";
    floods_of_window_updates_are_cut_off: WindowUpdate, "WINDOW_UPDATE frames";
    abuse_of_stream_identifiers_is_cut_off: StreamIds, "frames that violate the protocol";
    smuggled_requests_are_cut_off: Smuggling, "requests that smuggle others";
}

/// Pages of twelve files, of which a third are cancelled at once, as when somebody clicks on.
fn browser_that_cancels(client: &Client) -> Result<()> {
    let mut browser = Decent::connect(client)?;
    for _ in 0..25 {
        browser.ask("/10k.txt", 12, 4)?;
        browser.read_all()?;
    }
    ensure!(browser.answered == 200, "{} answers", browser.answered);
    Ok(())
}

/// As many streams at once as nginx allows.
fn crawler(client: &Client) -> Result<()> {
    let mut crawler = Decent::connect(client)?;
    for _ in 0..20 {
        crawler.ask("/1k.txt", 100, 0)?;
        crawler.read_all()?;
    }
    ensure!(crawler.answered == 2_000, "{} answers", crawler.answered);
    Ok(())
}

/// Between two messages of a stream.
const PACE: Duration = Duration::from_millis(5);

/// A call whose client streams many small messages for long, with the pings of a client that keeps it alive, in quick
/// motion: in half an hour at the shortest interval that servers allow by default, five minutes, are six; this sends 60.
fn stream_of_grpc(client: &Client) -> Result<()> {
    let mut caller = Decent::connect(client)?;
    let call = caller.begin_stream("/upload")?;
    let begun = wait::now();
    for number in 0..600_u32 {
        caller.send(DATA, 0, call, b"\0\0\0\0\x05hello")?;
        if number % 10 == 0 {
            caller.send(PING, 0, 0, b"keep on!")?;
        }
        wait::pace_until(begun.checked_add(PACE.saturating_mul(number)).context("a time")?);
    }
    caller.send(DATA, END_STREAM, call, b"")?;
    caller.read_all()?;
    ensure!(caller.answered == 1, "no answer");
    Ok(())
}

#[test]
fn what_legitimate_clients_do_is_left_alone() -> Result<()> {
    if tools::skipped("what_legitimate_clients_do_is_left_alone", &["nginx", "openssl"]) {
        return Ok(());
    }
    let (_nginx, watched) = start()?;
    let client = client(LEGITIMATE);
    let browse = || -> Result<()> {
        browser_that_cancels(&client).context("a browser that cancels")?;
        crawler(&client).context("a crawler")?;
        stream_of_grpc(&client).context("a stream of gRPC")
    };
    let told = || watched.daemon.ok(&["alerts"]).unwrap_or_default();
    watched.net.world.enter(browse).with_context(told)?;
    let alerts = watched.daemon.ok(&["alerts"])?;
    ensure!(!alerts.contains("http2-abuse"), "{alerts}");
    let listed = blocks(&watched.daemon)?;
    ensure!(!listed.contains(&v4(LEGITIMATE).to_string()), "{listed}: {alerts}");
    Ok(())
}
