//! Requests as files have them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::values::Carrier;

/// A request that was read from a file.
#[derive(Default)]
pub(super) struct Given {
    path: Vec<u8>,
    query: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

/// A line of JSON. Names are those that collections of requests use.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "uri", alias = "url", alias = "path")]
    target: String,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default, alias = "data")]
    body: Option<String>,
}

/// Headers, as an object or as a list of pairs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Headers {
    Named(BTreeMap<String, Option<String>>),
    Listed(Vec<(String, Option<String>)>),
    Absent(()),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Absent(())
    }
}

impl Given {
    /// Of a payload: the value of one parameter, already decoded.
    pub(super) fn of_value(value: &[u8]) -> Self {
        let mut query = b"value=".to_vec();
        for byte in value {
            // What would be taken for structure.
            if matches!(byte, b'%' | b'+' | b'&' | b'#') {
                query.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else {
                query.push(*byte);
            }
        }
        Self { path: b"/".to_vec(), query, ..Self::default() }
    }

    /// Of a line of JSON.
    pub(super) fn of_json(text: &[u8]) -> Result<Self> {
        let line: Line = serde_json::from_slice(text)?;
        let mut given = Self::default();
        given.set_target(line.target.as_bytes());
        if let Some(query) = line.query {
            given.query = query.into_bytes();
        }
        let headers = match line.headers {
            Headers::Named(headers) => headers.into_iter().collect(),
            Headers::Listed(headers) => headers,
            Headers::Absent(()) => Vec::new(),
        };
        let pair = |(name, value): (String, Option<String>)| {
            (name.into_bytes(), value.unwrap_or_default().into_bytes())
        };
        given.headers = headers.into_iter().map(pair).collect();
        given.body = line.body.unwrap_or_default().into_bytes();
        Ok(given)
    }

    /// Of a request as it stands on the wire, or with line feeds alone.
    pub(super) fn of_wire(text: &[u8]) -> Result<Self> {
        let end = memchr::memmem::find(text, b"\r\n\r\n").map(|at| (at, 4));
        let end = end.or_else(|| memchr::memmem::find(text, b"\n\n").map(|at| (at, 2)));
        let (at, length) = end.unwrap_or((text.len(), 0));
        let head = text.get(..at).unwrap_or_default();
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let line = lines.next().unwrap_or_default();
        let target =
            memchr::memchr(b' ', line).and_then(|at| line.get(at.saturating_add(1)..)).unwrap_or_default();
        let target =
            memchr::memmem::rfind(target, b" HTTP/").and_then(|end| target.get(..end)).unwrap_or(target);
        ensure!(!target.is_empty(), "no request line");
        let mut given = Self::default();
        given.set_target(target);
        for header in lines.filter(|line| !line.is_empty()) {
            let colon = memchr::memchr(b':', header).unwrap_or(header.len());
            let (name, value) = header.split_at_checked(colon).unwrap_or_default();
            given.headers.push((name.to_vec(), value.get(1..).unwrap_or_default().trim_ascii().to_vec()));
        }
        given.body = text.get(at.saturating_add(length)..).unwrap_or_default().to_vec();
        Ok(given)
    }

    /// Takes a target apart: with or without a scheme and a host.
    fn set_target(&mut self, target: &[u8]) {
        let start = target.get(..8).unwrap_or(target);
        let rest = memchr::memmem::find(start, b"://").and_then(|at| target.get(at.saturating_add(3)..));
        let origin = rest.map_or(target, |rest| {
            let at = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            rest.get(at..).unwrap_or_default()
        });
        let at = memchr::memchr(b'?', origin).unwrap_or(origin.len());
        let (path, query) = origin.split_at_checked(at).unwrap_or_default();
        self.path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
        self.query = query.get(1..).unwrap_or_default().to_vec();
    }

    /// What it carries.
    pub(super) fn carrier(&self) -> Carrier<'_, impl Iterator<Item = (&[u8], &[u8])>> {
        let named = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-type");
        Carrier {
            path: &self.path,
            query: &self.query,
            headers: self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())),
            content_type: self.headers.iter().find(named).map(|(_, value)| value.as_slice()),
            body: &self.body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_reads_the_same_from_each_form() {
        let wire = b"POST http://h/a/b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n\r\nbody";
        let line = br#"{"method":"POST","uri":"/a/b?x=1","headers":[["Host","h"],["Content-Type","text/plain"]],"body":"body"}"#;
        let named =
            br#"{"url":"http://h/a/b?x=1","headers":{"Content-Type":"text/plain","Host":"h"},"data":"body"}"#;
        for given in
            [Given::of_wire(wire).unwrap(), Given::of_json(line).unwrap(), Given::of_json(named).unwrap()]
        {
            let carrier = given.carrier();
            assert_eq!(
                (carrier.path, carrier.query, carrier.body),
                (&b"/a/b"[..], &b"x=1"[..], &b"body"[..])
            );
            assert_eq!(carrier.content_type, Some(&b"text/plain"[..]));
            assert_eq!(carrier.headers.count(), 2);
        }
        assert!(Given::of_wire(b"hello").is_err());
        assert!(Given::of_json(b"{}").is_err(), "no target");
    }
}
