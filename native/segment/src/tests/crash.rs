use std::path::Path;
use std::sync::Arc;

use super::build::*;
use crate::batch::{self, Header};
use crate::files::{index_path, log_path, time_index_path};
use crate::index::Indexes;
use crate::lossy::{LossyStorage, Seeded};
use crate::recovery::{recover, Report};
use crate::segment::{Append, Segment};

const DIR: &str = "/t";

fn scan(storage: &LossyStorage, from: u64) -> Report {
    recover(storage, Path::new(DIR), 0, from, 1024).unwrap()
}

fn open(storage: &LossyStorage, size: i64) -> Segment {
    Segment::open(Arc::new(storage.clone()), Path::new(DIR), 0, true, size, 1024, 1 << 20).unwrap()
}

fn append(segment: &mut Segment, offset: i64, recs: &[Rec], make: &Make) -> Vec<u8> {
    let mut data = make_batch(make, recs);
    let epoch = make.leader_epoch;
    let how = Append { assign_offset: offset, leader_epoch: epoch, log_append_time: -1, max_timestamp: -1 };
    segment.append(&mut data, &how).unwrap();
    data
}

/// A closed log of `count` batches of three records; returns its bytes and where each batch starts.
fn log_of(storage: &LossyStorage, count: i64) -> (Vec<u8>, Vec<u64>) {
    let mut segment = open(storage, -1);
    let mut starts = Vec::new();
    for i in 0..count {
        starts.push(segment.flush().unwrap());
        let recs: Vec<Rec> =
            (0..3).map(|j| Rec { timestamp: 1000 + i * 3 + j, ..Rec::of("key", Some(&"v".repeat(200))) }).collect();
        append(&mut segment, i * 3, &recs, &Make::default());
    }
    segment.close().unwrap();
    (storage.bytes(&log_path(Path::new(DIR), 0)).unwrap(), starts)
}

#[test]
fn what_was_synced_survives_power_loss_and_what_remains_is_whole() {
    let seed = seed();
    for round in 0..60 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let mut model: Vec<u8> = Vec::new();
        let mut durable = 0u64;
        let mut segment = open(&storage, -1);
        for crash in 0..5 {
            let mut offset = segment.next_offset().unwrap();
            for _ in 0..random.below(60) {
                let recs = random_recs(&mut random, 5, 4000);
                let make = Make { codec: random.below(5) as u8, ..Make::default() };
                model.extend(append(&mut segment, offset, &recs, &make));
                offset += recs.len() as i64;
                if random.chance(10) {
                    segment.flush().unwrap();
                    durable = segment.sync_job(random.chance(50)).unwrap().run().unwrap();
                } else if random.chance(5) {
                    segment.flush_indexes().unwrap();
                }
            }
            drop(segment);
            storage.crash(&mut random);
            let report = scan(&storage, 0);
            assert!(report.valid_bytes >= durable, "crash {crash}: {} of {durable} synced bytes are left", report.valid_bytes);
            let bytes = storage.bytes(&log_path(Path::new(DIR), 0)).unwrap();
            assert_eq!(bytes[..report.valid_bytes as usize], model[..report.valid_bytes as usize], "crash {crash}");
            // Pages of later batches may have survived behind a lost one: a corrupt middle. This log drops it.
            segment = open(&storage, report.valid_bytes as i64);
            segment.flush_indexes().unwrap();
            let again = scan(&storage, 0);
            assert_eq!((again.valid_bytes, again.file_bytes), (report.valid_bytes, report.valid_bytes));
            assert_eq!(segment.next_offset().unwrap(), again.next_offset);
            assert!(again.corrupt_ranges.is_empty());
            model.truncate(report.valid_bytes as usize);
            durable = segment.sync_job(true).unwrap().run().unwrap();
        }
    }
}

