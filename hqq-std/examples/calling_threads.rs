//! Calls a second of several threads over one link: where one of those who wait drives the ring, as they do
//! by themselves, and where a background thread drives it for all of them, as while a task waits.
//!
//! `cargo run --release -p hqq-std --example calling_threads [ROUNDS]`

use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use hqq_std::advanced::error::CallError;
use hqq_std::{AdvancedLink, AdvancedOptions, Server};

/// How long the calls of a round are counted.
const ROUND: Duration = Duration::from_millis(300);
const METHOD: u64 = 7;

/// Calls a second of 64 bytes both ways.
fn rate(threads: usize, background: bool) -> Result<f64, Box<dyn Error>> {
    let (near, far) = hqq_std::pair()?;
    let options = AdvancedOptions::new();
    let (near, far) = (
        AdvancedLink::new(near, options),
        AdvancedLink::new(far, options),
    );
    let server = Server::new().method(METHOD, |request| Ok(request.body().to_vec()));
    let (stop, over, calls) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            far.wait_for_negotiation(None)?;
            // The link is over when the callers have gone, which is no failure.
            let _ = server.serve_until(&far, &stop);
            Ok::<(), std::io::Error>(())
        });
        near.negotiate(None)?;
        // A task that waits for what never comes: the background thread drives for it.
        let mut task = Box::pin(near.receive_async());
        if background {
            let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "nothing was sent");
        }
        let began = Instant::now();
        let counted = std::thread::scope(|scope| {
            let calling: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        // Relaxed, here and below: a stop and a count, on which nothing else hangs.
                        while !over.load(Ordering::Relaxed) {
                            near.call(METHOD, &[7; 64])?;
                            calls.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok::<(), CallError>(())
                    })
                })
                .collect();
            std::thread::sleep(ROUND);
            over.store(true, Ordering::Relaxed);
            calling.into_iter().try_for_each(|thread| {
                let ended = thread.join().map_err(|_| "a caller panicked")?;
                ended.map_err(Box::<dyn Error>::from)
            })
        });
        let rate = calls.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        counted.map(|()| rate)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    println!("threads  by themselves/s  background/s  ratio");
    for threads in [1, 2, 4, 8] {
        for _ in 0..rounds {
            let (alone, background) = (rate(threads, false)?, rate(threads, true)?);
            let ratio = alone / background;
            println!("{threads:7}  {alone:15.0}  {background:12.0}  {ratio:5.2}");
        }
    }
    Ok(())
}
