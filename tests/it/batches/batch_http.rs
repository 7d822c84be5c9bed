//! Tests of batches over HTTP. The output must equal that of `catchment batch`, and misbehaving
//! clients must not block the server. The tests write requests to raw connections, so that they
//! can read a response while they send the request, or leave the response unread.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use catchment::batch::{self, BatchInput, BatchProgress};
use catchment::http::{BatchLimits, ServerLimits};
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::batches::columnar;
use crate::data::embedded_dataset::index;
use crate::support::made_up_patients::Patients;
use crate::support::process::ServiceProcess;
use crate::support::server::{AS_OF, SERVER, Server, connect, embedded};

const CSV: &str = "text/csv";
const TSV: &str = "text/tab-separated-values";
const NDJSON: &str = "application/x-ndjson";

const SMALL_CSV: &str = "name,postcode,practice_code\nAirey,LA18 4DB,P81064\nRigg,LA1 1PN,P81002\n";

/// A text that occurs only in the input. If a response contains it, the response repeats the input.
const MARKER: &str = "Zq7Mark";

/// A file of several blocks, with every kind of data error.
static PATIENTS: LazyLock<Vec<u8>> = LazyLock::new(|| Patients::new(index(), 41).csv(5_000));

/// A response that was read from a raw connection.
pub(super) struct RawResponse {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
    trailers: String,
    /// Whether the body was received completely.
    is_complete: bool,
}

impl RawResponse {
    /// Returns the value of a header, or `""` if the header is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1);
        let named = lines.filter_map(|line| line.split_once(": "));
        let mut values = named.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&self.body);
            panic!("{}\n{text}\nis not JSON: {error}", self.head)
        })
    }

    /// Returns the body. The response must have status 200 and be complete.
    #[track_caller]
    pub(super) fn complete_body(self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, 200, "{}\n{text}", self.head);
        assert!(
            self.is_complete,
            "the body is incomplete after {} bytes",
            self.body.len()
        );
        self.body
    }

    #[track_caller]
    pub(super) fn expect_problem(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        let whole = format!("{}\n{text}", self.head);
        assert_eq!(self.status, status, "{whole}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{whole}"
        );
        assert_eq!(self.header("cache-control"), "no-store", "{whole}");
        assert_eq!(self.json()["code"], code, "{whole}");
        assert!(!whole.contains(MARKER), "{whole}");
    }
}

/// Returns the request line and headers of a request, without `Content-Length` and without the
/// empty line at the end.
fn request_head(path: &str, content_type: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: {content_type}\r\n{more}"
    )
}

/// Returns a request with `Content-Length` and a body.
pub(super) fn full_request(path: &str, content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = request_head(path, content_type, more);
    let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// Sends a request while it reads the response, until the server closes the connection.
#[track_caller]
pub(super) fn send_request(server: &Server, request: Vec<u8>) -> RawResponse {
    let stream = server.connect();
    let mut writing = stream.try_clone().expect("a second handle");
    // If the server rejects the request, it does not read the whole request.
    let writer = thread::spawn(move || writing.write_all(&request));
    let answer = read_response(stream);
    let _ = writer.join().expect("the thread does not panic");
    answer
}

#[track_caller]
fn read_response(mut stream: TcpStream) -> RawResponse {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server does not close the connection: {error}"),
    }
    parse_response(&bytes)
}

#[track_caller]
fn parse_response(bytes: &[u8]) -> RawResponse {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no headers: {}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().expect("a status");
    let mut response = RawResponse {
        status,
        head,
        body: Vec::new(),
        trailers: String::new(),
        is_complete: false,
    };
    let rest = &bytes[end + 4..];
    if response.header("transfer-encoding") == "chunked" {
        decode_chunks(rest, &mut response);
    } else {
        response.body = rest.to_vec();
        let length = response.header("content-length").parse::<usize>();
        response.is_complete = length.is_ok_and(|length| length == rest.len());
    }
    response
}

