//! Anomalies: what is invalid or ambiguous about the bytes of an exchange. A closed set with stable slugs.

use std::fmt;

macro_rules! anomalies {
    ($($(#[$doc:meta])* $name:ident = $slug:literal,)*) => {
        /// One finding. The section that it breaks is in its description.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Anomaly {
            $($(#[$doc])* $name,)*
        }

        impl Anomaly {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($slug),*].len()] = [$(Self::$name),*];

            /// Its slug.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                }
            }
        }
    };
}

anomalies! {
    /// Empty lines before a message (RFC 9112, section 2.2: a server should ignore one).
    LeadingEmptyLine = "leading_empty_line",
    /// A method that is no token (RFC 9110, section 9.1).
    InvalidMethod = "invalid_method",
    /// A method with lower-case letters (methods are case-sensitive; RFC 9110, section 9.1).
    LowercaseMethod = "lowercase_method",
    /// A target of no form that its method allows, or with bytes outside of a URI (RFC 9112, section 3.2).
    InvalidTarget = "invalid_target",
    /// Whitespace within a target (RFC 9112, section 3.2).
    SpaceInTarget = "space_in_target",
    /// Start line with more than one space, or a tab, between its parts (RFC 9112, section 3).
    StartLineWhitespace = "start_line_whitespace",
    /// A version other than HTTP/1.0 and HTTP/1.1, or spelt otherwise (RFC 9112, section 2.3).
    InvalidVersion = "invalid_version",
    /// A request line without a version (RFC 1945, section 4.1; gone since RFC 9112, appendix C.2.1).
    Http09Request = "http09_request",
    /// A first line that is no request line: no method, no target of any form, or no sign of HTTP at all (RFC 9112,
    /// section 3). It may be the rest of a body, so nothing of its text is told.
    InvalidRequestLine = "invalid_request_line",
    /// A status line that cannot be told apart (RFC 9112, section 4).
    InvalidStatusLine = "invalid_status_line",
    /// A status of other than three digits, or outside of 100 to 599 (RFC 9110, section 15).
    InvalidStatus = "invalid_status",
    /// A line of the head that ends without CR (RFC 9112, section 2.2).
    BareLf = "bare_lf",
    /// A CR in the head that no LF follows (RFC 9112, section 2.2).
    BareCr = "bare_cr",
    /// A header value that goes on in the next line (RFC 9112, section 5.2).
    ObsFold = "obs_fold",
    /// Whitespace between a header's name and its colon (RFC 9112, section 5.1).
    SpaceBeforeColon = "space_before_colon",
    /// Whitespace between the start line and the first header (RFC 9112, section 2.2).
    SpaceBeforeFirstHeader = "space_before_first_header",
    /// A header line without a colon (RFC 9112, section 5).
    HeaderWithoutColon = "header_without_colon",
    /// A header whose name is empty or no token (RFC 9110, section 5.1).
    InvalidHeaderName = "invalid_header_name",
    /// A NUL in the head (RFC 9110, section 5.5).
    NulByte = "nul_byte",
    /// Another control byte in the head (RFC 9110, section 5.5).
    ControlByte = "control_byte",
    /// A head longer than the configured bound; the rest of it was not read.
    HeadTooLarge = "head_too_large",
    /// More headers than the configured bound; those beyond count for framing only.
    TooManyHeaders = "too_many_headers",
    /// A request without Host in HTTP/1.1, or without it and `:authority` in HTTP/2 (RFC 9112, section 3.2).
    MissingHost = "missing_host",
    /// More than one Host header (RFC 9112, section 3.2).
    MultipleHosts = "multiple_hosts",
    /// A Host with bytes that no host and port have (RFC 9112, section 3.2).
    InvalidHost = "invalid_host",
    /// A target in absolute form, or `:authority`, that names another host than Host does (RFC 9112, section 3.2.2; RFC 9113,
    /// section 8.3.1).
    HostMismatch = "host_mismatch",
    /// Several Content-Length headers of one value (RFC 9112, section 6.3, item 5).
    DuplicateContentLength = "duplicate_content_length",
    /// A list of equal values in one Content-Length (RFC 9112, section 6.3, item 5).
    ContentLengthList = "content_length_list",
    /// Content-Length values that differ (RFC 9112, section 6.3, item 5).
    ConflictingContentLength = "conflicting_content_length",
    /// A Content-Length that is no number (RFC 9110, section 8.6).
    InvalidContentLength = "invalid_content_length",
    /// A Content-Length with a sign (RFC 9110, section 8.6).
    ContentLengthSign = "content_length_sign",
    /// Whitespace within a Content-Length (RFC 9110, section 8.6).
    ContentLengthWhitespace = "content_length_whitespace",
    /// A Content-Length beyond 2^63 - 1 (RFC 9110, section 8.6).
    ContentLengthOverflow = "content_length_overflow",
    /// Transfer-Encoding and Content-Length both (RFC 9112, section 6.3, item 3).
    TransferEncodingAndContentLength = "transfer_encoding_and_content_length",
    /// A transfer coding that is not registered (RFC 9112, section 7).
    UnknownTransferEncoding = "unknown_transfer_encoding",
    /// A transfer coding that resembles `chunked` and is not (RFC 9112, section 7).
    ObfuscatedTransferEncoding = "obfuscated_transfer_encoding",
    /// A transfer coding after `chunked`, or a request whose last one is another (RFC 9112, section 6.3, item
    /// 4).
    ChunkedNotFinal = "chunked_not_final",
    /// Several Transfer-Encoding headers, or `chunked` twice (RFC 9112, section 6.1).
    RepeatedTransferEncoding = "repeated_transfer_encoding",
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112, section 6.1).
    TransferEncodingInHttp10 = "transfer_encoding_in_http10",
    /// Content-Length or Transfer-Encoding where there is no body: 1xx, 204, 2xx to CONNECT, and
    /// Transfer-Encoding in 304 is legal (RFC 9110, section 8.6; RFC 9112, section 6.1).
    FramingWithoutBody = "framing_without_body",
    /// A chunk size that is no number (RFC 9112, section 7.1).
    InvalidChunkSize = "invalid_chunk_size",
    /// A chunk size with a sign (RFC 9112, section 7.1).
    ChunkSizeSign = "chunk_size_sign",
    /// A chunk size that begins with `0x` (RFC 9112, section 7.1).
    ChunkSizePrefix = "chunk_size_prefix",
    /// Whitespace beside a chunk size (RFC 9112, section 7.1.1).
    ChunkSizeWhitespace = "chunk_size_whitespace",
    /// A chunk size beyond 2^63 - 1 (RFC 9112, section 7.1).
    ChunkSizeOverflow = "chunk_size_overflow",
    /// A line with a chunk size longer than the configured bound (RFC 9112, section 7.1.1).
    ChunkLineTooLong = "chunk_line_too_long",
    /// A line of the chunked coding that ends without CR (RFC 9112, section 7.1).
    ChunkBareLf = "chunk_bare_lf",
    /// A CR in a line of the chunked coding that no LF follows (RFC 9112, section 7.1).
    ChunkBareCr = "chunk_bare_cr",
    /// No line end after the data of a chunk (RFC 9112, section 7.1).
    MissingChunkEnd = "missing_chunk_end",
    /// A trailer without a colon or a valid name (RFC 9112, section 7.1.2).
    InvalidTrailer = "invalid_trailer",
    /// A trailer that frames or routes: Content-Length, Transfer-Encoding, Host (RFC 9110, section 6.5.1).
    ForbiddenTrailer = "forbidden_trailer",
    /// Trailers longer than the configured bound.
    TrailersTooLarge = "trailers_too_large",
    /// A body with a GET, HEAD, DELETE, CONNECT or TRACE (RFC 9110, sections 9.3.1 to 9.3.8).
    UnexpectedRequestBody = "unexpected_request_body",
    /// The connection, or what was seen of it, ended within a head (RFC 9112, section 8).
    IncompleteHead = "incomplete_head",
    /// The connection ended within a body (RFC 9112, section 8).
    IncompleteBody = "incomplete_body",
    /// A response that no request was waiting for (RFC 9112, section 9.2).
    UnsolicitedResponse = "unsolicited_response",
    /// Bytes between messages that begin none: what a framing mistake or response splitting leaves behind
    /// (RFC 9112, sections 6.3, 9.2 and 11.1).
    DataBetweenMessages = "data_between_messages",
    /// A message after the one that had announced the end of the connection (RFC 9112, section 9.6).
    MessageAfterClose = "message_after_close",
    /// More requests without a response than the configured bound; this was the oldest.
    PipelineOverflow = "pipeline_overflow",
    /// 101 to a request without Upgrade (RFC 9110, section 15.2.2).
    UnrequestedUpgrade = "unrequested_upgrade",
    /// Two copies of the same bytes of the client differ: it wants two readers to see two things (RFC 9293, section 3.8.1).
    ConflictingRetransmission = "conflicting_retransmission",
    /// What began like a PROXY protocol header and is none (PROXY protocol, sections 2.1 and 2.2).
    InvalidProxyHeader = "invalid_proxy_header",
    /// A compressed body that comes to more than is decoded of it: by its length, by its ratio, or by the budget of its
    /// connection and of all of them.
    InflationLimited = "inflation_limited",
    /// No connection preface of HTTP/2 where it has to be, or a first frame other than SETTINGS (RFC 9113, section 3.4).
    InvalidPreface = "h2_preface",
    /// A frame longer than its receiver takes, or of a length that its kind does not have (RFC 9113, sections 4.2 and 6).
    FrameSize = "h2_frame_size",
    /// More padding than there is room for (RFC 9113, sections 6.1 and 6.2).
    FramePadding = "h2_padding",
    /// A frame of a stream that it cannot be of: 0, another than 0, or an even one of a client (RFC 9113, sections 5.1.1
    /// and 6).
    StreamId = "h2_stream_id",
    /// A frame that its stream does not allow in the state that it is in (RFC 9113, section 5.1).
    StreamState = "h2_stream_state",
    /// A header block that another frame interrupts, or CONTINUATION without one (RFC 9113, section 6.10).
    Continuation = "h2_continuation",
    /// A setting with a value that it cannot have (RFC 9113, section 6.5.2).
    InvalidSetting = "h2_setting",
    /// WINDOW_UPDATE by nothing (RFC 9113, section 6.9).
    InvalidWindowUpdate = "h2_window_update",
    /// A stream that depends on itself (RFC 7540, section 5.3.1).
    InvalidPriority = "h2_priority",
    /// PUSH_PROMISE of a client (RFC 9113, section 8.4).
    UnexpectedPush = "h2_push",
    /// A header block that is none in HPACK (RFC 7541, section 2.3.3 and others; RFC 9113, section 4.3).
    HpackError = "hpack_error",
    /// A small header block that stands for a list larger than the configured bound of heads (RFC 9113, section 10.5.1).
    HpackBomb = "hpack_bomb",
    /// Fields that refer to a table of HPACK whose beginning was not seen. They are not known, and not told.
    HiddenFields = "hpack_hidden_fields",
    /// A field's name with upper-case letters in HTTP/2 (RFC 9113, section 8.2.1).
    UppercaseHeaderName = "h2_uppercase_name",
    /// A field's value with CR or LF in HTTP/2 (RFC 9113, section 8.2.1): in HTTP/1 it would be two headers.
    LineBreakInValue = "h2_line_break",
    /// A field's value that begins or ends with whitespace in HTTP/2 (RFC 9113, section 8.2.1).
    WhitespaceAroundValue = "h2_value_whitespace",
    /// A field of HTTP/1's connections in HTTP/2: Connection, Transfer-Encoding, Upgrade and others (RFC 9113, section
    /// 8.2.2).
    ConnectionHeader = "h2_connection_header",
    /// A pseudo-header after another field (RFC 9113, section 8.3).
    PseudoHeaderOrder = "h2_pseudo_order",
    /// The same pseudo-header twice (RFC 9113, section 8.3).
    DuplicatePseudoHeader = "h2_pseudo_duplicate",
    /// A pseudo-header that is not defined, not for this message, or in trailers (RFC 9113, sections 8.3 and 8.5).
    InvalidPseudoHeader = "h2_pseudo_invalid",
    /// A pseudo-header that has to be there and is not (RFC 9113, sections 8.3.1 and 8.3.2).
    MissingPseudoHeader = "h2_pseudo_missing",
    /// A Content-Length other than the length of the content in HTTP/2 (RFC 9113, section 8.1.1).
    ContentLengthMismatch = "h2_content_length",
    /// Trailers that do not end their stream (RFC 9113, section 8.1).
    UnfinishedTrailers = "h2_trailers",
}

