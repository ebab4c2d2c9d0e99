//! gRPC as facts of a message: its messages counted from their prefixes, and the status in the trailers.
//!
//! Over HTTP/2 the status is a trailer (or a header, where there is nothing else); in gRPC-Web, whose servers may speak
//! HTTP/1.1, the trailers are the last message of the body. See `PROTOCOL-HTTP2.md` and `PROTOCOL-WEB.md` of the gRPC
//! project. Contents are not kept.

/// What a body carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wrapping {
    /// No gRPC.
    #[default]
    None,
    /// Messages.
    Plain,
    /// Messages, and trailers behind them.
    Web,
    /// The same in base64.
    WebText,
}

/// Most bytes of gRPC-Web's trailers that are looked at; the status comes first.
const TRAILER: usize = 64;

/// Bytes before a message: flags and its length.
const PREFIX: usize = 5;

/// The flag of a message that holds trailers.
const IS_TRAILER: u8 = 0x80;

/// Counts the messages of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    wrapping: Wrapping,
    prefix: [u8; PREFIX],
    have: u8,
    /// Bytes of the message at hand to come.
    left: u32,
    in_trailer: bool,
    trailer_length: u8,
    /// Of base64: bits that are no byte yet.
    bits: u32,
    bit_count: u8,
    /// Where messages begin is not known any more.
    lost: bool,
    messages: u64,
    bytes: u64,
}

/// Messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Their number, those that are not whole included.
    pub count: u64,
    /// Their bytes, as they were sent, without prefixes.
    pub bytes: u64,
}

/// What gRPC tells of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grpc {
    /// `grpc-status`; none where none was seen.
    pub status: Option<u16>,
    /// Of the request; none where some of its body is missing.
    pub request: Option<Messages>,
    /// Of the response; likewise.
    pub response: Option<Messages>,
}

impl Grpc {
    /// The status of HTTP that a status of gRPC means, as `google/rpc/code.proto` maps them.
    #[must_use]
    pub const fn http_status(status: u16) -> u16 {
        match status {
            0 => 200,
            1 => 499,
            3 | 9 | 11 => 400,
            4 => 504,
            5 => 404,
            6 | 10 => 409,
            7 => 403,
            8 => 429,
            12 => 501,
            14 => 503,
            16 => 401,
            _ => 500,
        }
    }
}

impl Counter {
    /// For a body of this type.
    pub(super) fn of(content_type: &[u8]) -> Self {
        let text = content_type.get(..28).unwrap_or(content_type).to_ascii_lowercase();
        let wrapping = match text.strip_prefix(b"application/grpc") {
            None => Wrapping::None,
            Some(rest) => match rest.strip_prefix(b"-web") {
                Some(rest) if rest.starts_with(b"-text") => Wrapping::WebText,
                Some(_) => Wrapping::Web,
                None if matches!(rest.first(), None | Some(b'+' | b';' | b' ')) => Wrapping::Plain,
                None => Wrapping::None,
            },
        };
        Self { wrapping, ..Self::default() }
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.wrapping != Wrapping::None
    }

    /// The messages so far; none where they cannot be told.
    pub(super) fn messages(&self) -> Option<Messages> {
        (self.is_on() && !self.lost).then_some(Messages { count: self.messages, bytes: self.bytes })
    }

    /// Reads bytes of the body; the status, where they tell it.
    pub(super) fn read(&mut self, bytes: &[u8], trailer: &mut [u8]) -> Option<u16> {
        if self.lost {
            return None;
        }
        if self.wrapping != Wrapping::WebText {
            return self.read_plain(bytes, trailer);
        }
        let mut status = None;
        for byte in bytes {
            let Some(six) = base64(*byte) else {
                // Padding: each part of the body may be encoded for itself.
                self.bit_count = 0;
                continue;
            };
            self.bits = self.bits.wrapping_shl(6) | u32::from(six);
            self.bit_count = self.bit_count.wrapping_add(6);
            if self.bit_count >= 8 {
                self.bit_count = self.bit_count.wrapping_sub(8);
                let byte = self.bits.wrapping_shr(self.bit_count.into()) & 0xff;
                status = self.read_plain(&[u8::try_from(byte).unwrap_or_default()], trailer).or(status);
            }
        }
        status
    }

    fn read_plain(&mut self, bytes: &[u8], trailer: &mut [u8]) -> Option<u16> {
        let (mut rest, mut status) = (bytes, None);
        while !rest.is_empty() {
            if self.left == 0 {
                rest = self.read_prefix(rest);
                continue;
            }
            let here = rest.len().min(self.left as usize);
            let (part, after) = rest.split_at_checked(here).unwrap_or_default();
            rest = after;
            self.left = self.left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
            if !self.in_trailer {
                self.bytes = self.bytes.saturating_add(here as u64);
                continue;
            }
            let have = usize::from(self.trailer_length);
            let kept = here.min(TRAILER.saturating_sub(have));
            if let (Some(place), Some(part)) =
                (trailer.get_mut(have..have.saturating_add(kept)), part.get(..kept))
            {
                place.copy_from_slice(part);
            }
            self.trailer_length = u8::try_from(have.saturating_add(kept)).unwrap_or(u8::MAX);
            if self.left == 0 {
                // Trailers without one, behind those that told it, take nothing back.
                status =
                    status_in(trailer.get(..usize::from(self.trailer_length)).unwrap_or_default()).or(status);
            }
        }
        status
    }

