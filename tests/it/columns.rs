//! Columnar batches: Parquet files and Arrow streams get the same cells as CSV.

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
    self, BatchError, OutputColumn, Compression, DecodeLimits, BatchFormat, BatchInput, ColumnOverrides, BatchProgress, BatchRequest,
    BatchSummary,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::date_from_iso;
use catchment::index::Index;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::patients::Patients;
use crate::programs::{printed, python};
use crate::server::AS_OF;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

/// Returns a request with the defaults of the service and these output columns.
pub(crate) fn request(columns: &str) -> BatchRequest {
    BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        as_of: date_from_iso(AS_OF).expect("a date"),
        output_columns: OutputColumn::with_defaults(columns).expect("columns"),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
    }
}

type Answered = Result<(Vec<u8>, BatchSummary), BatchError>;

fn run<R: io::Read + Send>(
    intake: Result<BatchInput<R>, BatchError>,
    request: &BatchRequest,
    threads: usize,
) -> Answered {
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    let progress = BatchProgress::default();
    let summary = batch::run(&INDEX, intake?, request, &mut out, threads, &progress)?;
    assert_eq!(progress.rows(), summary.rows);
    Ok((out, summary))
}

fn answer(list: &[u8], request: &BatchRequest, threads: usize) -> Answered {
    run(BatchInput::open(list, request), request, threads)
}

fn answer_file(list: &[u8], request: &BatchRequest, threads: usize) -> Answered {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(list).expect("written");
    let intake = BatchInput::<io::Empty>::open_parquet(file, request);
    run(intake, request, threads)
}

pub(crate) fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).expect("a schema");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.into_inner().expect("ended")
}

fn streamed(bytes: &[u8]) -> (SchemaRef, Vec<RecordBatch>) {
    let reader = StreamReader::try_new(bytes, None).expect("a stream");
    let schema = reader.schema();
    (schema, reader.map(|batch| batch.expect("a valid batch")).collect())
}

fn parquet_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), None).expect("a schema");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.into_inner().expect("ended")
}

/// Reads a Parquet file: its schema, its batches and its number of row groups.
fn of_parquet(bytes: &[u8]) -> (SchemaRef, Vec<RecordBatch>, usize) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let (schema, groups) = (reader.schema().clone(), reader.metadata().num_row_groups());
    let reader = reader.with_batch_size(1 << 20).build().expect("a valid file");
    (
        schema,
        reader.map(|it| it.expect("a valid batch")).collect(),
        groups,
    )
}

/// Formats a cell as in CSV.
fn cell(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        _ if array.is_null(row) => String::new(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        _ => array.as_string::<i32>().value(row).to_string(),
    }
}

/// Returns made-up patients as columns, with the column names. Rows of the wrong width are left
/// out.
pub(crate) fn patients(rows: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let list = Patients::new(&INDEX, 5).list(rows);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(list.as_slice());
    let names: Vec<String> = reader
        .headers()
        .expect("names")
        .iter()
        .map(String::from)
        .collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records().map(|it| it.expect("a record")) {
        if record.len() == names.len() {
            for (column, field) in columns.iter_mut().zip(&record) {
                column.push(field.to_string());
            }
        }
    }
    (names, columns)
}

fn csv_of(names: &[String], columns: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).expect("written");
    for row in 0..columns[0].len() {
        let fields = columns.iter().map(|column| &column[row]);
        writer.write_record(fields).expect("written");
    }
    writer.into_inner().expect("ended")
}

