//! Tests of hostile batch files and forms, such as files with false lengths, decompression bombs
//! and endless forms. Each file or form must be rejected with a specific error before the program
//! uses much memory.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{
    ArrayRef, DictionaryArray, Int8Array, RecordBatch, StringArray, StringViewArray,
};
use arrow_ipc::writer::StreamWriter;
use arrow_ipc::{
    BodyCompression, BodyCompressionArgs, BodyCompressionMethod, Buffer, CompressionType,
    FieldNode, Message, MessageArgs, MessageHeader, MetadataVersion, RecordBatchArgs,
};
use arrow_schema::{DataType, Field, Schema};
use catchment::batch::{
    self, BatchError, BatchInput, BatchProgress, BatchRequest, DecodeLimits, ExceededLimit,
    TabularError,
};
use flatbuffers::FlatBufferBuilder;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;

use crate::batches::columnar::{request, to_arrow_stream};
use crate::data::embedded_dataset::index;
use crate::support::process::{ServiceProcess, memory_kb};

fn run_batch<R: Read + Send>(
    batch_input: Result<BatchInput<R>, BatchError>,
    request: &BatchRequest,
    out: impl Write + Send,
) -> Result<u64, BatchError> {
    let threads = NonZeroUsize::new(3).expect("at least one thread");
    let progress = BatchProgress::default();
    batch::run(index(), batch_input?, request, out, threads, &progress).map(|summary| summary.rows)
}

fn run_bytes(input: &[u8]) -> Result<u64, BatchError> {
    let request = request("");
    run_batch(BatchInput::open(input, &request), &request, io::sink())
}

fn run_parquet_file(input: &[u8]) -> Result<u64, BatchError> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input).expect("written");
    let request = request("");
    let batch_input = BatchInput::<io::Empty>::open_parquet(file, &request);
    run_batch(batch_input, &request, io::sink())
}

