//! Batches over HTTP: the output equals that of `catchment batch`, and misbehaving clients are
//! handled. Requests are written to raw connections, so that a client can read while it sends, or
//! never.

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

use crate::columns;
use crate::dataset::index;
use crate::patients::Patients;
use crate::running::Running;
use crate::server::{AS_OF, SERVER, Server, connect, embedded};

const CSV: &str = "text/csv";
const TSV: &str = "text/tab-separated-values";
const NDJSON: &str = "application/x-ndjson";

const SMALL: &str = "name,postcode,practice_code\nAirey,LA18 4DB,P81064\nRigg,LA1 1PN,P81002\n";

/// A text that occurs nowhere else, to detect input that is repeated in a response.
const MARK: &str = "Zq7Mark";

/// A file of several blocks, with every kind of data error.
static PATIENTS: LazyLock<Vec<u8>> = LazyLock::new(|| Patients::new(index(), 41).list(5_000));

/// A response.
struct Exchange {
    status: u16,
    head: String,
    body: Vec<u8>,
    trailers: String,
    /// Whether the body was received completely.
    is_whole: bool,
}

impl Exchange {
    /// The value of a header; `""` if it is absent.
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1);
        let named = lines.filter_map(|line| line.split_once(": "));
        let mut values = named.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value)
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&self.body);
            panic!("{}\n{text}\nis not JSON: {error}", self.head)
        })
    }

    /// Returns the body, which must be complete and have status 200.
    #[track_caller]
    fn answers(self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, 200, "{}\n{text}", self.head);
        assert!(self.is_whole, "the body is incomplete after {} bytes", self.body.len());
        self.body
    }

    #[track_caller]
    fn problem(&self, status: u16, code: &str) {
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
        assert!(!whole.contains(MARK), "{whole}");
    }
}

/// Returns the head of a request, without `Content-Length` and the final line.
fn head(path: &str, content_type: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: {content_type}\r\n{more}"
    )
}

/// Returns a request with `Content-Length` and a body.
fn whole(path: &str, content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = head(path, content_type, more);
    let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// Sends a request while reading the response, until the server closes the connection.
#[track_caller]
fn exchange(server: &Server, request: Vec<u8>) -> Exchange {
    let stream = server.connect();
    let mut writing = stream.try_clone().expect("a second handle");
    // A server that rejects the request does not read all of it.
    let writer = thread::spawn(move || writing.write_all(&request));
    let answer = read(stream);
    let _ = writer.join().expect("the thread does not panic");
    answer
}

#[track_caller]
fn read(mut stream: TcpStream) -> Exchange {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server does not close the connection: {error}"),
    }
    parse(&bytes)
}

#[track_caller]
fn parse(bytes: &[u8]) -> Exchange {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().expect("a status");
    let mut exchange = Exchange {
        status,
        head,
        body: Vec::new(),
        trailers: String::new(),
        is_whole: false,
    };
    let rest = &bytes[end + 4..];
    if exchange.header("transfer-encoding") == "chunked" {
        unchunk(rest, &mut exchange);
    } else {
        exchange.body = rest.to_vec();
        let length = exchange.header("content-length").parse::<usize>();
        exchange.is_whole = length.is_ok_and(|length| length == rest.len());
    }
    exchange
}

fn unchunk(mut rest: &[u8], exchange: &mut Exchange) {
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        rest = &rest[at + 2..];
        if size == 0 {
            exchange.is_whole = rest.ends_with(b"\r\n");
            exchange.trailers = String::from_utf8_lossy(rest).trim().to_string();
            return;
        }
        let taken = size.min(rest.len());
        exchange.body.extend_from_slice(&rest[..taken]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

fn path(parameters: &str) -> String {
    format!("/api/v1/batch?as_of={AS_OF}{parameters}")
}

#[track_caller]
fn ask(content_type: &str, parameters: &str, list: &[u8]) -> Exchange {
    exchange(&SERVER, whole(&path(parameters), content_type, "", list))
}

/// Returns the output of `catchment batch` for the same input.
fn by_the_program(list: &[u8], arguments: &[&str]) -> Vec<u8> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["batch", "--as-of", AS_OF, "--quiet", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let list = list.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&list));
    let output = child.wait_with_output().expect("the program exits");
    writer.join().expect("no panic").expect("the input is read");
    output.stdout
}

