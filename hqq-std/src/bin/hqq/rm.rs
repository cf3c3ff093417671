//! `hqq rm`: removes regions.

use hqq_std::RegionName;
use hqq_std::inspect::{Kind, kind};

use crate::failure::Failure;

/// Remove regions
///
/// Links that have them open keep working; their memory goes with the last of them.
#[derive(clap::Args)]
pub struct Args {
    /// Names of regions
    #[arg(required = true)]
    names: Vec<String>,
    /// Also what does not look like a region, such as a damaged one
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for name in &args.names {
        if let Err(failure) = remove(name, args.force) {
            failures.push(failure);
        }
    }
    let last = failures.pop();
    for failure in failures {
        let _ = failure.report();
    }
    last.map_or(Ok(()), Err)
}

fn remove(name: &str, force: bool) -> Result<(), Failure> {
    let path = RegionName::new(name)?.path();
    if !force && path.symlink_metadata().is_ok() && kind(&path) == Kind::Other {
        return Err(Failure::Failed(format!(
            "{} is no region that can be read: remove it with --force if it is to go",
            path.display()
        )));
    }
    Ok(hqq_std::unlink(name)?)
}
