//! The header of a v2 record batch: where each field lies, reading them, and patching them in place.

use crate::crc::crc32c;

pub const BASE_OFFSET: usize = 0;
pub const LENGTH: usize = 8;
pub const LEADER_EPOCH: usize = 12;
pub const MAGIC: usize = 16;
pub const CRC: usize = 17;
pub const ATTRIBUTES: usize = 21;
pub const LAST_OFFSET_DELTA: usize = 23;
pub const BASE_TIMESTAMP: usize = 27;
pub const MAX_TIMESTAMP: usize = 35;
pub const PRODUCER_ID: usize = 43;
pub const PRODUCER_EPOCH: usize = 51;
pub const BASE_SEQUENCE: usize = 53;
pub const RECORD_COUNT: usize = 57;
/// Where records begin: the size of an empty batch.
pub const OVERHEAD: usize = 61;
/// Bytes before what `LENGTH` counts.
pub const LOG_OVERHEAD: usize = 12;

pub const CODEC_MASK: i16 = 0x07;
pub const LOG_APPEND_TIME: i16 = 0x08;
pub const TRANSACTIONAL: i16 = 0x10;
pub const CONTROL: i16 = 0x20;
pub const DELETE_HORIZON: i16 = 0x40;

#[inline(always)]
pub fn get_i16(b: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([b[at], b[at + 1]])
}

#[inline(always)]
pub fn get_i32(b: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(b[at..at + 4].try_into().expect("four bytes"))
}

#[inline(always)]
pub fn get_i64(b: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}

#[inline(always)]
pub fn put_i32(b: &mut [u8], at: usize, value: i32) {
    b[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

#[inline(always)]
pub fn put_i64(b: &mut [u8], at: usize, value: i64) {
    b[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// What a scan needs of a header. `size` is the whole batch in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub base_offset: i64,
    pub size: usize,
    pub leader_epoch: i32,
    pub magic: u8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl Header {
    /// Reads the fields; `None` when fewer than 61 bytes are there or the length field is below the minimum.
    #[inline]
    pub fn parse(b: &[u8]) -> Option<Header> {
        if b.len() < OVERHEAD {
            return None;
        }
        let length = get_i32(b, LENGTH);
        if length < (OVERHEAD - LOG_OVERHEAD) as i32 {
            return None;
        }
        Some(Header {
            base_offset: get_i64(b, BASE_OFFSET),
            size: length as usize + LOG_OVERHEAD,
            leader_epoch: get_i32(b, LEADER_EPOCH),
            magic: b[MAGIC],
            crc: get_i32(b, CRC) as u32,
            attributes: get_i16(b, ATTRIBUTES),
            last_offset_delta: get_i32(b, LAST_OFFSET_DELTA),
            base_timestamp: get_i64(b, BASE_TIMESTAMP),
            max_timestamp: get_i64(b, MAX_TIMESTAMP),
            producer_id: get_i64(b, PRODUCER_ID),
            producer_epoch: get_i16(b, PRODUCER_EPOCH),
            base_sequence: get_i32(b, BASE_SEQUENCE),
            count: get_i32(b, RECORD_COUNT),
        })
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(self.last_offset_delta as i64)
    }

    pub fn codec(&self) -> u8 {
        (self.attributes & CODEC_MASK) as u8
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// True when the header can be that of a batch stored in a segment whose next offset is `next_offset`.
    pub fn is_plausible(&self, segment_base: i64, next_offset: i64) -> bool {
        self.magic == 2
            && self.last_offset_delta >= 0
            && self.count >= 0
            && self.base_offset >= next_offset
            && self.last_offset() >= self.base_offset
            && self.last_offset() - segment_base <= i32::MAX as i64
    }

    /// True when the batch can have the offsets it says, which no checksum covers. Where some are left out before it, the
    /// batch behind it must not begin among them or its own; `following`, asked only then, gives that one's header.
    pub fn is_placed<E>(
        &self,
        segment_base: i64,
        next_offset: i64,
        following: impl FnOnce() -> Result<Option<Header>, E>,
    ) -> Result<bool, E> {
        if !self.is_plausible(segment_base, next_offset) {
            return Ok(false);
        }
        if self.base_offset == next_offset {
            return Ok(true);
        }
        let begins_inside = |f: Header| f.is_plausible(segment_base, next_offset) && f.base_offset <= self.last_offset();
        Ok(!following()?.is_some_and(begins_inside))
    }
}

/// Recomputes and stores the CRC of a whole batch.
pub fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[ATTRIBUTES..]);
    put_i32(batch, CRC, crc as i32);
}

/// True when the stored CRC matches. `batch` is exactly one batch of at least 61 bytes.
#[inline]
pub fn crc_matches(batch: &[u8]) -> bool {
    crc32c(&batch[ATTRIBUTES..]) == get_i32(batch, CRC) as u32
}

/// Sets timestamp type and max timestamp as the log wants them; recomputes the CRC only when bytes changed.
pub fn set_timestamps(batch: &mut [u8], log_append_time: bool, max_timestamp: i64) {
    let attributes = get_i16(batch, ATTRIBUTES);
    let wanted = if log_append_time { attributes | LOG_APPEND_TIME } else { attributes & !LOG_APPEND_TIME };
    if wanted == attributes && get_i64(batch, MAX_TIMESTAMP) == max_timestamp {
        return;
    }
    batch[ATTRIBUTES..ATTRIBUTES + 2].copy_from_slice(&wanted.to_be_bytes());
    put_i64(batch, MAX_TIMESTAMP, max_timestamp);
    seal(batch);
}
