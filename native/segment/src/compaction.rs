//! One compaction pass over closed segments: what Kafka's cleaner keeps, in Kafka's form.
//!
//! First the dirty batches fill an offset map (hash of the key → last offset), then the segments are copied into
//! one `.cleaned` file without the records that a later one replaces. Batches keep their base and last offset,
//! their codec and their producer fields, so offsets have gaps and sequences do not. A tombstone, and the marker of
//! a transaction that has no data left, get a delete horizon when they are first seen (attribute bit 6; the base
//! timestamp then holds it) and go once it passed. Reads and writes whole files: pool threads.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{self, Header};
use crate::codec;
use crate::error::{Error, Result};
use crate::files::{index_path, log_path, time_index_path};
use crate::index::{Indexer, Indexes};
use crate::recovery::{marker, Reader};
use crate::storage::{write_all, File, Mode, Storage};
use crate::walk::{put_varint, put_varlong, Record, Records};

/// See `CompactionOptions` in `src/log/native.ts`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub map_segments: Vec<i64>,
    pub map_from: i64,
    pub map_up_to: i64,
    /// Segments before the compacted ones, for transactions that reach into them.
    pub prior_segments: Vec<i64>,
    pub now: i64,
    pub delete_retention_ms: i64,
    /// Producer id, producer epoch, offset of its last data record (-1: only a marker is left).
    pub active_producers: Vec<(i64, i64, i64)>,
    /// Producer id, first offset, last offset.
    pub aborted_transactions: Vec<(i64, i64, i64)>,
    pub max_uncompressed: usize,
    pub index_interval_bytes: u64,
    pub map_bytes: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub records_in: u64,
    pub records_out: u64,
    pub cleaned_up_to: i64,
    pub max_timestamp: i64,
}

pub fn compact(storage: &dyn Storage, dir: &Path, bases: &[i64], options: &Options) -> Result<Outcome> {
    let Some(&first) = bases.first() else {
        return Err(Error::new("ERR_MILLRACE_ARGUMENT", "no segments to compact"));
    };
    let mut map = OffsetMap::new(options);
    let mut transactions = Transactions::new(&options.aborted_transactions);
    for &base in &options.map_segments {
        map.add_segment(storage, dir, base, options)?;
    }
    for &base in &options.prior_segments {
        each_header(storage, dir, base, |header, bytes| {
            transactions.observe(header, bytes);
        })?;
    }
    let mut output = Output::new(storage, dir, first, options.index_interval_bytes)?;
    let mut outcome = Outcome { cleaned_up_to: map.covered, ..Outcome::default() };
    for &base in bases {
        each_batch(storage, dir, base, |header, bytes| {
            let mut pass = Pass { options, map: &map, transactions: &mut transactions, outcome: &mut outcome };
            match pass.clean(header, bytes)? {
                Kept::Nothing => Ok(true),
                Kept::AsIs => output.add(bytes).map(|()| true),
                Kept::Rewritten(batch) => output.add(&batch).map(|()| true),
            }
        })?;
    }
    outcome.bytes_out = output.finish()?;
    outcome.max_timestamp = output.indexer.max_timestamp;
    Ok(outcome)
}

fn corrupt(path: &Path, position: u64) -> Error {
    Error::new(
        "ERR_MILLRACE_CORRUPT",
        format!("no valid batch at position {position} of {}; it is not compacted", path.display()),
    )
}

/// Calls `visit` with every batch; it may stop by false. A bad batch ends the pass: compaction never drops one.
fn each_batch(storage: &dyn Storage, dir: &Path, base: i64, mut visit: impl FnMut(&Header, &[u8]) -> Result<bool>) -> Result<()> {
    let path = log_path(dir, base);
    let file = storage.open(&path, Mode::Read).map_err(|e| Error::io(&e, "cannot open", &path))?;
    let file_bytes = file.len().map_err(|e| Error::io(&e, "cannot stat", &path))?;
    let mut reader = Reader::new(file.as_ref(), file_bytes, &path);
    let (mut position, mut next_offset) = (0, base);
    while position < file_bytes {
        let Some((header, bytes)) = reader.batch(position, base, next_offset)? else {
            return Err(corrupt(&path, position));
        };
        if !visit(&header, bytes)? {
            return Ok(());
        }
        position += header.size as u64;
        next_offset = header.last_offset() + 1;
    }
    Ok(())
}

