//! A request of a corpus, and the values in it.

use crate::inspect::injection::Injection;
use crate::values::{Buffers, Carrier, Limits, Value, Walk};

/// A request.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: Vec<u8>,
    pub(crate) query: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// With a value in a parameter.
    pub(crate) fn of_value(value: &[u8]) -> Self {
        let mut query = b"p=".to_vec();
        query.extend(percent_encoded(value));
        Self { path: b"/".to_vec(), query, ..Self::default() }
    }

    /// Of a target as sent, with or without a scheme and a host.
    pub(crate) fn of_target(target: &str) -> Self {
        let target = match target.find("://") {
            Some(at) if at < 8 => {
                let rest = target.get(at + 3..).unwrap_or_default();
                rest.find('/').map_or("/", |slash| rest.get(slash..).unwrap_or_default())
            }
            _ => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { path: path.as_bytes().to_vec(), query: query.as_bytes().to_vec(), ..Self::default() }
    }

    /// Of a request as it stands on the wire.
    pub(crate) fn of_wire(text: &str) -> Option<Self> {
        let (head, body) = match (text.find("\r\n\r\n"), text.find("\n\n")) {
            (Some(at), _) => (text.get(..at)?, text.get(at + 4..)?),
            (None, Some(at)) => (text.get(..at)?, text.get(at + 2..)?),
            (None, None) => (text, ""),
        };
        let mut lines = head.lines();
        let line = lines.next()?;
        let target = line.split_once(' ')?.1;
        let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target);
        let mut request = Self::of_target(target);
        request.body = body.as_bytes().to_vec();
        for header in lines {
            if let Some((name, value)) = header.split_once(':') {
                request.header(name.trim(), value.trim());
            }
        }
        Some(request)
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }

    fn content_type(&self) -> Option<&[u8]> {
        let named = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-type");
        self.headers.iter().find(named).map(|(_, value)| value.as_slice())
    }

    /// Shows each value.
    pub(crate) fn values(&self, buffers: &mut Buffers, mut visit: &mut dyn FnMut(&Value<'_>)) {
        let carrier = Carrier {
            path: &self.path,
            query: &self.query,
            headers: self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())),
            content_type: self.content_type(),
            body: &self.body,
        };
        Walk::new(buffers, Limits::default(), &mut visit).all(carrier);
    }
}

/// What the judges say of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    /// Constructs.
    pub(crate) rules: Vec<&'static str>,
    /// Its best score.
    pub(crate) score: f32,
    /// The value that told.
    pub(crate) worst: String,
}

impl Judged {
    pub(crate) fn of(request: &Request, injection: &mut Injection, buffers: &mut Buffers) -> Self {
        let mut judged = Self { score: f32::NEG_INFINITY, ..Self::default() };
        request.values(buffers, &mut |value| {
            let verdict = injection.verdict(value);
            let score = verdict.score.unwrap_or(f32::NEG_INFINITY);
            if !verdict.rules.is_empty() && judged.rules.is_empty()
                || score > judged.score && judged.rules.is_empty()
            {
                judged.worst =
                    String::from_utf8_lossy(value.text.get(..200).unwrap_or(value.text)).into_owned();
            }
            judged.score = judged.score.max(score);
            judged.rules.extend(verdict.rules.iter().map(|(rule, _)| *rule));
        });
        judged
    }

    pub(crate) fn is_told(&self, threshold: f32) -> bool {
        !self.rules.is_empty() || self.score >= threshold
    }
}

pub(crate) fn percent_encoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}
