//! A region as a pointer and a length.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::RegionError;
use crate::layout::{LINE, MIN_COUNT, SIZE_STEP, size_of_link};
use crate::sync::{Counter, DataWord, SharedU32, Stamp};

/// Bytes shared with a peer.
///
/// A clone is another handle to the same bytes. Links made from it copy in and out of them and
/// never hold a Rust reference to bytes that a peer may write.
///
/// # Invariants
/// `base` is aligned to 64 and valid for reads and writes of `len` bytes for as long as the
/// region, a clone of it, or anything made from one exists; `len` is at least the size of the
/// smallest link. Nobody in this program accesses the bytes except through atomics of the same
/// size, through this crate.
#[derive(Clone, Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are reached only through atomics and through copies that are free of data
// races; the pointer itself is never given out by a safe call.
unsafe impl Send for Region {}
// SAFETY: as for Send; all methods take &self and are atomic in effect.
unsafe impl Sync for Region {}

/// The bytes of a region from the start of one of its parts on, so that what is used often needs no
/// offset added.
///
/// # Invariants
/// Those of the region but its length and alignment; offsets count from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    base: NonNull<u8>,
    /// Bytes up to the region's end, which whoever made an offset has checked before.
    #[cfg(debug_assertions)]
    len: usize,
}

// SAFETY: as for a region.
unsafe impl Send for Part {}
// SAFETY: as for a region.
unsafe impl Sync for Part {}

const SMALLEST: usize = match size_of_link(MIN_COUNT, SIZE_STEP) {
    Ok(len) => len,
    Err(_) => unreachable!(),
};

impl Region {
    /// A region over bytes handed over for good; the peer reaches the same bytes by other means
    /// (another core, a device, a hypervisor).
    ///
    /// For both ends in one program use [`Region::pair_from_static`] or
    /// [`StaticRegion`](super::StaticRegion).
    ///
    /// # Errors
    /// [`RegionError`] where the bytes are not aligned to 64 or too few for any link.
    pub fn from_static(bytes: &'static mut [u8]) -> Result<Self, RegionError> {
        let len = bytes.len();
        // SAFETY: an exclusive reference for 'static is valid for ever and never used again, as
        // it was moved in here.
        unsafe { Self::from_raw(NonNull::from(bytes).cast(), len) }
    }

    /// The same region twice, for two cores or two contexts of one program.
    ///
    /// ```
    /// use hqq_core::{Link, Fixed, InitOptions, AttachOptions, Region, Role};
    /// #[repr(align(64))]
    /// struct Bytes([u8; 4096]);
    /// let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
    /// let (near, far) = Region::pair_from_static(&mut bytes.0)?;
    /// hqq_core::initialise(&near, &Fixed::<8, 64>::LAYOUT, &InitOptions::new())?;
    /// let mut near: Link<Fixed<8, 64>> = Link::attach(near, &AttachOptions::new(Role::Primary))?;
    /// let mut far: Link<Fixed<8, 64>> = Link::attach(far, &AttachOptions::new(Role::Secondary))?;
    /// near.try_send(b"over there")?;
    /// let mut message = [0; 64];
    /// assert_eq!(far.try_recv(&mut message)?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Region::from_static`].
    pub fn pair_from_static(bytes: &'static mut [u8]) -> Result<(Self, Self), RegionError> {
        let region = Self::from_static(bytes)?;
        Ok((region.clone(), region))
    }

    /// A region from a pointer and a length in bytes.
    ///
    /// # Errors
    /// As [`Region::from_static`].
    ///
    /// # Safety
    /// - `base` is valid for reads and writes of `len` bytes for as long as the region, a clone of
    ///   it, or anything made from one exists.
    /// - Meanwhile this program reaches these bytes only through this crate, or with atomic
    ///   accesses of the sizes PROTOCOL.md gives. What other programs, cores and devices do to
    ///   them is free.
    pub unsafe fn from_raw(base: NonNull<u8>, len: usize) -> Result<Self, RegionError> {
        let address = base.as_ptr().addr();
        if !address.is_multiple_of(LINE) {
            return Err(RegionError::Misaligned { address });
        }
        if len < SMALLEST {
            return Err(RegionError::TooSmall {
                needed: SMALLEST,
                found: len,
            });
        }
        Ok(Self { base, len })
    }

    /// Bytes in the region.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// What lies from `offset` on.
    ///
    /// # Safety
    /// `offset` is at most `len`.
    pub(super) unsafe fn part_from(&self, offset: usize) -> Part {
        debug_assert!(offset <= self.len);
        Part {
            // SAFETY: within the same allocation, by the caller's promise.
            base: unsafe { self.base.add(offset) },
            #[cfg(debug_assertions)]
            len: self.len - offset,
        }
    }
}

impl Part {
    /// What lies from `offset` on.
    ///
    /// # Safety
    /// As for [`Part::at`].
    pub(super) unsafe fn part_from(&self, offset: usize) -> Self {
        Self {
            // SAFETY: the caller's promise.
            base: unsafe { self.at(offset) },
            #[cfg(debug_assertions)]
            len: self.len - offset,
        }
    }

