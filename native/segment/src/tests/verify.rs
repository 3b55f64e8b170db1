use super::build::*;
use crate::batch::{self, seal};
use crate::codec::{self, compress};
use crate::lossy::Seeded;
use crate::verify::{recompress, seal_and_verify, verify, Rules, Verdict};
use crate::walk::{put_varint, Records};

fn client() -> Rules {
    Rules {
        require_key: false,
        from_client: true,
        check_timestamps: false,
        min_timestamp: 0,
        max_timestamp: i64::MAX,
        max_uncompressed: 64 << 20,
    }
}

fn verdict(data: &[u8]) -> Verdict {
    verify(data, &client()).0
}

#[test]
fn every_codec_passes_and_reports_the_same_findings() {
    let seed = seed();
    for round in 0..200 {
        let mut random = Seeded::new(seed + round);
        let recs = random_recs(&mut random, 40, 400);
        let (plain_verdict, plain) = verify(&make_batch(&Make::default(), &recs), &client());
        assert_eq!(plain_verdict, Verdict::Ok);
        let max = recs.iter().map(|r| r.timestamp).max().unwrap();
        assert_eq!(plain.max_timestamp, max);
        assert_eq!(plain.max_timestamp_delta, recs.iter().position(|r| r.timestamp == max).unwrap() as i64);
        for codec in 1..=4 {
            let (verdict, found) = verify(&make_batch(&Make { codec, ..Make::default() }, &recs), &client());
            assert_eq!((verdict, &found), (Verdict::Ok, &plain), "codec {codec}");
        }
    }
}

#[test]
fn no_flipped_bit_passes_but_in_the_leader_epoch() {
    let recs = random_recs(&mut Seeded::new(7), 3, 40);
    for codec in 0..=4 {
        let good = make_batch(&Make { codec, ..Make::default() }, &recs);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let in_leader_epoch = (batch::LEADER_EPOCH..batch::MAGIC).contains(&(bit / 8));
            assert_eq!(verdict(&bad) == Verdict::Ok, in_leader_epoch, "bit {bit} codec {codec}");
        }
    }
}

#[test]
fn damage_under_a_right_crc_never_panics_and_what_passes_can_be_read() {
    let seed = seed();
    for round in 0..20_000 {
        let mut random = Seeded::new(seed.wrapping_add(round));
        let codec = random.below(5) as u8;
        let mut data = make_batch(&Make { codec, ..Make::default() }, &random_recs(&mut random, 5, 60));
        for _ in 0..1 + random.below(3) {
            let at = batch::OVERHEAD + random.below((data.len() - batch::OVERHEAD) as u64) as usize;
            data[at] = random.draw() as u8;
        }
        if random.chance(30) {
            data.truncate(batch::OVERHEAD + random.below((data.len() - batch::OVERHEAD) as u64 + 1) as usize);
            let length = (data.len() - batch::LOG_OVERHEAD) as i32;
            batch::put_i32(&mut data, batch::LENGTH, length);
        }
        seal(&mut data);
        let (verdict, found) = verify(&data, &client());
        if verdict == Verdict::Ok {
            let plain = codec::decompress(codec, &data[batch::OVERHEAD..], 1 << 30).unwrap();
            let mut records = Records::new(&plain, found.records as i32);
            assert_eq!(records.by_ref().count() as i64, found.records, "round {round}");
        }
    }
}

#[test]
fn headers_that_break_a_rule_are_refused() {
    let good = make_batch(&Make::default(), &random_recs(&mut Seeded::new(3), 5, 50));
    let count = batch::get_i32(&good, batch::RECORD_COUNT);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bad = good.clone();
        change(&mut bad);
        seal(&mut bad);
        verdict(&bad)
    };
    assert_eq!(with(&|b| batch::put_i32(b, batch::RECORD_COUNT, count + 1)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i32(b, batch::RECORD_COUNT, 0)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i32(b, batch::RECORD_COUNT, -1)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i32(b, batch::RECORD_COUNT, i32::MAX)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i32(b, batch::LAST_OFFSET_DELTA, count)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i64(b, batch::BASE_OFFSET, 1)), Verdict::Invalid);
    assert_eq!(with(&|b| batch::put_i64(b, batch::PRODUCER_ID, 5)), Verdict::Invalid);
    assert_eq!(with(&|b| b[batch::ATTRIBUTES + 1] |= 0x20), Verdict::Invalid);
    assert_eq!(with(&|b| b[batch::ATTRIBUTES + 1] |= 0x05), Verdict::Codec);
    assert_eq!(with(&|b| b[batch::MAGIC] = 1), Verdict::Magic);
    assert_eq!(with(&|b| batch::put_i32(b, batch::LENGTH, 48)), Verdict::Corrupt);
    assert_eq!(with(&|b| b.push(0)), Verdict::Corrupt);
    assert_eq!(verdict(&good[..good.len() - 1]), Verdict::Corrupt);
    assert_eq!(verdict(&good[..20]), Verdict::Corrupt);
    assert_eq!(verdict(&[]), Verdict::Corrupt);
}

