//! Tests of columnar batches. The output for Parquet files and Arrow streams must contain the same
//! cells as the output for CSV.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array,
    Int32Array, Int64Array, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Schema, SchemaRef};
use catchment::batch::{
    self, BatchError, BatchFormat, BatchInput, BatchProgress, BatchRequest, BatchSummary,
    ColumnOverrides, Compression, DecodeLimits, HeaderOptions, LineSample, OutputColumn,
    WorkbookOptions,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::date_from_iso;
use catchment::index::Index;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::external_tools::{python, stdout_of};
use crate::support::made_up_patients::Patients;
use crate::support::server::AS_OF;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

/// Returns a request with the default values of the service and the given output columns.
pub(crate) fn request(columns: &str) -> BatchRequest {
    BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        header: HeaderOptions::default(),
        as_of: date_from_iso(AS_OF).expect("a date"),
        output_columns: OutputColumn::with_defaults(columns, INDEX.manifest()).expect("columns"),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    }
}

type BatchResult = Result<(Vec<u8>, BatchSummary), BatchError>;

fn run_batch<R: io::Read + Send>(
    batch_input: Result<BatchInput<R>, BatchError>,
    request: &BatchRequest,
    threads: usize,
) -> BatchResult {
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    let progress = BatchProgress::default();
    let summary = batch::run(&INDEX, batch_input?, request, &mut out, threads, &progress)?;
    assert_eq!(progress.rows(), summary.rows);
    Ok((out, summary))
}

fn run_bytes(input: &[u8], request: &BatchRequest, threads: usize) -> BatchResult {
    run_batch(BatchInput::open(input, request), request, threads)
}

fn run_parquet_file(input: &[u8], request: &BatchRequest, threads: usize) -> BatchResult {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input).expect("written");
    let batch_input = BatchInput::<io::Empty>::open_parquet(file, request);
    run_batch(batch_input, request, threads)
}

pub(crate) fn to_arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).expect("a schema");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.into_inner().expect("ended")
}

fn read_arrow_stream(bytes: &[u8]) -> (SchemaRef, Vec<RecordBatch>) {
    let reader = StreamReader::try_new(bytes, None).expect("a stream");
    let schema = reader.schema();
    (
        schema,
        reader.map(|batch| batch.expect("a valid batch")).collect(),
    )
}

fn to_parquet(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), None).expect("a schema");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.into_inner().expect("ended")
}

/// Reads a Parquet file. Returns its schema, its batches and the number of its row groups.
fn read_parquet(bytes: &[u8]) -> (SchemaRef, Vec<RecordBatch>, usize) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let (schema, groups) = (reader.schema().clone(), reader.metadata().num_row_groups());
    let reader = reader
        .with_batch_size(1 << 20)
        .build()
        .expect("a valid file");
    (
        schema,
        reader
            .map(|result| result.expect("a valid batch"))
            .collect(),
        groups,
    )
}

/// Formats a cell as in the CSV output.
fn cell_text(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        _ if array.is_null(row) => String::new(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        _ => array.as_string::<i32>().value(row).to_string(),
    }
}

/// Returns the column names and the columns of made-up patients. Omits rows with the wrong number
/// of fields.
pub(crate) fn patient_columns(rows: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let csv = Patients::new(&INDEX, 5).csv(rows);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(csv.as_slice());
    let names: Vec<String> = reader
        .headers()
        .expect("names")
        .iter()
        .map(String::from)
        .collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records().map(|result| result.expect("a record")) {
        if record.len() == names.len() {
            for (column, field) in columns.iter_mut().zip(&record) {
                column.push(field.to_string());
            }
        }
    }
    (names, columns)
}

fn to_csv(names: &[String], columns: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).expect("written");
    for row in 0..columns[0].len() {
        let fields = columns.iter().map(|column| &column[row]);
        writer.write_record(fields).expect("written");
    }
    writer.into_inner().expect("ended")
}

