//! Looks again at batches of a closed segment that were sound once: the checksum, the offsets, which no checksum covers and
//! have to lie between those around them, and the leader epoch, which none covers either. Changes nothing. Blocks on the
//! disk: pool threads.

use std::path::Path;

use crate::batch::Header;
use crate::error::{Error, Result};
use crate::files::log_path;
use crate::recovery::{CorruptRange, Reader};
use crate::storage::{Mode, Storage};

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Where a batch begins.
    pub position: u64,
    /// Offset after the last sound batch before it; the segment's base offset: there is none.
    pub next_offset: i64,
    pub end_position: u64,
    /// Where the next segment begins.
    pub end_offset: i64,
    pub max_bytes: u64,
    /// First offset and number of each leader epoch, ascending, as the log's file of them has it.
    pub epochs: &'a [(i64, i32)],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where to go on; the end position: nothing is left.
    pub position: u64,
    /// Offset after the last sound batch.
    pub next_offset: i64,
    /// The first bad batch, to the next one or, where its length cannot be true, to the end of the file, and the offsets that
    /// it may have held. What follows it has not been looked at.
    pub bad: Option<CorruptRange>,
}

/// A file that is gone (retention took it) has nothing left to look at.
pub fn scrub(storage: &dyn Storage, dir: &Path, base_offset: i64, part: &Part<'_>) -> Result<Scrubbed> {
    let Part { mut position, mut next_offset, end_position, end_offset, .. } = *part;
    let path = log_path(dir, base_offset);
    let file = match storage.open(&path, Mode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Scrubbed { position: end_position, next_offset, bad: None })
        }
        Err(e) => return Err(Error::io(&e, "cannot open", &path)),
    };
    let length = file.len().map_err(|e| Error::io(&e, "cannot stat", &path))?;
    let mut reader = Reader::new(file.as_ref(), length.min(end_position), &path);
    let until = end_position.min(position.saturating_add(part.max_bytes));
    let mut previous_epoch = None;
    while position < until {
        let Some(header) = reader.framed(position)? else {
            let size = end_position - position;
            let bad = CorruptRange { position, size, first_offset: next_offset, last_offset: end_offset - 1 };
            return Ok(Scrubbed { position: end_position, next_offset, bad: Some(bad) });
        };
        let size = header.size as u64;
        let sound = reader.is_sound(position, &header)?;
        let following = reader.framed(position + size)?;
        let placed =
            header.last_offset() < end_offset && header.is_placed::<Error>(base_offset, next_offset, || Ok(following))?;
        if !sound
            || !placed
            || is_stray(&header, previous_epoch.filter(|_| header.base_offset == next_offset), following, part.epochs)
        {
            let (first_offset, last_offset) = if placed {
                (header.base_offset, header.last_offset())
            } else {
                let next = following.map(|f| f.base_offset).filter(|base| (next_offset + 1..end_offset).contains(base));
                (next_offset, next.unwrap_or(end_offset) - 1)
            };
            let bad = CorruptRange { position, size, first_offset, last_offset };
            return Ok(Scrubbed { position: position + size, next_offset, bad: Some(bad) });
        }
        next_offset = header.last_offset() + 1;
        previous_epoch = Some(header.leader_epoch);
        position += size;
    }
    Ok(Scrubbed { position, next_offset, bad: None })
}

/// The batch says another leader epoch than the file of them, and a batch right beside it agrees with the file.
fn is_stray(header: &Header, previous_epoch: Option<i32>, following: Option<Header>, epochs: &[(i64, i32)]) -> bool {
    let begun = epochs.partition_point(|&(start, _)| start <= header.base_offset);
    let Some(&(_, epoch)) = begun.checked_sub(1).and_then(|at| epochs.get(at)) else { return false };
    let following_epoch = following.filter(|f| f.base_offset == header.last_offset().wrapping_add(1)).map(|f| f.leader_epoch);
    header.leader_epoch != -1 && header.leader_epoch != epoch && [previous_epoch, following_epoch].contains(&Some(epoch))
}
