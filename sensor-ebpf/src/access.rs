//! From a context to bytes: every direct access to packet memory is in this file.

use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::{TcContext, XdpContext};
use sensor_common::packet::Frame;

/// The linear part of a frame.
pub(crate) struct Linear {
    data: usize,
    end: usize,
}

/// No header that the parser reads starts beyond this offset: 22 bytes of link headers, 40 of IPv6 and eight
/// extension headers of 2,048. The verifier wants the bound, and accepts offsets below 65,536.
const MAX_OFFSET: usize = 0x7fff;

impl Linear {
    /// The linear part of the context's frame.
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self { data: context.data(), end: context.data_end() }
    }

    /// The linear part of a socket buffer.
    #[inline(always)]
    pub(crate) fn of_skb(context: &TcContext) -> Self {
        Self { data: context.data(), end: context.data_end() }
    }

    /// Its bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> u64 {
        self.end.wrapping_sub(self.data) as u64
    }
}

impl Frame for Linear {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let start = self.data.wrapping_add(offset);
        if start.wrapping_add(N) > self.end {
            return None;
        }
        // SAFETY: `start..start + N` was just compared with the end of the packet, the bytes stay valid for
        // the run of the program, and byte arrays have no alignment.
        Some(unsafe { &*(start as *const [u8; N]) })
    }
}

/// Bytes of the whole frame, with the fragments of a multi-buffer one.
#[inline(always)]
pub(crate) fn frame_len(context: &XdpContext) -> u64 {
    // SAFETY: the helper reads the context only.
    unsafe { bpf_xdp_get_buff_len(context.ctx) }
}

/// Index of the interface that the frame came from.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the context holds 32 bits")]
pub(crate) fn ingress_ifindex(context: &XdpContext) -> u32 {
    context.ingress_ifindex() as u32
}
