//! eBPF programs of the tests and benchmarks. Never part of the product.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "packet bytes are reached through raw pointers")]

mod source;

use aya_ebpf::Global;
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_redirect;
use aya_ebpf::macros::{classifier, map, xdp};
use aya_ebpf::maps::ProgramArray;
use aya_ebpf::programs::{TcContext, XdpContext};

/// The program that [`varied_source`] measures, in its only entry.
#[map]
static TARGET: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The interface that [`generate`] sends out of.
#[unsafe(no_mangle)]
static OUT_INTERFACE: Global<u32> = Global::new(0);

/// The least that a program can do: the baseline of every measurement.
#[xdp]
fn empty_pass(_context: XdpContext) -> u32 {
    XDP_PASS
}

/// The least that a program can do to a flood.
#[xdp(frags)]
fn empty_drop(_context: XdpContext) -> u32 {
    XDP_DROP
}

/// Accepts every packet at tc: no later program runs (`TCX_PASS`).
#[classifier]
fn accept(_context: TcContext) -> i32 {
    0
}

/// Gives the frame its next source and hands it to the program in [`TARGET`].
///
/// `frags`, because the kernel lets a program call only such as agree with it in this.
#[xdp(frags)]
fn varied_source(context: XdpContext) -> u32 {
    if source::rewrite(&context) {
        // SAFETY: nothing is left behind: no value of this program has a destructor.
        unsafe { TARGET.tail_call(&context, 0) };
    }
    XDP_ABORTED
}

/// Gives the frame its next source and sends it out of [`OUT_INTERFACE`].
#[xdp]
fn generate(context: XdpContext) -> u32 {
    if !source::rewrite(&context) {
        return XDP_ABORTED;
    }
    // SAFETY: the helper takes two numbers.
    let action = unsafe { bpf_redirect(OUT_INTERFACE.load(), 0) };
    u32::try_from(action).unwrap_or(XDP_ABORTED)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