/// Converts columns to record batches of very different lengths, in which the columns have all
/// supported text types in turn.
pub(crate) fn batches_of(names: &[String], columns: &[Vec<String>]) -> Vec<RecordBatch> {
    let rows = columns[0].len();
    let cuts = [0, 1, 1, 1_500, 1_503, rows];
    let batch = |from: usize, to: usize| {
        let column = |at: usize| -> ArrayRef {
            let texts = columns[at][from..to].iter().map(String::as_str);
            let or_null = texts
                .clone()
                .map(|text| Some(text).filter(|it| !it.is_empty()));
            match at % 5 {
                0 => Arc::new(or_null.collect::<LargeStringArray>()),
                1 => Arc::new(or_null.collect::<StringArray>()),
                2 => Arc::new(or_null.collect::<StringViewArray>()),
                3 => Arc::new(texts.map(|it| Some(it.as_bytes())).collect::<BinaryArray>()),
                _ => Arc::new(or_null.collect::<DictionaryArray<Int32Type>>()),
            }
        };
        let arrays = (0..names.len()).map(|at| (names[at].clone(), column(at), true));
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

/// Formats a value of an input column of any type. Dictionaries may be re-encoded, so their values
/// are compared instead of their keys.
fn value(array: &ArrayRef, row: usize) -> String {
    match array.as_any_dictionary_opt() {
        Some(dictionary) if array.is_valid(row) => {
            let key = dictionary.normalized_keys()[row];
            format!("{:?}", dictionary.values().slice(key, 1))
        }
        Some(_) => "null".into(),
        None => format!("{:?}", array.slice(row, 1)),
    }
}

/// Checks that the output columns have the same cells as the CSV output, and that the input columns
/// are unchanged.
fn check_cells(csv: &[u8], answered: &[RecordBatch], asked: &[RecordBatch]) {
    let mut reader = csv::Reader::from_reader(csv);
    let names = reader.headers().expect("names").clone();
    let mut records = reader.records().map(|it| it.expect("a record"));
    let users = asked[0].num_columns();
    for batch in answered {
        let schema = batch.schema();
        let found: Vec<&str> = schema
            .fields()
            .iter()
            .map(|it| it.name().as_str())
            .collect();
        assert_eq!(found, names.iter().collect::<Vec<_>>());
        for row in 0..batch.num_rows() {
            let record = records.next().expect("too few rows");
            for at in users..names.len() {
                let found = cell(batch.column(at), row);
                assert_eq!(found, record[at], "{} of {record:?}", &names[at]);
            }
        }
    }
    assert!(records.next().is_none(), "too few rows");
    let texts = |batches: &[RecordBatch], at: usize| -> Vec<String> {
        let all = batches.iter().flat_map(|batch| {
            let array = batch.column(at).clone();
            (0..array.len()).map(move |row| value(&array, row))
        });
        all.collect()
    };
    for at in 0..users {
        assert_eq!(
            answered[0].column(at).data_type(),
            asked[0].column(at).data_type()
        );
        assert!(texts(answered, at) == texts(asked, at), "{}", &names[at]);
    }
}

#[test]
fn columns_get_the_cells_that_csv_gets_on_any_number_of_threads() {
    let (names, columns) = patients(4_000);
    let request = request("all");
    let (csv, expected) = answer(&csv_of(&names, &columns), &request, 2).expect("the batch succeeds");
    let asked = batches_of(&names, &columns);
    let summary_of_columns = BatchSummary {
        scientific_notation: None,
        ..expected
    };

    let (bytes, summary) = answer(&stream(&asked), &request, 1).expect("the batch succeeds");
    assert_eq!(summary, summary_of_columns);
    let (schema, answered) = streamed(&bytes);
    assert_eq!(schema.metadata(), asked[0].schema().metadata());
    check_cells(&csv, &answered, &asked);
    for threads in [2, 5] {
        let (again, _) = answer(&stream(&asked), &request, threads).expect("the batch succeeds");
        assert!(again == bytes, "{threads} threads");
    }

    let list = parquet_of(&asked);
    let (bytes, summary) = answer_file(&list, &request, 1).expect("the batch succeeds");
    assert_eq!(summary, summary_of_columns);
    let (schema, answered, _) = of_parquet(&bytes);
    assert_eq!(schema.metadata(), asked[0].schema().metadata());
    check_cells(&csv, &answered, &asked);
    for threads in [2, 5] {
        let (again, _) = answer_file(&list, &request, threads).expect("the batch succeeds");
        assert!(again == bytes, "{threads} threads");
    }
}

#[test]
fn long_batches_are_shared_out_and_row_groups_stay() {
    let rows = 150_000;
    let postcodes: StringArray = std::iter::repeat_n(Some("LA18 4DB"), rows).collect();
    let number: Int32Array = (0..i32::try_from(rows).expect("few")).collect();
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(number)), ("pcds", Arc::new(postcodes))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let in_order = |batches: &[RecordBatch]| {
        let numbers = batches
            .iter()
            .flat_map(|it| it.column(0).as_primitive::<Int32Type>().values().to_vec());
        assert!(numbers.eq(0..150_000));
    };
    let one = std::slice::from_ref(&batch);
    let (bytes, _) = answer(&stream(one), &request(""), 3).expect("the batch succeeds");
    let (_, batches) = streamed(&bytes);
    assert_eq!(batches.len(), rows.div_ceil(8_192));
    in_order(&batches);
    let (bytes, _) = answer_file(&parquet_of(one), &request(""), 3).expect("the batch succeeds");
    let (_, batches, groups) = of_parquet(&bytes);
    assert_eq!(groups, 1, "as in the input");
    in_order(&batches);
}

fn one(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns
        .iter()
        .map(|(name, array)| (*name, array.clone(), true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(texts.iter().copied().collect::<StringArray>())
}

/// Returns the cells of an output column.
#[track_caller]
fn cells(list: &RecordBatch, request: &BatchRequest, column: &str) -> Vec<String> {
    let list = stream(std::slice::from_ref(list));
    let (bytes, _) = answer(&list, request, 2).expect("the batch succeeds");
    let (_, batches) = streamed(&bytes);
    let array = batches[0].column_by_name(&format!("catchment_{column}"));
    let array = array.expect("the column").clone();
    (0..array.len()).map(|row| cell(&array, row)).collect()
}

#[test]
fn coordinates_are_numbers_of_any_kind() {
    let easting: ArrayRef = Arc::new(Int64Array::from(vec![Some(317_303), None, Some(-1)]));
    let northing: ArrayRef = Arc::new(Float64Array::from(vec![480_077.5, 0.0, f64::NAN]));
    let list = one(&[("easting", easting), ("northing", northing)]);
    let found = cells(&list, &request(""), "status");
    assert_eq!(found, ["located", "missing", "malformed"]);
    let found = cells(&list, &request("northing"), "northing");
    assert_eq!(found, ["480077.5", "", ""]);
}

#[test]
fn a_day_is_a_date_or_a_text_and_a_bad_one_tells_its_row() {
    let postcode = texts(&[Some("LA18 4DB"); 4]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![
        Some(20_000),
        None,
        Some(i32::MAX),
        Some(18_000),
    ]));
    let list = one(&[("postcode", postcode.clone()), ("day", days)]);
    let mut request = request("as_of");
    request.column_overrides.as_of = Some("day".into());
    assert_eq!(
        cells(&list, &request, "as_of"),
        ["2024-10-04", AS_OF, "", "2019-04-14"]
    );
    let reasons = cells(&list, &request, "reason");
    assert!(reasons[2].starts_with("row 3: the date"), "{reasons:?}");
    assert_eq!(cells(&list, &request, "status")[2], "bad_row");
    let (_, summary) = answer(&stream(&[list.clone(), list]), &request, 2).expect("the batch succeeds");
    assert_eq!((summary.bad_rows, summary.bad_lines), (2, vec![3, 7]));
    let list = one(&[
        ("postcode", postcode),
        (
            "day",
            texts(&[Some("2024-10-04"), None, Some(""), Some("4.10.")]),
        ),
    ]);
    assert_eq!(
        cells(&list, &request, "as_of"),
        ["2024-10-04", AS_OF, AS_OF, ""]
    );
}

#[test]
fn a_column_without_a_value_is_missing_and_one_without_rows_is_a_list() {
    let nothing: ArrayRef = Arc::new(NullArray::new(2));
    let list = one(&[("postcode", nothing)]);
    assert_eq!(cells(&list, &request(""), "status"), ["missing", "missing"]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![None, None]),
        Arc::new(StringArray::from(Vec::<&str>::new())),
    ));
    let list = one(&[("postcode", dictionary)]);
    assert_eq!(cells(&list, &request(""), "status"), ["missing", "missing"]);
    let empty = list.slice(0, 0);
    let (bytes, summary) =
        answer(&stream(std::slice::from_ref(&empty)), &request(""), 2).expect("the batch succeeds");
    assert_eq!((summary.rows, streamed(&bytes).0.fields().len()), (0, 11));
    let (bytes, _) = answer_file(&parquet_of(&[empty]), &request(""), 2).expect("the batch succeeds");
    assert_eq!(of_parquet(&bytes).0.fields().len(), 11);
}

