//! A peer that writes whatever it likes between any two accesses of one call: the call ends within
//! its bound, in a typed result, and the region can be made anew. Built with `--cfg hqq_count` only.
//!
//! One write, then two, are tried at every access that the call makes; then an adversary that
//! interferes at each access, in the ways that keep a call longest, and at random.
#![cfg(all(hqq_count, target_has_atomic = "64", not(hqq_narrow)))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; it prints its figures"
)]

#[path = "../common/mod.rs"]
mod common;
mod honest;
mod quick;
mod strategies;

use std::cell::Cell;
use std::rc::Rc;

use common::{Endpoint, Memory, heir};
use hqq_core::ring::stamp::{State, published};
use hqq_core::sync::count::{Kind, hooked};
use hqq_core::{
    AttachOptions, Delivery, Direction, InitOptions, Layout, Link, Member, Mode, Position, Role,
    SharedLink, TryRecvError, TrySendError, initialise,
};

const COUNT: usize = 2;
// At least a line: shorter buffers have no quick way.
const SIZE: usize = 64;
/// The positions that the tests come to are around this one, which has others before it.
const START: u64 = 8;
/// Steps of one claim (PROTOCOL.md, "Bounds"), each with at most two looks at a stamp: a load and
/// an exchange.
const STEPS: usize = 2 * COUNT + 8;
/// Packets that one call takes off the ring.
const PACKETS: usize = 32;
const MODES: [Mode; 2] = [Mode::Exclusive, Mode::Shared];

/// A store of the adversary.
#[derive(Clone, Copy, Debug)]
enum Write {
    Word(usize, u64),
    Half(usize, u32),
}

impl Write {
    fn to(self, memory: &Memory) {
        match self {
            Self::Word(offset, value) => memory.set64(offset, value),
            Self::Half(offset, value) => memory.set32(offset, value),
        }
    }
}

/// The calls that are attacked.
#[derive(Clone, Copy, Debug)]
enum Call {
    Send,
    /// Of a buffer's length, which goes another quick way.
    SendLine,
    Receive,
    /// The sender's successor, or the receiver's, attaches.
    Attach(Role),
}

/// What one run did.
struct Run {
    accesses: usize,
    stamps: usize,
    busy: bool,
}

fn layout() -> Layout {
    Layout::new(COUNT, SIZE, 64, 4).unwrap()
}

/// Makes the region anew, whatever is in it.
fn make(memory: &Memory, delivery: Delivery) {
    for offset in (0..memory.layout.len()).step_by(8) {
        memory.set64(offset, 0);
    }
    let options = InitOptions::new()
        .delivery(delivery)
        .start(Position::new(START));
    initialise(&memory.region(), &memory.layout, &options).unwrap();
}

fn attach(memory: &Memory, mode: Mode, options: &AttachOptions) -> Option<Endpoint> {
    let region = memory.region();
    Some(match mode {
        Mode::Exclusive => Endpoint::Exclusive(Link::attach(region, options).ok()?),
        Mode::Shared => Endpoint::Shared(SharedLink::attach(region, options).ok()?),
    })
}

/// One call in a region that was just made and holds one message, or none; `adversary` acts before
/// each of its accesses.
fn run(
    memory: &Memory,
    call: Call,
    modes: [Mode; 2],
    delivery: Delivery,
    mut adversary: impl FnMut(usize, Kind) + 'static,
) -> Run {
    make(memory, delivery);
    let mut near = attach(memory, modes[0], &AttachOptions::new(Role::Primary)).unwrap();
    let mut far = attach(memory, modes[1], &AttachOptions::new(Role::Secondary)).unwrap();
    near.send(&[1; SIZE]).unwrap();
    let counts = Rc::new([const { Cell::new(0) }; 2]);
    let [accesses, stamps] = [0, 1].map(|which| {
        let counts = Rc::clone(&counts);
        move || counts[which].get()
    });
    let hook = move |kind| {
        adversary(counts[0].get(), kind);
        counts[0].set(counts[0].get() + 1);
        counts[1].set(counts[1].get() + usize::from(kind == Kind::Stamp));
    };
    let busy = match call {
        Call::Send => hooked(hook, || near.send(&[2; 40])) == Err(TrySendError::Busy),
        Call::SendLine => hooked(hook, || near.send(&[2; SIZE])) == Err(TrySendError::Busy),
        Call::Receive => {
            let result = hooked(hook, || far.receive());
            assert!(result.as_ref().is_ok_and(|message| message.len() <= SIZE) || result.is_err());
            result == Err(TryRecvError::Busy)
        }
        Call::Attach(role) => {
            let which = usize::from(role == Role::Secondary);
            let successor = hooked(hook, || attach(memory, modes[which], &heir(role)));
            drop(successor);
            false
        }
    };
    memory.assert_canaries();
    Run {
        accesses: accesses(),
        stamps: stamps(),
        busy,
    }
}