    /// A pointer to `offset` bytes from the start.
    ///
    /// # Safety
    /// `offset` is inside the region, or where it ends.
    #[inline]
    pub(super) unsafe fn at(&self, offset: usize) -> NonNull<u8> {
        #[cfg(debug_assertions)]
        debug_assert!(offset <= self.len);
        // SAFETY: within the same allocation, by the caller's promise.
        unsafe { self.base.add(offset) }
    }

    /// The part for what is found in it.
    // By value: after each access to shared memory a pointer that is reached through memory is fetched again.
    #[inline]
    pub(super) const fn view(&self) -> View<'_> {
        View {
            part: *self,
            lifetime: PhantomData,
        }
    }

    /// As [`View::word32`].
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(super) unsafe fn word32(&self, offset: usize) -> &SharedU32 {
        // SAFETY: the caller's promise is the same.
        unsafe { self.view().word32(offset) }
    }

    /// As [`View::counter`].
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(super) unsafe fn counter(&self, offset: usize) -> &Counter {
        // SAFETY: the caller's promise is the same.
        unsafe { self.view().counter(offset) }
    }

    /// As [`View::data`].
    ///
    /// # Safety
    /// As there.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(super) unsafe fn data(&self, offset: usize) -> &DataWord {
        // SAFETY: the caller's promise is the same.
        unsafe { self.view().data(offset) }
    }
}

/// A part as slots and buffers hold it: by value.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    part: Part,
    lifetime: PhantomData<&'a Part>,
}

impl<'a> View<'a> {
    /// The part itself.
    pub(super) const fn part(&self) -> &Part {
        &self.part
    }

    /// As [`Part::at`].
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(super) unsafe fn at(self, offset: usize) -> NonNull<u8> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.part.at(offset) }
    }

    /// The 32-bit word at `offset`.
    ///
    /// # Safety
    /// `offset` is a multiple of 4, the word lies inside the region, and is a 32-bit word by
    /// PROTOCOL.md.
    #[inline]
    pub(super) unsafe fn word32(self, offset: usize) -> &'a SharedU32 {
        // SAFETY: in bounds, by the caller's promise.
        let word = unsafe { self.at(offset) };
        // SAFETY: aligned and in bounds by the caller's promise, valid for the region's life, and
        // an atomic may be shared with anybody.
        unsafe { word.cast().as_ref() }
    }

    /// The stamp at `offset`.
    ///
    /// # Safety
    /// `offset` is that of a slot inside the region.
    #[inline]
    pub(super) unsafe fn stamp(self, offset: usize) -> &'a Stamp {
        // SAFETY: in bounds, by the caller's promise.
        let word = unsafe { self.at(offset) };
        // SAFETY: as in `word32`.
        unsafe { word.cast().as_ref() }
    }

    /// The claim counter at `offset`.
    ///
    /// # Safety
    /// `offset` is that of a claim counter inside the region.
    #[inline]
    pub(super) unsafe fn counter(self, offset: usize) -> &'a Counter {
        // SAFETY: in bounds, by the caller's promise.
        let word = unsafe { self.at(offset) };
        // SAFETY: as in `word32`.
        unsafe { word.cast().as_ref() }
    }

    /// The operand or eight bytes of payload at `offset`.
    ///
    /// # Safety
    /// `offset` is a multiple of 8 and the eight bytes lie inside a slot (not its stamp) or a
    /// buffer of the region.
    #[inline]
    pub(super) unsafe fn data(self, offset: usize) -> &'a DataWord {
        // SAFETY: in bounds, by the caller's promise.
        let word = unsafe { self.at(offset) };
        // SAFETY: as in `word32`.
        unsafe { word.cast().as_ref() }
    }
}

/// A place in a part that moves on from call to call.
#[cfg(target_pointer_width = "64")]
#[derive(Debug)]
pub(super) struct Rover(*mut u8);

// SAFETY: as for a region.
#[cfg(target_pointer_width = "64")]
unsafe impl Send for Rover {}
// SAFETY: as for a region.
#[cfg(target_pointer_width = "64")]
unsafe impl Sync for Rover {}

#[cfg(target_pointer_width = "64")]
impl Part {
    /// A place `offset` bytes from the start.
    pub(super) const fn rover(&self, offset: usize) -> Rover {
        Rover(self.base.as_ptr().wrapping_add(offset))
    }
}

#[cfg(target_pointer_width = "64")]
impl Rover {
    /// Moves on.
    #[inline]
    pub(super) const fn step(&mut self, bytes: usize) {
        self.0 = self.0.wrapping_add(bytes);
    }

    /// The `len` bytes here.
    ///
    /// # Safety
    /// They lie inside the region of the part.
    #[inline]
    pub(super) const unsafe fn view(&self, len: usize) -> View<'_> {
        #[cfg(not(debug_assertions))]
        let _ = len;
        View {
            part: Part {
                // SAFETY: inside the region, by the caller's promise.
                base: unsafe { NonNull::new_unchecked(self.0) },
                #[cfg(debug_assertions)]
                len,
            },
            lifetime: PhantomData,
        }
    }
}

static_assertions::assert_impl_all!(Region: Send, Sync, Clone, Unpin);
static_assertions::const_assert_eq!(size_of::<Stamp>(), 8);
static_assertions::const_assert_eq!(size_of::<Counter>(), 8);
static_assertions::const_assert_eq!(size_of::<DataWord>(), 8);
static_assertions::const_assert_eq!(size_of::<SharedU32>(), 4);
