//! Single steps in one thread, where caches are warm and nobody else looks: for comparing one version with
//! the next. What matters between processes is in `hqq-bench all`.

use std::error::Error;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use hqq_core::advanced::{AdvancedLink, Event, SessionOptions};
use hqq_core::packet::Packet;
use hqq_core::ring::{Consumer, Handle, Producer};
use hqq_core::{
    AttachOptions, Dynamic, DynamicLink, Format, Format1Link, InitOptions, Layout, Receiver,
    Region, Role, Sender, SharedLink, initialise,
};

/// Buffers in each direction.
const COUNT: usize = 64;
/// Up to 40 bytes travel in the slot itself.
const SIZES: &[usize] = &[8, 40, 64, 256, 1024, 4096, 65536];
/// Of what is not measured for its copies.
const FEW: &[usize] = &[8, 64, 1024];
/// Messages in a batch.
const BATCH: usize = 16;
/// Bytes in a page.
const PAGE: usize = 4096;
/// The packet of a message of 64 bytes in buffer 3.
const MESSAGE: [u64; 8] = [0xff, 4, 3, 64, 0, 0, 0, 0];

fn main() {
    divan::main();
}

/// Both ends of a fresh region, for as long as the program runs.
fn regions(layout: &Layout) -> Result<(Region, Region), Box<dyn Error>> {
    // A page more than needed, to start at one.
    let bytes = vec![0; layout.len() + PAGE].leak();
    let skip = bytes.as_ptr().align_offset(PAGE);
    let bytes = bytes.get_mut(skip..).ok_or("too short")?;
    let (near, far) = Region::pair_from_static(bytes)?;
    initialise(&near, layout, &InitOptions::new())?;
    Ok((near, far))
}

fn ends(size: usize) -> Result<(DynamicLink, DynamicLink), Box<dyn Error>> {
    let (near, far) = regions(&Layout::compact(COUNT, size)?)?;
    Ok((
        DynamicLink::attach(near, &AttachOptions::new(Role::Primary))?,
        DynamicLink::attach(far, &AttachOptions::new(Role::Secondary))?,
    ))
}

/// Sends a message of `size` bytes and receives it.
fn there<S, R>(
    bencher: Bencher<'_, '_>,
    size: usize,
    mut send: impl FnMut(&[u8]) -> S,
    mut receive: impl FnMut(&mut [u8]) -> R,
) {
    let (message, mut buffer) = (vec![1; size], vec![0; size]);
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| {
        let sent = send(black_box(&message));
        (sent, receive(black_box(&mut buffer)))
    });
}

#[divan::bench(args = SIZES)]
fn exclusive_send_receive(bencher: Bencher<'_, '_>, size: usize) {
    let Ok((mut near, mut far)) = ends(size) else {
        return;
    };
    there(
        bencher,
        size,
        |message| near.try_send(message),
        |buffer| far.try_recv(buffer),
    );
}

#[divan::bench(args = SIZES)]
fn shared_send_receive(bencher: Bencher<'_, '_>, size: usize) {
    let attached = || {
        let (near, far) = regions(&Layout::compact(COUNT, size)?)?;
        let near = SharedLink::<Dynamic>::attach(near, &AttachOptions::new(Role::Primary))?;
        let far = SharedLink::<Dynamic>::attach(far, &AttachOptions::new(Role::Secondary))?;
        Ok::<_, Box<dyn Error>>((near, far))
    };
    let Ok((near, far)) = attached() else {
        return;
    };
    let (mut sender, mut receiver) = (near.sender(), far.receiver());
    there(
        bencher,
        size,
        |message| sender.try_send(message),
        |buffer| receiver.try_recv(buffer),
    );
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

#[divan::bench(args = FEW)]
fn format1_send_receive(bencher: Bencher<'_, '_>, size: usize) {
    let attached = || {
        let (near, far) = regions(&Layout::format_1(COUNT, 1024, PAGE)?)?;
        let attach =
            |region, role| Format1Link::<Dynamic>::attach(region, &AttachOptions::new(role));
        let (producer, _) = attach(near, Role::Primary)?.split();
        let (_, consumer) = attach(far, Role::Secondary)?.split();
        let ends = (Handle::owned(producer), Handle::owned(consumer));
        Ok::<_, Box<dyn Error>>((Sender::new(ends.0), Receiver::new(ends.1)))
    };
    let Ok((mut near, mut far)) = attached() else {
        return;
    };
    there(
        bencher,
        size,
        |message| near.try_send(message),
        |buffer| far.try_recv(buffer),
    );
}

/// Sixteen messages at once; the time is that of all of them.
#[divan::bench(args = FEW)]
fn batch_of_16(bencher: Bencher<'_, '_>, size: usize) {
    let Ok((mut near, mut far)) = ends(size) else {
        return;
    };
    let (messages, mut buffer) = (vec![vec![1; size]; BATCH], vec![0; size]);
    let bencher = bencher.counter(BytesCount::new(size * BATCH));
    bencher.bench_local(|| {
        let sent = near.sender().try_send_batch(black_box(&messages));
        let mut received = 0;
        while received < BATCH {
            let some = far.receiver().try_recv_batch(BATCH, |message| {
                black_box(message.copy_to(0, &mut buffer));
            });
            match some {
                Ok(some) => received += some,
                Err(_) => break,
            }
        }
        (sent, received)
    });
}

/// What a grant costs that is filled, sent, lent and copied out.
#[divan::bench(args = FEW)]
fn filled_grants(bencher: Bencher<'_, '_>, size: usize) {
    let Ok((mut near, mut far)) = ends(size) else {
        return;
    };
    let (message, mut buffer) = (vec![1; size], vec![0; size]);
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| {
        let sent = near.sender().try_reserve().map(|mut grant| {
            let filled = grant.copy_from(0, black_box(&message));
            filled.and_then(|()| grant.commit(size))
        });
        let received = far.receiver().try_next();
        (sent, received.map(|grant| grant.copy_to(0, &mut buffer)))
    });
}

