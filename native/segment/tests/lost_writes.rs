//! The quick variant of the `lost_writes` example. Prints its seed; `SEGMENT_SEED=n` repeats a run.

#[path = "../examples/lost_writes/run.rs"]
mod run;

use std::time::{SystemTime, UNIX_EPOCH};

fn config(skip_sync: u64) -> run::Config {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as u64;
    let seed = std::env::var("SEGMENT_SEED").map_or_else(|_| clock(), |s| s.parse().expect("SEGMENT_SEED is a number"));
    eprintln!("SEGMENT_SEED={seed}");
    run::Config { records: 100_000, partitions: 12, segment_bytes: 64 << 10, power_losses: 24, seed, skip_sync }
}

#[test]
fn acknowledged_records_survive_power_losses_and_nothing_else_appears() {
    let counts = run::run(&config(0)).unwrap();
    assert_eq!((counts.records, counts.acknowledged, counts.power_losses), (100_000, 100_000, 24));
    assert!(counts.bytes_lost > 0 && counts.torn_tails > 0, "{counts:?}");
}

#[test]
fn a_sync_that_did_not_run_is_noticed() {
    let violation = run::run(&config(3)).unwrap_err();
    assert!(violation.contains("acknowledged up to"), "{violation}");
}
