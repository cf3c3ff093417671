//! `hqq defmt`: logs of firmware that writes them into a link, decoded.

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use defmt_decoder::{DecodeError, Frame, StreamDecoder, Table};
use hqq_std::{LinkOptions, Receiver, RecvError, TryRecvError};

use crate::failure::Failure;
use crate::open::{Create, RoleArg, guarded, seconds};
use crate::signals::{self, SLICE};

/// Print what firmware logs with defmt into a link, as hqq-defmt does
///
/// Ends when the firmware has closed its half and everything was printed. Firmware that was reset
/// goes on where its link does; frames that are damaged are left out and counted.
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME), or - for encoded frames on standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    name: Option<String>,
    /// A region in a file, such as a memory dump: what is left in it is printed, and taken out
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// The firmware's ELF file, which has the texts
    #[arg(long, value_name = "PATH")]
    elf: PathBuf,
    /// Seconds to wait for the region and for the firmware
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    wait: std::time::Duration,
    /// Which end to be [default: the one that is free; of a --file secondary]
    #[arg(long)]
    role: Option<RoleArg>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let said = |error: String| Failure::Failed(format!("{}: {error}", args.elf.display()));
    let elf = std::fs::read(&args.elf).map_err(|error| said(error.to_string()))?;
    let table = Table::parse(&elf)
        .map_err(|error| said(error.to_string()))?
        .ok_or_else(|| said("it has no defmt data: link it with -Tdefmt.x".to_owned()))?;
    let mut printer = Printer {
        decoder: table.new_stream_decoder(),
        recovers: table.encoding().can_recover(),
        colored: io::stdout().is_terminal(),
        damaged: 0,
    };
    match (&args.name, &args.file) {
        (Some(name), _) if name == "-" => from_input(&mut printer)?,
        (Some(name), _) => {
            let target = crate::open::Target {
                name: name.clone(),
                wait: args.wait,
                role: args.role,
            };
            let deadline = target.deadline();
            let options = LinkOptions::new();
            let create = Create { create: false };
            let (_, mut receiver) = target.open(options, create, deadline)?.link.split();
            follow(&mut receiver, deadline, &mut printer)?;
        }
        (None, Some(path)) => {
            let role = args.role.unwrap_or(RoleArg::Secondary).into();
            let (_, mut receiver) = guarded(LinkOptions::new())
                .role(role)
                .open_path(path)?
                .split();
            left_in(&mut receiver, &mut printer)?;
        }
        (None, None) => return Err(Failure::Usage("give a NAME or --file PATH".to_owned())),
    }
    printer.end()
}

/// Decodes frames and writes them to standard output.
struct Printer<'t> {
    decoder: Box<dyn StreamDecoder + Send + Sync + 't>,
    /// Whether the encoding tells where the next frame begins after a damaged one.
    recovers: bool,
    colored: bool,
    damaged: u64,
}

impl Printer<'_> {
    /// Prints the frames that are complete with these bytes.
    fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.decoder.received(bytes);
        let mut out = io::stdout().lock();
        loop {
            let written = match self.decoder.decode() {
                Ok(frame) => line(&mut out, &frame, self.colored),
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) if self.recovers => {
                    self.damaged += 1;
                    continue;
                }
                Err(DecodeError::Malformed) => {
                    return Err(Failure::Failed("a frame is damaged".to_owned()));
                }
            };
            written.map_err(Failure::of_output)?;
        }
        out.flush().map_err(Failure::of_output)
    }

    /// Says what could not be printed.
    fn end(self) -> Result<(), Failure> {
        if self.damaged > 0 {
            eprintln!("hqq: {} frames are damaged", self.damaged);
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, frame: &Frame<'_>, colored: bool) -> io::Result<()> {
    writeln!(out, "{}", frame.display(colored))
}

fn from_input(printer: &mut Printer<'_>) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut bytes = [0; 4096];
    loop {
        signals::check()?;
        let len = input
            .read(&mut bytes)
            .map_err(|error| Failure::Failed(format!("cannot read standard input: {error}")))?;
        match bytes.get(..len) {
            Some(read) if len > 0 => printer.add(read)?,
            _ => return Ok(()),
        }
    }
}

/// Prints what comes until the firmware has closed its half; before it has come, until `deadline`.
fn follow(
    receiver: &mut Receiver,
    deadline: Instant,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let mut message = vec![0; receiver.max_message_size()];
    let mut met = false;
    loop {
        signals::check()?;
        match receiver.recv_timeout(&mut message, SLICE) {
            Ok(len) => {
                met = true;
                printer.add(message.get(..len).unwrap_or_default())?;
            }
            Err(RecvError::TimedOut) => {
                met = met || receiver.is_peer_open();
                if !met && Instant::now() >= deadline {
                    return Err(RecvError::TimedOut.into());
                }
            }
            Err(RecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints what is there and waits for nothing.
fn left_in(receiver: &mut Receiver, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let mut message = vec![0; receiver.max_message_size()];
    loop {
        match receiver.try_recv(&mut message) {
            Ok(len) => printer.add(message.get(..len).unwrap_or_default())?,
            // No process has the locks of firmware whose memory this is a copy of.
            Err(TryRecvError::Empty | TryRecvError::Disconnected | TryRecvError::PeerDead) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}