#[test]
fn a_torn_tail_is_told_from_a_corrupt_middle() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    let path = log_path(Path::new(DIR), 0);
    for cut in [starts[19] + 1, starts[19] + 60, starts[19] + 61, bytes.len() as u64 - 1] {
        storage.put(&path, &bytes[..cut as usize]);
        let report = scan(&storage, 0);
        assert_eq!((report.valid_bytes, report.end_bytes, report.next_offset), (starts[19], starts[19], 57));
        assert!(report.corrupt_ranges.is_empty());
    }
    let seed = seed();
    let mut random = Seeded::new(seed);
    for _ in 0..200 {
        storage.put(&path, &bytes);
        let victim = random.below(20) as usize;
        let end = starts.get(victim + 1).copied().unwrap_or(bytes.len() as u64);
        let at = starts[victim] + random.below(end - starts[victim]);
        if (at - starts[victim]) as usize / 4 == batch::LEADER_EPOCH / 4 {
            continue; // not under the CRC
        }
        storage.flip(&path, at * 8 + random.below(8));
        let report = scan(&storage, 0);
        if report.valid_bytes == bytes.len() as u64 {
            // A base offset may change to another one that fits; the CRC does not cover it.
            assert!((at - starts[victim]) < 8, "byte {at} was flipped unnoticed");
            continue;
        }
        assert!(report.valid_bytes >= starts[victim].min(report.valid_bytes));
        if at - starts[victim] >= 8 && victim < 19 {
            assert_eq!(report.valid_bytes, starts[victim]);
            assert_eq!(report.corrupt_ranges.len(), 1);
            let range = &report.corrupt_ranges[0];
            assert_eq!((range.position, range.size), (starts[victim], end - starts[victim]));
            assert_eq!((range.first_offset, range.last_offset), (victim as i64 * 3, victim as i64 * 3 + 2));
            assert_eq!((report.end_bytes, report.next_offset), (bytes.len() as u64, 60));
        }
    }
}

#[test]
fn reads_behind_a_corrupt_middle_do_not_walk_through_it() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    let path = log_path(Path::new(DIR), 0);
    let mut broken = bytes.clone();
    broken[starts[7] as usize..starts[9] as usize].fill(0xee);
    storage.put(&path, &broken);
    let report = scan(&storage, 0);
    assert_eq!((report.corrupt_ranges[0].first_offset, report.corrupt_ranges[0].last_offset), (21, 26));
    let mut segment = open(&storage, -1);
    assert_eq!(segment.next_offset().unwrap(), 60);
    for offset in 27..60 {
        let plan = segment.plan(offset, i64::MAX, 1, true).unwrap();
        assert_eq!(plan.position, Some(starts[offset as usize / 3]), "offset {offset}");
    }
    let before = segment.plan(3, 21, 1 << 20, true).unwrap();
    assert_eq!((before.position, before.size), (Some(starts[1]), starts[7] - starts[1]), "a range ends before the hole");
}

#[test]
fn a_scan_from_the_recovery_point_makes_the_same_indexes() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 200);
    let indexes = |s: &LossyStorage| (s.bytes(&index_path(Path::new(DIR), 0)), s.bytes(&time_index_path(Path::new(DIR), 0)));
    let closed = indexes(&storage);
    let whole = scan(&storage, 0);
    assert_eq!(indexes(&storage), closed);
    let decoded = Indexes::decode(&closed.0.clone().unwrap(), &closed.1.clone().unwrap(), bytes.len() as u64).unwrap();
    assert!(decoded.offsets.len() > 50);
    for entry in &decoded.offsets {
        let header = Header::parse(&bytes[entry.position as usize..]).unwrap();
        assert_eq!(header.last_offset(), entry.relative as i64, "an entry names the last offset of its batch");
    }
    for from in [0, 1, 3, 60, 199] {
        let report = scan(&storage, starts[from]);
        assert_eq!((report.valid_bytes, report.next_offset), (whole.valid_bytes, whole.next_offset));
        assert_eq!(report.max_timestamp, whole.max_timestamp);
        assert_eq!(indexes(&storage), closed, "from batch {from}");
    }
}

