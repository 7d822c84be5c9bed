//! Looks up every row of a CSV file in memory, and prints the output and its summary.
//!
//! Run it with `cargo run --example answer_csv`.

use std::error::Error;
use std::thread;

use catchment::batch::{self, BatchInput, BatchProgress, BatchRequest};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::today_in_london;
use catchment::index::Index;

/// Made-up patients. The third postcode contains the letter O instead of a zero, and the last
/// postcode is the pseudo postcode for no fixed abode.
const PATIENTS: &str = "\
nhs_number,postcode,gp_practice_code
9990000011,LA18 4DB,P81064
9990000022,LA10 5DL,A82608
9990000033,LA1O 5DL,A82608
9990000044,ZZ99 3VZ,A82608
";

fn main() -> Result<(), Box<dyn Error>> {
    let index = Index::build(dataset::read(&DatasetSource::Embedded)?)?;
    // The format, the delimiter and the columns are detected.
    let request = BatchRequest::new(&index, today_in_london());

    // The input can be any `Read`, and the output can be any `Write`: a file, a pipe or, as in this
    // example, memory.
    let input = BatchInput::open(PATIENTS.as_bytes(), &request)?;
    let mut output = Vec::new();
    let threads = thread::available_parallelism()?;
    let progress = BatchProgress::default();
    let summary = batch::run(&index, input, &request, &mut output, threads, &progress)?;

    println!("{}", String::from_utf8(output)?);
    println!("rows: {}", summary.rows);
    for (name, rows) in summary.status.iter().chain(&summary.agreement) {
        if *rows > 0 {
            println!("{name}: {rows}");
        }
    }
    for community in &summary.communities {
        let (resident, registered) = (community.residence, community.registration);
        println!(
            "{}: {resident} resident, {registered} registered",
            community.name
        );
    }
    Ok(())
}
