//! What leads from a handle to its side.

use stable_deref_trait::StableDeref;

/// What leads to a side, always the same one: a reference, an `Arc`, or [`Owned`]. Sealed by what
/// it leads to.
#[doc(hidden)]
pub trait SideRef {
    type Side;
    /// No other thread uses the side.
    const ALONE: bool;
    fn side(&self) -> &Self::Side;
}

impl<T> SideRef for T
where
    T: StableDeref,
    T::Target: Sized,
{
    type Side = T::Target;
    const ALONE: bool = false;

    #[inline]
    fn side(&self) -> &T::Target {
        self
    }
}

/// A side that could be shared, owned by the one handle that uses it.
pub struct Owned<S>(pub(super) S);

impl<S> SideRef for Owned<S> {
    type Side = S;
    const ALONE: bool = true;

    #[inline]
    fn side(&self) -> &S {
        &self.0
    }
}