/// What a call may look at stamps, exchanges included.
fn limit(call: Call, modes: [Mode; 2]) -> usize {
    match (call, modes) {
        // A look, and a store.
        (Call::Send | Call::SendLine, [Mode::Exclusive, _]) => 2,
        (Call::Send | Call::SendLine, _) => 2 * STEPS + 1,
        // For each packet a look; in doubt a store as well; and what end-of-file asks.
        (Call::Receive, [_, Mode::Exclusive]) => 2 * (PACKETS + 1) + COUNT,
        (Call::Receive, _) => PACKETS * (2 * STEPS + 1) + 2 * COUNT + 2,
        // Two sides, each 4N looks, N exchanges that mend and N that bury or release.
        (Call::Attach(_), _) => 2 * 6 * COUNT + 4,
    }
}

/// The region works again once it is made anew.
fn assert_works(memory: &Memory) {
    for mode in MODES {
        make(memory, Delivery::AtMostOnce);
        let mut near = attach(memory, mode, &AttachOptions::new(Role::Primary)).unwrap();
        let mut far = attach(memory, mode, &AttachOptions::new(Role::Secondary)).unwrap();
        for number in 0..5 {
            assert_eq!(near.send(&[number; SIZE]), Ok(()));
            assert_eq!(far.receive(), Ok(vec![number; SIZE]));
        }
    }
}

fn states(position: Position) -> [State; 6] {
    [
        State::Free(position),
        State::Writing(position, Member::FIRST),
        State::Reading(position, Member::FIRST, 0xfd),
        State::Published(position, 0xfd),
        State::Published(position, 0xff),
        State::Published(position, 0xfe),
    ]
}

/// The stamps, counters, operands and status words that a call could be misled by.
fn alphabet(memory: &Memory) -> Vec<Write> {
    let layout = &memory.layout;
    let direction = Direction::ToSecondary;
    let mut writes = Vec::new();
    let near: Vec<Position> = (START - 2..START + 4).map(Position::new).collect();
    for slot in 0..COUNT as u64 {
        let words = near.iter().flat_map(|at| states(*at)).map(State::word);
        for word in words.chain([0, u64::MAX]) {
            writes.push(Write::Word(memory.slot_word(slot, 0), word));
        }
        for operand in 1..4 {
            for value in [0, SIZE as u64, SIZE as u64 + 1, 1 << 32, u64::MAX] {
                writes.push(Write::Word(memory.slot_word(slot, operand), value));
            }
        }
    }
    for at in &near {
        writes.push(Write::Word(layout.producer_counter(direction), at.get()));
        writes.push(Write::Word(layout.consumer_counter(direction), at.get()));
        writes.push(Write::Half(layout.released(direction).unwrap(), at.low()));
    }
    for value in [0, START ^ 1 << 32, u64::MAX] {
        writes.push(Write::Word(layout.producer_counter(direction), value));
        writes.push(Write::Word(layout.consumer_counter(direction), value));
    }
    for side in 0..4 {
        for status in [0, 1, 2, 3, 0x16, u32::MAX] {
            writes.push(Write::Half(128 + 64 * side, status));
        }
    }
    writes
}

/// A few of them, for two at a time.
fn few(memory: &Memory) -> Vec<Write> {
    let next = Position::new(START + 1);
    let slots = [next.minus(1), next].map(|at| memory.slot_word(at.get(), 0));
    let layout = &memory.layout;
    let direction = Direction::ToSecondary;
    vec![
        Write::Word(slots[0], State::Free(next.plus(1)).word()),
        Write::Word(slots[0], State::Published(next.plus(1), 0xfe).word()),
        Write::Word(
            slots[0],
            State::Reading(next.minus(1), Member::FIRST, 0xfd).word(),
        ),
        Write::Word(slots[1], State::Writing(next, Member::FIRST).word()),
        Write::Word(slots[1], State::Published(next, 0xff).word()),
        Write::Word(slots[1], State::Free(next.plus(COUNT)).word()),
        Write::Word(memory.slot_word(next.get(), 1), u64::MAX),
        Write::Word(layout.producer_counter(direction), next.plus(1).get()),
        Write::Word(layout.consumer_counter(direction), next.get()),
        Write::Half(layout.released(direction).unwrap(), next.low()),
        Write::Half(128, 2),
        Write::Half(192, 2),
    ]
}

fn each_call(mut check: impl FnMut(Call, [Mode; 2], Delivery)) {
    let calls = [
        Call::Send,
        Call::Receive,
        Call::Attach(Role::Primary),
        Call::Attach(Role::Secondary),
    ];
    for call in calls {
        for modes in MODES.map(|near| MODES.map(|far| [near, far])).concat() {
            for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
                check(call, modes, delivery);
            }
        }
    }
}

