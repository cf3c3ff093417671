//! Sends and receives COUNT messages of SIZE bytes in one thread, for counting instructions:
//! docs/performance.md, "Instructions".
#![allow(
    unsafe_code,
    reason = "vouches for the other end, which is this program, too"
)]

#[path = "../src/hqq/hand_written.rs"]
mod hand_written;

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use hqq_core::ring::Handle;
use hqq_core::{
    AttachOptions, Direction, Dynamic, DynamicLink, ExclusiveReceiver, ExclusiveSender, Format,
    Format1Link, InitOptions, Layout, Receiver, Region, Role, Sender, SharedLink, initialise,
};
use hqq_std::LinkOptions;

use hand_written::HandWritten;

/// The sending half of one end and the receiving half of the other.
type Halves = (ExclusiveSender<Dynamic>, ExclusiveReceiver<Dynamic>);

/// Bytes in a buffer.
const SIZE: usize = 4096;
/// Buffers in each direction.
const COUNT: usize = 64;
/// Bytes in a page.
const PAGE: usize = 4096;

const USAGE: &str = "usage: send_receive SIZE COUNT [format2|grants|closures|shared|format1|std-format2|std-format1|hand-written]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(size), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err(USAGE.into());
    };
    let (size, count): (usize, u64) = (size.parse()?, count.parse()?);
    let message = vec![1; size];
    let primary = AttachOptions::new(Role::Primary);
    let secondary = AttachOptions::new(Role::Secondary);
    match arguments.next().as_deref().unwrap_or("format2") {
        "format2" => {
            let (near, far) = regions(&Layout::compact(COUNT, SIZE)?)?;
            let mut near = DynamicLink::attach(near, &primary)?;
            let mut far = DynamicLink::attach(far, &secondary)?;
            let send = |message: &[u8]| near.try_send(message);
            repeat(message, count, send, |buffer| far.try_recv(buffer))
        }
        "grants" => {
            let (mut sender, mut receiver) = halves()?;
            let send = |message: &[u8]| {
                let mut grant = sender.try_reserve()?;
                grant.copy_from(0, message)?;
                grant.commit(message.len())?;
                Ok::<_, Box<dyn Error>>(())
            };
            let receive = |buffer: &mut [u8]| {
                let grant = receiver.try_next()?;
                Ok::<_, Box<dyn Error>>(grant.copy_to(0, buffer))
            };
            repeat(message, count, send, receive)
        }
        "closures" => {
            let (mut sender, mut receiver) = halves()?;
            // SAFETY: both ends are this program's, which keeps to the protocol.
            let mut sender = unsafe { sender.trusted() };
            // SAFETY: as above.
            let mut receiver = unsafe { receiver.trusted() };
            let send = |message: &[u8]| {
                sender.try_send_with(message.len(), |bytes| bytes.copy_from_slice(message))
            };
            let receive = |buffer: &mut [u8]| {
                receiver.try_recv_with(|bytes| {
                    buffer[..bytes.len()].copy_from_slice(bytes);
                    bytes.len()
                })
            };
            repeat(message, count, send, receive)
        }
        "shared" => {
            let (near, far) = regions(&Layout::compact(COUNT, SIZE)?)?;
            let near = SharedLink::<Dynamic>::attach(near, &primary)?;
            let far = SharedLink::<Dynamic>::attach(far, &secondary)?;
            let (mut sender, mut receiver) = (near.sender(), far.receiver());
            let send = |message: &[u8]| sender.try_send(message);
            repeat(message, count, send, |buffer| receiver.try_recv(buffer))
        }
        "format1" => {
            let (near, far) = regions(&Layout::format_1(COUNT, SIZE, PAGE)?)?;
            let (producer, _) = Format1Link::<Dynamic>::attach(near, &primary)?.split();
            let (_, consumer) = Format1Link::<Dynamic>::attach(far, &secondary)?.split();
            let mut sender = Sender::new(Handle::owned(producer));
            let mut receiver = Receiver::new(Handle::owned(consumer));
            let send = |message: &[u8]| sender.try_send(message);
            repeat(message, count, send, |buffer| receiver.try_recv(buffer))
        }
        "std-format2" => repeat_std(Format::V2, message, count),
        "std-format1" => repeat_std(Format::V1, message, count),
        "hand-written" => {
            let layout = Layout::format_1(COUNT, SIZE, PAGE)?;
            let words = words(&layout);
            let end = |role| HandWritten::new(words, &layout, role).ok_or(USAGE);
            let (mut near, mut far) = (end(Role::Primary)?, end(Role::Secondary)?);
            let send = |message: &[u8]| near.try_send(message);
            repeat(message, count, send, |buffer| far.try_recv(buffer))
        }
        _ => Err(USAGE.into()),
    }
}

/// The sending half of one end and the receiving half of the other.
fn halves() -> Result<Halves, Box<dyn Error>> {
    let (near, far) = regions(&Layout::compact(COUNT, SIZE)?)?;
    let (sender, _) = DynamicLink::attach(near, &AttachOptions::new(Role::Primary))?.split();
    let (_, receiver) = DynamicLink::attach(far, &AttachOptions::new(Role::Secondary))?.split();
    Ok((sender, receiver))
}

/// Both ends of a fresh region.
fn regions(layout: &Layout) -> Result<(Region, Region), Box<dyn Error>> {
    // One line more than needed, to start at a multiple of 64.
    let bytes = vec![0; layout.len() + 64].leak();
    let skip = bytes.as_ptr().align_offset(64);
    let (near, far) = Region::pair_from_static(&mut bytes[skip..])?;
    initialise(&near, layout, &InitOptions::new())?;
    Ok((near, far))
}

/// As much of a fresh region of format 1 as the ring written by hand needs.
fn words(layout: &Layout) -> &'static [AtomicU64] {
    let words: Vec<_> = (0..layout.len() / 8).map(|_| AtomicU64::new(0)).collect();
    let slots = layout.slots(Direction::BOTH[0]);
    for index in 0..layout.count() {
        let next = slots + (index + 1) * layout.slot_len();
        // Relaxed: one thread. The sequence is a slot's last word.
        words[next / 8 - 1].store(index as u64, Ordering::Relaxed);
    }
    words.leak()
}

/// The same over the links of `hqq-std`.
fn repeat_std(format: Format, message: Vec<u8>, count: u64) -> Result<(), Box<dyn Error>> {
    let options = LinkOptions::new().format(format).count(COUNT).size(SIZE);
    let (mut near, mut far) = options.pair()?;
    let (sender, receiver) = (near.sender(), far.receiver());
    let send = |message: &[u8]| sender.try_send(message);
    repeat(message, count, send, |buffer| receiver.try_recv(buffer))
}

fn repeat<S: Into<Box<dyn Error>>, R: Into<Box<dyn Error>>>(
    mut message: Vec<u8>,
    count: u64,
    mut send: impl FnMut(&[u8]) -> Result<(), S>,
    mut receive: impl FnMut(&mut [u8]) -> Result<usize, R>,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        sending(&mut send, black_box(&message)).map_err(Into::into)?;
        receiving(&mut receive, black_box(&mut message)).map_err(Into::into)?;
    }
    Ok(())
}

// Not inlined: what a caller pays for the call counts.
#[inline(never)]
fn sending<E>(send: &mut impl FnMut(&[u8]) -> Result<(), E>, message: &[u8]) -> Result<(), E> {
    send(message)
}

#[inline(never)]
fn receiving<E>(
    receive: &mut impl FnMut(&mut [u8]) -> Result<usize, E>,
    buffer: &mut [u8],
) -> Result<usize, E> {
    receive(buffer)
}
