//! Keep-alive connections between a client and nginx, as segments and as frames.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::capture::{Direction, Endpoint, Flags, Segment};
use sensor::clock::Timestamp;
use sensor_tests::peers::spoof::checksum;

/// A GET of a common HTTP library, 283 bytes.
pub(crate) const REQUEST: &[u8] = b"GET /api/v1/users/12345/orders?page=2 HTTP/1.1\r\n\
    Host: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\nX-Request-Id: 7f3a91\r\n\r\n";

/// nginx's head, and `body` bytes.
pub(crate) fn response(body: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 02:00:52 GMT\r\n\
         Content-Type: application/json\r\nContent-Length: {body}\r\nConnection: keep-alive\r\n\
         ETag: \"65c2a1f3-3e8\"\r\nAccept-Ranges: bytes\r\n\r\n"
    );
    let mut response = head.into_bytes();
    response.resize(response.len() + body, b'x');
    response
}

/// One connection, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversation {
    client: Endpoint,
    server: Endpoint,
    sent: u32,
    received: u32,
    now: u64,
}

impl Conversation {
    /// The `number`th client's.
    pub(crate) fn new(number: u32) -> Self {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number / 50_000));
        let port = u16::try_from(10_000 + number % 50_000).unwrap_or(1);
        let server = Endpoint::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8_080);
        Self { client: Endpoint::new(address, port), server, sent: 1_000, received: 5_000, now: 1 << 60 }
    }

    /// The handshake.
    pub(crate) fn open(&mut self, mut each: impl FnMut(&Segment<'_>)) {
        let syn = Segment { flags: Flags::SYN, ..self.segment(true, b"") };
        each(&Segment { sequence: self.sent - 1, acknowledgement: 0, ..syn });
        let answer = Segment { flags: Flags(Flags::SYN.0 | Flags::ACK.0), ..self.segment(false, b"") };
        each(&Segment { sequence: self.received - 1, ..answer });
        each(&self.segment(true, b""));
    }

    /// A request and its response, each in one segment.
    pub(crate) fn exchange(&mut self, request: &[u8], response: &[u8], mut each: impl FnMut(&Segment<'_>)) {
        self.say(true, request, &mut each);
        self.say(false, response, each);
    }

    /// Nothing happens for some time.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_nanos()).unwrap_or(0);
    }

    /// One segment of one side.
    pub(crate) fn say(&mut self, from_client: bool, payload: &[u8], mut each: impl FnMut(&Segment<'_>)) {
        each(&self.segment(from_client, payload));
        let position = if from_client { &mut self.sent } else { &mut self.received };
        *position = position.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
    }

    fn segment<'a>(&mut self, from_client: bool, payload: &'a [u8]) -> Segment<'a> {
        self.now += 50_000;
        let (source, destination, sequence, acknowledgement) = if from_client {
            (self.client, self.server, self.sent, self.received)
        } else {
            (self.server, self.client, self.received, self.sent)
        };
        Segment {
            time: Timestamp::from_unix_nanos(self.now),
            source,
            destination,
            interface: 2,
            direction: Some(if from_client { Direction::Ingress } else { Direction::Egress }),
            sequence,
            acknowledgement,
            flags: Flags(Flags::ACK.0 | Flags::PSH.0),
            urgent: 0,
            length: u32::try_from(payload.len()).unwrap_or(0),
            payload,
            ..Segment::default()
        }
    }
}

/// The Ethernet frame of a segment over IPv4, as a capture has it.
pub(crate) fn frame(segment: &Segment<'_>, out: &mut Vec<u8>) {
    let octets = |endpoint: Endpoint| match endpoint.address() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    let length = u16::try_from(20 + segment.payload.len()).unwrap_or(0);
    let addresses = [octets(segment.source), octets(segment.destination)].concat();
    let network = |sum: [u8; 2]| {
        let total = (length + 20).to_be_bytes();
        [&[0x45, 0][..], &total, &[0, 0, 0x40, 0, 64, 6], &sum, &addresses].concat()
    };
    let ports = [segment.source, segment.destination].map(|end| end.port().to_be_bytes()).concat();
    let numbers = [segment.sequence, segment.acknowledgement].map(u32::to_be_bytes).concat();
    let transport = |sum: [u8; 2]| {
        let rest = [0x50, segment.flags.0, 0xff, 0xff];
        [&ports[..], &numbers, &rest, &sum, &[0, 0], segment.payload].concat()
    };
    let pseudo = [&addresses[..], &[0, 6], &length.to_be_bytes(), &transport([0; 2])].concat();
    out.clear();
    out.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    out.extend_from_slice(&network(checksum(&network([0; 2])).to_be_bytes()));
    out.extend_from_slice(&transport(checksum(&pseudo).to_be_bytes()));
}
