//! Single steps in one thread, where caches are warm and nobody else looks: for comparing one version with
//! the next. What matters between processes is in `hqq-bench all`.

use std::error::Error;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use hqq_core::packet::Packet;
use hqq_core::{
    AttachOptions, DynamicLink, InitOptions, Layout, Region, Role, SharedLink, initialise,
};

/// Buffers in each direction.
const COUNT: usize = 64;
const SIZES: &[usize] = &[8, 40, 64, 256, 1024, 4096, 65536];

fn main() {
    divan::main();
}

/// Both ends of a fresh region, for as long as the program runs.
fn regions(size: usize) -> Result<(Region, Region), Box<dyn Error>> {
    let layout = Layout::compact(COUNT, size)?;
    // One line more than needed, to start at a multiple of 64.
    let bytes = vec![0; layout.len() + 64].leak();
    let skip = bytes.as_ptr().align_offset(64);
    let (near, far) = Region::pair_from_static(bytes.get_mut(skip..).ok_or("too short")?)?;
    initialise(&near, &layout, &InitOptions::new())?;
    Ok((near, far))
}

fn ends(size: usize) -> Result<(DynamicLink, DynamicLink), Box<dyn Error>> {
    let (near, far) = regions(size)?;
    Ok((
        DynamicLink::attach(near, &AttachOptions::new(Role::Primary))?,
        DynamicLink::attach(far, &AttachOptions::new(Role::Secondary))?,
    ))
}

#[divan::bench(args = SIZES)]
fn exclusive_send_receive(bencher: Bencher<'_, '_>, size: usize) {
    let Ok((mut near, mut far)) = ends(size) else {
        return;
    };
    let (message, mut buffer) = (vec![1; size], vec![0; size]);
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| {
        let sent = near.try_send(black_box(&message));
        (sent, far.try_recv(black_box(&mut buffer)))
    });
}

#[divan::bench(args = SIZES)]
fn shared_send_receive(bencher: Bencher<'_, '_>, size: usize) {
    let attached = || {
        let (near, far) = regions(size)?;
        let near =
            SharedLink::<hqq_core::Dynamic>::attach(near, &AttachOptions::new(Role::Primary))?;
        let far =
            SharedLink::<hqq_core::Dynamic>::attach(far, &AttachOptions::new(Role::Secondary))?;
        Ok::<_, Box<dyn Error>>((near, far))
    };
    let Ok((near, far)) = attached() else {
        return;
    };
    let (mut sender, mut receiver) = (near.sender(), far.receiver());
    let (message, mut buffer) = (vec![1; size], vec![0; size]);
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| {
        let sent = sender.try_send(black_box(&message));
        (sent, receiver.try_recv(black_box(&mut buffer)))
    });
}

#[divan::bench]
fn reserve_and_let_go(bencher: Bencher<'_, '_>) {
    let Ok((mut near, _far)) = ends(64) else {
        return;
    };
    bencher.bench_local(|| near.sender().try_reserve().is_ok());
}

#[divan::bench]
fn nothing_to_receive(bencher: Bencher<'_, '_>) {
    let Ok((_near, mut far)) = ends(64) else {
        return;
    };
    let mut buffer = [0; 64];
    bencher.bench_local(|| far.try_recv(black_box(&mut buffer)));
}

#[divan::bench]
fn decode_a_packet(bencher: Bencher<'_, '_>) {
    // A message of 64 bytes in buffer 3.
    let words: [u64; 8] = [0xff, 4, 3, 64, 0, 0, 0, 0];
    bencher.bench_local(|| Packet::decode(black_box(words)));
}