/// Converts columns to record batches of very different lengths. Uses each supported text type in
/// turn for the columns.
pub(crate) fn to_record_batches(names: &[String], columns: &[Vec<String>]) -> Vec<RecordBatch> {
    let rows = columns[0].len();
    let cuts = [0, 1, 1, 1_500, 1_503, rows];
    let batch = |from: usize, to: usize| {
        let column = |index: usize| -> ArrayRef {
            let texts = columns[index][from..to].iter().map(String::as_str);
            let or_null = texts
                .clone()
                .map(|text| Some(text).filter(|text| !text.is_empty()));
            match index % 5 {
                0 => Arc::new(or_null.collect::<LargeStringArray>()),
                1 => Arc::new(or_null.collect::<StringArray>()),
                2 => Arc::new(or_null.collect::<StringViewArray>()),
                3 => Arc::new(
                    texts
                        .map(|text| Some(text.as_bytes()))
                        .collect::<BinaryArray>(),
                ),
                _ => Arc::new(or_null.collect::<DictionaryArray<Int32Type>>()),
            }
        };
        let arrays = (0..names.len()).map(|index| (names[index].clone(), column(index), true));
        RecordBatch::try_from_iter_with_nullable(arrays).expect("columns of one length")
    };
    let metadata = [("source", "made up"), ("geo", "{}")]
        .map(|(key, value)| (key.to_string(), value.to_string()));
    let batches = cuts.windows(2).map(|cut| batch(cut[0], cut[1]));
    let with_metadata = |batch: RecordBatch| {
        let fields = batch.schema().fields().clone();
        let schema =
            Schema::new_with_metadata(fields, std::collections::HashMap::from(metadata.clone()));
        batch
            .with_schema(Arc::new(schema))
            .expect("the same fields")
    };
    batches.map(with_metadata).collect()
}

/// Formats a value of an input column of any type. Dictionaries may be re-encoded, so this function
/// formats the value that a dictionary key refers to, instead of the key.
fn debug_value(array: &ArrayRef, row: usize) -> String {
    match array.as_any_dictionary_opt() {
        Some(dictionary) if array.is_valid(row) => {
            let key = dictionary.normalized_keys()[row];
            format!("{:?}", dictionary.values().slice(key, 1))
        }
        Some(_) => "null".into(),
        None => format!("{:?}", array.slice(row, 1)),
    }
}

/// Checks that the output columns contain the same cells as the CSV output, and that the input
/// columns are unchanged.
fn check_cells(csv: &[u8], output_batches: &[RecordBatch], input_batches: &[RecordBatch]) {
    let mut reader = csv::Reader::from_reader(csv);
    let names = reader.headers().expect("names").clone();
    let mut records = reader.records().map(|result| result.expect("a record"));
    let input_columns = input_batches[0].num_columns();
    for batch in output_batches {
        let schema = batch.schema();
        let found: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(found, names.iter().collect::<Vec<_>>());
        for row in 0..batch.num_rows() {
            let record = records.next().expect("as many rows as in the CSV output");
            for index in input_columns..names.len() {
                let found = cell_text(batch.column(index), row);
                assert_eq!(found, record[index], "{} of {record:?}", &names[index]);
            }
        }
    }
    assert!(records.next().is_none(), "the output has too few rows");
    let texts = |batches: &[RecordBatch], index: usize| -> Vec<String> {
        let all = batches.iter().flat_map(|batch| {
            let array = batch.column(index).clone();
            (0..array.len()).map(move |row| debug_value(&array, row))
        });
        all.collect()
    };
    for index in 0..input_columns {
        assert_eq!(
            output_batches[0].column(index).data_type(),
            input_batches[0].column(index).data_type()
        );
        assert!(
            texts(output_batches, index) == texts(input_batches, index),
            "{}",
            &names[index]
        );
    }
}