const _: () = assert!(Anomaly::ALL.len() <= 128, "the set is 128 bits");

/// A set of anomalies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Anomalies {
    /// The first 64 and the others: small where there are many, and aligned as other fields are.
    halves: [u64; 2],
}

impl Anomalies {
    /// None.
    pub const NONE: Self = Self::of_bits(0);

    /// Those that let two readers disagree about where a body ends. No byte of such a body is skipped unread.
    pub const FRAMING: Self = Self::of(&[
        Anomaly::BareLf,
        Anomaly::BareCr,
        Anomaly::ObsFold,
        Anomaly::SpaceBeforeColon,
        Anomaly::SpaceBeforeFirstHeader,
        Anomaly::HeaderWithoutColon,
        Anomaly::InvalidHeaderName,
        Anomaly::NulByte,
        Anomaly::ControlByte,
        Anomaly::HeadTooLarge,
        Anomaly::DuplicateContentLength,
        Anomaly::ContentLengthList,
        Anomaly::ConflictingContentLength,
        Anomaly::InvalidContentLength,
        Anomaly::ContentLengthSign,
        Anomaly::ContentLengthWhitespace,
        Anomaly::ContentLengthOverflow,
        Anomaly::TransferEncodingAndContentLength,
        Anomaly::UnknownTransferEncoding,
        Anomaly::ObfuscatedTransferEncoding,
        Anomaly::ChunkedNotFinal,
        Anomaly::RepeatedTransferEncoding,
        Anomaly::TransferEncodingInHttp10,
        Anomaly::InvalidChunkSize,
        Anomaly::ChunkSizeSign,
        Anomaly::ChunkSizePrefix,
        Anomaly::ChunkSizeWhitespace,
        Anomaly::ChunkBareLf,
        Anomaly::ChunkBareCr,
        Anomaly::MissingChunkEnd,
    ]);