#[track_caller]
fn check_refused(outcome: Answered, words: &[&str]) {
    let fault = match outcome {
        Ok(_) => panic!("the batch succeeded"),
        Err(fault) => fault.to_string(),
    };
    for word in words {
        assert!(fault.contains(word), "{fault}");
    }
}

#[test]
fn what_no_answer_can_come_from_is_refused_with_its_name() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let refused = |columns: &[(&str, ArrayRef)], request: &BatchRequest, words: &[&str]| {
        let list = one(columns);
        check_refused(
            answer(&stream(std::slice::from_ref(&list)), request, 1),
            words,
        );
        check_refused(answer_file(&parquet_of(&[list]), request, 1), words);
    };
    let plain = request("");
    let postcode = || ("postcode", texts(&[Some("LA1 1PN")]));
    refused(
        &[("pcds", flags.clone())],
        &plain,
        &["`pcds`", "Boolean", "text"],
    );
    refused(
        &[("lat", flags.clone()), ("lon", flags.clone())],
        &plain,
        &["Boolean", "number"],
    );
    let mut by_day = request("");
    by_day.column_overrides.as_of = Some("day".into());
    refused(
        &[postcode(), ("day", flags)],
        &by_day,
        &["`day`", "Boolean", "date"],
    );
    refused(&[("pst", texts(&[None]))], &plain, &["--postcode-column"]);
    refused(
        &[postcode(), ("catchment_status", texts(&[None]))],
        &plain,
        &["`catchment_status`"],
    );
    let safe = BatchRequest {
        excel_safe: true,
        ..request("")
    };
    refused(&[postcode()], &safe, &["--excel-safe"]);

    let list = one(&[postcode()]);
    let packed = BatchRequest {
        compression: Compression::Zstd,
        ..request("")
    };
    check_refused(
        answer(&stream(std::slice::from_ref(&list)), &packed, 1),
        &["--compress"],
    );
    let (bytes, _) =
        answer_file(&parquet_of(std::slice::from_ref(&list)), &packed, 1).expect("the batch succeeds");
    assert_eq!(of_parquet(&bytes).1[0].num_rows(), 1);
    let as_csv = BatchRequest {
        format: Some(BatchFormat::Csv),
        ..request("")
    };
    check_refused(
        answer(&stream(std::slice::from_ref(&list)), &as_csv, 1),
        &["Arrow", "--format"],
    );
    check_refused(
        answer(&parquet_of(std::slice::from_ref(&list)), &plain, 1),
        &["standard input"],
    );
    let whole = stream(&[list]);
    check_refused(answer(&whole[..whole.len() / 2], &plain, 1), &[]);
    check_refused(answer(b"ARROW1\0\0", &plain, 1), &["Arrow file", "stream"]);
    check_refused(answer(b"\xff\xff\xff\xff\x10\0\0\0", &plain, 1), &[]);
    check_refused(answer_file(b"PAR1", &plain, 1), &["Parquet"]);
    check_refused(answer_file(b"postcode\nLA1 1PN\n", &plain, 1), &["Parquet"]);
    let as_arrow = BatchRequest {
        format: Some(BatchFormat::Arrow),
        ..request("")
    };
    check_refused(answer(b"postcode\nLA1 1PN\n", &as_arrow, 1), &["Arrow"]);
}