/// Runs with the writes at the accesses given, and with each of `writes` at each access after the
/// last, and so on `more` times.
fn interfere(
    memory: &Memory,
    case: (Call, [Mode; 2], Delivery),
    at: &[(usize, Write)],
    writes: &[Write],
    more: usize,
) -> usize {
    let (call, modes, delivery) = case;
    let (target, planned) = (*memory, at.to_vec());
    let done = run(memory, call, modes, delivery, move |access, _| {
        for (_, write) in planned.iter().filter(|(when, _)| *when == access) {
            write.to(&target);
        }
    });
    assert!(
        done.stamps <= limit(call, modes),
        "{case:?} looks at {} stamps after {at:x?}",
        done.stamps
    );
    let mut runs = 1;
    if more > 0 {
        let first = at.last().map_or(0, |(access, _)| access + 1);
        for access in first..done.accesses {
            for write in writes {
                let at = [at, &[(access, *write)]].concat();
                runs += interfere(memory, case, &at, writes, more - 1);
            }
        }
    }
    runs
}

#[test]
fn one_write_anywhere() {
    let memory = Memory::zeroed(layout());
    let writes = alphabet(&memory);
    let mut runs = 0;
    each_call(|call, modes, delivery| {
        runs += interfere(&memory, (call, modes, delivery), &[], &writes, 1);
        assert_works(&memory);
    });
    println!("{runs} runs, one of {} writes at each access", writes.len());
}

#[test]
fn two_writes_anywhere() {
    let memory = Memory::zeroed(layout());
    let writes = few(&memory);
    let mut runs = 0;
    each_call(|call, modes, delivery| {
        if matches!(call, Call::Send | Call::Receive) {
            runs += interfere(&memory, (call, modes, delivery), &[], &writes, 2);
            assert_works(&memory);
        }
    });
    println!(
        "{runs} runs, two of {} writes at any two accesses",
        writes.len()
    );
}

/// Between finding nothing and asking who is there: another receiver takes one message, a second one
/// lies behind it, and the sender dies. That is not yet the end.
#[test]
fn a_death_beside_a_reader() {
    let memory = Memory::zeroed(layout());
    make(&memory, Delivery::AtMostOnce);
    let near = attach(&memory, Mode::Shared, &AttachOptions::new(Role::Primary)).unwrap();
    let options = AttachOptions::new(Role::Secondary).member(Member::new(2).unwrap());
    let mut far = attach(&memory, Mode::Shared, &options).unwrap();
    let at = [START, START + 1].map(Position::new);
    let mut happened = false;
    let others = move |kind| {
        // The status is the first 32-bit word that the call comes to.
        if kind == Kind::Word32 && !happened {
            happened = true;
            memory.set_stamp(START, State::Reading(at[0], Member::FIRST, 0xff).word());
            memory.set_stamp(START + 1, published(at[1], 0xfe));
            for (operand, value) in [(1, START + 2), (2, (START + 1) % COUNT as u64), (3, 4)] {
                memory.set64(memory.slot_word(START + 1, operand), value);
            }
            // State 3 of a side: dead.
            memory.set32(128, memory.get32(128) | 3);
        }
    };
    assert_eq!(hooked(others, || far.receive()), Err(TryRecvError::Empty));
    // The other receiver finishes. What lay behind was a tombstone; after it comes the end.
    memory.set_stamp(START, State::Free(at[0].plus(COUNT)).word());
    assert_eq!(far.receive(), Err(TryRecvError::PeerDead));
    assert_eq!(
        memory.stamp(START + 1),
        State::Free(at[1].plus(COUNT)).word()
    );
    drop(near);
}

/// A number that looks random, from another.
const fn mix(mut value: u64) -> u64 {
    value ^= value << 13;
    value ^= value >> 7;
    value ^ value << 17
}

#[test]
fn an_adversary_at_random() {
    let memory = Memory::zeroed(layout());
    let writes = alphabet(&memory);
    let words = memory.layout.len() / 8;
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut runs = 0;
    let mut longest = 0;
    each_call(|call, modes, delivery| {
        for _ in 0..500 {
            seed = mix(seed);
            let (target, writes, mut random) = (memory, writes.clone(), seed);
            let done = run(&memory, call, modes, delivery, move |_, _| {
                random = mix(random);
                let choice = random as usize;
                match random >> 61 {
                    0 => target.set64(choice % words * 8, mix(random)),
                    1..=4 => writes[choice % writes.len()].to(&target),
                    _ => {}
                }
            });
            longest = done.accesses.max(longest);
            assert!(
                done.stamps <= limit(call, modes),
                "{call:?} {modes:?}: {}",
                done.stamps
            );
            runs += 1;
        }
        assert_works(&memory);
    });
    println!("{runs} runs, at most {longest} accesses in one call");
}
