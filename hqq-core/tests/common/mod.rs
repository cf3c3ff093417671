//! Regions between canaries, whose words a test can also read and write itself, and endpoints of
//! either mode.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test file uses its part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::ptr::NonNull;
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;

use hqq_core::{
    AttachOptions, Direction, Dynamic, DynamicLink, ExclusiveReceiver, ExclusiveSender,
    InitOptions, Layout, Link, Position, Presence, Region, Role, TryRecvError, TrySendError,
    initialise,
};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use hqq_core::{Format1Link, SharedLink};

const CANARY: u8 = 0xa5;
pub(crate) const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// The bytes of one region, with a line of canaries in front and one behind; never freed.
///
/// # Invariants
/// `base` has `len` bytes for ever, [`LINE`] more before and after. All accesses are by one thread
/// at a time, or through atomics of the size that the region's words have.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
    pub(crate) layout: Layout,
}

impl Memory {
    /// Zeroed bytes for `layout`.
    pub(crate) fn zeroed(layout: Layout) -> Self {
        let mut lines = vec![Line([0; LINE]); layout.len() / LINE + 2];
        *lines.first_mut().unwrap() = Line([CANARY; LINE]);
        *lines.last_mut().unwrap() = Line([CANARY; LINE]);
        let all: NonNull<[Line]> = NonNull::from(Box::leak(lines.into_boxed_slice()));
        // SAFETY: the second of at least three lines.
        let base = unsafe { all.cast::<Line>().add(1) };
        Self {
            base: base.cast(),
            len: layout.len(),
            layout,
        }
    }

    /// An initialised region.
    pub(crate) fn with(layout: Layout, options: &InitOptions) -> Self {
        let memory = Self::zeroed(layout);
        initialise(&memory.region(), &layout, options).unwrap();
        memory
    }

    /// An initialised region of `count` buffers of `size` bytes, with 4 members a role, that
    /// starts at position `start`.
    pub(crate) fn new(count: usize, size: usize, start: u64) -> Self {
        let layout = Layout::new(count, size, LINE, 4).unwrap();
        Self::with(layout, &InitOptions::new().start(Position::new(start)))
    }

    /// An initialised region of format 1.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn format_1(count: usize, size: usize) -> Self {
        let layout = Layout::format_1(count, size, 4096).unwrap();
        Self::with(layout, &InitOptions::new())
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn format_1_link(&self, role: Role) -> Format1Link<Dynamic> {
        Format1Link::attach(self.region(), &AttachOptions::new(role)).unwrap()
    }

    /// A handle to the bytes.
    pub(crate) fn region(&self) -> Region {
        // SAFETY: leaked memory of this length; the other accesses are as the invariant says.
        unsafe { Region::from_raw(self.base, self.len) }.unwrap()
    }

    /// A handle to the first `len` bytes.
    pub(crate) fn truncated(&self, len: usize) -> Region {
        assert!(len <= self.len);
        // SAFETY: as in `region`.
        unsafe { Region::from_raw(self.base, len) }.unwrap()
    }

    /// Where the region starts.
    pub(crate) fn address(&self) -> usize {
        self.base.as_ptr().addr()
    }

    fn at<T>(&self, offset: usize) -> NonNull<T> {
        assert!(offset + size_of::<T>() <= self.len && offset.is_multiple_of(size_of::<T>()));
        // SAFETY: inside the bytes, just checked.
        unsafe { self.base.add(offset) }.cast()
    }

    pub(crate) fn get32(&self, offset: usize) -> u32 {
        let word = self.at::<u32>(offset);
        // SAFETY: in bounds and aligned, see `at`; no other thread accesses it now.
        u32::from_le(unsafe { word.read() })
    }

    pub(crate) fn set32(&self, offset: usize, value: u32) {
        let word = self.at::<u32>(offset);
        // SAFETY: as in `get32`.
        unsafe { word.write(value.to_le()) };
    }

    pub(crate) fn get64(&self, offset: usize) -> u64 {
        let word = self.at::<u64>(offset);
        // SAFETY: as in `get32`.
        u64::from_le(unsafe { word.read() })
    }

