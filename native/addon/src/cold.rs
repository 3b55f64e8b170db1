//! The functions called rarely: opening, closing, recovery, compaction, locks and sockets.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::Path;

use napi::bindgen_prelude::{Float64Array, Uint8Array};
use napi_derive::napi;
use segment::compaction::Options;
use segment::recovery::Report;
use segment::scrub::Part;
use segment::segment::{Found, Segment};
use segment::verify::{RecompressError, Verdict};
use serde_json::Value;

use crate::handles::{self, Slab};
use crate::storage::storage_of;

pub(crate) type Result<T> = std::result::Result<T, napi::Error<String>>;

pub(crate) fn thrown(error: segment::Error) -> napi::Error<String> {
    napi::Error::new(error.code.into_owned(), error.message)
}

fn refused(code: &str, message: &str) -> napi::Error<String> {
    napi::Error::new(code.to_owned(), message.to_owned())
}

#[napi]
pub fn recompress_batch(
    data: &[u8],
    offset: f64,
    length: f64,
    codec: u32,
    level: i32,
    max_uncompressed: f64,
) -> Result<Uint8Array> {
    let (offset, length) = (offset as usize, length as usize);
    let batch = offset
        .checked_add(length)
        .and_then(|end| data.get(offset..end))
        .ok_or_else(|| refused("ERR_MILLRACE_ARGUMENT", "the range is outside of the data"))?;
    segment::verify::recompress(batch, codec.min(255) as u8, level, max_uncompressed as usize).map(Uint8Array::from).map_err(
        |e| match e {
            RecompressError::Refused(Verdict::TooLarge) => {
                refused("ERR_MILLRACE_TOO_LARGE", "the batch decompresses to more than the limit")
            }
            RecompressError::Refused(Verdict::Codec) => refused("ERR_MILLRACE_CODEC", "the batch's codec is unknown"),
            RecompressError::Refused(_) => refused("ERR_MILLRACE_CORRUPT", "the batch does not decompress"),
            RecompressError::Codec(text) => refused("ERR_MILLRACE_CODEC", &text),
        },
    )
}

#[napi]
pub fn segment_open(
    dir: String,
    base_offset: f64,
    writable: bool,
    size: f64,
    index_interval_bytes: f64,
    max_index_bytes: f64,
) -> Result<f64> {
    let opened = Segment::open(
        storage_of(Path::new(&dir)),
        Path::new(&dir),
        base_offset as i64,
        writable,
        size as i64,
        index_interval_bytes as u64,
        max_index_bytes as usize,
    );
    opened.and_then(handles::insert).map_err(thrown)
}

#[napi]
pub fn segment_max_timestamp(handle: f64, max_uncompressed: f64, mut out: Float64Array) -> Result<()> {
    let found = handles::with(handle, |s| s.max_timestamp(max_uncompressed as usize)).map_err(thrown)?;
    if out.len() < 3 {
        return Err(refused("ERR_MILLRACE_ARGUMENT", "out needs 3 slots"));
    }
    let Found { offset, timestamp, leader_epoch } = found.unwrap_or(Found { offset: -1, timestamp: -1, leader_epoch: -1 });
    // SAFETY: the call is synchronous and nothing else holds this array's memory meanwhile.
    let slots = unsafe { out.as_mut() };
    slots[0] = offset as f64;
    slots[1] = timestamp as f64;
    slots[2] = leader_epoch as f64;
    Ok(())
}

#[napi]
pub fn segment_truncate(handle: f64, offset: f64) -> Result<f64> {
    handles::with(handle, |s| s.truncate(offset as i64)).map(|n| n as f64).map_err(thrown)
}

#[napi]
pub fn segment_next_offset(handle: f64) -> Result<f64> {
    handles::with(handle, |s| s.next_offset()).map(|n| n as f64).map_err(thrown)
}

#[napi]
pub fn segment_flush_indexes(handle: f64) -> Result<()> {
    handles::with(handle, |s| s.flush_indexes()).map_err(thrown)
}

#[napi]
pub fn segment_close(handle: f64) -> Result<()> {
    handles::remove(handle).and_then(|s| s.close()).map_err(thrown)
}

