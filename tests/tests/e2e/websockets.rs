//! WebSockets of a real server, Node.js, beside what it counted itself: after an upgrade in clear and in TLS, and in streams of
//! HTTP/2 (RFC 8441).

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::Net;
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::site::{Server, site};
use sensor_tests::scene::config;
use sensor_tests::seen::{difference, tally};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use sensor_tests::watched::Watched;
use serde_json::Value;

/// Frames of both sides, as RFC 6455, section 5.2, has them; used by the server and by the client.
const FRAMES: &str = r"
const crypto = require('crypto');
// The frames in a stream of bytes: on a message or a control frame, each with opcode, whether it ends a message, and length.
exports.reader = found => {
  let rest = Buffer.alloc(0);
  return bytes => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < 2) return;
      let length = rest[1] & 127, head = 2 + (rest[1] & 128 ? 4 : 0) + (length === 126 ? 2 : length === 127 ? 8 : 0);
      if (rest.length < head) return;
      if (length === 126) length = rest.readUInt16BE(2); else if (length === 127) length = Number(rest.readBigUInt64BE(2));
      if (rest.length < head + length) return;
      found(rest[0] & 15, !!(rest[0] & 128), length);
      rest = rest.subarray(head + length);
    }
  };
};
exports.frame = (opcode, ends, length, masked) => {
  const head = [(ends ? 128 : 0) | opcode], mask = masked ? 128 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65536) head.push(mask | 126, length >> 8, length & 255);
  else head.push(mask | 127, 0, 0, 0, 0, length >>> 24, length >> 16 & 255, length >> 8 & 255, length & 255);
  return Buffer.concat([Buffer.from(head), crypto.randomBytes(length + (masked ? 4 : 0))]);
};
";

/// Answers each message with one of the same length in two fragments, each ping with a pong, and a close frame with one; logs
/// what was sent in each socket.
const SERVER: &str = r"
const http = require('http'), https = require('https'), http2 = require('http2'), fs = require('fs');
const crypto = require('crypto'), { reader, frame } = require('./frames.js');
const log = fs.createWriteStream('sockets.log');
const serve = (stream, path) => {
  const client = [0, 0, 0], server = [0, 0, 0];
  let whole = 0;
  const end = () => log.write(`${path} ${client.join(' ')} ${server.join(' ')}\n`);
  stream.on('error', () => {}).on('end', () => stream.end()).once('close', end);
  stream.on('data', reader((opcode, ends, length) => {
    if (opcode & 8) {
      client[2]++; server[2]++;
      stream.write(frame(opcode === 9 ? 10 : 8, true, 0, false));
      if (opcode === 8) stream.end();
      return;
    }
    client[1] += length; whole += length;
    if (!ends) return;
    client[0]++; server[0]++; server[1] += whole;
    stream.write(Buffer.concat([frame(2, false, whole >> 1, false), frame(0, true, whole - (whole >> 1), false)]));
    whole = 0;
  }));
};
const upgrade = (request, socket) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  serve(socket, request.url);
};
const pair = { key: fs.readFileSync('key'), cert: fs.readFileSync('crt') };
http.createServer().on('upgrade', upgrade).listen(9451, '0.0.0.0');
https.createServer(pair).on('upgrade', upgrade).listen(9452, '0.0.0.0');
http2.createSecureServer({ ...pair, settings: { enableConnectProtocol: true } }).on('stream', (stream, headers) => {
  stream.respond({ ':status': 200 });
  serve(stream, headers[':path']);
}).listen(9453, '0.0.0.0');
";

/// Sockets of every kind with messages of every length of frame headers. Some are closed, some just end; those of HTTP/2 are
/// streams of one connection, at the same time.
const CLIENT: &str = r"
const net = require('net'), tls = require('tls'), http2 = require('http2'), crypto = require('crypto');
const { reader, frame } = require('./frames.js'), host = process.argv[2];
const lengths = [0, 1, 125, 126, 3000, 65535, 65536, 200000];
const talk = (stream, number, done) => {
  let left = number % 5 + 1;
  const say = () => {
    const length = lengths[(number + left) % lengths.length];
    if (left % 2) stream.write(frame(9, true, 4, true));
    stream.write(frame(1, false, length, true));
    stream.write(frame(0, true, 7, true));
  };
  stream.on('error', () => {}).on('close', done);
  say();
  return reader((opcode, ends) => {
    if (opcode === 8) stream.end();
    if (opcode & 8 || !ends) return;
    if (--left) say(); else if (number % 3) stream.write(frame(8, true, 2, true)); else stream.end();
  });
};
const upgraded = (connect, kind, number) => new Promise(done => {
  const stream = connect().setNoDelay(true);
  stream.on('error', () => {});
  stream.write(`GET /${kind}/${number} HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\n\r\n`);
  let head = '', read;
  stream.on('data', bytes => {
    if (read) return read(bytes);
    head += bytes.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    read = talk(stream, number, done);
    read(Buffer.from(head.slice(end + 4), 'latin1'));
  });
});
const streams = () => new Promise(done => {
  const session = http2.connect(`https://${host}:9453`, { rejectUnauthorized: false });
  session.on('remoteSettings', () => {
    let open = SOCKETS;
    for (let number = 1; number <= SOCKETS; number++) {
      const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': `/h2/${number}` });
      const ended = () => { if (!--open) { session.close(); done(); } };
      stream.on('response', () => stream.on('data', talk(stream, number, ended)));
    }
  });
});
(async () => {
  for (let number = 1; number <= SOCKETS; number++) {
    await upgraded(() => net.connect(9451, host), 'clear', number);
    await upgraded(() => tls.connect({ port: 9452, host, rejectUnauthorized: false }), 'tls', number);
  }
  await streams();
})();
";