#[track_caller]
fn check_excess(result: Result<u64, BatchError>, expected: ExceededLimit) {
    match result {
        Err(BatchError::Tabular(TabularError::LimitExceeded(excess))) => {
            assert_eq!(excess, expected)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_damaged(result: Result<u64, BatchError>) {
    assert!(
        matches!(
            result,
            Err(BatchError::Tabular(TabularError::Corrupt { .. }))
        ),
        "{result:?}"
    );
}

const LIMITS: DecodeLimits = DecodeLimits::HTTP;

/// The lengths and offsets that the message of a record batch states. They may be false.
#[derive(Clone)]
struct MessageClaims {
    rows: i64,
    /// The length and the number of nulls of each array.
    nodes: Vec<(i64, i64)>,
    /// The offset and the length of each buffer.
    buffers: Vec<(i64, i64)>,
    codec: Option<CompressionType>,
    body_length: i64,
}

/// Returns the start of a stream, which is the schema message for `columns`.
fn schema_message(columns: &[(&str, DataType)]) -> Vec<u8> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    let writer = StreamWriter::try_new(Vec::new(), &Schema::new(fields)).expect("a schema");
    writer.get_ref().clone()
}

fn batch_message(claims: &MessageClaims, body: &[u8]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let nodes = claims
        .nodes
        .iter()
        .map(|&(rows, nulls)| FieldNode::new(rows, nulls));
    let nodes = builder.create_vector(&nodes.collect::<Vec<_>>());
    let buffers = claims
        .buffers
        .iter()
        .map(|&(index, length)| Buffer::new(index, length));
    let buffers = builder.create_vector(&buffers.collect::<Vec<_>>());
    let compression = claims.codec.map(|codec| {
        let method = BodyCompressionMethod::BUFFER;
        BodyCompression::create(&mut builder, &BodyCompressionArgs { codec, method })
    });
    let parts = RecordBatchArgs {
        length: claims.rows,
        nodes: Some(nodes),
        buffers: Some(buffers),
        compression,
        variadicBufferCounts: None,
    };
    let batch = arrow_ipc::RecordBatch::create(&mut builder, &parts);
    let message = Message::create(
        &mut builder,
        &MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: claims.body_length,
            custom_metadata: None,
        },
    );
    builder.finish(message, None);
    let metadata = builder.finished_data();
    let mut bytes = vec![0xff; 4];
    let padded = metadata.len().next_multiple_of(8);
    bytes.extend(i32::try_from(padded).expect("short").to_le_bytes());
    bytes.extend_from_slice(metadata);
    bytes.resize(8 + padded, 0);
    bytes.extend_from_slice(body);
    bytes
}

/// Returns a stream with a column of `rows` postcodes. `parts` contains the compressed buffers of
/// the column, each with the uncompressed length that it states.
fn postcode_stream(codec: CompressionType, rows: i64, parts: [(&[u8], i64); 2]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut buffers = vec![(0, 0)];
    for (bytes, length) in parts {
        let start = i64::try_from(body.len()).expect("short");
        body.extend(length.to_le_bytes());
        body.extend_from_slice(bytes);
        buffers.push((start, i64::try_from(body.len()).expect("short") - start));
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let claims = MessageClaims {
        rows,
        nodes: vec![(rows, 0)],
        buffers,
        codec: Some(codec),
        body_length: i64::try_from(body.len()).expect("short"),
    };
    let mut bytes = schema_message(&[("postcode", DataType::Utf8)]);
    bytes.extend(batch_message(&claims, &body));
    bytes
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("compressed")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// The offsets of two postcodes in [`TEXTS`].
const OFFSETS: [u8; 12] = [0, 0, 0, 0, 8, 0, 0, 0, 15, 0, 0, 0];
/// The text of the two postcodes.
const TEXTS: &[u8] = b"LA18 4DBLA1 1PN";

#[test]
fn compressed_arrow_buffers_are_accepted() {
    for (codec, compress) in [
        (CompressionType::LZ4_FRAME, lz4 as fn(&[u8]) -> Vec<u8>),
        (CompressionType::ZSTD, zstd),
    ] {
        let (offsets, texts) = (compress(&OFFSETS), compress(TEXTS));
        let input = postcode_stream(codec, 2, [(&offsets, 12), (&texts, 15)]);
        let request = request("");
        let mut out = Vec::new();
        let rows = run_batch(
            BatchInput::open(input.as_slice(), &request),
            &request,
            &mut out,
        );
        assert_eq!(rows.expect("the batch succeeds"), 2);
        let out = String::from_utf8_lossy(&out);
        assert!(
            out.contains("LA18 4DB") && out.contains("mb-barrow-and-millom"),
            "{out}"
        );
        // A buffer may be stored uncompressed.
        let input = postcode_stream(codec, 2, [(&offsets, 12), (TEXTS, -1)]);
        assert_eq!(run_bytes(&input).expect("the batch succeeds"), 2);
    }
}

#[test]
fn claimed_lengths_of_compressed_buffers_are_checked() {
    for (codec, compress) in [
        (CompressionType::LZ4_FRAME, lz4 as fn(&[u8]) -> Vec<u8>),
        (CompressionType::ZSTD, zstd),
    ] {
        let (offsets, texts) = (compress(&OFFSETS), compress(TEXTS));
        let too_large = ExceededLimit::RecordBatchBytes(LIMITS.record_batch_bytes);
        for length in [1 << 60, i64::MAX, (16 << 20) + 1] {
            let input = postcode_stream(codec, 2, [(&offsets, 12), (&texts, length)]);
            check_excess(run_bytes(&input), too_large);
            check_excess(run_bytes(&gzip(&input)), too_large);
        }
        // The stated length is below the maximum length, but the compression ratio is above the
        // maximum ratio.
        let input = postcode_stream(codec, 2, [(&offsets, 12), (&texts, 8 << 20)]);
        check_excess(run_bytes(&input), ExceededLimit::DecompressionRatio);
        for length in [14, 16, 1 << 19, -2, i64::MIN] {
            let input = postcode_stream(codec, 2, [(&offsets, 12), (&texts, length)]);
            check_damaged(run_bytes(&input));
        }
        // This frame decompresses to more than its stated length.
        let zeros = compress(&vec![0; 16 << 20]);
        check_damaged(run_bytes(&postcode_stream(
            codec,
            2,
            [(&offsets, 12), (&zeros, 15)],
        )));
        check_damaged(run_bytes(&postcode_stream(
            codec,
            2,
            [(&offsets, 12), (b"no frame", 15)],
        )));
    }
    check_damaged(run_bytes(&postcode_stream(
        CompressionType(7),
        2,
        [(&OFFSETS, 12), (TEXTS, 15)],
    )));
}

#[test]
fn rows_without_bytes_are_limited() {
    let start = schema_message(&[("postcode", DataType::Null)]);
    let stream_of = |rows: i64, nodes: Vec<(i64, i64)>| {
        let claims = MessageClaims {
            rows,
            nodes,
            buffers: Vec::new(),
            codec: None,
            body_length: 0,
        };
        [start.clone(), batch_message(&claims, &[])].concat()
    };
    assert_eq!(
        run_bytes(&stream_of(20_000, vec![(20_000, 20_000)])).expect("the batch succeeds"),
        20_000
    );
    let too_many = ExceededLimit::RecordBatchRows(LIMITS.record_batch_rows);
    for rows in [(1 << 20) + 1, 1 << 40, i64::MAX] {
        check_excess(run_bytes(&stream_of(rows, vec![(rows, rows)])), too_many);
    }
    check_damaged(run_bytes(&stream_of(-1, vec![(-1, -1)])));
    check_damaged(run_bytes(&stream_of(2, vec![(2, 3)])));
    check_damaged(run_bytes(&stream_of(2, vec![(3, 3)])));
    // With several such batches, the output would be too long in proportion to the upload.
    let full_stream = stream_of(1 << 20, vec![(1 << 20, 1 << 20)]);
    let batch = &full_stream[start.len()..];
    let input = [start.clone(), batch.repeat(3)].concat();
    check_excess(run_bytes(&input), ExceededLimit::AnswerRatio);
}

#[test]
fn lengths_of_messages_and_buffers_are_checked() {
    let start = schema_message(&[("postcode", DataType::Utf8)]);
    let body: Vec<u8> = [&OFFSETS[..], &[0; 4], TEXTS, &[0]].concat();
    let claims = MessageClaims {
        rows: 2,
        nodes: vec![(2, 0)],
        buffers: vec![(0, 0), (0, 12), (16, 15)],
        codec: None,
        body_length: 32,
    };
    let stream_with = |change: &dyn Fn(&mut MessageClaims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        [start.clone(), batch_message(&claims, &body)].concat()
    };
    assert_eq!(
        run_bytes(&stream_with(&|_| {})).expect("the batch succeeds"),
        2
    );
    for buffer in [
        (16, 17),
        (-8, 15),
        (16, -1),
        (i64::MAX, 15),
        (16, i64::MAX),
        (1 << 40, 0),
    ] {
        check_damaged(run_bytes(&stream_with(&|claims| {
            claims.buffers[2] = buffer
        })));
    }
    // Each of three buffers claims the whole body, or the whole body except the first byte.
    check_damaged(run_bytes(&stream_with(&|claims| {
        claims.buffers = vec![(0, 32), (0, 32), (1, 31)]
    })));
    check_damaged(run_bytes(&stream_with(&|claims| claims.body_length = -1)));
    for length in [(16 << 20) + 1, 1 << 60, i64::MAX] {
        let too_large = ExceededLimit::RecordBatchBytes(LIMITS.record_batch_bytes);
        check_excess(
            run_bytes(&stream_with(&|claims| claims.body_length = length)),
            too_large,
        );
    }
    // The stated length of the body exceeds the length of the stream.
    let truncated = run_bytes(&stream_with(&|claims| claims.body_length = 16 << 20));
    assert!(
        matches!(truncated, Err(BatchError::Tabular(TabularError::Read(_)))),
        "{truncated:?}"
    );
    for length in [i32::MAX, (2 << 20) + 1] {
        let input = [&[0xff; 4], length.to_le_bytes().as_slice()].concat();
        check_excess(
            run_bytes(&input),
            ExceededLimit::MetadataBytes(LIMITS.metadata_bytes),
        );
    }
}

#[test]
fn dictionary_bytes_are_limited_in_total() {
    let dictionary = |length: usize| -> ArrayRef {
        let values = StringArray::from(vec!["LA1 1PN".to_string(), "x".repeat(length)]);
        Arc::new(DictionaryArray::new(
            Int8Array::from(vec![0]),
            Arc::new(values),
        ))
    };
    let stream_of = |length| {
        let columns = [
            ("postcode", dictionary(100)),
            ("a", dictionary(length)),
            ("b", dictionary(length)),
        ];
        to_arrow_stream(&[RecordBatch::try_from_iter(columns).expect("a row")])
    };
    assert_eq!(
        run_bytes(&stream_of(3 << 20)).expect("the batch succeeds"),
        1
    );
    let limit = ExceededLimit::DictionaryBytes(LIMITS.dictionary_bytes);
    check_excess(run_bytes(&stream_of(5 << 20)), limit);
}

#[test]
fn sliced_string_views_are_written_without_unused_buffers() {
    let rows = 20_000;
    let text = |row: usize| format!("a text that is kept beside the views {row:08}");
    let texts = StringViewArray::from_iter_values((0..rows).map(text));
    let columns = [
        (
            "postcode",
            Arc::new(StringArray::from(vec!["LA1 1PN"; rows])) as ArrayRef,
        ),
        ("text", Arc::new(texts)),
    ];
    let input = to_arrow_stream(&[RecordBatch::try_from_iter(columns).expect("rows")]);
    let request = request("");
    let mut out = Vec::new();
    let done = run_batch(
        BatchInput::open(input.as_slice(), &request),
        &request,
        &mut out,
    );
    assert_eq!(done.expect("the batch succeeds"), rows as u64);
    // The ten output columns require at most 220 bytes per row. Writing all strings with each of
    // the three slices would add 1.9 MB.
    let answers = rows * 220;
    assert!(
        out.len() < input.len() + answers,
        "{} of {}",
        out.len(),
        input.len()
    );
    for row in [0, rows / 2, rows - 1] {
        let text = text(row);
        assert!(
            out.windows(text.len())
                .any(|bytes| bytes == text.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn postcode_only_files_are_answered_with_every_column() {
    let postcodes = [
        "LA18 4DB", "LA1 1PN", "CA1 1EF", "PR3 0SG", "LA1 4XT", "BB1 1AA",
    ];
    // The postcodes vary as much as in a file of patients.
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        postcodes[(state >> 8) as usize % postcodes.len()]
    };
    let mut csv = String::from("postcode\n");
    for _ in 0..100_000 {
        csv.push_str(next());
        csv.push('\n');
    }
    let request = request("all");
    for input in [
        csv.clone().into_bytes(),
        gzip(csv.as_bytes()),
        zstd(csv.as_bytes()),
    ] {
        let batch_input = BatchInput::open(input.as_slice(), &request);
        let rows = run_batch(batch_input, &request, io::sink()).expect("the batch succeeds");
        assert_eq!(rows, 100_000);
    }
}

#[test]
fn decompression_bombs_are_rejected() {
    let empty = [b"postcode\n".to_vec(), vec![b'\n'; 32 << 20]].concat();
    for compressed in [gzip(&empty), zstd(&empty)] {
        check_excess(run_bytes(&compressed), ExceededLimit::DecompressionRatio);
    }
    // After a valid frame, the input contains a frame that requires a window of 16 MiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0, (24 - 10) << 3, 1, 0, 0];
    let input = [zstd(b"postcode\nLA1 1PN\n").as_slice(), &window].concat();
    check_excess(run_bytes(&input), ExceededLimit::ZstdWindow(8 << 20));
}

#[test]
fn parquet_files_with_false_lengths_are_rejected() {
    let postcodes = StringArray::from(vec!["LA18 4DB"; 2_000]);
    let columns = [("postcode", Arc::new(postcodes) as ArrayRef)];
    let batch = RecordBatch::try_from_iter(columns).expect("rows");
    let file = |encoding: Option<Encoding>| {
        let properties = WriterProperties::builder();
        let properties = match encoding {
            None => properties,
            Some(encoding) => properties
                .set_dictionary_enabled(false)
                .set_encoding(encoding),
        };
        let writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build()));
        let mut writer = writer.expect("a schema");
        writer.write(&batch).expect("written");
        writer.into_inner().expect("ended")
    };
    let encodings = [
        None,
        Some(Encoding::PLAIN),
        Some(Encoding::DELTA_BYTE_ARRAY),
        Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ];
    for encoding in encodings {
        let valid = file(encoding);
        assert_eq!(
            run_parquet_file(&valid).expect("the batch succeeds"),
            2_000,
            "{encoding:?}"
        );
        // Page headers contain sizes, and encodings start with a number of values. Write a large
        // number at each position of the pages in turn.
        let pages = valid.len() - 8 - footer_bytes(&valid);
        for index in 4..pages.min(90) {
            let mut bytes = valid.clone();
            bytes.splice(index..index + 6, [0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]);
            // The result is irrelevant, provided that the reader neither panics nor aborts.
            let _ = run_parquet_file(&bytes);
        }
    }
    let valid = file(None);
    let length = valid.len();
    let mut long_footer = valid.clone();
    long_footer[length - 8..length - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check_excess(
        run_parquet_file(&long_footer),
        ExceededLimit::MetadataBytes(LIMITS.metadata_bytes),
    );
    // The bytes `15 02` after the name of the schema's root mean one column. The test replaces them
    // with bytes that mean 2^31 - 1 columns.
    let footer = length - 8 - footer_bytes(&valid);
    let name = valid[footer..]
        .windows(12)
        .position(|bytes| bytes == b"arrow_schema");
    let index = footer + name.expect("the root has a name") + 12;
    assert_eq!(valid[index..index + 2], [0x15, 0x02]);
    let mut many_columns = valid;
    many_columns.splice(index + 1..index + 2, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    let length = many_columns.len();
    let footer_length = u32::try_from(length - 8 - footer).expect("short");
    many_columns[length - 8..length - 4].copy_from_slice(&footer_length.to_le_bytes());
    check_damaged(run_parquet_file(&many_columns));
}

fn footer_bytes(file: &[u8]) -> usize {
    let index = file.len() - 8;
    u32::from_le_bytes(file[index..index + 4].try_into().expect("four")) as usize
}

/// Returns a memory counter of a process in bytes. See [`memory_kb`].
fn memory_bytes(running: &ServiceProcess, name: &str) -> u64 {
    memory_kb(running.id(), name) * 1_024
}

/// Sends a body and reads the whole response. Returns the response. Omits parts of a long response.
fn post_batch(running: &ServiceProcess, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(running.address).expect("the server is listening");
    let timeout = Some(Duration::from_secs(60));
    stream.set_read_timeout(timeout).expect("a read timeout");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(head.as_bytes())
        .expect("the request is sent");
    let mut other = stream.try_clone().expect("a second end");
    let body = body.to_vec();
    // The server may reject the body before it is complete.
    let sending = std::thread::spawn(move || drop(other.write_all(&body)));
    let mut response = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        response.extend_from_slice(&buffer[..read.min(1 << 10)]);
    }
    sending.join().expect("sent");
    response
}

/// Regression test: each of these requests once stopped the service or used gigabytes of memory.
#[test]
fn one_request_uses_less_than_128_mb() {
    let running = ServiceProcess::start(&["--log-level", "error", "--batch-threads", "4"]);
    let arrow = "application/vnd.apache.arrow.stream";
    let small_stream = to_arrow_stream(&[RecordBatch::try_from_iter([(
        "postcode",
        Arc::new(StringArray::from(vec!["LA18 4DB"; 2])) as ArrayRef,
    )])
    .expect("rows")]);
    post_batch(&running, "/api/v1/batch", arrow, &small_stream);
    let idle = memory_bytes(&running, "VmRSS:");

    let claims = postcode_stream(
        CompressionType::LZ4_FRAME,
        2,
        [(&lz4(&OFFSETS), 12), (&lz4(TEXTS), 1 << 60)],
    );
    let zeros = zstd(&vec![0; 15 << 20]);
    let zeros = postcode_stream(
        CompressionType::ZSTD,
        2,
        [(&zstd(&OFFSETS), 12), (&zeros, 15 << 20)],
    );
    // Each of several batches contains 15 MiB of random text. Random text exceeds no limit on
    // compression ratios.
    let mut state = 1_u64;
    let random: String = (0..15 << 18)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{:04x}", state >> 48)
        })
        .collect();
    let large = RecordBatch::try_from_iter([
        (
            "postcode",
            Arc::new(StringArray::from(vec!["LA18 4DB"])) as ArrayRef,
        ),
        ("text", Arc::new(StringArray::from(vec![random]))),
    ])
    .expect("a row");
    let large = to_arrow_stream(&vec![large; 6]);
    let empty = gzip(&[b"postcode\n".to_vec(), vec![b'\n'; 64 << 20]].concat());
    let form = |file: &[u8]| {
        let head: &[u8] =
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        [head, file, b"\r\n--b--\r\n"].concat()
    };
    let endless_header = [b"--b\r\nX: ".to_vec(), vec![b'x'; 30 << 20]].concat();
    let long_file = form(&[b"postcode\n".to_vec(), b"LA18 4DB\n".repeat(3 << 20)].concat());
    let multipart = "multipart/form-data; boundary=b";
    // Each of these rows has an invalid date with 60,000 letters.
    let long_day = |index: usize| format!("LA1 1PN,{index}{}\n", "d".repeat(60_000));
    let long_days: String = (0..2_500).map(long_day).collect();
    let long_days = format!("postcode,day\n{long_days}").into_bytes();
    let parquet = [b"PAR1".as_slice(), &[0; 100], b"PAR1"].concat();
    let cases: [(&str, &str, &str, &[u8]); 16] = [
        ("/api/v1/batch", arrow, "422 ", &parquet),
        ("/api/v1/batch?check=true", "text/csv", "422 ", &parquet),
        ("/batch", multipart, "422 ", &form(&parquet)),
        // On a busy machine, the response may have started before the error.
        ("/api/v1/batch", arrow, "", &claims),
        ("/api/v1/batch?check=true", arrow, "413 ", &claims),
        ("/batch", multipart, "", &form(&claims)),
        ("/api/v1/batch", arrow, "", &zeros),
        ("/api/v1/batch?check=true", arrow, "413 ", &zeros),
        ("/api/v1/batch", arrow, "200 ", &large),
        (
            "/api/v1/batch?check=true&columns=all",
            arrow,
            "200 ",
            &large,
        ),
        ("/batch", multipart, "200 ", &form(&large[..32 << 20])),
        (
            "/api/v1/batch?as_of_column=day",
            "text/csv",
            "200 ",
            &long_days,
        ),
        ("/api/v1/batch?columns=all", "text/csv", "", &empty),
        ("/batch", multipart, "", &form(&empty)),
        ("/batch", multipart, "400 ", &endless_header),
        ("/batch", multipart, "200 ", &long_file),
    ];
    for (path, content_type, status, body) in cases {
        let response = post_batch(&running, path, content_type, body);
        let excerpt = String::from_utf8_lossy(&response[..response.len().min(500)]);
        let is_right = status.is_empty() || excerpt.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(
            is_right,
            "{path} {content_type}, {} bytes: not {status}: {excerpt}",
            body.len()
        );
        let peak = memory_bytes(&running, "VmHWM:") - idle;
        assert!(peak < 128_000_000, "{path} {content_type}: {peak} bytes");
    }
    let peak = memory_bytes(&running, "VmHWM:") - idle;
    println!(
        "the service used up to {} MB in addition to the {} MB that it used before the requests",
        peak / 1_000_000,
        idle / 1_000_000
    );
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(0), "{written}");
}
