//! Frames of HTTP/2 made by hand: clients that abuse the protocol, and clients that come close without doing harm.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::http::Client;
use crate::wait;

/// What a client starts with (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (section 6).
pub const DATA: u8 = 0;
/// See [`DATA`].
pub const HEADERS: u8 = 1;
/// See [`DATA`].
pub const PRIORITY: u8 = 2;
/// See [`DATA`].
pub const RST_STREAM: u8 = 3;
/// See [`DATA`].
pub const SETTINGS: u8 = 4;
/// See [`DATA`].
pub const PING: u8 = 6;
/// See [`DATA`].
pub const WINDOW_UPDATE: u8 = 8;
/// See [`DATA`].
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const END_STREAM: u8 = 1;
/// See [`END_STREAM`].
pub const ACK: u8 = 1;
/// See [`END_STREAM`].
pub const END_HEADERS: u8 = 4;

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    [&[a, b, c, kind, flags, s, t, u, v], payload].concat()
}

/// SETTINGS.
#[must_use]
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(key, value)| [&key.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A header block of literals, each inserted into the dynamic table (RFC 7541, section 6.2.1), without Huffman coding.
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0x40);
        string(name.as_bytes(), &mut out);
        string(value.as_bytes(), &mut out);
    }
    out
}

/// RFC 7541, sections 5.1 and 5.2.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let Some(mut rest) = text.len().checked_sub(127) else {
        out.push(text.len() as u8);
        out.extend_from_slice(text);
        return;
    };
    out.push(127);
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
    out.extend_from_slice(text);
}

/// A GET, with pseudo-header fields of the static table where it has them, so that nothing depends on the dynamic one.
#[must_use]
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    request(stream, 0x82, path, END_STREAM | END_HEADERS, &[])
}

fn request(stream: u32, method: u8, path: &str, flags: u8, more: &[u8]) -> Vec<u8> {
    // `:method`, `:scheme: http`, `:path` and `:authority` as literals that are not indexed.
    let mut block = vec![method, 0x86, 0x04];
    string(path.as_bytes(), &mut block);
    block.push(0x01);
    string(b"test.example", &mut block);
    block.extend_from_slice(more);
    frame(HEADERS, flags, stream, &block)
}

const POST: u8 = 0x83;

/// What is done to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Streams are opened and reset at once (CVE-2023-44487).
    RapidReset,
    /// A header block goes on and on (CVE-2024-27316).
    Continuation,
    /// Small header blocks refer to a large entry of the table hundreds of times (CVE-2016-6581).
    HpackBomb,
    /// SETTINGS that are all to be acknowledged (CVE-2019-9515).
    Settings,
    /// PING that are all to be answered (CVE-2019-9512).
    Ping,
    /// DATA without content or end (CVE-2019-9518).
    EmptyData,
    /// Dependencies are shuffled (CVE-2019-9513).
    Priority,
    /// Windows are opened by one byte (CVE-2019-9511).
    WindowUpdate,
    /// Streams with numbers that clients do not have.
    StreamIds,
    /// Requests that would be others in HTTP/1.
    Smuggling,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::RapidReset,
        Self::Continuation,
        Self::HpackBomb,
        Self::Settings,
        Self::Ping,
        Self::EmptyData,
        Self::Priority,
        Self::WindowUpdate,
        Self::StreamIds,
        Self::Smuggling,
    ];

    /// What is sent in a round of a connection.
    fn round(self, round: u32) -> Vec<u8> {
        let many = |count: u32, of: &dyn Fn(u32) -> Vec<u8>| (0..count).flat_map(of).collect::<Vec<u8>>();
        match self {
            Self::RapidReset => many(20, &|number| {
                let stream = (round * 20 + number) * 2 + 1;
                [get(stream, "/1k.txt"), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
            }),
            Self::Continuation => {
                let begins = if round == 0 { request(1, 0x82, "/", END_STREAM, &[]) } else { Vec::new() };
                let goes_on = |_: u32| frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']);
                [begins, many(20, &goes_on)].concat()
            }
            Self::HpackBomb if round == 0 => {
                let mut fields = block(&[("x", &"y".repeat(4_000))]);
                // The newest entry of the dynamic table, a byte each.
                fields.extend_from_slice(&[0xbe; 500]);
                request(1, 0x82, "/", END_STREAM | END_HEADERS, &fields)
            }
            Self::HpackBomb => Vec::new(),
            Self::Settings => many(20, &|_| settings(&[(3, 100)])),
            Self::Ping => many(20, &|_| frame(PING, 0, 0, b"12345678")),
            Self::EmptyData => {
                let stream = round * 2 + 1;
                let begins = request(stream, POST, "/upload", END_HEADERS, &[]);
                [begins, many(20, &|_| frame(DATA, 0, stream, &[]))].concat()
            }
            Self::Priority => {
                many(100, &|number| frame(PRIORITY, 0, number * 2 + 1, &[0, 0, 0, 0, (number % 255) as u8]))
            }
            Self::WindowUpdate => many(100, &|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
            Self::Smuggling => {
                let fields = block(&[(
                    "x",
                    "y\r\nContent-Length: 0\r\n\r\nGET /admin HTTP/1.1\r\nHost: test.example",
                )]);
                request(round * 2 + 1, 0x82, "/1k.txt", END_STREAM | END_HEADERS, &fields)
            }
            Self::StreamIds => many(20, &|number| get(number * 2 + 2, "/")),
        }
    }
}

/// A client that does one of these until it is cut off.
#[derive(Debug)]
pub struct Abuser {
    client: Client,
    kind: Kind,
}

impl Abuser {
    /// Rounds of a connection, and the pause between them.
    const ROUNDS: u32 = 60;
    const PAUSE: Duration = Duration::from_millis(2);
    /// Connections that it makes at most.
    const CONNECTIONS: u32 = 100;
    /// How soon a connection that is not accepted counts as refused, and how many such in a row mean that it is cut off.
    const TIMEOUT: Duration = Duration::from_millis(500);
    const UNHEARD: u32 = 2;

    /// A client, in the namespace of whoever calls [`Self::until_cut_off`].
    #[must_use]
    pub const fn new(client: Client, kind: Kind) -> Self {
        Self { client: Client { timeout: Self::TIMEOUT, ..client }, kind }
    }

    /// Goes on until nothing that it sends is answered any more; returns the number of connections that were.
    ///
    /// # Errors
    /// If it is never cut off.
    pub fn until_cut_off(&self) -> Result<u32> {
        let mut unheard = 0;
        for connection in 0..Self::CONNECTIONS {
            match self.client.connect() {
                Ok(stream) => {
                    unheard = 0;
                    // It ends when the server ends it, or when nothing gets through any more.
                    let _ended = self.abuse(stream);
                }
                Err(_) => unheard += 1,
            }
            if unheard == Self::UNHEARD {
                return Ok(connection + 1 - Self::UNHEARD);
            }
        }
        anyhow::bail!("{:?} was never cut off", self.kind)
    }

    fn abuse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.write_all(&[PREFACE, &settings(&[])].concat())?;
        let begun = wait::now();
        for round in 0..Self::ROUNDS {
            stream.write_all(&self.kind.round(round))?;
            if !drain(&mut stream)? {
                break;
            }
            wait::pace_until(begun + Self::PAUSE * (round + 1));
        }
        Ok(())
    }
}

