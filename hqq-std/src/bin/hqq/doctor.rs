//! `hqq doctor`: who is attached, who has died, what is stuck, and repairing it.

use std::fmt;
use std::time::Duration;

use hqq_std::inspect::{SlotState, Snapshot};
use hqq_std::repair::{ClaimReport, MemberReport, Remedy, Repaired, Report};
use hqq_std::{Format, LinkOptions, OpenError};
use serde::Serialize;

use crate::failure::Failure;
use crate::open::guarded;
use crate::output;
use crate::stats::{pause, seconds};

/// Say who is attached to a region, who has died, what is stuck and what will be done about it
///
/// Looks twice, a moment apart: what stands still meanwhile is stuck. Since when something is wrong, a region
/// does not say: for so long at least what was seen both times, for so long at most what was not. Ends with code 1 where something
/// is wrong. What dead members leave is also repaired by whoever uses the region: a call that waits,
/// or opening it.
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME)
    name: String,
    /// Repair what dead members have left; those that live are not touched
    #[arg(long)]
    fix: bool,
    /// Look at a region of another user, too
    #[arg(long)]
    any_owner: bool,
    /// How long something has to stand still to be stuck, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    watch: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The kind of what is wrong where somebody keeps others from attaching.
const BUSY: &str = "busy";

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    kind: &'static str,
    what: String,
    #[serde(flatten)]
    since: Since,
    remedy: &'static str,
}

/// For how long something has been wrong. A region does not say when: what is known is whether it was so
/// when it was looked for the first time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Since {
    at_least_seconds: Option<f64>,
    at_most_seconds: Option<f64>,
}

impl Since {
    /// Of what is so now, and was or was not so before it was `watched`.
    fn watched(was: bool, watched: Duration) -> Self {
        let watched = (!watched.is_zero()).then_some(watched.as_secs_f64());
        Self {
            at_least_seconds: watched.filter(|_| was),
            at_most_seconds: watched.filter(|_| !was),
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least_seconds, self.at_most_seconds) {
            (Some(seconds), _) => write!(f, ", for {seconds} s at least"),
            (None, Some(seconds)) => write!(f, ", for {seconds} s at most"),
            (None, None) => Ok(()),
        }
    }
}

/// Everything there is to say.
#[derive(Serialize)]
struct Diagnosis<'a> {
    name: &'a str,
    format: u8,
    attached: Vec<String>,
    findings: Vec<Finding>,
    fixed: Option<String>,
    ok: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let mut options = guarded(LinkOptions::new());
    if args.any_owner {
        options = options.any_owner();
    }
    let before = Snapshot::of_name(&args.name)?;
    let format = before.identity.layout.format();
    let caretaker = match format {
        Format::V2 => Some(options.caretaker(&args.name)?),
        Format::V1 => None,
    };
    let earlier = caretaker.as_ref().map(hqq_std::repair::Caretaker::examine);
    pause(args.watch)?;
    let now = caretaker.as_ref().map(hqq_std::repair::Caretaker::examine);
    // What is left of a file that was made shorter is no region.
    let is_whole = !now.as_ref().is_some_and(|now| now.truncated);
    let look = || Snapshot::of_name(&args.name);
    let after = is_whole.then(look).transpose()?;
    let mut findings = after
        .as_ref()
        .map_or_else(Vec::new, |after| damaged(&before, after, args.watch));
    let mut attached = Vec::new();
    if let (Some(earlier), Some(now)) = (&earlier, &now) {
        attached.extend(now.members.iter().filter(|member| member.alive).map(member));
        findings.extend(examine(earlier, now, args.watch));
    }
    let mut fixed = None;
    let mut refused = None;
    let repaired = match caretaker.as_ref().filter(|_| args.fix) {
        Some(caretaker) => match caretaker.repair() {
            Ok(repaired) => Some((caretaker, repaired)),
            // What is wrong is to be said all the more.
            Err(error @ (OpenError::Busy { .. } | OpenError::Truncated { .. })) => {
                refused = Some(error);
                None
            }
            Err(error) => return Err(not_repaired(error)),
        },
        None => None,
    };
    if let Some((caretaker, repaired)) = repaired {
        fixed = Some(describe(&repaired));
        // What is left is wrong still.
        let left = caretaker.examine();
        let earlier_slots = after.as_ref().unwrap_or(&before);
        findings = damaged(earlier_slots, &look()?, Duration::ZERO);
        findings.extend(examine(&left, &left, Duration::ZERO));
        if let Some(now) = &now {
            let stuck = stuck(earlier.as_ref().unwrap_or(now), now, args.watch);
            // Who was in the way of the repair has let it pass.
            findings.extend(stuck.into_iter().filter(|finding| finding.kind != BUSY));
        }
    }
    if let Some(busy) = findings.iter_mut().find(|finding| finding.kind == BUSY) {
        let processes = caretaker
            .as_ref()
            .map_or_else(Vec::new, hqq_std::repair::Caretaker::busy_processes);
        busy.what = who_is_busy(&processes);
    }
    let diagnosis = Diagnosis {
        name: &args.name,
        format: format as u8,
        attached,
        ok: findings.is_empty(),
        findings,
        fixed,
    };
    if args.json {
        output::json(&diagnosis)?;
    } else {
        output::text(&to_text(&diagnosis))?;
    }
    if let Some(error) = refused {
        return Err(not_repaired(error));
    }
    match diagnosis.findings.len() {
        0 => Ok(()),
        1 => Err(Failure::Failed(format!("{}: 1 thing is wrong", args.name))),
        count => Err(Failure::Failed(format!(
            "{}: {count} things are wrong",
            args.name
        ))),
    }
}

