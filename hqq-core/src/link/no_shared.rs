//! What stands in for links that several threads share, on targets where there can be none: using
//! one says why.

use core::convert::Infallible;
use core::marker::PhantomData;

use crate::layout::Geometry;

/// A target on which several threads or processes can share a side of a ring: one that compares
/// and swaps 64 bits at once. This one does not, so nothing has this trait here.
#[diagnostic::on_unimplemented(
    message = "a side of a ring cannot be shared on this target: it has no 64-bit atomics",
    label = "needs `target_has_atomic = \"64\"`",
    note = "members of a shared side claim slots by comparing and swapping a 64-bit word, which names the claimer",
    note = "use `Link`, which takes a side for one thread alone: it works on every target, and with 64-bit peers"
)]
pub trait SharedSides: Geometry {}

/// Not on this target: it has no 64-bit atomics. Use [`Link`](super::Link).
pub struct SharedLink<G: SharedSides>(PhantomData<G>, Infallible);

/// Not on this target: it has no 64-bit atomics, and format 1 claims every slot with one.
pub struct Format1Link<G: SharedSides>(PhantomData<G>, Infallible);
