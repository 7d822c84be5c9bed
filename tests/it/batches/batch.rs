//! Tests of batches, both through the library and through the `batch` command.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use catchment::batch::{
    self, BatchError, BatchInput, BatchProgress, BatchRequest, BatchSummary, ColumnOverrides,
    Compression, DecodeLimits, HeaderOptions, OutputColumn, WorkbookOptions,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::{Layer, OdsCode, Postcode, date_from_iso};
use catchment::index::{Index, LayerResult, LocateAnswer, LocateQuery, Locator, UnknownReason};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::made_up_patients::Patients;
use crate::support::server::AS_OF;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

fn request() -> BatchRequest {
    BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        header: HeaderOptions::default(),
        as_of: date_from_iso(AS_OF).expect("a date"),
        output_columns: OutputColumn::defaults(INDEX.manifest()),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    }
}

fn request_with_columns(columns: &str) -> BatchRequest {
    BatchRequest {
        output_columns: OutputColumn::with_defaults(columns, INDEX.manifest()).expect("columns"),
        ..request()
    }
}

fn try_run_batch(
    bytes: &[u8],
    request: &BatchRequest,
    threads: usize,
) -> Result<(Vec<u8>, BatchSummary), BatchError> {
    let batch_input = BatchInput::open(bytes, request)?;
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    let progress = BatchProgress::default();
    let summary = batch::run(&INDEX, batch_input, request, &mut out, threads, &progress)?;
    assert_eq!(progress.rows(), summary.rows);
    Ok((out, summary))
}

#[track_caller]
fn run_batch(input: &[u8], request: &BatchRequest) -> Vec<u8> {
    try_run_batch(input, request, 2)
        .expect("the batch succeeds")
        .0
}

#[track_caller]
fn run_batch_text(input: &str, request: &BatchRequest) -> String {
    String::from_utf8(run_batch(input.as_bytes(), request)).expect("text")
}

#[track_caller]
fn batch_error(input: &[u8], request: &BatchRequest) -> String {
    match try_run_batch(input, request, 1) {
        Ok(_) => panic!("the batch must fail, but it succeeded"),
        Err(error) => error.to_string(),
    }
}

/// Parses the output of a batch into records, each of which maps columns to cells.
fn records(output: &[u8], delimiter: u8) -> Vec<HashMap<String, String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(output);
    let records = reader.deserialize();
    records
        .map(|record| record.expect("a record of the right width"))
        .collect()
}

fn patients(seed: u64) -> Patients {
    Patients::new(&INDEX, seed)
}

// The functions below derive the expected cells from the result of `Index::locate`, without using
// the code of the batch.

fn layer_result<'a, 'i>(
    areas: &'a [(Layer, LayerResult<'i>)],
    layer: Layer,
) -> Option<&'a LayerResult<'i>> {
    areas
        .iter()
        .find(|(id, _)| *id == layer)
        .map(|(_, found)| found)
}

fn ids(found: Option<&LayerResult<'_>>) -> String {
    let ids: Vec<String> = match found {
        Some(LayerResult::Areas(areas)) => areas
            .iter()
            .map(|area_match| area_match.area.id.clone())
            .collect(),
        Some(LayerResult::Practices(all)) => all
            .iter()
            .map(|practice_match| practice_match.practice.code.to_string())
            .collect(),
        Some(LayerResult::Groups(groups)) => {
            let mut ids: Vec<String> = Vec::new();
            for group in groups {
                if !ids.contains(&group.area.id) {
                    ids.push(group.area.id.clone());
                }
            }
            ids
        }
        Some(LayerResult::Unknown(_)) | None => Vec::new(),
    };
    ids.join(";")
}

fn is_empty(found: Option<&LayerResult<'_>>) -> bool {
    ids(found).is_empty()
}

fn group_ids_or_unknown(found: Option<&LayerResult<'_>>) -> String {
    match found {
        Some(LayerResult::Unknown(_)) => "unknown".into(),
        found => ids(found),
    }
}

