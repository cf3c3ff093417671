//! Senders and receivers in processes of their own, killed and replaced.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hqq_std::{Delivery, LinkOptions, Mode};
use hqq_tests::{Name, Phase, Process, Sheet, eventually};

use crate::ledger::Ledger;

/// Buffers of the ring.
pub(crate) const RING: usize = 16;
const SIZE: usize = 128;

/// How one side of the ring is used.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) mode: Mode,
    pub(crate) processes: usize,
    pub(crate) threads: usize,
}

impl Side {
    pub(crate) const fn exclusive() -> Self {
        Self {
            mode: Mode::Exclusive,
            processes: 1,
            threads: 1,
        }
    }

    pub(crate) const fn shared(processes: usize, threads: usize) -> Self {
        Self {
            mode: Mode::Shared,
            processes,
            threads,
        }
    }
}

/// A test.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) sending: Side,
    pub(crate) receiving: Side,
    pub(crate) delivery: Delivery,
    pub(crate) kills: usize,
    /// One of each role by turns, every second one of which is asked to leave instead.
    pub(crate) leave: bool,
    /// Nobody repairs.
    pub(crate) no_repair: bool,
    /// How long nothing may come.
    pub(crate) patience: Duration,
}

impl Plan {
    /// The same where nobody repairs, which gets stuck soon.
    pub(crate) const fn without_repair(self) -> Self {
        Self {
            no_repair: true,
            patience: Duration::from_secs(2),
            ..self
        }
    }
}

/// Nothing came any more: what there was.
pub(crate) struct Stuck(String);

impl fmt::Debug for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Member {
    sends: bool,
    process: Option<Process>,
    sheet: Sheet,
    /// The first of its threads' streams, or the first of its readers' numbers.
    first: u64,
    threads: usize,
}

struct Crew<'a> {
    plan: &'a Plan,
    region: Name,
    directory: tempfile::TempDir,
    members: Vec<Member>,
    ledger: Ledger,
    next: u64,
}

impl Crew<'_> {
    fn side(&self, sends: bool) -> Side {
        if sends {
            self.plan.sending
        } else {
            self.plan.receiving
        }
    }

    fn start(&mut self, sends: bool) -> Member {
        let Side { mode, threads, .. } = self.side(sends);
        self.next += threads as u64;
        let first = self.next;
        let path: PathBuf = self.directory.path().join(first.to_string());
        let sheet = Sheet::create(&path);
        let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
        let task = match (sends, self.plan.delivery) {
            (true, _) => "send",
            (false, Delivery::AtMostOnce) => "recv",
            (false, Delivery::AtLeastOnce) => "read",
        };
        command
            .arg(task)
            .args([&*self.region, &mode.to_string(), &threads.to_string()])
            .arg(&path)
            .arg(first.to_string());
        if self.plan.no_repair {
            command.env("HQQ_NO_REPAIR", "1");
        }
        let process = Process::start(&mut command);
        Member {
            sends,
            process: Some(process),
            sheet,
            first,
            threads,
        }
    }

    /// Reads what one has noted since.
    fn read(ledger: &mut Ledger, member: &Member) {
        for thread in 0..member.threads {
            let id = member.first + thread as u64;
            if member.sends {
                ledger.committed(id, member.sheet.count(thread));
            } else {
                ledger.noted(id, &member.sheet.take(thread));
            }
        }
    }

    fn read_all(&mut self) {
        for member in &self.members {
            Self::read(&mut self.ledger, member);
        }
    }

    /// Waits until more came than could have been on its way.
    fn goes_on(&mut self) -> Result<(), Stuck> {
        self.read_all();
        let enough = self.ledger.received() + 2 * RING as u64;
        let end = Instant::now() + self.plan.patience;
        while self.ledger.received() < enough {
            if Instant::now() > end {
                let mut text = String::new();
                for member in &mut self.members {
                    let phases: Vec<_> = (0..member.threads)
                        .map(|at| member.sheet.phase(at))
                        .collect();
                    let process = member.process.as_mut().unwrap();
                    text += &format!(
                        "sends: {}, runs: {}, {phases:?}: {}\n",
                        member.sends,
                        process.is_running(),
                        process.stderr()
                    );
                }
                let slots = hqq_std::inspect::Snapshot::of_name(&self.region)
                    .map(|seen| format!("{:?}", seen.rings[0]));
                return Err(Stuck(format!("{}: {text}{slots:?}", self.plan.name)));
            }
            std::thread::sleep(Duration::from_micros(200));
            self.read_all();
        }
        Ok(())
    }

    /// Ends one, and starts another one in its place.
    fn replace(&mut self, at: usize, leaves: bool) -> Result<(), Stuck> {
        let member = self.members.swap_remove(at);
        if leaves {
            self.leave(member, 2);
        } else {
            self.kill(member);
        }
        self.read_all();
        self.ledger.end_round();
        let sends = at_sends(&self.members, self.side(true).processes);
        // Where others share its side, they go on without it.
        if self.side(sends).processes > 1 {
            self.goes_on()?;
        }
        let next = self.start(sends);
        self.members.push(next);
        self.goes_on()
    }

    fn kill(&mut self, mut member: Member) {
        if let Some(mut process) = member.process.take() {
            assert!(
                process.is_running(),
                "it ended by itself: {}",
                process.stderr()
            );
            process.kill();
        }
        for thread in 0..member.threads {
            self.ledger
                .killed(member.sheet.phase(thread), !member.sends);
        }
        Self::read(&mut self.ledger, &member);
    }

    fn leave(&mut self, mut member: Member, how: u64) {
        member.sheet.stop(how);
        if let Some(mut process) = member.process.take() {
            eventually("it to leave", || {
                // What is noted has to be read for others to go on.
                Self::read(&mut self.ledger, &member);
                self.read_all();
                (!process.is_running()).then_some(())
            });
            let _ = process.wait().ok();
        }
        Self::read(&mut self.ledger, &member);
    }
}