#[test]
fn records_that_break_a_rule_are_refused_under_every_codec() {
    let rec = Rec::of("k", Some("value"));
    let good: Vec<Vec<u8>> = (0..3).map(|i| record(i, 0, &rec)).collect();
    let whole = good.concat();
    let with_size = |body: &[u8], change: i32| {
        let mut out = Vec::new();
        put_varint(&mut out, body.len() as i32 + change);
        out.extend_from_slice(body);
        out
    };
    let body = &good[1][1..];
    let mut trailing = body.to_vec();
    trailing.push(0);
    let mut null_header_key = body[..body.len() - 1].to_vec();
    null_header_key.extend([2, 1, 1]);
    let mut too_many_headers = body[..body.len() - 1].to_vec();
    too_many_headers.extend([0xfe, 0xff, 0x03]);
    let mut negative_headers = body[..body.len() - 1].to_vec();
    negative_headers.push(1);
    let cases: Vec<(&str, Vec<u8>, i32, i64)> = vec![
        ("a byte after the last record", [whole.clone(), vec![0]].concat(), 3, 3),
        ("a record fewer than counted", [good[0].clone(), good[1].clone()].concat(), 3, 2),
        ("a record more than counted", [whole.clone(), record(3, 0, &rec)].concat(), 3, 3),
        ("a wrong offset delta", [good[0].clone(), record(2, 0, &rec), good[2].clone()].concat(), 3, 1),
        ("a byte after the headers", [good[0].clone(), with_size(&trailing, 0), good[2].clone()].concat(), 3, 1),
        ("a size too small", [good[0].clone(), with_size(body, -1), good[2].clone()].concat(), 3, 1),
        ("a size beyond the end", [good[0].clone(), good[1].clone(), with_size(body, 100)].concat(), 3, 2),
        ("a negative size", [good[0].clone(), vec![1], good[2].clone(), good[2].clone()].concat(), 3, 1),
        ("a header without a key", [good[0].clone(), with_size(&null_header_key, 0), good[2].clone()].concat(), 3, 1),
        ("more headers than bytes", [good[0].clone(), with_size(&too_many_headers, 0), good[2].clone()].concat(), 3, 1),
        ("a negative header count", [good[0].clone(), with_size(&negative_headers, 0), good[2].clone()].concat(), 3, 1),
    ];
    for codec in 0..=4 {
        let make = Make { codec, ..Make::default() };
        assert_eq!(verdict(&wrap(&make, &whole, 3, 1000, 1000)), Verdict::Ok);
        for (name, records, count, failed) in &cases {
            let (verdict, found) = verify(&wrap(&make, records, *count, 1000, 1000), &client());
            assert_eq!(verdict, Verdict::Invalid, "{name}, codec {codec}");
            if codec == 0 {
                assert_eq!(found.failed_index, *failed, "{name}");
            }
        }
    }
}

#[test]
fn keys_and_timestamps_are_held_to_the_topic() {
    let mut recs: Vec<Rec> = (0..4).map(|i| Rec { timestamp: 100 + i, ..Rec::of("k", Some("v")) }).collect();
    let rules = Rules { require_key: true, check_timestamps: true, min_timestamp: 100, max_timestamp: 103, ..client() };
    let run = |recs: &[Rec], rules: &Rules| {
        let answers: Vec<_> = (0..=4).map(|codec| verify(&make_batch(&Make { codec, ..Make::default() }, recs), rules)).collect();
        assert!(answers.iter().all(|a| *a == answers[0]));
        (answers[0].0, answers[0].1.failed_index)
    };
    assert_eq!(run(&recs, &rules), (Verdict::Ok, -1));
    recs[1].key = None;
    assert_eq!(run(&recs, &rules), (Verdict::MissingKey, 1));
    assert_eq!(run(&recs, &Rules { require_key: false, ..rules }), (Verdict::Ok, -1));
    recs[3].timestamp = 104;
    assert_eq!(run(&recs, &rules), (Verdict::Timestamp, 3), "a timestamp wins over a key, as in Kafka");
    recs[0].timestamp = 99;
    assert_eq!(run(&recs, &rules).0, Verdict::Timestamp);
    recs.iter_mut().for_each(|r| r.timestamp = -1);
    recs[1].key = Some(vec![1]);
    assert_eq!(run(&recs, &rules), (Verdict::Ok, -1), "no timestamp is no wrong timestamp");
    let log_append = make_batch(&Make { attributes: batch::LOG_APPEND_TIME, ..Make::default() }, &recs);
    assert_eq!(verify(&log_append, &client()).0, Verdict::Timestamp, "clients may not claim log append time");
}

