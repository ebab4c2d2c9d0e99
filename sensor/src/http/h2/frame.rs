//! Frame headers (RFC 9113, section 4.1) and the rules for each frame type (section 6).

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 9;

/// The client's connection preface (section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Maximum payload length without other settings (section 4.2).
pub(super) const USUAL_LENGTH: u32 = 16_384;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// A frame type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    ResetStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// An extension, to be ignored (section 5.5).
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: Kind,
    pub flags: u8,
    pub stream: u32,
    /// Of the payload.
    pub length: u32,
}

impl Frame {
    pub(super) const EMPTY: Self = Self { kind: Kind::Other, flags: 0, stream: 0, length: 0 };

    #[inline]
    pub(super) const fn parse(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = bytes;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::ResetStream,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let stream = u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff;
        Self { kind, flags, stream, length: u32::from_be_bytes([0, a, b, c]) }
    }

    #[inline]
    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether its length is valid for its type (section 6). The negotiated maximum is not checked here.
    pub(super) const fn has_right_length(self) -> bool {
        match self.kind {
            Kind::Priority => self.length == 5,
            Kind::ResetStream | Kind::WindowUpdate => self.length == 4,
            Kind::Settings if self.has(ACK) => self.length == 0,
            Kind::Settings => self.length.is_multiple_of(6),
            Kind::Ping => self.length == 8,
            Kind::GoAway => self.length >= 8,
            Kind::PushPromise => self.length >= 4,
            Kind::Data | Kind::Headers | Kind::Continuation | Kind::Other => true,
        }
    }

    /// Whether its stream identifier is valid for its type: zero or not.
    pub(super) const fn has_right_stream(self) -> bool {
        match self.kind {
            Kind::Data
            | Kind::Headers
            | Kind::Priority
            | Kind::ResetStream
            | Kind::PushPromise
            | Kind::Continuation => self.stream != 0,
            Kind::Settings | Kind::Ping | Kind::GoAway => self.stream == 0,
            Kind::WindowUpdate | Kind::Other => true,
        }
    }

    /// Whether arbitrary bytes look like a frame header.
    fn is_plausible(self) -> bool {
        let flags = match self.kind {
            Kind::Data => END_STREAM | PADDED,
            Kind::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Kind::Settings | Kind::Ping => ACK,
            Kind::Continuation => END_HEADERS,
            Kind::Priority | Kind::ResetStream | Kind::GoAway | Kind::WindowUpdate => 0,
            Kind::PushPromise | Kind::Other => return false,
        };
        self.flags & !flags == 0
            && self.length <= USUAL_LENGTH
            && self.has_right_length()
            && self.has_right_stream()
            && (self.stream == 0 || self.stream & 1 == 1)
    }
}

/// Whether a server's first bytes are its connection preface: SETTINGS (section 3.4).
pub(in crate::http) fn is_server_preface(bytes: &[u8]) -> bool {
    let frame = bytes.first_chunk().copied().map(Frame::parse);
    frame.is_some_and(|frame| frame.kind == Kind::Settings && frame.is_plausible() && !frame.has(ACK))
}

/// Number of consecutive plausible frames at the start of bytes, at most `most`, and whether they end where the bytes do.
fn chain(bytes: &[u8], most: usize) -> (usize, bool) {
    let (mut count, mut rest) = (0_usize, bytes);
    while count < most
        && let Some((header, after)) = rest.split_first_chunk()
    {
        let frame = Frame::parse(*header);
        if !frame.is_plausible() {
            return (0, false);
        }
        count = count.saturating_add(1);
        let Some(next) = after.get(frame.length as usize..) else { return (count, false) };
        rest = next;
    }
    (count, rest.is_empty())
}

/// Consecutive plausible frames that rule out chance.
const ENOUGH: usize = 3;

/// Finds the next frame in bytes after a gap: at the start of a segment, or several consecutive ones.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().saturating_sub(HEADER);
    (0..=last).find(|at| {
        let Some(rest @ [0, ..]) = bytes.get(*at..) else { return false };
        match chain(rest, ENOUGH) {
            (ENOUGH.., _) => true,
            (count, true) => count > 1 || (*at == 0 && count > 0),
            (_, false) => false,
        }
    })
}

/// Whether bytes from the middle of a connection are HTTP/2 frames.
pub(in crate::http) fn is_probable(bytes: &[u8]) -> bool {
    let Some([0, _, _, 0..=9, ..]) = bytes.get(..HEADER) else { return false };
    matches!(chain(bytes, ENOUGH), (ENOUGH.., _) | (1.., true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_apart() {
        let frame = Frame::parse([0x01, 0x02, 0x03, 1, 0x25, 0x80, 0, 0, 5]);
        assert_eq!(frame, Frame { kind: Kind::Headers, flags: 0x25, stream: 5, length: 0x01_0203 });
        assert!(frame.has(END_STREAM) && frame.has(END_HEADERS) && frame.has(PRIORITY) && !frame.has(PADDED));
    }

    #[test]
    fn lengths_and_streams_are_those_of_section_6() {
        let table = [
            // kind, flags, stream, length: right length, right stream
            (0, 0, 0, 5, true, false),
            (1, 0, 0, 5, true, false),
            (2, 0, 1, 5, true, true),
            (2, 0, 1, 4, false, true),
            (3, 0, 1, 4, true, true),
            (3, 0, 0, 5, false, false),
            (4, 0, 0, 12, true, true),
            (4, 0, 1, 13, false, false),
            (4, 1, 0, 6, false, true),
            (5, 0, 1, 3, false, true),
            (6, 0, 0, 8, true, true),
            (6, 0, 1, 9, false, false),
            (7, 0, 0, 8, true, true),
            (7, 0, 1, 7, false, false),
            (8, 0, 0, 4, true, true),
            (8, 0, 1, 3, false, true),
            (9, 0, 0, 3, true, false),
            (77, 0, 3, 3, true, true),
        ];
        for (kind, flags, stream, length, right_length, right_stream) in table {
            let frame = Frame::parse([0, 0, length, kind, flags, 0, 0, 0, stream]);
            assert_eq!(frame.has_right_length(), right_length, "{frame:?}");
            assert_eq!(frame.has_right_stream(), right_stream, "{frame:?}");
        }
    }

    #[test]
    fn frames_are_found_behind_a_hole_and_not_in_text() {
        let ping: Vec<u8> = [0, 0, 8, 6, 0, 0, 0, 0, 0].into_iter().chain(*b"12345678").collect();
        let data: Vec<u8> = [0, 0, 3, 0, 0, 0, 0, 0, 1].into_iter().chain(*b"abc").collect();
        assert_eq!(find(&data), Some(0));
        assert_eq!(find(&[b"rest of a frame".as_slice(), &data, &ping].concat()), Some(15));
        assert_eq!(find(&[b"rest".as_slice(), &data].concat()), None, "one alone may be chance");
        assert_eq!(find(&[&data[..], &data, &data, &data[..5]].concat()), Some(0));
        assert_eq!(find(&[0; 200]), None);
        assert_eq!(find(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert!(is_probable(&data) && is_probable(&[data.clone(), ping].concat()));
        assert!(!is_probable(b"\0\0\0\0\0\0\0\0\0\0\0\0") && !is_probable(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(is_server_preface(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]));
        assert!(!is_server_preface(&data) && !is_server_preface(&[0, 0, 0, 4, 1, 0, 0, 0, 0]));
    }
}
