//! One call, under a tracer that may kill this process at any instruction of it.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hqq_core::ring::{Consumer, Producer};
use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError};
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Receiver, Role, Sender};
use hqq_tests::{Sheet, fill_message};

use crate::{LIFE, Result};

/// Comes to a stop, does one thing, and stops again, under a tracer that may kill it at any
/// instruction between.
pub(crate) fn step(arguments: &[&str]) -> Result {
    match *arguments {
        ["send", name, mode, number, earlier, sheet] => {
            let sheet = Sheet::open(Path::new(sheet))?;
            let options = LinkOptions::new().role(Role::Primary);
            let (number, earlier): (u64, u64) = (number.parse()?, earlier.parse()?);
            if mode == "shared" {
                let link = options.shared().open(name)?;
                step_send(link.sender(), number, earlier, &sheet)
            } else {
                step_send(options.open(name)?.split().0, number, earlier, &sheet)
            }
        }
        ["recv" | "read", name, mode, _, earlier, sheet] => {
            let reads = arguments.first() == Some(&"read");
            let sheet = Sheet::open(Path::new(sheet))?;
            let options = LinkOptions::new().role(Role::Secondary);
            let earlier: u64 = earlier.parse()?;
            if mode == "shared" {
                let link = options.shared().open(name)?;
                step_receive(link.receiver(), reads, earlier, &sheet)
            } else {
                step_receive(options.open(name)?.split().1, reads, earlier, &sheet)
            }
        }
        ["repair", name, _] => {
            let caretaker = LinkOptions::new().caretaker(name)?;
            be_stepped(|| {
                let _ = caretaker.repair();
            })
        }
        ["create", name, count, size, _] => {
            // Whoever is stepped is slow.
            let options = LinkOptions::new()
                .count(count.parse()?)
                .size(size.parse()?)
                .attach_timeout(Duration::from_secs(600));
            let mut made = None;
            be_stepped(|| made = Some(options.create_or_open(name)))?;
            match made {
                Some(Err(error)) => Err(error.into()),
                _ => Ok(()),
            }
        }
        ["attach", name, role, mode, _] => {
            let options = options_of(role)?;
            let (mut shared, mut exclusive) = (None, None);
            be_stepped(|| {
                if mode == "shared" {
                    shared = Some(options.shared().open(name));
                } else {
                    exclusive = Some(options.open(name));
                }
            })?;
            shared.transpose()?;
            exclusive.transpose()?;
            Ok(())
        }
        ["leave", name, role, mode, messages, sheet] => {
            let sheet = Sheet::open(Path::new(sheet))?;
            let (options, messages) = (options_of(role)?, messages.parse()?);
            let sends = role == "primary";
            if mode == "shared" {
                let link = options.shared().open(name)?;
                if sends {
                    send_some(&mut link.sender(), 0..messages)?;
                } else {
                    receive_some(&mut link.receiver(), messages)?;
                }
                step_drop(link, &sheet)
            } else {
                let mut link = options.open(name)?;
                if sends {
                    send_some(link.sender(), 0..messages)?;
                } else {
                    receive_some(link.receiver(), messages)?;
                }
                step_drop(link, &sheet)
            }
        }
        ["take", name, sheet] => {
            let sheet = Sheet::open(Path::new(sheet))?;
            // A sender that lives, so that more may come.
            let mut near = options_of("primary")?.open(name)?;
            let link = options_of("secondary")?.shared().open(name)?;
            let mut receiver = link.receiver();
            send_some(near.sender(), 0..1)?;
            let mut buffer = vec![0; receiver.max_message_size()];
            let dead = std::process::Command::new(std::env::current_exe()?)
                .args(["step", "hold", name, "secondary"])
                .status()?;
            if !dead.success() {
                return Err("nobody died with a message".into());
            }
            // It looks for the dead at its deadline, which is at once.
            receiver.set_timeout(Some(Duration::from_nanos(1)))?;
            be_stepped(|| {
                if let Ok(message) = receiver.next() {
                    message.copy_to(0, &mut buffer);
                    sheet.commit(0, 1);
                }
            })
        }
        ["hold", name, role] => {
            let link = options_of(role)?.shared().open(name)?;
            let mut receiver = link.receiver();
            let _message = receiver.try_next()?;
            // As if killed: nothing is dropped.
            std::process::exit(0)
        }
        ["retract", name, sheet] => {
            let sheet = Sheet::open(Path::new(sheet))?;
            let near = options_of("primary")?.open(name)?;
            let near = AdvancedLink::new(near, AdvancedOptions::new());
            let mut server = std::process::Command::new(std::env::current_exe()?)
                .args(["step", "serve", name])
                .stdout(Stdio::piped())
                .spawn()?;
            near.negotiate(None)?;
            let output = server.stdout.as_mut().ok_or("no output")?;
            output.read_exact(&mut [0])?;
            // It takes nothing any more.
            let call = near.start_call(1, b"request")?;
            server.kill()?;
            server.wait()?;
            be_stepped(|| {
                if matches!(call.wait(), Err(CallError::NotExecuted)) {
                    sheet.commit(0, 1);
                }
            })
        }
        ["look", name, sheet] => {
            let sheet = Sheet::open(Path::new(sheet))?;
            let link = options_of("secondary")?.open(name)?;
            let link = AdvancedLink::new(link, AdvancedOptions::new());
            link.wait_for_negotiation(None)?;
            let mut first = Err(ReceiveError::TimedOut);
            // It looks once more at its deadline, which is at once.
            be_stepped(|| first = link.receive_timeout(Duration::from_nanos(1)))?;
            let message = match first {
                Err(ReceiveError::TimedOut) => link.receive()?,
                first => first?,
            };
            let end = link.receive().map(|_| ());
            let is_dead = end == Err(ReceiveError::Link(LinkFailure::PeerDead));
            if is_dead && message.body() == b"last" {
                sheet.commit(0, 1);
            }
            Ok(())
        }
        ["last", name] => {
            let link = options_of("primary")?.open(name)?;
            let link = AdvancedLink::new(link, AdvancedOptions::new());
            link.negotiate(None)?;
            println!("agreed");
            std::io::stdin().read_line(&mut String::new())?;
            link.send_large(b"last")?;
            // As if killed: nothing is dropped.
            std::process::exit(0)
        }
        ["serve", name] => {
            let link = options_of("secondary")?.open(name)?;
            let link = AdvancedLink::new(link, AdvancedOptions::new());
            link.wait_for_negotiation(None)?;
            println!("agreed");
            std::thread::sleep(LIFE);
            Ok(())
        }
        _ => Err(format!("no such step: {arguments:?}").into()),
    }
}

