//! Finds batches by their headers, from an indexed position on: no checksum is looked at, so that a step costs a header's
//! bytes. What cannot be a batch, or cannot have the offsets it says, is passed over and told as a hole.

use std::io;

use crate::batch::{self, Header};
use crate::index::Indexes;
use crate::storage::{read_full, File};

/// Read at once where batches are small.
pub(crate) const CHUNK: usize = 8 * 1024;

/// Bytes that are no batch, or one whose offsets cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub position: u64,
    /// The first offset that it may have held.
    pub first_offset: i64,
}

pub(crate) struct HeaderWalk<'a> {
    pub file: &'a dyn File,
    pub indexes: &'a Indexes,
    /// The segment's.
    pub base_offset: i64,
}

impl HeaderWalk<'_> {
    /// Calls `visit` for every batch from `start` (0 or an indexed position) below `limit`; stops when it says false, at the
    /// limit, or at bytes that are no header (then jumps to the next indexed batch, if any). No checksum covers a base
    /// offset: a batch whose offsets do not fit between those around it is passed over. Returns what is damaged directly
    /// before the stop.
    pub(crate) fn all(&self, start: u64, limit: u64, visit: impl FnMut(u64, &Header) -> bool) -> io::Result<Option<Hole>> {
        let sparse = self.indexes.next_position(start).unwrap_or(limit).saturating_sub(start) > 2 * CHUNK as u64;
        self.run(if sparse { batch::OVERHEAD } else { CHUNK }, start, limit, visit)
    }

    /// The batch at `start`.
    pub(crate) fn one(&self, start: u64, limit: u64, mut visit: impl FnMut(u64, &Header)) -> io::Result<()> {
        self.run(batch::OVERHEAD, start, limit, |position, header| {
            visit(position, header);
            false
        })
        .map(|_| ())
    }

    /// `first_read`: a header alone where batches are larger than a chunk, so that a step costs one small pread.
    fn run(
        &self,
        first_read: usize,
        start: u64,
        limit: u64,
        mut visit: impl FnMut(u64, &Header) -> bool,
    ) -> io::Result<Option<Hole>> {
        let mut headers = Headers { file: self.file, limit, step: first_read, chunk: [0; CHUNK], at: 0, length: 0 };
        let mut position = self.believable(&mut headers, start)?;
        let mut next_offset = self.base_offset + self.indexes.offset_before(position);
        let mut hole: Option<Hole> = None;
        while position + batch::OVERHEAD as u64 <= limit {
            let Some(header) = headers.read(position)?.filter(|h| h.magic == 2) else {
                hole.get_or_insert(Hole { position, first_offset: next_offset });
                match self.indexes.next_position(position) {
                    Some(next) if next < limit => position = next,
                    _ => return Ok(hole),
                }
                continue;
            };
            headers.step = if header.size * 2 > CHUNK { batch::OVERHEAD } else { CHUNK };
            if self.is_placed(&mut headers, position, &header, next_offset)? {
                if position >= start && !visit(position, &header) {
                    return Ok(hole);
                }
                hole = None;
                next_offset = header.last_offset() + 1;
            } else {
                hole.get_or_insert(Hole { position, first_offset: next_offset });
            }
            position += header.size as u64;
        }
        if position < limit {
            hole.get_or_insert(Hole { position, first_offset: next_offset });
        }
        Ok(hole)
    }

    /// Where to begin: where the batch at `start` is not the one its entry names, only those before it tell what it should be.
    fn believable(&self, headers: &mut Headers<'_>, start: u64) -> io::Result<u64> {
        let mut position = start;
        while let Some(relative) = self.indexes.offset_at(position).filter(|_| position > 0) {
            let header = headers.read(position)?;
            if header.is_some_and(|h| h.last_offset().wrapping_sub(self.base_offset) == relative) {
                break;
            }
            position = self.indexes.position_before(position);
        }
        Ok(position)
    }

    fn is_placed(&self, headers: &mut Headers<'_>, position: u64, header: &Header, next_offset: i64) -> io::Result<bool> {
        header.is_placed(self.base_offset, next_offset, || {
            // The index knows of it: nothing behind it has to agree.
            if self.indexes.offset_at(position) == Some(header.last_offset() - self.base_offset) {
                return Ok(None);
            }
            headers.read(position + header.size as u64)
        })
    }
}

/// The headers of a file through a small buffer.
struct Headers<'a> {
    file: &'a dyn File,
    limit: u64,
    /// Read at once.
    step: usize,
    chunk: [u8; CHUNK],
    at: u64,
    length: usize,
}

impl Headers<'_> {
    /// `None`: there is none, or it says more bytes than are there.
    fn read(&mut self, position: u64) -> io::Result<Option<Header>> {
        if position + batch::OVERHEAD as u64 > self.limit {
            return Ok(None);
        }
        let inside = position >= self.at && position + batch::OVERHEAD as u64 <= self.at + self.length as u64;
        if !inside {
            let want = (self.limit - position).min(self.step as u64) as usize;
            self.length = read_full(self.file, &mut self.chunk[..want], position)?;
            self.at = position;
        }
        let from = (position - self.at) as usize;
        Ok(Header::parse(&self.chunk[from.min(self.length)..self.length]).filter(|h| position + h.size as u64 <= self.limit))
    }
}