/// Written and read in place.
#[divan::bench(args = FEW)]
#[allow(unsafe_code, reason = "trusted calls are unsafe")]
fn trusted_closures(bencher: Bencher<'_, '_>, size: usize) {
    let Ok((mut near, mut far)) = ends(size) else {
        return;
    };
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| {
        // SAFETY: both ends are of this function, which keeps to the protocol.
        let mut sender = unsafe { near.sender().trusted() };
        let sent = sender.try_send_with(size, |bytes| bytes.fill(black_box(1)));
        // SAFETY: as above.
        let mut receiver = unsafe { far.receiver().trusted() };
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        (sent, receiver.try_recv_with(sum))
    });
}

type Machine<P, C> = AdvancedLink<P, C, 4, 1024, 4, 2>;

/// Both machines of the Advanced protocol, which have agreed.
fn machines() -> Result<[Machine<impl Producer + use<>, impl Consumer + use<>>; 2], Box<dyn Error>>
{
    let (near, far) = ends(2048)?;
    let machine = |link: DynamicLink, role| {
        Machine::new(link.split(), role, Format::V2, SessionOptions::new())
    };
    let mut machines = [machine(near, Role::Primary), machine(far, Role::Secondary)];
    machines[0].negotiate(u64::MAX)?;
    for _ in 0..4 {
        for machine in &mut machines {
            machine.poll(0)?;
        }
    }
    let agreed = machines[0].session().agreement().is_some();
    agreed
        .then_some(machines)
        .ok_or_else(|| "no agreement".into())
}

/// A request that is taken and answered, and the answer taken: the session machine of both ends.
#[divan::bench(args = FEW)]
fn call_and_answer(bencher: Bencher<'_, '_>, size: usize) {
    let Ok([mut near, mut far]) = machines() else {
        return;
    };
    let (body, mut buffer) = (vec![1; size], vec![0; size]);
    bencher.bench_local(|| {
        let asked = near.try_request(7, black_box(&body)).is_ok();
        let request = match far.poll(0) {
            Ok(Some(Event::Message { key, body, .. })) => Some((key, body.copy_to(0, &mut buffer))),
            _ => None,
        };
        let answered = request.map(|(key, len)| {
            let answer = buffer.get(..len).unwrap_or_default();
            far.try_respond(&key, 0, false, answer).is_ok()
        });
        (
            asked,
            answered,
            near.poll(0).is_ok_and(|event| event.is_some()),
        )
    });
}

#[divan::bench]
fn nothing_to_poll(bencher: Bencher<'_, '_>) {
    let Ok([mut near, _far]) = machines() else {
        return;
    };
    bencher.bench_local(|| near.poll(0).is_ok_and(|event| event.is_none()));
}

#[divan::bench]
fn encode_a_packet(bencher: Bencher<'_, '_>) {
    let Ok(packet) = Packet::decode(MESSAGE) else {
        return;
    };
    bencher.bench_local(|| black_box(&packet).encode());
}

#[divan::bench]
fn decode_a_packet(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| Packet::decode(black_box(MESSAGE)));
}