fn unknown_reason(found: Option<&LayerResult<'_>>) -> Option<&'static str> {
    match found {
        Some(LayerResult::Unknown(unknown)) => Some(UnknownReason::as_str(*unknown)),
        _ => None,
    }
}

/// Returns the expected cells of the default columns, for a row with a well-formed postcode.
fn expected_cells(answer: &LocateAnswer<'_>) -> BTreeMap<&'static str, String> {
    let residence = |layer| layer_result(&answer.residence, layer);
    let registration = |layer| {
        let registration = answer.registration.as_ref();
        registration.and_then(|registration| layer_result(&registration.areas, layer))
    };
    let icc = match residence(crate::support::layer("icc")) {
        Some(LayerResult::Areas(areas)) => areas.first(),
        _ => None,
    };
    let edge = icc.and_then(|icc| icc.proximity.as_ref());
    let registered = [
        crate::support::layer("icc"),
        crate::support::layer("neighbourhood-team"),
    ];
    let group = if registered
        .into_iter()
        .any(|layer| !is_empty(registration(layer)))
    {
        registration(crate::support::layer("resilience-group"))
    } else {
        residence(crate::support::layer("resilience-group"))
    };
    let status = answer.status.as_str();
    let is_located = ["located", "terminated"].contains(&status);
    let mut reasons = Vec::new();
    if !is_located {
        let edition = match status {
            "unknown_postcode" => " (not in the directory of November 2025)",
            _ => "",
        };
        reasons.push(format!("residence:{status}{edition}"));
    } else if is_empty(residence(crate::support::layer("icc"))) {
        reasons.push(format!(
            "residence:{}",
            unknown_reason(residence(crate::support::layer("icc"))).unwrap_or("no_icc")
        ));
    }
    if let Some(practice_registration) = &answer.registration {
        if let Some(reason) = practice_registration.reason {
            reasons.push(format!("registration:{}", reason.as_str()));
        } else if is_empty(registration(crate::support::layer("icc"))) {
            reasons.push(format!(
                "registration:{}",
                unknown_reason(registration(crate::support::layer("icc"))).unwrap_or("no_icc")
            ));
        }
    }
    reasons.extend(unknown_reason(group).map(|why| format!("resilience_groups:{why}")));
    let or_empty = |word: Option<&str>| word.unwrap_or_default().to_string();
    BTreeMap::from([
        ("status", status.to_string()),
        (
            "icc_registration_id",
            ids(registration(crate::support::layer("icc"))),
        ),
        (
            "icc_residence_id",
            ids(residence(crate::support::layer("icc"))),
        ),
        ("agreement", answer.agreement.as_str().to_string()),
        ("resilience_groups", group_ids_or_unknown(group)),
        (
            "practices_covering",
            ids(residence(crate::support::layer("gp-practice"))),
        ),
        (
            "certainty",
            or_empty(edge.map(|edge| edge.certainty.as_str())),
        ),
        (
            "provenance",
            or_empty(icc.map(|icc| icc.provenance.as_str())),
        ),
        ("reason", reasons.join(";")),
        ("dataset_version", INDEX.manifest().version.clone()),
    ])
}

fn locate(postcode: Postcode, practice: &str, day: &str) -> LocateAnswer<'static> {
    INDEX.locate(&LocateQuery {
        locator: Some(Locator::Postcode(postcode)),
        practice: Some(practice.parse::<OdsCode>()),
        as_of: date_from_iso(day).expect("a date"),
    })
}

#[test]
fn default_columns_match_locate() {
    let practices: Vec<String> = INDEX
        .practices()
        .iter()
        .map(|practice| practice.code.to_string())
        .chain(
            [
                "",
                "&",
                "V81997",
                "X99999",
                "A82608001",
                "no code!",
                " p81 002 ",
            ]
            .map(String::from),
        )
        .collect();
    let others = [
        "LA1 0AA", "SW1A 1AA", "ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 6CZ", "GIR 0AA", "BT1 1AA",
    ];
    let others = others.map(|text| text.parse().expect("a postcode"));
    // The rows contain every sixteenth postcode of the directory and the postcodes in `others`,
    // each of them paired with the next practice in turn.
    let rows: Vec<(Postcode, &String)> = INDEX
        .postcodes()
        .map(|entry| entry.postcode)
        .chain(others.into_iter().cycle().take(7 * 40))
        .enumerate()
        .filter(|(index, _)| index % 16 == 3 || *index >= INDEX.postcodes().len())
        .map(|(index, postcode)| (postcode, &practices[index * 7 % practices.len()]))
        .collect();
    assert!(rows.len() > 4_000);
    for day in [AS_OF, "2022-06-30", "2021-01-01", "2999-01-01"] {
        let input: String = rows
            .iter()
            .map(|(postcode, practice)| format!("{postcode},{practice}\n"))
            .collect();
        let request = BatchRequest {
            as_of: date_from_iso(day).expect("a date"),
            ..request_with_columns("notes,practice_status,nearest_icc,alternatives")
        };
        let output = run_batch_text(&format!("postcode,practice_code\n{input}"), &request);
        let records = records(output.as_bytes(), b',');
        assert_eq!(records.len(), rows.len());
        for (record, (postcode, practice)) in records.iter().zip(&rows) {
            let answer = locate(*postcode, practice, day);
            for (column, text) in expected_cells(&answer) {
                let cell = &record[&format!("catchment_{column}")];
                assert_eq!(*cell, text, "{column} of {postcode}, {practice} on {day}");
            }
            let notes: Vec<&str> = answer.notes.iter().map(|note| note.as_str()).collect();
            assert_eq!(
                record["catchment_notes"],
                notes.join(";"),
                "{postcode} {practice} {day}"
            );
            let practice = answer
                .registration
                .as_ref()
                .and_then(|registration| registration.practice.as_ref());
            let status = practice
                .map(|practice| practice.status.as_str())
                .unwrap_or_default();
            assert_eq!(record["catchment_practice_status"], status);
            let nearest = answer.nearest.first().map(|(_, near)| near.area.id.clone());
            assert_eq!(record["catchment_nearest_icc"], nearest.unwrap_or_default());
        }
    }
}

#[test]
fn rows_have_the_dates_of_the_sources_and_a_note_after_them() {
    let mut request = request_with_columns("data_as_of,notes");
    request.column_overrides.as_of = Some("day".into());
    let output = run_batch_text(
        "postcode,day\nLA18 4DB,2026-04-30\nZZ99 3VZ,2999-01-01\nbad,row,here\n",
        &request,
    );
    let records = records(output.as_bytes(), b',');
    for record in &records {
        let dates = &record["catchment_data_as_of"];
        assert!(
            dates.starts_with("postcodes 2025-11; practices 2026-04; icc 2022-01-05; ")
                && dates.ends_with("; lsoa11 2011; lsoa21 2021"),
            "{dates}"
        );
    }
    let notes: Vec<&str> = records
        .iter()
        .map(|record| &*record["catchment_notes"])
        .collect();
    assert_eq!(notes, ["", "after_data", ""]);
}

#[test]
fn as_of_column_sets_the_date_of_each_row() {
    let days = ["2025-12-01", "2022-01-04", "2022-06-30", "", "2019-03-01"];
    let postcodes: Vec<Postcode> = INDEX
        .postcodes()
        .step_by(997)
        .map(|entry| entry.postcode)
        .collect();
    let rows: Vec<(Postcode, &str)> = postcodes
        .iter()
        .flat_map(|postcode| days.map(|day| (*postcode, day)))
        .collect();
    let input: String = rows
        .iter()
        .map(|(postcode, day)| format!("{postcode},P81064,{day}\n"))
        .collect();
    let mut request = request();
    request.column_overrides.as_of = Some("Seen on".into());
    let output = run_batch_text(&format!("pcd,ods_code,seen_on\n{input}"), &request);
    for (record, (postcode, day)) in records(output.as_bytes(), b',').iter().zip(&rows) {
        let day = if day.is_empty() { AS_OF } else { day };
        for (column, text) in expected_cells(&locate(*postcode, "P81064", day)) {
            assert_eq!(
                record[&format!("catchment_{column}")],
                text,
                "{column} {postcode} {day}"
            );
        }
    }
    let bad = run_batch_text(
        "pcd,seen_on\nLA1 1PN,2023-02-29\nLA1 1PN,01/02/2023\nLA1 1PN,2023-02-01\n",
        &request,
    );
    let records = records(bad.as_bytes(), b',');
    let statuses: Vec<&str> = records
        .iter()
        .map(|map| map["catchment_status"].as_str())
        .collect();
    assert_eq!(statuses, ["bad_row", "bad_row", "located"]);
    assert!(
        records[1]["catchment_reason"].starts_with("line 3: the date"),
        "{:?}",
        records[1]
    );
}

#[test]
fn rows_can_have_coordinates_instead_of_a_postcode() {
    let input = "id,Longitude,lat\n1,-3.269471,54.209742\n2,54.05,-2.8\n3,,\n4,x,54\n5,317303,480077\n6,-0.1276,51.5072\n";
    let output = run_batch_text(input, &request_with_columns("easting,nearest_icc"));
    let records = records(output.as_bytes(), b',');
    let cells = |column: &str| -> Vec<&str> {
        records
            .iter()
            .map(|map| map[&format!("catchment_{column}")].as_str())
            .collect()
    };
    let malformed = "malformed";
    assert_eq!(
        cells("status"),
        [
            "located",
            malformed,
            "missing",
            malformed,
            malformed,
            "outside_coverage"
        ]
    );
    assert_eq!(cells("icc_residence_id")[0], "mb-barrow-and-millom");
    assert_eq!(cells("easting")[0].split('.').next(), Some("317303"));
    assert_eq!(cells("reason")[1], "residence:coordinates_swapped");
    assert_eq!(cells("reason")[4], "residence:not_degrees");
    let grid = run_batch_text("easting;northing\n317303;480077\n", &request());
    assert!(
        grid.contains(";located;;mb-barrow-and-millom;residence_only;"),
        "{grid}"
    );
}

/// Checks the `catchment_status` of a row that has `postcode` in its postcode column.
#[track_caller]
fn check_status(postcode: &str, status: &str) {
    let output = run_batch_text(
        &format!("id,postcode\n7,{postcode}\n"),
        &request_with_columns("suggestion"),
    );
    let (_, row) = output.split_once('\n').expect("a row");
    assert!(row.starts_with(&format!("7,{postcode},{status},")), "{row}");
}

#[test]
fn every_kind_of_postcode_has_its_status() {
    for (postcode, status) in [
        ("la184db", "located"),
        (" LA18  4DB ", "located"),
        ("\"LA18 4DB\"", "located"),
        ("ＬＡ１８４ＤＢ", "located"),
        ("CA1 1EF", "terminated"),
        ("ZZ99 3VZ", "no_fixed_abode"),
        ("ZZ99 3WZ", "address_not_known"),
        ("ZZ99 6CZ", "pseudo_country"),
        ("BF1 2AA", "no_location"),
        ("SW1A 1AA", "outside_coverage"),
        ("LA1 0AA", "unknown_postcode"),
        ("LA1", "partial_postcode"),
        ("=LA1 1AA", "malformed"),
        ("LA1O 5DL", "malformed"),
        ("LA1 1AA\0", "malformed"),
        ("LA1 1AA\u{200f}🏥", "malformed"),
        ("", "missing"),
        ("\"\"", "missing"),
    ] {
        check_status(postcode, status);
    }
    let input = "postcode\nLA1O 5DL\nPR3%200SG\n";
    let output = run_batch_text(input, &request_with_columns("suggestion"));
    assert!(
        output.contains("LA1O 5DL,malformed,,,neither,,,,,residence:malformed,2026.1,LA10 5DL\n")
    );
    assert!(
        output.contains("residence:malformed (percent_encoded)"),
        "{output}"
    );
    let latin1 = run_batch(b"id,postcode\n1,LA1\xa01PN\n", &request());
    assert!(latin1.starts_with(b"id,postcode,"));
    assert!(
        String::from_utf8_lossy(&latin1).contains(",malformed,"),
        "the status must be malformed"
    );
    assert!(
        latin1.windows(7).any(|bytes| bytes == b"LA1\xa01PN"),
        "the input bytes must be copied"
    );
}

#[test]
fn what_the_directory_does_not_know_is_reported() {
    let columns = "postcode_status,postcode_ended_after,postcode_ended_by,council,\
        statistical_area,lsoa21,notes,area_hint,area_hint_share";
    let input = "postcode\nLA1 4FH\nCA1 1ED\nLA1 4BR\n";
    let output = run_batch_text(input, &request_with_columns(columns));
    let rows: Vec<&str> = output.lines().skip(1).collect();
    let [unconfirmed, ended, unknown] = rows[..] else {
        panic!("{output}")
    };
    assert!(
        unconfirmed.starts_with("LA1 4FH,located,,mb-lancaster,"),
        "{unconfirmed}"
    );
    assert!(
        unconfirmed.ends_with(",unknown,,,E07000121,,E01025105,postcode_status_unknown,,"),
        "{unconfirmed}"
    );
    assert!(ended.starts_with("CA1 1ED,terminated,"), "{ended}");
    assert!(
        ended.ends_with(
            ",terminated,2022-05,2024-07,E06000063,E01019206,E01019206,layers_disagree,,"
        ),
        "{ended}"
    );
    assert!(
        unknown.contains(",residence:unknown_postcode (not in the directory of November 2025),"),
        "{unknown}"
    );
    assert!(unknown.contains(",,,,,,,,mb-lancaster,"), "{unknown}");
}

/// Returns the input columns of each row, which are all columns except the last `added` columns.
fn input_cells(output: &str, added: usize, delimiter: &str) -> String {
    let mut copied = String::new();
    for row in output.split_inclusive('\n') {
        let (cells, ending) = match row.strip_suffix("\r\n") {
            Some(cells) => (cells, "\r\n"),
            None => (
                row.strip_suffix('\n').unwrap_or(row),
                if row.ends_with('\n') { "\n" } else { "" },
            ),
        };
        let cells: Vec<&str> = cells.rsplitn(added + 1, delimiter).collect();
        copied.push_str(cells.last().expect("the input columns"));
        copied.push_str(ending);
    }
    copied
}

#[test]
fn input_columns_are_copied_byte_for_byte() {
    // No output cell contains one of these delimiters.
    for delimiter in [",", "\t", "|", "¬"] {
        for ending in ["\n", "\r\n"] {
            for mark in ["", "\u{feff}"] {
                let row = |cells: [&str; 4]| cells.join(delimiter);
                let input = [
                    row(["nhs number", "\"Post Code\"", "note", ""]),
                    row(["9990001111", "\"la18 4db\"", "\"a,b;c\"\"d\"\"\"", " "]),
                    row(["4.5E+09", "LA1 1PN", "5\" pipe", "007"]),
                    row(["-1", "", "=1+1", "\u{e9}"]),
                ];
                let text = format!("{mark}{}", input.join(ending));
                for text in [text.clone(), text + ending] {
                    let output = run_batch_text(&text, &request());
                    assert_eq!(input_cells(&output, 10, delimiter), text);
                    assert_eq!(output.contains("\r\n"), ending == "\r\n");
                }
            }
        }
    }
}

#[test]
fn quoted_line_feeds_are_part_of_the_row() {
    let input = "note;postcode\r\n\"one\r\ntwo;\n\"\"three\"\"\";LA1 1PN\r\n\"x\";LA18 4DB";
    let output = run_batch_text(input, &request());
    let records = records(output.as_bytes(), b';');
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["note"], "one\r\ntwo;\n\"three\"");
    assert_eq!(records[0]["catchment_icc_residence_id"], "mb-lancaster");
    assert_eq!(
        records[1]["catchment_icc_residence_id"],
        "mb-barrow-and-millom"
    );
    assert!(
        output.ends_with(";2026.1"),
        "a line feed must not be added to the last row"
    );
}

