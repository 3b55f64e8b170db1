use std::collections::HashMap;
use std::path::Path;

use super::build::*;
use crate::batch::{self, Header};
use crate::codec;
use crate::compaction::{compact, Options, Outcome};
use crate::files::log_path;
use crate::lossy::{LossyStorage, Seeded};
use crate::verify::{verify, Rules, Verdict};
use crate::walk::Records;

const DIR: &str = "/t";

fn options(up_to: i64) -> Options {
    Options {
        map_segments: vec![0],
        map_from: 0,
        map_up_to: up_to,
        now: 10_000,
        delete_retention_ms: 500,
        max_uncompressed: 1 << 30,
        index_interval_bytes: 256,
        map_bytes: 1 << 20,
        ..Options::default()
    }
}

/// One decoded batch: header, and offset, timestamp, key, value of its records.
type Decoded = (Header, Vec<(i64, i64, Vec<u8>, Option<Vec<u8>>)>);

fn decode(mut bytes: &[u8]) -> Vec<Decoded> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let header = Header::parse(bytes).unwrap();
        let data = &bytes[..header.size];
        let rules = Rules {
            require_key: false,
            from_client: false,
            check_timestamps: false,
            min_timestamp: 0,
            max_timestamp: 0,
            max_uncompressed: 1 << 30,
        };
        assert_eq!(verify(data, &rules).0, Verdict::Ok, "at offset {}", header.base_offset);
        let plain = if header.count == 0 { Vec::new() } else { codec::decompress(header.codec(), &data[61..], 1 << 30).unwrap() };
        let records = Records::new(&plain, header.count)
            .map(|r| {
                let timestamp = header.base_timestamp + r.fields.timestamp_delta;
                let key = r.key().unwrap_or_default().to_vec();
                (header.base_offset + r.fields.offset_delta as i64, timestamp, key, r.value().map(<[u8]>::to_vec))
            })
            .collect();
        out.push((header, records));
        bytes = &bytes[header.size..];
    }
    out
}

fn run(storage: &LossyStorage, bases: &[i64], options: &Options) -> (Outcome, Vec<Decoded>) {
    let outcome = compact(storage, Path::new(DIR), bases, options).unwrap();
    let bytes = storage.bytes(Path::new("/t/00000000000000000000.log.cleaned")).unwrap();
    assert_eq!(bytes.len() as u64, outcome.bytes_out);
    (outcome, decode(&bytes))
}

fn put(storage: &LossyStorage, base: i64, batches: &[Vec<u8>]) {
    storage.put(&log_path(Path::new(DIR), base), &batches.concat());
}

#[test]
fn the_last_record_of_every_key_is_kept_where_it_was() {
    let seed = seed();
    for round in 0..40 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let (mut offset, mut segments, mut latest) = (0, Vec::new(), HashMap::new());
        let mut timestamps = HashMap::new();
        for _ in 0..3 {
            let base = offset;
            let mut batches = Vec::new();
            for _ in 0..1 + random.below(30) {
                let recs: Vec<Rec> = (0..1 + random.below(8))
                    .map(|_| {
                        let key = format!("key{}", random.below(40)).into_bytes();
                        Rec { key: Some(key), value: Some(random_bytes(&mut random, 50)), ..random_rec(&mut random, 1) }
                    })
                    .collect();
                batches.push(make_batch(&Make { base_offset: offset, codec: random.below(5) as u8, ..Make::default() }, &recs));
                for rec in recs {
                    timestamps.insert(offset, rec.timestamp);
                    latest.insert(rec.key.unwrap(), (offset, rec.value));
                    offset += 1;
                }
            }
            put(&storage, base, &batches);
            segments.push(base);
        }
        let all = Options { map_segments: segments.clone(), ..options(offset) };
        let (outcome, kept) = run(&storage, &segments, &all);
        assert_eq!(outcome.cleaned_up_to, offset);
        let mut found = HashMap::new();
        for (header, records) in &kept {
            for (at, timestamp, key, value) in records {
                assert!(*at <= header.last_offset());
                assert_eq!(*timestamp, timestamps[at]);
                assert!(found.insert(key.clone(), (*at, value.clone())).is_none(), "a key is there twice");
            }
        }
        assert_eq!(found, latest);
        assert_eq!(outcome.records_out as usize, latest.len());
        assert_eq!(kept.last().unwrap().0.last_offset(), offset - 1, "the last offset of the round is kept");
    }
}