fn not_repaired(error: OpenError) -> Failure {
    Failure::Failed(format!("nothing was repaired: {error}"))
}

/// Who keeps others from attaching.
fn who_is_busy(processes: &[u32]) -> String {
    let who: Vec<String> = processes
        .iter()
        .map(|pid| {
            let state = if is_stopped(*pid) { " (stopped)" } else { "" };
            format!("process {pid}{state}")
        })
        .collect();
    let who = match who.as_slice() {
        [] => "somebody whom the system does not name".to_owned(),
        [who] => who.clone(),
        all => format!("one of {}", all.join(", ")),
    };
    format!("{who} is attaching, leaving or repairing")
}

fn member(member: &MemberReport) -> String {
    let mode = member.sending.mode().or_else(|| member.receiving.mode());
    format!(
        "{} {}, process {}, {}",
        member.role,
        member.member,
        member.pid,
        mode.map_or_else(|| "no mode".to_owned(), |mode| mode.to_string())
    )
}

/// Slots that hold what no rule leads to, and held that before.
fn damaged(before: &Snapshot, now: &Snapshot, watched: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (earlier, ring) in before.rings.iter().zip(&now.rings) {
        let unknown = |slot: &&hqq_std::inspect::Slot| slot.state == SlotState::Unknown;
        for slot in ring.slots.iter().filter(unknown) {
            let same = |other: &hqq_std::inspect::Slot| {
                (other.index, other.stamp) == (slot.index, slot.stamp)
            };
            if earlier.slots.iter().any(same) {
                findings.push(Finding {
                    kind: "damaged-slot",
                    what: format!(
                        "slot {} {} holds {:#018x}, which no rule leads to",
                        slot.index, ring.direction, slot.stamp
                    ),
                    since: Since::watched(true, watched),
                    remedy: "remove the region, and have it made anew",
                });
            }
        }
    }
    findings
}

