//! Calls, large messages and streams over an Advanced link.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_std::advanced::error::{LinkFailure, ReceiveError};
use hqq_std::{AdvancedLink, AdvancedOptions, Role, Server};
use hqq_tests::scribble::Random;

use super::keeper::Keeper;
use super::tally::{SOON, Tally};

/// How long an end tries to agree with the other.
const AGREE: Duration = Duration::from_millis(50);
/// Streams that a server keeps open.
const STREAMS: usize = 4;
/// How long a link is used at most, though nothing is wrong.
const LIFE: Duration = Duration::from_secs(1);

fn options() -> AdvancedOptions {
    AdvancedOptions::new()
        .max_message_size(1 << 20)
        .max_assembly_bytes(4 << 20)
        .incoming_bytes(4 << 20)
}

/// When it is `within` from now.
fn at(within: Duration) -> Option<Instant> {
    Instant::now().checked_add(within)
}

fn open(keeper: &Keeper, tally: &Tally, role: Role) -> Option<(AdvancedLink, u64)> {
    let opened = keeper.open(tally, |options, name| options.clone().role(role).open(name));
    opened.map(|(link, seen)| (AdvancedLink::new(link, options()), seen))
}

/// A client and a server, which make their links anew again and again.
pub(super) fn calls(keeper: &Keeper, tally: &Tally, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                client(keeper, tally, stop);
            }
        });
        while !stop.load(Ordering::Relaxed) {
            server(keeper, tally, stop);
        }
    });
}

fn server(keeper: &Keeper, tally: &Tally, stop: &AtomicBool) {
    let Some((link, seen)) = open(keeper, tally, Role::Secondary) else {
        return;
    };
    let agreed = tally.timed("wait for negotiation", AGREE, || {
        link.wait_for_negotiation(at(AGREE))
    });
    if let Err(error) = agreed {
        tally.error("NegotiationError", &error);
        return;
    }
    let over = AtomicBool::new(false);
    link.listen(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What comes on them comes to `receive` as well.
            let mut streams = VecDeque::new();
            let until = Instant::now() + LIFE;
            while !stop.load(Ordering::Relaxed)
                && !over.load(Ordering::Relaxed)
                && keeper.times() == seen
                && Instant::now() < until
            {
                match link.accept(at(Duration::ZERO)) {
                    Ok(stream) => streams.push_back(stream),
                    Err(ReceiveError::TimedOut) => {}
                    Err(error) => tally.error("ReceiveError of accepting", &error),
                }
                if streams.len() > STREAMS {
                    streams.pop_front();
                }
                // Messages that nobody asked for come here.
                match tally.timed("receive a message", SOON, || link.receive_timeout(SOON)) {
                    Ok(message) => {
                        let _ = message;
                        tally.moved(1);
                    }
                    Err(ReceiveError::TimedOut) => {}
                    Err(error) => {
                        let lasts = matches!(error, ReceiveError::Link(_));
                        tally.error("ReceiveError", &error);
                        if lasts {
                            break;
                        }
                    }
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        let server = Server::new().method(1, |request| {
            tally.moved(1);
            Ok(request.body().to_vec())
        });
        if let Err(error) = server.serve_until(&link, &over) {
            tally.error("LinkFailure", &error);
            if matches!(error, LinkFailure::Corrupt(_)) {
                keeper.renew(seen);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn client(keeper: &Keeper, tally: &Tally, stop: &AtomicBool) {
    let Some((link, seen)) = open(keeper, tally, Role::Primary) else {
        return;
    };
    let agreed = tally.timed("negotiate", AGREE, || link.negotiate(at(AGREE)));
    if let Err(error) = agreed {
        tally.error("NegotiationError", &error);
        return;
    }
    let mut random = Random::new(seen + 3);
    let until = Instant::now() + LIFE;
    let mut failed = 0;
    while !stop.load(Ordering::Relaxed)
        && keeper.times() == seen
        && Instant::now() < until
        && failed < 8
    {
        let body = vec![1; random.below(20_000)];
        match random.below(5) {
            0 => match tally.timed("dial", AGREE, || link.dial(at(AGREE))) {
                Ok(stream) => {
                    let sent = tally.timed("send on a stream", AGREE, || {
                        stream.send_large_until(&body, at(AGREE))
                    });
                    if let Err(error) = sent {
                        tally.error("TransferError on a stream", &error);
                        failed += 1;
                    }
                }
                Err(error) => {
                    tally.error("DialError", &error);
                    failed += 1;
                }
            },
            1 => {
                let sent = tally.timed("send a large message", AGREE, || {
                    link.send_large_on(0, &body, at(AGREE))
                });
                if let Err(error) = sent {
                    tally.error("TransferError", &error);
                    failed += 1;
                }
            }
            _ => match tally.timed("call", AGREE, || link.call_timeout(1, &body, AGREE)) {
                Ok(_) => {
                    tally.moved(1);
                    failed = 0;
                }
                Err(error) => {
                    tally.error("CallError", &error);
                    failed += 1;
                }
            },
        }
    }
}
