//! Attaches the XDP program to interfaces, or adopts a link that an earlier daemon left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use aya::programs::{ProgramError, Xdp};
use nix::net::if_::if_nametoindex;
use sensor_common::abi::programs;
use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::link::{LinkLayer, link_facts};
use super::mount::pin_error;
use super::presence::Presence;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// In the driver, before the kernel allocates anything for the frame.
    Native,
    /// In the network stack, for drivers without support; slower.
    Generic,
}

impl XdpMode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Native, Self::Generic];

    /// The word that operators see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    const fn flags(self) -> aya::programs::XdpMode {
        match self {
            Self::Native => aya::programs::XdpMode::Driver,
            Self::Generic => aya::programs::XdpMode::Skb,
        }
    }
}

/// What the operator requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpChoice {
    /// Native if possible, else generic.
    #[default]
    Auto,
    /// Native only.
    Native,
    /// Generic only.
    Generic,
}

impl XdpChoice {
    const fn modes(self) -> &'static [XdpMode] {
        match self {
            Self::Auto => &[XdpMode::Native, XdpMode::Generic],
            Self::Native => &[XdpMode::Native],
            Self::Generic => &[XdpMode::Generic],
        }
    }
}

/// The program on one interface. Dropping it detaches, unless the link is pinned.
#[derive(Debug)]
pub struct Attachment {
    /// Name of the interface.
    pub interface: String,
    /// Its index.
    pub ifindex: u32,
    /// Its slot in the settings and counters.
    pub slot: u32,
    /// How the program is attached.
    pub mode: XdpMode,
    /// How frames start there; if no program can parse them, none is attached.
    pub layer: LinkLayer,
    /// Whether the link was adopted from an earlier daemon.
    pub adopted: bool,
    /// Whether the interface exists, when last checked.
    pub presence: Presence,
    /// How often the program was attached again after the interface had gone and come back.
    pub reattached: u64,
    /// Keeps an unpinned link alive.
    _link: Option<XdpLink>,
}

impl Attachment {
    /// An interface that should be served, but whose frames no program can parse.
    pub(super) fn unreadable(interface: &str, ifindex: u32, slot: u32) -> Self {
        Self {
            interface: interface.to_owned(),
            ifindex,
            slot,
            mode: XdpMode::Generic,
            layer: LinkLayer::Unreadable,
            adopted: false,
            presence: Presence::Unreadable,
            reattached: 0,
            _link: None,
        }
    }
}

/// Index of an interface.
///
/// # Errors
/// If there is no interface of that name.
pub fn index_of(interface: &str) -> Result<u32, KernelError> {
    if_nametoindex(interface).map_err(|_unknown| KernelError::UnknownInterface(interface.to_owned()))
}

/// The program for frames that start like this.
pub(super) const fn program_for(layer: LinkLayer) -> &'static str {
    match layer {
        LinkLayer::Ethernet | LinkLayer::Loopback | LinkLayer::Unreadable => programs::XDP,
        LinkLayer::Ip => programs::XDP_LAYER3,
    }
}

/// Attaches to one interface, whose frames start as `layer` says; `pins` is the directory of pinned links.
pub(super) fn attach(
    program: &mut Xdp,
    interface: &str,
    layer: LinkLayer,
    slot: u32,
    choice: XdpChoice,
    pins: Option<&Path>,
) -> Result<Attachment, KernelError> {
    let ifindex = index_of(interface)?;
    let pin = pins.map(|pins| pins.join(interface));
    let of = |(link, mode): (XdpLink, XdpMode), adopted: bool| Attachment {
        interface: interface.to_owned(),
        ifindex,
        slot,
        mode,
        layer,
        adopted,
        presence: Presence::Up,
        reattached: 0,
        _link: Some(link),
    };
    if let Some(pin) = &pin
        && let Some(link) = adopt(program, ifindex, choice, pin)?
    {
        return Ok(of(link, true));
    }
    let (link, mode) = attach_anew(program, interface, ifindex, choice)?;
    let link = match &pin {
        Some(pin) => pin_link(program, link, pin)?,
        None => link,
    };
    Ok(of((link, mode), false))
}