    fn read_prefix<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let have = usize::from(self.have);
        let here = PREFIX.saturating_sub(have).min(bytes.len());
        let (part, rest) = bytes.split_at_checked(here).unwrap_or_default();
        if let Some(place) = self.prefix.get_mut(have..have.saturating_add(here)) {
            place.copy_from_slice(part);
        }
        self.have = u8::try_from(have.saturating_add(here)).unwrap_or_default();
        if usize::from(self.have) < PREFIX {
            return rest;
        }
        self.have = 0;
        let [flags, a, b, c, d] = self.prefix;
        self.left = u32::from_be_bytes([a, b, c, d]);
        self.in_trailer = self.wrapping != Wrapping::Plain && flags & IS_TRAILER != 0;
        self.trailer_length = 0;
        if !self.in_trailer {
            self.messages = self.messages.saturating_add(1);
        }
        rest
    }

    /// So many bytes of the body are missing.
    pub(super) fn skip(&mut self, length: u64) {
        let Some(left) =
            u64::from(self.left).checked_sub(length).filter(|_| self.wrapping != Wrapping::WebText)
        else {
            self.lost |= self.is_on() && length > 0;
            return;
        };
        if !self.in_trailer {
            self.bytes = self.bytes.saturating_add(length);
        }
        self.left = u32::try_from(left).unwrap_or(u32::MAX);
    }
}

/// The value of `grpc-status` (a decimal number).
pub(super) fn status(value: &[u8]) -> Option<u16> {
    let is_number = (1..=3).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        value.iter().fold(0_u16, |number, digit| {
            number.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0')))
        })
    })
}

/// The status in trailers of gRPC-Web, which look like a head of HTTP/1.
fn status_in(trailers: &[u8]) -> Option<u16> {
    let mut lines = trailers.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let (name, value) = line.split_at_checked(12)?;
        name.eq_ignore_ascii_case(b"grpc-status:").then(|| status(value.trim_ascii())).flatten()
    })
}

fn base64(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages and status of a body, whole and a byte at a time, which must agree.
    fn read(content_type: &str, body: &[u8]) -> (Option<(u64, u64)>, Option<u16>) {
        let of = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut counter, mut trailer, mut status) =
                (Counter::of(content_type.as_bytes()), [0; 64], None);
            for piece in pieces {
                status = counter.read(piece, &mut trailer).or(status);
            }
            (counter.messages().map(|messages| (messages.count, messages.bytes)), status)
        };
        let whole = of(&mut std::iter::once(body));
        assert_eq!(whole, of(&mut body.chunks(1)), "cuts change nothing");
        whole
    }

    const TWO: &[u8] = b"\0\0\0\0\x03abc\x01\0\0\0\0";
    const TRAILERS: &[u8] = b"\x80\0\0\0\x1agrpc-status:16\r\nx: grpc-s\r\n";

    #[test]
    fn types_are_told_apart() {
        for (kind, expected) in [
            ("application/grpc", Wrapping::Plain),
            ("application/grpc+proto", Wrapping::Plain),
            ("Application/gRPC; charset=utf-8", Wrapping::Plain),
            ("application/grpc-web", Wrapping::Web),
            ("application/grpc-web+proto", Wrapping::Web),
            ("application/grpc-web-text+proto", Wrapping::WebText),
            ("application/grpcx", Wrapping::None),
            ("application/json", Wrapping::None),
            ("", Wrapping::None),
        ] {
            assert_eq!(Counter::of(kind.as_bytes()).wrapping, expected, "{kind}");
        }
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        assert_eq!(read("application/grpc", TWO), (Some((2, 3)), None));
        assert_eq!(read("application/grpc", &TWO[..7]), (Some((1, 2)), None));
        assert_eq!(read("application/json", TWO).0, None);
        let body = [TWO, TRAILERS].concat();
        assert_eq!(read("application/grpc-web+proto", &body), (Some((2, 3)), Some(16)));
        assert_eq!(read("application/grpc", &body).1, None, "no trailers in the body over HTTP/2");
        let twice = [b"\x80\0\0\0\x10grpc-status:16\r\n".as_slice(), b"\x80\0\0\0\x01a"].concat();
        assert_eq!(
            read("application/grpc-web", &twice),
            (Some((0, 0)), Some(16)),
            "other trailers behind them"
        );
        // Each part with its own padding: `\0\0\0\0\x01a` and the trailers.
        let text = b"AAAAAAFhgAAAABBncnBjLXN0YXR1czogNQ0K";
        assert_eq!(read("application/grpc-web-text", text), (Some((1, 1)), Some(5)));
        assert_eq!(read("application/grpc-web-text", b"AAAAAAA="), (Some((1, 0)), None));
    }

    #[test]
    fn a_hole_within_a_message_is_counted_and_one_beyond_it_makes_the_count_unknown() {
        let mut counter = Counter::of(b"application/grpc");
        let mut trailer = [0; 64];
        counter.read(b"\0\0\0\0\x0aab", &mut trailer);
        counter.skip(8);
        assert_eq!(counter.messages(), Some(Messages { count: 1, bytes: 10 }));
        counter.skip(1);
        assert_eq!(counter.messages(), None);
    }

    #[test]
    fn statuses_are_those_of_http() {
        let mapped: Vec<u16> = (0..18).map(Grpc::http_status).collect();
        let expected =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500];
        assert_eq!(mapped, expected);
        assert_eq!(
            (status(b"16"), status(b""), status(b"-1"), status(b"1000")),
            (Some(16), None, None, None)
        );
    }
}
