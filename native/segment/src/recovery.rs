//! Scans one segment after an unclean stop: which bytes are valid batches, what they say, and whether what is
//! not valid is a torn tail (nothing valid follows) or a corrupt middle (something does).
//!
//! The `.log` is never changed; the indexes are rewritten from what is valid. Blocks on the disk: pool threads.

use std::collections::HashMap;
use std::path::Path;

use crate::batch::{self, Header};
use crate::error::{Error, Result};
use crate::files::{index_path, log_path, store_indexes, time_index_path};
use crate::index::{Indexer, Indexes};
use crate::storage::{read_file, read_full, File, Mode, Storage};
use crate::walk::Records;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredBatch {
    pub base_offset: i64,
    pub last_offset: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub max_timestamp: i64,
    pub leader_epoch: i32,
    pub is_control: bool,
    pub is_transactional: bool,
    pub position: u64,
    pub control_type: i16,
    pub coordinator_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptRange {
    pub position: u64,
    pub size: u64,
    pub first_offset: i64,
    pub last_offset: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Valid batches from the start, before the first bad byte.
    pub valid_bytes: u64,
    /// End of the last valid batch anywhere: what follows is a torn tail.
    pub end_bytes: u64,
    pub file_bytes: u64,
    pub next_offset: i64,
    pub max_timestamp: i64,
    pub offset_of_max_timestamp: i64,
    pub corrupt_ranges: Vec<CorruptRange>,
    pub batches: Vec<RecoveredBatch>,
}

/// Newest batches of a producer that are reported: as many as its sequence window remembers.
const PER_PRODUCER: usize = 5;
const CHUNK: usize = 1 << 20;

/// Scans from `from_position`, a batch boundary whose prefix is known to be valid (its index entries are kept).
pub fn recover(storage: &dyn Storage, dir: &Path, base_offset: i64, from_position: u64, interval: u64) -> Result<Report> {
    let path = log_path(dir, base_offset);
    let file = storage.open(&path, Mode::Read).map_err(|e| Error::io(&e, "cannot open", &path))?;
    let file_bytes = file.len().map_err(|e| Error::io(&e, "cannot stat", &path))?;
    let mut scan = Scan::new(base_offset, interval);
    let from = from_position.min(file_bytes);
    let start = scan.resume(storage, dir, from, file_bytes);
    let mut reader = Reader::new(file.as_ref(), file_bytes, &path);
    let mut report = Report { file_bytes, ..Report::default() };
    let mut position = start;
    let mut first_bad = None;
    while position < file_bytes {
        if let Some((header, bytes)) = reader.placed(position, base_offset, scan.next_offset)? {
            let bytes_len = header.size as u64;
            scan.accept(&header, bytes, position, position >= from);
            position += bytes_len;
            continue;
        }
        first_bad.get_or_insert(position);
        let Some(next) = reader.search(position + 1, base_offset, scan.next_offset)? else { break };
        let (header, _) = reader.batch(next, base_offset, scan.next_offset)?.expect("just found");
        report.corrupt_ranges.push(CorruptRange {
            position,
            size: next - position,
            first_offset: scan.next_offset,
            last_offset: header.base_offset - 1,
        });
        // An entry of its own, so that a read behind the hole need not walk through it.
        scan.indexer.entry(&mut scan.indexes, header.last_offset(), next);
        scan.forced_entry = true;
        position = next;
    }
    report.end_bytes = position;
    report.valid_bytes = first_bad.unwrap_or(position);
    report.next_offset = scan.next_offset;
    report.max_timestamp = scan.indexer.max_timestamp;
    report.offset_of_max_timestamp = if scan.indexer.max_timestamp < 0 { -1 } else { scan.indexer.offset_of_max };
    scan.indexer.finish(&mut scan.indexes);
    store_indexes(storage, dir, base_offset, &scan.indexes)?;
    report.batches = scan.batches();
    Ok(report)
}

struct Scan {
    base_offset: i64,
    indexer: Indexer,
    indexes: Indexes,
    next_offset: i64,
    last_epoch: i32,
    forced_entry: bool,
    kept: Vec<RecoveredBatch>,
    producers: HashMap<i64, Vec<RecoveredBatch>>,
}

impl Scan {
    fn new(base_offset: i64, interval: u64) -> Self {
        Scan {
            base_offset,
            indexer: Indexer::new(base_offset, interval, usize::MAX),
            indexes: Indexes::default(),
            next_offset: base_offset,
            last_epoch: i32::MIN,
            forced_entry: false,
            kept: Vec::new(),
            producers: HashMap::new(),
        }
    }

    /// Takes over index entries before `from`; returns where the scan must start to know the rest.
    fn resume(&mut self, storage: &dyn Storage, dir: &Path, from: u64, file_bytes: u64) -> u64 {
        if from == 0 {
            return 0;
        }
        let offsets = read_file(storage, &index_path(dir, self.base_offset)).ok().flatten();
        let times = read_file(storage, &time_index_path(dir, self.base_offset)).ok().flatten();
        let (Some(offsets), Some(times)) = (offsets, times) else { return 0 };
        let Some(mut indexes) = Indexes::decode(&offsets, &times, file_bytes) else { return 0 };
        indexes.truncate(from, i64::MAX);
        // The last kept entry is made again by the scan, which starts at its batch.
        let Some(last) = indexes.offsets.pop() else { return 0 };
        indexes.times.retain(|t| t.relative < last.relative);
        let Some(before) = indexes.offsets.last() else { return 0 };
        self.next_offset = self.base_offset + before.relative as i64 + 1;
        if let Some(time) = indexes.times.last() {
            self.indexer.max_timestamp = time.timestamp;
            self.indexer.offset_of_max = self.base_offset + time.relative as i64;
        }
        self.indexer.bytes_since_entry = self.indexer.interval + 1;
        self.indexes = indexes;
        last.position as u64
    }

    fn accept(&mut self, header: &Header, bytes: &[u8], position: u64, reported: bool) {
        let last_offset = header.last_offset();
        if self.forced_entry {
            self.forced_entry = false;
            self.indexer.bytes_since_entry = 0;
        }
        self.indexer.add(&mut self.indexes, last_offset, header.max_timestamp, position, header.size as u64);
        self.next_offset = last_offset + 1;
        if !reported {
            return;
        }
        let new_epoch = header.leader_epoch != self.last_epoch;
        if !new_epoch && header.producer_id < 0 && !header.is_control() {
            return;
        }
        self.last_epoch = header.leader_epoch;
        let (control_type, coordinator_epoch) = if header.is_control() { marker(header, bytes) } else { (-1, -1) };
        let batch = RecoveredBatch {
            base_offset: header.base_offset,
            last_offset,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            max_timestamp: header.max_timestamp,
            leader_epoch: header.leader_epoch,
            is_control: header.is_control(),
            is_transactional: header.is_transactional(),
            position,
            control_type,
            coordinator_epoch,
        };
        if header.producer_id >= 0 && !header.is_control() {
            self.remember(batch.clone());
            if !new_epoch {
                return;
            }
        } else if header.is_control() {
            if let Some(window) = self.producers.remove(&header.producer_id) {
                self.kept.extend(window);
            }
        }
        self.kept.push(batch);
    }

    /// Keeps a producer's newest batches and, within a transaction, its first one.
    fn remember(&mut self, batch: RecoveredBatch) {
        let window = self.producers.entry(batch.producer_id).or_default();
        window.push(batch);
        if window.len() > PER_PRODUCER + 1 {
            let first_of_transaction = window[0].is_transactional;
            window.remove(usize::from(first_of_transaction));
        }
    }

    fn batches(&mut self) -> Vec<RecoveredBatch> {
        let mut all = std::mem::take(&mut self.kept);
        all.extend(self.producers.drain().flat_map(|(_, window)| window));
        all.sort_by_key(|b| b.position);
        all.dedup_by_key(|b| b.position);
        all
    }
}

/// Type and coordinator epoch of a transaction marker; -1 for what is not there.
pub fn marker(header: &Header, bytes: &[u8]) -> (i16, i32) {
    let Some(record) = Records::new(&bytes[batch::OVERHEAD..], header.count).next() else { return (-1, -1) };
    let control_type = match record.key() {
        Some(key) if key.len() >= 4 => batch::get_i16(key, 2),
        _ => -1,
    };
    let epoch = match record.value() {
        Some(value) if value.len() >= 6 => batch::get_i32(value, 2),
        _ => -1,
    };
    (control_type, epoch)
}

/// Reads batches of one file through a large buffer.
pub(crate) struct Reader<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    at: u64,
    length: usize,
    file_bytes: u64,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a dyn File, file_bytes: u64, path: &'a Path) -> Self {
        Reader { file, buffer: Vec::new(), at: 0, length: 0, file_bytes, path }
    }

    /// `size` bytes at `position`, fewer at the end of the file.
    fn bytes(&mut self, position: u64, size: usize) -> Result<&[u8]> {
        let size = (size as u64).min(self.file_bytes - position) as usize;
        let inside = position >= self.at && position + size as u64 <= self.at + self.length as u64;
        if !inside {
            let want = (size.max(CHUNK) as u64).min(self.file_bytes - position) as usize;
            if self.buffer.len() < want {
                self.buffer.resize(want, 0);
            }
            self.length =
                read_full(self.file, &mut self.buffer[..want], position).map_err(|e| Error::io(&e, "cannot read", self.path))?;
            self.at = position;
        }
        let from = (position - self.at) as usize;
        Ok(&self.buffer[from..(from + size).min(self.length)])
    }

    /// The header at `position` of what ends within the file, whatever it is.
    pub(crate) fn framed(&mut self, position: u64) -> Result<Option<Header>> {
        let file_bytes = self.file_bytes;
        if position >= file_bytes {
            return Ok(None);
        }
        Ok(Header::parse(self.bytes(position, batch::OVERHEAD)?).filter(|h| position + h.size as u64 <= file_bytes))
    }

    /// The plausible header at `position`, its CRC not looked at.
    pub(crate) fn header(&mut self, position: u64, base_offset: i64, next_offset: i64) -> Result<Option<Header>> {
        Ok(self.framed(position)?.filter(|h| h.is_plausible(base_offset, next_offset)))
    }

    /// Of a framed header: it is that of a batch whose CRC is right.
    pub(crate) fn is_sound(&mut self, position: u64, header: &Header) -> Result<bool> {
        let bytes = self.bytes(position, header.size)?;
        Ok(header.magic == 2 && bytes.len() == header.size && batch::crc_matches(bytes))
    }

    /// The valid batch at `position`, if one is there.
    pub(crate) fn batch(&mut self, position: u64, base_offset: i64, next_offset: i64) -> Result<Option<(Header, &[u8])>> {
        let Some(header) = self.header(position, base_offset, next_offset)? else { return Ok(None) };
        let bytes = self.bytes(position, header.size)?;
        Ok((bytes.len() == header.size && batch::crc_matches(bytes)).then_some((header, bytes)))
    }

    /// The same, unless its offsets cannot be true.
    fn placed(&mut self, position: u64, base_offset: i64, next_offset: i64) -> Result<Option<(Header, &[u8])>> {
        let Some(header) = self.header(position, base_offset, next_offset)? else { return Ok(None) };
        let after = position + header.size as u64;
        let placed = header.is_placed(base_offset, next_offset, || match after < self.file_bytes {
            true => Ok(self.batch(after, base_offset, next_offset)?.map(|(following, _)| following)),
            false => Ok(None),
        })?;
        if !placed {
            return Ok(None);
        }
        self.batch(position, base_offset, next_offset)
    }

    /// The first position from `position` on where a valid batch starts.
    fn search(&mut self, mut position: u64, base_offset: i64, next_offset: i64) -> Result<Option<u64>> {
        while position + batch::OVERHEAD as u64 <= self.file_bytes {
            let file_bytes = self.file_bytes;
            let window = self.bytes(position, CHUNK)?;
            if window.len() < batch::OVERHEAD {
                return Ok(None);
            }
            let last = window.len() - batch::OVERHEAD;
            let mut candidates = Vec::new();
            for at in 0..=last {
                if window[at + batch::MAGIC] != 2 {
                    continue;
                }
                let header = Header::parse(&window[at..]);
                let here = position + at as u64;
                if header.is_some_and(|h| h.is_plausible(base_offset, next_offset) && here + h.size as u64 <= file_bytes) {
                    candidates.push(here);
                }
            }
            for candidate in candidates {
                if self.batch(candidate, base_offset, next_offset)?.is_some() {
                    return Ok(Some(candidate));
                }
            }
            position += last as u64 + 1;
        }
        Ok(None)
    }
}