#[test]
fn columnar_output_matches_csv_for_any_number_of_threads() {
    let (names, columns) = patient_columns(4_000);
    let request = request("all");
    let (csv, expected) =
        run_bytes(&to_csv(&names, &columns), &request, 2).expect("the batch succeeds");
    let input_batches = to_record_batches(&names, &columns);
    // In columnar files, rows are identified by row numbers instead of lines.
    let rows_with = |column: &str, word: &str| -> LineSample {
        let mut reader = csv::Reader::from_reader(&*csv);
        let names = reader.headers().expect("a header row").clone();
        let position = names.iter().position(|name| name == column);
        let position = position.expect("the column");
        let records = (1..).zip(reader.records());
        let found = records.filter(|(_, row)| &row.as_ref().expect("a row")[position] == word);
        let rows: Vec<u64> = found.map(|(number, _)| number).collect();
        LineSample {
            rows: rows.len() as u64,
            first_lines: rows.into_iter().take(10).collect(),
        }
    };
    let summary_of_columns = BatchSummary {
        scientific_notation: None,
        malformed_locations: rows_with("catchment_status", "malformed"),
        malformed_practices: rows_with("catchment_reason_registration", "not_an_ods_code"),
        ..expected
    };

    let (bytes, summary) =
        run_bytes(&to_arrow_stream(&input_batches), &request, 1).expect("the batch succeeds");
    assert_eq!(summary, summary_of_columns);
    let (schema, output_batches) = read_arrow_stream(&bytes);
    assert_eq!(schema.metadata(), input_batches[0].schema().metadata());
    check_cells(&csv, &output_batches, &input_batches);
    for threads in [2, 5] {
        let (again, _) = run_bytes(&to_arrow_stream(&input_batches), &request, threads)
            .expect("the batch succeeds");
        assert!(again == bytes, "{threads} threads");
    }

    let parquet_bytes = to_parquet(&input_batches);
    let (bytes, summary) =
        run_parquet_file(&parquet_bytes, &request, 1).expect("the batch succeeds");
    assert_eq!(summary, summary_of_columns);
    let (schema, output_batches, _) = read_parquet(&bytes);
    assert_eq!(schema.metadata(), input_batches[0].schema().metadata());
    check_cells(&csv, &output_batches, &input_batches);
    for threads in [2, 5] {
        let (again, _) =
            run_parquet_file(&parquet_bytes, &request, threads).expect("the batch succeeds");
        assert!(again == bytes, "{threads} threads");
    }
}

#[test]
fn long_batches_are_split_and_row_groups_are_preserved() {
    let rows = 150_000;
    let postcodes: StringArray = std::iter::repeat_n(Some("LA18 4DB"), rows).collect();
    let ids: Int32Array = (0..i32::try_from(rows).expect("few")).collect();
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(ids)), ("pcds", Arc::new(postcodes))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let check_order = |batches: &[RecordBatch]| {
        let numbers = batches.iter().flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int32Type>()
                .values()
                .to_vec()
        });
        assert!(numbers.eq(0..150_000));
    };
    let input_batches = std::slice::from_ref(&batch);
    let (bytes, _) =
        run_bytes(&to_arrow_stream(input_batches), &request(""), 3).expect("the batch succeeds");
    let (_, batches) = read_arrow_stream(&bytes);
    assert_eq!(batches.len(), rows.div_ceil(8_192));
    check_order(&batches);
    let (bytes, _) =
        run_parquet_file(&to_parquet(input_batches), &request(""), 3).expect("the batch succeeds");
    let (_, batches, groups) = read_parquet(&bytes);
    assert_eq!(
        groups, 1,
        "the output must have one row group, like the input"
    );
    check_order(&batches);
}

