//! A child is stepped through one call, instruction by instruction. What the region holds after each
//! is what a kill there leaves: each such state is recovered in a copy. And at some of them the child
//! is killed in earnest, beside members that go on.
//!
//! `HQQ_STEPS=all` kills at every instruction.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hqq_std::{
    Delivery, LinkOptions, Mode, RecvError, Role, SharedLink, StandardLink, TryRecvError,
};
use hqq_tests::{LIMIT, Name, Sheet, fill_message, is_message};

use crate::stepper::{State, Stepper, region_of, states};

pub(crate) const RING: usize = 4;
pub(crate) const SIZE: usize = 64;

/// What a child does.
#[derive(Clone, Copy)]
struct Call {
    sends: bool,
    mode: Mode,
    /// The message is of this number: odd ones lie in the buffer.
    number: u64,
    /// Messages that lie in the ring before.
    before: u64,
    /// Messages that the child has sent or received before, without being stepped: a side that has begun takes
    /// another way through its ring than one that has just attached.
    earlier: u64,
    delivery: Delivery,
}

impl Call {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for sends in [true, false] {
            for mode in [Mode::Exclusive, Mode::Shared] {
                for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
                    if sends && delivery == Delivery::AtLeastOnce {
                        continue;
                    }
                    let full = RING as u64;
                    // Empty, with something in it, with one place left, full.
                    let fresh = [0, 1, full - 1, full].map(|before| (before, 0));
                    // What a sender has sent lies there; what a receiver has received did.
                    let begun = [(u64::from(sends), 1), (2, 2), (full - u64::from(!sends), 1)];
                    for (before, earlier) in fresh.into_iter().chain(begun) {
                        for number in [2, 3] {
                            all.push(Self {
                                sends,
                                mode,
                                number,
                                before,
                                earlier,
                                delivery,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    fn arguments(&self) -> [String; 4] {
        let task = match (self.sends, self.delivery) {
            (true, _) => "send",
            (false, Delivery::AtMostOnce) => "recv",
            // A call that copies has given the buffer back before its caller can use the message:
            // who wants it at least once keeps the buffer until then.
            (false, Delivery::AtLeastOnce) => "read",
        };
        [
            task.to_owned(),
            self.mode.to_string(),
            (self.number + self.before).to_string(),
            self.earlier.to_string(),
        ]
    }

    /// A ring with the messages that lie there before, of numbers from `number` on: those of them that are not the
    /// child's to send, and those that it is to receive earlier.
    fn region(&self) -> Name {
        let name = Name::new();
        let options = LinkOptions::new()
            .count(RING)
            .size(SIZE)
            .delivery(self.delivery);
        options.create_region(&name).unwrap();
        let mut near = options.role(Role::Primary).open(&name).unwrap();
        let (first, end) = if self.sends {
            (self.number, self.number + self.before - self.earlier)
        } else {
            (self.number - self.earlier, self.number + self.before)
        };
        for number in first..end {
            near.sender()
                .try_send(&fill_message(1, number, SIZE))
                .unwrap();
        }
        name
    }

    /// That the successors of a child that had noted `noted` find what they should.
    fn check(&self, seen: &[(u64, bool)], noted: u64, at: u64) {
        let context = format!("{:?} after {at} instructions: {seen:?}", self.arguments());
        let end = self.number + self.before;
        let mut due = self.number..end;
        if self.sends {
            let mut numbers = seen.iter().map(|(number, _)| *number);
            assert!(
                due.all(|number| numbers.next() == Some(number)),
                "{context}"
            );
            match numbers.next() {
                Some(number) => assert_eq!(number, end, "{context}"),
                None => assert_eq!(noted, 0, "committed and lost: {context}"),
            }
            assert_eq!(numbers.next(), None, "{context}");
            return;
        }
        // The child has received the first, or was about to.
        let Some(first) = due.next() else {
            assert!(seen.is_empty(), "{context}");
            return;
        };
        let mut rest = seen;
        if let Some(((number, in_doubt), others)) = seen.split_first()
            && *number == first
        {
            rest = others;
            assert!(noted == 0 || *in_doubt, "twice: {context}");
            assert!(
                !in_doubt || self.delivery == Delivery::AtLeastOnce,
                "{context}"
            );
        } else {
            assert!(
                noted == 1 || self.delivery == Delivery::AtMostOnce,
                "lost: {context}"
            );
        }
        let expected: Vec<_> = due.map(|number| (number, false)).collect();
        assert_eq!(rest, expected, "{context}");
    }
}

/// All that is there to be had, numbers and whether in doubt; all of it whole.
pub(crate) fn drain(link: &mut StandardLink) -> Vec<(u64, bool)> {
    let mut seen = Vec::new();
    loop {
        let error = match link.receiver().try_next() {
            Ok(message) => {
                let mut bytes = vec![0; message.len()];
                message.copy_to(0, &mut bytes);
                let (stream, number, whole) = is_message(&bytes);
                assert!(whole, "damaged: {number}");
                if stream == 1 {
                    seen.push((number, message.is_in_doubt()));
                    continue;
                }
                panic!("of stream {stream}");
            }
            Err(error) => error,
        };
        match error {
            TryRecvError::Empty | TryRecvError::PeerDead | TryRecvError::Disconnected => {
                return seen;
            }
            error => panic!("{error}"),
        }
    }
}

/// That a region works: a message goes through it.
pub(crate) fn works(near: &mut StandardLink, far: &mut StandardLink) {
    for number in 0..2 * RING as u64 {
        near.send_timeout(&fill_message(9, number, SIZE), LIMIT)
            .unwrap();
        far.set_read_timeout(Some(LIMIT)).unwrap();
        let message = far.recv_vec().unwrap();
        assert_eq!(is_message(&message), (9, number, true));
    }
}

/// Every state that a call leaves, each recovered in a copy of the region.
#[test]
fn whatever_instruction_is_the_last_one_the_next_members_go_on() {
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for call in Call::all() {
        let arguments = call.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (instructions, states) = states(call.region(), &arguments);
        for state in &states {
            let name = region_of(&state.image);
            let mut far = LinkOptions::new()
                .role(Role::Secondary)
                .open(&name)
                .unwrap();
            let seen = drain(&mut far);
            call.check(&seen, state.noted, state.at);
            let mut near = LinkOptions::new().role(Role::Primary).open(&name).unwrap();
            works(&mut near, &mut far);
        }
        let begun = if call.earlier > 0 { ", begun" } else { "" };
        let label = format!("{} {}{begun}", arguments[0], arguments[1]);
        counts
            .entry(label)
            .or_default()
            .extend([instructions, states.len() as u64]);
    }
    for (label, counts) in counts {
        let pairs: Vec<_> = counts
            .chunks(2)
            .map(|pair| format!("{} ({})", pair[0], pair[1]))
            .collect();
        println!("{label}: instructions (states) {}", pairs.join(", "));
    }
}

/// The members beside a child that is killed.
enum Survivors {
    Shared(Box<(SharedLink, SharedLink)>),
    /// The other end, and no more.
    Exclusive(Box<StandardLink>),
}

impl Call {
    fn survivors(&self, name: &Name) -> Survivors {
        let options = LinkOptions::new();
        match self.mode {
            Mode::Shared => Survivors::Shared(Box::new((
                options.shared().role(Role::Primary).open(name).unwrap(),
                options.shared().role(Role::Secondary).open(name).unwrap(),
            ))),
            Mode::Exclusive => {
                let role = if self.sends {
                    Role::Secondary
                } else {
                    Role::Primary
                };
                Survivors::Exclusive(Box::new(options.role(role).open(name).unwrap()))
            }
        }
    }

    /// Kills the child after so many instructions, or at the end of its call, which is shorter beside some
    /// others; what those see who lived beside it. Says whether it came so far.
    fn kill_at(&self, at: u64) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("sheet");
        let sheet = Sheet::create(&path);
        let name = self.region();
        let survivors = self.survivors(&name);
        let [task, mode, number, earlier] = self.arguments();
        let child = Stepper::start(&[&task, &name, &mode, &number, &earlier], &path);
        let comes_so_far = (0..at).all(|_| child.step());
        drop(child);
        let noted = sheet.count(0);
        match survivors {
            Survivors::Exclusive(mut link) if self.sends => {
                let mut seen = drain(&mut link);
                assert_eq!(
                    link.recv_timeout(&mut [0; SIZE], LIMIT),
                    Err(RecvError::PeerDead)
                );
                seen.extend(drain(&mut link));
                self.check(&seen, noted, at);
                let mut next = LinkOptions::new().role(Role::Primary).open(&name).unwrap();
                works(&mut next, &mut link);
            }
            Survivors::Exclusive(mut link) => {
                let mut next = LinkOptions::new()
                    .role(Role::Secondary)
                    .open(&name)
                    .unwrap();
                self.check(&drain(&mut next), noted, at);
                works(&mut link, &mut next);
            }
            Survivors::Shared(links) => {
                let (near, far) = *links;
                let mut receiver = far.receiver();
                receiver.set_timeout(Some(LIMIT)).unwrap();
                let mut sender = near.sender();
                let mut seen = Vec::new();
                // One more than there are buffers: none of them is lost.
                let mut after = 0;
                while after < RING as u64 + 1 {
                    let mut sent = sender.try_send(&fill_message(9, after, SIZE));
                    // Only repair makes room: that of a sender, or where a message has to be handed
                    // over in doubt, that of the receiver below.
                    if sent.is_err()
                        && !receiver.is_readable()
                        && self.delivery == Delivery::AtMostOnce
                    {
                        let message = fill_message(9, after, SIZE);
                        sender.send_timeout(&message, LIMIT).unwrap();
                        sent = Ok(());
                    }
                    if sent.is_ok() {
                        after += 1;
                    }
                    let message = receiver.next().unwrap();
                    let mut bytes = vec![0; message.len()];
                    message.copy_to(0, &mut bytes);
                    let (stream, number, whole) = is_message(&bytes);
                    assert!(whole);
                    if stream == 1 {
                        seen.push((number, message.is_in_doubt()));
                    }
                }
                // What is left: the last of stream 9, and what a dead one had.
                drop((sender, near));
                loop {
                    let error = match receiver.next() {
                        Ok(message) => {
                            let mut bytes = vec![0; message.len()];
                            message.copy_to(0, &mut bytes);
                            let (stream, number, _) = is_message(&bytes);
                            if stream == 1 {
                                seen.push((number, message.is_in_doubt()));
                            }
                            continue;
                        }
                        Err(error) => error,
                    };
                    assert!(
                        matches!(error, RecvError::Disconnected | RecvError::PeerDead),
                        "{error}"
                    );
                    break;
                }
                seen.sort_by_key(|(number, _)| *number);
                self.check(&seen, noted, at);
            }
        }
        comes_so_far
    }
}

/// Whether children are to be killed wherever they may be.
pub(crate) fn every_step() -> bool {
    std::env::var("HQQ_STEPS").is_ok_and(|steps| steps == "all")
}

/// The instructions to kill at: before and after each change of the region, and some between.
fn moments(instructions: u64, states: &[State]) -> Vec<u64> {
    if every_step() {
        return (0..instructions).collect();
    }
    // The changes are what matters; four of them a call, others each time.
    let changes: Vec<u64> = states.iter().map(|state| state.at).collect();
    let step = changes.len().div_ceil(4).max(1);
    let first = usize::try_from(instructions).unwrap() % step;
    changes
        .into_iter()
        .skip(first)
        .step_by(step)
        .filter(|at| *at < instructions)
        .collect()
}

#[test]
fn those_beside_a_killed_one_go_on() {
    let (mut kills, mut amid) = (0_u32, 0_u32);
    for call in Call::all() {
        let arguments = call.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (instructions, states) = states(call.region(), &arguments);
        for at in moments(instructions, &states) {
            amid += u32::from(call.kill_at(at));
            kills += 1;
        }
    }
    println!("{kills} kills beside members that went on, {amid} of them amid a call");
    assert!(amid > kills / 2);
}
