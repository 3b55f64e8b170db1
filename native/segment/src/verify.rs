//! Says whether one batch may enter a log: what Kafka checks of a v2 batch before it appends it.
//!
//! Order of the checks is Kafka's, so that a batch that is wrong in two ways gets the same answer: sizes,
//! magic, base offset, CRC, then the rules for clients, then record by record. A broken structure ends the
//! walk at once; a broken rule of one record (key, timestamp) is remembered, and a timestamp wins over a key.

use std::cell::RefCell;

use crate::batch::{self, Header};
use crate::codec::{self, Decoder};
use crate::walk::{record_body, record_size, varint, varlong};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    Ok = 0,
    Corrupt = 1,
    Invalid = 2,
    Timestamp = 3,
    MissingKey = 4,
    Codec = 5,
    TooLarge = 6,
    Magic = 7,
}

#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub require_key: bool,
    pub from_client: bool,
    pub check_timestamps: bool,
    pub min_timestamp: i64,
    pub max_timestamp: i64,
    pub max_uncompressed: u64,
}

/// What the walk learned. `max_timestamp_delta` is the offset delta of the first record with the largest timestamp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub records: i64,
    pub max_timestamp: i64,
    pub max_timestamp_delta: i64,
    pub failed_index: i64,
    pub uncompressed_size: i64,
    /// Records that broke a rule (key, timestamp), the first `MOST_FAILED` of them.
    pub failed: Vec<i32>,
}

/// As many refused records as an answer names.
pub const MOST_FAILED: usize = 64;

struct Walk<'r> {
    rules: &'r Rules,
    header: Header,
    index: i32,
    previous_delta: i32,
    max_timestamp: i64,
    max_delta: i32,
    rule_broken: Verdict,
    failed_index: i64,
    failed: Vec<i32>,
}

/// Checks one whole batch. `data` is exactly the batch.
pub fn verify(data: &[u8], rules: &Rules) -> (Verdict, Findings) {
    check(data, rules, batch::crc_matches)
}

/// The same for a batch that was built in this process and has no checksum yet: it gets one, every other check stays.
pub fn seal_and_verify(data: &mut [u8], rules: &Rules) -> (Verdict, Findings) {
    if data.len() >= batch::OVERHEAD {
        batch::seal(data);
    }
    check(data, rules, |_| true)
}

fn check(data: &[u8], rules: &Rules, crc_holds: impl Fn(&[u8]) -> bool) -> (Verdict, Findings) {
    let mut found = Findings { max_timestamp: -1, max_timestamp_delta: -1, failed_index: -1, ..Findings::default() };
    let Some(header) = Header::parse(data) else {
        let magic_known_wrong = data.len() > batch::MAGIC && data[batch::MAGIC] != 2;
        return (if magic_known_wrong { Verdict::Magic } else { Verdict::Corrupt }, found);
    };
    if header.magic != 2 {
        return (Verdict::Magic, found);
    }
    if header.size != data.len() {
        return (Verdict::Corrupt, found);
    }
    if rules.from_client && header.base_offset != 0 {
        return (Verdict::Invalid, found);
    }
    if !crc_holds(data) {
        return (Verdict::Corrupt, found);
    }
    found.records = header.count as i64;
    if let Some(verdict) = check_header(&header, rules) {
        return (verdict, found);
    }
    let mut walk = Walk {
        rules,
        header,
        index: 0,
        previous_delta: -1,
        max_timestamp: -1,
        max_delta: -1,
        rule_broken: Verdict::Ok,
        failed_index: -1,
        failed: Vec::new(),
    };
    let records = &data[batch::OVERHEAD..];
    let (verdict, size) =
        if header.codec() == codec::NONE { (walk.plain(records), records.len() as u64) } else { walk.compressed(records) };
    found.uncompressed_size = size as i64;
    found.max_timestamp = walk.max_timestamp;
    found.max_timestamp_delta = walk.max_delta as i64;
    if verdict != Verdict::Ok {
        found.failed_index = walk.index as i64;
        return (verdict, found);
    }
    found.failed_index = walk.failed_index;
    found.failed = walk.failed;
    (walk.rule_broken, found)
}

