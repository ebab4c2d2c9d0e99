//! Downloads and uploads of a server: much data over one TCP connection.

use std::io::{self, Read as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::netns::{FLOODER, Namespace, Net, SERVER_V4, v4};
use crate::wait::now;

/// Of one transfer, in MiB.
pub const MIB: u32 = 32;
const BYTES: u64 = (MIB as u64) << 20;

/// The server opens a connection and receives; returns how long that took.
///
/// # Errors
///
/// When the connection fails or bytes are missing.
pub fn download(net: &Net) -> Result<Duration> {
    let (_listener, acceptor, opener) = connect((&net.world, v4(FLOODER)), &net.server)?;
    transfer(acceptor, opener)
}

/// A client opens a connection to the server and sends; returns how long that took.
///
/// # Errors
///
/// When the connection fails or bytes are missing.
pub fn upload(net: &Net) -> Result<Duration> {
    // A server that listens no more could have opened the connection itself.
    let (_listener, acceptor, opener) = connect((&net.server, SERVER_V4), &net.world)?;
    transfer(opener, acceptor)
}

/// A listener and the two ends of a connection: the one that accepted it, and the one that opened it.
fn connect(
    (listens, at): (&Namespace, IpAddr),
    opens: &Namespace,
) -> Result<(TcpListener, TcpStream, TcpStream)> {
    let listener = listens.enter(|| TcpListener::bind((at, 0)))?;
    let target = listener.local_addr()?;
    let opener = opens.enter(|| TcpStream::connect(target))?;
    let (acceptor, _) = listener.accept()?;
    Ok((listener, acceptor, opener))
}

fn transfer(mut from: TcpStream, mut to: TcpStream) -> Result<Duration> {
    let began = now();
    let sender = thread::spawn(move || io::copy(&mut io::repeat(7).take(BYTES), &mut from));
    let total = io::copy(&mut to, &mut io::sink())?;
    sender.join().ok().context("the sender panicked")??;
    ensure!(total == BYTES, "{total} of {BYTES} bytes arrived");
    Ok(began.elapsed())
}
