//! One open segment: the `.log` file, what is staged for it, and its indexes.
//!
//! The writer stages small blocks and writes larger ones at once. A failed write cuts the file back to what the
//! last successful write left, drops what was staged with its index entries, and reports the errno; a failed
//! sync, an EIO or a failed cut poisons the segment until it is opened again. Runs on the thread that opened it;
//! only `sync` work may leave for another one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::batch::{self, Header};
use crate::error::{Error, Result};
use crate::files::{self, log_path};
use crate::header_walk::{HeaderWalk, Hole};
use crate::index::{Indexer, Indexes, OFFSET_ENTRY};
use crate::newest::{self, Newest};
use crate::preallocation::Preallocation;
use crate::search::{Place, Search};
use crate::staging::{Staging, STAGE_BELOW};
use crate::storage::{read_full, write_all, File, Mode, Storage};
use crate::writeback;

pub use crate::search::Found;

/// Write-back of dirty pages is asked for in pieces of so many bytes (`writeback.rs` says when it starts). In pieces of 1 MiB
/// and of 32 MiB an fdatasync after 4 GB of 256 KiB writes took longer. The call blocks on a congested disk (3 ms of every
/// 8 MiB were seen, 7 % of a saturated worker), so a thread of its own makes it.
const WRITEBACK_EVERY: u64 = 8 << 20;
/// The newest bytes are left out: the next append goes into their last page, and would wait while it is on its way.
const WRITEBACK_BEHIND: u64 = 4 << 20;
/// Ranges end on this boundary, so that no page is written back twice.
const WRITEBACK_STEP: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// `None`: no batch at or after the offset.
    pub position: Option<u64>,
    pub size: u64,
    pub first_batch_size: u64,
    pub first_base_offset: i64,
    /// What held the offset is damaged: the offsets that it may have held, to the segment's end where the last is i64::MAX - 1.
    /// `position` and `size` are then the damage's.
    pub damaged: Option<(i64, i64)>,
}

/// What one append is to do to its block.
#[derive(Debug, Clone, Copy)]
pub struct Append {
    /// Base offset for the single batch, or -1: batches keep their own.
    pub assign_offset: i64,
    pub leader_epoch: i32,
    /// -1: create time.
    pub log_append_time: i64,
    /// Largest timestamp of the block's records; -1 when unknown.
    pub max_timestamp: i64,
}

/// What a failed write falls back to.
#[derive(Debug, Clone, Copy)]
struct Mark {
    indexer: Indexer,
    offsets: usize,
    times: usize,
    next_offset: i64,
}

pub struct Segment {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    path: PathBuf,
    base_offset: i64,
    writable: bool,
    interval: u64,
    max_index_bytes: usize,
    file: Option<Arc<dyn File>>,
    written: u64,
    writeback_at: u64,
    preallocation: Preallocation,
    staging: Staging,
    loaded: bool,
    indexes: Indexes,
    indexer: Indexer,
    /// Offset after the last batch, staged ones included. Known once `loaded`.
    next_offset: i64,
    mark: Mark,
    newest: Newest,
    /// Damage follows the last batch. Known once `loaded`.
    ends_damaged: bool,
    poisoned: Arc<AtomicBool>,
}

/// A sync that may run on another thread.
pub struct SyncJob {
    log: Arc<dyn File>,
    indexes: Vec<Arc<dyn File>>,
    path: PathBuf,
    size: u64,
    poisoned: Arc<AtomicBool>,
}

impl SyncJob {
    /// Returns the log size that is durable now.
    pub fn run(&self) -> Result<u64> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poisoned(&self.path));
        }
        let result = self.log.sync().and_then(|()| self.indexes.iter().try_for_each(|f| f.sync()));
        match result {
            Ok(()) => Ok(self.size),
            Err(e) => {
                self.poisoned.store(true, Ordering::Release);
                Err(Error::io(&e, "cannot sync", &self.path))
            }
        }
    }
}

fn poisoned(path: &Path) -> Error {
    Error::new("ERR_MILLRACE_POISONED", format!("{} had an I/O error; reopen it before using it again", path.display()))
}

