//! `hqq create`: makes a region that stays until it is removed.

use clap::ValueEnum;
use hqq_std::{Delivery, Format};

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
    /// What becomes of a message whose receiver dies with it: it is dropped, or handed out again,
    /// marked as in doubt
    #[arg(long, value_enum, default_value = "at-most-once")]
    delivery: DeliveryArg,
}

/// How often a message is delivered where receivers die.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum DeliveryArg {
    AtMostOnce,
    AtLeastOnce,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let delivery = match args.delivery {
        DeliveryArg::AtMostOnce => Delivery::AtMostOnce,
        DeliveryArg::AtLeastOnce if args.geometry.kind.format == Some(Format::V1) => {
            return Err(Failure::Failed(
                "format 1 delivers at most once: leave out --delivery, or --format 1".to_owned(),
            ));
        }
        DeliveryArg::AtLeastOnce => Delivery::AtLeastOnce,
    };
    let options = args.geometry.options().delivery(delivery);
    Ok(options.create_region(&args.name)?)
}
