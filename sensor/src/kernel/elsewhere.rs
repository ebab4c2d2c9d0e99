//! Servers in other network namespaces: containers.
//!
//! Their processes may be looked at only while the daemon still has its privileges. Which control groups are containers'
//! anybody may see at any time.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, all_processes};

/// Most namespaces looked at.
const MAX_NAMESPACES: usize = 1_024;

/// Processes of other network namespaces that hold a listening socket there.
#[must_use]
pub fn servers_elsewhere() -> Vec<i32> {
    let Some(own) = namespace_of("self") else { return Vec::new() };
    let mut namespaces: BTreeMap<u64, Vec<Process>> = BTreeMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let Some(namespace) = namespace_of(&process.pid.to_string()).filter(|namespace| *namespace != own)
        else {
            continue;
        };
        if namespaces.len() < MAX_NAMESPACES || namespaces.contains_key(&namespace) {
            namespaces.entry(namespace).or_default().push(process);
        }
    }
    namespaces.values().flat_map(|processes| servers_among(processes)).collect()
}

fn namespace_of(process: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{process}/ns/net")).ok().map(|about| about.ino())
}

/// Of processes of one namespace.
fn servers_among(processes: &[Process]) -> Vec<i32> {
    let Some(any) = processes.first() else { return Vec::new() };
    let sockets = [any.tcp(), any.tcp6()].into_iter().flatten().flatten();
    let listening: HashSet<u64> =
        sockets.filter(|entry| entry.state == TcpState::Listen).map(|entry| entry.inode).collect();
    let holds = |process: &&Process| {
        process.fd().is_ok_and(|descriptors| {
            descriptors
                .flatten()
                .any(|descriptor| matches!(descriptor.target, FDTarget::Socket(inode) if listening.contains(&inode)))
        })
    };
    processes.iter().filter(holds).map(|process| process.pid).collect()
}

/// Whether one of these processes publishes ports of containers by listening for them on the host, while packets from
/// elsewhere are translated before they reach it.
#[must_use]
pub fn publishes_containers(processes: &[i32]) -> bool {
    let name = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    processes.iter().any(|pid| matches!(name(pid).trim_end(), "docker-proxy" | "rootlessport"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_in_this_namespace_is_elsewhere() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!servers_elsewhere().contains(&own));
        let this = Process::myself().unwrap();
        assert_eq!(servers_among(&[this]), [own], "but it is a server");
        drop(listener);
        assert!(!publishes_containers(&[own, -1]));
    }
}
