//! What a replay has read, and its results.

use serde::Serialize;

use crate::capture::file::FileCounters;
use crate::capture::log::LogCounters;
use crate::cli::say::{SayError, complain, complain_json, say, say_json};
use crate::clock::Timestamp;
use crate::pipeline::{Observer, Pipeline};
use crate::tls::Outcome;

/// What was read, and the results.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    files: u64,
    packets: u64,
    segments: u64,
    lines: u64,
    lines_unreadable: u64,
    passed_over: u64,
    seen_twice: u64,
    connections: u64,
    exchanges: u64,
    failures: u64,
    without_response: u64,
    without_request: u64,
    stream_gaps: u64,
    segments_refused: u64,
    unproven: u64,
    tls_decrypted: u64,
    tls_partly: u64,
    tls_dark: u64,
    tls_incomplete: u64,
    lost_bytes: u64,
    not_http: u64,
    http2_hidden_fields: u64,
    websockets: u64,
    websocket_messages: u64,
    websocket_bytes: u64,
    anomalies: u64,
    pub(super) alerts: u64,
    routes: usize,
    #[serde(skip)]
    pub(super) last: Timestamp,
}

impl Summary {
    pub(super) fn add(&mut self, counters: &FileCounters) {
        self.files = self.files.saturating_add(1);
        self.packets = self.packets.saturating_add(counters.packets);
        self.segments = self.segments.saturating_add(counters.segments);
        self.passed_over = self.packets.saturating_sub(self.segments);
    }

    pub(super) fn add_log(&mut self, counters: &LogCounters) {
        self.files = self.files.saturating_add(1);
        self.lines = self.lines.saturating_add(counters.lines);
        self.lines_unreadable = self.lines_unreadable.saturating_add(counters.unreadable);
    }

    pub(super) fn conclude<O: Observer>(&mut self, pipeline: &Pipeline<O>) {
        let (streams, http, totals) = (pipeline.streams(), pipeline.http(), pipeline.totals());
        self.connections = streams.opened;
        self.seen_twice = streams.twins;
        self.exchanges = totals.exchanges;
        self.failures = totals.failures;
        self.without_response = http.unpaired_requests;
        self.without_request = http.unpaired_responses;
        self.stream_gaps = streams.gaps;
        self.segments_refused = streams.all_refusals();
        self.unproven = totals.unproven;
        self.lost_bytes = streams.lost_bytes;
        for (outcome, count) in pipeline.tls().outcomes() {
            let place = match outcome {
                Outcome::Decrypted => &mut self.tls_decrypted,
                Outcome::Partly => &mut self.tls_partly,
                Outcome::DarkBefore | Outcome::DarkLibrary | Outcome::DarkSecret => &mut self.tls_dark,
                Outcome::Incomplete => &mut self.tls_incomplete,
                // Of this, a capture's reader sees nothing.
                Outcome::Quic => continue,
            };
            *place = place.saturating_add(count);
        }
        self.not_http = http.not_http;
        self.http2_hidden_fields = http.hidden_fields;
        self.websockets = http.websockets;
        self.websocket_messages = http.websocket_messages;
        self.websocket_bytes = http.websocket_bytes;
        self.anomalies = http.anomalies().fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
        self.routes = pipeline.routes().len();
    }

    /// To the stream without exchanges.
    pub(super) fn print(&self, exchanges: bool, json: bool) -> Result<(), SayError> {
        match (exchanges, json) {
            (true, true) => complain_json(self),
            (true, false) => complain(self.text()),
            (false, true) => return say_json(self),
            (false, false) => return say(self.text()),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let read = match self.lines {
            0 => format!(
                "{} connections; {} packets, {} TCP segments",
                self.connections, self.packets, self.segments
            ),
            lines => format!("{lines} lines"),
        };
        let (exchanges, failures, routes) = (self.exchanges, self.failures, self.routes);
        let mut text = format!("{exchanges} exchanges ({failures} failed) in {read}, {routes} routes");
        for (count, what) in [
            (self.without_response, "requests without a response"),
            (self.without_request, "responses without a request"),
            (self.stream_gaps, "stream gaps"),
            (self.segments_refused, "segments that the server would drop"),
            (self.unproven, "exchanges with unproven client addresses"),
            (self.lost_bytes, "bytes lost"),
            (self.lines_unreadable, "lines unreadable"),
            (self.tls_decrypted, "TLS connections decrypted"),
            (self.tls_partly, "TLS connections decrypted in part"),
            (self.tls_dark, "TLS connections without a secret"),
            (self.tls_incomplete, "incomplete TLS handshakes"),
            (self.not_http, "connections without HTTP"),
            (
                self.http2_hidden_fields,
                "HTTP/2 header fields unreadable (compression table not seen from its start)",
            ),
            (self.websockets, "WebSockets"),
            (self.websocket_messages, "WebSocket messages"),
            (self.websocket_bytes, "bytes in WebSocket messages"),
            (self.anomalies, "anomalies"),
            (self.alerts, "alerts"),
            (self.passed_over, "packets without a TCP segment"),
            (self.seen_twice, "connections also seen on another interface, counted once"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }
}