fn check_header(header: &Header, rules: &Rules) -> Option<Verdict> {
    if header.codec() > codec::ZSTD {
        return Some(Verdict::Codec);
    }
    if header.count < 0 || header.last_offset_delta < 0 {
        return Some(Verdict::Invalid);
    }
    if rules.from_client {
        let counted = header.count > 0 && header.last_offset_delta as i64 + 1 == header.count as i64;
        if !counted || header.is_control() || (header.producer_id > -1 && header.base_sequence < 0) {
            return Some(Verdict::Invalid);
        }
    } else if header.count as i64 > header.last_offset_delta as i64 + 1 {
        return Some(Verdict::Invalid);
    }
    None
}

/// A record cannot be smaller than its size byte and six one-byte fields.
const SMALLEST_RECORD: u64 = 7;

impl Walk<'_> {
    /// Records as they are. The caller sees in `index` where it stopped.
    #[inline(never)]
    fn plain(&mut self, data: &[u8]) -> Verdict {
        if (self.header.count as u64).saturating_mul(SMALLEST_RECORD) > data.len() as u64 {
            return Verdict::Invalid;
        }
        if data.len() as u64 > self.rules.max_uncompressed {
            return Verdict::TooLarge;
        }
        // A client's batch in create time, the common case, goes through a loop that keeps its state in registers.
        let (verdict, at) = if self.rules.from_client && !self.header.is_log_append_time() {
            self.client_records(data)
        } else {
            self.any_records(data)
        };
        if verdict != Verdict::Ok {
            return verdict;
        }
        self.index = self.header.count;
        if at == data.len() {
            Verdict::Ok
        } else {
            Verdict::Invalid
        }
    }

    fn any_records(&mut self, data: &[u8]) -> (Verdict, usize) {
        let mut at = 0;
        for index in 0..self.header.count {
            self.index = index;
            let Some(size) = varint(data, &mut at) else { return (Verdict::Invalid, at) };
            if size < 0 || size as usize > data.len() - at {
                return (Verdict::Invalid, at);
            }
            let end = at + size as usize;
            let Some(fields) = record_body(&data[at..end]) else { return (Verdict::Invalid, at) };
            if !self.record(fields.timestamp_delta, fields.offset_delta, fields.key_length) {
                return (Verdict::Invalid, at);
            }
            at = end;
        }
        (Verdict::Ok, at)
    }

    fn client_records(&mut self, data: &[u8]) -> (Verdict, usize) {
        let base = self.header.base_timestamp;
        let (low, high) =
            if self.rules.check_timestamps { (self.rules.min_timestamp, self.rules.max_timestamp) } else { (i64::MIN, i64::MAX) };
        let least_key = if self.rules.require_key { 0 } else { i32::MIN };
        let (mut max_timestamp, mut max_delta) = (-1i64, -1i32);
        let mut at = 0;
        for index in 0..self.header.count {
            let body = record_size(data, &mut at).and_then(|size| data.get(at..at + size));
            let fields = body.and_then(record_body).filter(|f| f.offset_delta == index);
            let (Some(body), Some(fields)) = (body, fields) else {
                self.index = index;
                return (Verdict::Invalid, at);
            };
            at += body.len();
            let timestamp = base.wrapping_add(fields.timestamp_delta);
            if timestamp > max_timestamp {
                max_timestamp = timestamp;
                max_delta = index;
            }
            if fields.key_length < least_key {
                self.index = index;
                self.broken(Verdict::MissingKey);
            } else if (timestamp < low || timestamp > high) && timestamp != -1 {
                self.index = index;
                self.broken(Verdict::Timestamp);
            }
        }
        self.max_timestamp = max_timestamp;
        self.max_delta = max_delta;
        (Verdict::Ok, at)
    }

    /// The rules of one record. False: the offset delta is wrong.
    #[inline(always)]
    fn record(&mut self, timestamp_delta: i64, offset_delta: i32, key_length: i32) -> bool {
        if self.rules.from_client {
            if offset_delta != self.index {
                return false;
            }
        } else if offset_delta <= self.previous_delta || offset_delta > self.header.last_offset_delta {
            return false;
        }
        self.previous_delta = offset_delta;
        let log_append_time = self.header.is_log_append_time();
        let timestamp =
            if log_append_time { self.header.max_timestamp } else { self.header.base_timestamp.wrapping_add(timestamp_delta) };
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.max_delta = offset_delta;
        }
        if self.rules.require_key && key_length < 0 {
            self.broken(Verdict::MissingKey);
        } else if self.rules.check_timestamps && timestamp != -1 {
            if timestamp < self.rules.min_timestamp || timestamp > self.rules.max_timestamp {
                self.broken(Verdict::Timestamp);
            }
        } else if self.rules.from_client && log_append_time {
            self.broken(Verdict::Timestamp);
        }
        true
    }

    #[cold]
    fn broken(&mut self, verdict: Verdict) {
        if self.failed.len() < MOST_FAILED {
            self.failed.push(self.index);
        }
        if self.rule_broken == Verdict::Ok || (verdict == Verdict::Timestamp && self.rule_broken != verdict) {
            self.rule_broken = verdict;
            self.failed_index = self.index as i64;
        }
    }

    fn compressed(&mut self, data: &[u8]) -> (Verdict, u64) {
        let Some(decoder) = Decoder::new(self.header.codec(), data) else { return (Verdict::Codec, 0) };
        let mut buffer = WINDOW.with(|w| std::mem::take(&mut *w.borrow_mut()));
        if buffer.is_empty() {
            buffer.resize(WINDOW_BYTES, 0);
        }
        let mut window =
            Window { decoder, buffer, at: 0, end: 0, total: 0, limit: self.rules.max_uncompressed, stop: Stop::More };
        let verdict = self.stream(&mut window);
        let total = window.total;
        let verdict = match (verdict, window.stop) {
            (Verdict::Ok, _) | (_, Stop::More | Stop::End) => verdict,
            (_, Stop::BadData) => Verdict::Corrupt,
            (_, Stop::TooLarge) => Verdict::TooLarge,
        };
        WINDOW.with(|w| *w.borrow_mut() = window.buffer);
        (verdict, total)
    }

    fn stream(&mut self, window: &mut Window<'_>) -> Verdict {
        for index in 0..self.header.count {
            self.index = index;
            let Some(size) = window.varint() else { return Verdict::Invalid };
            if size < 0 {
                return Verdict::Invalid;
            }
            let size = size as usize;
            let fields = if size <= WINDOW_BYTES {
                if !window.have(size) {
                    return Verdict::Invalid;
                }
                let body = &window.buffer[window.at..window.at + size];
                let Some(f) = record_body(body) else { return Verdict::Invalid };
                window.at += size;
                Some((f.timestamp_delta, f.offset_delta, f.key_length))
            } else {
                large_record(window, size as u64)
            };
            let Some((timestamp_delta, offset_delta, key_length)) = fields else { return Verdict::Invalid };
            if !self.record(timestamp_delta, offset_delta, key_length) {
                return Verdict::Invalid;
            }
        }
        self.index = self.header.count;
        // Nothing may follow the last record.
        if window.have(1) || window.stop != Stop::End {
            return Verdict::Invalid;
        }
        Verdict::Ok
    }
}

