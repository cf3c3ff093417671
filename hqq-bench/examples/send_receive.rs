//! Sends and receives COUNT messages of SIZE bytes in one thread, for counting instructions:
//! docs/performance.md, "Instructions".

use std::hint::black_box;

use hqq_core::{AttachOptions, DynamicLink, InitOptions, Layout, Region, Role, initialise};

/// Bytes in a buffer.
const SIZE: usize = 4096;
/// Buffers in each direction.
const COUNT: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(size), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: send_receive SIZE COUNT".into());
    };
    let (size, count): (usize, u64) = (size.parse()?, count.parse()?);
    let layout = Layout::compact(COUNT, SIZE)?;
    // One line more than needed, to start at a multiple of 64.
    let bytes = vec![0; layout.len() + 64].leak();
    let skip = bytes.as_ptr().align_offset(64);
    let (near, far) = Region::pair_from_static(&mut bytes[skip..])?;
    initialise(&near, &layout, &InitOptions::new())?;
    let mut near = DynamicLink::attach(near, &AttachOptions::new(Role::Primary))?;
    let mut far = DynamicLink::attach(far, &AttachOptions::new(Role::Secondary))?;
    let mut message = vec![1; size];
    for _ in 0..count {
        send(&mut near, black_box(&message))?;
        receive(&mut far, black_box(&mut message))?;
    }
    Ok(())
}

// Not inlined: what a caller pays for the call counts.
#[inline(never)]
fn send(link: &mut DynamicLink, message: &[u8]) -> Result<(), hqq_core::TrySendError> {
    link.try_send(message)
}

#[inline(never)]
fn receive(link: &mut DynamicLink, buffer: &mut [u8]) -> Result<usize, hqq_core::TryRecvError> {
    link.try_recv(buffer)
}
