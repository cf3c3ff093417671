//! What a region's file holds, and making a region of one that is empty (PROTOCOL.md A1, "Format 1:
//! opening").
//!
//! An HQQ-Go process may be making a region in the same file: it makes an empty one, gives it its
//! length, and then claims it, without the ATTACH lock. So a file that this call did not create is
//! never made shorter, and is taken for nobody's only once it has been as it is for a while.

#![allow(unsafe_code, reason = "looks at a region while its mapping is at hand")]

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hqq_core::{AttachError, Format, FormatError, Identity, Region, initialise};

use crate::error::OpenError;
use crate::mapping::{MapOptions, Mapping};
use crate::prepare::{Request, unusable};

/// How long an empty file, or one of zeros, has not been changed before it is nobody's.
const SETTLED: Duration = Duration::from_millis(200);

/// What as much of a file holds where nobody's data is.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// How often a file may have grown while it was looked at.
const GROWN: usize = 4;

/// Whether a process that does not know of ATTACH may be making the region: one of HQQ-Go makes an
/// empty file, gives it its length, and then initialises it.
pub(crate) fn is_under_way(error: &OpenError, request: &Request) -> bool {
    match error {
        OpenError::Attach {
            error:
                AttachError::Format(FormatError::Initialising {
                    format: Format::V1, ..
                }),
            ..
        } => true,
        OpenError::Truncated { found: 0, .. }
        | OpenError::Attach {
            error: AttachError::Format(FormatError::Empty),
            ..
        } => matches!(request.format, Some(Format::V1)) || request.may_take_empty(),
        _ => false,
    }
}

impl Request {
    /// Whether an empty file that somebody else made may become a region.
    const fn may_take_empty(&self) -> bool {
        self.initialise.is_some() && !self.created
    }
}

/// A region's file, while it is found out what it is.
struct Candidate<'a> {
    file: &'a File,
    path: &'a Path,
    request: &'a Request,
    deadline: Instant,
}

/// What the file says it is, after initialising it where that is asked for; and whether it was.
pub(crate) fn identify(
    file: &File,
    path: &Path,
    request: &Request,
    deadline: Instant,
) -> Result<(Identity, bool), OpenError> {
    Candidate {
        file,
        path,
        request,
        deadline,
    }
    .identify()
}

