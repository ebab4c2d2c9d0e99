//! eBPF programs of the tests and benchmarks. Never part of the product.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "packet bytes are reached through raw pointers")]

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

/// The least that a program can do: the floor under every measurement.
#[xdp]
fn empty_pass(_context: XdpContext) -> u32 {
    XDP_PASS
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
