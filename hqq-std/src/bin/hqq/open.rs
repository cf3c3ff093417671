//! What commands that open or create a region have in common: arguments, waiting, removing.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use hqq_std::{LinkOptions, OpenError, Role, StandardLink};

use crate::failure::Failure;
use crate::signals;

/// How often a command that waits looks again, and for signals.
pub const SLICE: Duration = Duration::from_millis(20);

/// The geometry of a region that is created.
#[derive(clap::Args, Clone, Copy)]
pub struct Geometry {
    /// Buffers in each direction, a power of two [default when creating: 64]
    #[arg(long, value_name = "BUFFERS")]
    pub count: Option<usize>,
    /// Bytes in a buffer, a multiple of 8 [default when creating: 16384]
    #[arg(long, value_name = "BYTES")]
    pub size: Option<usize>,
    /// Permission bits when creating, octal
    #[arg(long, value_name = "OCTAL", value_parser = octal, default_value = "600")]
    pub mode: u32,
}

impl Geometry {
    /// Options for this geometry. When opening, only what was given must fit.
    pub fn options(&self) -> LinkOptions {
        let mut options = LinkOptions::new().permissions(self.mode);
        if let Some(count) = self.count {
            options = options.count(count);
        }
        if let Some(size) = self.size {
            options = options.size(size);
        }
        options
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("give permission bits in octal, 0 to 777".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
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

/// How to open the region a command works on.
#[derive(clap::Args)]
pub struct Open {
    /// The region's name (/dev/shm/NAME)
    pub name: String,
    /// Create the region if there is none, and remove it at the end
    #[arg(long)]
    pub create: bool,
    #[command(flatten)]
    pub geometry: Geometry,
    /// Seconds to wait for the region and for the peer
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub wait: Duration,
    /// Which end to be [default: the one that is free, primary first]
    #[arg(long)]
    pub role: Option<RoleArg>,
}

/// A link, and its region's name if this command has to remove it.
pub struct Opened {
    pub link: StandardLink,
    pub created: Created,
}

/// A region that is removed when this is dropped, if this command created it.
pub struct Created(Option<String>);

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            // Somebody else having removed it is as good.
            let _ = hqq_std::unlink(name);
        }
    }
}

impl Open {
    /// When waiting for the region and the peer ends.
    pub fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.wait)
            .unwrap_or(now + Duration::from_secs(1 << 30))
    }

    /// Opens the region, or creates it where that was asked for and there is none, until
    /// `deadline`.
    pub fn open(&self, deadline: Instant) -> Result<Opened, Failure> {
        let mut options = self.geometry.options().attach_timeout(SLICE);
        if let Some(role) = self.role {
            options = options.role(match role {
                RoleArg::Primary => Role::Primary,
                RoleArg::Secondary => Role::Secondary,
            });
        }
        loop {
            signals::check()?;
            let error = match options.open(&self.name) {
                Ok(link) => {
                    let created = Created(None);
                    return Ok(Opened { link, created });
                }
                Err(OpenError::NotFound { .. }) if self.create => {
                    match options.create(&self.name) {
                        Ok(link) => {
                            let created = Created(Some(self.name.clone()));
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
            std::thread::sleep(SLICE);
        }
    }
}
