//! The other process of the tests of peers that are strangers or mean harm. The first argument says
//! what it does:
//!
//! | arguments | |
//! |---|---|
//! | `connect SOCKET USER` | gets a region from a listener of this user, and echoes in it until its peer leaves |
//! | `listen SOCKET USER` | hands a region to one process of this user, and echoes in it |
//! | `scribble SEED VICTIM…` | writes into these regions until its input ends, and says how much |
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
use hqq_std::{LinkOptions, RecvError, StandardLink};
use hqq_tests::scribble::Victim;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{error:?}");
            ExitCode::FAILURE
        }
    }
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