fn record_batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns
        .iter()
        .map(|(name, array)| (*name, array.clone(), true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn string_array(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(texts.iter().copied().collect::<StringArray>())
}

/// Returns the cells of an output column.
#[track_caller]
fn output_cells(batch: &RecordBatch, request: &BatchRequest, column: &str) -> Vec<String> {
    let stream_bytes = to_arrow_stream(std::slice::from_ref(batch));
    let (bytes, _) = run_bytes(&stream_bytes, request, 2).expect("the batch succeeds");
    let (_, batches) = read_arrow_stream(&bytes);
    let array = batches[0].column_by_name(&format!("catchment_{column}"));
    let array = array.expect("the column").clone();
    (0..array.len()).map(|row| cell_text(&array, row)).collect()
}

#[test]
fn coordinates_can_have_any_numeric_type() {
    let easting: ArrayRef = Arc::new(Int64Array::from(vec![Some(317_303), None, Some(-1)]));
    let northing: ArrayRef = Arc::new(Float64Array::from(vec![480_077.5, 0.0, f64::NAN]));
    let batch = record_batch(&[("easting", easting), ("northing", northing)]);
    let found = output_cells(&batch, &request(""), "status");
    assert_eq!(found, ["located", "missing", "malformed"]);
    let found = output_cells(&batch, &request("northing"), "northing");
    assert_eq!(found, ["480077.5", "", ""]);
}

#[test]
fn dates_can_be_date_or_text_and_invalid_ones_report_their_row() {
    let postcode = string_array(&[Some("LA18 4DB"); 4]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![
        Some(20_000),
        None,
        Some(i32::MAX),
        Some(18_000),
    ]));
    let batch = record_batch(&[("postcode", postcode.clone()), ("day", days)]);
    let mut request = request("as_of");
    request.column_overrides.as_of = Some("day".into());
    assert_eq!(
        output_cells(&batch, &request, "as_of"),
        ["2024-10-04", AS_OF, "", "2019-04-14"]
    );
    let reasons = output_cells(&batch, &request, "reason");
    assert!(reasons[2].starts_with("row 3: the date"), "{reasons:?}");
    assert_eq!(output_cells(&batch, &request, "status")[2], "bad_row");
    let (_, summary) = run_bytes(&to_arrow_stream(&[batch.clone(), batch]), &request, 2)
        .expect("the batch succeeds");
    assert_eq!((summary.bad_rows, summary.bad_lines), (2, vec![3, 7]));
    let batch = record_batch(&[
        ("postcode", postcode),
        (
            "day",
            string_array(&[Some("2024-10-04"), None, Some(""), Some("4.10.")]),
        ),
    ]);
    assert_eq!(
        output_cells(&batch, &request, "as_of"),
        ["2024-10-04", AS_OF, AS_OF, ""]
    );
}

#[test]
fn null_columns_are_missing_and_files_without_rows_are_valid() {
    let nulls: ArrayRef = Arc::new(NullArray::new(2));
    let batch = record_batch(&[("postcode", nulls)]);
    assert_eq!(
        output_cells(&batch, &request(""), "status"),
        ["missing", "missing"]
    );
    let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![None, None]),
        Arc::new(StringArray::from(Vec::<&str>::new())),
    ));
    let batch = record_batch(&[("postcode", dictionary)]);
    assert_eq!(
        output_cells(&batch, &request(""), "status"),
        ["missing", "missing"]
    );
    let empty = batch.slice(0, 0);
    let (bytes, summary) = run_bytes(
        &to_arrow_stream(std::slice::from_ref(&empty)),
        &request(""),
        2,
    )
    .expect("the batch succeeds");
    assert_eq!(
        (summary.rows, read_arrow_stream(&bytes).0.fields().len()),
        (0, 11)
    );
    let (bytes, _) =
        run_parquet_file(&to_parquet(&[empty]), &request(""), 2).expect("the batch succeeds");
    assert_eq!(read_parquet(&bytes).0.fields().len(), 11);
}

