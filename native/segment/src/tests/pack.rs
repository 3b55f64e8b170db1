use super::build::*;
use crate::lossy::Seeded;
use crate::pack::{pack, Packed};

#[test]
fn a_packed_column_is_the_records_one_by_one() {
    let seed = seed();
    for round in 0..200 {
        let mut random = Seeded::new(seed + round);
        let lengths = [0, 1, 55, 100, 8000, 70_000];
        let sizes: Vec<usize> = (0..40).map(|_| lengths[random.below(6) as usize]).collect();
        let first_delta = [0, 60, 8190, 1_048_570][random.below(4) as usize];
        let timestamp_delta = [0i64, -1, 70, 1 << 40][random.below(4) as usize];
        let mut values = vec![9u8; 3];
        let mut offsets = vec![3];
        let mut wanted = vec![0u8; 61];
        for (i, size) in sizes.iter().enumerate() {
            let value = vec![i as u8 + 1; *size];
            values.extend_from_slice(&value);
            offsets.push(values.len() as i32);
            let rec = Rec { value: Some(value), ..Rec::default() };
            wanted.extend_from_slice(&record(first_delta + i as i32, timestamp_delta, &rec));
        }
        let mut target = vec![0u8; wanted.len() + 64];
        let packed = pack(&mut target, 61, &values, &offsets, 0, first_delta, timestamp_delta);
        assert_eq!(packed, Ok(Packed { position: wanted.len(), next: sizes.len() }));
        assert_eq!(&target[..wanted.len()], &wanted[..]);
    }
}

#[test]
fn it_stops_where_the_room_ends_and_at_offsets_outside() {
    let values = [7u8; 300];
    let mut target = [0u8; 200];
    let stopped = pack(&mut target, 0, &values, &[0, 100, 200, 300], 0, 0, 0).unwrap();
    assert_eq!((stopped.next, stopped.position), (1, 109));
    assert_eq!(target[109..], [0; 91]);
    for bad in [[0, 301], [-1, 5], [5, 4]] {
        assert_eq!(pack(&mut target, 0, &values, &bad, 0, 0, 0), Err(0));
    }
    assert_eq!(pack(&mut target, 5, &values, &[], 0, 0, 0), Ok(Packed { position: 5, next: 0 }));
}
