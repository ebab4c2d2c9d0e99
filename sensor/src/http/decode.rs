//! Content codings (RFC 9110, section 8.4): gzip, deflate, br and zstd, decoded up to a bound.
//!
//! Decoders are fed no more than the kept body, and asked for no more than the bound, so that what a
//! decompression bomb costs is fixed beforehand.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The result of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decoding {
    /// Nothing to decode.
    Identity,
    /// All of the body.
    Whole,
    /// The bound was reached.
    Bounded,
    /// The body is truncated, not wholly kept, or damaged: this is the part before that.
    Partial,
    /// Nothing, because a coding is unknown.
    Unsupported,
}

impl Decoding {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Whole, Self::Bounded, Self::Partial, Self::Unsupported];

    /// Its slug.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Whole => "whole",
            Self::Bounded => "bounded",
            Self::Partial => "partial",
            Self::Unsupported => "unsupported",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Maximum codings of one body that are decoded; more than one is very rare.
const MAX_CODINGS: usize = 2;

/// Whether there is anything to decode.
pub(super) fn is_coded(encoding: &[u8]) -> bool {
    let mut names = encoding.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.any(|name| !matches!(coding(name), Ok(None)))
}

/// Undoes the codings that `encoding` lists, the last first, of a body of which all or only the beginning is
/// there. `out` holds the result where it is not the body itself. The number is how many bytes were made on the way to
/// it: of all codings together no more than the limit, but for a block of a few KiB, or of 128 KiB with zstd.
pub(super) fn decode<'a>(
    body: &'a [u8],
    is_whole: bool,
    encoding: &[u8],
    limit: usize,
    out: &'a mut Vec<u8>,
) -> (&'a [u8], Decoding, usize) {
    out.clear();
    let mut codings = [None; MAX_CODINGS];
    let mut places = codings.iter_mut();
    for name in encoding.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        match coding(name) {
            Ok(None) => {}
            Ok(some) => match places.next() {
                Some(place) => *place = some,
                None => return (&[], Decoding::Unsupported, 0),
            },
            Err(()) => return (&[], Decoding::Unsupported, 0),
        }
    }
    let mut decoding = Decoding::Identity;
    let mut inner = Vec::new();
    let mut made = 0_usize;
    for coding in codings.into_iter().flatten().rev() {
        let input = match decoding {
            Decoding::Identity => body,
            Decoding::Whole | Decoding::Bounded | Decoding::Partial | Decoding::Unsupported => {
                std::mem::swap(&mut inner, out);
                out.clear();
                &inner
            }
        };
        let step = undo(coding, input, limit.saturating_sub(made), out);
        let least = if coding == Coding::Zstd && step == Decoding::Bounded { ZSTD_BLOCK } else { 0 };
        made = made.saturating_add(out.len().max(least));
        decoding = match (decoding, step) {
            (Decoding::Identity | Decoding::Whole, step) => step,
            (earlier, _) => earlier,
        };
    }
    let (result, decoding) = match decoding {
        Decoding::Identity if body.len() > limit => (body.get(..limit).unwrap_or(body), Decoding::Bounded),
        Decoding::Identity if !is_whole => (body, Decoding::Partial),
        Decoding::Identity => (body, decoding),
        Decoding::Whole if !is_whole => (out.as_slice(), Decoding::Partial),
        Decoding::Whole | Decoding::Bounded | Decoding::Partial | Decoding::Unsupported => {
            (out.as_slice(), decoding)
        }
    };
    (result, decoding, made)
}

fn coding(name: &[u8]) -> Result<Option<Coding>, ()> {
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    if name.is_empty() || is(b"identity") {
        Ok(None)
    } else if is(b"gzip") || is(b"x-gzip") {
        Ok(Some(Coding::Gzip))
    } else if is(b"deflate") {
        Ok(Some(Coding::Deflate))
    } else if is(b"br") {
        Ok(Some(Coding::Brotli))
    } else if is(b"zstd") {
        Ok(Some(Coding::Zstd))
    } else {
        Err(())
    }
}

fn undo(coding: Coding, input: &[u8], limit: usize, out: &mut Vec<u8>) -> Decoding {
    if input.is_empty() {
        return Decoding::Whole;
    }
    if limit == 0 {
        return Decoding::Bounded;
    }
    match coding {
        Coding::Gzip => read_bounded(MultiGzDecoder::new(input), limit, out),
        // RFC 9110, section 8.4.1.2: it means zlib, but some senders leave the zlib header out.
        Coding::Deflate if is_zlib(input) => read_bounded(ZlibDecoder::new(input), limit, out),
        Coding::Deflate => read_bounded(DeflateDecoder::new(input), limit, out),
        Coding::Brotli => unbrotli(input, limit, out),
        Coding::Zstd => unzstd(input, limit, out),
    }
}