#[test]
fn rows_of_the_wrong_width_are_padded_or_truncated_and_reported() {
    let input = "id,postcode,x\n1,LA1 1PN,a\n2,LA1 1PN\n\"3\n3\",LA1 1PN,b\n\n5,LA1 1PN,c,d\n6,LA18 4DB,e\n";
    let (output, summary) =
        try_run_batch(input.as_bytes(), &request(), 1).expect("the batch succeeds");
    let output = String::from_utf8(output).expect("text");
    let records = records(output.as_bytes(), b',');
    let cells =
        |column: &str| -> Vec<&str> { records.iter().map(|map| map[column].as_str()).collect() };
    assert_eq!(cells("id"), ["1", "2", "3\n3", "", "5", "6"]);
    assert_eq!(cells("x"), ["a", "", "b", "", "c", "e"]);
    assert_eq!(
        cells("catchment_status"),
        [
            "located", "bad_row", "located", "bad_row", "bad_row", "located"
        ]
    );
    assert_eq!(
        cells("catchment_reason")[1],
        "line 3: 2 fields, but the header row has 3"
    );
    assert_eq!(
        cells("catchment_reason")[3],
        "line 6: 1 field, but the header row has 3"
    );
    assert_eq!(
        cells("catchment_reason")[4],
        "line 7: 4 fields, but the header row has 3"
    );
    assert_eq!((summary.rows, summary.bad_rows), (6, 3));
    assert_eq!(summary.bad_lines, [3, 6, 7]);
}