/// A record larger than the window: its fields are read one by one and its bytes skipped as they come.
fn large_record(window: &mut Window<'_>, size: u64) -> Option<(i64, i32, i32)> {
    let start = window.position();
    window.skip(1)?;
    let timestamp_delta = window.varlong()?;
    let offset_delta = window.varint()?;
    let key_length = window.varint()?;
    let left = |w: &Window<'_>| size.checked_sub(w.position() - start);
    window.skip_within(key_length, left(window)?)?;
    let value_length = window.varint()?;
    window.skip_within(value_length, left(window)?)?;
    let headers = window.varint()?;
    if headers < 0 || headers as u64 > left(window)? {
        return None;
    }
    for _ in 0..headers {
        let key = window.varint()?;
        if key < 0 {
            return None;
        }
        window.skip_within(key, left(window)?)?;
        let value = window.varint()?;
        window.skip_within(value, left(window)?)?;
    }
    (left(window)? == 0).then_some((timestamp_delta, offset_delta, key_length))
}

const WINDOW_BYTES: usize = 64 * 1024;

thread_local! {
    static WINDOW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    More,
    End,
    BadData,
    TooLarge,
}

/// A sliding window over decoded bytes.
struct Window<'a> {
    decoder: Decoder<'a>,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    total: u64,
    limit: u64,
    stop: Stop,
}