impl Segment {
    /// `size` -1: the file's own length is valid.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        base_offset: i64,
        writable: bool,
        size: i64,
        interval: u64,
        max_index_bytes: usize,
    ) -> Result<Segment> {
        let path = log_path(dir, base_offset);
        let mode = if writable { Mode::Write } else { Mode::Read };
        let file = storage.open(&path, mode).map_err(|e| Error::io(&e, "cannot open", &path))?;
        let length = file.len().map_err(|e| Error::io(&e, "cannot stat", &path))?;
        let written = if size < 0 { length } else { (size as u64).min(length) };
        if writable && written < length {
            file.truncate(written).map_err(|e| Error::io(&e, "cannot truncate", &path))?;
        } else if writable {
            file.release_preallocated();
        }
        let indexer = Indexer::new(base_offset, interval, max_index_bytes / OFFSET_ENTRY);
        let mut segment = Segment {
            storage,
            dir: dir.to_path_buf(),
            path,
            base_offset,
            writable,
            interval,
            max_index_bytes,
            file: Some(file),
            written,
            writeback_at: written,
            preallocation: Preallocation::default(),
            staging: Staging::default(),
            loaded: false,
            indexes: Indexes::default(),
            indexer,
            next_offset: base_offset,
            mark: Mark { indexer, offsets: 0, times: 0, next_offset: base_offset },
            newest: Newest::new(),
            ends_damaged: false,
            poisoned: Arc::new(AtomicBool::new(false)),
        };
        if writable {
            segment.load()?;
        }
        Ok(segment)
    }

    pub fn size(&self) -> u64 {
        self.written
    }

    pub fn staged(&self) -> usize {
        self.staging.len()
    }

    pub fn is_writable(&self) -> bool {
        self.writable
    }

    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Gives the descriptor back; the next read opens it again. For read-only segments.
    pub fn release_file(&mut self) {
        if !self.writable {
            self.file = None;
        }
    }

    /// Offset after the last written batch.
    pub fn next_offset(&mut self) -> Result<i64> {
        self.load()?;
        Ok(self.mark.next_offset)
    }

    fn file(&mut self) -> Result<Arc<dyn File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = self.storage.open(&self.path, Mode::Read).map_err(|e| Error::io(&e, "cannot open", &self.path))?;
        self.file = Some(file.clone());
        Ok(file)
    }

    fn io<T>(&self, result: std::io::Result<T>, what: &str) -> Result<T> {
        result.map_err(|e| Error::io(&e, what, &self.path))
    }

    /// Reads the indexes (or rebuilds them from the headers) and finds the end of the last batch.
    fn load(&mut self) -> Result<()> {
        if self.loaded {
            return Ok(());
        }
        if self.written > 0 {
            let stored = files::load_indexes(self.storage.as_ref(), &self.dir, self.base_offset, self.written)?;
            // A log longer than an index interval without a single entry was not closed cleanly.
            let stored = stored.filter(|i| !i.offsets.is_empty() || self.written <= self.interval);
            self.indexes = stored.unwrap_or_default();
            self.resume_indexer()?;
        }
        self.loaded = true;
        self.set_mark();
        Ok(())
    }

    /// Walks the headers behind the last index entry, adding the entries that are missing.
    fn resume_indexer(&mut self) -> Result<()> {
        let mut indexer = Indexer::new(self.base_offset, self.interval, self.max_index_bytes / OFFSET_ENTRY);
        if let Some(last) = self.indexes.times.last() {
            indexer.max_timestamp = last.timestamp;
            indexer.offset_of_max = self.base_offset + last.relative as i64;
        }
        let start = self.indexes.offsets.last().map_or(0, |e| e.position as u64);
        let had_entry = !self.indexes.offsets.is_empty();
        // The batch of the last entry may be damaged.
        let mut next_offset = self.indexes.offsets.last().map_or(self.base_offset, |e| self.base_offset + e.relative as i64 + 1);
        let mut indexes = std::mem::take(&mut self.indexes);
        let mut first = true;
        let file = self.file()?;
        let hole = self.search(file.as_ref()).walk(start, |position, header| {
            let size = header.size as u64;
            if first && had_entry {
                // The entry for this one exists; what it left behind counts towards the next.
                indexer.bytes_since_entry = size;
                if header.max_timestamp > indexer.max_timestamp {
                    indexer.max_timestamp = header.max_timestamp;
                    indexer.offset_of_max = header.last_offset();
                }
            } else {
                indexer.add(&mut indexes, header.last_offset(), header.max_timestamp, position, size);
            }
            first = false;
            next_offset = next_offset.max(header.last_offset() + 1);
            true
        })?;
        self.ends_damaged = hole.is_some();
        self.indexes = indexes;
        self.indexer = indexer;
        self.next_offset = next_offset;
        Ok(())
    }

    fn set_mark(&mut self) {
        self.mark = Mark {
            indexer: self.indexer,
            offsets: self.indexes.offsets.len(),
            times: self.indexes.times.len(),
            next_offset: self.next_offset,
        };
    }

    fn fall_back(&mut self) {
        self.staging.clear();
        self.indexer = self.mark.indexer;
        self.indexes.offsets.truncate(self.mark.offsets);
        self.indexes.times.truncate(self.mark.times);
        self.next_offset = self.mark.next_offset;
        self.newest.clear();
    }

    /// Appends whole batches. Returns the bytes staged afterwards.
    pub fn append(&mut self, data: &mut [u8], append: &Append) -> Result<usize> {
        if !self.writable {
            return Err(Error::new("ERR_MILLRACE_READ_ONLY", format!("{} is open for reading", self.path.display())));
        }
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poisoned(&self.path));
        }
        if append.assign_offset >= 0 {
            self.assign(data, append)?;
        }
        self.check(data)?;
        let start = self.written + self.staging.len() as u64;
        let mut at = 0;
        while at < data.len() {
            let header = Header::parse(&data[at..]).expect("checked above");
            self.note(&header, start + at as u64);
            at += header.size;
        }
        if data.len() >= STAGE_BELOW {
            self.write(Some(data))?;
        } else {
            self.staging.push(data);
            if self.staging.is_full() {
                self.write(None)?;
            }
        }
        Ok(self.staging.len())
    }

    /// Gives the one batch its place: base offset, leader epoch, timestamps.
    #[inline]
    fn assign(&mut self, data: &mut [u8], append: &Append) -> Result<()> {
        match Header::parse(data) {
            Some(header) if header.size == data.len() => {}
            _ => return Err(not_batches(&self.path)),
        }
        batch::put_i64(data, batch::BASE_OFFSET, append.assign_offset);
        batch::put_i32(data, batch::LEADER_EPOCH, append.leader_epoch);
        if append.log_append_time >= 0 {
            batch::set_timestamps(data, true, append.log_append_time);
        } else if append.max_timestamp >= 0 {
            batch::set_timestamps(data, false, append.max_timestamp);
        }
        Ok(())
    }

    /// Whole batches, offsets that go on from the last one, and a place in the indexes for each.
    #[inline]
    fn check(&self, data: &[u8]) -> Result<()> {
        let mut next_offset = self.next_offset;
        let mut at = 0;
        while at < data.len() {
            let header = Header::parse(&data[at..]).filter(|h| h.size <= data.len() - at && h.magic == 2);
            let Some(header) = header else { return Err(not_batches(&self.path)) };
            if header.base_offset < next_offset || header.last_offset_delta < 0 {
                return Err(Error::new(
                    "ERR_MILLRACE_OFFSET_ORDER",
                    format!(
                        "batch at offset {} cannot follow: {} ends at {next_offset}",
                        header.base_offset,
                        self.path.display()
                    ),
                ));
            }
            if header.last_offset() - self.base_offset > i32::MAX as i64 {
                return Err(Error::new(
                    "ERR_MILLRACE_OFFSET_OVERFLOW",
                    format!(
                        "offset {} is more than 2^31-1 behind the base of {}; roll first",
                        header.last_offset(),
                        self.path.display()
                    ),
                ));
            }
            next_offset = header.last_offset() + 1;
            at += header.size;
        }
        if self.written + self.staging.len() as u64 + data.len() as u64 > i32::MAX as u64 {
            return Err(Error::new(
                "ERR_MILLRACE_SEGMENT_FULL",
                format!("{} cannot pass 2 GiB; roll first", self.path.display()),
            ));
        }
        Ok(())
    }

    #[inline]
    fn note(&mut self, header: &Header, position: u64) {
        let size = header.size as u64;
        self.indexer.add(&mut self.indexes, header.last_offset(), header.max_timestamp, position, size);
        self.next_offset = header.last_offset() + 1;
        self.newest.push(newest::Place { base_offset: header.base_offset, last_offset: header.last_offset(), position, size });
    }

    /// Writes what is staged. Returns the file size.
    pub fn flush(&mut self) -> Result<u64> {
        if self.staging.len() > 0 {
            self.write(None)?;
        }
        Ok(self.written)
    }

    fn write(&mut self, block: Option<&[u8]>) -> Result<()> {
        let file = self.file()?;
        let block = block.unwrap_or(&[]);
        self.preallocation.reach(file.as_ref(), self.written, (self.staging.len() + block.len()) as u64);
        if let Err(error) = write_all(file.as_ref(), &[self.staging.bytes(), block], self.written) {
            let cut = file.truncate(self.written);
            self.preallocation.cut();
            if cut.is_err() || error.raw_os_error() == Some(libc::EIO) {
                self.poisoned.store(true, Ordering::Release);
            }
            self.fall_back();
            return Err(Error::io(&error, "cannot write", &self.path));
        }
        self.written += (self.staging.len() + block.len()) as u64;
        self.staging.clear();
        self.set_mark();
        let ripe = self.written.saturating_sub(WRITEBACK_BEHIND) & !(WRITEBACK_STEP - 1);
        if ripe >= self.writeback_at + WRITEBACK_EVERY {
            writeback::appended(&file, self.writeback_at, ripe - self.writeback_at);
            self.writeback_at = ripe;
        }
        Ok(())
    }

    /// The range of the file that answers a read.
    pub fn plan(&mut self, start_offset: i64, max_offset: i64, max_bytes: u64, min_one: bool) -> Result<Plan> {
        self.load()?;
        let nothing = Plan { position: None, size: 0, first_batch_size: 0, first_base_offset: -1, damaged: None };
        if start_offset >= max_offset {
            return Ok(nothing);
        }
        let place =
            if start_offset < self.mark.next_offset || self.ends_damaged { self.find(start_offset)? } else { Place::None };
        let (position, first_size, first_base) = match place {
            Place::Batch(position, size, base_offset) => (position, size, base_offset),
            Place::Damage(Hole { position, first_offset }, end, next_offset) => {
                let damaged = Some((first_offset.min(start_offset), next_offset - 1));
                return Ok(Plan {
                    position: Some(position),
                    size: end - position,
                    first_batch_size: 0,
                    first_base_offset: -1,
                    damaged,
                });
            }
            Place::None => return Ok(nothing),
        };
        if first_base >= max_offset {
            return Ok(nothing);
        }
        let limit = if max_offset >= self.mark.next_offset { self.written } else { self.find_base(max_offset, position)? };
        let wanted = if max_bytes < first_size {
            if min_one {
                first_size
            } else {
                0
            }
        } else {
            max_bytes
        };
        Ok(Plan {
            position: Some(position),
            size: wanted.min(limit - position),
            first_batch_size: first_size,
            first_base_offset: first_base,
            damaged: None,
        })
    }

    /// The written batch that holds `offset`, or the first one after it.
    fn find(&mut self, offset: i64) -> Result<Place> {
        if let Some(place) = self.newest.find(offset, self.written) {
            return Ok(Place::Batch(place.position, place.size, place.base_offset));
        }
        let file = self.file()?;
        self.search(file.as_ref()).batch(offset)
    }

    /// Position of the first batch whose base offset is at least `offset`; the written size when there is none.
    fn find_base(&mut self, offset: i64, not_before: u64) -> Result<u64> {
        if let Some(end) = self.newest.end_below(offset) {
            return Ok(end.min(self.written));
        }
        let file = self.file()?;
        self.search(file.as_ref()).base(offset, not_before)
    }

    fn search<'a>(&'a self, file: &'a dyn File) -> Search<'a> {
        let walk = HeaderWalk { file, indexes: &self.indexes, base_offset: self.base_offset };
        Search { walk, written: self.written, path: &self.path }
    }

    pub fn read(&mut self, position: u64, target: &mut [u8]) -> Result<usize> {
        // A reader's file may have grown since it was opened (its writer is elsewhere); the caller knows the end.
        let left = if self.writable { self.written.saturating_sub(position) } else { u64::MAX };
        let want = (target.len() as u64).min(left) as usize;
        let file = self.file()?;
        self.io(read_full(file.as_ref(), &mut target[..want], position), "cannot read")
    }

    /// Moves up to `length` bytes from `position` to a socket (see `File::send_to`). 0: the socket takes none now, or the
    /// bytes have to be read and written instead.
    pub fn send(&mut self, position: u64, length: usize, descriptor: i32) -> Result<usize> {
        let left = if self.writable { self.written.saturating_sub(position) } else { u64::MAX };
        let want = (length as u64).min(left) as usize;
        let file = self.file()?;
        match file.send_to(descriptor, position, want) {
            Ok(sent) => Ok(sent),
            Err(e) if e.raw_os_error() == Some(libc::EIO) => self.io(Err(e), "cannot send"),
            // Full, gone or unfit sockets: whoever owns the socket finds out at its next write.
            Err(_) => Ok(0),
        }
    }

    /// The file, for `length` bytes from `position` on to be sent from on another thread. `None`: not all of them are written.
    pub fn share(&mut self, position: u64, length: usize) -> Result<Option<Arc<dyn File>>> {
        let file = self.file()?;
        let is_written = !self.writable || position + length as u64 <= self.written;
        Ok(is_written.then_some(file))
    }

    /// First record at or after `start_offset` whose timestamp is at least `timestamp`.
    pub fn find_timestamp(&mut self, timestamp: i64, start_offset: i64, limit: usize) -> Result<Option<Found>> {
        self.load()?;
        if self.indexer.max_timestamp < timestamp {
            return Ok(None);
        }
        let by_time = self.indexes.lookup_time(timestamp);
        let from = self.indexes.lookup(by_time.max(start_offset - self.base_offset));
        let file = self.file()?;
        self.search(file.as_ref()).record(
            from,
            limit,
            |h| h.max_timestamp >= timestamp && h.last_offset() >= start_offset,
            |f| f.timestamp >= timestamp && f.offset >= start_offset,
        )
    }

    /// First record that has the segment's largest timestamp.
    pub fn max_timestamp(&mut self, limit: usize) -> Result<Option<Found>> {
        self.load()?;
        let (largest, offset) = (self.indexer.max_timestamp, self.indexer.offset_of_max);
        if largest < 0 {
            return Ok(None);
        }
        let from = self.indexes.lookup(offset - self.base_offset);
        let file = self.file()?;
        self.search(file.as_ref()).record(from, limit, |h| h.last_offset() >= offset, |f| f.timestamp >= largest)
    }

    /// Cuts right behind the last whole batch below `offset`: no batch that holds an offset at or after it remains, and no
    /// torn or damaged bytes behind that batch, which what is appended next would follow. Returns the new size.
    pub fn truncate(&mut self, offset: i64) -> Result<u64> {
        if !self.writable {
            return Err(Error::new("ERR_MILLRACE_READ_ONLY", format!("{} is open for reading", self.path.display())));
        }
        self.flush()?;
        let file = self.file()?;
        let position = self.search(file.as_ref()).end_below(offset)?;
        if position == self.written {
            return Ok(self.written);
        }
        self.io(file.truncate(position), "cannot truncate")?;
        self.preallocation.cut();
        self.written = position;
        self.writeback_at = self.writeback_at.min(position);
        self.indexes.truncate(position, offset - self.base_offset);
        self.newest.clear();
        self.resume_indexer()?;
        self.set_mark();
        Ok(position)
    }

    /// For a segment that is full, or closed: writes both indexes out, with the largest timestamp as the last time entry,
    /// and gives back the space that was kept for more.
    pub fn flush_indexes(&mut self) -> Result<()> {
        self.store_indexes()?;
        let file = self.file()?;
        self.preallocation.release(file.as_ref());
        Ok(())
    }

    fn store_indexes(&mut self) -> Result<Vec<Arc<dyn File>>> {
        self.flush()?;
        self.load()?;
        self.indexer.finish(&mut self.indexes);
        self.set_mark();
        files::store_indexes(self.storage.as_ref(), &self.dir, self.base_offset, &self.indexes)
    }

    /// Makes a job that syncs what is written now.
    pub fn sync_job(&mut self, with_indexes: bool) -> Result<SyncJob> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poisoned(&self.path));
        }
        let indexes = if with_indexes { self.store_indexes()? } else { Vec::new() };
        Ok(SyncJob { log: self.file()?, indexes, path: self.path.clone(), size: self.written, poisoned: self.poisoned.clone() })
    }

    /// Writes what is left and, for a writable segment, the indexes.
    pub fn close(mut self) -> Result<()> {
        if self.writable && !self.poisoned.load(Ordering::Acquire) {
            self.flush_indexes()?;
        }
        Ok(())
    }
}

#[cold]
fn not_batches(path: &Path) -> Error {
    Error::new("ERR_MILLRACE_NOT_A_BATCH", format!("the bytes for {} are not whole record batches", path.display()))
}
