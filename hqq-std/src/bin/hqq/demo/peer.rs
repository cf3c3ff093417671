//! The other process of the demonstration: receives, checks, answers.

use std::io::stdin;
use std::os::fd::AsFd;

use hqq_std::{LinkOptions, Role};
use sha2::{Digest, Sha256};

use super::BATCH;
use super::end::End;
use crate::failure::Failure;

/// The other process of `hqq demo`; its standard input is the region
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<(), Failure> {
    let region = stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Failure::Failed(format!("no region on standard input: {error}")))?;
    let link = LinkOptions::new().role(Role::Secondary).from_fd(region)?;
    let mut end = End::new(link, |link| {
        if link.receiver().is_peer_dead() {
            return Err(Failure::Failed("the first process died".to_owned()));
        }
        Ok(())
    });
    copy(&mut end)?;
    count(&mut end)?;
    let mut message = vec![0; end.max()];
    while let Some(len) = end.recv_or_end(&mut message)? {
        end.send(message.get(..len).unwrap_or_default())?;
    }
    Ok(())
}

/// Receives batches until an empty one, and answers with the checksum of all of them. Each is
/// confirmed twice: when it is here, and when this end is ready for the next.
fn copy(
    end: &mut End<impl FnMut(&mut hqq_std::StandardLink) -> Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut hash = Sha256::new();
    let mut batch = Vec::new();
    loop {
        let len = end.recv_series(&mut batch, BATCH)?;
        if len == 0 {
            return end.send_series(&hash.finalize());
        }
        end.send(&[])?;
        hash.update(batch.get(..len).unwrap_or_default());
        end.send(&[])?;
    }
}

/// Receives messages until an empty one, and answers with their number.
fn count(
    end: &mut End<impl FnMut(&mut hqq_std::StandardLink) -> Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut message = vec![0; end.max()];
    let mut count = 0_u64;
    while end.recv(&mut message)? > 0 {
        count += 1;
    }
    end.send(&count.to_le_bytes())
}