/// Calls `visit` with every header, and with the bytes of control batches.
fn each_header(storage: &dyn Storage, dir: &Path, base: i64, mut visit: impl FnMut(&Header, &[u8])) -> Result<()> {
    let path = log_path(dir, base);
    let file = storage.open(&path, Mode::Read).map_err(|e| Error::io(&e, "cannot open", &path))?;
    let file_bytes = file.len().map_err(|e| Error::io(&e, "cannot stat", &path))?;
    let mut reader = Reader::new(file.as_ref(), file_bytes, &path);
    let (mut position, mut next_offset) = (0, base);
    while position < file_bytes {
        let Some(header) = reader.header(position, base, next_offset)? else { return Err(corrupt(&path, position)) };
        if header.is_control() {
            let Some((header, bytes)) = reader.batch(position, base, next_offset)? else {
                return Err(corrupt(&path, position));
            };
            visit(&header, bytes);
        } else {
            visit(&header, &[]);
        }
        position += header.size as u64;
        next_offset = header.last_offset() + 1;
    }
    Ok(())
}

fn plain_records<'a>(header: &Header, bytes: &'a [u8], limit: usize, store: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    let body = &bytes[batch::OVERHEAD..];
    if header.codec() == codec::NONE {
        return Ok(body);
    }
    *store = codec::decompress(header.codec(), body, limit).map_err(|e| {
        Error::new("ERR_MILLRACE_CORRUPT", format!("the batch at offset {} does not decompress: {e:?}", header.base_offset))
    })?;
    Ok(store)
}

/// Key → offset of the last record that has it, by a 128-bit hash under keys of this pass, so that nobody can
/// prepare two keys that collide.
struct OffsetMap {
    offsets: HashMap<u128, i64>,
    hashers: [RandomState; 2],
    capacity: usize,
    /// Exclusive end of the offsets the map speaks for.
    covered: i64,
    full: bool,
    aborted: HashMap<i64, Vec<(i64, i64)>>,
}

/// Bytes an entry takes in the hash table, with its control byte and its share of empty slots.
const ENTRY_BYTES: usize = 48;

impl OffsetMap {
    fn new(options: &Options) -> Self {
        let mut aborted: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for &(producer, first, last) in &options.aborted_transactions {
            aborted.entry(producer).or_default().push((first, last));
        }
        OffsetMap {
            offsets: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            capacity: (options.map_bytes / ENTRY_BYTES).max(1),
            covered: options.map_from,
            full: false,
            aborted,
        }
    }

    fn hash(&self, key: &[u8]) -> u128 {
        (self.hashers[0].hash_one(key) as u128) << 64 | self.hashers[1].hash_one(key) as u128
    }

    fn get(&self, key: &[u8]) -> Option<i64> {
        self.offsets.get(&self.hash(key)).copied()
    }

    fn is_aborted(&self, header: &Header) -> bool {
        header.is_transactional()
            && self.aborted.get(&header.producer_id).is_some_and(|ranges| {
                ranges.iter().any(|&(first, last)| header.base_offset >= first && header.last_offset() <= last)
            })
    }

    fn add_segment(&mut self, storage: &dyn Storage, dir: &Path, base: i64, options: &Options) -> Result<()> {
        if self.full {
            return Ok(());
        }
        each_batch(storage, dir, base, |header, bytes| {
            if header.base_offset >= options.map_up_to {
                return Ok(false);
            }
            if header.last_offset() < options.map_from {
                return Ok(true);
            }
            if !header.is_control() && !self.is_aborted(header) {
                self.add_batch(header, bytes, options)?;
            }
            if !self.full {
                self.covered = (header.last_offset() + 1).min(options.map_up_to);
            }
            Ok(!self.full)
        })
    }

    fn add_batch(&mut self, header: &Header, bytes: &[u8], options: &Options) -> Result<()> {
        let mut store = Vec::new();
        let records = plain_records(header, bytes, options.max_uncompressed, &mut store)?;
        for record in Records::new(records, header.count) {
            let offset = header.base_offset + record.fields.offset_delta as i64;
            let Some(key) = record.key() else { continue };
            if offset < options.map_from || offset >= options.map_up_to {
                continue;
            }
            let hash = self.hash(key);
            if self.offsets.len() >= self.capacity && !self.offsets.contains_key(&hash) {
                self.full = true;
                return Ok(());
            }
            self.offsets.insert(hash, offset);
        }
        Ok(())
    }
}

/// Which transactions have data that is still there, as seen while reading in offset order.
struct Transactions {
    /// Not yet reached, by descending first offset.
    waiting: Vec<(i64, i64)>,
    /// Producer → whether a data batch of its aborted transaction was seen.
    aborted: HashMap<i64, bool>,
    committed: HashSet<i64>,
}

impl Transactions {
    fn new(aborted: &[(i64, i64, i64)]) -> Self {
        let mut waiting: Vec<(i64, i64)> = aborted.iter().map(|&(producer, first, _)| (first, producer)).collect();
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        Transactions { waiting, aborted: HashMap::new(), committed: HashSet::new() }
    }

