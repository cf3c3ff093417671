//! Many calls at once, answered in any order: none is lost, answered twice or with another's answer.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hqq_core::advanced::CallFailure;
use hqq_std::advanced::error::{CallError, ReceiveError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, Request};

use super::common::{bounded, eventually};
use super::support::{FORMATS, Random, assert_idle, body, limit, look, pair, pair_with};

const THREADS: u64 = 8;

/// Calls of a run: `HQQ_CALLS`, or few where the program is not optimised.
fn calls() -> u64 {
    let default = if cfg!(debug_assertions) {
        2_000
    } else {
        50_000
    };
    std::env::var("HQQ_CALLS").map_or(default, |text| text.parse().unwrap())
}

/// Requests that wait, and what became of others.
#[derive(Default)]
struct Desk {
    waiting: Vec<Request>,
    seen: HashSet<u64>,
    answers: u64,
    /// Answers after one to a younger request.
    inversions: u64,
    youngest: u64,
}

impl Desk {
    fn take_in(&mut self, request: Request) {
        assert!(self.seen.insert(request.method()), "a request came twice");
        self.waiting.push(request);
    }

    /// Any request, once a few wait or nothing else is to come.
    fn choose(&mut self, random: &mut Random, over: bool) -> Option<Request> {
        if self.waiting.is_empty() || self.waiting.len() <= 3 && !over && random.below(4) > 0 {
            return None;
        }
        let index = random.below(self.waiting.len());
        let request = self.waiting.swap_remove(index);
        self.answers += 1;
        self.inversions += u64::from(request.method() < self.youngest);
        self.youngest = self.youngest.max(request.method());
        Some(request)
    }
}

/// Answers each request with its method and its body, in another order than they came, until
/// `stop` is set and nothing comes any more.
fn shuffle(far: &AdvancedLink, desk: &Mutex<Desk>, seed: u64, stop: &AtomicBool) {
    let mut random = Random::new(seed);
    loop {
        // Relaxed: pairs with nothing but the store; what is checked at the end is behind joins.
        let stopping = stop.load(Ordering::Relaxed);
        let over = match far.receive_request(Instant::now().checked_add(Duration::from_millis(2))) {
            Ok(request) => {
                desk.lock().unwrap().take_in(request);
                false
            }
            Err(ReceiveError::TimedOut) => stopping,
            Err(error) => panic!("{error}"),
        };
        let chosen = desk.lock().unwrap().choose(&mut random, over);
        match chosen {
            Some(request) => {
                let mut answer = request.method().to_le_bytes().to_vec();
                answer.extend_from_slice(request.body());
                far.respond(&request, &answer).unwrap();
            }
            None if over => return,
            None => {}
        }
    }
}

/// Bytes of a request that is given up in its middle.
const PART: u64 = 3 * 4096;

/// Fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("as told"))
    }
}

/// Makes calls until the last number was taken; says how many were given up, and in `half` of which only a part
/// was sent.
fn call(
    near: &AdvancedLink,
    next: &AtomicU64,
    last: u64,
    seed: u64,
    half: &Mutex<Vec<u64>>,
) -> u64 {
    let mut random = Random::new(seed);
    let mut given_up = 0;
    loop {
        // Relaxed: only makes the numbers differ.
        let method = next.fetch_add(1, Ordering::Relaxed);
        if method > last {
            return given_up;
        }
        let request = body(method, random.size(16));
        let answer = match random.below(200) {
            // After all of the request was sent.
            0 => {
                near.start_call(method, &request).unwrap().cancel();
                given_up += 1;
                continue;
            }
            // When a part of it was sent.
            2 | 3 => {
                let begun = io::repeat(0).take(PART).chain(Broken);
                let called = near.call_stream(method, begun, Some(2 * PART), limit());
                assert!(matches!(called, Err(CallError::Input(_))));
                half.lock().unwrap().push(method);
                given_up += 1;
                continue;
            }
            // At any time, also while the request is being sent.
            1 => {
                let short = Duration::from_micros(random.next() % 300);
                match near.call_timeout(method, &request, short) {
                    Err(CallError::TimedOut) => {
                        given_up += 1;
                        continue;
                    }
                    other => other,
                }
            }
            _ => near.call_on(0, method, &request, limit()),
        };
        let answer = answer.unwrap();
        assert_eq!(answer[..8], method.to_le_bytes(), "another call's answer");
        assert!(answer[8..] == request, "other bytes than were sent");
    }
}

