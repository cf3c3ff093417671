//! What no test can get to by sending and receiving: a side that has been at it for weeks.

use super::*;
use crate::layout::Dynamic;
use crate::ring::Producer as _;
use crate::{AttachOptions, InitOptions, Layout, Link, Region, Role, initialise};

#[repr(align(64))]
struct Bytes([u8; 2048]);

#[test]
fn a_packet_is_put_back_however_long_ago_its_side_was_taken() {
    for back in [0, 1, (1 << 47) - 1, 1 << 47, (1 << 47) + 1, (1 << 48) - 1] {
        let bytes = Box::leak(Box::new(Bytes([0; 2048])));
        let (near, far) = Region::pair_from_static(&mut bytes.0).unwrap();
        let layout = Layout::compact(2, 48).unwrap();
        let start = Position::new((1 << 48) - 1);
        initialise(&near, &layout, &InitOptions::new().start(start)).unwrap();
        let sides = |region, role| {
            Link::<Dynamic>::attach_sides(region, &AttachOptions::new(role)).unwrap()
        };
        let (mut producer, _from) = sides(near, Role::Primary);
        let (_to, mut consumer) = sides(far, Role::Secondary);
        // That many positions were read since.
        consumer.settled = Position::new(start.get().wrapping_sub(back));
        let sent = producer.try_claim().unwrap();
        producer.publish(sent, 0xfd, &[0; 7]);
        assert_eq!(consumer.try_claim().unwrap().position, start);
        assert!(!consumer.has_packet());
        consumer.unclaim(start, 0);
        assert!(consumer.has_packet(), "{back} positions");
        assert_eq!(consumer.try_claim().unwrap().position, start);
    }
}
