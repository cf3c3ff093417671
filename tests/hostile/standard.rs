//! Standard links, exclusive and shared, that are used in every way.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use hqq_core::ring::{Consumer, Producer};
use hqq_std::{Receiver, RecvError, Role, SendError, Sender, TryRecvError, TrySendError};
use hqq_tests::scribble::Random;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::keeper::Keeper;
use super::tally::{SOON, Tally};

/// Calls before a link is opened anew though nothing is wrong.
const CALLS: u32 = 20_000;
/// Timeouts in a row after which it is opened anew.
const SILENCE: u32 = 8;

/// Whether to go on with a link: not after an error that lasts.
struct Patience {
    calls: u32,
    silent: u32,
}

impl Patience {
    const fn new() -> Self {
        Self {
            calls: 0,
            silent: 0,
        }
    }

    const fn is_over(&mut self) -> bool {
        self.calls += 1;
        self.calls > CALLS || self.silent > SILENCE
    }
}

/// What an error asks for.
enum Next {
    GoOn,
    Reopen,
    Renew,
}

fn after_send(error: SendError) -> Next {
    match error {
        SendError::TimedOut | SendError::TooLong { .. } => Next::GoOn,
        SendError::Corrupt(_) => Next::Renew,
        _ => Next::Reopen,
    }
}

fn after_receive(error: &RecvError) -> Next {
    match error {
        RecvError::TimedOut | RecvError::BufferTooSmall { .. } => Next::GoOn,
        RecvError::Disconnected => Next::Reopen,
        RecvError::Peer(hqq_core::RecvError::Corrupt(_)) => Next::Renew,
        RecvError::Peer(_) => Next::GoOn,
        _ => Next::Reopen,
    }
}

/// Sends in one of several ways.
fn send<P: Producer>(
    sender: &mut Sender<P>,
    random: &mut Random,
    tally: &Tally,
) -> Result<(), SendError> {
    let max = sender.max_message_size();
    let message = vec![7; random.below(max + 2)];
    let half = &message[..message.len() / 2];
    tally.timed("send", SOON, || match random.below(5) {
        0 => sender.send_timeout(&message, SOON),
        1 => sender.send_vectored(&[half, half]),
        2 => {
            let mut grant = sender.reserve()?;
            // Too long for a buffer is an error of the grant's, without consequence.
            let _ = grant.copy_from(0, &message);
            match random.below(4) {
                0 => drop(grant),
                1 => grant.abort(3),
                _ => {
                    let _ = grant.commit(message.len().min(max));
                }
            }
            Ok(())
        }
        3 => match sender.try_send_batch(&[half, half, b"x"]) {
            Ok(_) | Err(TrySendError::Full | TrySendError::Busy) => Ok(()),
            Err(TrySendError::Corrupt(found)) => Err(SendError::Corrupt(found)),
            Err(error) => {
                tally.error("TrySendError", &error);
                Ok(())
            }
        },
        _ => match sender.write(&message) {
            Ok(_) => Ok(()),
            Err(error) => match error.downcast::<SendError>() {
                Ok(error) => Err(error),
                Err(error) => {
                    tally.error("io::Error of writing", &error.kind());
                    Ok(())
                }
            },
        },
    })
}

/// Receives in one of several ways; how many messages.
fn receive<C: Consumer>(
    receiver: &mut Receiver<C>,
    random: &mut Random,
    tally: &Tally,
) -> Result<usize, RecvError> {
    let mut buffer = vec![0; random.below(receiver.max_message_size() + 1)];
    tally.timed("receive", SOON, || match random.below(7) {
        0 => receiver.recv_timeout(&mut buffer, SOON).map(|_| 1),
        1 => receiver.recv_vec().map(|_| 1),
        2 => {
            let grant = receiver.next()?;
            if grant.is_in_doubt() {
                tally.doubted();
            }
            let mut bytes = vec![0; grant.len()];
            let len = grant.copy_to(0, &mut bytes);
            assert!(len <= bytes.len());
            Ok(1)
        }
        3 => {
            let mut seen = 0;
            let result = receiver.try_recv_batch(16, |grant| {
                seen += grant.copy_to(0, &mut [0; 64]).min(1);
            });
            match result {
                Ok(messages) => Ok(messages),
                Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(0),
                Err(error) => {
                    tally.error("TryRecvError", &error);
                    Ok(seen)
                }
            }
        }
        4 => match receiver.try_next() {
            Ok(grant) => {
                // As if it had been forgotten: it must not harm whoever goes on.
                if random.below(64) == 0 {
                    std::mem::forget(grant);
                }
                Ok(1)
            }
            Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(0),
            Err(error) => {
                tally.error("TryRecvError", &error);
                Ok(0)
            }
        },
        5 => {
            // As an event loop does; it goes on without where the system has no descriptors left.
            if let Ok(readiness) = receiver.readiness() {
                let mut polled = [PollFd::new(&readiness, PollFlags::IN)];
                let limit = Timespec::try_from(SOON).ok();
                let _ = poll(&mut polled, limit.as_ref());
            }
            match receiver.try_recv(&mut buffer) {
                Ok(_) => Ok(1),
                Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(0),
                Err(error) => {
                    tally.error("TryRecvError", &error);
                    Ok(0)
                }
            }
        }
        _ => match receiver.read(&mut buffer) {
            Ok(_) => Ok(1),
            Err(error) => match error.downcast::<RecvError>() {
                Ok(error) => Err(error),
                Err(error) => {
                    tally.error("io::Error of reading", &error.kind());
                    Ok(0)
                }
            },
        },
    })
}

