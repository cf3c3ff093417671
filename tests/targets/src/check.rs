//! What is checked: messages of every length both ways, grants, closing, a call, a bell, and
//! where there are 64-bit atomics a shared side.

use core::future::Future;
use core::pin::pin;
use core::ptr::addr_of_mut;
use core::task::{Context, Poll, Waker};

use hqq_core::advanced::{AdvancedLink, Event, MessageKey, SessionOptions};
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{Bell, Fixed, Format, Role, StandardLink, StaticRegion, TryRecvError, TrySendError};

type Geometry = Fixed<8, 64>;
type Region = StaticRegion<8, 64>;
type End = AdvancedLink<ExclusiveProducer<Geometry>, ExclusiveConsumer<Geometry>, 1, 192, 2, 2>;

static ARRIVED: Bell = Bell::new();

/// All of it; says what is wrong.
pub fn check() -> Result<(), &'static str> {
    static mut REGION: Region = Region::new();
    // SAFETY: this function is called once, by the program's entry.
    let region: &'static mut Region = unsafe { &mut *addr_of_mut!(REGION) };
    let (near, far) = region.split().ok_or("the region cannot be split")?;
    let (near, far) = messages(near, far)?;
    let (near, far) = bell(near, far)?;
    call(near, far)?;
    #[cfg(target_has_atomic = "64")]
    shared()?;
    Ok(())
}

/// Byte `at` of message `number`.
fn byte(number: usize, at: usize) -> u8 {
    (number * 31 + at * 7) as u8
}

fn messages(
    mut near: StandardLink<8, 64>,
    mut far: StandardLink<8, 64>,
) -> Result<(StandardLink<8, 64>, StandardLink<8, 64>), &'static str> {
    let (mut sent, mut received) = ([0; 64], [0; 64]);
    for number in 0..400 {
        let len = number % 65;
        for (at, to) in sent.iter_mut().enumerate() {
            *to = byte(number, at);
        }
        let message = sent.get(..len).unwrap_or_default();
        near.try_send(message)
            .map_err(|_| "a message is not sent")?;
        let there = far.try_recv(&mut received);
        let echo = received.get(..there.unwrap_or(64)).unwrap_or_default();
        if echo != message {
            return Err("a message arrives changed");
        }
        let mut grant = far.sender().try_reserve().map_err(|_| "no grant")?;
        grant
            .copy_from(0, echo)
            .map_err(|_| "a grant is too small")?;
        grant.commit(len).map_err(|_| "a grant is not sent")?;
        let back = near.receiver().try_next().map_err(|_| "no answer")?;
        if back.len() != len || back.copy_to(0, &mut received) != len {
            return Err("an answer has another length");
        }
        if received.get(..len) != sent.get(..len) {
            return Err("an answer arrives changed");
        }
    }
    let mut room = 0;
    while near.try_send(b"x").is_ok() {
        room += 1;
    }
    if room != 8 || near.try_send(b"x") != Err(TrySendError::Full) {
        return Err("a ring has not as many slots as it says");
    }
    while far.try_recv(&mut received).is_ok() {
        room -= 1;
    }
    if room != 0 || far.try_recv(&mut received) != Err(TryRecvError::Empty) {
        return Err("a ring loses messages");
    }
    Ok((near, far))
}

/// A task that waits is woken by the bell.
fn bell(
    mut near: StandardLink<8, 64>,
    far: StandardLink<8, 64>,
) -> Result<(StandardLink<8, 64>, StandardLink<8, 64>), &'static str> {
    let mut context = Context::from_waker(Waker::noop());
    let (sender, receiver) = far.split();
    let mut receiver = receiver.notified(&ARRIVED);
    let mut message = [0; 64];
    {
        let mut receiving = pin!(receiver.recv(&mut message));
        if receiving.as_mut().poll(&mut context).is_ready() {
            return Err("a message out of nothing");
        }
        near.try_send(b"ping")
            .map_err(|_| "a message is not sent")?;
        ARRIVED.ring();
        if receiving.poll(&mut context) != Poll::Ready(Ok(4)) {
            return Err("the task has not got the message");
        }
    }
    // Closed halves: the other end sees both go.
    drop((sender, receiver));
    if near.try_send(b"x") != Err(TrySendError::Disconnected)
        || near.try_recv(&mut message) != Err(TryRecvError::Disconnected)
    {
        return Err("closing is not seen");
    }
    drop(near);
    static mut AGAIN: Region = Region::new();
    // SAFETY: this function is called once.
    let region: &'static mut Region = unsafe { &mut *addr_of_mut!(AGAIN) };
    region.split().ok_or("the region cannot be split")
}