#[test]
fn rows_with_overlong_fields_are_bad_rows_and_copied_unchanged() {
    let input = format!(
        "postcode,note\nLA1 1PN,{}\nLA1 1PN,x\n",
        "A".repeat(100_000)
    );
    let (output, summary) =
        try_run_batch(input.as_bytes(), &request(), 1).expect("the batch succeeds");
    assert_eq!(
        input_cells(&String::from_utf8(output).expect("text"), 10, ","),
        input
    );
    assert_eq!(summary.bad_rows, 1);
    let long = format!("postcode,note\nLA1 1PN,{}", "A".repeat(3 << 20));
    assert!(batch_error(long.as_bytes(), &request()).contains("line 2 is longer"));
    let quoted = format!("postcode,note\nLA1 1PN,\"{}", "LA1 1PN,x\n".repeat(300_000));
    assert!(batch_error(quoted.as_bytes(), &request()).contains("quotation mark"));
    let wide = format!("postcode{}\nLA1 1PN\n", ",x".repeat(50_000));
    assert!(batch_error(wide.as_bytes(), &request()).contains("4096 columns"));
}

#[test]
fn unsupported_formats_are_rejected_by_name() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("compressed")
    };
    let check = |input: &[u8], words: &str| {
        let error = batch_error(input, &request());
        assert!(error.contains(words), "{error}");
    };
    check(b"PK\x03\x04\x14\0", ".xlsx");
    check(b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls");
    check(&gzip(b"PK\x03\x04"), ".xlsx");
    check(&gzip(&gzip(b"postcode\n")), "compressed twice");
    check(&gzip(&vec![0; 1 << 22]), "binary");
    check(&gzip(&vec![b'a'; 1 << 22]), "columns");
    check(b"PAR1\x15", "Parquet");
    check(b"post\0code\n", "binary");
    check(b"\xff\xfep\0o\0s\0t\0", "no postcode column");
    check(b"p\0o\0s\0t\0", "no postcode column");
    check(b"%PDF-1.7", "PDF");
    check(b"<html>", "web page");
    check(b"[{\"postcode\":\"LA1 1PN\"}]", "JSON array");
    check(b"", "empty");
    check(b"\xef\xbb\xbf\r\n", "empty");
    check(b"postcode,x\r\n", "no rows");
    check(b"postcode", "no rows");
    check(b"postcode,x\rLA1 1PN,y\r", "carriage returns");
    let truncated = gzip(b"postcode\nLA1 1PN\n");
    check(&truncated[..truncated.len() - 9], "reading failed");
}

