//! The two indexes of a segment, held in memory and written out whole.
//!
//! `.index`: entries of 8 bytes, `int32 relative offset, int32 position`; the offset is the LAST one of the batch
//! at that position. `.timeindex`: entries of 12 bytes, `int64 timestamp, int32 relative offset`: no record
//! before that offset's batch has a larger timestamp. Kafka preallocates both with zeros, so a zero tail is the end.

pub const OFFSET_ENTRY: usize = 8;
pub const TIME_ENTRY: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetEntry {
    pub relative: i32,
    pub position: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeEntry {
    pub timestamp: i64,
    pub relative: i32,
}

#[derive(Debug, Clone, Default)]
pub struct Indexes {
    pub offsets: Vec<OffsetEntry>,
    pub times: Vec<TimeEntry>,
}

impl Indexes {
    /// `None` when the bytes cannot be the indexes of a log of `size` bytes; then they are rebuilt.
    pub fn decode(offsets: &[u8], times: &[u8], size: u64) -> Option<Indexes> {
        let mut indexes = Indexes::default();
        for entry in offsets.chunks(OFFSET_ENTRY) {
            let entry: [u8; OFFSET_ENTRY] = entry.try_into().ok()?;
            let relative = i32::from_be_bytes(entry[..4].try_into().ok()?);
            let position = i32::from_be_bytes(entry[4..].try_into().ok()?);
            if relative == 0 && position == 0 {
                break;
            }
            let grows = indexes.offsets.last().is_none_or(|l| relative > l.relative && position > l.position);
            if relative < 0 || position < 0 || !grows || position as u64 >= size {
                return None;
            }
            indexes.offsets.push(OffsetEntry { relative, position });
        }
        for entry in times.chunks(TIME_ENTRY) {
            let entry: [u8; TIME_ENTRY] = entry.try_into().ok()?;
            let timestamp = i64::from_be_bytes(entry[..8].try_into().ok()?);
            let relative = i32::from_be_bytes(entry[8..].try_into().ok()?);
            if timestamp == 0 && relative == 0 {
                break;
            }
            let grows = indexes.times.last().is_none_or(|l| timestamp > l.timestamp && relative >= l.relative);
            if relative < 0 || !grows {
                return None;
            }
            indexes.times.push(TimeEntry { timestamp, relative });
        }
        Some(indexes)
    }

    pub fn encode_offsets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.offsets.len() * OFFSET_ENTRY);
        for e in &self.offsets {
            out.extend_from_slice(&e.relative.to_be_bytes());
            out.extend_from_slice(&e.position.to_be_bytes());
        }
        out
    }

    pub fn encode_times(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.times.len() * TIME_ENTRY);
        for e in &self.times {
            out.extend_from_slice(&e.timestamp.to_be_bytes());
            out.extend_from_slice(&e.relative.to_be_bytes());
        }
        out
    }

    /// Adds a time entry when it says more than the last one does.
    pub fn add_time(&mut self, timestamp: i64, relative: i32) {
        let grows = self.times.last().map_or(timestamp >= 0, |l| timestamp > l.timestamp && relative >= l.relative);
        if grows {
            self.times.push(TimeEntry { timestamp, relative });
        }
    }

    /// Position of the last entry whose offset is at most `relative`; 0 when there is none.
    pub fn lookup(&self, relative: i64) -> u64 {
        let after = self.offsets.partition_point(|e| e.relative as i64 <= relative);
        if after == 0 {
            0
        } else {
            self.offsets[after - 1].position as u64
        }
    }

    /// First indexed position behind `position`.
    pub fn next_position(&self, position: u64) -> Option<u64> {
        let at = self.offsets.partition_point(|e| e.position as u64 <= position);
        self.offsets.get(at).map(|e| e.position as u64)
    }

    /// Relative offset that batches from `position` (0 or an indexed one) on begin at or above: what the entry before it says.
    pub fn offset_before(&self, position: u64) -> i64 {
        let at = self.offsets.partition_point(|e| (e.position as u64) < position);
        at.checked_sub(1).map_or(0, |at| self.offsets[at].relative as i64 + 1)
    }

    /// Relative offset of the entry for `position`.
    pub fn offset_at(&self, position: u64) -> Option<i64> {
        let at = self.offsets.partition_point(|e| (e.position as u64) < position);
        self.offsets.get(at).filter(|e| e.position as u64 == position).map(|e| e.relative as i64)
    }

    /// Last indexed position before `position`; 0 when there is none.
    pub fn position_before(&self, position: u64) -> u64 {
        let at = self.offsets.partition_point(|e| (e.position as u64) < position);
        at.checked_sub(1).map_or(0, |at| self.offsets[at].position as u64)
    }

    /// Relative offset of the last time entry whose timestamp is at most `timestamp`.
    pub fn lookup_time(&self, timestamp: i64) -> i64 {
        let after = self.times.partition_point(|e| e.timestamp <= timestamp);
        if after == 0 {
            0
        } else {
            self.times[after - 1].relative as i64
        }
    }

    /// Drops what describes bytes at or after `size`, or offsets at or after `relative`.
    pub fn truncate(&mut self, size: u64, relative: i64) {
        let keep = self.offsets.partition_point(|e| (e.position as u64) < size);
        self.offsets.truncate(keep);
        let keep = self.times.partition_point(|e| (e.relative as i64) < relative);
        self.times.truncate(keep);
    }
}

/// Decides when an entry is due while batches are appended in order. Shared by append, recovery and compaction,
/// so that all three make the same indexes.
#[derive(Debug, Clone, Copy)]
pub struct Indexer {
    pub base_offset: i64,
    pub interval: u64,
    pub max_entries: usize,
    pub bytes_since_entry: u64,
    pub max_timestamp: i64,
    pub offset_of_max: i64,
}

impl Indexer {
    pub fn new(base_offset: i64, interval: u64, max_entries: usize) -> Self {
        Indexer { base_offset, interval, max_entries, bytes_since_entry: 0, max_timestamp: -1, offset_of_max: base_offset }
    }

    #[inline]
    pub fn add(&mut self, indexes: &mut Indexes, last_offset: i64, max_timestamp: i64, position: u64, size: u64) {
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.offset_of_max = last_offset;
        }
        if self.bytes_since_entry > self.interval && indexes.offsets.len() < self.max_entries {
            self.entry(indexes, last_offset, position);
        }
        self.bytes_since_entry += size;
    }

    /// Makes an entry now.
    pub fn entry(&mut self, indexes: &mut Indexes, last_offset: i64, position: u64) {
        let relative = (last_offset - self.base_offset) as i32;
        indexes.offsets.push(OffsetEntry { relative, position: position as i32 });
        self.finish(indexes);
        self.bytes_since_entry = 0;
    }

    /// The entry a closed segment ends with: its largest timestamp.
    pub fn finish(&self, indexes: &mut Indexes) {
        indexes.add_time(self.max_timestamp, (self.offset_of_max - self.base_offset) as i32);
    }
}
