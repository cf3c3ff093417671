//! Which types may go to other threads, and how large a static region is.

use hqq_core::{
    Dynamic, ExclusiveReceiver, ExclusiveSender, Fixed, Geometry, Layout, LayoutError, Link,
    StaticRegion, TryRecvError, size_of_link,
};
use static_assertions::{assert_impl_all, const_assert_eq};

assert_impl_all!(Link<Dynamic>: Send);
assert_impl_all!(Link<Fixed<2, 8>>: Send);
assert_impl_all!(ExclusiveSender<Dynamic>: Send);
assert_impl_all!(ExclusiveReceiver<Dynamic>: Send);
assert_impl_all!(StaticRegion<2, 8>: Sync);
const_assert_eq!(StaticRegion::<2, 8>::LEN, 1920);

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared {
    use super::*;
    use hqq_core::ring::Handle;
    use hqq_core::ring::shared::{SharedConsumer, SharedProducer};
    use hqq_core::{Receiver, Sender, SharedLink};

    assert_impl_all!(SharedLink<Dynamic>: Send, Sync);
    assert_impl_all!(Sender<Handle<&'static SharedProducer<Dynamic>>>: Send);
    assert_impl_all!(Receiver<Handle<&'static SharedConsumer<Dynamic>>>: Send);
}

/// A static region is as long as the layout says, and carries messages.
macro_rules! carries {
    ($($count:literal, $size:literal;)*) => {$({
        static REGION: StaticRegion<$count, $size> = StaticRegion::new();
        assert_eq!(size_of_link($count, $size), Ok(StaticRegion::<$count, $size>::LEN));
        assert!(size_of_val(&REGION) >= StaticRegion::<$count, $size>::LEN);
        let (mut near, mut far) = REGION.take().unwrap();
        assert!(REGION.take().is_none());
        let message = [7; $size];
        for _ in 0..$count {
            near.try_send(&message).unwrap();
        }
        assert!(near.try_send(&message).is_err());
        let mut received = [0; $size];
        for _ in 0..$count {
            assert_eq!(far.try_recv(&mut received), Ok($size));
            assert_eq!(received, message);
        }
        drop(near);
        assert_eq!(far.try_recv(&mut received), Err(TryRecvError::Disconnected));
        assert!(REGION.take().is_none());
    })*};
}

#[test]
fn a_static_region_is_taken_once_and_is_as_long_as_its_layout() {
    carries! {
        2, 8;
        2, 40;
        4, 48;
        8, 64;
        16, 72;
        64, 1024;
        2, 4096;
    }
}

#[test]
fn a_region_that_one_owner_has_is_split_or_handed_over() {
    let region: &'static mut StaticRegion<2, 16> = Box::leak(Box::default());
    let (mut near, mut far) = region.split().unwrap();
    far.try_send(b"hello").unwrap();
    assert_eq!(near.try_recv(&mut [0; 16]), Ok(5));
    let region: &'static mut StaticRegion<2, 16> = Box::leak(Box::default());
    let region = region.into_region().unwrap();
    assert_eq!(region.len(), StaticRegion::<2, 16>::LEN);
}

#[test]
fn a_link_is_as_long_as_its_parts() {
    for count in [2, 4, 64, 1 << 14] {
        for size in [8, 16, 64, 1024] {
            let line = |bytes: usize| bytes.next_multiple_of(64);
            let superblock = 512 + 2 * 128;
            let ring = 384 + 64 * count + line(count * size);
            assert_eq!(size_of_link(count, size), Ok(superblock + 2 * ring));
        }
    }
    assert_eq!(size_of_link(0, 8), Err(LayoutError::Count { count: 0 }));
    assert_eq!(size_of_link(2, 7), Err(LayoutError::Size { size: 7 }));
}

#[test]
fn a_fixed_geometry_matches_itself_only() {
    assert!(Fixed::<4, 64>::matching(4, 64).is_some());
    assert!(Fixed::<4, 64>::matching(8, 64).is_none());
    assert!(Fixed::<4, 64>::matching(4, 72).is_none());
    let dynamic = Dynamic::matching(4, 64).unwrap();
    assert_eq!((dynamic.count(), dynamic.size()), (4, 64));
    assert_eq!(Fixed::<4, 64>::LAYOUT, Layout::compact(4, 64).unwrap());
}