    /// What is wrong with frames of HTTP/2, by themselves or where they come.
    const HTTP2_FRAMES: Self = Self::of(&[
        Anomaly::InvalidPreface,
        Anomaly::FrameSize,
        Anomaly::FramePadding,
        Anomaly::StreamId,
        Anomaly::StreamState,
        Anomaly::Continuation,
        Anomaly::InvalidSetting,
        Anomaly::InvalidWindowUpdate,
        Anomaly::InvalidPriority,
        Anomaly::UnexpectedPush,
    ]);

    /// What makes a message of HTTP/2 malformed.
    const HTTP2_MESSAGES: Self = Self::of(&[
        Anomaly::UppercaseHeaderName,
        Anomaly::LineBreakInValue,
        Anomaly::WhitespaceAroundValue,
        Anomaly::ConnectionHeader,
        Anomaly::PseudoHeaderOrder,
        Anomaly::DuplicatePseudoHeader,
        Anomaly::InvalidPseudoHeader,
        Anomaly::MissingPseudoHeader,
        Anomaly::ContentLengthMismatch,
        Anomaly::UnfinishedTrailers,
    ]);

    /// What is wrong with header blocks, or not known of them.
    const HPACK: Self = Self::of(&[Anomaly::HpackError, Anomaly::HpackBomb, Anomaly::HiddenFields]);