/// Sockets of each kind.
const SOCKETS: usize = 60;
const PORTS: [u16; 3] = [9_451, 9_452, 9_453];

/// A socket that stays open until the client is ended.
const WAITING: &str = r"
exec 3<>/dev/tcp/$1/9451
printf 'GET /waits HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n' >&3
printf '\201\200mask' >&3
exec sleep 600
";

#[test]
fn websockets_are_told_as_the_server_counted_them() -> Result<()> {
    if tools::skipped("websockets_are_told_as_the_server_counted_them", &["node", "openssl"]) {
        return Ok(());
    }
    let (net, site) = (Net::new()?, site()?);
    let client = CLIENT.replace("SOCKETS", &SOCKETS.to_string());
    for (name, text) in [("frames.js", FRAMES), ("server.js", SERVER), ("client.js", &client)] {
        fs::write(site.path().join(name), text)?;
    }
    let server = Server::start(&net, site, ("node", &["server.js"]), PORTS[2])?;
    let watched = Watched::start(net, &config("monitor", "off"), &PORTS)?;
    let own = server.file("");
    browse(&watched.net, &own, "node client.js $1")?;
    let counted = || -> Result<_> {
        let lines = server.lines("sockets.log")?;
        ensure!(lines.len() == SOCKETS * PORTS.len(), "the server had {} sockets", lines.len());
        Ok(tally(lines.into_iter()))
    };
    let records = || -> Result<Vec<Value>> {
        PORTS.iter().try_fold(Vec::new(), |all, port| Ok([all, watched.records(*port)?].concat()))
    };
    let seen = || -> Result<BTreeMap<String, u64>> {
        let records = records()?;
        let ends = records.iter().filter(|record| record.get("websocket").is_some());
        Ok(tally(ends.map(|record| {
            let sent = ["client", "server"].map(|side| {
                ["messages", "bytes", "control_frames"]
                    .map(|what| record["websocket"][format!("{side}_{what}")].to_string())
                    .join(" ")
            });
            format!("{} {}", record["path"].as_str().unwrap_or_default(), sent.join(" "))
        })))
    };
    let _same =
        wait_until(PATIENCE, || counted().is_ok_and(|counted| seen().is_ok_and(|seen| seen == counted)));
    let (seen, counted) = (seen()?, counted()?);
    ensure!(seen == counted, "differs: {:?}, {}", difference(&seen, &counted), watched.losses()?);
    handshakes_and_ends_belong_together(&records()?)?;
    an_open_one_is_seen(&watched)
}

fn handshakes_and_ends_belong_together(records: &[Value]) -> Result<()> {
    let (ends, handshakes): (Vec<&Value>, Vec<&Value>) =
        records.iter().partition(|record| record.get("websocket").is_some());
    ensure!(handshakes.len() == ends.len(), "{} handshakes, {} ends", handshakes.len(), ends.len());
    for end in ends {
        ensure!(end["gaps"] == false && end["status"].is_null() && end["method"].is_null(), "{end}");
        let opened = end.pointer("/websocket/opened");
        let mut own = handshakes.iter().filter(|handshake| {
            let same = ["client_port", "path", "route", "http_version", "source", "proven"];
            handshake.get("ts") == opened && same.iter().all(|key| handshake[key] == end[key])
        });
        let handshake = own.next().with_context(|| format!("no handshake of {end}"))?;
        ensure!(handshake["status"] == if end["http_version"] == "2" { 200 } else { 101 }, "{handshake}");
    }
    Ok(())
}

/// What is open counts as open; when its flow ends without a frame, that is its end.
fn an_open_one_is_seen(watched: &Watched) -> Result<()> {
    let active =
        || watched.daemon.metrics().is_ok_and(|metrics| metrics.sum("sensor_websockets_active", &[]) == 1);
    let none =
        || watched.daemon.metrics().is_ok_and(|metrics| metrics.sum("sensor_websockets_active", &[]) == 0);
    ensure!(none(), "some are still open: {}", watched.daemon.metrics()?.text);
    let mut shell = watched.net.world.command("bash");
    shell.args(["-c", WAITING, "client", &sensor_tests::netns::SERVER_V4.to_string()]);
    let mut child = shell.stdin(Stdio::null()).spawn()?;
    let is_seen = wait_until(PATIENCE, active);
    child.kill()?;
    child.wait()?;
    ensure!(is_seen && wait_until(PATIENCE, none), "{}", watched.daemon.metrics()?.text);
    let told = || {
        watched.daemon.ok(&["exchanges"]).is_ok_and(|text| text.contains(" WebSocket a/waits closed after "))
    };
    ensure!(wait_until(PATIENCE, told), "{}", watched.daemon.ok(&["exchanges"])?);
    Ok(())
}
