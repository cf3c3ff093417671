//! What commands that open or create a region have in common: arguments, waiting, removing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hqq_std::inspect::Snapshot;
use hqq_std::{AdvancedOptions, Format, LinkOptions, OpenError, Role, StandardLink};

use crate::failure::Failure;
use crate::signals;

/// How often a command that waits for a region or a peer looks again.
pub const RETRY: Duration = Duration::from_millis(20);

/// The most bytes that wait for a program that reads them more slowly than they come, where the peer cannot be
/// told to stop (format 1).
const WAITING: usize = 16 << 20;

/// Options of an Advanced link whose bodies are read as they come.
pub fn streaming() -> AdvancedOptions {
    AdvancedOptions::new().incoming_bytes(WAITING)
}

/// The buffers of a region that is created.
#[derive(clap::Args, Clone, Copy)]
pub struct Buffers {
    /// Buffers in each direction, a power of two from 2 to 16384 (2^20 in format 1) [default when
    /// creating: 64]
    #[arg(long, visible_alias = "buffers", value_name = "BUFFERS")]
    pub count: Option<usize>,
    /// Bytes in a buffer, a multiple of 8 [default when creating: 16384]
    #[arg(long, value_name = "BYTES")]
    pub size: Option<usize>,
}

impl Buffers {
    /// Options for these buffers. When opening, only what was given must fit.
    pub fn options(&self) -> LinkOptions {
        let mut options = LinkOptions::new();
        if let Some(count) = self.count {
            options = options.count(count);
        }
        if let Some(size) = self.size {
            options = options.size(size);
        }
        options
    }
}

/// Bears that whoever may write the region's file makes it shorter, where the system lets a process bear that.
pub const fn guarded(options: LinkOptions) -> LinkOptions {
    options.guard_truncation(cfg!(any(target_os = "linux", target_os = "android")))
}

/// The format of a region, and who may use one that is created.
#[derive(clap::Args, Clone, Copy)]
pub struct Kind {
    /// The region's format: 1 for sharing it with HQQ-Go 1.0 [default when creating: 2]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<Format>,
    /// Permission bits when creating, octal
    #[arg(long, value_name = "OCTAL", value_parser = octal, default_value = "600")]
    pub mode: u32,
}

impl Kind {
    /// As [`Buffers::options`], with format and permissions.
    pub fn options(&self, buffers: Buffers) -> LinkOptions {
        let options = buffers.options().permissions(self.mode);
        match self.format {
            Some(format) => options.format(format),
            None => options,
        }
    }
}

/// A region that is created.
#[derive(clap::Args, Clone, Copy)]
pub struct Geometry {
    #[command(flatten)]
    pub buffers: Buffers,
    #[command(flatten)]
    pub kind: Kind,
}

impl Geometry {
    /// As [`Kind::options`].
    pub fn options(&self) -> LinkOptions {
        self.kind.options(self.buffers)
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "1" => Ok(Format::V1),
        "2" => Ok(Format::V2),
        _ => Err("give 1 or 2".to_owned()),
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("give permission bits in octal, 0 to 777".to_owned()),
    }
}

/// A number of seconds, such as `2` or `0.5`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "give a number of seconds, 0 or more".to_owned())
}

/// Which end to be.
#[derive(ValueEnum, Clone, Copy)]
pub enum RoleArg {
    Primary,
    Secondary,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Primary => Self::Primary,
            RoleArg::Secondary => Self::Secondary,
        }
    }
}

/// Whether a command may create the region it works on.
#[derive(clap::Args, Clone, Copy)]
pub struct Create {
    /// Create the region if there is none, and remove it at the end
    #[arg(long)]
    pub create: bool,
}

/// The region that a command works on.
#[derive(clap::Args)]
pub struct Target {
    /// The region's name (/dev/shm/NAME)
    pub name: String,
    /// Seconds to wait for the region and for the peer
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub wait: Duration,
    /// Which end to be [default: the one that is free, primary first; in format 1 primary where this
    /// command creates the region, else secondary]
    #[arg(long)]
    pub role: Option<RoleArg>,
}

/// A link, and its region's name where this command has to remove that.
pub struct Opened {
    pub link: StandardLink,
    pub created: Option<Created>,
}

/// Names of regions that this process created and has not removed yet.
static CREATED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Removes the names of all regions that this process created.
pub fn remove_created() {
    let names = std::mem::take(&mut *CREATED.lock().unwrap_or_else(PoisonError::into_inner));
    for name in &names {
        // Somebody else having removed it is as good.
        let _ = hqq_std::unlink(name);
    }
}

/// A region that this command created. Its name is removed when this is dropped.
///
/// A command that ends well drops it before the link, so that nobody who comes next attaches to a
/// region that is over.
///
/// # Invariants
/// It is the only one of this process, which works on one region.
pub struct Created(());

impl Created {
    fn new(name: &str) -> Self {
        let mut names = CREATED.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(name.to_owned());
        Self(())
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        remove_created();
    }
}

impl Target {
    /// When waiting for the region and the peer ends.
    pub fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.wait)
            .unwrap_or(now + Duration::from_secs(1 << 30))
    }

    /// Opens the region until `deadline`, or creates it where `create` allows that and there is
    /// none.
    pub fn open(
        &self,
        options: LinkOptions,
        create: Create,
        deadline: Instant,
    ) -> Result<Opened, Failure> {
        let mut options = guarded(options).attach_timeout(RETRY);
        if let Some(role) = self.role {
            options = options.role(role.into());
        }
        loop {
            signals::check()?;
            let error = match options.open(&self.name) {
                Ok(link) => {
                    let created = None;
                    return Ok(Opened { link, created });
                }
                Err(OpenError::NotFound { .. }) if create.create => {
                    match options.create(&self.name) {
                        Ok(link) => {
                            let created = Some(Created::new(&self.name));
                            return Ok(Opened { link, created });
                        }
                        // Somebody else was faster: open theirs.
                        Err(OpenError::Exists { .. }) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if !error.is_transient() || Instant::now() >= deadline {
                return Err(error.into());
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Looks out for a peer that does the same as this command: sends, too, or receives, too. Such a
/// peer closes the half it does not use, which is not the end that this command waits for.
pub struct SameKind {
    name: String,
    peer: Role,
    receives: bool,
    met: bool,
}

impl SameKind {
    /// For a command that has `role` in the region `name` and `receives`, or sends.
    pub fn new(name: &str, role: Role, receives: bool) -> Self {
        Self {
            name: name.to_owned(),
            peer: role.peer(),
            receives,
            met: false,
        }
    }

    /// Whether the peer that has closed the other half is one. Remembered, as it may leave.
    pub fn is_met(&mut self) -> bool {
        self.met = self.met
            || Snapshot::of_name(&self.name).is_ok_and(|snapshot| {
                snapshot.sides.iter().any(|side| {
                    (side.role, side.consumer, side.alive) == (self.peer, self.receives, Some(true))
                })
            });
        self.met
    }

    /// Somebody else has come.
    pub fn forget(&mut self) {
        self.met = false;
    }
}
