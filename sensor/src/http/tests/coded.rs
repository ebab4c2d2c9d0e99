//! Content codings (RFC 9110, section 8.4).

use std::io::{Read as _, Write as _};

use flate2::Compression;

use super::super::decode::{self, Decoding};

fn decode<'a>(
    body: &'a [u8],
    is_whole: bool,
    encoding: &[u8],
    limit: usize,
    out: &'a mut Vec<u8>,
) -> (&'a [u8], Decoding) {
    let (decoded, decoding, _) = decode::decode(body, is_whole, encoding, limit, out);
    (decoded, decoding)
}

const TEXT: &[u8] =
    b"A text that is long enough to be worth coding, that is, a text that repeats: a text that repeats.";

/// `TEXT` in brotli, which no crate here encodes: one uncompressed meta-block (RFC 7932, section 9.2).
fn brotli(text: &[u8]) -> Vec<u8> {
    let bits = u32::try_from(text.len() - 1).unwrap();
    // WBITS 16 (one 0 bit), not last (0), MNIBBLES 4 (00), MLEN - 1 in 16 bits, uncompressed (1).
    let header = (bits << 4) | (1 << 20);
    let mut coded = header.to_le_bytes()[..3].to_vec();
    coded.extend(text);
    coded.push(3);
    coded
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    flate2::read::ZlibEncoder::new(text, Compression::default()).read_to_end(&mut coded).unwrap();
    coded
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    flate2::read::DeflateEncoder::new(text, Compression::default()).read_to_end(&mut coded).unwrap();
    coded
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

type Encoder = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encoder); 6] = [
    ("gzip", gzip),
    ("X-GZIP", gzip),
    ("deflate", zlib),
    ("deflate", deflate),
    ("br", brotli),
    ("zstd", zstd),
];

#[test]
fn every_coding() {
    let mut out = Vec::new();
    for (name, encode) in CODINGS {
        let coded = encode(TEXT);
        assert_eq!(
            decode(&coded, true, name.as_bytes(), 1 << 16, &mut out),
            (TEXT, Decoding::Whole),
            "{name}"
        );
        assert_eq!(
            decode(&coded, false, name.as_bytes(), 1 << 16, &mut out),
            (TEXT, Decoding::Partial),
            "{name}"
        );
        assert_eq!(
            decode(&coded, true, name.as_bytes(), 10, &mut out),
            (&TEXT[..10], Decoding::Bounded),
            "{name}"
        );
        assert_eq!(decode(b"", true, name.as_bytes(), 10, &mut out), (&b""[..], Decoding::Whole), "{name}");
    }
}

#[test]
fn what_is_not_coded() {
    let mut out = Vec::new();
    assert_eq!(decode(TEXT, true, b"", 1_000, &mut out), (TEXT, Decoding::Identity));
    assert_eq!(decode(TEXT, true, b"identity", 1_000, &mut out), (TEXT, Decoding::Identity));
    assert_eq!(decode(TEXT, false, b"", 1_000, &mut out), (TEXT, Decoding::Partial));
    assert_eq!(decode(TEXT, true, b"", 10, &mut out), (&TEXT[..10], Decoding::Bounded));
    assert_eq!(decode(TEXT, true, b"compress", 10, &mut out), (&b""[..], Decoding::Unsupported));
    assert_eq!(decode(TEXT, true, b"gzip, gzip, gzip", 10, &mut out), (&b""[..], Decoding::Unsupported));
}

#[test]
fn two_codings_last_first() {
    let mut out = Vec::new();
    let coded = zstd(&gzip(TEXT));
    assert_eq!(decode(&coded, true, b"gzip, zstd", 1 << 16, &mut out), (TEXT, Decoding::Whole));
}

/// What comes before the cut, as far as the coding gives it out.
#[test]
fn cut_off() {
    let text: Vec<u8> = (0_u32..60_000)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_string().into_bytes())
        .collect();
    let mut out = Vec::new();
    for (name, encode) in CODINGS {
        let coded = encode(&text[..60_000]);
        let (decoded, decoding) =
            decode(&coded[..coded.len() - 20], false, name.as_bytes(), 1 << 20, &mut out);
        assert_eq!(decoding, Decoding::Partial, "{name}");
        assert!(text.starts_with(decoded), "{name}");
        // A block of zstd is all or nothing.
        assert!(decoded.len() > 30_000 || name == "zstd", "{name}: {}", decoded.len());
    }
    let coded = zstd(&text);
    let (decoded, _) = decode(&coded[..coded.len() - 20], false, b"zstd", 1 << 20, &mut out);
    assert!(decoded.len() >= 100_000 && text.starts_with(decoded), "{}", decoded.len());
}

#[test]
fn damaged() {
    let mut out = Vec::new();
    for (name, _) in CODINGS {
        let (_, decoding) = decode(b"\x07nothing of the sort", true, name.as_bytes(), 1 << 16, &mut out);
        assert_eq!(decoding, Decoding::Partial, "{name}");
    }
}

/// 16 KiB that would become half a gigabyte.
#[test]
fn zstd_bomb() {
    let mut coded = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70];
    for _ in 0..4_000 {
        // A block of one byte repeated 128 KiB - 1 times.
        coded.extend([0xfa, 0xff, 0x0f, b'x']);
    }
    let mut out = Vec::new();
    let (decoded, decoding) = decode(&coded, true, b"zstd", 1 << 16, &mut out);
    assert_eq!((decoded.len(), decoding), (1 << 16, Decoding::Bounded));
    assert!(out.capacity() <= 1 << 17, "{}", out.capacity());
}

/// A window beyond 16 MiB is none of this coding's (RFC 7932, section 9.1).
#[test]
fn brotli_with_a_large_window() {
    let mut out = Vec::new();
    let (decoded, decoding) = decode(&[0x11, 0x1e, 0x03], true, b"br", 1 << 16, &mut out);
    assert_eq!((decoded.len(), decoding), (0, Decoding::Partial));
}

#[test]
fn gzip_bomb() {
    let mut out = Vec::new();
    let coded = gzip(&vec![0; 10_000_000]);
    let (decoded, decoding) = decode(&coded, true, b"gzip", 1 << 16, &mut out);
    assert_eq!((decoded.len(), decoding), (1 << 16, Decoding::Bounded));
}
