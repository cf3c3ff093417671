//! Those who wait behind one whose stream has no credit.

use std::io::Read as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use hqq_std::advanced::error::{CallError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming};

use super::common::{bounded, eventually};
use super::support::{limit, look, pair_with};

const COUNT: usize = 8;
const SIZE: usize = 4096;

/// Two ends of which the far one keeps all that comes, and gives no credit once there is something.
fn ends() -> (AdvancedLink, AdvancedLink) {
    let keeps = AdvancedOptions::new()
        .max_message_size(1000)
        .incoming_bytes(1);
    let (near, far) = pair_with(Format::V2, COUNT, SIZE, AdvancedOptions::new(), keeps);
    // Else what nobody reads as it comes would be dropped.
    assert!(far.receive_stream(Some(Instant::now())).is_err());
    (near, far)
}

/// Takes in what has come to `far`, and sends a short message from `near`, until that one would have to wait for its
/// turn behind who waits for credit.
fn pass_until_turned_away(near: &AdvancedLink, far: &AdvancedLink) {
    let mut passed = 0;
    eventually("the first one's turn", || {
        look(far);
        // Else it might be room that is lacking.
        if !near.wait_drained(Some(Instant::now())) {
            return None;
        }
        match near.send_large_timeout(b"x", Duration::ZERO) {
            Ok(()) => passed += 1,
            Err(TransferError::TimedOut) => return Some(()),
            Err(error) => panic!("{error}"),
        }
        None
    });
    // Nor was it credit: of that, less is left than the next part takes, but more than these.
    assert!(passed < SIZE / 2, "{passed} have passed");
}

/// The callee has refused the request before all of it was sent.
#[test]
fn an_answer_that_came_does_not_wait_for_the_turn_of_its_request() {
    bounded(|| {
        let (near, far) = ends();
        for _ in 0..COUNT - 2 {
            near.send_large(b"x").unwrap();
        }
        // There is no room for the last of three parts.
        let request = [0; 3 * SIZE];
        let mut call = pin!(near.call_async(1, &request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let before = near.stats().bytes_sent;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| near.send_large(&[0; 6 * SIZE]));
            eventually("the end of the credit", || {
                look(&far);
                (near.stats().bytes_sent == before + 5 * SIZE as u64).then_some(())
            });
            pass_until_turned_away(&near, &far);
            let answer = pollster::block_on(call);
            assert!(
                matches!(answer, Err(CallError::Response { status: 7, .. })),
                "{answer:?}"
            );
            assert!(!waiting.is_finished());
            near.close();
            waiting.join().unwrap().unwrap_err();
        });
    });
}

/// How often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // Relaxed: a count.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// There is room, which is not what they wait for.
#[test]
fn tasks_behind_one_without_credit_sleep_until_it_has_sent() {
    bounded(|| {
        let (near, far) = ends();
        std::thread::scope(|scope| {
            // First: all of the long one would find credit and room without it, and nobody makes more of that.
            near.send_large(b"x").unwrap();
            let waiting = scope.spawn(|| near.send_large(&[0; 8 * SIZE]));
            eventually("the end of the credit", || {
                look(&far);
                (near.stats().bytes_sent == 1 + 7 * SIZE as u64).then_some(())
            });
            pass_until_turned_away(&near, &far);
            let counts = [(); 2].map(|()| Arc::new(Count::default()));
            let mut tasks = [(); 2].map(|()| Box::pin(near.send_large_async(b"behind")));
            for _ in 0..3 {
                for (task, count) in tasks.iter_mut().zip(&counts) {
                    assert!(poll(task.as_mut(), count).is_pending());
                }
            }
            // Relaxed: counts, and nobody waits for more.
            let woken = counts.map(|count| count.0.load(Ordering::Relaxed));
            scope.spawn(|| {
                let mut long = None;
                // The short ones stop the stream for as long as they are there.
                while let Ok(Incoming::Plain { body, .. }) =
                    far.receive_stream(Some(Instant::now()))
                {
                    if body.len() != Some(1) {
                        long = Some(body);
                    }
                }
                long.unwrap().read_to_end(&mut Vec::new()).unwrap();
                for _ in 0..2 {
                    assert_eq!(far.receive_until(limit()).unwrap().body(), b"behind");
                }
            });
            for task in tasks {
                pollster::block_on(task).unwrap();
            }
            waiting.join().unwrap().unwrap();
            assert_eq!(woken, [0, 0]);
        });
    });
}

fn poll<T>(task: Pin<&mut impl Future<Output = T>>, count: &Arc<Count>) -> Poll<T> {
    task.poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
}
