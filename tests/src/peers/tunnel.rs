//! A tunnel between the server and the world: two `tun` interfaces and a process that carries packets from one to the
//! other. Their frames begin with the IP header, as those of WireGuard and PPP do.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::netns::{Namespace, Net};

/// The interface at both ends.
pub const TUNNEL: &str = "tun0";
/// The server's end.
pub const SERVER_END: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 8, 0, 1));
/// The world's end.
pub const WORLD_END: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 8, 0, 2));
/// The world's end as well: where an Ethernet header would have its type, this source has that of IPv4, and behind it
/// what looks like the first bytes of an IPv4 header.
pub const AMBIGUOUS_END: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 0, 69, 2));

/// Opens one `tun` in its own namespace and one in that of its argument, and carries packets until it is ended.
const CARRIER: &str = r"
import ctypes, fcntl, os, select, struct, sys
name, other = sys.argv[1].encode(), sys.argv[2]
def tun():
    end = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(end, 0x400454ca, struct.pack('16sH14x', name, 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    return end
ends = [tun()]
if ctypes.CDLL(None, use_errno=True).setns(os.open(other, os.O_RDONLY), 0x40000000):
    raise OSError(ctypes.get_errno(), 'setns')
ends.append(tun())
print('ready', flush=True)
while True:
    for end in select.select(ends, [], [])[0]:
        try:
            os.write(ends[1 - ends.index(end)], os.read(end, 65536))
        except OSError:
            pass
";

/// Gives a `tun` another type of link, which no program here reads.
const RETYPE: &str = r"
import fcntl, os, struct, sys
end = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(end, 0x400454ca, struct.pack('16sH14x', sys.argv[1].encode(), 0x1001))
fcntl.ioctl(end, 0x400454cd, 32)  # TUNSETLINK: ARPHRD_INFINIBAND
";

/// The tunnel; dropping it ends the process that carries packets.
#[derive(Debug)]
pub struct Tunnel {
    carrier: Child,
}

impl Tunnel {
    /// Makes both interfaces, up and with their addresses.
    ///
    /// # Errors
    /// If `ip` or Python fails.
    pub fn new(net: &Net) -> Result<Self> {
        for namespace in [&net.server, &net.world] {
            namespace.ip(&format!("tuntap add dev {TUNNEL} mode tun\n"))?;
        }
        let mut carrier = net.server.command("python3");
        carrier.args(["-c", CARRIER, TUNNEL]).arg(net.world.path()).stdout(Stdio::piped());
        let mut tunnel = Self { carrier: carrier.spawn()? };
        let mut said = String::new();
        let out = tunnel.carrier.stdout.as_mut().context("no pipe")?;
        BufReader::new(out).read_line(&mut said)?;
        ensure!(said.trim() == "ready", "the carrier of the tunnel ended");
        net.server.ip(&format!(
            "addr add {SERVER_END}/24 dev {TUNNEL}\nlink set {TUNNEL} up\nroute add 8.0.69.0/24 dev {TUNNEL}\n"
        ))?;
        net.world.ip(&format!(
            "addr add {WORLD_END}/24 dev {TUNNEL}\naddr add {AMBIGUOUS_END}/32 dev {TUNNEL}\nlink set {TUNNEL} up\n"
        ))?;
        Ok(tunnel)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.carrier.kill().and_then(|()| self.carrier.wait());
    }
}

/// Makes an interface whose frames begin with what no program here reads.
///
/// # Errors
/// If `ip` or Python fails.
pub fn unreadable(namespace: &Namespace, name: &str) -> Result<()> {
    namespace.ip(&format!("tuntap add dev {name} mode tun\n"))?;
    let status = namespace.command("python3").args(["-c", RETYPE, name]).status()?;
    ensure!(status.success(), "the type of {name} cannot be changed");
    Ok(())
}
