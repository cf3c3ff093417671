//! Wakers that do more than to wake: they are called and dropped without the link's lock.

use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use hqq_std::advanced::error::CallError;
use hqq_std::{AdvancedLink, Call, Format, Server};

use super::common::{LIMIT, bounded};
use super::support::{limit, pair, serving};

/// Polls a call once, which waits for its answer then.
fn poll(call: &mut Call, waker: &Waker) {
    let polled = pin!(call).as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

/// A waker that owns a handle of the link.
struct Holder {
    _call: Mutex<Option<Call>>,
}

impl Wake for Holder {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_may_own_a_call() {
    bounded(|| {
        let (near, _far) = pair(Format::V2, 8, 64);
        let held = near.start_call(1, b"").unwrap();
        let mut call = near.start_call(1, b"").unwrap();
        let holder = Holder {
            _call: Mutex::new(Some(held)),
        };
        poll(&mut call, &Waker::from(Arc::new(holder)));
        drop(call);
        assert_eq!(near.stats().pending_calls, 0);
    });
}

/// A waker that calls, and waits for the answer.
struct Caller(AdvancedLink, Sender<Result<Vec<u8>, CallError>>);

impl Caller {
    fn waker(link: &AdvancedLink) -> (Waker, Receiver<Result<Vec<u8>, CallError>>) {
        let (sender, receiver) = channel();
        (Waker::from(Arc::new(Self(link.clone(), sender))), receiver)
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        let _ = self.1.send(self.0.call_on(0, 1, b"", limit()));
    }
}

fn server(threads: usize) -> Server<'static> {
    let slow = |time| {
        move |_: &_| {
            std::thread::sleep(Duration::from_millis(time));
            Ok(Vec::new())
        }
    };
    Server::new()
        .threads(threads)
        .method(1, |_| Ok(b"answer".to_vec()))
        .method(2, slow(50))
        .method(3, slow(300))
}

#[test]
fn a_waker_may_wait_for_the_link() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        serving(&server(3), &far, || {
            // A task that waits on makes the background thread drive; or a thread does.
            for in_background in [true, false] {
                let (waker, answer) = Caller::waker(&near);
                let mut other = near.start_call(3, b"").unwrap();
                let mut call = near.start_call(2, b"").unwrap();
                poll(&mut call, &waker);
                if in_background {
                    poll(&mut other, Waker::noop());
                } else {
                    assert_eq!(other.wait_until(limit()).unwrap(), b"");
                }
                let answer = answer.recv_timeout(LIMIT).unwrap();
                assert_eq!(answer.unwrap(), b"answer");
            }
        });
    });
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("this waker panics");
    }
}

#[test]
fn a_waker_that_panics_is_nobodys_failure_but_its_own() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        serving(&server(3), &far, || {
            let mut call = near.start_call(2, b"").unwrap();
            poll(&mut call, &Waker::from(Arc::new(Panics)));
            assert_eq!(near.call_on(0, 3, b"", limit()).unwrap(), b"");
            // Whoever drives for tasks still does.
            let (waker, answer) = Caller::waker(&near);
            let mut next = near.start_call(2, b"").unwrap();
            assert!(
                Pin::new(&mut next)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert!(answer.recv_timeout(LIMIT).unwrap().is_ok());
        });
    });
}
