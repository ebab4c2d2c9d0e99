//! Ways to send in somebody else's name, and the way of somebody who is there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sensor_tests::hostile::{Family, Peer, Side, Wire};
use sensor_tests::packet::flags::{ACK, FIN, PSH, RST, SYN};

use super::scripts::{Script, Step, honest};

/// How segments are sent. Whoever forges them sees nothing that the server sends, so it guesses numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the client itself, with a handshake, and the server answers.
    Whole,
    /// Data amid nothing.
    Data,
    /// The same, and the server's kernel says that there is no such connection.
    Reset,
    /// Behind a SYN. Its answer was not captured.
    Syn,
    /// With the data in the SYN, of which the server's kernel takes the SYN only (RFC 7413, section 4.1.2).
    SynData,
    /// Behind a SYN, its answer, and an acknowledgement of a number that was guessed.
    Guess,
    /// Into a connection that the client has, at a place that was guessed.
    Inside,
}

impl Way {
    pub(super) const FORGED: [Self; 6] =
        [Self::Data, Self::Reset, Self::Syn, Self::SynData, Self::Guess, Self::Inside];

    /// Whether what was sent is at least shown, as exchanges that nobody is proven to have sent.
    pub(super) const fn is_shown(self) -> bool {
        matches!(self, Self::Data | Self::Reset | Self::Syn)
    }
}

/// Whose address the packets bear, and how they name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// The client's.
    Direct,
    /// A trusted proxy's, with `X-Forwarded-For`.
    Forwarded,
    /// A trusted proxy's, with the PROXY protocol.
    Proxied,
}

impl Via {
    pub(super) const ALL: [Self; 3] = [Self::Direct, Self::Forwarded, Self::Proxied];
}

/// How forged connections end.
const ENDS: [u8; 3] = [0, FIN | ACK, RST];

/// Trusted proxies, as in the configuration of a replay.
pub(super) const PROXIES: [&str; 2] = ["192.0.2.100/32", "2001:db8:ffff::100/128"];

/// The address of a victim.
pub(super) fn victim(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(198, 51, 100, number).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x77, u16::from(number), 0, 0, 0, 5).into(),
    }
}

pub(super) fn proxy(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, 100).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x100).into(),
    }
}

/// What a capture is made of.
pub(super) struct Player {
    wire: Wire,
    family: Family,
    via: Via,
    way: Way,
    /// Connections by client and number.
    open: BTreeMap<(u8, u16), Peer>,
}

impl Player {
    /// The capture of a script, among others that are there.
    pub(super) fn play(script: &Script, family: Family, via: Via, way: Way) -> Vec<u8> {
        let mut player = Self { wire: Wire::new(family), family, via, way, open: BTreeMap::new() };
        player.others();
        if script.others_log_in {
            (0..60).for_each(|number| player.log_in(number));
        }
        for (step, number) in script.steps().iter().zip(0_u16..) {
            if script.others_log_in && number % 4 == 0 {
                player.log_in(100 + number / 4);
            }
            player.step(step);
        }
        player.end();
        player.wire.into_file()
    }

    /// Honest clients, whose requests teach routes.
    fn others(&mut self) {
        for number in 0..30 {
            let mut peer = self.wire.open(number * 8);
            for object in 0..3 {
                self.wire.wait(100_000);
                let path = format!("/api/users/{}", 100 + number * 7 + object * 31);
                self.wire.up(&mut peer, format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
                self.wire.down(&mut peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
            self.wire.close(&mut peer);
        }
    }

    /// An honest client logs in.
    fn log_in(&mut self, number: u16) {
        self.wire.wait(200_000);
        let mut peer = self.wire.open((1_000 + u32::from(number)) * 8);
        let (request, answer) = honest(number);
        self.wire.up(&mut peer, request);
        self.wire.down(&mut peer, answer);
        self.wire.close(&mut peer);
    }

    fn step(&mut self, step: &Step) {
        let key = (step.client, step.connection);
        self.wire.wait(step.wait);
        let is_first = !self.open.contains_key(&key);
        let mut peer = self.open.get(&key).copied().unwrap_or_else(|| self.begin(step));
        let client = victim(self.family, step.client);
        let data = self.told(client, &step.data, is_first);
        if self.way == Way::SynData {
            // Each is a connection of its own.
            peer.sent = peer.sent.wrapping_add(0x10_0000);
            self.wire.put(&peer, Side::Client, SYN, data.as_bytes());
            let mut taken = peer;
            taken.sent = taken.sent.wrapping_add(1);
            self.wire.put(&taken, Side::Server, SYN | ACK, b"");
        } else if let Some(copy) = &step.copy {
            let copy = self.told(client, copy, is_first);
            let first = peer;
            self.wire.up(&mut peer, &data);
            self.wire.put(&first, Side::Client, PSH | ACK, copy.as_bytes());
        } else {
            self.wire.up(&mut peer, &data);
        }
        match (self.way, &step.answer) {
            (Way::Whole, Some(answer)) => self.wire.down(&mut peer, answer),
            (Way::Reset | Way::Guess, _) => self.wire.put(&peer, Side::Server, RST, b""),
            _ => {}
        }
        self.open.insert(key, peer);
    }

    /// What names the client comes with it.
    fn told(&self, client: IpAddr, data: &str, is_first: bool) -> String {
        match self.via {
            Via::Direct => data.to_owned(),
            Via::Forwarded => data.replacen("\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n"), 1),
            Via::Proxied if is_first => {
                let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
                format!("PROXY {family} {client} {} 50000 80\r\n{data}", self.family.server())
            }
            Via::Proxied => data.to_owned(),
        }
    }

    /// A connection as the way has it.
    fn begin(&mut self, step: &Step) -> Peer {
        let number = u16::from(step.client) * 64 + step.connection;
        let client = victim(self.family, step.client);
        let source = if self.via == Via::Direct { client } else { proxy(self.family) };
        let mut peer = self.wire.peer_at(source, 20_000 + number);
        match self.way {
            Way::Whole => return self.wire.shake(peer),
            Way::Data | Way::Reset | Way::SynData => {}
            Way::Syn => {
                self.wire.put(&peer, Side::Client, SYN, b"");
                peer.sent = peer.sent.wrapping_add(1);
            }
            Way::Guess => {
                self.wire.put(&peer, Side::Client, SYN, b"");
                peer.sent = peer.sent.wrapping_add(1);
                self.wire.put(&peer, Side::Server, SYN | ACK, b"");
                peer.received = self.wire.random.bits() as u32;
                self.wire.put(&peer, Side::Client, ACK, b"");
                self.wire.put(&peer, Side::Server, RST, b"");
            }
            Way::Inside => {
                peer = self.wire.shake(peer);
                let request =
                    self.told(client, "GET /api/users/100 HTTP/1.1\r\nHost: a.example\r\n\r\n", true);
                self.wire.up(&mut peer, request);
                self.wire.down(&mut peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                peer.sent = peer.sent.wrapping_add(1 << 30);
                peer.received = peer.received.wrapping_add(self.wire.random.bits() as u32 | 1 << 20);
            }
        }
        peer
    }

    /// Connections end in each way, and time passes.
    fn end(&mut self) {
        for ((_, number), peer) in std::mem::take(&mut self.open) {
            let flags = ENDS[usize::from(number) % ENDS.len()];
            if self.way != Way::Whole && flags != 0 {
                self.wire.put(&peer, Side::Client, flags, b"");
            }
        }
        for number in 100..120 {
            self.wire.wait(1_000_000);
            let mut peer = self.wire.open(number * 8);
            self.wire.close(&mut peer);
        }
    }
}
