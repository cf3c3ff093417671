//! `hqq create`: makes a region that stays until it is removed.

use crate::failure::Failure;
use crate::open::Geometry;

/// Create a region that stays until it is removed
///
/// Of a region of format 1 everybody who opens it becomes secondary, as HQQ-Go does: give one end
/// --role primary.
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME)
    name: String,
    #[command(flatten)]
    geometry: Geometry,
}

pub fn run(args: Args) -> Result<(), Failure> {
    Ok(args.geometry.options().create_region(&args.name)?)
}
