//! Several messages on their way at once share the ring.

use hqq_core::advanced::{Notice, Progress, Transfer};

use super::support::*;
use crate::common::pattern;

in_both_formats!(
    a_short_call_is_not_stuck_behind_a_long_message,
    messages_in_turn_have_the_same_share,
    one_that_is_given_up_leaves_the_others_alone,
);

fn a_short_call_is_not_stuck_behind_a_long_message<R: Rings>() {
    for (count, size) in [(2, 8), (8, 16), (16, 8)] {
        let mut pair = Pair::<R>::new(count, size);
        let body = pattern(1, MESSAGE);
        let mut long = pair.near.link.begin_message(0, MESSAGE as u64).unwrap();
        // The ring is as full of it as it gets.
        assert_ne!(pair.near.send(&mut long, &body), Progress::Finished);
        let in_front = long.offset().div_ceil(size as u64);
        assert!(in_front <= count as u64);
        let mut call = pair.near.link.begin_request(0, 7, 1).unwrap();
        let mut far = Vec::new();
        let mut behind = 0;
        while !far
            .iter()
            .any(|seen| matches!(seen, Seen::Message { aux: 7, .. }))
        {
            // In turn, one chunk each.
            let _ = pair.near.link.advance(&mut call, b"!", 1).unwrap();
            let before = long.offset();
            if call.is_finished() {
                let _ = pair.near.link.advance(&mut long, &body, 1).unwrap();
                behind += u64::from(long.offset() > before);
            }
            far.extend(pair.far.poll());
            assert_eq!(pair.near.drain(), []);
        }
        // Of the long message nothing was sent between the full ring and the call.
        assert!(long.offset() <= (in_front + behind) * size as u64);
        assert!(behind <= 1 + count as u64, "{behind} chunks overtook it");
        while pair.near.send(&mut long, &body) != Progress::Finished {
            far.extend(pair.run().1);
        }
        far.extend(pair.run().1);
        assert!(far.contains(&plain(0, 1, &body)));
    }
}

fn begin<R: Rings>(pair: &mut Pair<R>, lens: [usize; 3]) -> [(Transfer, Vec<u8>); 3] {
    lens.map(|len| {
        let transfer = pair.near.link.begin_message(0, len as u64).unwrap();
        (transfer, pattern(len as u64, len))
    })
}

fn messages_in_turn_have_the_same_share<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    let mut messages = begin(&mut pair, [256, 255, 254]);
    let mut far = Vec::new();
    while messages.iter().any(|(transfer, _)| !transfer.is_finished()) {
        for (transfer, body) in &mut messages {
            while pair.near.link.advance(transfer, body, 1).unwrap() == Progress::Blocked {
                far.extend(pair.run().1);
            }
        }
        let offsets = messages.each_ref().map(|(transfer, _)| transfer.offset());
        let (least, most) = (offsets.iter().min(), offsets.iter().max());
        assert!(most.unwrap() - least.unwrap() <= 16, "{offsets:?}");
    }
    far.extend(pair.run().1);
    let expected = [1, 2, 3].map(|id| plain(0, id, &messages[id as usize - 1].1));
    assert_eq!(far, expected);
    pair.far.assert_empty();
}

fn one_that_is_given_up_leaves_the_others_alone<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    let [mut first, mut second, mut third] = begin(&mut pair, [100, 101, 102]);
    for (transfer, body) in [&mut first, &mut second] {
        pair.near.link.advance(transfer, body, 2).unwrap();
        assert_eq!(pair.run().1, []);
    }
    for (transfer, _) in [&mut first, &mut third] {
        pair.near.link.abort(transfer);
        assert!(transfer.is_finished());
    }
    // Of the third nothing was ever sent.
    let aborted = Seen::Notice(Notice::Aborted(*first.0.key()));
    assert_eq!(pair.run().1, [aborted]);
    let (transfer, body) = &mut second;
    assert_eq!(pair.deliver(transfer, body), [plain(0, 2, body)]);
    pair.far.assert_empty();
}