fn program(folder: &Path) -> Command {
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
fn a_stream_is_answered_batch_by_batch_while_it_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = program(folder.path())
        .args(["-", "--format", "arrow", "--quiet"])
        .spawn()
        .expect("the program starts");
    let (input, output) = (
        child.stdin.take().expect("piped"),
        child.stdout.take().expect("piped"),
    );
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let list = one(&[("postcode", texts(&[Some("LA18 4DB")]))]);
        let mut writer = StreamWriter::try_new(input, &list.schema()).expect("written");
        writer.write(&list).expect("written");
        writer.flush().expect("written");
        let mut reader = StreamReader::try_new(output, None).expect("a stream");
        for _ in 0..3 {
            // Each batch is sent after the output of the previous one has arrived.
            let batch = reader.next().expect("a batch").expect("a valid batch");
            tell.send(cell(batch.column(1), 0)).expect("the test receives it");
            writer.write(&list).expect("written");
            writer.flush().expect("written");
        }
        drop(writer.into_inner());
        tell.send(reader.count().to_string()).expect("the test receives it");
    });
    let mut heard = || {
        told.recv_timeout(Duration::from_secs(120))
            .unwrap_or_else(|_| {
                child.kill().expect("the program is running");
                panic!("no output while the stream is open");
            })
    };
    assert_eq!(
        [heard(), heard(), heard()],
        ["located", "located", "located"]
    );
    assert_eq!(heard(), "1");
    assert!(child.wait().expect("the program exits").success());
}