#[test]
fn ambiguous_columns_are_rejected_without_repeating_cells() {
    let check = |input: &str, words: &str| {
        let error = batch_error(input.as_bytes(), &request());
        assert!(error.contains(words), "{error}");
        for secret in ["LA1 1PN", "Airey", "9990001111"] {
            assert!(!error.contains(secret), "{error}");
        }
    };
    check("name,pst\nAirey,LA1 1PN\n", "--postcode-column");
    check("Airey,9990001111,x\nAirey,LA1 1PN,x\n", "--postcode-column");
    check("Airey,LA1 1PN\nAirey,LA1 1PN\n", "a header row is required");
    check("pcd,Post_Code\nLA1 1PN,LA1 1PN\n", "`pcd`, `Post_Code`");
    check("postcode,x,x\nLA1 1PN,1,2\n", "columns 2 and 3");
    check("postcode,lat,lon\nLA1 1PN,1,2\n", "coordinates");
    check(
        "postcode,catchment_status\nLA1 1PN,located\n",
        "`catchment_status`",
    );
    check("name#postcode\nAirey#LA1 1PN\n", "--delimiter");
    check(
        "postcode,x\nLA1 1PN,\"Airey\n",
        "line 2 has a quotation mark",
    );
    // Empty column names may be repeated.
    assert!(run_batch_text("postcode,,\nLA1 1PN,,\n", &request()).contains(",located,"));
    let mut named = request();
    named.column_overrides.postcode = Some("home".into());
    assert!(batch_error(b"postcode\nLA1 1PN\n", &named).contains("`home`"));
    named.delimiter = Some("#".parse().expect("a delimiter"));
    assert!(run_batch_text("name#Home\nx#LA1 1PN\n", &named).contains("x#LA1 1PN#located#"));
}

#[test]
fn registration_only_needs_no_location() {
    let mut request = request_with_columns("practice,practice_successors");
    request.column_overrides.registration_only = true;
    let output = run_batch_text("practice code\nP81064\n\nA82608001\n", &request);
    let records = records(output.replace("\n,", "\n\"\",").as_bytes(), b',');
    let icc: Vec<&str> = records
        .iter()
        .map(|map| map["catchment_icc_registration_id"].as_str())
        .collect();
    assert_eq!(icc, ["mb-lancaster", "", "mb-east"]);
    assert_eq!(records[0]["catchment_practice_successors"], "P81002");
    assert_eq!(records[0]["catchment_agreement"], "registration_only");
}

#[test]
fn formulas_are_escaped_only_with_excel_safe() {
    let input = "postcode,note,=x\nLA1 1PN,=1+1,-2.5\n=LA1 1AA,\"+a,b\",@x\n-1,\tx,ok\n";
    assert_eq!(
        input_cells(&run_batch_text(input, &request()), 10, ","),
        input
    );
    let safe = BatchRequest {
        excel_safe: true,
        ..request()
    };
    let expected = "postcode,note,'=x\nLA1 1PN,'=1+1,-2.5\n'=LA1 1AA,\"'+a,b\",'@x\n-1,'\tx,ok\n";
    assert_eq!(
        input_cells(&run_batch_text(input, &safe), 10, ","),
        expected
    );
}

#[test]
fn scientific_notation_is_copied_and_counted() {
    let input =
        "nhs,postcode,sub\n4.5E+09,LA1 1PN,1K\n9990001111,LA1 1PN,01K\n\"9.99E+09\",LA1 1PN,1K\n";
    let (output, summary) =
        try_run_batch(input.as_bytes(), &request(), 1).expect("the batch succeeds");
    assert_eq!(
        input_cells(&String::from_utf8(output).expect("text"), 10, ","),
        input
    );
    let shortened = summary.scientific_notation.expect("found");
    assert_eq!((shortened.count, shortened.first_line), (2, 2));
}

#[test]
fn ndjson_objects_are_copied_with_output_fields_appended() {
    let lines = [
        r#"{"n": 1.50, "postcode": "LA18 4DB", "practice_code":"P81064" }"#,
        r#"{"postcode":"LA1\u0020 1PN","postcode2":{"a":[1,2]}}"#,
        r#"{}"#,
        r#"{"postcode":12}"#,
    ];
    let input = lines.join("\r\n") + "\r\n\r\n";
    let (output, summary) = try_run_batch(input.as_bytes(), &request_with_columns("longitude"), 2)
        .expect("the batch succeeds");
    let output = String::from_utf8(output).expect("text");
    assert_eq!(summary.rows, 4);
    let rows: Vec<&str> = output.split("\r\n").collect();
    assert_eq!(rows.len(), 6, "blank lines must be copied");
    for (row, line) in rows.iter().zip(lines) {
        let prefix = line.trim_end_matches(['}', ' ']);
        assert!(row.starts_with(prefix), "{row}");
        let value: Value = serde_json::from_str(row).expect("an object");
        assert_eq!(value["catchment_dataset_version"], "2026.1");
    }
    let first: Value = serde_json::from_str(rows[0]).expect("an object");
    assert_eq!(
        first["catchment_practices_covering"],
        serde_json::json!(["A82033"])
    );
    assert_eq!(first["catchment_longitude"], serde_json::json!(-3.269471));
    assert_eq!(first["catchment_resilience_groups"], Value::Null);
    assert_eq!(first["catchment_icc_registration_id"], "mb-lancaster");
    let bad = run_batch_text(
        "{\"postcode\":\"LA1 1PN\"}\nnope \"x\"\n{\"postcode\":[1]}\n",
        &request(),
    );
    let rows: Vec<Value> = bad
        .lines()
        .map(|row| serde_json::from_str(row).expect("an object"))
        .collect();
    assert_eq!(rows[1]["catchment_status"], "bad_row");
    assert_eq!(rows[1]["catchment_input"], "nope \"x\"");
    assert!(
        rows[2]["catchment_reason"]
            .as_str()
            .expect("a text")
            .starts_with("line 3:")
    );
}

