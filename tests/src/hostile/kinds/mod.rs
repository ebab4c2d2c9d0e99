//! The kinds, by the part of the pipeline that they are aimed at.

mod bodies;
mod connections;
mod decoding;
mod heads;
mod messages;
mod segments;

use super::{Kind, Wire};

/// All of them but the ordinary one.
pub(super) const ALL: [&[Kind]; 6] =
    [heads::KINDS, messages::KINDS, bodies::KINDS, decoding::KINDS, segments::KINDS, connections::KINDS];

/// A response with a body.
fn response(status: u16, body: &[u8]) -> Vec<u8> {
    response_with(status, "Content-Type: text/plain\r\n", body)
}

/// The same with these header lines.
fn response_with(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A request with a body.
fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// One connection with one request, and the response to it.
fn single(wire: &mut Wire, number: u32, request: impl AsRef<[u8]>, status: u16) {
    let mut peer = wire.open(number);
    wire.up(&mut peer, request);
    wire.down(&mut peer, response(status, b"ok"));
    wire.close(&mut peer);
}

/// Five reads, a write and a login by three clients.
pub(super) fn ordinary(wire: &mut Wire, number: u32) {
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n\
                   Accept: application/json\r\n";
    let mut reader = wire.open(number * 3);
    for item in 0..5 {
        let item = item * 7 + number;
        wire.up(
            &mut reader,
            format!(
                "GET /api/items/{item}?page=2 HTTP/1.1\r\nHost: shop.example\r\n{browser}\
                 Cookie: session=abcdef{number}\r\n\r\n"
            ),
        );
        wire.down(&mut reader, response_with(200, "Content-Type: application/json\r\n", &b"{}".repeat(600)));
    }
    wire.close(&mut reader);
    let json = format!("{browser}Content-Type: application/json\r\n");
    let mut writer = wire.open(number * 3 + 1);
    let order = format!("{{\"name\":\"{}\",\"items\":[1,2,3,4,5,6,7,8,9,10]}}", "x".repeat(200));
    wire.up(&mut writer, post("/api/orders", &json, order.as_bytes()));
    wire.down(&mut writer, response_with(201, "Content-Type: application/json\r\n", &b"{}".repeat(300)));
    wire.close(&mut writer);
    let mut user = wire.open(number * 3 + 2);
    let form = format!("{browser}Content-Type: application/x-www-form-urlencoded\r\n");
    wire.up(&mut user, post("/login", &form, format!("user=u{number}&password=p{number}").as_bytes()));
    wire.down(&mut user, response_with(200, "Set-Cookie: session=1\r\n", &b"{}".repeat(300)));
    wire.close(&mut user);
}