#[test]
fn a_tombstone_gets_a_horizon_and_goes_when_it_passed() {
    let storage = LossyStorage::default();
    let recs = [Rec::of("a", Some("1")), Rec::of("a", None), Rec::of("b", Some("2"))];
    put(&storage, 0, &[make_batch(&Make::default(), &recs), make_batch(&Make { base_offset: 3, ..Make::default() }, &recs[2..])]);
    let (_, first) = run(&storage, &[0], &options(4));
    assert_eq!(first[0].1.iter().map(|r| r.0).collect::<Vec<_>>(), [1]);
    assert_eq!(first[0].1[0].1, 1000, "the timestamp stays");
    assert_eq!((first[0].0.attributes & batch::DELETE_HORIZON, first[0].0.base_timestamp), (batch::DELETE_HORIZON, 10_500));
    let cleaned = storage.bytes(Path::new("/t/00000000000000000000.log.cleaned")).unwrap();
    storage.put(&log_path(Path::new(DIR), 0), &cleaned);
    let (_, early) = run(&storage, &[0], &Options { now: 10_499, ..options(4) });
    assert_eq!(early.len(), 2, "not before its time");
    let (_, late) = run(&storage, &[0], &Options { now: 10_500, ..options(4) });
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].1[0].0, 3);
}

#[test]
fn records_above_the_map_stay() {
    let storage = LossyStorage::default();
    let batches: Vec<_> =
        (0..10).map(|i| make_batch(&Make { base_offset: i, ..Make::default() }, &[Rec::of("a", Some("v"))])).collect();
    put(&storage, 0, &batches);
    let (outcome, kept) = run(&storage, &[0], &options(5));
    assert_eq!(kept.iter().map(|b| b.0.base_offset).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
    assert_eq!(outcome.cleaned_up_to, 5);
    let keys: Vec<_> = (0..10)
        .map(|i| make_batch(&Make { base_offset: i, ..Make::default() }, &[Rec::of(&format!("{}", i / 2), Some("v"))]))
        .collect();
    put(&storage, 0, &keys);
    let (outcome, kept) = run(&storage, &[0], &Options { map_bytes: 48 * 2, ..options(10) });
    assert_eq!(outcome.cleaned_up_to, 4, "a full map covers less");
    assert_eq!(kept.iter().map(|b| b.0.base_offset).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn the_last_batch_of_an_active_producer_is_kept_empty() {
    let storage = LossyStorage::default();
    let of = |base_offset, producer| {
        make_batch(&Make { base_offset, producer, codec: 4, ..Make::default() }, &[Rec::of("a", Some("v"))])
    };
    put(&storage, 0, &[of(0, (5, 0, 0)), of(1, (5, 0, 1)), of(2, (6, 0, 0)), of(3, (-1, -1, -1))]);
    let (_, kept) = run(&storage, &[0], &Options { active_producers: vec![(5, 0, 1)], ..options(4) });
    assert_eq!(kept.iter().map(|b| (b.0.base_offset, b.0.count)).collect::<Vec<_>>(), [(1, 0), (3, 1)]);
    assert_eq!((kept[0].0.producer_id, kept[0].0.base_sequence, kept[0].0.size, kept[0].0.codec()), (5, 1, 61, 0));
}

#[test]
fn aborted_records_go_and_their_marker_stays_until_they_are_gone() {
    let storage = LossyStorage::default();
    let data = |base_offset, producer, key: &str| {
        let make = Make { base_offset, producer: (producer, 0, 0), attributes: batch::TRANSACTIONAL, ..Make::default() };
        make_batch(&make, &[Rec::of(key, Some("v"))])
    };
    let plain = |base_offset| make_batch(&Make { base_offset, ..Make::default() }, &[Rec::of("z", Some("v"))]);
    put(&storage, 0, &[data(0, 1, "a"), data(1, 2, "a"), marker(2, 2, false), marker(3, 1, true), plain(4)]);
    let aborted = Options { aborted_transactions: vec![(2, 1, 2)], ..options(5) };
    let (_, first) = run(&storage, &[0], &aborted);
    assert_eq!(first.iter().map(|b| b.0.base_offset).collect::<Vec<_>>(), [0, 2, 3, 4]);
    assert_eq!(first[1].0.attributes & batch::DELETE_HORIZON, 0, "its data was there in this pass");
    let promote = |s: &LossyStorage| {
        let cleaned = s.bytes(Path::new("/t/00000000000000000000.log.cleaned")).unwrap();
        s.put(&log_path(Path::new(DIR), 0), &cleaned);
    };
    promote(&storage);
    let (_, second) = run(&storage, &[0], &aborted);
    assert_eq!(second[1].0.base_timestamp, 10_500, "now without data, it gets a horizon");
    promote(&storage);
    let (_, third) = run(&storage, &[0], &Options { now: 10_500, ..aborted });
    assert_eq!(third.iter().map(|b| b.0.base_offset).collect::<Vec<_>>(), [0, 3, 4], "the committed one still has data");
}

#[test]
fn a_corrupt_segment_is_not_compacted() {
    let storage = LossyStorage::default();
    put(&storage, 0, &[make_batch(&Make::default(), &[Rec::of("a", Some("v"))])]);
    storage.flip(&log_path(Path::new(DIR), 0), 65 * 8);
    assert_eq!(compact(&storage, Path::new(DIR), &[0], &options(1)).unwrap_err().code, "ERR_MILLRACE_CORRUPT");
}