#[test]
fn output_does_not_depend_on_threads_or_row_order() {
    let input = patients(7).csv(30_000);
    let (single_threaded, summary) =
        try_run_batch(&input, &request(), 1).expect("the batch succeeds");
    for threads in [2, 3, 8] {
        let (bytes, other) =
            try_run_batch(&input, &request(), threads).expect("the batch succeeds");
        assert!(bytes == single_threaded, "{threads} threads");
        assert_eq!(other, summary);
    }
    assert_eq!(summary.rows, 30_000);
    // The result of a row does not depend on its position in the input.
    let text = String::from_utf8(input).expect("text");
    let (names, rows) = text.split_once('\n').expect("names");
    let rows: Vec<&str> = rows
        .split_inclusive('\n')
        .filter(|row| row.matches(',').count() == 11)
        .collect();
    let simple: Vec<&str> = rows
        .into_iter()
        .filter(|row| !row.contains('"'))
        .take(5_000)
        .collect();
    let forward = run_batch_text(&format!("{names}\n{}", simple.concat()), &request());
    let reversed: String = simple.iter().rev().copied().collect();
    let reversed = run_batch_text(&format!("{names}\n{reversed}"), &request());
    let forward: Vec<&str> = forward.lines().skip(1).collect();
    let reversed: Vec<&str> = reversed.lines().skip(1).collect();
    assert!(forward.iter().eq(reversed.iter().rev()));
}

#[test]
fn summary_counts_match_the_output_of_dirty_data() {
    let input = patients(11).csv(20_000);
    let (output, summary) = try_run_batch(&input, &request(), 2).expect("the batch succeeds");
    let records = records(&output, b',');
    assert_eq!(records.len() as u64, summary.rows);
    assert_eq!(summary.rows, 20_000);
    let mut status: HashMap<&str, u64> = HashMap::new();
    let mut agreement: HashMap<&str, u64> = HashMap::new();
    let mut icc: HashMap<(&str, &str), u64> = HashMap::new();
    for record in &records {
        *status.entry(&record["catchment_status"]).or_default() += 1;
        *agreement.entry(&record["catchment_agreement"]).or_default() += 1;
        for column in [
            "catchment_icc_residence_id",
            "catchment_icc_registration_id",
        ] {
            *icc.entry((column, &record[column])).or_default() += 1;
        }
    }
    for (word, count) in &summary.status {
        assert_eq!(
            status.get(word).copied().unwrap_or_default(),
            *count,
            "{word}"
        );
    }
    assert_eq!(
        summary.status.iter().map(|(_, count)| count).sum::<u64>(),
        summary.rows
    );
    assert_eq!(agreement.remove(""), Some(summary.bad_rows));
    for (word, count) in &summary.agreement {
        assert_eq!(
            agreement.get(word).copied().unwrap_or_default(),
            *count,
            "{word}"
        );
    }
    for icc_count in &summary.communities {
        let count = |column| {
            icc.get(&(column, icc_count.id.as_str()))
                .copied()
                .unwrap_or_default()
        };
        assert_eq!(
            count("catchment_icc_residence_id"),
            icc_count.residence,
            "{}",
            icc_count.id
        );
        assert_eq!(
            count("catchment_icc_registration_id"),
            icc_count.registration,
            "{}",
            icc_count.id
        );
    }
    // Errors of each kind occur in about 3% of the rows. Some rows have several errors.
    for word in [
        "bad_row",
        "no_fixed_abode",
        "partial_postcode",
        "missing",
        "malformed",
        "outside_coverage",
    ] {
        assert!(
            status.get(word).copied().unwrap_or_default() > 150,
            "{word}: {status:?}"
        );
    }
    assert!(
        summary
            .scientific_notation
            .is_some_and(|notation| notation.count > 300)
    );
}

#[test]
fn input_and_output_can_be_compressed() {
    let input = patients(3).csv(5_000);
    let plain = run_batch(&input, &request());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&input).expect("written");
    let gzip = gzip.finish().expect("compressed");
    let zstd = zstd::encode_all(input.as_slice(), 1).expect("compressed");
    for compressed in [&gzip, &zstd] {
        assert!(run_batch(compressed, &request()) == plain);
    }
    for compression in [Compression::Gzip, Compression::Zstd] {
        let request = BatchRequest {
            compression,
            ..request()
        };
        let compressed = run_batch(&input, &request);
        assert!(compressed.len() < plain.len() / 2);
        let mut decompressed = Vec::new();
        match compression {
            Compression::Gzip => {
                drop(MultiGzDecoder::new(compressed.as_slice()).read_to_end(&mut decompressed))
            }
            _ => decompressed = zstd::decode_all(compressed.as_slice()).expect("decompressed"),
        }
        assert!(decompressed == plain);
        assert!(
            run_batch(&input, &request) == compressed,
            "the output of a second run is different"
        );
    }
}

// ---- the batch command --------------------------------------------------------------------------