/// Returns the same output without starting the program, which takes a while to load the dataset.
fn by_the_same_code(list: &[u8], columns: &str) -> Vec<u8> {
    let request = columns::request(columns);
    let intake = BatchInput::open(list, &request).expect("a valid batch");
    let mut out = Vec::new();
    let progress = BatchProgress::default();
    batch::run(
        index(),
        intake,
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
fn as_tsv_and_ndjson(list: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(list);
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
fn check_bytes(content_type: &str, parameters: &str, list: &[u8], arguments: &[&str]) {
    let expected = by_the_program(list, arguments);
    assert!(expected.len() > list.len().min(1_000), "{}", expected.len());
    let answers = ask(content_type, parameters, list).answers();
    assert!(
        answers == expected,
        "{content_type} {parameters}: {} and {} bytes",
        answers.len(),
        expected.len()
    );
}

#[test]
fn the_bytes_are_those_of_the_program() {
    let (tsv, ndjson) = as_tsv_and_ndjson(&PATIENTS);
    check_bytes(CSV, "", &PATIENTS, &[]);
    check_bytes(TSV, "", &tsv, &["--format", "tsv"]);
    check_bytes(NDJSON, "", &ndjson, &[]);
    check_bytes("application/ndjson", "", &ndjson, &[]);
    check_bytes(
        "Text/CSV; charset=utf-8",
        "&columns=all&excel_safe",
        &PATIENTS,
        &["--columns", "all", "--excel-safe"],
    );
    check_bytes(
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
    check_bytes(CSV, "&compress=gzip", &PATIENTS, &["--compress", "gzip"]);
}

#[test]
fn columns_in_a_stream_of_arrow_are_answered_too() {
    let (names, columns) = columns::patients(2_000);
    let list = columns::stream(&columns::batches_of(&names, &columns));
    check_bytes("application/vnd.apache.arrow.stream", "", &list, &[]);
    let checked = ask("application/vnd.apache.arrow.stream", "&check", &list).json();
    assert_eq!(checked["format"], "arrow");
    assert_eq!(
        checked["rows"][0].as_array().map(Vec::len),
        checked["shown"].as_array().map(Vec::len)
    );
    ask("application/vnd.apache.arrow.stream", "", SMALL.as_bytes()).problem(422, "invalid_file");
}

#[test]
fn a_packed_list_is_unpacked() {
    let expected = by_the_same_code(&PATIENTS, "");
    let zstd = zstd_of(&PATIENTS);
    for (encoding, packed) in [("gzip", gzip(&PATIENTS)), ("zstd", zstd)] {
        for said in [format!("Content-Encoding: {encoding}\r\n"), String::new()] {
            let answer = exchange(&SERVER, whole(&path(""), CSV, &said, &packed));
            assert!(answer.answers() == expected, "{encoding}, `{said}`");
        }
    }
    let answer = exchange(
        &SERVER,
        whole(
            &path(""),
            CSV,
            "Content-Encoding: gzip\r\n",
            SMALL.as_bytes(),
        ),
    );
    answer.problem(400, "malformed");
    let half = &gzip(&PATIENTS)[..20_000];
    ask(CSV, "", half).problem(422, "decompression_failed");
    let answer = ask(CSV, "&compress=zstd", SMALL.as_bytes());
    assert_eq!(answer.header("content-encoding"), "zstd", "{}", answer.head);
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    // A frame of raw blocks (RFC 8878, 3.1.1), independent of the zstd library of the program.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let blocks: Vec<&[u8]> = bytes.chunks(100_000).collect();
    for (at, block) in blocks.iter().enumerate() {
        let is_last = usize::from(at + 1 == blocks.len());
        let header = u32::try_from(block.len() << 3 | is_last).expect("small");
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

#[test]
fn an_answer_says_what_it_is_and_that_nobody_keeps_it() {
    for (content_type, list, name) in [
        (CSV, SMALL, "answered.csv"),
        (TSV, "postcode\tx\nLA1 1PN\t1\n", "answered.tsv"),
        (NDJSON, "{\"postcode\":\"LA1 1PN\"}\n", "answered.ndjson"),
    ] {
        let answer = ask(content_type, "", list.as_bytes());
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
        answer.answers();
    }
}

#[test]
fn the_summary_comes_behind_the_answers() {
    let request =
        |more: &str, parameters: &str| whole(&path(parameters), CSV, more, SMALL.as_bytes());
    let answer = exchange(&SERVER, request("", ""));
    assert_eq!(
        (answer.header("trailer"), answer.trailers.as_str()),
        ("", "")
    );
    let answer = exchange(&SERVER, request("TE: trailers\r\n", ""));
    assert_eq!(answer.header("trailer"), "catchment-summary");
    let summary = |answer: &Exchange| -> Value {
        let text = answer
            .trailers
            .strip_prefix("catchment-summary: ")
            .expect("a trailer");
        serde_json::from_str(text).expect("JSON")
    };
    let told = summary(&answer);
    assert_eq!(
        (&told["rows"], &told["status"]["located"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(told["agreement"]["differ"], 1, "{told:#}");
    let answer = exchange(
        &SERVER,
        request(
            "TE: deflate;q=0.5, trailers\r\n",
            "&suppress=below:8-round:5",
        ),
    );
    assert_eq!(summary(&answer)["rows"], Value::Null);

    let list = b"{\"postcode\":\"LA18 4DB\"}\n{\"postcode\":\"LA1 1PN\"}";
    let bare = ask(NDJSON, "", list).answers();
    let answers = ask(NDJSON, "&summary=last-record", list).answers();
    let last = answers
        .strip_prefix(bare.as_slice())
        .expect("the same answers first");
    assert!(last.starts_with(b"\n{") && last.ends_with(b"}\n"));
    let last: Value = serde_json::from_slice(last).expect("an object");
    assert_eq!(last["catchment_summary"]["rows"], 2, "{last:#}");
    ask(CSV, "&summary=last-record", SMALL.as_bytes()).problem(400, "malformed");
}

#[test]
fn what_refuses_a_list_is_told_before_any_answer() {
    let refused = |content_type: &str, list: &str, status: u16, code: &str| {
        ask(content_type, "", list.as_bytes()).problem(status, code);
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
    ask(CSV, "&postcode_column=Zq7Mark", SMALL.as_bytes()).problem(422, "column_not_found");
}

#[test]
fn parameters_are_strict() {
    for (parameters, code) in [
        ("&Zq7Mark=1", "unknown_parameter"),
        ("&columns=icb&columns=pcn", "repeated_parameter"),
        ("&columns=Zq7Mark", "unknown_column"),
        ("&delimiter=Zq7Mark", "malformed"),
        ("&excel_safe=Zq7Mark", "malformed"),
        ("&compress=Zq7Mark", "malformed"),
        ("&summary=Zq7Mark", "malformed"),
        ("&ticket=Zq7Mark", "malformed"),
        (
            "&check=true&ticket=0123456789abcdef0123456789abcdef",
            "malformed",
        ),
    ] {
        ask(CSV, parameters, SMALL.as_bytes()).problem(400, code);
    }
    ask(NDJSON, "&delimiter=tab", b"{}\n").problem(400, "malformed");
    ask(CSV, "&dataset=Zq7Mark", SMALL.as_bytes()).problem(404, "unknown_dataset");
    let answer = exchange(
        &SERVER,
        whole("/api/v1/batch?as_of=Zq7Mark", CSV, "", SMALL.as_bytes()),
    );
    answer.problem(400, "invalid_date");
}

#[test]
fn only_lists_are_taken() {
    for content_type in [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
    ] {
        ask(content_type, "", SMALL.as_bytes()).problem(415, "unsupported_media_type");
    }
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let said = format!("Content-Encoding: {encoding}\r\n");
        let answer = exchange(&SERVER, whole(&path(""), CSV, &said, SMALL.as_bytes()));
        answer.problem(415, "unsupported_encoding");
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
    SERVER
        .get("/api/v1/batch")
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn a_list_is_shown_as_it_is_understood() {
    let answer = ask(CSV, "&check", &PATIENTS);
    assert_eq!(answer.header("cache-control"), "no-store");
    let shown = answer.json();
    assert_eq!(shown["delimiter"], "comma");
    assert_eq!(
        shown["read"],
        json!([
            { "holds": "postcode", "parameter": "postcode_column", "column": "postcode", "number": 8 },
            { "holds": "practice code", "parameter": "practice_column", "column": "gp_practice_code", "number": 9 },
        ])
    );
    let answers = by_the_same_code(&PATIENTS, "");
    let mut reader = csv::Reader::from_reader(answers.as_slice());
    let names = reader.headers().expect("names").clone();
    let at: Vec<usize> = shown["shown"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| names.iter().position(|it| it == name).expect("a column"))
        .collect();
    assert_eq!(at.len(), 12);
    let rows = shown["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    for (row, record) in rows.iter().zip(reader.records()) {
        let record = record.expect("a record");
        let expected: Vec<&str> = at.iter().map(|&at| &record[at]).collect();
        assert_eq!(*row, json!(expected));
    }
    // The start of a file is enough, wherever it is truncated.
    let beginning = &PATIENTS[..400_000];
    assert_eq!(ask(CSV, "&check", beginning).json(), shown);
    let packed = gzip(&PATIENTS);
    let mut of_packed = ask(CSV, "&check", &packed[..packed.len() * 3 / 4]).json();
    assert_eq!(of_packed["compression"], "gzip");
    of_packed["compression"] = Value::Null;
    assert_eq!(of_packed, shown);

    let list = b"{\"pcd\":\"LA18 4DB\",\"n\":1}\nnothing\n";
    let shown = ask(NDJSON, "&check", list).json();
    assert_eq!(shown["rows"][0][1], "located", "{shown:#}");
    ask(CSV, "&check", b"x\n1\n").problem(422, "missing_column");
}

// ---- limits and misbehaving clients -------------------------------------------------------------

fn limits(change: impl FnOnce(&mut BatchLimits)) -> Server {
    let mut limits = BatchLimits {
        threads_per_job: NonZeroUsize::new(2).expect("two"),
        ..BatchLimits::default()
    };
    change(&mut limits);
    Server::with_lists(embedded(), ServerLimits::default(), limits)
}

/// Returns a chunk of 1,000 rows.
fn chunk() -> Vec<u8> {
    let rows = "Airey,LA18 4DB,P81064\n".repeat(1_000);
    let mut chunk = format!("{:x}\r\n", rows.len()).into_bytes();
    chunk.extend_from_slice(rows.as_bytes());
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Returns the start of a request: its head and the header row in a chunk.
fn endless() -> Vec<u8> {
    let names = "name,postcode,practice_code\n";
    let head = head(&path(""), CSV, "Transfer-Encoding: chunked\r\n\r\n");
    format!("{head}{:x}\r\n{names}\r\n", names.len()).into_bytes()
}

/// Returns chunks with a header row and enough rows for output to start.
fn endless_rows() -> Vec<u8> {
    let names = b"1c\r\nname,postcode,practice_code\n\r\n".to_vec();
    [names, chunk().repeat(40)].concat()
}

/// Sends rows until the server stops reading or `most` bytes are sent. Returns the number of bytes.
fn send_on(mut stream: TcpStream, most: usize) -> JoinHandle<usize> {
    stream
        .set_write_timeout(Some(Duration::from_millis(1_500)))
        .expect("a write timeout");
    thread::spawn(move || {
        let (chunk, mut sent) = (chunk(), 0);
        while sent < most {
            match stream.write(&chunk[sent % chunk.len()..]) {
                Ok(written) => sent += written,
                Err(_) => break,
            }
        }
        sent
    })
}

#[test]
fn a_list_that_is_too_long_is_refused_or_breaks_off() {
    let server = limits(|limits| limits.bytes_max = 2_000_000);
    let long = SMALL.repeat(30_000);
    let answer = exchange(&server, whole(&path(""), CSV, "", long.as_bytes()));
    answer.problem(413, "too_large");
    assert!(
        answer.json()["detail"]
            .as_str()
            .is_some_and(|it| it.contains("2000000"))
    );
    // Without Content-Length, the limit is reached during the upload.
    let mut stream = server.connect();
    stream.write_all(&endless()).expect("the request is sent");
    let sending = send_on(stream.try_clone().expect("a handle"), 4_000_000);
    let answer = read(stream);
    assert_eq!(answer.status, 200);
    assert!(!answer.is_whole && !answer.body.is_empty());
    sending.join().expect("no panic");
    exchange(&server, whole(&path(""), CSV, "", SMALL.as_bytes())).answers();
}

#[test]
fn a_fault_after_the_first_row_leaves_no_end() {
    let open = format!("{}Airey,\"LA18 4DB,P81064\n", SMALL.repeat(1_000));
    let long = format!("{SMALL}{}\n", "x".repeat(2 << 20));
    let many = "Rigg,LA1 1PN,P81002\n".repeat(40_000);
    for list in [
        format!("{SMALL}{many}{open}"),
        format!("{SMALL}{many}{long}"),
    ] {
        let answer = ask(CSV, "", list.as_bytes());
        assert_eq!(answer.status, 200);
        assert!(!answer.is_whole, "the response is complete");
        assert_eq!(answer.trailers, "");
    }
}

#[test]
fn a_client_that_breaks_off_gets_no_end() {
    let mut stream = SERVER.connect();
    stream.write_all(&endless()).expect("the request is sent");
    for _ in 0..40 {
        stream.write_all(&chunk()).expect("the request is sent");
    }
    stream.shutdown(Shutdown::Write).expect("open");
    assert!(!read(stream).is_whole);
}

#[test]
fn who_comes_when_all_places_are_taken_is_told_before_sending() {
    let server = limits(|limits| {
        limits.concurrent_jobs_max = 1;
        limits.queue_timeout = Duration::from_millis(100);
    });
    let first = under_way(&server);
    let more = "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let mut second = server.connect();
    second
        .write_all(head(&path(""), CSV, more).as_bytes())
        .expect("the request is sent");
    let answer = read(second);
    answer.problem(503, "busy");
    assert!(
        answer.header("retry-after").parse::<u16>().is_ok(),
        "{}",
        answer.head
    );
    drop(first);
    let small = || exchange(&server, whole(&path(""), CSV, "", SMALL.as_bytes()));
    wait_for(small, |answer| answer.status == 200).answers();
}

/// Starts an upload that the server has admitted: it has sent `100 Continue`.
fn under_way(server: &Server) -> TcpStream {
    let more = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = server.connect();
    stream
        .write_all(head(&path(""), CSV, more).as_bytes())
        .expect("the request is sent");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("100 Continue");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Repeats a request until the response meets a condition.
#[track_caller]
fn wait_for<T>(ask: impl Fn() -> T, is_right: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(8);
    loop {
        let answer = ask();
        if is_right(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "the condition is not met in time");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A client that sends but never reads soon fills all buffers; then the server stops reading.
#[test]
fn a_client_that_does_not_read_is_not_read_either() {
    const MOST: usize = 200_000_000;
    let server = limits(|limits| limits.concurrent_jobs_max = 1);
    let mut stream = server.connect();
    stream.write_all(&endless()).expect("the request is sent");
    let sent = send_on(stream.try_clone().expect("a handle"), MOST);
    let sent = sent.join().expect("no panic");
    // Most of the bytes are in the buffers of the kernel on both sides.
    assert!(
        (200_000..40_000_000).contains(&sent),
        "{sent} bytes were read"
    );
    // After it disconnects, its place is free at once.
    drop(stream);
    let small = || exchange(&server, whole(&path(""), CSV, "", SMALL.as_bytes()));
    wait_for(small, |answer| answer.status == 200).answers();
}

#[test]
fn a_list_that_stands_still_is_given_up() {
    let server = limits(|limits| {
        limits.concurrent_jobs_max = 1;
        limits.stall_timeout = Duration::from_millis(300);
    });
    let started = Instant::now();
    // No rows arrive. No output has been sent yet, so the response is a problem.
    let mut stream = server.connect();
    stream.write_all(&endless()).expect("the request is sent");
    read(stream).problem(408, "timed_out");
    // The client does not read: the connection is closed without a problem.
    let mut stream = server.connect();
    stream.write_all(&endless()).expect("the request is sent");
    let sending = send_on(stream.try_clone().expect("a handle"), usize::MAX);
    sending.join().expect("no panic");
    let small = || exchange(&server, whole(&path(""), CSV, "", SMALL.as_bytes()));
    wait_for(small, |answer| answer.status == 200).answers();
    assert!(!read(stream).is_whole);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn stopping_lets_a_list_under_way_finish() {
    let server = limits(|_| {});
    let mut stream = server.connect();
    stream.write_all(&endless()).expect("the request is sent");
    let mut reading = stream.try_clone().expect("a handle");
    for _ in 0..40 {
        stream.write_all(&chunk()).expect("the request is sent");
    }
    let mut answered = vec![0; 4_096];
    reading.read_exact(&mut answered).expect("output arrives");
    let stopping = thread::spawn(move || server.stop());
    thread::sleep(Duration::from_millis(200));
    stream.write_all(&chunk()).expect("the request is sent");
    stream.write_all(b"0\r\n\r\n").expect("the request is sent");
    reading
        .read_to_end(&mut answered)
        .expect("the server closes the connection");
    let answer = parse(&answered);
    let rows = answer.body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((rows, answer.is_whole), (41_001, true));
    let took = stopping.join().expect("the server shuts down");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn stopping_does_not_wait_for_a_list_that_stands_still() {
    let drain = ServerLimits {
        shutdown_grace: Duration::from_millis(300),
        ..ServerLimits::default()
    };
    let server = Server::with_lists(embedded(), drain, BatchLimits::default());
    // One client stops sending and one does not read: the threads of both have to end.
    let mut silent = under_way(&server);
    silent.write_all(&endless_rows()).expect("the request is sent");
    let mut deaf = server.connect();
    deaf.write_all(&endless()).expect("the request is sent");
    send_on(deaf.try_clone().expect("a handle"), usize::MAX)
        .join()
        .expect("no panic");
    let took = server.stop();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!read(deaf).is_whole);
}

// ---- separate upload and download (tickets) ----------------------------------------------------

const TICKET: &str = "00112233445566778899aabbccddeeff";

fn take(server: &Server, ticket: &str) -> TcpStream {
    let mut stream = server.connect();
    let asked =
        format!("GET /api/v1/batch/{ticket} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("the request is sent");
    stream
}

#[test]
fn one_request_sends_and_another_takes() {
    let expected = by_the_same_code(&PATIENTS, "");
    for taker_is_first in [true, false] {
        let ticket = format!("{}{}", &TICKET[..31], u8::from(taker_is_first));
        let request = whole(&path(&format!("&ticket={ticket}")), CSV, "", &PATIENTS);
        let pause = Duration::from_millis(100);
        let (summary, answers) = thread::scope(|scope| {
            let taking = scope.spawn(|| {
                if !taker_is_first {
                    thread::sleep(pause);
                }
                read(take(&SERVER, &ticket))
            });
            if taker_is_first {
                thread::sleep(pause);
            }
            // Like a browser: the whole request is sent before the response is read.
            let mut stream = SERVER.connect();
            stream.write_all(&request).expect("the request is sent");
            let summary = read(stream);
            (summary, taking.join().expect("no panic"))
        });
        assert_eq!(answers.header("content-type"), CSV);
        assert!(answers.answers() == expected);
        assert_eq!(summary.header("cache-control"), "no-store");
        assert_eq!(summary.json()["rows"], 5_000);
    }
}

#[test]
fn a_ticket_serves_once_and_only_where_both_come() {
    let server = limits(|limits| limits.stall_timeout = Duration::from_millis(400));
    read(take(&server, TICKET)).problem(404, "unknown_ticket");
    read(take(&server, "1")).problem(400, "malformed");
    // There is no download request.
    let request = |list: &str| {
        whole(
            &path(&format!("&ticket={TICKET}")),
            CSV,
            "",
            list.as_bytes(),
        )
    };
    exchange(&server, request(SMALL)).problem(409, "not_downloaded");
    // An invalid file: the upload gets the problem, and the download is not found.
    let taker = take(&server, TICKET);
    exchange(&server, request("x\n1\n")).problem(422, "missing_column");
    read(taker).problem(404, "unknown_ticket");
    // An error in a later row: the upload gets the problem, and the download is incomplete.
    let many = "Rigg,LA1 1PN,P81002\n".repeat(40_000);
    let taker = take(&server, TICKET);
    let reading = thread::spawn(move || read(taker));
    exchange(&server, request(&format!("{SMALL}{many}\"open,,\n"))).problem(422, "unclosed_quote");
    assert!(!reading.join().expect("no panic").is_whole);
}

/// The upload gets the problem even while it is pausing.
#[test]
fn who_sends_is_told_when_the_taker_goes() {
    let taker = take(&SERVER, "00112233445566778899aabbccddee99");
    let ticket = path("&ticket=00112233445566778899aabbccddee99");
    let mut stream = SERVER.connect();
    let head = head(&ticket, CSV, "Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the request is sent");
    stream.write_all(&endless_rows()).expect("the request is sent");
    let mut taking = taker.try_clone().expect("a handle");
    taking.read_exact(&mut [0; 100]).expect("output arrives");
    taker.shutdown(Shutdown::Both).expect("open");
    drop((taker, taking));
    let started = Instant::now();
    read(stream).problem(409, "not_downloaded");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn of_a_list_that_is_answered_nothing_goes_on() {
    let running = Running::start(&["--batch-stall-timeout", "1"]);
    let stream = connect(running.address);
    let mut writing = stream.try_clone().expect("a handle");
    writing
        .write_all(&whole(&path(""), CSV, "", SMALL.as_bytes()))
        .expect("the request is sent");
    read(stream).answers();
    // By then, a watchdog that was still running would report a stall.
    thread::sleep(Duration::from_millis(2_500));
    running.signal("TERM");
    let (_, written) = running.end();
    assert!(written.contains("batch completed"), "{written}");
    assert!(!written.contains("stalled"), "{written}");
}

#[test]
fn a_page_elsewhere_may_send_a_packed_list() {
    let asking = [
        ("origin", "https://surgery.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,content-encoding",
        ),
    ];
    let reply = SERVER
        .send("OPTIONS", "/api/v1/batch", &asking, None)
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

const FORM: &str = "multipart/form-data; boundary=b7d3";

fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
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
fn send_form(fields: &[(&str, &str)], file: &[u8]) -> Exchange {
    exchange(&SERVER, whole("/batch", FORM, "", &form(fields, file)))
}

#[test]
fn a_form_is_answered_with_a_file() {
    let fields = [("as_of", AS_OF), ("columns", ""), ("postcode_column", " ")];
    let answer = send_form(&fields, &PATIENTS);
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"answered.csv\""
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.answers() == by_the_same_code(&PATIENTS, ""));
    let (tsv, _) = as_tsv_and_ndjson(&PATIENTS);
    let answer = send_form(&[("as_of", AS_OF), ("columns", "all")], &gzip(&tsv));
    assert_eq!(answer.header("content-type"), TSV);
    assert!(answer.answers() == by_the_same_code(&tsv, "all"));
}

#[test]
fn what_is_wrong_with_a_form_is_a_page() {
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
            SMALL.as_bytes(),
            422,
            "no column has that name",
        ),
        (
            &[("as_of", "yesterday")],
            SMALL.as_bytes(),
            400,
            "“Date” is",
        ),
    ] {
        let answer = send_form(fields, file);
        let page = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{page}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(
            page.contains("There is a problem") && page.contains(words),
            "{page}"
        );
        assert!(!page.contains(MARK), "{page}");
    }
    send_form(&[("nhs_number", "1")], SMALL.as_bytes()).problem(400, "unknown_parameter");
    let cut = &form(&[], SMALL.as_bytes())[..150];
    exchange(&SERVER, whole("/batch", FORM, "", cut)).problem(400, "malformed");
    exchange(&SERVER, whole("/batch", CSV, "", b"x")).problem(415, "unsupported_media_type");
    // Larger than a form may be. Browsers read the response only after sending the whole body.
    let long = vec![b'x'; (32 << 20) + (1 << 20)];
    let mut stream = SERVER.connect();
    stream
        .write_all(&whole("/batch", FORM, "", &form(&[], &long)))
        .expect("the request is read");
    assert_eq!(read(stream).status, 413);
}

#[test]
fn a_fault_before_the_first_rows_are_answered_is_a_problem() {
    for list in [
        "postcode\n\"LA18 4DB\n",
        "postcode\nLA18 4DB\n\"LA1 1PN\nLA1 1PN\n",
        "name,postcode\n\"Airey,LA18 4DB\n",
    ] {
        let reply = SERVER.post("/api/v1/batch", "text/csv", list);
        reply.expect_problem(422, "unclosed_quote");
    }
    // The same in a form.
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\npostcode\n\"LA18 4DB\n\r\n--b--\r\n";
    let page = SERVER.post("/batch", "multipart/form-data; boundary=b", form);
    let page = page.expect(422);
    assert!(page.text().contains("quotation mark"), "{page}");
    // The download of such a file is not found.
    let taker = take(&SERVER, "00112233445566778899aabbccddee77");
    let ticket = path("&ticket=00112233445566778899aabbccddee77");
    let sent = whole(&ticket, CSV, "", b"postcode\n\"LA18 4DB\n");
    exchange(&SERVER, sent).problem(422, "unclosed_quote");
    read(taker).problem(404, "unknown_ticket");
}

#[test]
fn a_client_that_waits_for_the_response_before_it_sends_more_gets_one() {
    let mut stream = SERVER.connect();
    let head = head(&path(""), CSV, "Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the request is sent");
    // Enough to detect the format, but not for output to start.
    stream.write_all(&endless_rows()).expect("the request is sent");
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first).expect("a response");
    assert_eq!(&first, b"HTTP/1.1 200");
}