fn options_of(role: &str) -> Result<LinkOptions> {
    let role = Role::BOTH
        .into_iter()
        .find(|of| of.to_string() == role)
        .ok_or("no such role")?;
    // Whoever is stepped is slow.
    let options = LinkOptions::new().role(role);
    Ok(options.attach_timeout(Duration::from_secs(600)))
}

fn send_some<P: Producer>(sender: &mut Sender<P>, numbers: Range<u64>) -> Result {
    let max = sender.max_message_size();
    for number in numbers {
        sender.try_send(&fill_message(1, number, max))?;
    }
    Ok(())
}

fn receive_some<C: Consumer>(receiver: &mut Receiver<C>, messages: u64) -> Result {
    for _ in 0..messages {
        drop(receiver.try_next()?);
    }
    Ok(())
}

fn step_drop<T>(link: T, sheet: &Sheet) -> Result {
    be_stepped(|| {
        drop(link);
        sheet.commit(0, 1);
    })
}

/// Sends `earlier` messages, then the one that it is stepped through.
fn step_send<P: Producer>(
    mut sender: Sender<P>,
    number: u64,
    earlier: u64,
    sheet: &Sheet,
) -> Result {
    send_some(&mut sender, number - earlier..number)?;
    let message = fill_message(1, number, sender.max_message_size());
    be_stepped(|| {
        if sender.try_send(&message).is_ok() {
            sheet.commit(0, 1);
        }
    })
}

/// Receives `earlier` messages, then the one that it is stepped through. `reads`: it has noted the message before
/// it gives the buffer back.
fn step_receive<C: Consumer>(
    mut receiver: Receiver<C>,
    reads: bool,
    earlier: u64,
    sheet: &Sheet,
) -> Result {
    let mut buffer = vec![0; receiver.max_message_size()];
    for _ in 0..earlier {
        receiver.try_recv(&mut buffer)?;
    }
    be_stepped(|| {
        if reads {
            if let Ok(message) = receiver.try_next() {
                message.copy_to(0, &mut buffer);
                sheet.commit(0, 1);
            }
        } else if receiver.try_recv(&mut buffer).is_ok() {
            sheet.commit(0, 1);
        }
    })
}

#[allow(unsafe_code, reason = "ptrace is an unsafe call")]
fn be_stepped(call: impl FnOnce()) -> Result {
    let none = std::ptr::null_mut::<nix::libc::c_void>();
    // SAFETY: asks to be traced by the parent, which is waiting for that.
    if unsafe { nix::libc::ptrace(nix::libc::PTRACE_TRACEME, 0, none, none) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: stops this thread, the only one.
    unsafe { nix::libc::raise(nix::libc::SIGSTOP) };
    call();
    // SAFETY: as above.
    unsafe { nix::libc::raise(nix::libc::SIGSTOP) };
    Ok(())
}
