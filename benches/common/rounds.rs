//! Candidates beside each other. They run in turns, so that what else the machine does falls on all
//! of them alike, and are compared by their medians.

use std::time::Instant;

/// Rounds that count; one more goes before them to warm up.
const ROUNDS: usize = 5;

/// What a candidate does for all items of a round; the number that it returns stands for its answers.
pub(crate) type Candidate<'a> = &'a mut dyn FnMut() -> u64;

/// Median nanoseconds that each candidate takes for one of `items`, in their order.
///
/// # Panics
/// When two candidates, or two rounds of one, do not return the same number.
pub(crate) fn in_turns(items: usize, candidates: &mut [Candidate<'_>]) -> Vec<f64> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    let mut expected = None;
    for round in 0..=ROUNDS {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let answers = candidate();
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
            assert_eq!(*expected.get_or_insert(answers), answers, "other answers");
            if round > 0 {
                times.push(nanoseconds / items as f64);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Begins a table.
pub(crate) fn heading(title: &str) {
    println!("\n{title}\n");
    println!(
        "| {:<52} | {:>9} | {:>9} | {:>6} |",
        "what", "ours ns", "theirs ns", "ratio"
    );
    println!("|{:-<54}|{:->11}|{:->11}|{:->8}|", "", ":", ":", ":");
}

/// A row of a table: how many times as long they take as we.
pub(crate) fn row(what: &str, ours_ns: f64, theirs_ns: f64) {
    let ratio = theirs_ns / ours_ns;
    println!("| {what:<52} | {ours_ns:>9.1} | {theirs_ns:>9.1} | {ratio:>5.1}× |");
}
