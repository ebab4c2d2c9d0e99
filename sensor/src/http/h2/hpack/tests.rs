//! The examples of RFC 7541, appendix C, and what is no block.

use super::*;

/// Bytes written in hexadecimal, with spaces where one likes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The fields of a block, `name: value` each.
fn fields(decoder: &mut Decoder, block: &[u8]) -> (Vec<String>, Block, Option<Error>) {
    let (mut out, mut found) = (Vec::new(), Vec::new());
    let (told, error) = decoder.decode(block, &mut out, 1 << 20, |bytes, field| {
        let name = String::from_utf8_lossy(&bytes[field.start..field.middle]);
        let value = String::from_utf8_lossy(&bytes[field.middle..field.end]);
        found.push(format!("{name}: {value}"));
    });
    (found, told, error)
}

fn appendix(size: usize, examples: &[(&str, &[&str])]) {
    let mut decoder = Decoder::new(false);
    decoder.table.resize(size);
    for (block, expected) in examples {
        let (found, told, error) = fields(&mut decoder, &hex(block));
        assert_eq!(
            (found.as_slice(), error),
            (expected.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(), None)
        );
        let size: usize = expected.iter().map(|field| field.len() - 2 + 32).sum();
        assert_eq!(told, Block { unknown: 0, size: size as u64, cut: false });
    }
}

const FIRST: [&str; 4] = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const SECOND: [&str; 5] =
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"];
const THIRD: [&str; 5] = [
    ":method: GET",
    ":scheme: https",
    ":path: /index.html",
    ":authority: www.example.com",
    "custom-key: custom-value",
];

#[test]
fn literals_of_appendix_c_2() {
    appendix(
        4_096,
        &[
            (
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                &["custom-key: custom-header"],
            ),
            ("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"]),
            ("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"]),
            ("82", &[":method: GET"]),
        ],
    );
}

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    appendix(
        4_096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", &FIRST),
            ("8286 84be 5808 6e6f 2d63 6163 6865", &SECOND),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", &THIRD),
        ],
    );
    appendix(
        4_096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", &FIRST),
            ("8286 84be 5886 a8eb 1064 9cbf", &SECOND),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", &THIRD),
        ],
    );
}

const LOCATION: &str = "location: https://www.example.com";
const PRIVATE: &str = "cache-control: private";
const DATE: &str = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const LATER: [&str; 6] = [
    ":status: 200",
    PRIVATE,
    "date: Mon, 21 Oct 2013 20:13:22 GMT",
    LOCATION,
    "content-encoding: gzip",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

#[test]
fn responses_with_eviction_of_appendix_c_5_and_c_6() {
    appendix(
        256,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
             3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                &[":status: 302", PRIVATE, DATE, LOCATION],
            ),
            ("4803 3330 37c1 c0bf", &[":status: 307", PRIVATE, DATE, LOCATION]),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 \
             7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 \
             6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
                &LATER,
            ),
        ],
    );
    appendix(
        256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
             1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                &[":status: 302", PRIVATE, DATE, LOCATION],
            ),
            ("4883 640e ffc1 c0bf", &[":status: 307", PRIVATE, DATE, LOCATION]),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
             e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                &LATER,
            ),
        ],
    );
}

#[test]
fn integers_of_appendix_c_1_and_too_large_ones() {
    let table: [(&[u8], u32, Result<usize, Error>); 7] = [
        (&[0b0000_1010], 5, Ok(10)),
        (&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5, Ok(1_337)),
        (&[0b0010_1010], 8, Ok(42)),
        (&[0x1f], 5, Err(Error::Integer)),
        (&[0x1f, 0x80, 0x80, 0x80, 0x00], 5, Ok(31)),
        (&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], 5, Err(Error::Integer)),
        (&[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 5, Err(Error::Integer)),
    ];
    for (bytes, prefix, expected) in table {
        assert_eq!(integer(&mut &*bytes, prefix), expected, "{bytes:?}");
    }
}