#[test]
fn calls_from_eight_threads_are_answered_in_any_order() {
    let calls = calls();
    for format in FORMATS {
        let (near, far) = pair(format, 64, 4096);
        let (desk, stop, next) = (Mutex::default(), AtomicBool::new(false), AtomicU64::new(1));
        let half = Mutex::default();
        let given_up: u64 = std::thread::scope(|scope| {
            for seed in 0..3 {
                let (far, desk, stop) = (&far, &desk, &stop);
                scope.spawn(move || shuffle(far, desk, seed, stop));
            }
            let callers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (near, next, half) = (&near, &next, &half);
                    scope.spawn(move || call(near, next, calls, thread + 100, half))
                })
                .collect();
            let given_up = callers.into_iter().map(|caller| caller.join());
            let given_up: Result<Vec<u64>, _> = given_up.collect();
            let drained = near.wait_drained(limit());
            stop.store(true, Ordering::Relaxed);
            assert!(drained);
            given_up.unwrap().into_iter().sum()
        });
        for end in [&near, &far] {
            eventually("the last to be taken in", || {
                look(end);
                (end.stats().arriving == 0).then_some(())
            });
            assert_idle(end);
        }
        let desk: Desk = desk.into_inner().unwrap();
        let late = near.stats().dropped.late;
        let percent = desk.inversions * 100 / desk.answers.max(1);
        println!(
            "format {format}: {} answers, {percent} % after one to a younger request, {given_up} \
             calls given up, {late} late chunks",
            desk.answers
        );
        assert!(desk.seen.len() as u64 >= calls - given_up);
        assert!(percent > 30, "the order was hardly another");
        assert!(given_up > 0);
        // Of each the rest of an answer of 64 KiB at most.
        assert!(late <= given_up * 17, "{late} of {given_up} calls given up");
        let half: Vec<u64> = half.into_inner().unwrap();
        assert!(!half.is_empty());
        assert!(half.iter().all(|method| !desk.seen.contains(method)));
    }
}

/// A thread that drives the ring for others leaves that to one of them, whoever takes the packets in.
#[test]
fn nobody_is_left_waiting_without_a_driver() {
    let (near, far) = pair(Format::V2, 16, 256);
    for round in 0..300 {
        std::thread::scope(|scope| {
            let last = scope.spawn({
                let call = near.start_call(3, b"").unwrap();
                move || call.wait_until(limit())
            });
            for method in [1, 2] {
                let call = near.start_call(method, b"").unwrap();
                scope.spawn(move || call.wait_until(limit()).unwrap());
            }
            let mut watched = near.start_call(4, b"").unwrap();
            let mut requests: Vec<Request> = (0..4)
                .map(|_| far.receive_request(limit()).unwrap())
                .collect();
            // In the order of the methods: 4 is answered to whoever looks on without waiting.
            requests.sort_by_key(Request::method);
            if round % 2 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            for request in [&requests[0], &requests[1], &requests[3]] {
                far.respond(request, b"").unwrap();
            }
            eventually("an answer", || watched.try_take()).unwrap();
            far.respond(&requests[2], b"").unwrap();
            assert_eq!(last.join().unwrap().unwrap(), b"");
        });
    }
}

/// Whichever of its threads learns of that.
#[test]
fn a_call_whose_answer_is_given_up_while_its_request_is_sent_says_so() {
    const ROUNDS: usize = 300;
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let Incoming::Request { request, .. } = far.receive_stream(limit()).unwrap()
                    else {
                        panic!("no request");
                    };
                    far.respond_stream(&request, Broken, Some(1)).unwrap_err();
                }
            });
            // All of them, as the callee waits for each.
            let failures: Vec<_> = (0..ROUNDS)
                .map(|_| near.call_stream(1, io::repeat(0), Some(1 << 30), limit()))
                .map(Result::err)
                .collect();
            for failure in failures {
                assert!(
                    matches!(failure, Some(CallError::Failed(CallFailure::Aborted))),
                    "{failure:?}"
                );
            }
        });
    });
}

/// All of it is the error, which nobody reads as it comes.
#[test]
fn an_error_longer_than_the_ring_ends_a_call_whose_answer_is_read_as_it_comes() {
    let options = AdvancedOptions::new().incoming_bytes(100);
    for format in FORMATS {
        bounded(move || {
            let (near, far) = pair_with(format, 8, 64, options, options);
            let long = body(1, 20 * 64);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let request = far.receive_request(limit()).unwrap();
                    far.respond_error(&request, 9, &long).unwrap();
                });
                let failed = near.call_stream(1, io::empty(), Some(0), limit()).err();
                let Some(CallError::Response { status: 9, body }) = failed else {
                    panic!("{failed:?}");
                };
                assert!(body == long);
            });
            assert_idle(&near);
            assert_idle(&far);
        });
    }
}
