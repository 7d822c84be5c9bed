//! Compares the speed of candidates by their median times. The candidates run in alternating
//! rounds, so that other load on the machine affects all candidates equally.

use std::time::Instant;

/// The number of measured rounds. One round of warm-up precedes them.
const ROUNDS: usize = 5;

/// A function that processes all items once and returns a checksum of the results.
pub(crate) type Candidate<'a> = &'a mut dyn FnMut() -> u64;

/// Returns the median time of each candidate in nanoseconds per item, in the order of `candidates`.
///
/// # Panics
/// If two candidates, or two rounds of one candidate, return different checksums.
pub(crate) fn run_interleaved(items: usize, candidates: &mut [Candidate<'_>]) -> Vec<f64> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    let mut expected = None;
    for round in 0..=ROUNDS {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let checksum = candidate();
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
            assert_eq!(
                *expected.get_or_insert(checksum),
                checksum,
                "results differ"
            );
            if round > 0 {
                times.push(nanoseconds / items as f64);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// Returns the upper median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the heading of a table.
pub(crate) fn print_heading(title: &str) {
    println!("\n{title}\n");
    println!(
        "| {:<52} | {:>9} | {:>9} | {:>6} |",
        "what", "ours ns", "theirs ns", "ratio"
    );
    println!("|{:-<54}|{:->11}|{:->11}|{:->8}|", "", ":", ":", ":");
}

/// Prints a row of a table. The ratio in the row is the baseline's time divided by Catchment's
/// time.
pub(crate) fn print_row(what: &str, ours_ns: f64, theirs_ns: f64) {
    let ratio = theirs_ns / ours_ns;
    println!("| {what:<52} | {ours_ns:>9.1} | {theirs_ns:>9.1} | {ratio:>5.1}× |");
}
