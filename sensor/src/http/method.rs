//! Methods, versions, and the bytes of tokens.

/// A method, as a label of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
    /// OPTIONS.
    Options,
    /// TRACE.
    Trace,
    /// PATCH (RFC 5789).
    Patch,
    /// Any other.
    #[default]
    Other,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];

    /// Its name, or `other`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "other",
        }
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Whether content of a request with it has a meaning (RFC 9110, section 9.3); that of unknown ones may.
    pub(super) const fn may_have_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch | Self::Options | Self::Other)
    }
}

/// What a method is called that is not registered.
pub(super) const OTHER_METHOD: &str = Method::Other.label();

/// Methods of the IANA registry (<https://www.iana.org/assignments/http-methods>, RFC 9110, section 16.1) that
/// [`Method`] has no label for.
const FURTHER_METHODS: [&str; 32] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "*",
];

/// The name of a method where it is registered, else `other`: a method is the client's to invent, or no method at
/// all but the rest of a body, so its own bytes are told to nobody.
pub(super) fn method_name(bytes: &[u8]) -> &'static str {
    let method = Method::of(bytes);
    if method != Method::Other {
        return method.label();
    }
    let found = FURTHER_METHODS.iter().find(|name| name.as_bytes() == bytes);
    found.copied().unwrap_or(OTHER_METHOD)
}

/// A version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/0.9: no version in the request line, no head in the response.
    Http09,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and what cannot be told.
    #[default]
    Http11,
    /// HTTP/2, of a connection preface.
    Http2,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http09, Self::Http10, Self::Http11, Self::Http2];

    /// Its number.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http09 => "0.9",
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

const TCHAR: [bool; 256] =
    byte_table(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// A table of which bytes are among these.
pub(super) const fn byte_table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut rest = bytes;
    while let [first, others @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte is below 256")]
        {
            table[*first as usize] = true;
        }
        rest = others;
    }
    table
}

/// Whether a byte is one of a token (RFC 9110, section 5.6.2).
pub(super) fn is_tchar(byte: u8) -> bool {
    TCHAR.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether bytes are a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tchar)
}