/// Replaces the program behind a pinned link, atomically for the kernel. `None` if there is no such link, its interface
/// is gone, or its mode is not the requested one.
fn adopt(
    program: &mut Xdp,
    ifindex: u32,
    choice: XdpChoice,
    pin: &Path,
) -> Result<Option<(XdpLink, XdpMode)>, KernelError> {
    let Ok(pinned) = PinnedLink::from_pin(pin) else { return Ok(None) };
    let facts = link_facts(ifindex)?;
    let wanted = facts.xdp.filter(|mode| choice.modes().contains(mode));
    let adopted = match (wanted, XdpLink::try_from(FdLink::from(pinned))) {
        (Some(mode), Ok(link)) => {
            program.attach_to_link(link).and_then(|id| program.take_link(id)).ok().map(|link| (link, mode))
        }
        _ => None,
    };
    if adopted.is_none() {
        remove_pin(pin)?;
        wait_for_detachment(ifindex, facts.program_id)?;
    }
    Ok(adopted)
}

/// How often to check whether a program has left, and the interval between checks.
const LOOKS: u32 = 400;
const BETWEEN: Duration = Duration::from_millis(5);

/// Waits until a program has left an interface: the kernel releases a removed pin's link only some time later, in a
/// worker, and until then nothing else can be attached. Another owner's program stays; the next attach reports it.
#[expect(clippy::disallowed_methods, reason = "nothing tells when a link has been let go of")]
fn wait_for_detachment(ifindex: u32, program_id: Option<u32>) -> Result<(), KernelError> {
    for _ in 0..LOOKS {
        if program_id.is_none() || link_facts(ifindex)?.program_id != program_id {
            break;
        }
        thread::sleep(BETWEEN);
    }
    Ok(())
}

fn attach_anew(
    program: &mut Xdp,
    interface: &str,
    ifindex: u32,
    choice: XdpChoice,
) -> Result<(XdpLink, XdpMode), KernelError> {
    let mut refused = None;
    for &mode in choice.modes() {
        let attached = program.attach_to_if_index(ifindex, mode.flags()).and_then(|id| program.take_link(id));
        match attached {
            Ok(link) => return Ok((link, mode)),
            Err(source) => {
                let (hint, is_taken) = (hint_of(&source), is_taken(&source));
                refused = Some(KernelError::Attach {
                    interface: interface.to_owned(),
                    mode: mode.label(),
                    source: Box::new(source),
                    hint,
                });
                if is_taken {
                    break;
                }
            }
        }
    }
    Err(refused.unwrap_or(KernelError::NoMap(programs::XDP)))
}

/// Whether another program is in the way, so that no other mode would work either.
fn is_taken(error: &ProgramError) -> bool {
    matches!(errno_of(error), Some(nix::libc::EBUSY | nix::libc::EEXIST))
}

fn errno_of(error: &ProgramError) -> Option<i32> {
    if let ProgramError::SyscallError(error) = error { error.io_error.raw_os_error() } else { None }
}

fn hint_of(error: &ProgramError) -> &'static str {
    if is_taken(error) {
        return "; another XDP program is attached, perhaps another sensor: \
             `bpftool net` shows whose, `ip link set dev IFACE xdp off` removes one that has no link";
    }
    match errno_of(error) {
        Some(nix::libc::EOPNOTSUPP) => "; the driver has no native XDP, `--xdp generic` works everywhere",
        Some(nix::libc::ERANGE | nix::libc::EINVAL) => {
            "; the MTU may be too large for native XDP: see `sensor doctor`"
        }
        _ => "",
    }
}

fn pin_link(program: &mut Xdp, link: XdpLink, pin: &Path) -> Result<XdpLink, KernelError> {
    let fd_link = FdLink::try_from(link).map_err(|error| unpinnable(pin, error.to_string()))?;
    let pinned = fd_link.pin(pin).map_err(|error| unpinnable(pin, error.to_string()))?;
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|error| unpinnable(pin, error.to_string()))?;
    // Only a program can replace another on a link; updating a link to the program it already has changes nothing.
    let adopted = program.attach_to_link(link).and_then(|id| program.take_link(id));
    adopted.map_err(|error| unpinnable(pin, error.to_string()))
}

fn unpinnable(pin: &Path, why: String) -> KernelError {
    pin_error(pin, "pinning the link", io::Error::other(why))
}

/// Removes a pinned link; when the last reference is gone, the program leaves the interface.
pub(super) fn remove_pin(pin: &Path) -> Result<(), KernelError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(pin_error(pin, "removing the pin", error))
        }
        _ => Ok(()),
    }
}

/// The pinned links in a directory.
pub(super) fn pinned_links(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
