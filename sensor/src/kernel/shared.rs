//! Array maps mapped into this process, read and written without a system call.

use std::marker::PhantomData;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aya::maps::MapData;
use bytemuck::Pod;
use memmap2::{MmapOptions, MmapRaw};

use super::error::KernelError;

/// An array map of `T`, whose entries the kernel may change at any time.
#[derive(Debug)]
pub(super) struct SharedArray<T> {
    memory: MmapRaw,
    len: usize,
    entry: PhantomData<T>,
}

impl<T: Pod> SharedArray<T> {
    /// Maps the first `len` entries of a map made with `BPF_F_MMAPABLE`.
    pub(super) fn new(map: &MapData, len: usize) -> Result<Self, KernelError> {
        Self::part(map, 0, len)
    }

    /// Maps `len` entries from `first` on, and whatever else is on their pages.
    pub(super) fn part(map: &MapData, first: usize, len: usize) -> Result<Self, KernelError> {
        const { assert!(size_of::<T>().is_multiple_of(8), "array maps pad their entries to eight bytes") };
        let bytes = len.saturating_mul(size_of::<T>());
        let offset = u64::try_from(first.saturating_mul(size_of::<T>())).unwrap_or(u64::MAX);
        let memory = MmapOptions::new()
            .offset(offset)
            .len(bytes)
            .map_raw(map.fd().as_fd().as_raw_fd())
            .map_err(KernelError::system("mapping a BPF map into memory"))?;
        Ok(Self { memory, len, entry: PhantomData })
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// A copy of one entry. Fields may be from different moments.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub(super) fn read(&self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        let base = self.memory.as_ptr().cast::<T>();
        // SAFETY: the index is below the number of entries that were mapped.
        let entry = unsafe { base.add(index) };
        // SAFETY: mapped, aligned (entries start on a page and keep 8-byte alignment), and any bits are a `T`.
        Some(unsafe { entry.read_volatile() })
    }

    /// Stores a 32-bit field of the first entry.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub(super) fn store_u32(&self, offset: usize, value: u32) {
        let place = self.field::<u32>(0, offset).cast::<u32>();
        // SAFETY: `field` returned an aligned pointer into the mapping, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(place) }.store(value, Ordering::Release);
    }

    /// Stores a 64-bit field of the first entry.
    pub(super) fn store_u64(&self, offset: usize, value: u64) {
        self.store_u64_of(0, offset, value);
    }

    /// Stores a 64-bit field of an entry.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub(super) fn store_u64_of(&self, index: usize, offset: usize, value: u64) {
        let place = self.field::<u64>(index, offset).cast::<u64>();
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(place) }.store(value, Ordering::Release);
    }

    /// Loads a 64-bit field of an entry, with acquire ordering for what was stored before it.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub(super) fn load_u64(&self, index: usize, offset: usize) -> u64 {
        let place = self.field::<u64>(index, offset).cast::<u64>();
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(place) }.load(Ordering::Acquire)
    }

    /// Offsets are `offset_of!` of a field of `T`: in bounds and aligned by construction, and checked, as the index is.
    #[expect(unsafe_code, clippy::panic, reason = "a wrong offset is a mistake in this room, never input")]
    fn field<F>(&self, index: usize, offset: usize) -> *mut u8 {
        let fits = offset.checked_add(size_of::<F>()).is_some_and(|end| end <= size_of::<T>());
        if !fits || !offset.is_multiple_of(align_of::<F>()) || index >= self.len {
            panic!("no field at offset {offset} of entry {index}");
        }
        // SAFETY: the index was just checked against the number of entries that were mapped.
        let entry = unsafe { self.memory.as_mut_ptr().cast::<T>().add(index) };
        // SAFETY: the offset was just checked against the entry's size.
        unsafe { entry.cast::<u8>().add(offset) }
    }
}
