//! Memory for secrets: left out of core dumps, not swapped out as far as the process may lock memory, and wiped when
//! given back.
//!
//! Regions of whole pages, each divided into slots of one size. They stay for good, and their number follows from the
//! bounds of what is kept in them: secrets that wait, keys of open connections, expanded keys.
#![expect(unsafe_code, reason = "places in mapped memory")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use nix::libc;

/// Bytes of a region: some hundred secrets.
const REGION: usize = 64 << 10;
/// Slots' sizes are multiples of this, and no type kept in one needs more alignment.
const STEP: usize = 16;
/// Largest slot: an expanded key of AES-256-GCM has some 550 bytes.
const MAX_SLOT: usize = 1 << 10;
const CLASSES: usize = MAX_SLOT / STEP;

/// A value in such memory.
pub struct Guarded<T> {
    place: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: it owns the value, like a `Box`.
unsafe impl<T: Send> Send for Guarded<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Guarded<T> {}

/// Free slots of one size.
struct Class(Vec<NonNull<u8>>);

// SAFETY: nobody else has these places.
unsafe impl Send for Class {}

static FREE: [Mutex<Class>; CLASSES] = [const { Mutex::new(Class(Vec::new())) }; CLASSES];

/// The class of a type; it does not compile for one that fits none.
const fn class_of<T>() -> usize {
    assert!(
        size_of::<T>() <= MAX_SLOT && size_of::<T>() > 0 && align_of::<T>() <= STEP,
        "no slot is large enough"
    );
    size_of::<T>().div_ceil(STEP).saturating_sub(1)
}

impl<T> Guarded<T> {
    const CLASS: usize = class_of::<T>();

    /// Moves a value there. The copy that it is moved from is the caller's to wipe.
    pub fn new(value: T) -> Self {
        let place = take(Self::CLASS).cast::<T>();
        // SAFETY: the place is as large as the type and aligned, and nobody else has it.
        unsafe { place.write(value) };
        Self { place, owns: PhantomData }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it holds a value until this is dropped.
        unsafe { self.place.as_ref() }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; this is borrowed exclusively.
        unsafe { self.place.as_mut() }
    }
}

impl<T: Clone> Clone for Guarded<T> {
    fn clone(&self) -> Self {
        Self::new((**self).clone())
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Guarded")
    }
}

impl<T: PartialEq> PartialEq for Guarded<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Guarded<T> {}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: it holds a value, which is not used after this.
        unsafe { self.place.drop_in_place() };
        let place = self.place.cast::<u8>();
        wipe(place, size_of::<T>());
        give_back(Self::CLASS, place);
    }
}

/// Writes that the compiler may not leave out.
fn wipe(place: NonNull<u8>, bytes: usize) {
    for at in 0..bytes {
        // SAFETY: within a slot of at least that many bytes, which holds no value any more.
        let byte = unsafe { place.add(at) };
        // SAFETY: as above.
        unsafe { byte.write_volatile(0) };
    }
}

fn take(class: usize) -> NonNull<u8> {
    let Some(free) = FREE.get(class) else { out_of_memory() };
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    if free.0.is_empty() {
        let region = map();
        let size = class.saturating_add(1).saturating_mul(STEP);
        for number in 0..REGION.checked_div(size).unwrap_or(0) {
            // SAFETY: a whole slot within the region.
            free.0.push(unsafe { region.add(number.saturating_mul(size)) });
        }
    }
    free.0.pop().unwrap_or_else(|| out_of_memory())
}

fn give_back(class: usize, place: NonNull<u8>) {
    if let Some(free) = FREE.get(class) {
        free.lock().unwrap_or_else(PoisonError::into_inner).0.push(place);
    }
}

/// A new region.
fn map() -> NonNull<u8> {
    let (writable, own) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of its own, where the kernel chooses.
    let region = unsafe { libc::mmap(std::ptr::null_mut(), REGION, writable, own, -1, 0) };
    if region == libc::MAP_FAILED {
        out_of_memory();
    }
    // SAFETY: of the region; its contents do not change.
    let left_out = unsafe { libc::madvise(region, REGION, libc::MADV_DONTDUMP) };
    // SAFETY: as above.
    let locked = unsafe { libc::mlock(region, REGION) };
    if left_out != 0 || locked != 0 {
        // Beyond RLIMIT_MEMLOCK; swap is the operator's to encrypt.
        let error = io::Error::last_os_error();
        tracing::debug!(%error, "memory for secrets may be swapped out");
    }
    NonNull::new(region.cast()).unwrap_or_else(|| out_of_memory())
}

/// As the standard library does it.
fn out_of_memory() -> ! {
    std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; REGION]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags of the mapping that has an address (proc_pid_smaps(5)).
    fn flags_at(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let range = range.and_then(|(from, to)| {
                Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
            });
            if let Some((from, to)) = range {
                inside = (from..to).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        Vec::new()
    }

    #[test]
    fn it_is_left_out_of_core_dumps_and_locked() {
        let secret = Guarded::new([7_u8; 48]);
        let flags = flags_at(secret.as_ptr().addr());
        assert!(flags.contains(&"dd".to_owned()), "no core dump has it: {flags:?}");
        assert!(flags.contains(&"lo".to_owned()), "it is not swapped out: {flags:?}");
        let elsewhere = Box::new([7_u8; 48]);
        assert!(!flags_at(elsewhere.as_ptr().addr()).contains(&"dd".to_owned()), "other memory is not so");
    }

    #[test]
    fn it_is_wiped_before_anybody_else_has_it() {
        // A size that nothing else in this process has.
        let secret = Guarded::new([0xa5_u8; 1_000]);
        let (address, place) = (secret.as_ptr().addr(), secret.place);
        drop(secret);
        let free = FREE[Guarded::<[u8; 1_000]>::CLASS].lock().unwrap();
        assert!(free.0.iter().any(|free| free.as_ptr().addr() == address));
        // SAFETY: the region stays, and the lock is held: nobody writes there.
        let left = unsafe { place.as_ref() };
        assert!(left.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn values_are_kept_apart() {
        let many: Vec<Guarded<u64>> = (0..20_000).map(Guarded::new).collect();
        assert!(many.iter().zip(0..).all(|(value, expected)| **value == expected));
        let again = many.clone();
        drop(many);
        let mut others: Vec<Guarded<u64>> = (0..20_000).map(|_| Guarded::new(u64::MAX)).collect();
        *others[0] = 1;
        assert!(again.iter().zip(0..).all(|(value, expected)| **value == expected));
    }

    #[test]
    fn what_it_holds_is_dropped() {
        let shared = std::sync::Arc::new(());
        let guarded = Guarded::new(shared.clone());
        assert_eq!(std::sync::Arc::strong_count(&shared), 2);
        drop(guarded);
        assert_eq!(std::sync::Arc::strong_count(&shared), 1);
    }
}