    #[expect(clippy::cast_possible_truncation, reason = "the other half is taken besides")]
    const fn of_bits(bits: u128) -> Self {
        Self { halves: [bits as u64, (bits >> 64) as u64] }
    }

    const fn bits(self) -> u128 {
        let [low, high] = self.halves;
        low as u128 | (high as u128) << 64
    }

    const fn of(anomalies: &[Anomaly]) -> Self {
        let mut set = 0_u128;
        let mut rest = anomalies;
        while let [first, others @ ..] = rest {
            set |= first.bit();
            rest = others;
        }
        Self::of_bits(set)
    }

    /// Adds a member.
    pub const fn insert(&mut self, anomaly: Anomaly) {
        *self = Self::of_bits(self.bits() | anomaly.bit());
    }

    /// Removes a member.
    pub(super) const fn remove(&mut self, anomaly: Anomaly) {
        *self = Self::of_bits(self.bits() & !anomaly.bit());
    }

    /// Adds all members of another set.
    pub const fn extend(&mut self, other: Self) {
        *self = Self::of_bits(self.bits() | other.bits());
    }

    /// Whether it contains a member.
    #[must_use]
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.bits() & anomaly.bit() != 0
    }

    /// Whether it contains any member of another set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.bits() & other.bits() != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bits() == 0
    }

    /// Its members, in the order of [`Anomaly::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        let mut rest = self.bits();
        std::iter::from_fn(move || {
            let lowest = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            Anomaly::ALL.get(lowest as usize).copied()
        })
    }
}

impl Anomaly {
    /// What it is counted as in metrics, whose labels are few: HTTP/2's by what breaks.
    #[must_use]
    pub const fn counted_as(self) -> &'static str {
        if Anomalies::HTTP2_FRAMES.contains(self) {
            "h2_frame"
        } else if Anomalies::HTTP2_MESSAGES.contains(self) {
            "h2_message"
        } else if Anomalies::HPACK.contains(self) {
            "hpack"
        } else {
            self.label()
        }
    }

    const fn bit(self) -> u128 {
        1_u128.wrapping_shl(self as u32)
    }
}

impl fmt::Debug for Anomalies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(Anomaly::label)).finish()
    }
}