#[track_caller]
fn check_error(outcome: BatchResult, words: &[&str]) {
    let error = match outcome {
        Ok(_) => panic!("the batch must fail, but it succeeded"),
        Err(error) => error.to_string(),
    };
    for word in words {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn unsupported_column_types_are_rejected_by_name() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let check_both_formats =
        |columns: &[(&str, ArrayRef)], request: &BatchRequest, words: &[&str]| {
            let batch = record_batch(columns);
            check_error(
                run_bytes(&to_arrow_stream(std::slice::from_ref(&batch)), request, 1),
                words,
            );
            check_error(run_parquet_file(&to_parquet(&[batch]), request, 1), words);
        };
    let plain = request("");
    let postcode = || ("postcode", string_array(&[Some("LA1 1PN")]));
    check_both_formats(
        &[("pcds", flags.clone())],
        &plain,
        &["`pcds`", "Boolean", "text"],
    );
    check_both_formats(
        &[("lat", flags.clone()), ("lon", flags.clone())],
        &plain,
        &["Boolean", "number"],
    );
    let mut by_day = request("");
    by_day.column_overrides.as_of = Some("day".into());
    check_both_formats(
        &[postcode(), ("day", flags)],
        &by_day,
        &["`day`", "Boolean", "date"],
    );
    check_both_formats(
        &[("pst", string_array(&[None]))],
        &plain,
        &["--postcode-column"],
    );
    check_both_formats(
        &[postcode(), ("catchment_status", string_array(&[None]))],
        &plain,
        &["`catchment_status`"],
    );
    let safe = BatchRequest {
        excel_safe: true,
        ..request("")
    };
    check_both_formats(&[postcode()], &safe, &["--excel-safe"]);

    let batch = record_batch(&[postcode()]);
    let compressed = BatchRequest {
        compression: Compression::Zstd,
        ..request("")
    };
    check_error(
        run_bytes(
            &to_arrow_stream(std::slice::from_ref(&batch)),
            &compressed,
            1,
        ),
        &["--compress"],
    );
    let (bytes, _) = run_parquet_file(&to_parquet(std::slice::from_ref(&batch)), &compressed, 1)
        .expect("the batch succeeds");
    assert_eq!(read_parquet(&bytes).1[0].num_rows(), 1);
    let as_csv = BatchRequest {
        format: Some(BatchFormat::Csv),
        ..request("")
    };
    check_error(
        run_bytes(&to_arrow_stream(std::slice::from_ref(&batch)), &as_csv, 1),
        &["Arrow", "--format"],
    );
    check_error(
        run_bytes(&to_parquet(std::slice::from_ref(&batch)), &plain, 1),
        &["standard input"],
    );
    let stream_bytes = to_arrow_stream(&[batch]);
    check_error(
        run_bytes(&stream_bytes[..stream_bytes.len() / 2], &plain, 1),
        &[],
    );
    check_error(
        run_bytes(b"ARROW1\0\0", &plain, 1),
        &["Arrow file", "stream"],
    );
    check_error(run_bytes(b"\xff\xff\xff\xff\x10\0\0\0", &plain, 1), &[]);
    check_error(run_parquet_file(b"PAR1", &plain, 1), &["Parquet"]);
    check_error(
        run_parquet_file(b"postcode\nLA1 1PN\n", &plain, 1),
        &["Parquet"],
    );
    let as_arrow = BatchRequest {
        format: Some(BatchFormat::Arrow),
        ..request("")
    };
    check_error(run_bytes(b"postcode\nLA1 1PN\n", &as_arrow, 1), &["Arrow"]);
}

fn batch_command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .current_dir(folder)
        .args(["batch", "--as-of", AS_OF])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn arrow_streams_are_answered_batch_by_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = batch_command(folder.path())
        .args(["-", "--format", "arrow", "--quiet"])
        .spawn()
        .expect("the program starts");
    let (input, output) = (
        child.stdin.take().expect("piped"),
        child.stdout.take().expect("piped"),
    );
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let rows = record_batch(&[("postcode", string_array(&[Some("LA18 4DB")]))]);
        let mut writer = StreamWriter::try_new(input, &rows.schema()).expect("written");
        writer.write(&rows).expect("written");
        writer.flush().expect("written");
        let mut reader = StreamReader::try_new(output, None).expect("a stream");
        for _ in 0..3 {
            // Each batch is sent after the output of the previous batch has arrived.
            let batch = reader.next().expect("a batch").expect("a valid batch");
            sender
                .send(cell_text(batch.column(1), 0))
                .expect("the test receives the cell");
            writer.write(&rows).expect("written");
            writer.flush().expect("written");
        }
        drop(writer.into_inner());
        sender
            .send(reader.count().to_string())
            .expect("the test receives the count");
    });
    let mut receive = || {
        receiver
            .recv_timeout(Duration::from_secs(120))
            .unwrap_or_else(|_| {
                child.kill().expect("the program is running");
                panic!("there was no output while the stream was open");
            })
    };
    assert_eq!(
        [receive(), receive(), receive()],
        ["located", "located", "located"]
    );
    assert_eq!(receive(), "1");
    assert!(child.wait().expect("the program exits").success());
}

