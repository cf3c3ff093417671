//! `hqq echo`: every message goes back to where it came from.

use std::time::Instant;

use hqq_std::{Format, RecvError, SendError, StandardLink};

use crate::failure::Failure;
use crate::open::{Create, Geometry, Opened, Target};
use crate::signals::{self, SLICE};

/// Answer each message with itself
///
/// Goes on with the next peer when one leaves, and waits for peers without end; SIGINT or SIGTERM
/// ends it with exit code 0. With --once it waits --wait seconds for a peer and ends when that
/// peer has left, which a region of format 1 does not tell.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    create: Create,
    /// End when the first peer has left
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    geometry: Geometry,
}

pub fn run(args: Args) -> Result<(), Failure> {
    match serve(&args) {
        // How it is meant to end.
        Err(Failure::Signal(_)) => Ok(()),
        result => result,
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let options = args.geometry.options();
    let Opened { mut link, created } = args.target.open(options, args.create, deadline)?;
    if args.once && link.format() == Format::V1 {
        return Err(Failure::Failed(
            "--once needs to see the peer leave, which format 1 does not tell: stop hqq echo with a signal"
                .to_owned(),
        ));
    }
    let mut message = vec![0; link.receiver().max_message_size()];
    let mut has_peer = false;
    loop {
        signals::check()?;
        match link.recv_timeout(&mut message, SLICE) {
            Ok(len) => {
                has_peer = true;
                answer(&mut link, message.get(..len).unwrap_or_default())?;
            }
            Err(RecvError::TimedOut | RecvError::PeerStalled(_)) if args.once => {
                let dead = link.receiver().is_peer_dead();
                if has_peer && dead {
                    break;
                }
                has_peer |= link.receiver().is_peer_open() && !dead;
                if !has_peer && Instant::now() >= deadline {
                    let wait = args.target.wait;
                    return Err(Failure::Failed(format!("no peer came within {wait:?}")));
                }
            }
            Err(RecvError::TimedOut | RecvError::PeerStalled(_)) => {}
            Err(RecvError::Disconnected) if args.once => break,
            Err(RecvError::PeerDead) if args.once && has_peer => break,
            // This end stays attached: leaving now could look like a close to the next peer.
            Err(RecvError::Disconnected | RecvError::PeerDead) => {
                let _ = link.receiver().wait_for_peer(Some(SLICE));
            }
            Err(error) => return Err(error.into()),
        }
    }
    drop(created);
    Ok(())
}

/// Sends a message back, unless nobody is there any more who would receive it.
fn answer(link: &mut StandardLink, message: &[u8]) -> Result<(), Failure> {
    loop {
        match link.send_timeout(message, SLICE) {
            Ok(()) | Err(SendError::Disconnected | SendError::PeerDead) => return Ok(()),
            Err(SendError::TimedOut) if link.sender().is_peer_dead() => return Ok(()),
            Err(SendError::TimedOut | SendError::PeerStalled(_)) => signals::check()?,
            Err(error) => return Err(error.into()),
        }
    }
}
