//! Many requests on few connections: what a browser or another service does.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::http::Client;

/// A connection that is kept.
#[derive(Debug)]
pub struct KeepAlive<S = TcpStream> {
    stream: S,
    host: String,
    buffer: Vec<u8>,
}

impl KeepAlive {
    /// Connects.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn connect(client: &Client) -> io::Result<Self> {
        Ok(Self::over(client.connect()?, client.server.to_string()))
    }
}

impl<S: Read + Write> KeepAlive<S> {
    /// Over an existing connection.
    pub const fn over(stream: S, host: String) -> Self {
        Self { stream, host, buffer: Vec::new() }
    }

    /// One request, and its response to the last byte.
    ///
    /// # Errors
    /// If the connection ends early.
    pub fn ask(&mut self, method: &str, path: &str, more: &str) -> io::Result<u16> {
        self.ask_all(&[(method, path)], more).map(|statuses| statuses.first().copied().unwrap_or(0))
    }

    /// Requests sent together (pipelining, RFC 9112, section 9.3.2), and their responses.
    ///
    /// # Errors
    /// If the connection ends early.
    pub fn ask_all(&mut self, requests: &[(&str, &str)], more: &str) -> io::Result<Vec<u16>> {
        let host = &self.host;
        let text =
            |(method, path): &(&str, &str)| format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        let together: String = requests.iter().map(text).collect();
        self.stream.write_all(together.as_bytes())?;
        requests.iter().map(|(method, _)| self.read_response(*method == "HEAD")).collect()
    }

    fn read_response(&mut self, is_head: bool) -> io::Result<u16> {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break String::from_utf8_lossy(&self.take(end + 4)).into_owned();
            }
            self.fill()?;
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        match length {
            _ if is_head => {}
            Some(length) => drop(self.read_bytes(length)?),
            None if lower.contains("transfer-encoding: chunked") => self.read_chunks()?,
            None => {}
        }
        Ok(status)
    }

    fn read_chunks(&mut self) -> io::Result<()> {
        loop {
            let end = loop {
                match find(&self.buffer, b"\r\n") {
                    Some(end) => break end,
                    None => self.fill()?,
                }
            };
            let line = self.take(end + 2);
            let size = std::str::from_utf8(&line).unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            self.read_bytes(size + 2)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.take(count))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.buffer.drain(..count).collect()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
