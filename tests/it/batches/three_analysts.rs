//! An analyst with Excel, one with Python and one with SQL follow one page of documentation each, and
//! get the same answers and the same flows (`tests/oracle/analysts.py`).

use std::path::Path;

use crate::data::embedded_dataset;
use crate::support::external_tools::{python, stdout_of};
use crate::support::made_up_patients::Patients;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/analysts.py");
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/users");

/// Writes made-up patients, with the errors of real exports, as `patients.csv` with three columns.
fn write_patients(folder: &Path, rows: usize) {
    let csv = Patients::new(embedded_dataset::index(), 23).csv(rows);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&*csv);
    let mut writer = csv::Writer::from_path(folder.join("patients.csv")).expect("a file");
    let header = ["nhs_number", "postcode", "gp_practice_code"];
    writer.write_record(header).expect("written");
    for row in reader.records() {
        let row = row.expect("a row");
        let cell = |position: usize| row.get(position).unwrap_or("");
        writer
            .write_record([cell(0), cell(7), cell(8)])
            .expect("written");
    }
    writer.flush().expect("written");
}

fn check(rows: usize) {
    let Some(mut python) = python("the three analysts") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    write_patients(folder.path(), rows);
    python.args([SCRIPT, env!("CARGO_BIN_EXE_catchment"), DOCS]);
    let text = stdout_of(python.current_dir(folder.path()));
    assert!(text.contains(&format!("{rows} rows and ")), "{text}");
}

#[test]
fn three_analysts_agree() {
    check(2_000);
}

#[test]
#[ignore = "slow"]
fn three_analysts_agree_on_400_000_patients() {
    check(400_000);
}