impl Candidate<'_> {
    fn of_io(&self, action: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = self.path.to_owned();
        move |error| OpenError::of_io(path, action, error)
    }

    fn len(&self) -> Result<u64, OpenError> {
        let metadata = self.file.metadata().map_err(self.of_io("measure"))?;
        Ok(metadata.len())
    }

    fn refused(&self, error: FormatError) -> OpenError {
        match error {
            FormatError::Truncated { needed, found } => OpenError::Truncated {
                path: self.path.to_owned(),
                found,
                needed,
            },
            error => OpenError::attach(self.path, error),
        }
    }

    /// The first bytes of the file, for a look at them.
    fn map(&self, len: usize) -> Result<Mapping, OpenError> {
        let options = MapOptions {
            prefault: false,
            ..self.request.map
        };
        Mapping::new(self.file, len, options).map_err(self.of_io("map"))
    }

    /// Whether nobody can be making a region of this file just now.
    fn is_settled(&self) -> Result<bool, OpenError> {
        if self.request.created {
            return Ok(true);
        }
        let metadata = self.file.metadata().map_err(self.of_io("measure"))?;
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        // A clock that was set back makes it look as if it had been changed in the future.
        let age = SystemTime::now().duration_since(changed);
        Ok(age.map_or(true, |age| age >= SETTLED))
    }

    fn identify(&self) -> Result<(Identity, bool), OpenError> {
        let mut found = self.len()?;
        for _ in 0..GROWN {
            let result = self.identify_within(found);
            if !matches!(result, Err(OpenError::Truncated { .. })) {
                return result;
            }
            // Its maker may have given it its length, and all else, between the two looks.
            let now = self.len()?;
            if now <= found {
                return result;
            }
            found = now;
        }
        self.identify_within(found)
    }

    /// As [`Candidate::identify`], of a file that is `found` bytes long.
    fn identify_within(&self, mut found: u64) -> Result<(Identity, bool), OpenError> {
        if let (0, Some((layout, _))) = (found, &self.request.initialise) {
            if !self.is_settled()? {
                return Err(self.refused(FormatError::Empty));
            }
            let needed = layout.len() as u64;
            crate::sys::allocate(self.file, needed)
                .map_err(|error| no_space(self.path, needed, error))?;
            found = self.len()?;
        }
        let smallest = hqq_core::size_of_link(2, 8)?;
        if found < smallest as u64 {
            let needed = smallest as u64;
            return Err(self.refused(FormatError::Truncated { needed, found }));
        }
        // The file may be longer than any region: only what is known to be one gets mapped.
        let start = self.map(smallest)?;
        // SAFETY: `start` lives until this function ends, and nothing made from the region leaves
        // it.
        let region = unsafe { start.region() }.map_err(unusable(self.path))?;
        match Identity::read_within(&region, found) {
            Ok(identity) => {
                self.check_backed(&identity)?;
                Ok((identity, false))
            }
            // Where it is made, ATTACH is held, so whoever began to initialise a region of format 2 is dead.
            Err(
                error @ (FormatError::Empty
                | FormatError::Initialising {
                    format: Format::V2, ..
                }),
            ) => self.make(&region, error, found),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Makes a region of a file that is `found` bytes long and holds none.
    fn make(
        &self,
        start: &Region,
        state: FormatError,
        found: u64,
    ) -> Result<(Identity, bool), OpenError> {
        let Some((layout, options)) = &self.request.initialise else {
            return Err(self.refused(state));
        };
        let needed = layout.len() as u64;
        if found < needed {
            return Err(self.refused(FormatError::Truncated { needed, found }));
        }
        // Whatever can fail comes before the claim, which nobody but this call could undo.
        let whole = self.map(layout.len())?;
        // SAFETY: `whole` lives until this function ends, and nothing made from the region leaves
        // it.
        let region: Region = unsafe { whole.region() }.map_err(unusable(self.path))?;
        if state == FormatError::Empty && !self.is_settled()? {
            return Err(self.refused(FormatError::Empty));
        }
        crate::sys::allocate(self.file, needed)
            .map_err(|error| no_space(self.path, needed, error))?;
        if state == FormatError::Empty {
            // What this call has created holds nothing, and may be too long to look at.
            let is_zero = if self.request.created {
                Ok(())
            } else {
                self.check_zero(found)
            };
            if let Err(error) = is_zero {
                return Err(match Identity::read_within(start, found) {
                    Err(FormatError::Empty) => error,
                    // What was found is what an HQQ-Go process that has taken it meanwhile wrote.
                    _ => self.refused(FormatError::Initialising { format: Format::V1 }),
                });
            }
            if !hqq_core::try_claim(&region, layout.format()) {
                let format = Format::V1;
                return Err(self.refused(FormatError::Initialising { format }));
            }
        }
        initialise(&region, layout, options).map_err(|error| self.refused(error))?;
        let identity = Identity::read(&region).map_err(|error| self.refused(error))?;
        Ok((identity, true))
    }

    /// That a file of `len` bytes which looks empty holds nobody's data.
    fn check_zero(&self, len: u64) -> Result<(), OpenError> {
        let mut bytes = ZEROS.to_vec();
        let mut at = 0;
        while at < len {
            if Instant::now() >= self.deadline {
                return Err(OpenError::Busy {
                    path: self.path.to_owned(),
                    waited: self.request.patience,
                });
            }
            // Holes are zero.
            let Some(data) = crate::sys::next_data(self.file, at).map_err(self.of_io("read"))?
            else {
                break;
            };
            at = data;
            let read = self
                .file
                .read_at(&mut bytes, at)
                .map_err(self.of_io("read"))?;
            if read == 0 {
                break;
            }
            let bytes = bytes.get(..read).unwrap_or_default();
            // All at once first: one after the other is slow where the compiler does not optimise.
            let some = if ZEROS.starts_with(bytes) {
                None
            } else {
                bytes.iter().position(|byte| *byte != 0)
            };
            if let Some(offset) = some.map(|data| at + data as u64) {
                return Err(OpenError::NotEmpty {
                    path: self.path.to_owned(),
                    offset,
                });
            }
            at += read as u64;
        }
        Ok(())
    }

    /// That most of the region is there: what a file claims to have may be holes, which cost its
    /// maker nothing and this process memory with every page it looks at.
    fn check_backed(&self, identity: &Identity) -> Result<(), OpenError> {
        let metadata = self.file.metadata().map_err(self.of_io("measure"))?;
        let (found, needed) = (metadata.blocks() * 512, identity.layout.len() as u64);
        if crate::sys::TELLS_BLOCKS && found < needed / 2 {
            return Err(OpenError::Sparse {
                path: self.path.to_owned(),
                found,
                needed,
            });
        }
        Ok(())
    }
}

/// A failure to get space, as what it is.
pub(crate) fn no_space(path: &Path, needed: u64, error: io::Error) -> OpenError {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => OpenError::NoSpace {
            path: path.to_owned(),
            needed,
        },
        _ => OpenError::of_io(path.to_owned(), "allocate", error),
    }
}
