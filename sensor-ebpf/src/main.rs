//! The sensor's kernel side: only entry points; a packet's path starts in `verdict.rs`.
//!
//! Architecture invariant: no policy decisions here. The program has limits, prefixes and a mode; the reasons are user
//! space's business, and without user space the last ones stay in force.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "map values and packet bytes are reached through raw pointers")]

mod access;
mod admit;
mod answer;
mod atomic;
mod bucket;
mod budget;
mod burst;
mod clock;
mod cookie;
mod count;
mod fragment;
mod instruction;
mod limit;
mod maps;
mod mirror;
mod notice;
mod offload;
mod policy;
mod proof;
mod ring;
mod runtime;
mod sight;
mod site;
mod too_many;
mod verdict;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use sensor_common::abi::{MirrorDirection, Verdict};

/// Limits and blocks packets that arrive on an interface.
#[xdp(frags)]
#[inline(always)]
fn sensor_xdp(context: XdpContext) -> u32 {
    action(verdict::judge::<false>(&context))
}

/// The same on interfaces whose frames start with the IP header.
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
        Verdict::Answer => XDP_TX,
    }
}

/// Writes the data plane's time where user space can read it; run by user space, never attached.
#[xdp]
fn sensor_clock(_context: XdpContext) -> u32 {
    clock::publish();
    XDP_PASS
}

/// `TCX_NEXT` and `TC_ACT_UNSPEC`: the next program decides.
const NEXT: i32 = -1;

/// Mirrors requests, at tc ingress: after XDP, so packets that it drops are not seen here.
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

/// Answers requests over the limit that XDP hands on, at tc ingress and before the mirror.
#[classifier]
#[inline(always)]
fn sensor_too_many(context: TcContext) -> i32 {
    too_many::answer(&context)
}

/// Mirrors requests on interfaces whose frames start with the IP header.
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

/// Mirrors both directions at tc ingress of an inner interface.
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