#[napi(object)]
pub struct RecoveredBatch {
    pub base_offset: f64,
    pub last_offset: f64,
    pub producer_id: f64,
    pub producer_epoch: i32,
    pub base_sequence: i32,
    pub max_timestamp: f64,
    pub leader_epoch: i32,
    pub is_control: bool,
    pub is_transactional: bool,
    pub position: f64,
    pub control_type: i32,
    pub coordinator_epoch: i32,
}

#[napi(object)]
pub struct CorruptRange {
    pub position: f64,
    pub size: f64,
    pub first_offset: f64,
    pub last_offset: f64,
}

impl From<&segment::recovery::CorruptRange> for CorruptRange {
    fn from(range: &segment::recovery::CorruptRange) -> Self {
        CorruptRange {
            position: range.position as f64,
            size: range.size as f64,
            first_offset: range.first_offset as f64,
            last_offset: range.last_offset as f64,
        }
    }
}

#[napi(object)]
pub struct RecoveryReport {
    pub valid_bytes: f64,
    pub end_bytes: f64,
    pub file_bytes: f64,
    pub next_offset: f64,
    pub max_timestamp: f64,
    pub offset_of_max_timestamp: f64,
    pub corrupt_middle: bool,
    pub corrupt_ranges: Vec<CorruptRange>,
    pub batches: Vec<RecoveredBatch>,
}

impl From<Report> for RecoveryReport {
    fn from(report: Report) -> Self {
        RecoveryReport {
            valid_bytes: report.valid_bytes as f64,
            end_bytes: report.end_bytes as f64,
            file_bytes: report.file_bytes as f64,
            next_offset: report.next_offset as f64,
            max_timestamp: report.max_timestamp as f64,
            offset_of_max_timestamp: report.offset_of_max_timestamp as f64,
            corrupt_middle: !report.corrupt_ranges.is_empty(),
            corrupt_ranges: report.corrupt_ranges.iter().map(CorruptRange::from).collect(),
            batches: report
                .batches
                .iter()
                .map(|b| RecoveredBatch {
                    base_offset: b.base_offset as f64,
                    last_offset: b.last_offset as f64,
                    producer_id: b.producer_id as f64,
                    producer_epoch: b.producer_epoch as i32,
                    base_sequence: b.base_sequence,
                    max_timestamp: b.max_timestamp as f64,
                    leader_epoch: b.leader_epoch,
                    is_control: b.is_control,
                    is_transactional: b.is_transactional,
                    position: b.position as f64,
                    control_type: b.control_type as i32,
                    coordinator_epoch: b.coordinator_epoch,
                })
                .collect(),
        }
    }
}

#[napi]
pub fn recover_segment(
    dir: String,
    base_offset: f64,
    from_position: f64,
    index_interval_bytes: f64,
    _max_uncompressed: f64,
) -> Result<RecoveryReport> {
    segment::recovery::recover(
        &*storage_of(Path::new(&dir)),
        Path::new(&dir),
        base_offset as i64,
        from_position as u64,
        index_interval_bytes as u64,
    )
    .map(RecoveryReport::from)
    .map_err(thrown)
}

