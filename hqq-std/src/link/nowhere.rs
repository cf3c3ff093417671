//! Halves that lead nowhere: for a forked child that cannot get at those of its parent's link.

use std::sync::Arc;

use hqq_core::ring::Either;
use hqq_core::{AttachOptions, Fixed, InitOptions, Link, StaticRegion, initialise};

use super::{Receiver, Sender, keep};
use crate::attach::Attachment;
use crate::wait::Policy;

const COUNT: usize = 2;
const SIZE: usize = 8;

/// Halves of a link in memory of this process's own, which say that they are of `attachment`. They take no call of the
/// system, each of which may fail in a child. Never `None`.
pub(crate) fn nowhere(attachment: &Arc<Attachment>) -> Option<(Sender, Receiver)> {
    // For good, as nobody knows what is made of it; few bytes, and once a link in each child.
    let memory = Box::leak(Box::new(StaticRegion::<COUNT, SIZE>::new()));
    let region = memory.into_region()?;
    let layout = &Fixed::<COUNT, SIZE>::LAYOUT;
    initialise(&region, layout, &InitOptions::new()).ok()?;
    let options = AttachOptions::new(attachment.role());
    let (producer, consumer) = Link::attach_sides(region, &options).ok()?;
    let halves = (
        hqq_core::Sender::new(Either::First(producer)),
        hqq_core::Receiver::new(Either::First(consumer)),
    );
    let (sender, receiver) = keep(attachment, halves);
    let policy = Policy::default();
    Some((
        Sender::new(sender, None, policy),
        Receiver::new(receiver, None, policy),
    ))
}
