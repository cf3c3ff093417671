//! One message at a time to a process that sleeps, and back: `parked [ROUNDS]`. Prints how long a
//! round trip takes and how often a sleep ended by itself although a message was there, which is a
//! lost wakeup: then it fails.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use hqq_std::wait::Policy;
use hqq_std::{LinkOptions, RecvError, StandardLink};

/// Longer than any wakeup takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sleeps end by themselves after this long only: later than any wakeup comes.
const LONG: Duration = Duration::from_secs(5);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if let (Some("answer"), Some(name)) = (first.as_deref(), arguments.next()) {
        let missed = answer(LinkOptions::new().wait_policy(Policy::Park).open(&name)?)?;
        return Ok(ExitCode::from(u8::from(missed > 0)));
    }
    let rounds = first.map_or(Ok(100_000), |rounds| rounds.parse())?;
    let name = format!("hqq-parked-{}", std::process::id());
    let options = LinkOptions::new()
        .count(2)
        .size(8)
        .wait_policy(Policy::Park);
    let link = options.create(&name)?;
    let program = std::env::current_exe()?;
    let peer = Command::new(program).args(["answer", &name]).spawn();
    let result = peer.map(|mut peer| {
        let asked = ask(link, rounds);
        if asked.is_err() {
            // It may wait for ever.
            let _ = peer.kill();
        }
        (asked, peer.wait())
    });
    hqq_std::unlink(&name)?;
    let (asked, answered) = result?;
    let missed = asked?;
    let lost = missed > 0 || !answered?.success();
    println!(
        "{}",
        if lost {
            "wakeups were lost"
        } else {
            "no wakeup was lost"
        }
    );
    Ok(ExitCode::from(u8::from(lost)))
}

/// Sends each number and waits for it; says how many sleeps were missed.
fn ask(mut link: StandardLink, rounds: u64) -> Result<u64, Box<dyn Error>> {
    if !link.wait_for_peer(Some(PATIENCE)) {
        return Err("the other process did not come".into());
    }
    link.receiver().set_first_look(LONG);
    let mut times = Vec::new();
    let mut answer = [0; 8];
    for number in 0..rounds {
        let sent = Instant::now();
        link.send(&number.to_le_bytes())?;
        link.recv_timeout(&mut answer, PATIENCE)?;
        times.push(sent.elapsed());
        if answer != number.to_le_bytes() {
            return Err("another number came back".into());
        }
    }
    times.sort_unstable();
    let stats = link.receiver().wait_stats();
    if let Some(median) = times.get(times.len() / 2) {
        println!("{rounds} round trips, asleep in between: median {median:?}; {stats:?}");
    }
    Ok(stats.missed)
}

/// Sends back what comes, until the end.
fn answer(mut link: StandardLink) -> Result<u64, Box<dyn Error>> {
    link.receiver().set_first_look(LONG);
    let mut message = [0; 8];
    loop {
        match link.recv_timeout(&mut message, PATIENCE) {
            Ok(len) => link.send(message.get(..len).unwrap_or_default())?,
            Err(RecvError::Disconnected) => return Ok(link.receiver().wait_stats().missed),
            Err(error) => return Err(error.into()),
        }
    }
}
