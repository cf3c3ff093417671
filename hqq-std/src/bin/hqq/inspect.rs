//! `hqq inspect`: everything a region holds, read-only.

use std::io::{self, Write};
use std::path::PathBuf;

use hqq_core::Member;
use hqq_core::packet::Packet;
use hqq_core::side::{SideState, SideStatus};
use hqq_std::Format;
use hqq_std::inspect::{MemberRecord, Ring, Side, Slot, SlotState, Snapshot};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Show a region's superblock, rings and every slot that is not free, without taking part
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME)
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    name: Option<String>,
    /// An image of a region, such as a copy or a memory dump
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let snapshot = match (&args.name, &args.file) {
        (Some(name), _) => Snapshot::of_name(name)?,
        (None, Some(path)) => Snapshot::of_image(path)?,
        (None, None) => return Err(Failure::Usage("give a NAME or --file PATH".to_owned())),
    };
    let mut out = io::stdout().lock();
    let printed = if args.json {
        writeln!(out, "{:#}", to_json(&snapshot))
    } else {
        print(&mut out, &snapshot)
    };
    printed.map_err(Failure::of_output)
}

fn state(status: SideStatus) -> &'static str {
    match status.state() {
        SideState::Vacant => "vacant",
        SideState::Open => "open",
        SideState::Closed => "closed",
        SideState::Dead => "dead",
    }
}

fn mode(status: SideStatus) -> String {
    status
        .mode()
        .map_or_else(|| "-".to_owned(), |mode| mode.to_string())
}

const fn alive(alive: Option<bool>) -> &'static str {
    match alive {
        Some(true) => "alive",
        Some(false) => "nobody",
        None => "unknown",
    }
}

fn end(side: &Side) -> String {
    let does = if side.consumer { "receives" } else { "sends" };
    format!("{} {does}", side.role)
}

fn print(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let identity = &snapshot.identity;
    let layout = &identity.layout;
    writeln!(out, "{}", snapshot.path.display())?;
    let is_format_2 = layout.format() == Format::V2;
    writeln!(out, "  format      {}.{}", layout.format(), identity.minor)?;
    writeln!(
        out,
        "  geometry    {} buffers of {} bytes in each direction",
        layout.count(),
        layout.size()
    )?;
    writeln!(
        out,
        "  bytes       {} (file {}), parts aligned to {}",
        layout.len(),
        snapshot.len,
        layout.alignment()
    )?;
    if is_format_2 {
        writeln!(out, "  delivery    {}", identity.delivery)?;
        writeln!(out, "  session     {:#018x}", identity.session)?;
        writeln!(out, "  members     up to {} a role", layout.members())?;
    }
    writeln!(out, "sides")?;
    for side in &snapshot.sides {
        write!(out, "  {:19}  ", end(side))?;
        if let Some(status) = side.status {
            write!(
                out,
                "{:7} {:9} epoch {:<6} ",
                state(status),
                mode(status),
                status.epoch(),
            )?;
        }
        writeln!(out, "{}", alive(side.alive))?;
    }
    if is_format_2 {
        writeln!(out, "members")?;
    }
    for member in &snapshot.members {
        writeln!(
            out,
            "  {:9} {:3}  sending {:7} receiving {:7} pid {:<7} {}",
            member.role.to_string(),
            member.member,
            state(member.sending),
            state(member.receiving),
            member.pid,
            alive(member.alive),
        )?;
    }
    for ring in &snapshot.rings {
        writeln!(out, "ring {}", ring.direction)?;
        writeln!(
            out,
            "  w {}  r {}{}  unread {}",
            ring.producer_counter,
            ring.consumer_counter,
            ring.released
                .map_or_else(String::new, |released| format!("  released {released}")),
            ring.unread
        )?;
        for slot in &ring.slots {
            writeln!(
                out,
                "  slot {:5}  {:24}  {}",
                slot.index,
                describe(slot),
                packet(slot)
            )?;
        }
    }
    Ok(())
}

