//! `hqq echo`: not written yet.

use crate::failure::Failure;

/// (to be written)
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<(), Failure> {
    Ok(())
}
