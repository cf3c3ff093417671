//! What a member owns of a region: dropping it leaves its side, under the ATTACH lock, while the
//! memory is still mapped.

#![allow(
    unsafe_code,
    reason = "drops a value at a moment of its choosing, and vouches for an address"
)]

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use stable_deref_trait::StableDeref;

use crate::attach::{Attachment, SideByte};
use crate::trace::event;

/// A value that uses a region, and the side it keeps there, if any.
///
/// # Invariants
/// `inner` is dropped once, by `Drop`, before `attachment` is. No `&mut` to it is given out beyond
/// this crate: it could be exchanged for one of another attachment and outlive its memory.
pub(crate) struct Kept<T> {
    inner: ManuallyDrop<T>,
    attachment: Arc<Attachment>,
    side: Option<SideByte>,
}

impl<T> Kept<T> {
    /// A value whose drop leaves `side`.
    pub(crate) const fn new(inner: T, attachment: Arc<Attachment>, side: Option<SideByte>) -> Self {
        Self {
            inner: ManuallyDrop::new(inner),
            attachment,
            side,
        }
    }

    pub(crate) fn parts(&mut self) -> (&mut T, &Attachment) {
        (&mut self.inner, &self.attachment)
    }

    pub(crate) const fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Kept<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        // Handles of shared sides add up what they have counted, in memory that a child has not.
        crate::fork::notice_child();
        let leaving = self.side.map(|side| self.attachment.leave(side));
        // SAFETY: this is the only place that drops it, and it is not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        if leaving.is_some() {
            event!(DEBUG, path = %self.attachment.path().display(), role = %self.attachment.role(), "half closed");
        }
        drop(leaving);
    }
}

/// A [`Kept`] value that several handles share; the last one leaves its side.
pub struct SharedSide<T>(Arc<Kept<T>>);

impl<T> SharedSide<T> {
    pub(crate) fn new(kept: Kept<T>) -> Self {
        Self(Arc::new(kept))
    }
}

impl<T> Clone for SharedSide<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// SAFETY: it leads to the contents of its `Arc`, always the same one, wherever it is moved.
unsafe impl<T> StableDeref for SharedSide<T> {}

impl<T> Deref for SharedSide<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