#[test]
fn the_report_holds_what_producer_state_and_epochs_need() {
    let storage = LossyStorage::default();
    let mut segment = open(&storage, -1);
    let keep = Append { assign_offset: -1, leader_epoch: 0, log_append_time: -1, max_timestamp: -1 };
    let mut offset = 0;
    let mut put = |mut data: Vec<u8>| {
        segment.append(&mut data, &keep).unwrap();
        offset = Header::parse(&data).unwrap().last_offset() + 1;
    };
    for i in 0..20 {
        let make =
            Make { base_offset: i, producer: (7, 1, i as i32), leader_epoch: if i < 10 { 1 } else { 2 }, ..Make::default() };
        put(make_batch(&make, &[Rec::of("a", None)]));
    }
    for i in 20..30 {
        let make = Make {
            base_offset: i,
            producer: (8, 0, i as i32 - 20),
            attributes: batch::TRANSACTIONAL,
            leader_epoch: 2,
            ..Make::default()
        };
        put(make_batch(&make, &[Rec::of("a", None)]));
    }
    let mut end = marker(30, 8, true);
    batch::put_i32(&mut end, batch::LEADER_EPOCH, 2);
    put(end);
    put(make_batch(&Make { base_offset: 31, leader_epoch: 2, ..Make::default() }, &[Rec::of("a", None)]));
    segment.close().unwrap();
    let report = scan(&storage, 0);
    let offsets: Vec<i64> = report.batches.iter().map(|b| b.base_offset).collect();
    assert_eq!(offsets[..2], [0, 10], "the first batch of each epoch");
    for newest in 15..20 {
        assert!(offsets.contains(&newest));
    }
    assert!(offsets.contains(&20), "the first batch of a transaction");
    for newest in 25..31 {
        assert!(offsets.contains(&newest));
    }
    assert!(!offsets.contains(&31) && offsets.len() < 20);
    let end = report.batches.iter().find(|b| b.is_control).unwrap();
    assert_eq!((end.control_type, end.coordinator_epoch, end.producer_id), (1, 9, 8));
}

#[test]
fn a_batch_of_an_older_epoch_behind_a_newer_one_is_in_the_report() {
    let storage = LossyStorage::default();
    let mut segment = open(&storage, -1);
    let keep = Append { assign_offset: -1, leader_epoch: 0, log_append_time: -1, max_timestamp: -1 };
    for (i, epoch) in [3, 3, 5, 5, 4, 4].into_iter().enumerate() {
        let make = Make { base_offset: i as i64, leader_epoch: epoch, ..Make::default() };
        segment.append(&mut make_batch(&make, &[Rec::of("a", None)]), &keep).unwrap();
    }
    segment.close().unwrap();
    let epochs: Vec<(i64, i32)> = scan(&storage, 0).batches.iter().map(|b| (b.base_offset, b.leader_epoch)).collect();
    assert_eq!(epochs, [(0, 3), (2, 5), (4, 4)]);
}

#[test]
fn a_cut_ends_behind_the_last_whole_batch_whatever_stood_there() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    let path = log_path(Path::new(DIR), 0);
    let mut hole = bytes.clone();
    hole[starts[7] as usize..starts[9] as usize].fill(0xee);
    let torn = bytes[..starts[12] as usize + 100].to_vec();
    for (damaged, is_whole) in [(hole, (|i| !(7..9).contains(&i)) as fn(usize) -> bool), (torn, |i| i < 12)] {
        for offset in 0..=61 {
            storage.put(&path, &damaged);
            scan(&storage, 0);
            let mut segment = open(&storage, -1);
            let last = (0..20).rev().find(|&i| is_whole(i) && (i as i64) * 3 + 2 < offset);
            let end = last.map_or(0, |i| starts.get(i + 1).copied().unwrap_or(bytes.len() as u64));
            assert_eq!(segment.truncate(offset).unwrap(), end, "cut to {offset}");
            assert_eq!(storage.bytes(&path).unwrap(), damaged[..end as usize], "cut to {offset}");
            append(&mut segment, offset, &[Rec::of("k", Some("v"))], &Make::default());
            segment.flush().unwrap();
            assert_eq!(segment.plan(offset, i64::MAX, 1, true).unwrap().position, Some(end), "what is appended follows it");
        }
    }
}

