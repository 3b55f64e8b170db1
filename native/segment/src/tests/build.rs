//! Batches for tests.

use crate::batch;
use crate::codec;
use crate::lossy::Seeded;
use crate::walk::{put_varint, put_varlong};

/// The seed of this run, printed so that a failure shows it.
pub fn seed() -> u64 {
    let seed = match std::env::var("SEGMENT_SEED") {
        Ok(text) => text.parse().expect("SEGMENT_SEED is a number"),
        Err(_) => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos() as u64,
    };
    eprintln!("SEGMENT_SEED={seed}");
    seed
}

#[derive(Clone, Debug, Default)]
pub struct Rec {
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Rec {
    pub fn of(key: &str, value: Option<&str>) -> Rec {
        let value = value.map(|v| v.as_bytes().to_vec());
        Rec { timestamp: 1000, key: Some(key.into()), value, headers: Vec::new() }
    }
}

/// How a batch is made; the fields that tests vary.
#[derive(Clone, Debug)]
pub struct Make {
    pub base_offset: i64,
    pub codec: u8,
    pub producer: (i64, i16, i32),
    pub attributes: i16,
    pub leader_epoch: i32,
}

impl Default for Make {
    fn default() -> Self {
        Make { base_offset: 0, codec: 0, producer: (-1, -1, -1), attributes: 0, leader_epoch: 0 }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(b) => {
            put_varint(out, b.len() as i32);
            out.extend_from_slice(b);
        }
    }
}

pub fn record(offset_delta: i32, timestamp_delta: i64, rec: &Rec) -> Vec<u8> {
    let mut body = vec![0];
    put_varlong(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    put_bytes(&mut body, rec.key.as_deref());
    put_bytes(&mut body, rec.value.as_deref());
    put_varint(&mut body, rec.headers.len() as i32);
    for (key, value) in &rec.headers {
        put_bytes(&mut body, Some(key));
        put_bytes(&mut body, value.as_deref());
    }
    let mut out = Vec::new();
    put_varint(&mut out, body.len() as i32);
    out.extend(body);
    out
}

/// A batch around record bytes as they are.
pub fn wrap(make: &Make, records: &[u8], count: i32, base_timestamp: i64, max_timestamp: i64) -> Vec<u8> {
    let mut out = vec![0; batch::OVERHEAD];
    codec::compress(make.codec, -1, records, &mut out).unwrap();
    batch::put_i64(&mut out, batch::BASE_OFFSET, make.base_offset);
    let length = (out.len() - batch::LOG_OVERHEAD) as i32;
    batch::put_i32(&mut out, batch::LENGTH, length);
    batch::put_i32(&mut out, batch::LEADER_EPOCH, make.leader_epoch);
    out[batch::MAGIC] = 2;
    let attributes = make.attributes | make.codec as i16;
    out[batch::ATTRIBUTES..batch::ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
    batch::put_i32(&mut out, batch::LAST_OFFSET_DELTA, count - 1);
    batch::put_i64(&mut out, batch::BASE_TIMESTAMP, base_timestamp);
    batch::put_i64(&mut out, batch::MAX_TIMESTAMP, max_timestamp);
    batch::put_i64(&mut out, batch::PRODUCER_ID, make.producer.0);
    out[batch::PRODUCER_EPOCH..batch::PRODUCER_EPOCH + 2].copy_from_slice(&make.producer.1.to_be_bytes());
    batch::put_i32(&mut out, batch::BASE_SEQUENCE, make.producer.2);
    batch::put_i32(&mut out, batch::RECORD_COUNT, count);
    batch::seal(&mut out);
    out
}

pub fn make_batch(make: &Make, recs: &[Rec]) -> Vec<u8> {
    let base = recs.first().map_or(-1, |r| r.timestamp);
    let max = recs.iter().map(|r| r.timestamp).max().unwrap_or(-1);
    let mut records = Vec::new();
    for (i, rec) in recs.iter().enumerate() {
        records.extend(record(i as i32, rec.timestamp - base, rec));
    }
    wrap(make, &records, recs.len() as i32, base, max)
}

/// A transaction marker.
pub fn marker(base_offset: i64, producer: i64, commit: bool) -> Vec<u8> {
    let key = vec![0, 0, 0, u8::from(commit)];
    let value = vec![0, 0, 0, 0, 0, 9];
    let rec = Rec { timestamp: 1000, key: Some(key), value: Some(value), headers: Vec::new() };
    let attributes = batch::CONTROL | batch::TRANSACTIONAL;
    make_batch(&Make { base_offset, producer: (producer, 0, -1), attributes, ..Make::default() }, &[rec])
}

pub fn random_bytes(random: &mut Seeded, most: u64) -> Vec<u8> {
    let n = random.below(most + 1);
    let repeat = random.chance(50);
    (0..n).map(|i| if repeat { (i / 16) as u8 } else { random.draw() as u8 }).collect()
}

pub fn random_rec(random: &mut Seeded, most: u64) -> Rec {
    let timestamp = 1_700_000_000_000 + random.below(1_000_000) as i64;
    let key = (!random.chance(20)).then(|| random_bytes(random, 30));
    let value = (!random.chance(10)).then(|| random_bytes(random, most));
    let headers = if random.chance(80) {
        Vec::new()
    } else {
        (0..random.below(4)).map(|_| (random_bytes(random, 9), random.chance(70).then(|| random_bytes(random, 20)))).collect()
    };
    Rec { timestamp, key, value, headers }
}

pub fn random_recs(random: &mut Seeded, most_records: u64, most_bytes: u64) -> Vec<Rec> {
    (0..1 + random.below(most_records)).map(|_| random_rec(random, most_bytes)).collect()
}