#[test]
fn a_parquet_file_is_answered_beside_its_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = one(&[
        ("postcode", texts(&[Some("LA18 4DB"), None])),
        ("gp_code", texts(&[Some("P81064"), Some("A82033")])),
    ]);
    // The format is detected from the content, not from the file name.
    let bytes = parquet_of(&[list]);
    fs::write(folder.path().join("list"), &bytes).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = program(folder.path());
        command.stdin(Stdio::null()).args(arguments);
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), output.stdout, stderr)
    };
    let (code, _, told) = run(&["list", "-o", "answered.parquet"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.starts_with("reading Parquet; postcode in `postcode`"),
        "{told}"
    );
    let answered = fs::read(folder.path().join("answered.parquet")).expect("an output file");
    assert_eq!(of_parquet(&answered).1[0].num_rows(), 2);
    let manifest = fs::read(folder.path().join("answered.parquet.manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest.expect("an output file")).expect("JSON");
    let sha256 = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(manifest["input"]["sha256"], sha256(&bytes));
    assert_eq!(manifest["input"]["bytes"], bytes.len());
    assert_eq!(manifest["output"]["sha256"], sha256(&answered));
    assert_eq!(manifest["parameters"]["format"], "parquet");
    assert_eq!(manifest["rows"], 2);

    let (code, stdout, _) = run(&["list", "--quiet"]);
    assert_eq!((code, stdout == answered), (Some(0), true));
    let (code, stdout, _) = run(&["list", "--check"]);
    let shown = String::from_utf8(stdout).expect("text");
    assert_eq!(code, Some(0));
    assert!(shown.contains("\nLA18 4DB,P81064,located,"), "{shown}");
    let (code, stdout, told) = run(&["list", "--format", "csv"]);
    assert_eq!((code, stdout.len()), (Some(2), 0));
    assert!(told.contains("leave out --format"), "{told}");
    let (code, _, told) = run(&["list", "-o", "answered.csv"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("are Parquet, and OUT"), "{told}");
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
fn pyarrow_reads_what_it_wrote_with_our_columns_after_it() {
    let Some(mut python) = python("pyarrow") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (names, columns) = patients(1_000);
    fs::write(folder.path().join("list.csv"), csv_of(&names, &columns)).expect("written");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/columns/pyarrow_lists.py"
    );
    python.args([script, env!("CARGO_BIN_EXE_catchment"), AS_OF]);
    printed(python.current_dir(folder.path()));
}
