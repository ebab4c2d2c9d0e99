//! From segments in memory to exchanges, on one core: what h2load and nginx say to each other with a hundred streams a
//! connection, captured, then read again and again.
//!
//! Time is this thread's processor time: on a machine that does other things as well, that says what the work costs.

use std::fs;

use anyhow::{Result, ensure};
use sensor::capture::file::CaptureFile;
use sensor::capture::keylog::KeyLog;
use sensor::capture::{Segment, TcpHeader};
use sensor::clock::Timestamp;
use sensor::identity::Key;
use sensor::pipeline::{Config, Pipeline};
use sensor::tls;
use sensor_tests::captures::Capture;
use sensor_tests::netns::Net;
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::peers::shell::browse;

use crate::clock::CpuTime;
use crate::command;
use crate::contest::Effort;
use crate::http::Count;
use crate::report::{PER_SECOND, Report, Target};

/// Exchanges of a recording.
const EXCHANGES: u32 = 40_000;
/// What is asked for, and the exchanges a second that are wanted.
const WAYS: [(&str, &str, f64); 2] = [
    ("in clear text", "http://$1:8080/100.txt", 700_000.0),
    ("in TLS", "https://$1:8443/100.txt", 300_000.0),
];

/// What was captured, in memory for as long as this process lives.
struct Recording {
    segments: Vec<Segment<'static>>,
    keys: Vec<u8>,
}

/// The best of some rounds, of each way.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    for program in ["nginx", "h2load", "tcpdump", "openssl"] {
        if !command::exists(program) {
            report.note(format!("{program} IS NOT INSTALLED: the pipeline was not measured"));
            return Ok(());
        }
    }
    for (way, url, target) in WAYS {
        let recording = record(url)?;
        let mut best = f64::MAX;
        for _ in 0..if effort.quick { 2 } else { 15 } {
            best = best.min(recording.read()?);
        }
        let what = format!("HTTP/2 {way}, 100 streams a connection, segments to exchanges, one core");
        let rate = f64::from(EXCHANGES) / best;
        report.compare(&what, (rate, PER_SECOND), ("target", target), Some(Target::AtLeast(1.0)));
    }
    Ok(())
}

fn record(url: &str) -> Result<Recording> {
    let net = Net::new()?;
    let nginx = Http2Nginx::start(&net.server)?;
    let capture = Capture::start(&net.server, nginx.file("h2.pcap"), 262_144, "tcp")?;
    let script = format!("SSLKEYLOGFILE=$PWD/keys.log h2load -n {EXCHANGES} -c 4 -m 100 {url} > /dev/null");
    browse(&net, &nginx.file(""), &script)?;
    let path = capture.end()?;
    let keys = fs::read(nginx.file("keys.log")).unwrap_or_default();
    let mut file = CaptureFile::open(&path)?;
    let mut segments = Vec::new();
    while let Some(segment) = file.next_segment()? {
        let payload: &'static [u8] = segment.payload.to_vec().leak();
        let options: &'static [u8] = segment.header.options.to_vec().leak();
        let TcpHeader { data_offset, window, checksum, .. } = segment.header;
        let header = TcpHeader { data_offset, window, checksum, options };
        segments.push(Segment { payload, header, ..segment });
    }
    Ok(Recording { segments, keys })
}

impl Recording {
    /// Processor time of one pass, in seconds.
    fn read(&self) -> Result<f64> {
        let mut config = Config::default();
        config.tls = tls::Config { has_source: true, keeps_secrets: true, ..config.tls };
        let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), Count::default())?;
        let mut log = KeyLog::default();
        let mut learn = |secret| {
            let _nobody_waits = pipeline.secret(secret, Timestamp::default());
        };
        log.read(&self.keys, &mut learn);
        log.finish(learn);
        let time = CpuTime::start()?;
        for segment in &self.segments {
            let _instruction = pipeline.segment(segment);
        }
        let seconds = time.elapsed()?.as_secs_f64();
        let seen = pipeline.observer().0;
        ensure!(seen == u64::from(EXCHANGES), "{seen} of {EXCHANGES} exchanges were read");
        Ok(seconds)
    }
}
