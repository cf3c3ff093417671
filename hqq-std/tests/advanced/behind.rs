//! What nobody can take out of the ring, as messages stand before it that nobody receives, mostly of a peer that has gone.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, Request};

use super::common::{bounded, eventually};
use super::support::{limit, look, pair_with};

const QUEUE: usize = 4;

/// Takes few messages, and cannot tell its peer to stop a single stream.
fn few() -> AdvancedOptions {
    AdvancedOptions::new()
        .features(Features::FORMAT_1)
        .incoming_queue(QUEUE)
}

/// Answers with an error of which parts are taken, then stops the ring before the rest of it with messages.
fn fail_in_part<'scope>(
    scope: &'scope Scope<'scope, '_>,
    far: &AdvancedLink,
    request: Request,
) -> ScopedJoinHandle<'scope, Result<(), TransferError>> {
    let callee = far.clone();
    let answering = scope.spawn(move || callee.respond_error(&request, 9, &vec![0; 4 << 20]));
    eventually("a part that was taken", || {
        (far.stats().bytes_sent > QUEUE as u64 * 64).then_some(())
    });
    let soon = Duration::from_millis(200);
    while far.send_large_timeout(b"unread", soon).is_ok() {}
    answering
}

/// The callee has sent some parts of it.
#[test]
fn an_error_of_which_not_all_can_be_taken_ends_with_its_callee() {
    bounded(|| {
        let (near, far) = pair_with(Format::V2, QUEUE, 64, few(), AdvancedOptions::new());
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| near.call_stream(1, io::empty(), Some(0), limit()));
            let request = far.receive_request(limit()).unwrap();
            let answering = fail_in_part(scope, &far, request);
            far.close();
            assert!(answering.join().unwrap().is_err());
            drop(far);
            let failed = calling.join().unwrap().err();
            assert!(
                matches!(failed, Some(CallError::Link(LinkFailure::Disconnected))),
                "{failed:?}"
            );
        });
    });
}

/// Its callee, told that no more of the request comes, sends no more of the error either.
#[test]
fn a_call_whose_reader_ends_early_ends_beside_a_part_of_an_error() {
    bounded(|| {
        let (near, far) = pair_with(Format::V2, QUEUE, 64, few(), AdvancedOptions::new());
        let (reader, mut writer) = io::pipe().unwrap();
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| near.call_stream(1, reader, Some(100), None));
            writer.write_all(&[0; 50]).unwrap();
            let Incoming::Request { request, body } = far.receive_stream(limit()).unwrap() else {
                panic!("no request");
            };
            let answering = fail_in_part(scope, &far, request);
            drop(writer);
            answering.join().unwrap().unwrap();
            let failed = calling.join().unwrap().err();
            assert!(matches!(failed, Some(CallError::Input(_))), "{failed:?}");
            drop(body);
        });
    });
}

/// There was no room to say that it may be sent there.
#[test]
fn a_message_on_a_stream_whose_acceptance_was_not_sent_ends_with_the_peer() {
    const COUNT: usize = 8;
    bounded(|| {
        let (near, far) = pair_with(Format::V2, COUNT, 64, few(), few());
        far.listen(true);
        for count in [QUEUE, COUNT] {
            for _ in 0..count {
                far.send_large(b"unread").unwrap();
            }
            look(&near);
        }
        let mut dialling = Box::pin(near.dial_async());
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut dialling).poll(&mut context).is_pending());
        for _ in 0..QUEUE + 2 {
            near.send_large(b"unread").unwrap();
        }
        let accepted = far.accept(limit()).unwrap();
        drop(dialling);
        drop(near);
        let failed = accepted.send_large(b"on it");
        assert!(
            matches!(failed, Err(TransferError::Link(LinkFailure::Disconnected))),
            "{failed:?}"
        );
    });
}

/// What they would give is for nobody any more.
#[test]
fn who_waits_for_streams_and_requests_learns_that_the_peer_has_gone() {
    const WAYS: [fn(&AdvancedLink) -> Option<ReceiveError>; 4] = [
        |link| link.accept(None).err(),
        |link| link.next_offer(None).err(),
        |link| link.receive_request(None).err(),
        |link| pollster::block_on(link.accept_async()).err(),
    ];
    for way in WAYS {
        bounded(move || {
            let (near, far) = pair_with(Format::V2, 64, 64, few(), AdvancedOptions::new());
            near.listen(true);
            for _ in 0..QUEUE + 2 {
                far.send_large(b"unread").unwrap();
            }
            drop(far);
            let gone = LinkFailure::Disconnected;
            assert_eq!(way(&near), Some(ReceiveError::Link(gone)));
            for _ in 0..QUEUE + 2 {
                assert_eq!(near.receive_until(limit()).unwrap().body(), b"unread");
            }
        });
    }
}