#[test]
fn a_record_larger_than_the_window_is_checked_too() {
    for codec in 0..=4 {
        let mut random = Seeded::new(5);
        let big = Rec {
            timestamp: 1000,
            key: Some(vec![1; 70_000]),
            value: Some((0..300_000).map(|_| random.draw() as u8).collect()),
            headers: vec![(vec![2; 100_000], Some(vec![3; 80_000]))],
        };
        let small = Rec::of("a", Some("b"));
        let make = Make { codec, ..Make::default() };
        let (v, found) = verify(&make_batch(&make, &[small.clone(), big.clone(), small]), &client());
        assert_eq!(v, Verdict::Ok, "codec {codec}");
        assert!(found.uncompressed_size > 550_000);
        let mut cut = record(0, 0, &big);
        cut.truncate(cut.len() - 1);
        assert_eq!(verdict(&wrap(&make, &cut, 1, 0, 0)), Verdict::Invalid, "codec {codec}");
        let mut longer = record(0, 0, &big);
        longer.push(0);
        assert_eq!(verdict(&wrap(&make, &longer, 1, 0, 0)), Verdict::Invalid, "codec {codec}");
    }
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    let zeros = Rec { timestamp: 0, key: None, value: Some(vec![0; 20 << 20]), headers: Vec::new() };
    let records = record(0, 0, &zeros);
    let rules = Rules { max_uncompressed: 1 << 20, ..client() };
    for codec in 1..=4 {
        let bomb = wrap(&Make { codec, ..Make::default() }, &records, 1, 0, 0);
        let (verdict, found) = verify(&bomb, &rules);
        assert_eq!(verdict, Verdict::TooLarge, "codec {codec}");
        assert!(found.uncompressed_size < 2 << 20, "codec {codec} went on to {}", found.uncompressed_size);
        assert!(recompress(&bomb, 0, -1, 1 << 20).is_err());
    }
}

#[test]
fn a_snappy_length_that_cannot_be_true_allocates_nothing() {
    let mut data = make_batch(&Make { codec: codec::SNAPPY, ..Make::default() }, &[Rec::of("a", None)]);
    data.truncate(batch::OVERHEAD);
    data.extend([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]);
    let length = (data.len() - batch::LOG_OVERHEAD) as i32;
    batch::put_i32(&mut data, batch::LENGTH, length);
    seal(&mut data);
    assert_eq!(verdict(&data), Verdict::Corrupt);
}

#[test]
fn raw_snappy_blocks_are_read_as_well_as_framed_ones() {
    let records = record(0, 0, &Rec::of("key", Some("value")));
    let mut data = wrap(&Make { codec: codec::SNAPPY, ..Make::default() }, &records, 1, 1000, 1000);
    data.truncate(batch::OVERHEAD);
    data.extend(snap::raw::Encoder::new().compress_vec(&records).unwrap());
    let length = (data.len() - batch::LOG_OVERHEAD) as i32;
    batch::put_i32(&mut data, batch::LENGTH, length);
    seal(&mut data);
    assert_eq!(verdict(&data), Verdict::Ok);
}

#[test]
fn recompression_keeps_every_record_and_field() {
    let seed = seed();
    for round in 0..100 {
        let mut random = Seeded::new(seed + round);
        let make = Make { producer: (77, 3, 12), attributes: batch::TRANSACTIONAL, ..Make::default() };
        let original = make_batch(&make, &random_recs(&mut random, 30, 3000));
        let mut data = original.clone();
        for _ in 0..4 {
            let (codec, level) = (random.below(5) as u8, random.below(10) as i32 - 1);
            data = recompress(&data, codec, level, 1 << 30).unwrap();
            assert_eq!(verdict(&data), Verdict::Ok, "codec {codec} level {level}");
        }
        assert_eq!(recompress(&data, 0, -1, 1 << 30).unwrap(), original);
    }
}

#[test]
fn a_broken_stream_is_corrupt_and_not_a_short_batch() {
    let recs = random_recs(&mut Seeded::new(11), 20, 2000);
    for codec in [codec::GZIP, codec::LZ4, codec::ZSTD] {
        let mut data = make_batch(&Make { codec, ..Make::default() }, &recs);
        let at = batch::OVERHEAD + 3;
        data[at..at + 3].copy_from_slice(&[0xff, 0x00, 0xee]);
        seal(&mut data);
        assert_eq!(verdict(&data), Verdict::Corrupt, "codec {codec}");
    }
    let mut out = Vec::new();
    assert!(compress(9, -1, &[1], &mut out).is_err());
}

#[test]
fn a_batch_without_a_checksum_gets_one_and_every_other_check() {
    let mut random = Seeded::new(seed());
    let whole = make_batch(&Make::default(), &random_recs(&mut random, 40, 400));
    let mut bare = whole.clone();
    batch::put_i32(&mut bare, batch::CRC, 0);
    assert_eq!(verdict(&bare), Verdict::Corrupt);
    assert_eq!(seal_and_verify(&mut bare, &client()), verify(&whole, &client()));
    assert_eq!(bare, whole);
    let mut wrong = whole.clone();
    let count = batch::get_i32(&wrong, batch::RECORD_COUNT);
    batch::put_i32(&mut wrong, batch::RECORD_COUNT, count + 1);
    batch::put_i32(&mut wrong, batch::LAST_OFFSET_DELTA, count);
    assert_eq!(seal_and_verify(&mut wrong, &client()).0, Verdict::Invalid);
    for short in 0..batch::OVERHEAD {
        assert_eq!(seal_and_verify(&mut whole[..short].to_vec(), &client()).0, verdict(&whole[..short]));
    }
}