#[napi(object)]
pub struct ScrubResult {
    pub position: f64,
    pub next_offset: f64,
    pub bad: Option<CorruptRange>,
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn scrub_segment(
    dir: String,
    base_offset: f64,
    position: f64,
    next_offset: f64,
    end_position: f64,
    end_offset: f64,
    max_bytes: f64,
    epochs: Float64Array,
) -> Result<ScrubResult> {
    let epochs: Vec<(i64, i32)> = epochs.chunks_exact(2).map(|pair| (pair[0] as i64, pair[1] as i32)).collect();
    let part = Part {
        position: position as u64,
        next_offset: next_offset as i64,
        end_position: end_position as u64,
        end_offset: end_offset as i64,
        max_bytes: max_bytes as u64,
        epochs: &epochs,
    };
    let dir = Path::new(&dir);
    let done = segment::scrub::scrub(&*storage_of(dir), dir, base_offset as i64, &part).map_err(thrown)?;
    Ok(ScrubResult {
        position: done.position as f64,
        next_offset: done.next_offset as f64,
        bad: done.bad.as_ref().map(CorruptRange::from),
    })
}

#[napi(object)]
pub struct CompactionResult {
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub records_in: f64,
    pub records_out: f64,
    pub cleaned_up_to: f64,
    pub max_timestamp: f64,
}

#[napi]
pub fn compact_segments(dir: String, base_offsets: Float64Array, options_json: String) -> Result<CompactionResult> {
    let bases: Vec<i64> = base_offsets.iter().map(|&b| b as i64).collect();
    let options = compaction_options(&options_json)
        .ok_or_else(|| refused("ERR_MILLRACE_ARGUMENT", "optionsJson is no CompactionOptions"))?;
    let done = segment::compaction::compact(&*storage_of(Path::new(&dir)), Path::new(&dir), &bases, &options).map_err(thrown)?;
    Ok(CompactionResult {
        bytes_in: done.bytes_in as f64,
        bytes_out: done.bytes_out as f64,
        records_in: done.records_in as f64,
        records_out: done.records_out as f64,
        cleaned_up_to: done.cleaned_up_to as f64,
        max_timestamp: done.max_timestamp as f64,
    })
}

fn compaction_options(json: &str) -> Option<Options> {
    let value: Value = serde_json::from_str(json).ok()?;
    let number = |name: &str| value.get(name)?.as_f64().map(|n| n as i64);
    let list =
        |name: &str| -> Option<Vec<i64>> { value.get(name)?.as_array()?.iter().map(|n| n.as_f64().map(|n| n as i64)).collect() };
    let triples = |name: &str| -> Option<Vec<(i64, i64, i64)>> {
        let triple = |row: &Value| {
            let at = |i: usize| row.get(i)?.as_f64().map(|n| n as i64);
            Some((at(0)?, at(1)?, at(2)?))
        };
        value.get(name)?.as_array()?.iter().map(triple).collect()
    };
    Some(Options {
        map_segments: list("mapSegments")?,
        map_from: number("mapFrom")?,
        map_up_to: number("mapUpTo")?,
        prior_segments: list("priorSegments")?,
        now: number("now")?,
        delete_retention_ms: number("deleteRetentionMs")?,
        active_producers: triples("activeProducers")?,
        aborted_transactions: triples("abortedTransactions")?,
        max_uncompressed: number("maxUncompressed")? as usize,
        index_interval_bytes: number("indexIntervalBytes")? as u64,
        map_bytes: number("mapBytes")? as usize,
    })
}

thread_local! {
    static LOCKS: RefCell<Slab<OwnedFd>> = const { RefCell::new(Slab::new("lock")) };
}

#[napi]
pub fn lock_file(path: String) -> Result<f64> {
    let file = segment::net::lock(Path::new(&path)).map_err(thrown)?;
    LOCKS.with_borrow_mut(|locks| locks.insert(file)).map_err(thrown)
}

#[napi]
pub fn unlock_file(handle: f64) -> Result<()> {
    LOCKS.with_borrow_mut(|locks| locks.remove(handle)).map(drop).map_err(thrown)
}

#[napi(ts_return_type = "[number, number]")]
pub fn listen_socket(
    host: String,
    port: u32,
    backlog: i32,
    exclusive: bool,
    send_buffer_bytes: Option<i32>,
    receive_buffer_bytes: Option<i32>,
) -> Result<Vec<u32>> {
    let port = u16::try_from(port).map_err(|_| refused("ERR_MILLRACE_ARGUMENT", "a port is at most 65535"))?;
    let buffers = segment::net::Buffers { send: send_buffer_bytes.unwrap_or(0), receive: receive_buffer_bytes.unwrap_or(0) };
    let (fd, port) = segment::net::listen(&host, port, backlog, exclusive, buffers).map_err(thrown)?;
    Ok(vec![fd as u32, port as u32])
}

#[napi]
pub fn close_descriptor(fd: i32) -> Result<()> {
    segment::net::close(fd).map_err(thrown)
}

#[napi]
pub fn park_descriptor(fd: i32) -> Result<f64> {
    segment::net::park(fd).map(|number| number as f64).map_err(thrown)
}

#[napi]
pub fn take_descriptor(parked: f64) -> i32 {
    segment::net::take_parked(parked as u64).unwrap_or(-1)
}