struct RunResult {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

fn batch_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .current_dir(folder)
        .args(["batch", "--as-of", AS_OF])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_result(output: Output) -> RunResult {
    RunResult {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn run(folder: &Path, arguments: &[&str]) -> RunResult {
    run_result(
        batch_command(folder, arguments)
            .output()
            .expect("the program starts"),
    )
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

const INPUT: &str = "name,postcode,practice_code\nAirey,LA18 4DB,P81064\nRigg,LA1 1PN,P81002\n";

fn folder_with_input(input: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("list.csv"), input).expect("written");
    folder
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn output_file_has_a_manifest_and_summary() {
    let folder = folder_with_input(INPUT.as_bytes());
    let path = |name: &str| folder.path().join(name);
    let done = run(
        folder.path(),
        &["list.csv", "-o", "out.csv", "--summary", "summary.json"],
    );
    assert_eq!((done.code, done.stdout.len()), (0, 0), "{}", done.stderr);
    let expected = [
        "list.csv",
        "out.csv",
        "out.csv.manifest.json",
        "summary.json",
    ];
    assert_eq!(file_names(folder.path()), expected);
    let output = fs::read(path("out.csv")).expect("an output file");
    assert!(output == run_batch(INPUT.as_bytes(), &request()));
    assert!(
        done.stderr.contains("CSV, delimiter comma"),
        "{}",
        done.stderr
    );
    let manifest = fs::read_to_string(path("out.csv.manifest.json")).expect("a manifest");
    let body: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(body["input"]["sha256"], sha256(INPUT.as_bytes()));
    assert_eq!(body["output"]["sha256"], sha256(&output));
    assert_eq!(body["rows"], 2);
    assert_eq!(body["dataset"]["digest"], INDEX.digest());
    assert_eq!(body["parameters"]["as_of"], AS_OF);
    let folder_name = folder.path().to_str().expect("text");
    for secret in ["LA18", "Airey", "P81064", folder_name] {
        assert!(!manifest.contains(secret), "{manifest}");
        assert!(!done.stderr.contains(secret), "{}", done.stderr);
    }
    let summary = fs::read_to_string(path("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["status"]["located"], 2);
    assert_eq!(summary["agreement"]["differ"], 1);
    let suppressed = run(
        folder.path(),
        &[
            "list.csv",
            "--suppress",
            "below:8-round:5",
            "--summary",
            "hidden.json",
        ],
    );
    assert!(suppressed.stderr.contains('*'), "{}", suppressed.stderr);
    let suppressed: Value =
        serde_json::from_str(&fs::read_to_string(path("hidden.json")).expect("a summary"))
            .expect("JSON");
    assert_eq!(suppressed["status"]["located"], Value::Null);
    assert_eq!(suppressed["status"]["malformed"], 0);
    assert_eq!(suppressed.get("bad_lines"), None);
    // The manifest reveals no count that the summary suppresses.
    let suppressed = run(
        folder.path(),
        &[
            "list.csv",
            "--suppress=below:8-round:5",
            "-o",
            "hidden.csv",
            "-q",
        ],
    );
    assert_eq!(suppressed.code, 0, "{}", suppressed.stderr);
    let text = fs::read_to_string(path("hidden.csv.manifest.json")).expect("a manifest");
    let suppressed: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&suppressed["rows"], &suppressed["bad_rows"]),
        (&Value::Null, &Value::from(0))
    );
    // A second run with a different number of threads results in the same output and manifest.
    let again = run(
        folder.path(),
        &[
            "list.csv",
            "-o",
            "out.csv",
            "--force",
            "--threads",
            "3",
            "-q",
        ],
    );
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    assert!(fs::read(path("out.csv")).expect("an output file") == output);
    assert_eq!(
        fs::read_to_string(path("out.csv.manifest.json")).expect("a manifest"),
        manifest
    );
}

#[test]
fn failed_batches_leave_no_output_file() {
    let folder = folder_with_input(INPUT.as_bytes());
    fs::write(folder.path().join("open.csv"), "postcode,x\nLA1 1PN,\"\n").expect("written");
    fs::write(folder.path().join("there.csv"), "mine").expect("written");
    let before = file_names(folder.path());
    for (arguments, words) in [
        (&["open.csv", "-o", "out.csv"][..], "line 2"),
        (&["list.csv", "-o", "there.csv"], "--force"),
        (
            &["list.csv", "-o", "list.csv", "--force"],
            "OUT is the input file",
        ),
        (&["list.csv", "-o", "nowhere/out.csv"], "nowhere"),
        (&["list.csv", "-o", "."], "folder"),
        (&["nothing.csv", "-o", "out.csv"], "nothing.csv"),
        (&["list.csv", "--columns", "iccs"], "`iccs`"),
        (&["list.csv", "--delimiter", "x"], "delimiter"),
        (&["list.csv", "--as-of", "2023-02-29"], "as-of"),
        (&["list.csv", "--threads", "0"], "threads"),
    ] {
        let refused = run(folder.path(), arguments);
        assert_eq!(refused.code, 2, "{arguments:?} {}", refused.stderr);
        assert!(
            refused.stderr.contains(words),
            "{arguments:?} {}",
            refused.stderr
        );
        assert_eq!(refused.stdout, b"", "{arguments:?}");
        assert_eq!(file_names(folder.path()), before, "{arguments:?}");
    }
    assert_eq!(
        fs::read(folder.path().join("there.csv")).expect("a file"),
        b"mine"
    );
    let replaced = run(folder.path(), &["list.csv", "-o", "there.csv", "--force"]);
    assert_eq!(replaced.code, 0, "{}", replaced.stderr);
}

#[test]
fn a_single_shortened_number_is_reported_in_the_singular() {
    let folder = folder_with_input(b"postcode,nhs\nLA1 1PN,4.5E+09\n");
    let done = run(folder.path(), &["list.csv", "-o", "out.csv"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let expected = "1 number such as 4.5E+09, on line 2: a spreadsheet shortened it and its";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
}

#[test]
fn exit_status_is_3_if_there_are_bad_rows() {
    let folder = folder_with_input(b"postcode,x\nLA1 1PN,1\nLA1 1PN\n");
    let done = run(folder.path(), &["list.csv", "-o", "out.csv"]);
    assert_eq!(done.code, 3);
    assert!(
        done.stderr
            .contains("the row that could not be read starts on line 3: see"),
        "{}",
        done.stderr
    );
    let fine = folder_with_input(b"postcode,x\nnonsense,1\n");
    assert_eq!(
        run(fine.path(), &["list.csv", "-o", "out.csv"]).code,
        0,
        "a malformed postcode must not count as a bad row"
    );
}

#[test]
fn output_extension_selects_the_compression() {
    let folder = folder_with_input(INPUT.as_bytes());
    assert_eq!(
        run(folder.path(), &["list.csv", "-o", "out.csv.gz"]).code,
        0
    );
    assert_eq!(
        run(folder.path(), &["list.csv", "-o", "out.csv.zst"]).code,
        0
    );
    let expected = run_batch(INPUT.as_bytes(), &request());
    let mut decompressed = Vec::new();
    let compressed = fs::read(folder.path().join("out.csv.gz")).expect("a file");
    MultiGzDecoder::new(compressed.as_slice())
        .read_to_end(&mut decompressed)
        .expect("decompressed");
    assert!(decompressed == expected);
    let compressed = fs::read(folder.path().join("out.csv.zst")).expect("a file");
    assert!(zstd::decode_all(compressed.as_slice()).expect("decompressed") == expected);
}

#[test]
fn pipes_give_the_same_output_and_close_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = patients(5).csv(40_000);
    let mut child = batch_command(folder.path(), &["-", "-q"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = csv.clone();
    let feeder = thread::spawn(move || stdin.write_all(&input));
    let done = run_result(child.wait_with_output().expect("the program exits"));
    feeder.join().expect("no panic").expect("the input is read");
    assert_eq!((done.code, done.stderr.as_str()), (3, ""));
    assert!(done.stdout == run_batch(&csv, &request()));

    let mut child = batch_command(folder.path(), &["-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let feeder = thread::spawn(move || {
        // Writing to the program fails when the program exits.
        while stdin.write_all(&csv[csv.len() / 2..]).is_ok() {}
    });
    let mut buffer = [0; 1];
    // The program rejects input that starts in the middle of a row, because it has no header row.
    // Neither the program nor the test blocks.
    let read = child
        .stdout
        .take()
        .expect("piped")
        .read(&mut buffer)
        .expect("read");
    assert_eq!(read, 0);
    let refused = run_result(child.wait_with_output().expect("the program exits"));
    feeder.join().expect("the feeder ends");
    assert_eq!(refused.code, 2);
    assert!(!refused.stderr.contains("LA1"), "{}", refused.stderr);

    let mut child = batch_command(folder.path(), &["-", "-q"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let feeder = thread::spawn(move || {
        let mut more = stdin.write_all(b"postcode\n");
        while more.is_ok() {
            more = stdin.write_all(&b"LA18 4DB\n".repeat(1_000));
        }
    });
    let mut reader = child.stdout.take().expect("piped");
    reader.read_exact(&mut [0; 10]).expect("output starts");
    drop(reader);
    let finished = run_result(child.wait_with_output().expect("the program exits"));
    feeder.join().expect("the feeder ends");
    assert_eq!((finished.code, finished.stderr.as_str()), (141, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn full_disks_and_killed_processes_leave_no_output_file() {
    let folder = folder_with_input(&patients(5).csv(2_000));
    let full = run(folder.path(), &["list.csv", "-o", "/dev/full"]);
    assert_eq!(full.code, 2);
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
    let before = file_names(folder.path());
    let mut child = batch_command(folder.path(), &["-", "-o", "out.csv"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"postcode\n").expect("read");
    // Send more rows than the pipe and one block can hold, so that some output is written.
    stdin
        .write_all(&b"LA18 4DB\n".repeat(200_000))
        .expect("read");
    child.kill().expect("killed");
    child.wait().expect("the program exits");
    assert_eq!(file_names(folder.path()), before);
}

#[test]
fn check_prints_the_detected_format_and_writes_nothing() {
    let folder =
        folder_with_input("Ref|Post Code|GP practice code\r\n1|LA18 4DB|P81064\r\n".as_bytes());
    let output = run(folder.path(), &["--check", "list.csv"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(
        String::from_utf8(output.stdout)
            .expect("text")
            .replace('\r', "␍")
    );
    assert_eq!(file_names(folder.path()), ["list.csv"]);
}

#[test]
fn batch_help_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = batch_command(folder.path(), &["--help"])
        .env_remove("COLUMNS")
        .output();
    insta::assert_snapshot!(
        String::from_utf8(run_result(output.expect("the program starts")).stdout).expect("text")
    );
}

#[test]
fn documentation_lists_every_column() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/users/batch.md"));
    let page = page.expect("docs/users/batch.md");
    for column in batch::columns_of(INDEX.manifest()) {
        let (name, about) = (&column.name, &column.description);
        let column = column.column;
        let (value_type, unit) = (column.value_type().as_str(), column.unit().unwrap_or(""));
        let empty = column.empty_when();
        let line = format!("| `{name}` | {value_type} | {unit} | {about} | {empty} |");
        assert!(page.contains(&line), "{line}");
    }
    for set in batch::ColumnSet::ALL {
        let (name, about) = (set.as_str(), set.description());
        let line = format!("| `{name}` | {about}");
        assert!(page.contains(&line), "{line}");
    }
    for (role, names) in batch::COLUMN_ALIASES {
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let line = format!("| {} | {} |", role.as_str(), listed.join(", "));
        assert!(page.contains(&line), "{line}");
    }
}
