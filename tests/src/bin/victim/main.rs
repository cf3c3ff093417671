//! A process to be killed: it sends or receives without end, and notes in a sheet of its own what it
//! has done.

mod forking;
mod handlers;
mod stepping;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hqq_core::ring::{Consumer, Producer};
use hqq_std::{LinkOptions, Receiver, RecvError, Role, SendError, Sender};
use hqq_tests::{Note, Phase, Sheet, attached, fill_message, is_message};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long a call waits before it is looked whether to end.
const CALL: Duration = Duration::from_millis(100);
/// How long a thread dwells between two messages, and with one in its hand.
const SHORT: Duration = Duration::from_micros(80);
const LONG: Duration = Duration::from_micros(120);
/// Most processes of a test are killed long before; none outlives it.
const LIFE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    hqq_tests::obey(run)
}

fn run(arguments: &[&str]) -> Result {
    if let ["step", arguments @ ..] = arguments {
        return stepping::step(arguments);
    }
    if let ["fork_advanced"] = arguments {
        return forking::fork_advanced();
    }
    if let ["fork_without", how, name] = arguments {
        return forking::fork_without(how, name);
    }
    if let ["fork_opening", name] = arguments {
        return forking::fork_opening(name);
    }
    if let ["fork_making", name] = arguments {
        return forking::fork_making(name);
    }
    if let ["fork_handlers", names @ ..] = arguments {
        return handlers::fork_handlers(names, false);
    }
    if let ["fork_handlers_that_fork", names @ ..] = arguments {
        return handlers::fork_handlers(names, true);
    }
    if let ["fork_beside", name] = arguments {
        return handlers::fork_beside(name);
    }
    if let ["fork", name] = arguments {
        return forking::fork(name);
    }
    let &[task, name, mode, threads, sheet, stream] = arguments else {
        return Err(format!("no such task: {arguments:?}").into());
    };
    let sheet = Sheet::open(Path::new(sheet))?;
    let (threads, stream): (usize, u64) = (threads.parse()?, stream.parse()?);
    let role = if task == "send" {
        Role::Primary
    } else {
        Role::Secondary
    };
    let options = LinkOptions::new().role(role);
    match (task, mode) {
        ("send", "exclusive") => {
            let (sender, _receiver) = attached(|| options.open(name))?.split();
            sheet.set_ready();
            send(sender, &sheet, 0, stream)
        }
        ("recv" | "read", "exclusive") => {
            let (_sender, receiver) = attached(|| options.open(name))?.split();
            sheet.set_ready();
            receive(receiver, &sheet, 0, task == "recv")
        }
        ("send" | "recv" | "read", "shared") => {
            let link = attached(|| options.shared().open(name))?;
            sheet.set_ready();
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads)
                    .map(|thread| {
                        let (link, sheet) = (&link, &sheet);
                        scope.spawn(move || {
                            if task == "send" {
                                send(link.sender(), sheet, thread, stream + thread as u64)
                            } else {
                                receive(link.receiver(), sheet, thread, task == "recv")
                            }
                        })
                    })
                    .collect();
                workers
                    .into_iter()
                    .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("panicked".into())))
            })
        }
        _ => Err(format!("no such task: {arguments:?}").into()),
    }
}

/// Stays where it is for a while without leaving the core.
fn dwell(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn send<P: Producer>(mut sender: Sender<P>, sheet: &Sheet, thread: usize, stream: u64) -> Result {
    let end = Instant::now() + LIFE;
    let max = sender.max_message_size();
    let mut number = 0;
    sender.set_timeout(Some(CALL))?;
    while sheet.stopped() == 0 && Instant::now() < end {
        let message = fill_message(stream, number, max);
        sheet.enter(thread, Phase::Sending);
        // Short ones, which a call sends within the packet, and long ones; sent by a call, and held for a while.
        let sent = if number / 2 % 2 == 0 {
            match sender.reserve() {
                Ok(mut grant) => {
                    sheet.enter(thread, Phase::Writing);
                    grant.copy_from(0, &message)?;
                    dwell(2 * LONG);
                    // Before the message is out: who is stopped while it writes has the slot.
                    sheet.enter(thread, Phase::Sending);
                    grant.commit(message.len())?;
                    Ok(())
                }
                Err(error) => Err(error),
            }
        } else {
            sender.send(&message)
        };
        match sent {
            Ok(()) => {
                number += 1;
                sheet.commit(thread, number);
                sheet.enter(thread, Phase::Between);
                dwell(SHORT);
            }
            Err(error) => {
                sheet.enter(thread, Phase::Between);
                match error {
                    SendError::TimedOut | SendError::PeerStalled(_) => {}
                    SendError::PeerDead | SendError::Disconnected => {
                        let _ = sender.wait_for_peer(Some(CALL));
                    }
                    error => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

/// `copies`: every second message is copied by the call that receives it. That has given it back before it can be
/// noted, so who wants each at least once reads all of them where they lie.
fn receive<C: Consumer>(
    mut receiver: Receiver<C>,
    sheet: &Sheet,
    thread: usize,
    copies: bool,
) -> Result {
    let end = Instant::now() + LIFE;
    let mut buffer = vec![0; receiver.max_message_size()];
    receiver.set_timeout(Some(CALL))?;
    while sheet.stopped() < 2 && Instant::now() < end {
        if !sheet.has_room(thread) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        sheet.enter(thread, Phase::Claiming);
        let copies = copies && sheet.count(thread).is_multiple_of(2);
        let error = match take(&mut receiver, copies, &mut buffer, sheet, thread) {
            Ok(()) => {
                sheet.enter(thread, Phase::Between);
                dwell(SHORT);
                continue;
            }
            Err(error) => error,
        };
        sheet.enter(thread, Phase::Between);
        match error {
            RecvError::TimedOut | RecvError::PeerStalled(_) => {}
            RecvError::PeerDead | RecvError::Disconnected if sheet.stopped() == 1 => break,
            RecvError::PeerDead | RecvError::Disconnected => {
                let _ = receiver.wait_for_peer(Some(CALL));
            }
            error => return Err(error.into()),
        }
    }
    Ok(())
}

/// Receives one message, and notes it: copied by the call that receives, or read where it lies.
fn take<C: Consumer>(
    receiver: &mut Receiver<C>,
    copies: bool,
    buffer: &mut [u8],
    sheet: &Sheet,
    thread: usize,
) -> std::result::Result<(), RecvError> {
    let note = |bytes: &[u8], in_doubt| {
        sheet.enter(thread, Phase::Reading);
        let (stream, number, whole) = is_message(bytes);
        dwell(LONG);
        let note = Note {
            stream,
            number,
            in_doubt,
            whole,
        };
        sheet.note(thread, &note);
        sheet.enter(thread, Phase::Noted);
    };
    if copies {
        let len = receiver.recv(buffer)?;
        note(buffer.get(..len).unwrap_or_default(), false);
    } else {
        let message = receiver.next()?;
        let len = message.copy_to(0, buffer);
        note(buffer.get(..len).unwrap_or_default(), message.is_in_doubt());
        drop(message);
    }
    Ok(())
}