/// Which side has lost one of its processes.
fn at_sends(members: &[Member], senders: usize) -> bool {
    members.iter().filter(|member| member.sends).count() < senders
}

/// What came of a test.
pub(crate) struct Outcome {
    /// What was killed doing what.
    pub(crate) killed: BTreeMap<Phase, u64>,
    /// Processes that were replaced: senders and receivers.
    pub(crate) replaced: [usize; 2],
}

/// Runs a test.
pub(crate) fn run(plan: &Plan) -> Result<Outcome, Stuck> {
    let region = Name::new();
    let options = LinkOptions::new().count(RING).size(SIZE);
    options
        .delivery(plan.delivery)
        .create_region(&region)
        .unwrap();
    let mut crew = Crew {
        plan,
        region,
        directory: tempfile::tempdir().unwrap(),
        members: Vec::new(),
        ledger: Ledger::new(plan.delivery, plan.receiving.mode == Mode::Shared),
        next: 0,
    };
    for (sends, side) in [(true, plan.sending), (false, plan.receiving)] {
        for _ in 0..side.processes {
            let member = crew.start(sends);
            crew.members.push(member);
        }
    }
    crew.goes_on()?;
    let mut replaced = [0; 2];
    let mut random = RandomState::new().build_hasher().finish() | 1;
    for round in 0..plan.kills {
        for shift in [13, -7, 17_i32] {
            random ^= if shift > 0 {
                random << shift
            } else {
                random >> -shift
            };
        }
        std::thread::sleep(Duration::from_micros(random % 3000));
        crew.read_all();
        let choice = usize::try_from(random >> 20).unwrap();
        let mut eligible = (0..crew.members.len()).collect::<Vec<_>>();
        if plan.leave {
            eligible.retain(|at| crew.members[*at].sends == (round % 2 == 0));
        }
        let at = eligible[choice % eligible.len()];
        // Killed while it attaches it has not begun: that is another test.
        eventually("it to attach", || {
            crew.read_all();
            crew.members[at].sheet.is_ready().then_some(())
        });
        replaced[usize::from(!crew.members[at].sends)] += 1;
        crew.replace(at, plan.leave && round % 4 < 2)?;
    }
    let (senders, receivers): (Vec<_>, Vec<_>) = std::mem::take(&mut crew.members)
        .into_iter()
        .partition(|member| member.sends);
    for member in &receivers {
        member.sheet.stop(1);
    }
    crew.members = receivers;
    for member in &senders {
        member.sheet.stop(1);
    }
    for member in senders {
        crew.leave(member, 1);
    }
    for member in std::mem::take(&mut crew.members) {
        crew.leave(member, 1);
    }
    Ok(Outcome {
        killed: crew.ledger.settle(plan.name),
        replaced,
    })
}
