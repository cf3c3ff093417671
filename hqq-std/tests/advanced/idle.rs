//! Waiting while nothing comes: it takes next to no processor time, and ends with what other threads do
//! as well as with what the peer does.

use std::time::{Duration, Instant};

use hqq_core::Format;
use hqq_std::advanced::error::ReceiveError;
use hqq_std::{AdvancedLink, Message};

use crate::common::bounded;
use crate::support::{limit, pair};

/// How often this thread has gone to sleep, and the CPU time it has used.
fn sleeps_and_cpu() -> (u64, Duration) {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let sleeps = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .unwrap();
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (
        sleeps.trim().parse().unwrap(),
        Duration::try_from(time).unwrap(),
    )
}

#[test]
fn who_waits_for_a_message_sleeps() {
    bounded(|| {
        let seconds = std::env::var("HQQ_IDLE").map_or(2, |seconds| seconds.parse().unwrap());
        let (_near, far) = pair(Format::V2, 16, 64);
        let (slept, used) = sleeps_and_cpu();
        let end = far.receive_until(Instant::now().checked_add(Duration::from_secs(seconds)));
        assert!(matches!(end, Err(ReceiveError::TimedOut)));
        let (slept, used) = (sleeps_and_cpu().0 - slept, sleeps_and_cpu().1 - used);
        println!("{slept} sleeps and {used:?} of CPU in {seconds} s");
        // Of a quarter of a second each, after a few shorter ones; other threads only add to them.
        assert!(slept < 10 + 8 * seconds, "{slept} sleeps");
    });
}

/// Waits until another thread of `link` waits for a message and has gone to sleep.
fn settled(link: &AdvancedLink) {
    // Nothing here depends on it: it makes what is tested likely.
    std::thread::sleep(Duration::from_millis(300));
    assert!(link.agreement().is_some());
}

/// One thread sleeps at the ring; others do what only they know of.
#[test]
fn a_sleeper_learns_what_other_threads_do() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 16, 64);
        far.listen(true);
        std::thread::scope(|scope| {
            // Offered streams are accepted, and nothing is said on them.
            scope.spawn(|| {
                let mut streams = Vec::new();
                while let Ok(stream) = far.accept(limit()) {
                    streams.push(stream);
                }
            });
            let link = near.clone();
            let waiting = scope.spawn(move || link.receive_until(limit()));
            settled(&near);
            let began = Instant::now();
            let stream = near.dial(limit()).unwrap();
            println!("dialled in {:?} beside a sleeper", began.elapsed());
            let call = stream.start_call(1, b"never answered").unwrap();
            let calling = scope.spawn(move || call.wait_until(limit()));
            settled(&near);
            let began = Instant::now();
            drop(stream);
            calling.join().unwrap().unwrap_err();
            println!("a call ended {:?} after its stream", began.elapsed());
            far.send_large(b"the end").unwrap();
            assert_eq!(waiting.join().unwrap().unwrap().body(), b"the end");
            drop(near);
        });
    });
}

#[test]
fn a_sleeper_gets_the_message() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 16, 64);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| far.receive_until(limit()));
            settled(&far);
            let began = Instant::now();
            near.send_large(b"at last").unwrap();
            let message = waiting.join().unwrap().unwrap();
            println!("received after {:?}", began.elapsed());
            assert!(matches!(message, Message::Plain { .. }) && message.body() == b"at last");
        });
    });
}
