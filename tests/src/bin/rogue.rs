//! The other process of the tests of peers that are strangers or mean harm. The first argument says
//! what it does:
//!
//! | arguments | |
//! |---|---|
//! | `connect SOCKET USER` | gets a region from a listener of this user, and echoes in it until its peer leaves |
//! | `listen SOCKET USER` | hands a region to one process of this user, and echoes in it |
//! | `scribble SEED VICTIM…` | writes into these regions until its input ends, and says how much |
//! | `hold NAME COUNT` | claims so many buffers and keeps them until its input ends |
//! | `take NAME COUNT` | claims so many messages as receivers of a shared side, and keeps them likewise |
//! | `read NAME COUNT` | receives so many messages on an exclusive side, and keeps the last one likewise |
//! | `sigbus NAME HANDLER CAUSE` | guards a link, and gets a SIGBUS that has nothing to do with it |
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to the test through them"
)]

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hqq_std::handoff::{Allow, Connector, Listener};
use hqq_std::{LinkOptions, RecvError, Role, StandardLink};
use hqq_tests::scribble::Victim;
use nix::libc;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    hqq_tests::obey(run)
}

fn run(arguments: &[&str]) -> Result {
    match *arguments {
        ["connect", socket, user] => {
            let connector = Connector::new(Allow::nobody().user(user.parse()?));
            echo(connector.connect(socket, &LinkOptions::new(), PATIENCE)?)
        }
        ["listen", socket, user] => {
            let listener = Listener::bind(socket, Allow::nobody().user(user.parse()?))?;
            println!("listening");
            let guest = listener.accept(Some(PATIENCE))?;
            println!("{}", guest.credentials());
            echo(guest.make_region(&LinkOptions::new().count(4).size(64), PATIENCE)?)
        }
        ["scribble", seed, ref victims @ ..] => scribble(seed.parse()?, victims),
        ["hold", name, count] => hold(name, count.parse()?),
        ["take", name, count] => take(name, count.parse()?),
        ["read", name, count] => read(name, count.parse()?),
        ["sigbus", name, handler, cause] => sigbus(name, handler, cause),
        _ => Err(format!("no such task: {arguments:?}").into()),
    }
}

/// Tries to change the length of the region, and sends back what comes.
fn echo(mut link: StandardLink) -> Result {
    let region = File::from(link.region_fd()?);
    for len in [0, region.metadata()?.len() + 4096] {
        if region.set_len(len).is_ok() {
            return Err(format!("the region could be given {len} bytes").into());
        }
    }
    link.set_read_timeout(Some(PATIENCE))?;
    link.set_write_timeout(Some(PATIENCE))?;
    loop {
        match link.recv_vec() {
            Ok(message) => link.send(&message)?,
            Err(RecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn scribble(seed: u64, victims: &[&str]) -> Result {
    let victims: Option<Vec<_>> = victims
        .iter()
        .map(|victim| Victim::of_argument(victim))
        .collect();
    let victims = victims.ok_or("no such victim")?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| hqq_tests::scribble::scribble(&victims, seed, &stop));
        println!("writing");
        let ended = std::io::stdin().lock().read_to_end(&mut Vec::new());
        // Relaxed: only ends the writing.
        stop.store(true, Ordering::Relaxed);
        let writes = writing.join().map_err(|_| "panicked")?;
        let rate = writes.total() as f64 / writes.took.as_secs_f64();
        println!("{} {rate:.0}", writes.total());
        println!("{writes:?}");
        ended?;
        Ok(())
    })
}

fn hold(name: &str, count: usize) -> Result {
    let link = LinkOptions::new().shared().open(name)?;
    let mut senders: Vec<_> = (0..count).map(|_| link.sender()).collect();
    let grants: std::result::Result<Vec<_>, _> =
        senders.iter_mut().map(|sender| sender.reserve()).collect();
    let grants = grants?;
    println!("holds");
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    drop(grants);
    Ok(())
}

fn take(name: &str, count: usize) -> Result {
    let options = LinkOptions::new().role(Role::Secondary);
    let link = options.shared().open(name)?;
    let mut receivers: Vec<_> = (0..count).map(|_| link.receiver()).collect();
    let receivers = receivers.iter_mut();
    let grants: std::result::Result<Vec<_>, _> =
        receivers.map(|receiver| receiver.next()).collect();
    let grants = grants?;
    println!("holds");
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    drop(grants);
    Ok(())
}

fn read(name: &str, count: usize) -> Result {
    let mut link = LinkOptions::new().role(Role::Secondary).open(name)?;
    println!("ready");
    let receiver = link.receiver();
    for _ in 1..count {
        receiver.recv(&mut [0; 64])?;
    }
    let grant = receiver.next()?;
    println!("holds");
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    drop(grant);
    Ok(())
}

/// What a handler of a SIGBUS ends the process with.
const CODE: i32 = 42;

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: ends the process at once, as a handler may.
    unsafe { libc::_exit(CODE) }
}

extern "C" fn on_signal_with_info(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _: *mut libc::c_void,
) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid one.
    let found = unsafe { (*info).si_signo };
    // SAFETY: as above.
    unsafe { libc::_exit(if found == signal { CODE } else { 1 }) }
}

/// Installs what is to be done about a SIGBUS, then guards a link, and then gets one.
fn sigbus(name: &str, handler: &str, cause: &str) -> Result {
    // SAFETY: all zeros are a disposition, the default one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    match handler {
        "default" => {}
        "ignored" => action.sa_sigaction = libc::SIG_IGN,
        "plain" => action.sa_sigaction = on_signal as *const () as usize,
        _ => {
            action.sa_sigaction = on_signal_with_info as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
        }
    }
    // SAFETY: a valid disposition; the handlers do what handlers may.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let link = LinkOptions::new().guard_truncation(true).open(name)?;
    if cause == "sent" {
        println!("ready");
        std::io::stdin().lock().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let file = tempfile::tempfile()?;
    file.set_len(4096)?;
    let memory = memmap2::MmapOptions::new().len(4096).map_raw(&file)?;
    file.set_len(0)?;
    // SAFETY: mapped; that the file is shorter now is what this is about.
    let byte = unsafe { memory.as_ptr().read_volatile() };
    drop(link);
    Err(format!("read {byte}").into())
}
