//! Futures, under two runtimes that know nothing of each other: tokio's and a bare `block_on`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError};
use hqq_std::{AdvancedLink, Format, Message, Server};

use super::common::{bounded, eventually};
use super::support::{FORMATS, assert_idle, body, limit, look, pair, serving};

/// Runs a future on the current thread by tokio.
fn tokio(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future);
}

fn pollster(future: impl Future<Output = ()>) {
    pollster::block_on(future);
}

/// Polls a future once, with nobody to be woken.
fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Ten calls, a message and a stream.
async fn client(near: &AdvancedLink) {
    for index in 0..10 {
        let request = body(index, 500);
        assert_eq!(near.call_async(1, &request).await.unwrap(), request);
    }
    // Several at once, also waited for in another order.
    let first = near.start_call(1, b"first").unwrap();
    let second = near.start_call(1, b"second").unwrap();
    assert_eq!(second.await.unwrap(), b"second");
    assert_eq!(first.await.unwrap(), b"first");
    let error = near.call_async(2, b"").await.unwrap_err();
    assert!(
        matches!(error, CallError::Response { status: 6, .. }),
        "{error}"
    );
}

/// What comes to `far`.
async fn receive(far: &AdvancedLink) {
    for index in 0..20 {
        let Message::Plain { body: bytes, .. } = far.receive_async().await.unwrap() else {
            panic!("not a message");
        };
        assert!(bytes == body(index, 1000));
    }
    far.listen(true);
    let stream = far.accept_async().await.unwrap();
    assert_eq!(far.stats().streams, 1);
    drop(stream);
}

fn work(format: Format, run: fn(Pin<&mut (dyn Future<Output = ()> + '_)>)) {
    let (near, far) = pair(format, 8, 64);
    let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
    serving(&server, &far, || run(pin!(client(&near))));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0..20 {
                near.send_large(&body(index, 1000)).unwrap();
            }
            eventually("somebody to listen", || near.dial(limit()).ok());
        });
        run(pin!(receive(&far)));
    });
    assert_idle(&near);
    assert_idle(&far);
}

#[test]
fn futures_work_under_tokio_and_without_a_runtime() {
    bounded(|| {
        for format in FORMATS {
            work(format, |future| tokio(future));
            work(format, |future| pollster(future));
        }
    });
}

#[test]
fn a_task_and_threads_wait_side_by_side() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        let server = Server::new()
            .threads(2)
            .method(1, |request| Ok(request.body().to_vec()));
        serving(&server, &far, || {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let near = &near;
                    scope.spawn(move || {
                        for index in 0..100 {
                            let request = body(index, 100);
                            let answer = if thread % 2 == 0 {
                                pollster::block_on(near.call_async(1, &request))
                            } else {
                                near.call_on(0, 1, &request, limit())
                            };
                            assert_eq!(answer.unwrap(), request);
                        }
                    });
                }
            });
        });
        assert_idle(&near);
    });
}

#[test]
fn two_tasks_of_one_thread_talk_to_each_other() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        tokio(async {
            let answering = async {
                for _ in 0..50 {
                    let Message::Request(request) = far.receive_async().await.unwrap() else {
                        panic!("not a request");
                    };
                    far.respond(&request, request.body()).unwrap();
                }
            };
            let asking = async {
                for index in 0..50 {
                    let request = body(index, 100);
                    assert_eq!(near.call_async(1, &request).await.unwrap(), request);
                }
            };
            tokio::join!(answering, asking);
        });
    });
}

#[test]
fn a_future_that_is_dropped_leaves_nothing_behind() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        for method in 0..100 {
            let mut call = Box::pin(near.call_async(method, b"given up"));
            assert!(poll_once(call.as_mut()).is_pending());
            let request = far.receive_request(limit()).unwrap();
            assert_eq!(near.stats().pending_calls, 1);
            drop(call);
            assert_idle(&near);
            eventually("the news", || {
                look(&far);
                request.is_cancelled().then_some(())
            });
            let mut receiving = Box::pin(near.receive_async());
            assert!(poll_once(receiving.as_mut()).is_pending());
            drop(receiving);
            let mut accepting = Box::pin(near.accept_async());
            assert!(poll_once(accepting.as_mut()).is_pending());
            drop(accepting);
        }
        // What comes is for those who wait now.
        far.send_large(b"for whoever waits").unwrap();
        let message = near.receive_until(limit()).unwrap();
        assert_eq!(message.body(), b"for whoever waits");
        assert_idle(&near);
        assert_idle(&far);
    });
}

#[test]
fn a_task_learns_that_the_peer_has_left() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| pollster::block_on(near.call_async(1, b"")));
            let receiving = scope.spawn(|| pollster::block_on(near.receive_async()));
            let _unanswered = far.receive_request(limit()).unwrap();
            drop(far);
            let gone = LinkFailure::Disconnected;
            let failed = calling.join().unwrap();
            assert!(matches!(failed, Err(CallError::Link(failure)) if failure == gone));
            let failed = receiving.join().unwrap();
            assert!(matches!(failed, Err(ReceiveError::Link(failure)) if failure == gone));
        });
    });
}

#[test]
fn a_link_is_dropped_while_its_background_thread_runs() {
    bounded(|| {
        for _ in 0..50 {
            let (near, far) = pair(Format::V2, 8, 64);
            let mut call = Box::pin(near.call_async(1, b""));
            assert!(poll_once(call.as_mut()).is_pending());
            drop(call);
            drop(near);
            let over = far.receive_until(limit());
            let over = over.and_then(|_| far.receive_until(limit()));
            assert!(over.is_err(), "{over:?}");
        }
    });
}

#[test]
fn sending_does_not_block_its_task() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let long = body(1, 20_000);
        // Nobody takes anything: each of them waits, and none in its thread.
        let mut messages = pin!(near.send_large_async(&long));
        let mut call = pin!(near.call_async(1, &long));
        assert!(poll_once(messages.as_mut()).is_pending());
        assert!(poll_once(call.as_mut()).is_pending());
        {
            let mut given_up = pin!(near.send_large_async(&long));
            assert!(poll_once(given_up.as_mut()).is_pending());
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pollster::block_on(async {
                    let mut kinds = [0, 0];
                    for _ in 0..2 {
                        match far.receive_async().await.unwrap() {
                            Message::Request(request) => {
                                far.respond_async(&request, request.body()).await.unwrap();
                                kinds[0] += 1;
                            }
                            message => {
                                assert!(message.body() == long);
                                kinds[1] += 1;
                            }
                        }
                    }
                    assert_eq!(kinds, [1, 1]);
                });
            });
            // By one thread, in turn.
            tokio(async {
                let (sent, answer) = tokio::join!(messages, call);
                sent.unwrap();
                assert!(answer.unwrap() == long);
            });
        });
        eventually("the end of what was given up", || {
            look(&far);
            look(&near);
            (far.stats().arriving == 0).then_some(())
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn a_dial_is_a_future_too() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        far.listen(true);
        tokio(async {
            let (dialled, accepted) = tokio::join!(near.dial_async(), far.accept_async());
            assert_eq!(dialled.unwrap().id(), accepted.unwrap().id());
        });
        // One that is dropped leaves nothing.
        {
            let mut dropped = pin!(near.dial_async());
            assert!(poll_once(dropped.as_mut()).is_pending());
        }
        eventually("the end of the streams", || {
            look(&near);
            look(&far);
            let streams = near.stats().streams + far.stats().streams;
            (streams == 0).then_some(())
        });
    }
}
