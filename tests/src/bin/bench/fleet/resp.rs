//! As much of the Redis protocol (RESP2) as a load needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};
use sensor_tests::peers::redis::Redis;

/// Longest reply, of one value: no real one comes near.
const MOST: usize = 16 << 20;

/// A connection of the server's default user. It belongs to the namespace of the thread that opened it.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    /// Commands that were not sent yet, and how many.
    batch: Vec<u8>,
    commands: usize,
}

/// What the server says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Info {
    /// CPU time since its start, in seconds.
    pub(super) cpu: f64,
    /// Commands since its start.
    pub(super) commands: f64,
    /// Bytes sent and received since its start.
    pub(super) bytes: f64,
    /// Resident memory, in bytes.
    pub(super) memory: f64,
}

impl Connection {
    pub(super) fn open() -> Result<Self> {
        let stream = TcpStream::connect(SocketAddr::new(Redis::ADDRESS, Redis::PORT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), batch: Vec::new(), commands: 0 })
    }

    /// Adds a command to those that are sent together.
    pub(super) fn command(&mut self, parts: &[&[u8]]) {
        self.batch.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
        for part in parts {
            self.batch.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            self.batch.extend_from_slice(part);
            self.batch.extend_from_slice(b"\r\n");
        }
        self.commands += 1;
    }

    /// Sends them.
    pub(super) fn send(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.batch)?;
        self.batch.clear();
        Ok(())
    }

    /// Reads the answers; returns the last one's text, if it is one.
    pub(super) fn answers(&mut self) -> Result<Vec<u8>> {
        let mut last = Vec::new();
        for _ in 0..std::mem::take(&mut self.commands) {
            last = self.answer()?;
        }
        Ok(last)
    }

    fn answer(&mut self) -> Result<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let (kind, rest) = line.trim_end().split_at_checked(1).context("the server hung up")?;
        match kind {
            "+" | ":" => Ok(rest.as_bytes().to_vec()),
            "-" => bail!("the server refuses: {rest}"),
            "$" if rest == "-1" => Ok(Vec::new()),
            "$" => {
                let length: usize = rest.parse()?;
                ensure!(length <= MOST, "{length} bytes");
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(bytes)
            }
            "*" => {
                for _ in 0..rest.parse::<i64>()? {
                    self.answer()?;
                }
                Ok(Vec::new())
            }
            other => bail!("an answer of kind {other:?}"),
        }
    }

    /// Asks the server about itself.
    pub(super) fn info(&mut self) -> Result<Info> {
        self.command(&[b"INFO"]);
        self.send()?;
        let text = String::from_utf8(self.answers()?)?;
        let of = |name: &str| -> Result<f64> {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(value.with_context(|| format!("the server does not say {name}"))?.trim().parse()?)
        };
        Ok(Info {
            cpu: of("used_cpu_user")? + of("used_cpu_sys")?,
            commands: of("total_commands_processed")?,
            bytes: of("total_net_output_bytes")? + of("total_net_input_bytes")?,
            memory: of("used_memory_rss")?,
        })
    }
}
