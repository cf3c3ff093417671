//! Links over regions of format 1.

use super::attach::check_layout;
use super::{AttachError, AttachOptions, Receiver, Sender};
use crate::layout::{Direction, Format, Geometry};
use crate::region::{Format1Memory, Region};
use crate::ring::Handle;
use crate::ring::format1::{Format1Consumer, Format1Producer};
use crate::superblock::Identity;
use crate::superblock::format1::check_ring;

/// An endpoint of a format-1 region: of an HQQ-Go 1.0 process, or one that such a process attaches
/// to. Many threads use it at once, each through a sender or receiver of its own, beside any
/// number of other processes on its side.
///
/// What format 1 has not: empty messages (sending one is an error), end-of-file (a peer that leaves
/// is not noticed), repair (a member that dies with a slot claimed blocks the ring for good), records
/// of who is attached.
///
/// ```
/// use hqq_core::{AttachOptions, Dynamic, Format1Link, InitOptions, Layout, Region, Role};
/// #[repr(align(4096))]
/// struct Bytes([u8; 20480]);
/// let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 20480])));
/// let (near, far) = Region::pair_from_static(&mut bytes.0)?;
/// hqq_core::initialise(&near, &Layout::format_1(4, 64, 4096)?, &InitOptions::new())?;
/// let near = Format1Link::<Dynamic>::attach(near, &AttachOptions::new(Role::Primary))?;
/// let far = Format1Link::<Dynamic>::attach(far, &AttachOptions::new(Role::Secondary))?;
/// near.sender().try_send(b"hello")?;
/// let mut message = [0; 64];
/// assert_eq!(far.receiver().try_recv(&mut message)?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Format1Link<G: Geometry> {
    producer: Format1Producer<G>,
    consumer: Format1Consumer<G>,
}

impl<G: Geometry> Format1Link<G> {
    /// Takes a role, whoever else has it. Of the options only role and identity matter: format 1
    /// records no members.
    ///
    /// # Errors
    /// [`AttachError`], one kind for each way the region may not fit.
    pub fn attach(region: Region, options: &AttachOptions) -> Result<Self, AttachError> {
        let identity = options
            .identity
            .map_or_else(|| Identity::read(&region), Ok)?;
        let layout = &identity.layout;
        let truncated = check_layout::<G>(layout, Format::V1, &region)?;
        let ring = |direction: Direction| {
            let memory = Format1Memory::new(&region, layout, direction).ok_or(truncated)?;
            check_ring(&memory, direction)?;
            Ok::<_, AttachError>(memory)
        };
        Ok(Self {
            producer: Format1Producer::new(ring(options.role.sends())?),
            consumer: Format1Consumer::new(ring(options.role.receives())?),
        })
    }

    /// A sender for one thread.
    pub const fn sender(&self) -> Sender<Handle<&Format1Producer<G>>> {
        Sender::new(Handle::new(&self.producer))
    }

    /// A receiver for one thread.
    pub const fn receiver(&self) -> Receiver<Handle<&Format1Consumer<G>>> {
        Receiver::new(Handle::new(&self.consumer))
    }

    /// The two sides, each for a [`Handle`] that owns it or for several that share it.
    #[must_use]
    pub fn split(self) -> (Format1Producer<G>, Format1Consumer<G>) {
        (self.producer, self.consumer)
    }
}