#[test]
fn what_is_no_block() {
    let table: [(&str, Error); 10] = [
        ("80", Error::Index),
        ("be", Error::Index),
        ("7f 05 00", Error::Index),
        ("82 3f e1 1f", Error::Size),
        ("3f e2 1f", Error::Size),
        ("40", Error::String),
        ("40 03 61 62", Error::String),
        ("40 01 61", Error::String),
        ("40 84 ff ff ff ff 00", Error::Huffman),
        ("7f ff ff ff ff ff 01", Error::Integer),
    ];
    for (block, expected) in table {
        let mut decoder = Decoder::new(false);
        let (_, _, error) = fields(&mut decoder, &hex(block));
        assert_eq!(error, Some(expected), "{block}");
        assert!(!decoder.is_complete(), "{block}: what the rest would have inserted is not known");
    }
}

#[test]
fn fields_that_an_unknown_table_hides_are_counted_and_not_guessed() {
    let mut decoder = Decoder::new(true);
    let (found, told, error) = fields(&mut decoder, &hex("82 be 84 c5 7f 00 01 61 40 01 62 01 63"));
    assert_eq!(found, [":method: GET", ":path: /", "b: c"]);
    assert_eq!((told.unknown, error), (3, None));
    // The newest are known, an entry whose name was hidden is not, nor is what was there before.
    let (found, told, _) = fields(&mut decoder, &hex("be bf c0"));
    assert_eq!((found.len(), told.unknown), (1, 2));
    // A change of size to nothing empties the table: everything after it is known.
    let (_, told, error) = fields(&mut decoder, &hex("20 3f e1 1f 40 01 64 01 65 be"));
    assert_eq!((told.unknown, error), (0, None));
    assert!(decoder.is_complete());
    assert_eq!(fields(&mut decoder, &hex("bf")).2, Some(Error::Index));
}

#[test]
fn a_bomb_makes_no_more_than_the_bound_and_the_table_stays_right() {
    let mut decoder = Decoder::new(false);
    let mut block = vec![0x40, 1, b'a', 0x7f, 0xbd, 0x1d];
    block.extend(vec![b'v'; 3_900]);
    block.extend(vec![0xbe; 16_000]);
    block.extend([0x40, 1, b'b', 1, b'c']);
    let mut out = Vec::new();
    let mut count = 0;
    let (told, error) = decoder.decode(&block, &mut out, 65_536, |_, _| count += 1);
    assert_eq!((count, told.cut, error), (16, true, None));
    assert!(out.len() <= 65_536 && out.capacity() < 200_000, "{}", out.capacity());
    assert_eq!(told.size, 16_001 * (3_901 + 32) + 34);
    assert_eq!(fields(&mut decoder, &[0xbe]).0, ["b: c"]);
}

#[test]
fn odd_fields_are_told_apart_from_sound_ones_wherever_they_come_from() {
    let mut decoder = Decoder::new(false);
    let mut sound = |block: &str| {
        let (mut out, mut found) = (Vec::new(), Vec::new());
        let (_, error) = decoder.decode(&hex(block), &mut out, 4_096, |_, field| found.push(field.sound));
        assert_eq!(error, None);
        found
    };
    assert_eq!(sound("40 01 41 01 62"), [false], "upper case");
    assert_eq!(sound("be"), [false]);
    assert_eq!(sound("7e 01 63"), [false], "its name again");
    assert_eq!(sound("40 01 61 01 0d"), [false], "a line break");
    assert_eq!(sound("7e 01 63"), [true], "its name alone is sound");
    assert_eq!(sound("40 01 61 02 20 62"), [false], "whitespace before");
    assert_eq!(sound("40 00 01 62"), [false], "no name");
    assert_eq!(sound("40 01 3a 01 62"), [false], "a colon alone");
    assert_eq!(sound("82 44 01 2f"), [true, true]);
}