    /// Takes notice of a batch; true when it may be dropped: data that was aborted, or a marker without data.
    fn observe(&mut self, header: &Header, bytes: &[u8]) -> bool {
        while let Some(&(first, producer)) = self.waiting.last() {
            if first > header.last_offset() {
                break;
            }
            self.waiting.pop();
            self.aborted.entry(producer).or_insert(false);
        }
        if header.is_control() {
            if header.count == 0 {
                return true;
            }
            return match marker(header, bytes).0 {
                0 => !self.aborted.remove(&header.producer_id).unwrap_or(false),
                1 => !self.committed.remove(&header.producer_id),
                _ => false,
            };
        }
        if !header.is_transactional() {
            return false;
        }
        if let Some(seen) = self.aborted.get_mut(&header.producer_id) {
            *seen = true;
            return true;
        }
        self.committed.insert(header.producer_id);
        false
    }
}

enum Kept {
    Nothing,
    AsIs,
    Rewritten(Vec<u8>),
}

struct Pass<'a> {
    options: &'a Options,
    map: &'a OffsetMap,
    transactions: &'a mut Transactions,
    outcome: &'a mut Outcome,
}

impl Pass<'_> {
    fn clean(&mut self, header: &Header, bytes: &[u8]) -> Result<Kept> {
        self.outcome.bytes_in += bytes.len() as u64;
        let droppable = self.transactions.observe(header, bytes);
        let horizon = (header.attributes & batch::DELETE_HORIZON != 0).then_some(header.base_timestamp);
        let passed = horizon.is_some_and(|h| h <= self.options.now);
        let drop_records = droppable && (!header.is_control() || passed);
        let keep_empty = self.is_last_of_producer(header) || header.last_offset() + 1 == self.options.map_up_to;
        if drop_records && !keep_empty {
            self.outcome.records_in += header.count as u64;
            return Ok(Kept::Nothing);
        }
        let mut store = Vec::new();
        let records = plain_records(header, bytes, self.options.max_uncompressed, &mut store)?;
        let mut kept: Vec<Record<'_>> = Vec::new();
        let mut has_tombstone = false;
        let mut all = Records::new(records, header.count);
        for record in all.by_ref() {
            self.outcome.records_in += 1;
            if !drop_records && (header.is_control() || self.keeps(header, &record, horizon)) {
                has_tombstone |= record.value().is_none();
                kept.push(record);
            }
        }
        if all.failed {
            return Err(Error::new(
                "ERR_MILLRACE_CORRUPT",
                format!("the records of the batch at offset {} do not hold together; it is not compacted", header.base_offset),
            ));
        }
        self.outcome.records_out += kept.len() as u64;
        if kept.is_empty() {
            return Ok(if keep_empty { Kept::Rewritten(empty(header, bytes)) } else { Kept::Nothing });
        }
        let sets_horizon = horizon.is_none() && (has_tombstone || (droppable && header.is_control()));
        if kept.len() == header.count as usize && !sets_horizon {
            return Ok(Kept::AsIs);
        }
        let new_horizon = sets_horizon.then(|| self.options.now + self.options.delete_retention_ms);
        rebuild(header, bytes, &kept, new_horizon).map(Kept::Rewritten)
    }

    /// The batch that carries a producer's last sequence, or its epoch when only a marker is left of it.
    fn is_last_of_producer(&self, header: &Header) -> bool {
        header.producer_id >= 0
            && self.options.active_producers.iter().any(|&(producer, epoch, last)| {
                producer == header.producer_id
                    && if last >= 0 {
                        header.last_offset() == last
                    } else {
                        header.is_control() && header.producer_epoch as i64 == epoch
                    }
            })
    }

    fn keeps(&self, header: &Header, record: &Record<'_>, horizon: Option<i64>) -> bool {
        let offset = header.base_offset + record.fields.offset_delta as i64;
        if offset >= self.map.covered {
            return true;
        }
        let Some(key) = record.key() else { return false };
        let is_latest = self.map.get(key).is_none_or(|last| offset >= last);
        is_latest && (record.value().is_some() || horizon.is_none_or(|h| self.options.now < h))
    }
}

