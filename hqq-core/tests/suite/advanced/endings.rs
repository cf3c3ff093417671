//! Ends that leave, and what is lent by events and never given back.

use std::mem;

use hqq_core::advanced::{Event, PollError, Progress};

use super::support::*;

in_both_formats!(
    a_body_that_is_never_given_back_blocks_nothing,
    a_grant_that_is_never_given_back_blocks_nothing,
);

fn a_body_that_is_never_given_back_blocks_nothing<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    for id in 1..=20 {
        let mut transfer = pair.near.link.begin_message(0, 8).unwrap();
        assert_eq!(
            pair.near.send(&mut transfer, b"forget me"),
            Progress::Finished
        );
        match pair.far.link.poll(0).unwrap() {
            Some(Event::Message { key, body, .. }) => {
                assert_eq!(key.id, id);
                mem::forget(body);
            }
            _ => panic!("no message"),
        }
        assert_eq!(pair.run(), (vec![], vec![]));
    }
}

fn a_grant_that_is_never_given_back_blocks_nothing<R: Rings>() {
    let [(mut sender, _from), (_to, mut receiver)] = R::halves(4, 16);
    for _ in 0..20 {
        sender.try_send(b"forget me").unwrap();
        mem::forget(receiver.try_next_packet().unwrap());
        assert!(receiver.try_next_packet().is_err());
    }
}

#[test]
fn what_was_sent_before_the_peer_left_arrives() {
    let mut pair = Pair::<Format2>::new(16, 16);
    for _ in 0..10 {
        let mut transfer = pair.far.link.begin_message(0, 16).unwrap();
        assert_eq!(pair.far.send(&mut transfer, &[1; 16]), Progress::Finished);
    }
    // The near end has something to say, which nobody will hear.
    pair.near.link.dial().unwrap();
    let Pair { mut near, far } = pair;
    drop(far);
    for id in 1..=10 {
        assert_eq!(near.poll(), Some(plain(0, id, &[1; 16])));
    }
    assert!(matches!(near.link.poll(0), Err(PollError::Disconnected)));
    assert!(matches!(near.link.poll(0), Err(PollError::Disconnected)));
}
