//! The sensor's kernel side: entry points only; `verdict.rs` is where a packet's way starts.
//!
//! Architecture invariant: no policy lives here. The program knows limits, prefixes and a mode; why they are
//! what they are is user space's business, and without user space the last of them stay in force.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "map values and packet bytes are reached through raw pointers")]

mod access;
mod admit;
mod answer;
mod atomic;
mod clock;
mod count;
mod fragment;
mod limit;
mod maps;
mod mirror;
mod notice;
mod offload;
mod policy;
mod ring;
mod runtime;
mod verdict;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use sensor_common::abi::{MirrorDirection, Verdict};

/// Limits and blocks what arrives on an interface.
#[xdp(frags)]
#[inline(always)]
fn sensor_xdp(context: XdpContext) -> u32 {
    action(verdict::judge::<false>(&context))
}

/// The same on interfaces whose frames begin with the IP header.
#[xdp(frags)]
#[inline(always)]
fn sensor_xdp_layer3(context: XdpContext) -> u32 {
    action(verdict::judge::<true>(&context))
}

#[inline(always)]
const fn action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Pass | Verdict::WouldDrop => XDP_PASS,
        Verdict::Drop => XDP_DROP,
    }
}

/// Leaves the data plane's clock where user space can read it; run by user space, never attached.
#[xdp]
fn sensor_clock(_context: XdpContext) -> u32 {
    clock::publish();
    XDP_PASS
}

/// `TCX_NEXT` and `TC_ACT_UNSPEC`: whatever comes next decides.
const NEXT: i32 = -1;

/// Mirrors requests, at tc ingress: behind XDP, so what that drops is not seen here.
#[classifier]
#[inline(always)]
fn sensor_ingress(context: TcContext) -> i32 {
    mirror::mirror::<false>(&context, MirrorDirection::Ingress);
    NEXT
}

/// Mirrors responses, at tc egress.
#[classifier]
#[inline(always)]
fn sensor_egress(context: TcContext) -> i32 {
    mirror::mirror::<false>(&context, MirrorDirection::Egress);
    NEXT
}

/// Mirrors requests on interfaces whose frames begin with the IP header.
#[classifier]
#[inline(always)]
fn sensor_ingress_layer3(context: TcContext) -> i32 {
    mirror::mirror::<true>(&context, MirrorDirection::Ingress);
    NEXT
}

/// Mirrors responses on such interfaces.
#[classifier]
#[inline(always)]
fn sensor_egress_layer3(context: TcContext) -> i32 {
    mirror::mirror::<true>(&context, MirrorDirection::Egress);
    NEXT
}

/// Mirrors both directions at tc ingress of an interface that is only watched.
#[classifier]
#[inline(always)]
fn sensor_ingress_inner(context: TcContext) -> i32 {
    mirror::mirror_inner(&context, MirrorDirection::Ingress);
    NEXT
}

/// The same at its tc egress.
#[classifier]
#[inline(always)]
fn sensor_egress_inner(context: TcContext) -> i32 {
    mirror::mirror_inner(&context, MirrorDirection::Egress);
    NEXT
}