/// The header alone, keeping offsets, producer fields and the max timestamp.
fn empty(header: &Header, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes[..batch::OVERHEAD].to_vec();
    let attributes = header.attributes & !(batch::CODEC_MASK | batch::DELETE_HORIZON);
    out[batch::ATTRIBUTES..batch::ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
    batch::put_i32(&mut out, batch::LENGTH, (batch::OVERHEAD - batch::LOG_OVERHEAD) as i32);
    batch::put_i64(&mut out, batch::BASE_TIMESTAMP, -1);
    batch::put_i32(&mut out, batch::RECORD_COUNT, 0);
    batch::seal(&mut out);
    out
}

/// The batch with fewer records. With a new horizon the base timestamp becomes it and every delta is rewritten.
fn rebuild(header: &Header, bytes: &[u8], kept: &[Record<'_>], new_horizon: Option<i64>) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    let mut max_timestamp = -1;
    for record in kept {
        let timestamp = header.base_timestamp.wrapping_add(record.fields.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        match new_horizon {
            None => records.extend_from_slice(record.raw),
            Some(horizon) => {
                let mut body = Vec::with_capacity(record.body.len() + 8);
                body.push(record.body[0]);
                put_varlong(&mut body, timestamp.wrapping_sub(horizon));
                put_varint(&mut body, record.fields.offset_delta);
                body.extend_from_slice(record.tail());
                put_varint(&mut records, body.len() as i32);
                records.extend_from_slice(&body);
            }
        }
    }
    let mut out = bytes[..batch::OVERHEAD].to_vec();
    codec::compress(header.codec(), -1, &records, &mut out).map_err(|e| Error::new("ERR_MILLRACE_CODEC", e))?;
    if let Some(horizon) = new_horizon {
        let attributes = header.attributes | batch::DELETE_HORIZON;
        out[batch::ATTRIBUTES..batch::ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
        batch::put_i64(&mut out, batch::BASE_TIMESTAMP, horizon);
    }
    if !header.is_log_append_time() {
        batch::put_i64(&mut out, batch::MAX_TIMESTAMP, max_timestamp);
    }
    let length = (out.len() - batch::LOG_OVERHEAD) as i32;
    batch::put_i32(&mut out, batch::LENGTH, length);
    batch::put_i32(&mut out, batch::RECORD_COUNT, kept.len() as i32);
    batch::seal(&mut out);
    Ok(out)
}

const WRITE_BYTES: usize = 1 << 20;

fn cleaned(path: PathBuf) -> PathBuf {
    let mut name = path.into_os_string();
    name.push(".cleaned");
    PathBuf::from(name)
}

/// The `.cleaned` files.
struct Output<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    base_offset: i64,
    path: PathBuf,
    file: Arc<dyn File>,
    pending: Vec<u8>,
    written: u64,
    indexes: Indexes,
    indexer: Indexer,
}

impl<'a> Output<'a> {
    fn new(storage: &'a dyn Storage, dir: &'a Path, base_offset: i64, interval: u64) -> Result<Self> {
        let path = cleaned(log_path(dir, base_offset));
        let file = storage.open(&path, Mode::Fresh).map_err(|e| Error::io(&e, "cannot create", &path))?;
        Ok(Output {
            storage,
            dir,
            base_offset,
            path,
            file,
            pending: Vec::new(),
            written: 0,
            indexes: Indexes::default(),
            indexer: Indexer::new(base_offset, interval, usize::MAX),
        })
    }

    fn add(&mut self, batch: &[u8]) -> Result<()> {
        let header = Header::parse(batch).expect("made from a valid batch");
        let position = self.written + self.pending.len() as u64;
        if position + batch.len() as u64 > i32::MAX as u64 || header.last_offset() - self.base_offset > i32::MAX as i64 {
            return Err(Error::new("ERR_MILLRACE_SEGMENT_FULL", format!("{} would be too large", self.path.display())));
        }
        self.indexer.add(&mut self.indexes, header.last_offset(), header.max_timestamp, position, batch.len() as u64);
        self.pending.extend_from_slice(batch);
        if self.pending.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        write_all(self.file.as_ref(), &[&self.pending], self.written).map_err(|e| Error::io(&e, "cannot write", &self.path))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Everything on disk and synced; returns the log's size.
    fn finish(&mut self) -> Result<u64> {
        self.write()?;
        self.indexer.finish(&mut self.indexes);
        let files = [
            (cleaned(index_path(self.dir, self.base_offset)), self.indexes.encode_offsets()),
            (cleaned(time_index_path(self.dir, self.base_offset)), self.indexes.encode_times()),
        ];
        for (path, bytes) in files {
            self.storage
                .open(&path, Mode::Fresh)
                .and_then(|file| write_all(file.as_ref(), &[&bytes], 0).and_then(|()| file.sync()))
                .map_err(|e| Error::io(&e, "cannot write", &path))?;
        }
        self.file.sync().map_err(|e| Error::io(&e, "cannot sync", &self.path))?;
        Ok(self.written)
    }
}