    pub(crate) fn set64(&self, offset: usize, value: u64) {
        let word = self.at::<u64>(offset);
        // SAFETY: as in `get32`.
        unsafe { word.write(value.to_le()) };
    }

    /// The words of the region, for a thread that writes them while others use the region.
    #[cfg(target_has_atomic = "64")]
    pub(crate) fn words(&self) -> Vec<&'static AtomicU64> {
        (0..self.len)
            .step_by(8)
            .map(|offset| {
                let word = self.at::<u64>(offset);
                // SAFETY: in bounds and aligned, see `at`; never freed; other threads access it
                // through atomics, too.
                unsafe { AtomicU64::from_ptr(word.as_ptr()) }
            })
            .collect()
    }

    /// All bytes of the region.
    pub(crate) fn image(&self) -> Vec<u8> {
        (0..self.len)
            .step_by(8)
            .flat_map(|offset| self.get64(offset).to_le_bytes())
            .collect()
    }

    /// Where word `word` of the slot of `position` lies, in the primary's ring.
    pub(crate) fn slot_word(&self, position: u64, word: usize) -> usize {
        let index = Position::new(position).index(self.layout.count());
        self.layout.slots(Direction::ToSecondary) + index * self.layout.slot_len() + word * 8
    }

    /// The stamp in the slot of `position`, in the primary's ring.
    pub(crate) fn stamp(&self, position: u64) -> u64 {
        self.get64(self.slot_word(position, 0))
    }

    pub(crate) fn set_stamp(&self, position: u64, stamp: u64) {
        self.set64(self.slot_word(position, 0), stamp);
    }

    /// The sequence in the slot of `position` of a format-1 region, in the primary's ring.
    pub(crate) fn sequence(&self, position: u64) -> u64 {
        self.get64(self.slot_word(position, 8))
    }

    pub(crate) fn set_sequence(&self, position: u64, sequence: u64) {
        self.set64(self.slot_word(position, 8), sequence);
    }

    /// What the slot of `position` says of a tombstone: its reason. 0xFE is a tombstone's opcode.
    pub(crate) fn tombstone_reason(&self, position: u64) -> Option<u64> {
        (self.stamp(position) & 0xff == 0xfe).then(|| self.get64(self.slot_word(position, 3)))
    }

    /// `released` of the primary's ring.
    pub(crate) fn released(&self) -> u32 {
        let offset = self.layout.released(Direction::ToSecondary);
        self.get32(offset.expect("format 2"))
    }

    pub(crate) fn assert_canaries(&self) {
        for offset in 0..LINE {
            // SAFETY: the line in front belongs to the allocation, by the invariant.
            let front = unsafe { self.base.sub(LINE - offset) };
            // SAFETY: the line behind belongs to the allocation, by the invariant.
            let behind = unsafe { self.base.add(self.len + offset) };
            for byte in [front, behind] {
                // SAFETY: as above; nobody writes it.
                assert_eq!(unsafe { byte.read() }, CANARY, "a canary was overwritten");
            }
        }
    }

    pub(crate) fn exclusive(&self, role: Role) -> DynamicLink {
        self.exclusive_as(&AttachOptions::new(role))
    }

    pub(crate) fn exclusive_as(&self, options: &AttachOptions) -> DynamicLink {
        Link::attach(self.region(), options).unwrap()
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn shared(&self, role: Role) -> SharedLink<Dynamic> {
        self.shared_as(&AttachOptions::new(role))
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn shared_as(&self, options: &AttachOptions) -> SharedLink<Dynamic> {
        SharedLink::attach(self.region(), options).unwrap()
    }

    /// Both exclusive endpoints, the primary's in front.
    pub(crate) fn pair(&self) -> (DynamicLink, DynamicLink) {
        (
            self.exclusive(Role::Primary),
            self.exclusive(Role::Secondary),
        )
    }

    /// Both exclusive endpoints in halves, the primary's in front.
    pub(crate) fn one_way(&self) -> (Halves, Halves) {
        let (near, far) = self.pair();
        (near.split(), far.split())
    }
}

/// Attaching as `role` after its former endpoint died.
pub(crate) const fn heir(role: Role) -> AttachOptions {
    AttachOptions::new(role).presence(Presence::Alone, Presence::Alone)
}

/// The halves of an exclusive endpoint.
pub(crate) type Halves = (ExclusiveSender<Dynamic>, ExclusiveReceiver<Dynamic>);

/// An endpoint of either mode.
#[allow(
    clippy::large_enum_variant,
    reason = "a test has few of them, and moves none in a loop"
)]
pub(crate) enum Endpoint {
    Exclusive(DynamicLink),
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    Shared(SharedLink<Dynamic>),
}

