//! `hqq rm`: removes regions.

use crate::failure::Failure;

/// Remove regions
///
/// Links that have them open keep working; their memory goes with the last of them.
#[derive(clap::Args)]
pub struct Args {
    /// Names of regions
    #[arg(required = true)]
    names: Vec<String>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    for name in &args.names {
        hqq_std::unlink(name)?;
    }
    Ok(())
}
