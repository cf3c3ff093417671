//! Buffer count and size as types.

use super::Layout;

/// Buffer count and size of a link: known at compile time ([`Fixed`]) or read from the region
/// ([`Dynamic`]). The code above it is the same.
pub trait Geometry: Copy + Send + Sync + 'static + sealed::Sealed {
    /// The only count and size this type can have, where that is so.
    const EXPECTED: Option<(usize, usize)>;

    /// The geometry for a region with this count and size, or `None` where the type has another.
    fn matching(count: usize, size: usize) -> Option<Self>;
    /// Buffers in each direction, a power of two.
    fn count(&self) -> usize;
    /// Bytes in each buffer.
    fn size(&self) -> usize;
    /// The count minus 1: the bits of a position that are an index.
    fn mask(&self) -> usize;
}

mod sealed {
    pub trait Sealed {}
}

/// A geometry that the compiler knows: `COUNT` buffers of `SIZE` bytes in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fixed<const COUNT: usize, const SIZE: usize>;

impl<const COUNT: usize, const SIZE: usize> Fixed<COUNT, SIZE> {
    /// The compact layout of this geometry; a geometry that no region can have does not compile.
    pub const LAYOUT: Layout = match Layout::compact(COUNT, SIZE) {
        Ok(layout) => layout,
        Err(_) => panic!("COUNT must be a power of two from 2 to 16384, SIZE a multiple of 8"),
    };
}

impl<const COUNT: usize, const SIZE: usize> sealed::Sealed for Fixed<COUNT, SIZE> {}

impl<const COUNT: usize, const SIZE: usize> Geometry for Fixed<COUNT, SIZE> {
    const EXPECTED: Option<(usize, usize)> = Some((COUNT, SIZE));

    #[inline]
    fn matching(count: usize, size: usize) -> Option<Self> {
        (count == Self::LAYOUT.count && size == Self::LAYOUT.size).then_some(Self)
    }

    #[inline]
    fn count(&self) -> usize {
        COUNT
    }

    #[inline]
    fn size(&self) -> usize {
        SIZE
    }

    #[inline]
    fn mask(&self) -> usize {
        COUNT - 1
    }
}

/// A geometry known at run time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Dynamic {
    /// What is used with each message, unlike the count.
    mask: usize,
    size: usize,
}

impl sealed::Sealed for Dynamic {}

impl Geometry for Dynamic {
    const EXPECTED: Option<(usize, usize)> = None;

    #[inline]
    fn matching(count: usize, size: usize) -> Option<Self> {
        let mask = count.checked_sub(1)?;
        Some(Self { mask, size })
    }

    #[inline]
    fn count(&self) -> usize {
        self.mask + 1
    }

    #[inline]
    fn size(&self) -> usize {
        self.size
    }

    #[inline]
    fn mask(&self) -> usize {
        self.mask
    }
}