/// The other end answers a call with more than a buffer holds.
fn call(near: StandardLink<8, 64>, far: StandardLink<8, 64>) -> Result<(), &'static str> {
    const METHOD: u64 = 7;
    let end = |link: StandardLink<8, 64>, role| {
        End::new(link.split(), role, Format::V2, SessionOptions::new())
    };
    let (mut caller, mut callee) = (end(near, Role::Primary), end(far, Role::Secondary));
    caller.negotiate(100).map_err(|_| "negotiated before")?;
    let mut answer = [0; 150];
    for (at, to) in answer.iter_mut().enumerate() {
        *to = byte(1, at);
    }
    let mut call = None;
    let mut sending = None;
    for now in 0..100 {
        if let Some(transfer) = &mut sending {
            callee
                .advance(transfer, &answer, 1)
                .map_err(|_| "an answer cannot be sent")?;
        }
        let request: Option<MessageKey> = match callee.poll(now) {
            Ok(Some(Event::Message {
                key, aux: METHOD, ..
            })) => Some(key),
            Ok(_) => None,
            Err(_) => return Err("the callee's link is over"),
        };
        if let Some(key) = request {
            let begun = callee.begin_response(&key, 0, false, answer.len() as u64);
            sending = Some(begun.map_err(|_| "an answer cannot be begun")?);
        }
        if call.is_none() && caller.session().agreement().is_some() {
            let mut request = caller
                .begin_request(0, METHOD, 3)
                .map_err(|_| "no call can be begun")?;
            caller
                .advance(&mut request, b"abc", 1)
                .map_err(|_| "a request cannot be sent")?;
            call = Some(request.key().id);
        }
        match caller.poll(now) {
            Ok(Some(Event::Message { key, body, .. })) if Some(key.id) == call => {
                let mut got = [0; 150];
                return if body.len() == 150 && body.copy_to(0, &mut got) == 150 && got == answer {
                    Ok(())
                } else {
                    Err("an answer arrives changed")
                };
            }
            Ok(_) => {}
            Err(_) => return Err("the caller's link is over"),
        }
    }
    Err("no answer")
}

/// Two senders of a shared side take turns.
#[cfg(target_has_atomic = "64")]
fn shared() -> Result<(), &'static str> {
    use hqq_core::{AttachOptions, InitOptions, SharedLink, initialise};

    static mut SHARED: Region = Region::new();
    // SAFETY: this function is called once.
    let region: &'static mut Region = unsafe { &mut *addr_of_mut!(SHARED) };
    let region = region.into_region().ok_or("no region")?;
    initialise(&region, &Geometry::LAYOUT, &InitOptions::new()).map_err(|_| "not initialised")?;
    let attach = |role| SharedLink::<Geometry>::attach(region.clone(), &AttachOptions::new(role));
    let near = attach(Role::Primary).map_err(|_| "the primary is refused")?;
    let far = attach(Role::Secondary).map_err(|_| "the secondary is refused")?;
    let (mut first, mut second, mut receiver) = (near.sender(), near.sender(), far.receiver());
    for number in 0..100_u8 {
        first
            .try_send(&[number])
            .map_err(|_| "a message is not sent")?;
        second
            .try_send(&[number, number])
            .map_err(|_| "a message is not sent")?;
        let mut message = [0; 64];
        if receiver.try_recv(&mut message) != Ok(1) || receiver.try_recv(&mut message) != Ok(2) {
            return Err("messages of two senders arrive in another order");
        }
    }
    Ok(())
}
