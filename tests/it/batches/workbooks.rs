//! Tests of workbooks as input and output. The script `tests/oracle/workbooks.py` writes the input
//! and reads the output with openpyxl. In the slow tests, LibreOffice opens the output.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use catchment::batch::{self, BatchFormat, BatchInput, BatchRequest, Compression};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::batch_http::{batch_path, full_request, post_batch, send_request};
use super::columnar::request;
use super::{run_program, run_successfully};
use crate::support::external_tools::{python, report_skipped, stdout_of};
use crate::support::server::SERVER;

const SCRIPT: &str = "tests/oracle/workbooks.py";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// The folder with the workbooks that `workbooks.py make` writes, or `None` if Python is not
/// available.
static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| {
    let mut python = python("tests of workbooks")?;
    let folder = tempfile::tempdir().expect("a folder");
    stdout_of(python.args([SCRIPT, "make"]).arg(folder.path()));
    Some(folder)
});

fn folder() -> Option<&'static Path> {
    FOLDER.as_ref().map(TempDir::path)
}

fn script(arguments: &[&str]) -> Value {
    let mut python = python("tests of workbooks").expect("the folder was made with it");
    let text = stdout_of(python.arg(SCRIPT).args(arguments));
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn answered(folder: &Path, arguments: &[&str]) -> String {
    let output = run_successfully(folder, arguments);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn check_rejected(folder: &Path, arguments: &[&str], words: &[&str]) {
    let output = run_program(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in {errors}");
    }
}

fn column(rows: &Value, name: &str) -> Vec<Value> {
    let rows = rows.as_array().expect("rows");
    let is_name = |cell: &Value| cell == name;
    let position = |row: &Value| row.as_array().expect("cells").iter().position(is_name);
    let index = rows.iter().find_map(position).expect("the column");
    rows.iter().map(|row| row[index].clone()).collect()
}

#[test]
fn every_cell_of_a_workbook_is_kept() {
    let Some(folder) = folder() else { return };
    let report = answered(
        folder,
        &[
            "patients.xlsx",
            "-o",
            "answered.xlsx",
            "--columns",
            "longitude,practices_covering_names",
        ],
    );
    for words in [
        "an Excel workbook (.xlsx), sheet `Patients & co`",
        "header row on row 3, 2 rows above it are copied unchanged",
        "postcode in `Postcode`",
    ] {
        assert!(report.contains(words), "{report}");
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let found = script(&[
        "compare",
        &path("patients.xlsx"),
        &path("answered.xlsx"),
        "Patients & co",
    ]);
    assert_eq!(found["width"], 10);
    let statuses = column(&found["added"], "catchment_status");
    let expected = json!([
        null,
        null,
        "catchment_status",
        "located",
        "malformed",
        "no_fixed_abode",
        null,
        "located",
        "missing"
    ]);
    assert_eq!(json!(statuses), expected);
    let longitudes = column(&found["added"], "catchment_longitude");
    assert!(
        longitudes[3].is_f64() && longitudes[4].is_null(),
        "{longitudes:?}"
    );
    assert_eq!(found["types"], json!(["n", "s"]));
    assert_eq!(found["filter"], "A3:V9");
    assert_eq!(found["dimensions"], "A1:V9");
    assert_eq!(found["hidden"], json!(["G"]));
    assert!(
        !json!(found["header_bold"]).to_string().contains("false"),
        "{found}"
    );
    assert_eq!(found["last_sheet"], "Catchment summary 2");
    assert_eq!(found["summary"][0][1], 5);
    let changed = [
        "[Content_Types].xml",
        "xl/_rels/workbook.xml.rels",
        "xl/workbook.xml",
        "xl/worksheets/sheet1.xml",
    ];
    assert_eq!(found["changed"], json!(changed));
    let manifest = fs::read_to_string(folder.join("answered.xlsx.manifest.json"));
    let manifest: Value = serde_json::from_str(&manifest.expect("a manifest")).expect("JSON");
    assert_eq!(manifest["parameters"]["format"], "xlsx");
    assert_eq!(manifest["parameters"]["sheet"], "Patients & co");
    assert_eq!(manifest["rows"], 5);

    // The answers are the same as for the same rows in CSV, and the same input produces the same
    // output.
    answered(folder, &["patients.xlsx", "-o", "rows.csv"]);
    answered(
        folder,
        &["patients.xlsx", "-o", "again.xlsx", "--threads", "3"],
    );
    answered(
        folder,
        &["patients.xlsx", "-o", "once.xlsx", "--threads", "1"],
    );
    let bytes = |name: &str| fs::read(folder.join(name)).expect("a file");
    assert!(bytes("again.xlsx") == bytes("once.xlsx"));
    let mut reader = csv::Reader::from_path(folder.join("rows.csv")).expect("a file");
    let headers = reader.headers().expect("a header row").clone();
    let records: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    for (index, name) in headers.iter().enumerate() {
        if !name.starts_with("catchment_") {
            continue;
        }
        let cells = column(&found["added"], name);
        for (record, row) in records.iter().zip([3, 4, 5, 7, 8]) {
            let cell = cells[row].as_str().unwrap_or_default();
            assert_eq!(&record[index], cell, "{name} of row {}", row + 1);
        }
    }
}

#[test]
fn rows_of_a_workbook_become_text_as_they_are_displayed() {
    let Some(folder) = folder() else { return };
    answered(
        folder,
        &["patients.xlsx", "-o", "text.csv", "--registration-only"],
    );
    let text = fs::read_to_string(folder.join("text.csv")).expect("a file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    for (line, expected) in [
        (
            0,
            "Name,NHS number,Postcode,GP practice code,Born,Seen,Local id,Share,Copy,Adult,catchment_status,",
        ),
        (
            1,
            "Airey,9990001111,LA18 4DB,P81064,1950-02-28,2026-04-01T10:30:00,000,0.1,LA18 4DB,TRUE,",
        ),
        (
            2,
            "Rigg & Son,9990001112,LA1O 5DL,P81002,1951-02-28,2026-04-01T10:30:01,001,0.2,LA1O 5DL,FALSE,",
        ),
        (
            3,
            "Tyson,9990001113,ZZ99 3VZ,A82608,1952-02-28,2026-04-01T10:30:02,002,0.3,ZZ99 3VZ,TRUE,",
        ),
        (4, "=cmd|' /C calc'!A0,9990001114,"),
        (
            5,
            "Zoë,9990001115,,,1954-02-28,2026-04-01T10:30:04,004,0.5,,TRUE,",
        ),
    ] {
        assert!(lines[line].starts_with(expected), "{}", lines[line]);
    }
    answered(folder, &["patients.xlsx", "-o", "safe.csv", "--excel-safe"]);
    let safe = fs::read_to_string(folder.join("safe.csv")).expect("a file");
    assert!(safe.contains("\n'=cmd|"), "{safe}");
    answered(folder, &["patients.xlsx", "-o", "text.tsv"]);
    let text = fs::read_to_string(folder.join("text.tsv")).expect("a file");
    assert!(text.starts_with("Name\tNHS number\t"), "{text}");
    answered(folder, &["patients.xlsx", "-o", "text.ndjson"]);
    let text = fs::read_to_string(folder.join("text.ndjson")).expect("a file");
    let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let expected = json!([9_990_001_111_u64, "1950-02-28", "000", 0.1, true, "located"]);
    let names = [
        "NHS number",
        "Born",
        "Local id",
        "Share",
        "Adult",
        "catchment_status",
    ];
    assert_eq!(json!(names.map(|name| first[name].clone())), expected);
}

#[test]
fn tables_are_extended_without_their_totals() {
    let Some(folder) = folder() else { return };
    answered(
        folder,
        &["table.xlsx", "-o", "extended.xlsx", "--sheet", "list"],
    );
    let path = |name: &str| folder.join(name).display().to_string();
    let found = script(&[
        "compare",
        &path("table.xlsx"),
        &path("extended.xlsx"),
        "List",
    ]);
    let statuses = column(&found["added"], "catchment_status");
    let expected = json!([
        "catchment_status",
        "located",
        "located",
        null,
        null,
        "located"
    ]);
    assert_eq!(json!(statuses), expected);
    let (range, filter, names) = {
        let table = &found["tables"]["Patients"];
        (&table[0], &table[1], &table[2])
    };
    assert_eq!((range, filter), (&json!("A1:M4"), &json!("A1:M3")));
    let names = names.as_array().expect("names");
    assert_eq!((names.len(), &names[3]), (13, &json!("catchment_status")));
    // New columns in the place of hidden columns are visible.
    let hidden = found["hidden"].to_string();
    assert!(
        !hidden.contains("\"D\"") && hidden.contains("\"N\""),
        "{hidden}"
    );
    check_rejected(
        folder,
        &["table.xlsx", "-o", "x.xlsx", "--sheet", "3"],
        &["--sheet `3`", "`Cover`, `List`"],
    );
    check_rejected(
        folder,
        &["table.xlsx", "-o", "x.xlsx"],
        &["no postcode column"],
    );
    answered(folder, &["table.xlsx", "-o", "second.csv", "--sheet", "2"]);
}

#[test]
fn text_becomes_a_workbook_of_texts() {
    let Some(folder) = folder() else { return };
    let csv = "List of patients\n\nid,postcode,name\n007,LA18 4DB,\"=1+1 \"\"x\"\"\"\n1E5,LA1 1PN,Zo\u{eb}\n";
    fs::write(folder.join("list.csv"), csv).expect("written");
    let arguments = ["-o", "list.xlsx", "--force", "--columns", "longitude", "-q"];
    answered(folder, &[&["list.csv"], arguments.as_slice()].concat());
    let path = folder.join("list.xlsx").display().to_string();
    let check = |found: &Value| {
        assert_eq!(found["sheets"], json!(["Answers", "Catchment summary"]));
        let rows = &found["rows"];
        assert_eq!(rows[0][0], json!(["List of patients", "s"]));
        assert_eq!(rows[3][0], json!(["007", "s"]));
        assert_eq!(rows[3][2], json!(["=1+1 \"x\"", "s"]));
        assert_eq!(rows[4][0], json!(["1E5", "s"]));
        assert_eq!(rows[4][2], json!(["Zo\u{eb}", "s"]));
        assert_eq!(rows[4][3], json!(["located", "s"]));
        let last = rows[4].as_array().expect("cells").last().expect("a cell");
        assert!(last[0].is_f64() && last[1] == "n", "{last}");
    };
    let found = script(&["dump", &path]);
    check(&found);
    assert_eq!(found["freeze"], "A4");
    // The encodings of "CSV" and of "Unicode text" in Excel.
    let latin1: Vec<u8> = csv
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Latin 1"))
        .collect();
    fs::write(folder.join("list.csv"), latin1).expect("written");
    answered(folder, &[&["list.csv"], arguments.as_slice()].concat());
    check(&script(&["dump", &path]));
    let utf16: Vec<u8> = format!("\u{feff}{csv}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(folder.join("list.csv"), utf16).expect("written");
    answered(folder, &[&["list.csv"], arguments.as_slice()].concat());
    check(&script(&["dump", &path]));

    let ndjson = "{\"postcode\":\"LA18 4DB\",\"age\":7,\"known\":true,\"tags\":[\"a\",\"b\"]}\n[]\n{\"postcode\":\"LA1 1PN\",\"age\":null}\n";
    fs::write(folder.join("list.ndjson"), ndjson).expect("written");
    answered(folder, &["list.ndjson", "-o", "objects.xlsx"]);
    let path = folder.join("objects.xlsx").display().to_string();
    let rows = &script(&["dump", &path])["rows"];
    let cells = |row: usize| {
        (0..4)
            .map(|cell| rows[row][cell][0].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(json!(cells(0)), json!(["postcode", "age", "known", "tags"]));
    assert_eq!(json!(cells(1)), json!(["LA18 4DB", 7, true, "a;b"]));
    assert_eq!(json!(cells(2)), json!(["[]", null, null, null]));
    assert_eq!(json!(cells(3)), json!(["LA1 1PN", null, null, null]));
}

#[test]
fn text_in_utf16_is_answered_in_utf8() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "name\tpostcode\r\nZo\u{eb}\tLA18 4DB\r\n";
    for (mark, encode) in [
        ("\u{feff}", u16::to_le_bytes as fn(u16) -> [u8; 2]),
        ("\u{feff}", u16::to_be_bytes),
        ("", u16::to_le_bytes),
    ] {
        let bytes: Vec<u8> = format!("{mark}{text}")
            .encode_utf16()
            .flat_map(encode)
            .collect();
        fs::write(folder.path().join("in.txt"), bytes).expect("written");
        let report = answered(folder.path(), &["in.txt"]);
        let expected = "\u{feff}name\tpostcode\tcatchment_status";
        assert!(report.starts_with(expected), "{report}");
        assert!(
            report.contains("\nZo\u{eb}\tLA18 4DB\tlocated\t"),
            "{report}"
        );
        assert!(report.contains("in UTF-16"), "{report}");
    }
}

/// Returns the error for a workbook that is read through the library.
#[track_caller]
fn error_of(file: &Path, request: &BatchRequest) -> String {
    let mut opened = File::open(file).expect("a file");
    let result = if batch::is_workbook(&mut opened).expect("readable") {
        BatchInput::<File>::open_workbook(opened, request)
    } else {
        BatchInput::open(opened, request)
    };
    match result {
        Ok(_) => panic!("{} is accepted", file.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn bad_workbooks_are_rejected_by_name() {
    let Some(folder) = folder() else { return };
    let to_xlsx = || {
        let mut request = request("");
        request.workbook.output_format = Some(BatchFormat::Xlsx);
        request
    };
    for (file, words) in [
        ("binary.xlsb", &[".xlsb"][..]),
        ("open.ods", &[".ods"]),
        ("word.xlsx", &["Word"]),
        ("archive.xlsx", &["a zip archive, and not a workbook"]),
        ("password.xlsx", &["a workbook with a password"]),
        ("old.xls", &["an old workbook (.xls)"]),
        ("html.xlsx", &["a web page"]),
        ("truncated.xlsx", &["corrupt"]),
        ("template.xlsx", &["a template"]),
        ("dtd.xlsx", &["sheet `Sheet`", "DTD"]),
        ("order.xlsx", &["sheet `Sheet`", "row 1"]),
        (
            "reference.xlsx",
            &[
                "sheet `Sheet`",
                "cell A2",
                "shared string that does not exist",
            ],
        ),
        ("bomb.xlsx", &["250 times"]),
        ("tables.xlsx", &["sheet `Sheet`", "A1:B2", "A3:B4"]),
        ("empty.xlsx", &["it is empty"]),
        ("header.xlsx", &["no rows after the header row"]),
        ("wide.xlsx", &["sheet `Sheet`", "XFD"]),
        ("macros.xlsm", &["macros", ".xlsm"]),
    ] {
        let error = error_of(&folder.join(file), &to_xlsx());
        for word in words {
            assert!(error.contains(word), "{file}: {word:?} is not in {error}");
        }
    }
    type Change = fn(&mut BatchRequest);
    let changes: [(&str, Change, &str); 6] = [
        (
            "whole.xlsx",
            |request| request.workbook.output_format = Some(BatchFormat::Xlsm),
            "no macros",
        ),
        (
            "whole.xlsx",
            |request| request.workbook.output_format = Some(BatchFormat::Parquet),
            "Parquet",
        ),
        (
            "whole.xlsx",
            |request| request.compression = Compression::Gzip,
            "--compress",
        ),
        (
            "whole.xlsx",
            |request| request.header.skip_lines = Some(9),
            "9 lines",
        ),
        (
            "csv.xlsx",
            |request| request.workbook.sheet = Some("1".into()),
            "--sheet",
        ),
        (
            "csv.xlsx",
            |request| request.format = Some(BatchFormat::Xlsx),
            "text, such as CSV",
        ),
    ];
    for (file, change, words) in changes {
        let mut request = to_xlsx();
        change(&mut request);
        let error = error_of(&folder.join(file), &request);
        assert!(error.contains(words), "{error}");
    }
    // A workbook may be compressed again, with gzip or Zstandard.
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let bytes = fs::read(folder.join("patients.xlsx")).expect("a file");
    encoder.write_all(&bytes).expect("written");
    let compressed = encoder.finish().expect("compressed");
    let input = BatchInput::open(compressed.as_slice(), &to_xlsx()).expect("a workbook");
    assert_eq!(input.detected().compression, Compression::Gzip);
    // The limits apply to the strings of cells and to workbooks in memory.
    let mut small = to_xlsx();
    small.limits.shared_text_bytes = 100;
    let error = error_of(&folder.join("patients.xlsx"), &small);
    assert!(error.contains("more than 100 bytes"), "{error}");
    small.limits.workbook_bytes = 1_000;
    let error = BatchInput::open(bytes.as_slice(), &small)
        .map(drop)
        .expect_err("too large");
    assert!(
        error.to_string().contains("more than 1000 bytes"),
        "{error}"
    );
}

#[test]
fn files_are_read_by_their_content() {
    let Some(folder) = folder() else { return };
    answered(folder, &["csv.xlsx", "-o", "from-csv.xlsx"]);
    answered(folder, &["macros.xlsm", "-o", "answered.xlsm"]);
    answered(folder, &["strict.xlsx", "-o", "strict.csv"]);
    let text = fs::read_to_string(folder.join("strict.csv")).expect("a file");
    assert!(text.contains("\nLA18 4DB,1950-02-28,located,"), "{text}");
    answered(folder, &["strict.xlsx", "-o", "strict-answered.xlsx"]);
    check_rejected(folder, &["whole.xlsx", "-o", "rejected.ods"], &[".ods"]);
    check_rejected(
        folder,
        &["order.xlsx", "-o", "rejected.xlsx"],
        &["order.xlsx: sheet `Sheet`"],
    );
    assert!(!folder.join("rejected.xlsx").exists());
}

#[test]
fn merged_cells_and_formulas_without_values_are_bad_rows() {
    let Some(folder) = folder() else { return };
    let report = answered(folder, &["rows.xlsx", "-o", "rows-answered.csv"]);
    assert!(report.contains("have the row numbers 3, 4"), "{report}");
    let text = fs::read_to_string(folder.join("rows-answered.csv")).expect("a file");
    for words in [
        "row 3: the postcode in cell A3 is part of the merged cells A2:A3: split them",
        "row 4: the postcode in cell A4 is a formula without a stored value: open the workbook in Excel and save it",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn workbooks_are_answered_over_http() {
    let Some(folder) = folder() else { return };
    let patients = fs::read(folder.join("patients.xlsx")).expect("a file");
    let reply = post_batch(XLSX, "", &patients);
    assert_eq!((reply.status, reply.header("content-type")), (200, XLSX));
    let name = reply.header("content-disposition");
    assert!(name.contains("answered.xlsx"), "{name}");
    let expected = run_program(folder, &["patients.xlsx"]).stdout;
    let is_same = reply.complete_body() == expected;
    assert!(is_same, "the bytes differ from those of the command line");
    let request = full_request(&batch_path(""), XLSX, "Accept: text/csv\r\n", &patients);
    let reply = send_request(&SERVER, request);
    assert_eq!(reply.header("content-type"), "text/csv");
    assert!(reply.complete_body().starts_with(b"Name,NHS number"));
    let checked = post_batch(XLSX, "&check=true", &patients).json();
    let found = [
        &checked["format"],
        &checked["sheet"],
        &checked["lines_above_header"],
    ];
    assert_eq!(json!(found), json!(["xlsx", "Patients & co", 2]));
    assert_eq!(checked["rows"][0][2], "located");
    let csv = b"postcode\nLA18 4DB\n";
    let reply = post_batch("text/csv", "&format=xlsx", csv);
    assert_eq!((reply.status, reply.header("content-type")), (200, XLSX));
    assert!(reply.complete_body().starts_with(b"PK\x03\x04"));
    let bytes = |name: &str| fs::read(folder.join(name)).expect("a file");
    post_batch("text/csv", "&format=ndjson", csv).expect_problem(400, "not_convertible");
    post_batch(XLSX, "", csv).expect_problem(422, "invalid_file");
    post_batch(XLSX, "&sheet=Zq7Mark", &patients).expect_problem(422, "sheet_not_found");
    let reply = post_batch(XLSX, "", &bytes("order.xlsx"));
    reply.expect_problem(422, "invalid_file");
    assert!(!reply.json().to_string().contains("`Sheet`"));
    post_batch(XLSX, "", &bytes("bomb.xlsx")).expect_problem(413, "decompression_ratio");
    let mut large = patients.clone();
    large.resize((64 << 20) + 1, 0);
    post_batch(XLSX, "", &large).expect_problem(413, "workbook_too_large");
    post_batch(XLSX, "&format=xlsx", &bytes("macros.xlsm")).expect_problem(422, "macros");
}

#[test]
#[ignore = "slow"]
fn libreoffice_reads_the_same_values() {
    let Some(folder) = folder() else { return };
    let soffice = |arguments: &[&str]| {
        let mut command = Command::new("soffice");
        command
            .current_dir(folder)
            .args(["--headless"])
            .args(arguments);
        command.output()
    };
    if soffice(&["--version"]).is_err() {
        return report_skipped("workbooks in LibreOffice: install libreoffice-calc");
    }
    // The program reads workbooks that LibreOffice wrote, and LibreOffice reads the output.
    fs::create_dir_all(folder.join("office")).expect("a folder");
    let convert = |to: &str, file: &str| {
        let output = soffice(&["--convert-to", to, "--outdir", "office", file]).expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
    };
    convert("xlsx:Calc MS Excel 2007 XML", "patients.xlsx");
    for input in ["patients.xlsx", "office/patients.xlsx"] {
        answered(folder, &[input, "-o", "office.xlsx", "--force"]);
        answered(folder, &[input, "-o", "ours.csv", "--force"]);
        convert("csv:Text - txt - csv (StarCalc):44,34,76,1", "office.xlsx");
        let records = |path: &str, skip: usize| -> Vec<Vec<String>> {
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader
                .has_headers(false)
                .flexible(true)
                .from_path(folder.join(path))
                .expect("a file");
            let records = reader.records().map(|row| row.expect("a row"));
            let filled = records.filter(|row| row.iter().any(|cell| !cell.is_empty()));
            let cells = filled.map(|row| row.iter().map(str::to_string).collect());
            cells.skip(skip).collect()
        };
        let (theirs, ours) = (records("office/office.csv", 1), records("ours.csv", 0));
        assert_eq!(theirs.len(), ours.len());
        for (their, our) in theirs.iter().zip(&ours) {
            // LibreOffice displays the dates, percentages and booleans of the user differently.
            for column in [0, 2, 3, 6].into_iter().chain(10..our.len()) {
                assert_eq!(their[column], our[column], "{input}");
            }
        }
    }
}

#[test]
#[ignore = "slow"]
fn a_sheet_has_at_most_1048576_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |count: usize| format!("postcode\n{}", "LA18 4DB\n".repeat(count));
    fs::write(folder.path().join("long.csv"), rows(1_048_576)).expect("written");
    check_rejected(
        folder.path(),
        &["long.csv", "-o", "long.xlsx"],
        &["1,048,576 rows"],
    );
    assert!(!folder.path().join("long.xlsx").exists());
}

/// Prints the time for 400,000 rows of 20 columns.
#[test]
#[ignore = "slow"]
fn large_workbooks_are_answered_in_time() {
    let Some(folder) = folder() else { return };
    let path = folder.join("large.xlsx").display().to_string();
    let mut python = python("large workbooks").expect("Python");
    stdout_of(python.args([SCRIPT, "large", &path, "400000"]));
    let started = Instant::now();
    answered(folder, &["large.xlsx", "-o", "large-answered.xlsx"]);
    println!("400,000 rows of 20 columns took {:?}", started.elapsed());
}