/// Method 8 and a check of the first two bytes (RFC 1950, section 2.2).
fn is_zlib(input: &[u8]) -> bool {
    input.first_chunk::<2>().is_some_and(|header| {
        let [method, _] = header;
        method & 0x0f == 8 && u16::from_be_bytes(*header) % 31 == 0
    })
}

/// The window is at most 16 MiB: the pattern for larger ones (RFC 7932, section 9.1, has it as invalid; the
/// decoder takes it for an extension) is no part of this content coding. The decoder's buffer grows to what
/// the current meta-block needs, at most to the window.
fn unbrotli(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Decoding {
    if input.first().is_some_and(|first| first & 0x7f == 0x11) {
        return Decoding::Partial;
    }
    read_bounded(brotli_decompressor::Decompressor::new(input, 4 << 10), limit, out)
}

/// Reads until the end, the bound, or an error, keeping what came before it.
fn read_bounded(mut decoder: impl Read, limit: usize, out: &mut Vec<u8>) -> Decoding {
    let mut block = [0; 4 << 10];
    loop {
        match decoder.read(&mut block) {
            Ok(0) => return Decoding::Whole,
            Ok(length) => {
                let room = limit.saturating_sub(out.len());
                let data = block.get(..length).unwrap_or_default();
                out.extend_from_slice(data.get(..room).unwrap_or(data));
                if length > room {
                    return Decoding::Bounded;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Decoding::Partial,
        }
    }
}

/// A frame header (RFC 8878, section 3.1.1.1) without any field but a window of 128 KiB, the
/// smallest that any block fits.
const ZSTD_HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];

/// An empty last block (RFC 8878, section 3.1.1.2).
const ZSTD_LAST_BLOCK: [u8; 3] = [1, 0, 0];

/// Most bytes of a block (RFC 8878, section 3.1.1.2.4).
const ZSTD_BLOCK: usize = 128 << 10;

/// Decodes the first frame, block by block (of at most 128 KiB), until the bound.
///
/// The decoder gives out the last window of data only when the frame ends, and allocates the window that the
/// frame asks for. So it is shown another header, with a small window: nothing is taken out of it before the
/// end, so that it holds what matches refer to all the same. A frame that is cut off, or beyond the bound, is
/// ended with an empty block.
fn unzstd(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Decoding {
    let mut decoder = FrameDecoder::new();
    let Some(mut blocks) = after_zstd_header(input) else { return Decoding::Partial };
    if decoder.init(ZSTD_HEADER.as_slice()).is_err() {
        return Decoding::Partial;
    }
    let mut decoding = Decoding::Whole;
    while !decoder.is_finished() && decoding == Decoding::Whole {
        if decoder.can_collect() > limit {
            decoding = Decoding::Bounded;
        } else if zstd_block_length(blocks).is_none_or(|length| length > blocks.len())
            || decoder.decode_blocks(&mut blocks, BlockDecodingStrategy::UptoBlocks(1)).is_err()
        {
            decoding = Decoding::Partial;
        }
    }
    if !decoder.is_finished() {
        let end = decoder.decode_blocks(ZSTD_LAST_BLOCK.as_slice(), BlockDecodingStrategy::UptoBlocks(1));
        if end.is_err() {
            return Decoding::Partial;
        }
    }
    let reading = read_bounded(&mut decoder, limit, out);
    if reading == Decoding::Whole { decoding } else { reading }
}

/// What follows the frame header; none where there is no frame, or one that needs a dictionary.
fn after_zstd_header(input: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = input.split_first_chunk::<4>()?;
    let (descriptor, rest) = rest.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!is_single_segment);
    let content_size = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let is_plain = magic.as_slice() == ZSTD_HEADER.first_chunk::<4>()? && descriptor & 3 == 0;
    rest.get(window.saturating_add(content_size)..).filter(|_| is_plain)
}

/// Bytes of the block that begins here, header included.
fn zstd_block_length(input: &[u8]) -> Option<usize> {
    let [low, middle, high] = *input.first_chunk::<3>()?;
    let header = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    let (kind, size) = (header >> 1 & 3, header >> 3);
    Some(if kind == 1 { 4 } else { size.saturating_add(3) })
}