fn describe(slot: &Slot) -> String {
    let by =
        |member: Option<Member>| member.map_or_else(String::new, |member| format!(" by {member}"));
    match slot.state {
        SlotState::Free(position) => format!("free for {position}"),
        SlotState::Writing(position, member) => format!("{position} writing{}", by(member)),
        SlotState::Published(position) => format!("{position} published"),
        SlotState::Reading(position, member) => format!("{position} reading{}", by(member)),
        _ => format!("unknown {:#018x}", slot.stamp),
    }
}

fn packet(slot: &Slot) -> String {
    match &slot.packet {
        None => String::new(),
        Some(Err(error)) => format!("malformed: {error}"),
        Some(Ok(Packet::StandardCopy(packet))) => {
            format!(
                "message {}, {} bytes in its buffer",
                packet.copy_id, packet.data_size
            )
        }
        Some(Ok(Packet::StandardRun(packet))) => match packet.count() {
            1 => format!("message, {} bytes in its buffer", packet.size()),
            count => format!(
                "{count} messages, {} bytes each in its buffer",
                packet.size()
            ),
        },
        Some(Ok(Packet::StandardInline(packet))) => format!(
            "message {}, {} bytes: {}",
            packet.copy_id(),
            packet.payload().len(),
            packet.payload().escape_ascii()
        ),
        Some(Ok(Packet::StandardTombstone(packet))) => {
            format!(
                "tombstone {}, reason {}",
                packet.copy_id,
                packet.reason.get()
            )
        }
        Some(Ok(other)) => format!("{other:?}"),
    }
}

fn to_json(snapshot: &Snapshot) -> Value {
    let identity = &snapshot.identity;
    let layout = &identity.layout;
    json!({
        "path": snapshot.path.display().to_string(),
        "bytes": snapshot.len,
        "superblock": {
            "format": layout.format() as u8,
            "minor": identity.minor,
            "count": layout.count(),
            "size": layout.size(),
            "alignment": layout.alignment(),
            "layout_bytes": layout.len(),
            "members": layout.members(),
            "compatible_features": identity.compatible,
            "session": format!("{:#018x}", identity.session),
            "delivery": identity.delivery.to_string(),
        },
        "sides": snapshot.sides.iter().map(side_to_json).collect::<Vec<_>>(),
        "members": snapshot.members.iter().map(member_to_json).collect::<Vec<_>>(),
        "rings": snapshot.rings.iter().map(ring_to_json).collect::<Vec<_>>(),
    })
}

fn side_to_json(side: &Side) -> Value {
    json!({
        "direction": side.direction as u8,
        "role": side.role.to_string(),
        "side": if side.consumer { "consumer" } else { "producer" },
        "state": side.status.map(state),
        "mode": side.status.and_then(SideStatus::mode).map(|mode| mode.to_string()),
        "epoch": side.status.map(SideStatus::epoch),
        "alive": side.alive,
    })
}

fn member_to_json(member: &MemberRecord) -> Value {
    json!({
        "role": member.role.to_string(),
        "member": member.member.get(),
        "pid": member.pid,
        "sending": state(member.sending),
        "receiving": state(member.receiving),
        "alive": member.alive,
    })
}

fn ring_to_json(ring: &Ring) -> Value {
    json!({
        "direction": ring.direction as u8,
        "w": ring.producer_counter.get(),
        "r": ring.consumer_counter.get(),
        "released": ring.released,
        "unread": ring.unread,
        "slots": ring.slots.iter().map(slot_to_json).collect::<Vec<_>>(),
    })
}

fn slot_to_json(slot: &Slot) -> Value {
    let (state, position, member) = match slot.state {
        SlotState::Free(position) => ("free", Some(position), None),
        SlotState::Writing(position, member) => ("writing", Some(position), member),
        SlotState::Published(position) => ("published", Some(position), None),
        SlotState::Reading(position, member) => ("reading", Some(position), member),
        _ => ("unknown", None, None),
    };
    json!({
        "slot": slot.index,
        "stamp": format!("{:#018x}", slot.stamp),
        "state": state,
        "position": position.map(hqq_core::Position::get),
        "member": member.map(Member::get),
        "packet": (slot.packet.is_some()).then(|| packet(slot)),
    })
}
