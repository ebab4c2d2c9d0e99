//! Access to packet bytes: every direct access to packet memory is in this file.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::{TcContext, XdpContext};
use sensor_common::packet::{Frame, Walk, walk};

use crate::atomic;

/// The linear part of a frame; stacks of headers are followed by separate functions.
///
/// `LAYER3`: the frame starts with its IP header.
pub(crate) struct Linear<W, const LAYER3: bool = false> {
    data: usize,
    end: usize,
    walker: W,
}

/// What follows stacks of tags and chains of extension headers.
pub(crate) trait Walker {
    /// See [`walk::tags`].
    fn tags(&self, offset: usize, before: usize) -> Walk;
    /// See [`walk::extensions`].
    fn extensions(&self, first: u8, offset: usize) -> Walk;
}

/// No header that the parser reads starts beyond this offset. The verifier needs the bound, and accepts offsets below
/// 65,536.
const MAX_OFFSET: usize = 0x7fff;

impl<'a, const LAYER3: bool> Linear<&'a XdpContext, LAYER3> {
    /// The linear part of the context's frame.
    #[inline(always)]
    pub(crate) fn new(context: &'a XdpContext) -> Self {
        Self { data: context.data(), end: context.data_end(), walker: context }
    }
}

impl<'a, const LAYER3: bool> Linear<&'a TcContext, LAYER3> {
    /// The linear part of a socket buffer.
    #[inline(always)]
    pub(crate) fn of_skb(context: &'a TcContext) -> Self {
        Self { data: context.data(), end: context.data_end(), walker: context }
    }
}

/// A walk has no further walks.
impl Walker for () {
    #[inline(always)]
    fn tags(&self, _offset: usize, _before: usize) -> Walk {
        Walk::of(0)
    }

    #[inline(always)]
    fn extensions(&self, _first: u8, _offset: usize) -> Walk {
        Walk::of(0)
    }
}

macro_rules! walker {
    ($context:ty, $inner:ty, $tags:ident, $extensions:ident) => {
        impl Walker for &$context {
            #[inline(always)]
            fn tags(&self, offset: usize, before: usize) -> Walk {
                Walk::of($tags(self.as_ptr().cast(), offset as u64, before as u64))
            }

            #[inline(always)]
            fn extensions(&self, first: u8, offset: usize) -> Walk {
                Walk::of($extensions(self.as_ptr().cast(), first as u64, offset as u64))
            }
        }

        /// Exported: the verifier checks it once and on its own, however many places call it.
        #[expect(clippy::cast_possible_truncation, reason = "`usize` has 64 bits in BPF")]
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $tags(context: *mut $inner, offset: u64, before: u64) -> u64 {
            // SAFETY: the verifier knows that the argument is the program's context.
            let (data, end) = unsafe { ((*context).data as usize, (*context).data_end as usize) };
            walk::tags(&Linear::<_, false> { data, end, walker: () }, offset as usize, before as usize)
                .number()
        }

        /// As above.
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $extensions(context: *mut $inner, first: u64, offset: u64) -> u64 {
            // SAFETY: as above.
            let (data, end) = unsafe { ((*context).data as usize, (*context).data_end as usize) };
            let first = (first & 0xff) as u8;
            walk::extensions(&Linear::<_, false> { data, end, walker: () }, first, offset as usize).number()
        }
    };
}

walker!(XdpContext, xdp_md, xdp_tags, xdp_extensions);
walker!(TcContext, __sk_buff, tc_tags, tc_extensions);

impl<W, const LAYER3: bool> Linear<W, LAYER3> {
    /// Its bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> u64 {
        self.end.wrapping_sub(self.data) as u64
    }
}

impl<W: Walker, const LAYER3: bool> Frame for Linear<W, LAYER3> {
    const LAYER3: bool = LAYER3;

    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        // Bounded again at its use: the comparison may have been of a copy, about which the verifier of Linux 6.1 has
        // forgotten everything.
        let start = self.data.wrapping_add(bounded(offset));
        if start.wrapping_add(N) > self.end {
            return None;
        }
        // SAFETY: `start..start + N` was just compared with the end of the packet, the bytes stay valid for
        // the run of the program, and byte arrays have no alignment.
        Some(unsafe { &*(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn tags(&self, offset: usize, before: usize) -> Walk {
        self.walker.tags(offset, before)
    }

    #[inline(always)]
    fn extensions(&self, first: u8, offset: usize) -> Walk {
        self.walker.extensions(first, offset)
    }

    /// The verifier does not see that two exclusive ors with the same number restore the original.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "`usize` has 64 bits in BPF")]
    fn forget(number: usize, unknown: u16) -> usize {
        (atomic::opaque(number as u64 ^ unknown as u64) ^ unknown as u64) as usize
    }
}

/// The offset, at most [`MAX_OFFSET`], masked so that the verifier sees the bound.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "`usize` has 64 bits in BPF")]
fn bounded(offset: usize) -> usize {
    atomic::opaque(offset as u64) as usize & MAX_OFFSET
}

/// Length of the whole frame, including the fragments of a multi-buffer one.
#[inline(always)]
pub(crate) fn frame_len(context: &XdpContext) -> u64 {
    // SAFETY: the helper only reads the context.
    unsafe { bpf_xdp_get_buff_len(context.ctx) }
}

/// Index of the interface that the frame came from.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the context holds 32 bits")]
pub(crate) fn ingress_ifindex(context: &XdpContext) -> u32 {
    context.ingress_ifindex() as u32
}
