//! Where things lie among the written bytes of a segment: the batch of an offset, the record of a timestamp, the end of what is
//! below an offset. Starts from the indexes and reads headers from there; changes nothing.

use std::path::Path;

use crate::batch::{self, Header};
use crate::codec;
use crate::error::{Error, Result};
use crate::header_walk::{HeaderWalk, Hole, CHUNK};
use crate::storage::read_full;
use crate::walk::Records;

/// Where an offset is.
pub(crate) enum Place {
    /// Position, size, base offset.
    Batch(u64, u64, i64),
    /// In damage that ends at this position, and before this offset.
    Damage(Hole, u64, i64),
    None,
}

/// A record found by timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub offset: i64,
    pub timestamp: i64,
    pub leader_epoch: i32,
}

pub(crate) struct Search<'a> {
    pub walk: HeaderWalk<'a>,
    /// The search ends here.
    pub written: u64,
    /// The log's, for errors.
    pub path: &'a Path,
}

impl Search<'_> {
    /// See `HeaderWalk::all`.
    pub(crate) fn walk(&self, start: u64, visit: impl FnMut(u64, &Header) -> bool) -> Result<Option<Hole>> {
        self.io(self.walk.all(start, self.written, visit))
    }

    /// The batch that holds `offset`, or the first one after it.
    pub(crate) fn batch(&self, offset: i64) -> Result<Place> {
        let from = self.walk.indexes.lookup(offset - self.walk.base_offset);
        if let Some(found) = self.batch_of_next_entry(from, offset)? {
            return Ok(found);
        }
        let mut found = None;
        let hole = self.walk(from, |position, header| {
            if header.last_offset() >= offset {
                found = Some((position, header.size as u64, header.base_offset));
            }
            found.is_none()
        })?;
        Ok(match (found, hole) {
            (Some((position, _, base_offset)), Some(hole)) if base_offset > offset => Place::Damage(hole, position, base_offset),
            (Some((position, size, base_offset)), _) => Place::Batch(position, size, base_offset),
            (None, Some(hole)) => Place::Damage(hole, self.written, i64::MAX),
            (None, None) => Place::None,
        })
    }

    /// Where every batch has an entry, the one that holds `offset` is that of the next entry: one pread, no walk.
    fn batch_of_next_entry(&self, from: u64, offset: i64) -> Result<Option<Place>> {
        let Some(next) = self.walk.indexes.next_position(from).filter(|next| next - from > CHUNK as u64) else {
            return Ok(None);
        };
        let mut found = None;
        let done = self.walk.one(next, self.written, |position, header| {
            if header.base_offset <= offset && header.last_offset() >= offset {
                found = Some(Place::Batch(position, header.size as u64, header.base_offset));
            }
        });
        self.io(done)?;
        Ok(found)
    }

    /// Position of the first batch whose base offset is at least `offset`; the written size when there is none.
    pub(crate) fn base(&self, offset: i64, not_before: u64) -> Result<u64> {
        let from = self.walk.indexes.lookup(offset - 1 - self.walk.base_offset).max(not_before);
        let (mut end, mut result) = (from, None);
        self.walk(from, |position, header| {
            if header.base_offset >= offset {
                result = Some(position.min(end.max(from)));
                return false;
            }
            end = position + header.size as u64;
            true
        })?;
        Ok(result.unwrap_or(end))
    }

    /// Where the last whole batch ends that lies below `offset`. Not where the next one begins: what is between them is
    /// no batch, and there may be no next one.
    pub(crate) fn end_below(&self, offset: i64) -> Result<u64> {
        let mut from = self.walk.indexes.lookup(offset - 1 - self.walk.base_offset);
        loop {
            let mut end = None;
            self.walk(from, |position, header| {
                let below = header.last_offset() < offset;
                if below {
                    end = Some(position + header.size as u64);
                }
                below
            })?;
            match end {
                Some(end) => return Ok(end),
                None if from == 0 => return Ok(0),
                // The batch of the entry itself is damaged.
                None => from = self.walk.indexes.position_before(from),
            }
        }
    }

    /// The first record that fits, in the first batch from `from` on that may have one. `limit`: of a batch's decompressed bytes.
    pub(crate) fn record(
        &self,
        from: u64,
        limit: usize,
        batch_fits: impl Fn(&Header) -> bool,
        record_fits: impl Fn(&Found) -> bool,
    ) -> Result<Option<Found>> {
        let mut position = from;
        loop {
            let mut candidate = None;
            self.walk(from, |at, header| {
                if at >= position && batch_fits(header) {
                    candidate = Some((at, *header));
                }
                candidate.is_none()
            })?;
            let Some((at, header)) = candidate else { return Ok(None) };
            let mut bytes = vec![0; header.size];
            let n = self.io(read_full(self.walk.file, &mut bytes, at))?;
            if n == header.size {
                if let Some(found) = search_batch(&bytes, &header, limit, &record_fits)? {
                    return Ok(Some(found));
                }
            }
            position = at + header.size as u64;
        }
    }

    fn io<T>(&self, result: std::io::Result<T>) -> Result<T> {
        result.map_err(|e| Error::io(&e, "cannot read", self.path))
    }
}

fn search_batch(bytes: &[u8], header: &Header, limit: usize, fits: &impl Fn(&Found) -> bool) -> Result<Option<Found>> {
    let plain;
    let records = if header.codec() == codec::NONE {
        &bytes[batch::OVERHEAD..]
    } else {
        plain = codec::decompress(header.codec(), &bytes[batch::OVERHEAD..], limit).map_err(|e| {
            Error::new("ERR_MILLRACE_CORRUPT", format!("the batch at offset {} does not decompress: {e:?}", header.base_offset))
        })?;
        &plain
    };
    for record in Records::new(records, header.count) {
        let timestamp = if header.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.wrapping_add(record.fields.timestamp_delta)
        };
        let found = Found {
            offset: header.base_offset + record.fields.offset_delta as i64,
            timestamp,
            leader_epoch: header.leader_epoch,
        };
        if fits(&found) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