/// What is wrong with members and sides.
fn examine(earlier: &Report, now: &Report, watched: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    if now.truncated {
        findings.push(Finding {
            kind: "truncated",
            what: "the region's file was made shorter".to_owned(),
            since: Since::watched(earlier.truncated, watched),
            remedy: "what was in it is lost: remove the region, and have it made anew",
        });
    }
    for dead in now.members.iter().filter(|member| member.is_dead()) {
        findings.push(Finding {
            kind: "dead-member",
            what: format!("{} has died", member(dead)),
            since: Since::watched(
                earlier
                    .members
                    .iter()
                    .any(|was| was.is_dead() && was == dead),
                watched,
            ),
            remedy: "its record is closed by the next repair",
        });
    }
    let recorded = |side: &hqq_std::repair::SideReport| {
        side.is_dead() && side.status.state() == hqq_core::side::SideState::Open
    };
    for side in now.sides.iter().filter(|side| recorded(side)) {
        findings.push(Finding {
            kind: "dead-side",
            what: format!(
                "nobody who lives {} as {}, and it was not closed",
                if side.consumer { "receives" } else { "sends" },
                side.role
            ),
            since: Since::watched(
                earlier.sides.iter().any(|was| recorded(was) && was == side),
                watched,
            ),
            remedy: "it is recorded as dead by the next repair, so that the peer is told",
        });
    }
    for claim in &now.claims {
        let remedy = match claim.remedy {
            Remedy::Tombstone => "it becomes a tombstone by the next repair; nothing was sent",
            Remedy::Release => {
                "it becomes free by the next repair; the message is lost (at most once)"
            }
            Remedy::TakeOver => "the next receiver gets the message, marked as in doubt",
            _ => continue,
        };
        findings.push(Finding {
            kind: "dead-claim",
            what: format!("{}, who has died or left", claimed(claim)),
            since: Since::watched(earlier.claims.contains(claim), watched),
            remedy,
        });
    }
    if !watched.is_zero() {
        findings.extend(stuck(earlier, now, watched));
    }
    findings
}

/// What members that live have not moved while it was watched.
fn stuck(earlier: &Report, now: &Report, watched: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let owned = |claim: &&ClaimReport| claim.remedy == Remedy::Owner;
    for claim in now.claims.iter().filter(owned) {
        if !earlier.claims.contains(claim) {
            continue;
        }
        let owner = now
            .members
            .iter()
            .find(|member| (member.role, member.member) == (claim.claim.role, claim.claim.member));
        let pid = owner.map_or(0, |owner| owner.pid);
        let state = if is_stopped(pid) { ", stopped" } else { "" };
        findings.push(Finding {
            kind: "stuck-claim",
            what: format!("{} (process {pid}{state}), who lives", claimed(claim)),
            since: Since::watched(true, watched),
            remedy: "nobody takes it away: continue that process, or end it",
        });
    }
    if earlier.busy && now.busy {
        findings.push(Finding {
            kind: BUSY,
            what: who_is_busy(&[]),
            since: Since::watched(true, watched),
            remedy: "until it goes on nobody attaches and nothing is repaired: continue that process, or end it",
        });
    }
    findings
}

/// Whether the process is stopped, by a signal or a debugger; `false` where that cannot be told.
fn is_stopped(pid: u32) -> bool {
    // Behind the command's name in brackets, which may hold any character.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().starts_with(['T', 't']))
        })
        .unwrap_or(false)
}

fn claimed(report: &ClaimReport) -> String {
    let claim = &report.claim;
    format!(
        "position {} {} is being {} by {} {}",
        claim.position,
        claim.direction,
        if claim.writing { "written" } else { "read" },
        claim.role,
        claim.member
    )
}

fn describe(repaired: &Repaired) -> String {
    format!(
        "{} members closed, {} sides recorded as dead, {} slots made tombstones, {} freed, {} messages in doubt",
        repaired.members, repaired.sides, repaired.tombstones, repaired.released, repaired.in_doubt
    )
}

fn to_text(diagnosis: &Diagnosis<'_>) -> String {
    let mut lines = vec![format!("{}  format {}", diagnosis.name, diagnosis.format)];
    if diagnosis.format == 1 {
        lines.push("in format 1 nobody can tell who lives, and nothing is repaired".to_owned());
    } else if diagnosis.attached.is_empty() {
        lines.push("nobody is attached".to_owned());
    }
    for attached in &diagnosis.attached {
        lines.push(format!("attached: {attached}"));
    }
    if let Some(fixed) = &diagnosis.fixed {
        lines.push(format!("repaired: {fixed}"));
    }
    for finding in &diagnosis.findings {
        lines.push(format!("wrong: {}{}", finding.what, finding.since));
        lines.push(format!("       {}", finding.remedy));
    }
    if diagnosis.ok {
        lines.push("nothing is wrong".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}
