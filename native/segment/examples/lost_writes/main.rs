//! Loses unsynced writes under a running log and checks what recovery leaves:
//! `cargo run --release -p millrace-segment --example lost_writes -- --records 10000000 --seed 7`.
//! Prints its seed and counts; exits 1 at the first violation.

mod run;

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.subsec_nanos() as u64);
    let mut config =
        run::Config { records: 10_000_000, partitions: 12, segment_bytes: 1 << 20, power_losses: 24, seed: clock, skip_sync: 0 };
    for pair in arguments.chunks(2) {
        let value = pair.get(1).and_then(|v| v.parse::<u64>().ok());
        match (pair[0].as_str(), value) {
            ("--records", Some(n)) => config.records = n,
            ("--seed", Some(n)) => config.seed = n,
            ("--power-losses", Some(n)) => config.power_losses = n,
            ("--skip-sync", Some(n)) => config.skip_sync = n,
            _ => {
                eprintln!("usage: lost_writes [--records N] [--seed N] [--power-losses N] [--skip-sync NTH]");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {}", config.seed);
    let start = Instant::now();
    match run::run(&config) {
        Ok(counts) => {
            println!("{counts:#?}");
            println!("{:.1} s", start.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("VIOLATION after {:.1} s: {violation}", start.elapsed().as_secs_f64());
            ExitCode::FAILURE
        }
    }
}