/// Takes what there is; false if the server has ended the connection.
fn drain(stream: &mut TcpStream) -> io::Result<bool> {
    let mut buffer = [0; 65_536];
    stream.set_nonblocking(true)?;
    let goes_on = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(true),
            Err(error) => break Err(error),
        }
    };
    stream.set_nonblocking(false)?;
    goes_on
}

/// A connection of a client that behaves.
#[derive(Debug)]
pub struct Decent {
    stream: TcpStream,
    buffer: Vec<u8>,
    next: u32,
    /// Streams that the server has ended with the last frame of a response.
    pub answered: u32,
    open: Vec<u32>,
}

impl Decent {
    /// Connects.
    ///
    /// # Errors
    /// If that fails.
    pub fn connect(client: &Client) -> Result<Self> {
        let mut stream = client.connect()?;
        stream.set_nodelay(true)?;
        // As browsers do: windows that are large enough for everything.
        let window = frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes());
        stream.write_all(&[PREFACE, &settings(&[(4, 0x7000_0000)]), &window].concat())?;
        Ok(Self { stream, buffer: Vec::new(), next: 1, answered: 0, open: Vec::new() })
    }

    /// Asks for this many copies of a path at once, and cancels the first `cancelled` of them.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn ask(&mut self, path: &str, count: u32, cancelled: u32) -> Result<()> {
        let mut out = Vec::new();
        for number in 0..count {
            out.extend(get(self.next, path));
            if number < cancelled {
                out.extend(frame(RST_STREAM, 0, self.next, &8_u32.to_be_bytes()));
            } else {
                self.open.push(self.next);
            }
            self.next += 2;
        }
        Ok(self.stream.write_all(&out)?)
    }

    /// Begins a stream that has no end yet, as a call of gRPC whose client streams.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn begin_stream(&mut self, path: &str) -> Result<u32> {
        let fields = [&[0x0f, 0x10][..], &[16], b"application/grpc"].concat();
        let id = self.next;
        self.stream.write_all(&request(id, POST, path, END_HEADERS, &fields))?;
        self.open.push(id);
        self.next += 2;
        Ok(id)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(&frame(kind, flags, id, payload))?)
    }

    /// Reads until every stream that was not cancelled has ended.
    ///
    /// # Errors
    /// If the connection ends before.
    pub fn read_all(&mut self) -> Result<()> {
        let mut part = [0; 65_536];
        while !self.open.is_empty() {
            while let Some(taken) = self.take_frame() {
                self.buffer.drain(..taken);
            }
            if self.open.is_empty() {
                break;
            }
            let count = self.stream.read(&mut part).context("the server is silent")?;
            ensure!(count > 0, "the server has ended the connection");
            self.buffer.extend_from_slice(&part[..count]);
        }
        Ok(())
    }

    /// Reads a frame that is whole; returns its length.
    fn take_frame(&mut self) -> Option<usize> {
        let [a, b, c, kind, flags, s, t, u, v] = *self.buffer.first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize + 9;
        if self.buffer.len() < length {
            return None;
        }
        let id = u32::from_be_bytes([s, t, u, v]);
        let ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 || kind == RST_STREAM;
        if ends && self.open.contains(&id) {
            self.open.retain(|open| *open != id);
            self.answered += u32::from(kind != RST_STREAM);
        }
        if kind == SETTINGS && flags & ACK == 0 {
            // If it cannot be sent, the next read fails, too.
            let _sent = self.stream.write_all(&frame(SETTINGS, ACK, 0, &[]));
        }
        Some(length)
    }
}