#[test]
fn a_cut_behind_a_damaged_batch_that_has_an_index_entry_takes_it_too() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    let index = storage.bytes(&index_path(Path::new(DIR), 0)).unwrap();
    let times = storage.bytes(&time_index_path(Path::new(DIR), 0)).unwrap();
    let entries = Indexes::decode(&index, &times, bytes.len() as u64).unwrap().offsets;
    let victim = starts.iter().position(|&s| s == entries[3].position as u64).unwrap();
    let mut damaged = bytes.clone();
    damaged[starts[victim] as usize..starts[victim + 1] as usize].fill(0xee);
    storage.put(&log_path(Path::new(DIR), 0), &damaged);
    assert_eq!(open(&storage, -1).truncate(victim as i64 * 3 + 3).unwrap(), starts[victim]);
}

/// `batches[victim]`'s base offset with bit `bit` flipped.
fn misplaced(bytes: &[u8], start: u64, bit: u32) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let base = batch::get_i64(&damaged[start as usize..], batch::BASE_OFFSET);
    batch::put_i64(&mut damaged[start as usize..], batch::BASE_OFFSET, base ^ (1 << bit));
    damaged
}

#[test]
fn a_flipped_bit_in_a_base_offset_is_damage_to_reads_and_recovery_and_harms_no_other_batch() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    let (path, index, times) = (log_path(Path::new(DIR), 0), index_path(Path::new(DIR), 0), time_index_path(Path::new(DIR), 0));
    let closed = (storage.bytes(&index).unwrap(), storage.bytes(&times).unwrap());
    for victim in 0..19 {
        let (first, last, end) = (victim as i64 * 3, victim as i64 * 3 + 2, starts[victim + 1]);
        for bit in 0..64 {
            let damaged = misplaced(&bytes, starts[victim], bit);
            for scanned in [false, true] {
                storage.put(&path, &damaged);
                storage.put(&index, &closed.0);
                storage.put(&times, &closed.1);
                if scanned {
                    let report = scan(&storage, 0);
                    let range = (report.corrupt_ranges[0].position, report.corrupt_ranges[0].size);
                    assert_eq!(range, (starts[victim], end - starts[victim]), "batch {victim} bit {bit}");
                    assert_eq!((report.corrupt_ranges[0].first_offset, report.corrupt_ranges[0].last_offset), (first, last));
                    assert_eq!((report.corrupt_ranges.len(), report.next_offset), (1, 60));
                }
                let mut segment = Segment::open(Arc::new(storage.clone()), Path::new(DIR), 0, false, -1, 1024, 1 << 20).unwrap();
                assert_eq!(segment.next_offset().unwrap(), 60);
                for offset in 0..60 {
                    let what = format!("batch {victim} bit {bit} scanned {scanned} offset {offset}");
                    let plan = segment.plan(offset, i64::MAX, 1, true).unwrap();
                    if (first..=last).contains(&offset) {
                        assert_eq!(plan.damaged, Some((first, last)), "{what}");
                        assert_eq!((plan.position, plan.size), (Some(starts[victim]), end - starts[victim]), "{what}");
                    } else {
                        assert_eq!((plan.damaged, plan.position), (None, Some(starts[offset as usize / 3])), "{what}");
                    }
                }
                let cut = open(&storage, -1).truncate(last + 1).unwrap();
                assert_eq!(cut, starts[victim], "batch {victim} bit {bit} scanned {scanned}: a cut behind it takes it too");
            }
        }
    }
}

#[test]
fn what_a_wrong_length_hides_is_damage_and_not_passed_over_in_silence() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage, 20);
    for victim in 0..20 {
        for bit in [0, 5, 9, 30] {
            let mut damaged = bytes.clone();
            damaged[starts[victim] as usize + batch::LENGTH + 3 - bit / 8] ^= 1 << (bit % 8);
            storage.put(&log_path(Path::new(DIR), 0), &damaged);
            let mut segment = Segment::open(Arc::new(storage.clone()), Path::new(DIR), 0, false, -1, 1024, 1 << 20).unwrap();
            for offset in 0..60 {
                let plan = segment.plan(offset, i64::MAX, 1, true).unwrap();
                let expected = starts[offset as usize / 3];
                assert!(
                    plan.damaged.is_some() || plan.position == Some(expected),
                    "batch {victim} bit {bit} offset {offset}: {plan:?}"
                );
            }
        }
    }
}
