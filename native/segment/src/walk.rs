//! Records inside a batch: the varints, one record's fields, and an iterator over decoded records.

/// A record's fields that rules look at; lengths are -1 for null.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key_at: usize,
    pub key_length: i32,
    pub value_at: usize,
    pub value_length: i32,
}

/// Unsigned varint of at most 5 bytes.
#[inline(always)]
fn unsigned32(b: &[u8], at: &mut usize) -> Option<u32> {
    let first = *b.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(first as u32);
    }
    unsigned32_rest(b, at, first)
}

#[inline]
fn unsigned32_rest(b: &[u8], at: &mut usize, first: u8) -> Option<u32> {
    let mut value = (first & 0x7f) as u32;
    for shift in [7u32, 14, 21, 28] {
        let byte = *b.get(*at)?;
        *at += 1;
        value |= ((byte & 0x7f) as u32) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Zigzag varint, 32 bits. `None`: the bytes end, or it is longer than 5 bytes.
#[inline(always)]
pub fn varint(b: &[u8], at: &mut usize) -> Option<i32> {
    let raw = unsigned32(b, at)?;
    Some(((raw >> 1) as i32) ^ -((raw & 1) as i32))
}

/// Zigzag varint, 64 bits, at most 10 bytes.
#[inline(always)]
pub fn varlong(b: &[u8], at: &mut usize) -> Option<i64> {
    let first = *b.get(*at)?;
    *at += 1;
    let raw = if first < 0x80 { first as u64 } else { unsigned64_rest(b, at, first)? };
    Some(((raw >> 1) as i64) ^ -((raw & 1) as i64))
}

#[inline]
fn unsigned64_rest(b: &[u8], at: &mut usize, first: u8) -> Option<u64> {
    let mut value = (first & 0x7f) as u64;
    let mut shift = 7;
    while shift < 70 {
        let byte = *b.get(*at)?;
        *at += 1;
        value |= ((byte & 0x7f) as u64).wrapping_shl(shift);
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
    None
}

pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_varlong(out, value as i64);
}

pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// A record's size: a varint that may not be negative.
#[inline(always)]
pub fn record_size(b: &[u8], at: &mut usize) -> Option<usize> {
    if let Some(two) = b.get(*at..*at + 2) {
        let (first, second) = (two[0] as usize, two[1] as usize);
        // Zigzag of a non-negative number is even; one or two bytes hold sizes below 8192.
        if first & 1 == 0 && first < 0x80 {
            *at += 1;
            return Some(first >> 1);
        }
        if first & 1 == 0 && second < 0x80 {
            *at += 2;
            return Some((first & 0x7f) >> 1 | second << 6);
        }
    }
    usize::try_from(varint(b, at)?).ok()
}

/// Bytes that hold every fixed field before the key: attributes 1, timestamp delta 10, offset delta 5, key length 5.
const BEFORE_KEY: usize = 21;

/// Reads one record's body (after its size) and requires that it is exactly `body`.
#[inline(always)]
pub fn record_body(body: &[u8]) -> Option<Fields> {
    match record_quick(body) {
        Some(fields) => Some(fields),
        None => record_full(body),
    }
}

/// The usual record: no headers, lengths of one or two bytes, deltas of at most three. `None` says nothing: the full walk decides.
#[inline(always)]
fn record_quick(body: &[u8]) -> Option<Fields> {
    let size = body.len();
    if size < BEFORE_KEY + 4 {
        return None;
    }
    let mut at = 1;
    // SAFETY: each of the three reads below takes at most 3 bytes from `at` <= 7, and `size` is at least 25.
    let (timestamp, offset, key_length) = unsafe { (quick(body, &mut at)?, quick(body, &mut at)?, quick(body, &mut at)?) };
    let key_at = at;
    at += key_length.max(0) as usize;
    if at + 4 > size {
        return None;
    }
    // SAFETY: at most 3 bytes from `at`, and `at + 4 <= size`.
    let value_length = unsafe { quick(body, &mut at)? };
    let value_at = at;
    at += value_length.max(0) as usize;
    if at + 1 != size || body[at] != 0 {
        return None;
    }
    Some(Fields { timestamp_delta: timestamp as i64, offset_delta: offset, key_at, key_length, value_at, value_length })
}

/// A zigzag varint of one to three bytes.
///
/// # Safety
/// `*at + 3 <= b.len()`.
#[inline(always)]
unsafe fn quick(b: &[u8], at: &mut usize) -> Option<i32> {
    // SAFETY: the caller's promise covers all three reads.
    let byte = |n: usize| unsafe { *b.get_unchecked(*at + n) } as u32;
    let first = byte(0);
    let (raw, used) = if first < 0x80 {
        (first, 1)
    } else {
        let second = byte(1);
        if second < 0x80 {
            ((first & 0x7f) | second << 7, 2)
        } else {
            let third = byte(2);
            if third >= 0x80 {
                return None;
            }
            ((first & 0x7f) | (second & 0x7f) << 7 | third << 14, 3)
        }
    };
    *at += used;
    Some(((raw >> 1) as i32) ^ -((raw & 1) as i32))
}

#[inline(never)]
fn record_full(body: &[u8]) -> Option<Fields> {
    let mut at = 1; // attributes: unused
    let timestamp_delta = varlong(body, &mut at)?;
    let offset_delta = varint(body, &mut at)?;
    let key_length = varint(body, &mut at)?;
    let key_at = at;
    at = skip(body, at, key_length)?;
    let value_length = varint(body, &mut at)?;
    let value_at = at;
    at = skip(body, at, value_length)?;
    let headers = varint(body, &mut at)?;
    if headers != 0 {
        at = skip_headers(body, at, headers)?;
    }
    if at != body.len() {
        return None;
    }
    Some(Fields { timestamp_delta, offset_delta, key_at, key_length, value_at, value_length })
}

/// A negative length is null, as Kafka reads it.
#[inline(always)]
fn skip(body: &[u8], at: usize, length: i32) -> Option<usize> {
    if length <= 0 {
        return Some(at);
    }
    let end = at + length as usize;
    if end > body.len() {
        return None;
    }
    Some(end)
}

#[inline(never)]
fn skip_headers(body: &[u8], mut at: usize, count: i32) -> Option<usize> {
    if count < 0 || count as usize > body.len() - at {
        return None;
    }
    for _ in 0..count {
        let key = varint(body, &mut at)?;
        if key < 0 {
            return None;
        }
        at = skip(body, at, key)?;
        let value = varint(body, &mut at)?;
        at = skip(body, at, value)?;
    }
    Some(at)
}

/// One decoded record, borrowed from its batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The record with its size prefix, as stored.
    pub raw: &'a [u8],
    pub body: &'a [u8],
    pub fields: Fields,
}

impl<'a> Record<'a> {
    pub fn key(&self) -> Option<&'a [u8]> {
        part(self.body, self.fields.key_at, self.fields.key_length)
    }

    pub fn value(&self) -> Option<&'a [u8]> {
        part(self.body, self.fields.value_at, self.fields.value_length)
    }

    /// Everything from the key's length on: what stays the same when deltas change.
    pub fn tail(&self) -> &'a [u8] {
        let mut at = 1;
        let _ = varlong(self.body, &mut at);
        let _ = varint(self.body, &mut at);
        &self.body[at..]
    }
}

fn part(body: &[u8], at: usize, length: i32) -> Option<&[u8]> {
    if length < 0 {
        None
    } else {
        Some(&body[at..at + length as usize])
    }
}

/// Iterates decoded records; ends early (with `failed`) on bytes that do not hold together.
pub struct Records<'a> {
    data: &'a [u8],
    at: usize,
    left: i32,
    pub failed: bool,
}

impl<'a> Records<'a> {
    pub fn new(data: &'a [u8], count: i32) -> Self {
        Records { data, at: 0, left: count, failed: false }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.left <= 0 || self.failed {
            return None;
        }
        self.left -= 1;
        let start = self.at;
        let parsed = (|| {
            let size = varint(self.data, &mut self.at)?;
            let end = self.at.checked_add(usize::try_from(size).ok()?)?;
            let body = self.data.get(self.at..end)?;
            self.at = end;
            Some(Record { raw: &self.data[start..end], body, fields: record_body(body)? })
        })();
        self.failed = parsed.is_none();
        parsed
    }
}
