//! Streams that the peer opens, accepted or refused one by one.

use std::time::{Duration, Instant};

use hqq_std::Format;
use hqq_std::advanced::error::{DialError, ReceiveError};

use super::common::bounded;
use super::support::{FORMATS, limit, look, pair};

#[test]
fn a_single_stream_is_refused_and_others_go_on() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 8, 64);
            far.listen(true);
            std::thread::scope(|scope| {
                let dialling = scope.spawn(|| {
                    let dialled = (0..5).map(|_| near.dial(limit()));
                    dialled.collect::<Vec<_>>()
                });
                let first = far.next_offer(limit()).unwrap().accept().unwrap();
                far.next_offer(limit()).unwrap().refuse();
                // As dropping it does.
                drop(far.next_offer(limit()).unwrap());
                pollster::block_on(far.next_offer_async()).unwrap().refuse();
                let last = pollster::block_on(far.next_offer_async()).unwrap();
                let (number, last) = (last.id(), last.accept().unwrap());
                let dialled = dialling.join().unwrap();
                for refused in &dialled[1..4] {
                    assert!(matches!(refused, Err(DialError::Refused(_))));
                }
                let open = |index: usize| dialled[index].as_ref().unwrap();
                assert_eq!((open(0).id(), open(4).id()), (first.id(), last.id()));
                assert_eq!(number, last.id());
                assert_eq!(far.stats().streams, 2);
                open(4).send_large(b"on the last").unwrap();
                assert_eq!(last.receive_until(limit()).unwrap().body(), b"on the last");
            });
            assert!(
                far.next_offer(Some(Instant::now())).is_err(),
                "none is left"
            );
        }
    });
}

#[test]
fn an_offer_that_was_taken_back_is_not_accepted() {
    let (near, far) = pair(Format::V2, 8, 64);
    far.listen(true);
    let soon = Instant::now().checked_add(Duration::from_millis(1));
    assert!(matches!(near.dial(soon), Err(DialError::TimedOut)));
    // The dial, and that it was given up, come one after the other.
    let offer = far.next_offer(Some(Instant::now()));
    look(&far);
    if let Ok(offer) = offer {
        assert!(matches!(offer.accept(), Err(ReceiveError::StreamClosed)));
    }
    assert_eq!(far.stats().streams, 0);
    // The next one is another.
    std::thread::scope(|scope| {
        let dialling = scope.spawn(|| near.dial(limit()).unwrap());
        let accepted = far.next_offer(limit()).unwrap().accept().unwrap();
        assert_eq!(dialling.join().unwrap().id(), accepted.id());
    });
}