fn decode_chunks(mut rest: &[u8], response: &mut RawResponse) {
    while let Some(index) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..index]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        rest = &rest[index + 2..];
        if size == 0 {
            response.is_complete = rest.ends_with(b"\r\n");
            response.trailers = String::from_utf8_lossy(rest).trim().to_string();
            return;
        }
        let chunk_length = size.min(rest.len());
        response.body.extend_from_slice(&rest[..chunk_length]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

pub(super) fn batch_path(parameters: &str) -> String {
    format!("/api/v1/batch?as_of={AS_OF}{parameters}")
}

#[track_caller]
pub(super) fn post_batch(content_type: &str, parameters: &str, input: &[u8]) -> RawResponse {
    send_request(
        &SERVER,
        full_request(&batch_path(parameters), content_type, "", input),
    )
}

/// Returns the output of `catchment batch` for the same input.
fn run_cli(input: &[u8], arguments: &[&str]) -> Vec<u8> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["batch", "--as-of", AS_OF, "--quiet", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the program exits");
    writer.join().expect("no panic").expect("the input is read");
    output.stdout
}

/// Returns the same output as `run_cli`, but without starting the program, which would need time to
/// load the dataset.
fn run_in_process(input: &[u8], columns: &str) -> Vec<u8> {
    let request = columnar::request(columns);
    let batch_input = BatchInput::open(input, &request).expect("a valid batch");
    let mut out = Vec::new();
    let progress = BatchProgress::default();
    batch::run(
        index(),
        batch_input,
        &request,
        &mut out,
        NonZeroUsize::MIN,
        &progress,
    )
    .expect("the batch succeeds");
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// Converts a CSV file to TSV and NDJSON.
fn to_tsv_and_ndjson(input: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let names = reader.headers().expect("names").clone();
    let mut tsv = csv::WriterBuilder::new()
        .delimiter(b'\t')
        .flexible(true)
        .from_writer(Vec::new());
    tsv.write_record(&names).expect("written");
    let mut ndjson = Vec::new();
    for record in reader.records() {
        let record = record.expect("a record");
        tsv.write_record(&record).expect("written");
        let object: serde_json::Map<String, Value> = names
            .iter()
            .zip(&record)
            .map(|(name, value)| (name.to_string(), json!(value)))
            .collect();
        writeln!(ndjson, "{}", Value::Object(object)).expect("written");
    }
    (tsv.into_inner().expect("written"), ndjson)
}

#[track_caller]
fn check_matches_cli(content_type: &str, parameters: &str, input: &[u8], arguments: &[&str]) {
    let expected = run_cli(input, arguments);
    assert!(
        expected.len() > input.len().min(1_000),
        "{}",
        expected.len()
    );
    let answers = post_batch(content_type, parameters, input).complete_body();
    assert!(
        answers == expected,
        "{content_type} {parameters}: the outputs differ; they have {} and {} bytes",
        answers.len(),
        expected.len()
    );
}

#[test]
fn output_matches_the_command_line() {
    let (tsv, ndjson) = to_tsv_and_ndjson(&PATIENTS);
    check_matches_cli(CSV, "", &PATIENTS, &[]);
    check_matches_cli(TSV, "", &tsv, &["--format", "tsv"]);
    check_matches_cli(NDJSON, "", &ndjson, &[]);
    check_matches_cli("application/ndjson", "", &ndjson, &[]);
    check_matches_cli(
        "Text/CSV; charset=utf-8",
        "&columns=all&excel_safe",
        &PATIENTS,
        &["--columns", "all", "--excel-safe"],
    );
    check_matches_cli(
        CSV,
        "&registration_only=true&practice_column=registered_on&as_of_column=registered_on",
        &PATIENTS,
        &[
            "--registration-only",
            "--practice-column",
            "registered_on",
            "--as-of-column",
            "registered_on",
        ],
    );
    check_matches_cli(CSV, "&compress=gzip", &PATIENTS, &["--compress", "gzip"]);
}

#[test]
fn arrow_streams_are_answered() {
    let (names, columns) = columnar::patient_columns(2_000);
    let input = columnar::to_arrow_stream(&columnar::to_record_batches(&names, &columns));
    check_matches_cli("application/vnd.apache.arrow.stream", "", &input, &[]);
    let checked = post_batch("application/vnd.apache.arrow.stream", "&check", &input).json();
    assert_eq!(checked["format"], "arrow");
    assert_eq!(
        checked["rows"][0].as_array().map(Vec::len),
        checked["preview_columns"].as_array().map(Vec::len)
    );
    post_batch(
        "application/vnd.apache.arrow.stream",
        "",
        SMALL_CSV.as_bytes(),
    )
    .expect_problem(422, "invalid_file");
}

#[test]
fn compressed_uploads_are_decompressed() {
    let expected = run_in_process(&PATIENTS, "");
    let zstd = zstd_frame(&PATIENTS);
    for (encoding, compressed) in [("gzip", gzip(&PATIENTS)), ("zstd", zstd)] {
        for content_encoding in [format!("Content-Encoding: {encoding}\r\n"), String::new()] {
            let answer = send_request(
                &SERVER,
                full_request(&batch_path(""), CSV, &content_encoding, &compressed),
            );
            assert!(
                answer.complete_body() == expected,
                "{encoding}, `{content_encoding}`"
            );
        }
    }
    let answer = send_request(
        &SERVER,
        full_request(
            &batch_path(""),
            CSV,
            "Content-Encoding: gzip\r\n",
            SMALL_CSV.as_bytes(),
        ),
    );
    answer.expect_problem(400, "content_encoding_mismatch");
    let half = &gzip(&PATIENTS)[..20_000];
    post_batch(CSV, "", half).expect_problem(422, "decompression_failed");
    let answer = post_batch(CSV, "&compress=zstd", SMALL_CSV.as_bytes());
    assert_eq!(answer.header("content-encoding"), "zstd", "{}", answer.head);
}

fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    // The frame consists of raw blocks (RFC 8878, 3.1.1), so the test can write it without the zstd
    // library.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let blocks: Vec<&[u8]> = bytes.chunks(100_000).collect();
    for (index, block) in blocks.iter().enumerate() {
        let is_last = usize::from(index + 1 == blocks.len());
        let header = u32::try_from(block.len() << 3 | is_last).expect("small");
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

#[test]
fn responses_are_attachments_and_not_cacheable() {
    for (content_type, input, name) in [
        (CSV, SMALL_CSV, "answered.csv"),
        (TSV, "postcode\tx\nLA1 1PN\t1\n", "answered.tsv"),
        (NDJSON, "{\"postcode\":\"LA1 1PN\"}\n", "answered.ndjson"),
    ] {
        let answer = post_batch(content_type, "", input.as_bytes());
        assert_eq!(
            answer.header("content-type"),
            content_type,
            "{}",
            answer.head
        );
        assert_eq!(
            answer.header("cache-control"),
            "no-store",
            "{}",
            answer.head
        );
        assert_eq!(answer.header("x-accel-buffering"), "no", "{}", answer.head);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{}",
            answer.head
        );
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(
            answer.header("content-disposition"),
            disposition,
            "{}",
            answer.head
        );
        answer.complete_body();
    }
}

#[test]
fn summary_follows_the_output_as_trailer_or_last_record() {
    let request = |more: &str, parameters: &str| {
        full_request(&batch_path(parameters), CSV, more, SMALL_CSV.as_bytes())
    };
    let answer = send_request(&SERVER, request("", ""));
    assert_eq!(
        (answer.header("trailer"), answer.trailers.as_str()),
        ("", "")
    );
    let answer = send_request(&SERVER, request("TE: trailers\r\n", ""));
    assert_eq!(answer.header("trailer"), "catchment-summary");
    let summary = |answer: &RawResponse| -> Value {
        let text = answer
            .trailers
            .strip_prefix("catchment-summary: ")
            .expect("a trailer");
        serde_json::from_str(text).expect("JSON")
    };
    let trailer_summary = summary(&answer);
    assert_eq!(
        (
            &trailer_summary["rows"],
            &trailer_summary["status"]["located"]
        ),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        trailer_summary["agreement"]["differ"], 1,
        "{trailer_summary:#}"
    );
    // Lists with an entry for each area or practice are too long for a header.
    assert_eq!(trailer_summary.get("areas"), None, "{trailer_summary:#}");
    let answer = send_request(
        &SERVER,
        request(
            "TE: deflate;q=0.5, trailers\r\n",
            "&suppress=below:8-round:5",
        ),
    );
    assert_eq!(summary(&answer)["rows"], Value::Null);

    let input = b"{\"postcode\":\"LA18 4DB\"}\n{\"postcode\":\"LA1 1PN\"}";
    let bare = post_batch(NDJSON, "", input).complete_body();
    let output = post_batch(NDJSON, "&summary=last-record", input).complete_body();
    let last_record = output
        .strip_prefix(bare.as_slice())
        .expect("the output before the summary is the same");
    assert!(last_record.starts_with(b"\n{") && last_record.ends_with(b"}\n"));
    let last_record: Value = serde_json::from_slice(last_record).expect("an object");
    assert_eq!(
        last_record["catchment_summary"]["rows"], 2,
        "{last_record:#}"
    );
    let councils = &last_record["catchment_summary"]["areas"]["council"]["areas"];
    let ids: Vec<&Value> = councils
        .as_array()
        .expect("areas")
        .iter()
        .map(|area| &area["id"])
        .collect();
    assert_eq!(ids, ["E06000063", "E07000121"], "{councils:#}");
    post_batch(CSV, "&summary=last-record", SMALL_CSV.as_bytes())
        .expect_problem(400, "not_applicable");
}

#[test]
fn invalid_files_are_problems() {
    let refused = |content_type: &str, input: &str, status: u16, code: &str| {
        post_batch(content_type, "", input.as_bytes()).expect_problem(status, code);
    };
    refused(CSV, "", 422, "empty");
    refused(CSV, "postcode\n", 422, "no_rows");
    refused(CSV, "Zq7Mark,x\nLA1 1PN,1\n", 422, "missing_column");
    refused(CSV, "pcd,postcode\nZq7Mark,1\n", 422, "ambiguous_column");
    refused(
        CSV,
        "postcode,lon,lat\nZq7Mark,1,2\n",
        422,
        "ambiguous_location",
    );
    refused(
        CSV,
        "postcode,Zq7Mark,Zq7Mark\n1,2,3\n",
        422,
        "duplicate_column_name",
    );
    refused(
        CSV,
        "postcode,catchment_status\n1,Zq7Mark\n",
        422,
        "column_exists",
    );
    refused(
        CSV,
        "LA1 1PN,Zq7Mark\nLA1 1PN,1\n",
        422,
        "missing_header_row",
    );
    refused(CSV, "PK\u{3}\u{4}Zq7Mark", 415, "unsupported_file");
    refused(CSV, "[{\"postcode\":\"Zq7Mark\"}]", 415, "unsupported_file");
    refused(NDJSON, "Zq7Mark\n", 415, "unsupported_file");
    post_batch(CSV, "&postcode_column=Zq7Mark", SMALL_CSV.as_bytes())
        .expect_problem(422, "column_not_found");
}

#[test]
fn invalid_parameters_are_rejected() {
    for (parameters, code) in [
        ("&Zq7Mark=1", "unknown_parameter"),
        ("&columns=icb&columns=pcn", "repeated_parameter"),
        ("&columns=Zq7Mark", "unknown_column"),
        ("&delimiter=Zq7Mark", "invalid_delimiter"),
        ("&excel_safe=Zq7Mark", "invalid_flag"),
        ("&compress=Zq7Mark", "invalid_compress"),
        ("&summary=Zq7Mark", "invalid_summary"),
        ("&ticket=Zq7Mark", "invalid_ticket"),
        (
            "&check=true&ticket=0123456789abcdef0123456789abcdef",
            "conflicting_parameters",
        ),
    ] {
        post_batch(CSV, parameters, SMALL_CSV.as_bytes()).expect_problem(400, code);
    }
    post_batch(NDJSON, "&delimiter=tab", b"{}\n").expect_problem(400, "not_applicable");
    post_batch(CSV, "&dataset=Zq7Mark", SMALL_CSV.as_bytes())
        .expect_problem(404, "unknown_dataset");
    let answer = send_request(
        &SERVER,
        full_request("/api/v1/batch?as_of=Zq7Mark", CSV, "", SMALL_CSV.as_bytes()),
    );
    answer.expect_problem(400, "invalid_date");
}

#[test]
fn unsupported_content_types_are_rejected() {
    for content_type in [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
    ] {
        post_batch(content_type, "", SMALL_CSV.as_bytes())
            .expect_problem(415, "unsupported_media_type");
    }
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let content_encoding = format!("Content-Encoding: {encoding}\r\n");
        let answer = send_request(
            &SERVER,
            full_request(
                &batch_path(""),
                CSV,
                &content_encoding,
                SMALL_CSV.as_bytes(),
            ),
        );
        answer.expect_problem(415, "unsupported_encoding");
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
    SERVER
        .get("/api/v1/batch")
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn check_returns_the_detected_format_and_first_rows() {
    let answer = post_batch(CSV, "&check", &PATIENTS);
    assert_eq!(answer.header("cache-control"), "no-store");
    let preview = answer.json();
    assert_eq!(preview["delimiter"], "comma");
    assert_eq!(
        preview["read"],
        json!([
            { "role": "postcode", "parameter": "postcode_column", "column": "postcode", "number": 8 },
            { "role": "practice code", "parameter": "practice_column", "column": "gp_practice_code", "number": 9 },
        ])
    );
    let answers = run_in_process(&PATIENTS, "");
    let mut reader = csv::Reader::from_reader(answers.as_slice());
    let names = reader.headers().expect("names").clone();
    let indices: Vec<usize> = preview["preview_columns"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| {
            names
                .iter()
                .position(|text| text == name)
                .expect("a column")
        })
        .collect();
    assert_eq!(indices.len(), 12);
    let rows = preview["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    for (row, record) in rows.iter().zip(reader.records()) {
        let record = record.expect("a record");
        let expected: Vec<&str> = indices.iter().map(|&index| &record[index]).collect();
        assert_eq!(*row, json!(expected));
    }
    // The start of a file results in the same preview as the whole file, even if the start ends in
    // the middle of a row.
    let beginning = &PATIENTS[..400_000];
    assert_eq!(post_batch(CSV, "&check", beginning).json(), preview);
    let compressed = gzip(&PATIENTS);
    let mut compressed_preview =
        post_batch(CSV, "&check", &compressed[..compressed.len() * 3 / 4]).json();
    assert_eq!(compressed_preview["compression"], "gzip");
    compressed_preview["compression"] = Value::Null;
    assert_eq!(compressed_preview, preview);

    let input = b"{\"pcd\":\"LA18 4DB\",\"n\":1}\nnothing\n";
    let preview = post_batch(NDJSON, "&check", input).json();
    assert_eq!(preview["rows"][0][1], "located", "{preview:#}");
    post_batch(CSV, "&check", b"x\n1\n").expect_problem(422, "missing_column");
}

// ---- limits and misbehaving clients -------------------------------------------------------------

fn server_with_limits(change: impl FnOnce(&mut BatchLimits)) -> Server {
    let mut limits = BatchLimits {
        threads_per_job: NonZeroUsize::new(2).expect("two"),
        ..BatchLimits::default()
    };
    change(&mut limits);
    Server::with_batch_limits(embedded(), ServerLimits::default(), limits)
}

/// Returns a chunk of 1,000 rows.
fn chunk_of_rows() -> Vec<u8> {
    let rows = "Airey,LA18 4DB,P81064\n".repeat(1_000);
    let mut chunk = format!("{:x}\r\n", rows.len()).into_bytes();
    chunk.extend_from_slice(rows.as_bytes());
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Returns the start of a request: the request line, the headers, and a chunk with the header row
/// of the file.
fn endless_request() -> Vec<u8> {
    let names = "name,postcode,practice_code\n";
    let head = request_head(&batch_path(""), CSV, "Transfer-Encoding: chunked\r\n\r\n");
    format!("{head}{:x}\r\n{names}\r\n", names.len()).into_bytes()
}

/// Returns chunks with a header row and with enough rows for the output to start.
fn endless_rows() -> Vec<u8> {
    let names = b"1c\r\nname,postcode,practice_code\n\r\n".to_vec();
    [names, chunk_of_rows().repeat(40)].concat()
}

/// Sends rows until the server stops reading or `limit` bytes are sent. The thread returns the
/// number of bytes sent.
fn send_until_blocked(mut stream: TcpStream, limit: usize) -> JoinHandle<usize> {
    stream
        .set_write_timeout(Some(Duration::from_millis(1_500)))
        .expect("a write timeout");
    thread::spawn(move || {
        let (chunk, mut sent) = (chunk_of_rows(), 0);
        while sent < limit {
            match stream.write(&chunk[sent % chunk.len()..]) {
                Ok(written) => sent += written,
                Err(_) => break,
            }
        }
        sent
    })
}

#[test]
fn oversized_uploads_are_rejected_or_aborted() {
    let server = server_with_limits(|limits| limits.bytes_max = 2_000_000);
    let long = SMALL_CSV.repeat(30_000);
    let answer = send_request(
        &server,
        full_request(&batch_path(""), CSV, "", long.as_bytes()),
    );
    answer.expect_problem(413, "too_large");
    assert!(
        answer.json()["detail"]
            .as_str()
            .is_some_and(|text| text.contains("2000000"))
    );
    // Without Content-Length, the limit is reached during the upload.
    let mut stream = server.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    let sending = send_until_blocked(stream.try_clone().expect("a handle"), 4_000_000);
    let answer = read_response(stream);
    assert_eq!(answer.status, 200);
    assert!(!answer.is_complete && !answer.body.is_empty());
    sending.join().expect("no panic");
    send_request(
        &server,
        full_request(&batch_path(""), CSV, "", SMALL_CSV.as_bytes()),
    )
    .complete_body();
}

#[test]
fn errors_after_the_first_row_leave_the_response_incomplete() {
    let open = format!("{}Airey,\"LA18 4DB,P81064\n", SMALL_CSV.repeat(1_000));
    let long = format!("{SMALL_CSV}{}\n", "x".repeat(2 << 20));
    let many = "Rigg,LA1 1PN,P81002\n".repeat(40_000);
    for input in [
        format!("{SMALL_CSV}{many}{open}"),
        format!("{SMALL_CSV}{many}{long}"),
    ] {
        let answer = post_batch(CSV, "", input.as_bytes());
        assert_eq!(answer.status, 200);
        assert!(!answer.is_complete, "the response must be incomplete");
        assert_eq!(answer.trailers, "");
    }
}

#[test]
fn aborted_uploads_leave_the_response_incomplete() {
    let mut stream = SERVER.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    for _ in 0..40 {
        stream
            .write_all(&chunk_of_rows())
            .expect("the request is sent");
    }
    stream.shutdown(Shutdown::Write).expect("open");
    assert!(!read_response(stream).is_complete);
}

#[test]
fn uploads_beyond_the_limit_are_rejected_before_sending() {
    let server = server_with_limits(|limits| {
        limits.concurrent_jobs_max = 1;
        limits.queue_timeout = Duration::from_millis(100);
    });
    let first = start_upload(&server);
    let more = "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let mut second = server.connect();
    second
        .write_all(request_head(&batch_path(""), CSV, more).as_bytes())
        .expect("the request is sent");
    let answer = read_response(second);
    answer.expect_problem(503, "busy");
    assert!(
        answer.header("retry-after").parse::<u16>().is_ok(),
        "{}",
        answer.head
    );
    drop(first);
    let small = || {
        send_request(
            &server,
            full_request(&batch_path(""), CSV, "", SMALL_CSV.as_bytes()),
        )
    };
    retry_until(small, |answer| answer.status == 200).complete_body();
}

/// Starts an upload, and waits until the server admits it with `100 Continue`.
fn start_upload(server: &Server) -> TcpStream {
    let more = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = server.connect();
    stream
        .write_all(request_head(&batch_path(""), CSV, more).as_bytes())
        .expect("the request is sent");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("100 Continue");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Repeats a request until the response meets a condition.
#[track_caller]
fn retry_until<T>(send: impl Fn() -> T, is_met: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(8);
    loop {
        let answer = send();
        if is_met(&answer) {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "the condition was not met within 8 s"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A client that sends but never reads soon fills all buffers, and then the server stops reading.
#[test]
fn unread_responses_pause_the_upload() {
    const LIMIT: usize = 200_000_000;
    let server = server_with_limits(|limits| limits.concurrent_jobs_max = 1);
    let mut stream = server.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    let sent = send_until_blocked(stream.try_clone().expect("a handle"), LIMIT);
    let sent = sent.join().expect("no panic");
    // Most of these bytes are in the kernel's buffers at both ends of the connection.
    assert!(
        (200_000..40_000_000).contains(&sent),
        "the client sent {sent} bytes before it was blocked"
    );
    // As soon as the client disconnects, another batch can start.
    drop(stream);
    let small = || {
        send_request(
            &server,
            full_request(&batch_path(""), CSV, "", SMALL_CSV.as_bytes()),
        )
    };
    retry_until(small, |answer| answer.status == 200).complete_body();
}

#[test]
fn stalled_batches_are_aborted() {
    let server = server_with_limits(|limits| {
        limits.concurrent_jobs_max = 1;
        limits.stall_timeout = Duration::from_millis(300);
    });
    let started = Instant::now();
    // The first client sends no rows. No output has been sent yet, so the response is a problem.
    let mut stream = server.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    read_response(stream).expect_problem(408, "timed_out");
    // The second client does not read, so the server closes the connection without a problem.
    let mut stream = server.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    let sending = send_until_blocked(stream.try_clone().expect("a handle"), usize::MAX);
    sending.join().expect("no panic");
    let small = || {
        send_request(
            &server,
            full_request(&batch_path(""), CSV, "", SMALL_CSV.as_bytes()),
        )
    };
    retry_until(small, |answer| answer.status == 200).complete_body();
    assert!(!read_response(stream).is_complete);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn shutdown_waits_for_running_batches() {
    let server = server_with_limits(|_| {});
    let mut stream = server.connect();
    stream
        .write_all(&endless_request())
        .expect("the request is sent");
    let mut reading = stream.try_clone().expect("a handle");
    for _ in 0..40 {
        stream
            .write_all(&chunk_of_rows())
            .expect("the request is sent");
    }
    let mut answered = vec![0; 4_096];
    reading.read_exact(&mut answered).expect("output arrives");
    let stopping = thread::spawn(move || server.stop());
    thread::sleep(Duration::from_millis(200));
    stream
        .write_all(&chunk_of_rows())
        .expect("the request is sent");
    stream.write_all(b"0\r\n\r\n").expect("the request is sent");
    reading
        .read_to_end(&mut answered)
        .expect("the server closes the connection");
    let answer = parse_response(&answered);
    let rows = answer.body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((rows, answer.is_complete), (41_001, true));
    let took = stopping.join().expect("the server shuts down");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn shutdown_does_not_wait_for_stalled_batches() {
    let limits = ServerLimits {
        shutdown_grace: Duration::from_millis(300),
        ..ServerLimits::default()
    };
    let server = Server::with_batch_limits(embedded(), limits, BatchLimits::default());
    // One client stops sending, and the other client does not read. The threads of both batches
    // must end.
    let mut idle_sender = start_upload(&server);
    idle_sender
        .write_all(&endless_rows())
        .expect("the request is sent");
    let mut idle_reader = server.connect();
    idle_reader
        .write_all(&endless_request())
        .expect("the request is sent");
    send_until_blocked(idle_reader.try_clone().expect("a handle"), usize::MAX)
        .join()
        .expect("no panic");
    let took = server.stop();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!read_response(idle_reader).is_complete);
}

// ---- separate upload and download (tickets) ----------------------------------------------------

const TICKET: &str = "00112233445566778899aabbccddeeff";

fn request_download(server: &Server, ticket: &str) -> TcpStream {
    let mut stream = server.connect();
    let request =
        format!("GET /api/v1/batch/{ticket} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("the request is sent");
    stream
}

#[test]
fn tickets_connect_an_upload_and_a_download() {
    let expected = run_in_process(&PATIENTS, "");
    for download_first in [true, false] {
        let ticket = format!("{}{}", &TICKET[..31], u8::from(download_first));
        let request = full_request(
            &batch_path(&format!("&ticket={ticket}")),
            CSV,
            "",
            &PATIENTS,
        );
        let pause = Duration::from_millis(100);
        let (summary, answers) = thread::scope(|scope| {
            let download_thread = scope.spawn(|| {
                if !download_first {
                    thread::sleep(pause);
                }
                read_response(request_download(&SERVER, &ticket))
            });
            if download_first {
                thread::sleep(pause);
            }
            // Like a browser, the test sends the whole request before it reads the response.
            let mut stream = SERVER.connect();
            stream.write_all(&request).expect("the request is sent");
            let summary = read_response(stream);
            (summary, download_thread.join().expect("no panic"))
        });
        assert_eq!(answers.header("content-type"), CSV);
        assert!(answers.complete_body() == expected);
        assert_eq!(summary.header("cache-control"), "no-store");
        assert_eq!(summary.json()["rows"], 5_000);
    }
}

#[test]
fn tickets_need_both_requests_and_are_single_use() {
    let server = server_with_limits(|limits| limits.stall_timeout = Duration::from_millis(400));
    read_response(request_download(&server, TICKET)).expect_problem(404, "unknown_ticket");
    read_response(request_download(&server, "1")).expect_problem(400, "invalid_ticket");
    // Without a download, the upload fails.
    let request = |input: &str| {
        full_request(
            &batch_path(&format!("&ticket={TICKET}")),
            CSV,
            "",
            input.as_bytes(),
        )
    };
    send_request(&server, request(SMALL_CSV)).expect_problem(409, "not_downloaded");
    // If the file is invalid, the response to the upload is the problem, and the response to the
    // download is 404.
    let download = request_download(&server, TICKET);
    send_request(&server, request("x\n1\n")).expect_problem(422, "missing_column");
    read_response(download).expect_problem(404, "unknown_ticket");
    // If a later row has an error, the response to the upload is the problem, and the download is
    // incomplete.
    let many = "Rigg,LA1 1PN,P81002\n".repeat(40_000);
    let download = request_download(&server, TICKET);
    let reading = thread::spawn(move || read_response(download));
    send_request(&server, request(&format!("{SMALL_CSV}{many}\"open,,\n")))
        .expect_problem(422, "unclosed_quote");
    assert!(!reading.join().expect("no panic").is_complete);
}

/// The uploading client receives the problem even while the server is not reading the upload.
#[test]
fn uploads_fail_when_the_download_disconnects() {
    let download = request_download(&SERVER, "00112233445566778899aabbccddee99");
    let ticket = batch_path("&ticket=00112233445566778899aabbccddee99");
    let mut stream = SERVER.connect();
    let head = request_head(&ticket, CSV, "Transfer-Encoding: chunked\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("the request is sent");
    stream
        .write_all(&endless_rows())
        .expect("the request is sent");
    let mut download_reader = download.try_clone().expect("a handle");
    download_reader
        .read_exact(&mut [0; 100])
        .expect("output arrives");
    download.shutdown(Shutdown::Both).expect("open");
    drop((download, download_reader));
    let started = Instant::now();
    read_response(stream).expect_problem(409, "not_downloaded");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn finished_batches_log_no_stall_warning() {
    let running = ServiceProcess::start(&["--batch-stall-timeout", "1"]);
    let stream = connect(running.address);
    let mut writing = stream.try_clone().expect("a handle");
    writing
        .write_all(&full_request(
            &batch_path(""),
            CSV,
            "",
            SMALL_CSV.as_bytes(),
        ))
        .expect("the request is sent");
    read_response(stream).complete_body();
    // A watchdog that was still running would report a stall within this time.
    thread::sleep(Duration::from_millis(2_500));
    running.signal("TERM");
    let (_, written) = running.wait_for_exit();
    assert!(written.contains("batch completed"), "{written}");
    assert!(!written.contains("stalled"), "{written}");
}

#[test]
fn preflight_allows_compressed_uploads() {
    let preflight_headers = [
        ("origin", "https://surgery.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,content-encoding",
        ),
    ];
    let reply = SERVER
        .send("OPTIONS", "/api/v1/batch", &preflight_headers, None)
        .expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply}");
    let headers = reply.header("access-control-allow-headers");
    assert!(headers.contains("content-encoding"), "{reply}");
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        "",
        "{reply}"
    );
}

// ---- the form without JavaScript ----------------------------------------------------------------

const FORM_TYPE: &str = "multipart/form-data; boundary=b7d3";

fn form_body(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        write!(
            body,
            "--b7d3\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
        .expect("written");
    }
    body.extend_from_slice(
        b"--b7d3\r\nContent-Disposition: form-data; name=\"file\"; filename=\"list.csv\"\r\n\
          Content-Type: application/vnd.ms-excel\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--b7d3--\r\n");
    body
}

#[track_caller]
fn post_form(fields: &[(&str, &str)], file: &[u8]) -> RawResponse {
    send_request(
        &SERVER,
        full_request("/batch", FORM_TYPE, "", &form_body(fields, file)),
    )
}

#[test]
fn form_uploads_return_a_file() {
    let fields = [("as_of", AS_OF), ("columns", ""), ("postcode_column", " ")];
    let answer = post_form(&fields, &PATIENTS);
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"answered.csv\""
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.complete_body() == run_in_process(&PATIENTS, ""));
    let (tsv, _) = to_tsv_and_ndjson(&PATIENTS);
    let answer = post_form(&[("as_of", AS_OF), ("columns", "all")], &gzip(&tsv));
    assert_eq!(answer.header("content-type"), TSV);
    assert!(answer.complete_body() == run_in_process(&tsv, "all"));
    // Each ticked checkbox is a field with the same name.
    let fields = [
        ("as_of", AS_OF),
        ("columns", "names"),
        ("columns", "distances"),
    ];
    let answer = post_form(&fields, &PATIENTS);
    assert!(answer.complete_body() == run_in_process(&PATIENTS, "names,distances"));
}

#[test]
fn form_errors_are_html_pages() {
    for (fields, file, status, words) in [
        (&[][..], &b""[..], 422, "Choose a file"),
        (
            &[],
            b"pcd,postcode\nZq7Mark,1\n",
            422,
            "“Column with postcodes”",
        ),
        (
            &[("postcode_column", "nothing")],
            SMALL_CSV.as_bytes(),
            422,
            "no column has that name",
        ),
        (
            &[("as_of", "yesterday")],
            SMALL_CSV.as_bytes(),
            400,
            "“Date” is",
        ),
    ] {
        let answer = post_form(fields, file);
        let page = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{page}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(
            page.contains("There is a problem") && page.contains(words),
            "{page}"
        );
        assert!(!page.contains(MARKER), "{page}");
    }
    post_form(&[("nhs_number", "1")], SMALL_CSV.as_bytes())
        .expect_problem(400, "unknown_parameter");
    let truncated = &form_body(&[], SMALL_CSV.as_bytes())[..150];
    send_request(&SERVER, full_request("/batch", FORM_TYPE, "", truncated))
        .expect_problem(400, "invalid_form");
    send_request(&SERVER, full_request("/batch", CSV, "", b"x"))
        .expect_problem(415, "unsupported_media_type");
    // The form is too large. Browsers read the response only after they have sent the whole body.
    let long = vec![b'x'; (32 << 20) + (1 << 20)];
    let mut stream = SERVER.connect();
    stream
        .write_all(&full_request(
            "/batch",
            FORM_TYPE,
            "",
            &form_body(&[], &long),
        ))
        .expect("the request is read");
    assert_eq!(read_response(stream).status, 413);
}

#[test]
fn errors_in_the_first_rows_are_problems() {
    for input in [
        "postcode\n\"LA18 4DB\n",
        "postcode\nLA18 4DB\n\"LA1 1PN\nLA1 1PN\n",
        "name,postcode\n\"Airey,LA18 4DB\n",
    ] {
        let reply = SERVER.post("/api/v1/batch", "text/csv", input);
        reply.expect_problem(422, "unclosed_quote");
    }
    // For a form with the same error, the response is an error page.
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\npostcode\n\"LA18 4DB\n\r\n--b--\r\n";
    let page = SERVER.post("/batch", "multipart/form-data; boundary=b", form);
    let page = page.expect(422);
    assert!(page.text().contains("quotation mark"), "{page}");
    // If the first rows contain an error, the response to the download is 404.
    let download = request_download(&SERVER, "00112233445566778899aabbccddee77");
    let ticket = batch_path("&ticket=00112233445566778899aabbccddee77");
    let upload = full_request(&ticket, CSV, "", b"postcode\n\"LA18 4DB\n");
    send_request(&SERVER, upload).expect_problem(422, "unclosed_quote");
    read_response(download).expect_problem(404, "unknown_ticket");
}

#[test]
fn responses_start_before_the_upload_ends() {
    let mut stream = SERVER.connect();
    let head = request_head(&batch_path(""), CSV, "Transfer-Encoding: chunked\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("the request is sent");
    // Send enough rows for the output to start, but do not end the upload.
    stream
        .write_all(&endless_rows())
        .expect("the request is sent");
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first).expect("a response");
    assert_eq!(&first, b"HTTP/1.1 200");
}
