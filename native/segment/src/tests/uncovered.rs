use super::build::*;
use crate::batch::{crc_matches, put_i32, ATTRIBUTES, LENGTH};
use crate::crc::crc32c;
use crate::lossy::Seeded;
use crate::uncovered::uncovered_crc32c;

fn batches(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| {
            let make = Make { base_offset: 10 * i as i64, ..Make::default() };
            make_batch(&make, &vec![Rec::of("key", Some("value")); i + 1])
        })
        .collect()
}

#[test]
fn what_the_batches_own_checksums_leave_out_is_covered_and_nothing_else() {
    let all = batches(4);
    let data = all.concat();
    let heads: Vec<u8> = all.iter().flat_map(|b| b[..ATTRIBUTES].to_vec()).collect();
    assert_eq!(uncovered_crc32c(&data), crc32c(&heads));
    assert_eq!(uncovered_crc32c(&[]), crc32c(&[]));
    // Ends within the last batch, wherever: what is there of it is covered.
    let whole: usize = all[..3].iter().map(Vec::len).sum();
    for end in whole..data.len() {
        let wanted = [&heads[..3 * ATTRIBUTES], &data[whole..end]].concat();
        assert_eq!(uncovered_crc32c(&data[..end]), crc32c(&wanted), "{end} bytes");
    }
}

#[test]
fn a_turned_bit_shows_in_it_or_in_a_batch_of_its_own() {
    let all = batches(3);
    let data = [all.concat(), all[2][..70].to_vec()].concat();
    let right = uncovered_crc32c(&data);
    for bit in 0..data.len() * 8 {
        let mut bad = data.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if uncovered_crc32c(&bad) != right {
            continue;
        }
        let mut at = 0;
        let sound = all.iter().all(|b| {
            at += b.len();
            crc_matches(&bad[at - b.len()..at])
        });
        assert!(!sound, "bit {bit}");
    }
}

#[test]
fn lengths_that_cannot_be_true_end_the_walk() {
    let seed = seed();
    for round in 0..2000 {
        let mut random = Seeded::new(seed + round);
        let mut data = batches(3).concat();
        let at = random.below(data.len() as u64) as usize;
        data.truncate(at);
        for length in [i32::MIN, -1, 0, 48, 49, i32::MAX, random.below(1 << 32) as i32] {
            if data.len() >= LENGTH + 4 {
                put_i32(&mut data, LENGTH, length);
            }
            uncovered_crc32c(&data);
        }
    }
}
