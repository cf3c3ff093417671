//! Where everything lies, and which layouts are refused.

use super::*;

#[test]
fn golden_offsets() {
    let file = Layout::file(64, 16384).unwrap();
    assert_eq!(file.ring(Direction::ToSecondary), 16384);
    assert_eq!(file.buffers(Direction::ToSecondary), 16384 + 8192);
    assert_eq!(file.len(), 16384 + 2 * (8192 + 64 * 16384));
    let small = Layout::compact(2, 8).unwrap();
    assert_eq!(small.ring(Direction::ToSecondary), 768);
    assert_eq!(small.slots(Direction::ToSecondary), 1152);
    assert_eq!(small.buffers(Direction::ToSecondary), 1280);
    assert_eq!(small.ring(Direction::ToPrimary), 1344);
    assert_eq!(small.len(), 1920);
}

#[test]
fn every_bound_is_its_own_error() {
    assert_eq!(Layout::compact(3, 8), Err(LayoutError::Count { count: 3 }));
    assert_eq!(Layout::compact(1, 8), Err(LayoutError::Count { count: 1 }));
    assert_eq!(
        Layout::compact(32768, 8),
        Err(LayoutError::Count { count: 32768 })
    );
    assert_eq!(Layout::compact(2, 12), Err(LayoutError::Size { size: 12 }));
    assert_eq!(Layout::compact(2, 0), Err(LayoutError::Size { size: 0 }));
    assert_eq!(
        Layout::new(2, 8, 32, 1),
        Err(LayoutError::Alignment { alignment: 32 })
    );
    assert_eq!(
        Layout::new(2, 8, 64, 255),
        Err(LayoutError::Members { members: 255 })
    );
    #[cfg(target_pointer_width = "32")]
    assert!(matches!(
        Layout::compact(16384, MAX_SIZE),
        Err(LayoutError::TooLarge { .. })
    ));
}
