//! Cores whose caches do not see each other's writes: what they do around publishing and receiving.

use core::ptr::NonNull;

/// How this core hands bytes to another core, or a device, that its caches are not coherent with.
///
/// Links made by [`Link::attach_managed`](crate::Link::attach_managed) call it; all others contain
/// none of it, and cost nothing. Ranges start and end at multiples of 64 bytes and lie inside the
/// region, so the cache's lines are at most that long. What each side writes lies on lines of its
/// own, but for slots of messages in doubt, which are cleaned before anybody else may write them: so no line that
/// is invalidated holds anything of ours, and none that is cleaned covers what another core has written.
///
/// | when | what |
/// |---|---|
/// | before a producer publishes | [`clean`](Self::clean) the message, [`barrier`](Self::barrier) |
/// | after it has stored the slot | clean the slot, barrier |
/// | before a consumer looks at a slot | barrier, [`invalidate`](Self::invalidate) the slot |
/// | before it reads a message | invalidate it |
/// | after it has given one back that was in doubt | clean its slot, barrier; then as below |
/// | after it has given messages back | clean its counters, barrier |
/// | before a producer looks for room | barrier, invalidate the consumer's counters and the slot |
/// | attaching | the region, likewise; a consumer's slots, barrier, before its counters |
/// | leaving, asking for the peer | the superblock, likewise |
///
/// # Example
///
/// Two Cortex-M7 cores with data caches, over memory that both reach. The main core makes the
/// region and starts the other; each attaches for itself.
///
/// ```
/// use core::ptr::NonNull;
/// use hqq_core::{AttachOptions, Fixed, InitOptions, Link, Platform, Region, Role, initialise};
///
/// #[derive(Clone, Copy)]
/// struct CortexM7;
///
/// impl Platform for CortexM7 {
///     fn clean(&self, start: NonNull<u8>, len: usize) {
///         // SCB::clean_dcache_by_address(start.addr().get(), len)
/// #       let _ = (start, len);
///     }
///     fn invalidate(&self, start: NonNull<u8>, len: usize) {
///         // SCB::invalidate_dcache_by_address(start.addr().get(), len)
/// #       let _ = (start, len);
///     }
///     fn barrier(&self) {
///         // cortex_m::asm::dsb()
///     }
/// }
///
/// type Geometry = Fixed<8, 64>;
/// # #[repr(align(64))]
/// # struct Bytes([u8; Geometry::LAYOUT.len()]);
/// # let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; Geometry::LAYOUT.len()])));
/// # let (region, elsewhere) = Region::pair_from_static(&mut bytes.0)?;
/// // On the main core; `region` is over the shared memory.
/// initialise(&region, &Geometry::LAYOUT, &InitOptions::new())?;
/// region.clean(&CortexM7);
/// let options = AttachOptions::new(Role::Primary);
/// let (mut sender, _receiver) = Link::<Geometry>::attach_managed(region, &options, CortexM7)?;
/// sender.try_send(b"start the motor")?;
///
/// // On the other core.
/// # let region = elsewhere;
/// let options = AttachOptions::new(Role::Secondary);
/// let (_sender, mut receiver) = Link::<Geometry>::attach_managed(region, &options, CortexM7)?;
/// let mut order = [0; 64];
/// assert_eq!(receiver.try_recv(&mut order)?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// On a Cortex-M the alternative is to let the MPU make the region's memory uncached or
/// write-through shared: then no platform is needed.
pub trait Platform: Clone {
    /// Writes what this core's cache holds of the range back to memory.
    fn clean(&self, start: NonNull<u8>, len: usize);

    /// Drops what this core's cache holds of the range, so that the next look reads memory. Nothing
    /// in it is dirty.
    fn invalidate(&self, start: NonNull<u8>, len: usize);

    /// Returns when everything before it has reached memory: Arm's `dsb`, RISC-V's `fence`.
    fn barrier(&self);
}