#[test]
fn parquet_output_has_a_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let batch = record_batch(&[
        ("postcode", string_array(&[Some("LA18 4DB"), None])),
        ("gp_code", string_array(&[Some("P81064"), Some("A82033")])),
    ]);
    // The format is detected from the content, not from the file name.
    let bytes = to_parquet(&[batch]);
    fs::write(folder.path().join("list"), &bytes).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = batch_command(folder.path());
        command.stdin(Stdio::null()).args(arguments);
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), output.stdout, stderr)
    };
    let (code, _, stderr) = run(&["list", "-o", "answered.parquet"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.starts_with("reading Parquet; postcode in `postcode`"),
        "{stderr}"
    );
    let output_bytes = fs::read(folder.path().join("answered.parquet")).expect("an output file");
    assert_eq!(read_parquet(&output_bytes).1[0].num_rows(), 2);
    let manifest = fs::read(folder.path().join("answered.parquet.manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest.expect("an output file")).expect("JSON");
    let sha256 = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(manifest["input"]["sha256"], sha256(&bytes));
    assert_eq!(manifest["input"]["bytes"], bytes.len());
    assert_eq!(manifest["output"]["sha256"], sha256(&output_bytes));
    assert_eq!(manifest["parameters"]["format"], "parquet");
    assert_eq!(manifest["rows"], 2);

    let (code, stdout, _) = run(&["list", "--quiet"]);
    assert_eq!((code, stdout == output_bytes), (Some(0), true));
    let (code, stdout, _) = run(&["list", "--check"]);
    let preview = String::from_utf8(stdout).expect("text");
    assert_eq!(code, Some(0));
    assert!(preview.contains("\nLA18 4DB,P81064,located,"), "{preview}");
    let (code, stdout, stderr) = run(&["list", "--format", "csv"]);
    assert_eq!((code, stdout.len()), (Some(2), 0));
    assert!(stderr.contains("leave out --format"), "{stderr}");
    let (code, _, stderr) = run(&["list", "-o", "answered.csv"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("of the input, Parquet, but the extension of OUT is that of CSV"),
        "{stderr}"
    );
    let (code, ..) = run(&[
        "list",
        "--suppress=below:8-round:5",
        "--summary",
        "s.json",
        "-o",
        "b.parquet",
    ]);
    assert_eq!(code, Some(0));
    let summary = File::open(folder.path().join("s.json")).expect("an output file");
    let summary: Value = serde_json::from_reader(summary).expect("JSON");
    assert_eq!(summary["rows"], Value::Null);
}

#[test]
fn pyarrow_reads_its_columns_followed_by_the_output_columns() {
    let Some(mut python) = python("pyarrow") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (names, columns) = patient_columns(1_000);
    fs::write(folder.path().join("list.csv"), to_csv(&names, &columns)).expect("written");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/columns/pyarrow_lists.py"
    );
    python.args([script, env!("CARGO_BIN_EXE_catchment"), AS_OF]);
    stdout_of(python.current_dir(folder.path()));
}