/// Sends until something is wrong that lasts.
fn sending<P: Producer>(
    mut sender: Sender<P>,
    keeper: &Keeper,
    seen: u64,
    tally: &Tally,
    stop: &AtomicBool,
) {
    let mut random = Random::new(seen + 1);
    let mut patience = Patience::new();
    sender.set_timeout(Some(SOON)).unwrap();
    while !stop.load(Ordering::Relaxed) && keeper.times() == seen && !patience.is_over() {
        match send(&mut sender, &mut random, tally) {
            Ok(()) => patience.silent = 0,
            Err(error) => {
                tally.error("SendError", &error);
                patience.silent += u32::from(error == SendError::TimedOut);
                match after_send(error) {
                    Next::GoOn => {}
                    Next::Reopen => break,
                    Next::Renew => keeper.renew(seen),
                }
            }
        }
        if random.below(64) == 0 {
            let unread = sender.unread();
            assert!(unread <= sender.capacity(), "{unread}");
            let _ = sender.is_peer_dead();
            if let Err(error) = tally.timed("drain", SOON, || sender.wait_drained(Some(SOON))) {
                tally.error("DrainError", &error);
            }
        }
    }
    tally.timed("drop", SOON, || drop(sender));
}

/// Receives until something is wrong that lasts.
fn receiving<C: Consumer>(
    mut receiver: Receiver<C>,
    keeper: &Keeper,
    seen: u64,
    tally: &Tally,
    stop: &AtomicBool,
) {
    let mut random = Random::new(seen + 2);
    let mut patience = Patience::new();
    receiver.set_timeout(Some(SOON)).unwrap();
    while !stop.load(Ordering::Relaxed) && keeper.times() == seen && !patience.is_over() {
        match receive(&mut receiver, &mut random, tally) {
            Ok(messages) => {
                tally.moved(messages);
                if messages > 0 {
                    patience.silent = 0;
                }
            }
            Err(error) => {
                tally.error("RecvError", &error);
                patience.silent += u32::from(error == RecvError::TimedOut);
                match after_receive(&error) {
                    Next::GoOn => {}
                    Next::Reopen => break,
                    Next::Renew => keeper.renew(seen),
                }
            }
        }
        if random.below(256) == 0 {
            let _ = receiver.is_peer_dead();
        }
    }
    tally.timed("drop", SOON, || drop(receiver));
}

/// Both ends of an exclusive link, each half on a thread of its own.
pub(super) fn ends(keeper: &Keeper, tally: &Tally, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        for role in Role::BOTH {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let opened =
                        keeper.open(tally, |options, name| options.clone().role(role).open(name));
                    let Some((link, seen)) = opened else {
                        continue;
                    };
                    let (sender, receiver) = link.split();
                    std::thread::scope(|scope| {
                        scope.spawn(|| sending(sender, keeper, seen, tally, stop));
                        receiving(receiver, keeper, seen, tally, stop);
                    });
                }
            });
        }
    });
}

/// Two members on each side, each with two threads that send or receive.
pub(super) fn sharing(keeper: &Keeper, tally: &Tally, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        for role in [
            Role::Primary,
            Role::Secondary,
            Role::Primary,
            Role::Secondary,
        ] {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let opened = keeper.open(tally, |options, name| {
                        options.shared().role(role).open(name)
                    });
                    let Some((link, seen)) = opened else {
                        continue;
                    };
                    std::thread::scope(|scope| {
                        let sender = link.sender();
                        scope.spawn(|| sending(sender, keeper, seen, tally, stop));
                        receiving(link.receiver(), keeper, seen, tally, stop);
                    });
                }
            });
        }
    });
}