impl Window<'_> {
    fn position(&self) -> u64 {
        self.total - (self.end - self.at) as u64
    }

    /// Makes `n` (at most the window's size) decoded bytes available at `at`.
    #[inline(always)]
    fn have(&mut self, n: usize) -> bool {
        self.end - self.at >= n || self.fill(n)
    }

    #[inline(never)]
    fn fill(&mut self, n: usize) -> bool {
        if self.stop != Stop::More {
            return false;
        }
        self.buffer.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        while self.end < n {
            match self.decoder.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.stop = Stop::End,
                Ok(got) => {
                    self.end += got;
                    self.total += got as u64;
                    if self.total > self.limit {
                        self.stop = Stop::TooLarge;
                    }
                }
                Err(_) => self.stop = Stop::BadData,
            }
            if self.stop != Stop::More {
                return self.stop == Stop::End && self.end >= n;
            }
        }
        true
    }

    #[inline(always)]
    fn varint(&mut self) -> Option<i32> {
        self.have(5);
        let mut at = self.at;
        let value = varint(&self.buffer[..self.end], &mut at)?;
        self.at = at;
        Some(value)
    }

    fn varlong(&mut self) -> Option<i64> {
        self.have(10);
        let mut at = self.at;
        let value = varlong(&self.buffer[..self.end], &mut at)?;
        self.at = at;
        Some(value)
    }

    fn skip(&mut self, mut n: u64) -> Option<()> {
        while n > 0 {
            if !self.have(1) {
                return None;
            }
            let step = n.min((self.end - self.at) as u64);
            self.at += step as usize;
            n -= step;
        }
        Some(())
    }

    fn skip_within(&mut self, length: i32, left: u64) -> Option<()> {
        if length <= 0 {
            return Some(());
        }
        if length as u64 > left {
            return None;
        }
        self.skip(length as u64)
    }
}

/// Why a batch could not be re-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecompressError {
    Refused(Verdict),
    Codec(String),
}

/// The same batch under another codec. The batch was verified before.
pub fn recompress(data: &[u8], codec: u8, level: i32, max_uncompressed: usize) -> Result<Vec<u8>, RecompressError> {
    let header =
        Header::parse(data).filter(|h| h.size == data.len() && h.magic == 2).ok_or(RecompressError::Refused(Verdict::Corrupt))?;
    let body = &data[batch::OVERHEAD..];
    let plain;
    let records = if header.codec() == codec::NONE {
        body
    } else {
        plain = codec::decompress(header.codec(), body, max_uncompressed).map_err(|e| {
            RecompressError::Refused(match e {
                codec::DecompressError::UnknownCodec => Verdict::Codec,
                codec::DecompressError::BadData => Verdict::Corrupt,
                codec::DecompressError::TooLarge => Verdict::TooLarge,
            })
        })?;
        &plain
    };
    let mut out = Vec::with_capacity(batch::OVERHEAD + records.len() / 2 + 64);
    out.extend_from_slice(&data[..batch::OVERHEAD]);
    codec::compress(codec, level, records, &mut out).map_err(RecompressError::Codec)?;
    let attributes = (header.attributes & !batch::CODEC_MASK) | codec as i16;
    out[batch::ATTRIBUTES..batch::ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
    let length = (out.len() - batch::LOG_OVERHEAD) as i32;
    batch::put_i32(&mut out, batch::LENGTH, length);
    batch::seal(&mut out);
    Ok(out)
}
