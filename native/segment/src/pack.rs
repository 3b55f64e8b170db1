//! Writes a column of values as records: no key, no headers, one after the other, byte for byte what the client's batch
//! builder writes for each. No header and no checksum; the batch around them is the builder's.

use crate::walk::put_varlong;

/// What a record takes at most beside its value: size, attributes, timestamp and offset delta, no key, value length, no headers.
const MOST_AROUND: usize = 5 + 1 + 10 + 5 + 1 + 5 + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Where the next record goes.
    pub position: usize,
    /// The first value that was not taken.
    pub next: usize,
}

/// Value `i` is `values[offsets[i], offsets[i + 1])`. Takes values from `from` on as long as they are sure to fit; `Err(i)`:
/// the offsets of value `i` do not lie in `values`, and nothing of it was written.
pub fn pack(
    target: &mut [u8],
    position: usize,
    values: &[u8],
    offsets: &[i32],
    from: usize,
    first_delta: i32,
    timestamp_delta: i64,
) -> Result<Packed, usize> {
    let mut time = Vec::with_capacity(10);
    put_varlong(&mut time, timestamp_delta);
    let time_size = time.len();
    let count = offsets.len().saturating_sub(1);
    let mut at = position;
    let mut delta = first_delta;
    for next in from..count {
        let (start, end) = (offsets[next], offsets[next + 1]);
        if start < 0 || end < start || end as usize > values.len() {
            return Err(next);
        }
        let value = &values[start as usize..end as usize];
        if at + MOST_AROUND + value.len() > target.len() {
            return Ok(Packed { position: at, next });
        }
        let size = 3 + time_size + size_of(delta) + size_of(value.len() as i32) + value.len();
        at += put(&mut target[at..], size as i32);
        target[at] = 0;
        at += 1;
        if timestamp_delta == 0 {
            target[at] = 0;
        } else {
            target[at..at + time_size].copy_from_slice(&time);
        }
        at += time_size;
        at += put(&mut target[at..], delta);
        target[at] = 1; // a key length of -1
        at += 1;
        at += put(&mut target[at..], value.len() as i32);
        target[at..at + value.len()].copy_from_slice(value);
        at += value.len();
        target[at] = 0;
        at += 1;
        delta = delta.wrapping_add(1);
    }
    Ok(Packed { position: at, next: count.max(from) })
}

/// Bytes of a varint of a number from 0 on.
#[inline(always)]
fn size_of(value: i32) -> usize {
    match value as u32 {
        0..0x40 => 1,
        0x40..0x2000 => 2,
        0x2000..0x10_0000 => 3,
        0x10_0000..0x800_0000 => 4,
        _ => 5,
    }
}

#[inline(always)]
fn put(out: &mut [u8], value: i32) -> usize {
    let mut rest = (value as u32) << 1;
    if rest < 0x80 {
        out[0] = rest as u8;
        return 1;
    }
    if rest < 0x4000 {
        out[0] = rest as u8 | 0x80;
        out[1] = (rest >> 7) as u8;
        return 2;
    }
    let mut at = 0;
    while rest > 0x7f {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}