impl Endpoint {
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        match self {
            Self::Exclusive(link) => link.try_send(message),
            #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
            Self::Shared(link) => link.sender().try_send(message),
        }
    }

    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, TryRecvError> {
        let mut buffer = [0; 256];
        let len = match self {
            Self::Exclusive(link) => link.try_recv(&mut buffer),
            #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
            Self::Shared(link) => link.receiver().try_recv(&mut buffer),
        }?;
        Ok(buffer[..len].to_vec())
    }
}

/// Runs `$check(&mut sender, &mut receiver, $argument...)`, a function that is generic over both
/// sides, in each pairing of modes over a fresh region that `$memory` makes.
macro_rules! in_every_pairing {
    ($memory:expr, $check:ident $(, $argument:expr)*) => {{
        {
            let memory: $crate::common::Memory = $memory;
            let ((mut sender, _from), (_to, mut receiver)) = memory.one_way();
            $check(&mut sender, &mut receiver $(, $argument)*);
            memory.assert_canaries();
        }
        #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
        {
            let memory: $crate::common::Memory = $memory;
            let near = memory.shared(hqq_core::Role::Primary);
            let far = memory.shared(hqq_core::Role::Secondary);
            $check(&mut near.sender(), &mut far.receiver() $(, $argument)*);
            memory.assert_canaries();

            let memory: $crate::common::Memory = $memory;
            let (mut sender, _from) = memory.exclusive(hqq_core::Role::Primary).split();
            let far = memory.shared(hqq_core::Role::Secondary);
            $check(&mut sender, &mut far.receiver() $(, $argument)*);
            memory.assert_canaries();

            let memory: $crate::common::Memory = $memory;
            let near = memory.shared(hqq_core::Role::Primary);
            let (_to, mut receiver) = memory.exclusive(hqq_core::Role::Secondary).split();
            $check(&mut near.sender(), &mut receiver $(, $argument)*);
            memory.assert_canaries();
        }
    }};
}
pub(crate) use in_every_pairing;

/// Receives one message into a vector.
pub(crate) fn receive<C: hqq_core::ring::Consumer>(
    receiver: &mut hqq_core::Receiver<C>,
) -> Result<Vec<u8>, TryRecvError> {
    let mut buffer = vec![0; receiver.max_message_size()];
    let len = receiver.try_recv(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

/// Sends `message` until the ring is full; says how often. A bounded number of times.
pub(crate) fn fill<P: hqq_core::ring::Producer>(
    sender: &mut hqq_core::Sender<P>,
    message: &[u8],
) -> usize {
    let limit = sender.capacity();
    let sent = (0..limit)
        .take_while(|_| sender.try_send(message).is_ok())
        .count();
    assert_eq!(sender.try_send(message), Err(TrySendError::Full));
    sent
}

/// Receives what is there, at most a ring of it.
pub(crate) fn drain<C: hqq_core::ring::Consumer>(receiver: &mut hqq_core::Receiver<C>) -> usize {
    let limit = receiver.capacity();
    (0..=limit)
        .find(|_| receive(receiver).is_err())
        .expect("a ring has no more than its capacity")
}

/// `len` bytes that differ from message to message and from byte to byte.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|index| (seed.wrapping_mul(31).wrapping_add(index * 7) % 251) as u8)
        .collect()
}
