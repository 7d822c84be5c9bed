//! Decodes an Arrow stream (IPC) within limits. A stream states the lengths of messages, buffers
//! and decompressed buffers, and the numbers of rows. `arrow-ipc` allocates memory according to
//! these numbers, so this module first checks each number against the limits and against the number
//! of bytes received. It also decompresses the buffers itself, so that `arrow-ipc` receives an
//! uncompressed message.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{
    self as ipc, CompressionType, DictionaryBatch, DictionaryBatchArgs, Endianness, FieldNode,
    Message, MessageHeader, RecordBatchArgs,
};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use flatbuffers::{FlatBufferBuilder, VerifierOptions, WIPOffset};

use super::corrupt;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::{
    DecodeLimits, ExceededLimit, InFlightBytes, MemoryPermit, ReceivedBytes,
};

/// The marker at the start of each message of an Arrow stream, since format version 0.15 of 2019.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The maximum number of flatbuffer tables in a message. A field consists of at least two tables.
const TABLES_MAX: usize = 1 << 16;
/// The limit on the apparent size of a message, as a multiple of the limit on metadata. The
/// apparent size may exceed the real size, because a string may be stored once and referenced
/// several times.
const APPARENT_SIZE_FACTOR: u64 = 4;
/// The maximum number of fields in a schema, including nested fields.
const FIELDS_MAX: usize = 1 << 14;
/// The largest alignment that any type requires. Misaligned buffers are copied.
const ALIGNMENT: u64 = 16;
/// The length of the prefix of a compressed buffer: the decompressed length, or -1 if the buffer is
/// not compressed.
const LENGTH_PREFIX: usize = 8;
const NOT_COMPRESSED: i64 = -1;
/// The magic bytes of an LZ4 frame. Arrow does not use the legacy frame, whose blocks are 8 MiB.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The step by which the allocation for a body grows. If more bytes than this have already been
/// received, the step is the number of bytes received.
const BODY_STEP_BYTES: usize = 16 << 20;
/// A body of at least `LARGE_BODY_BYTES` bytes is stored in an allocation of `LARGE_BODY_ROOM`
/// bytes. glibc returns an allocation of this size to the system as soon as the allocation is
/// freed, whereas it might retain up to 64 MiB of smaller allocations per thread. The unused part
/// uses only address space.
const LARGE_BODY_BYTES: usize = 256 << 10;
const LARGE_BODY_ROOM: usize = (32 << 20) + 1;

/// An Arrow stream whose schema has been read.
pub(super) struct ArrowStream<R> {
    source: R,
    limits: DecodeLimits,
    received: ReceivedBytes,
    in_flight: Arc<InFlightBytes>,
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    /// The size in bytes of each dictionary.
    dictionary_bytes: HashMap<i64, u64>,
    /// The total size in bytes of all buffers decompressed so far.
    decompressed: u64,
    has_ended: bool,
}

/// A record batch, and the permit for its memory.
#[derive(Debug)]
pub(super) struct DecodedBatch {
    pub(super) batch: RecordBatch,
    pub(super) permit: MemoryPermit,
}

/// The decompressed body of a message.
struct MessageBody {
    bytes: Buffer,
    /// The positions of the buffers in the body, if they differ from the positions in the message.
    buffers: Option<Vec<ipc::Buffer>>,
    permit: MemoryPermit,
}

impl<R: Read> ArrowStream<R> {
    /// Reads the schema.
    ///
    /// # Errors
    /// If the stream does not start with a schema, or exceeds a limit.
    pub(super) fn open(
        mut source: R,
        limits: DecodeLimits,
        received: ReceivedBytes,
    ) -> Result<ArrowStream<R>, TabularError> {
        let Some(metadata) = read_metadata(&mut source, limits)? else {
            return Err(corrupt_arrow("it has no schema"));
        };
        let message = verify_message(&metadata, limits)?;
        let schema = message.header_as_schema();
        let schema = schema.ok_or_else(|| corrupt_arrow("it does not begin with a schema"))?;
        if schema.endianness() != Endianness::Little {
            return Err(corrupt_arrow("its numbers are big-endian"));
        }
        let schema = ipc::convert::try_fb_to_schema(schema).map_err(arrow_read_error)?;
        check_schema(&schema)?;
        skip(&mut source, body_length(message, limits)?)?;
        Ok(ArrowStream {
            source,
            limits,
            received,
            in_flight: InFlightBytes::new(limits.record_batch_bytes.saturating_mul(3) / 2),
            schema: Arc::new(schema),
            dictionaries: HashMap::new(),
            dictionary_bytes: HashMap::new(),
            decompressed: 0,
            has_ended: false,
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Returns the next record batch. Waits until there is enough memory for this batch in addition
    /// to the batches that are still in use.
    ///
    /// # Errors
    /// If the stream is corrupt or exceeds a limit. The stream must not be read after an error.
    pub(super) fn next(&mut self) -> Result<Option<DecodedBatch>, TabularError> {
        while !self.has_ended {
            let Some(metadata) = read_metadata(&mut self.source, self.limits)? else {
                self.has_ended = true;
                break;
            };
            let message = verify_message(&metadata, self.limits)?;
            match message.header_type() {
                MessageHeader::RecordBatch => return self.decode_record_batch(message).map(Some),
                MessageHeader::DictionaryBatch => self.add_dictionary(message)?,
                MessageHeader::Schema => return Err(corrupt_arrow("it has a second schema")),
                _ => return Err(corrupt_arrow("it has a message of an unknown kind")),
            }
        }
        Ok(None)
    }

    fn decode_record_batch(&mut self, message: Message<'_>) -> Result<DecodedBatch, TabularError> {
        let header = message
            .header_as_record_batch()
            .ok_or_else(missing_header)?;
        let body = self.message_body(message, header)?;
        let version = message.version();
        let decode = |header| {
            let schema = Arc::clone(&self.schema);
            let dictionaries = &self.dictionaries;
            RecordBatchDecoder::try_new(&body.bytes, header, schema, dictionaries, &version)?
                .read_record_batch()
        };
        let batch = match &body.buffers {
            None => decode(header),
            Some(buffers) => {
                let mut builder = FlatBufferBuilder::new();
                let root = record_batch_header(&mut builder, header, buffers);
                builder.finish_minimal(root);
                let header = flatbuffers::root::<ipc::RecordBatch>(builder.finished_data());
                decode(header.expect("it was just written"))
            }
        };
        Ok(DecodedBatch {
            batch: batch.map_err(arrow_read_error)?,
            permit: body.permit,
        })
    }

    fn add_dictionary(&mut self, message: Message<'_>) -> Result<(), TabularError> {
        let header = message
            .header_as_dictionary_batch()
            .ok_or_else(missing_header)?;
        let values = header.data().ok_or_else(missing_header)?;
        let body = self.message_body(message, values)?;
        let (id, is_delta) = (header.id(), header.isDelta());
        let before = self.dictionary_bytes.remove(&id).unwrap_or(0);
        let retained = if is_delta { before } else { 0 };
        let bytes = retained.saturating_add(body.bytes.len() as u64);
        let others = self.dictionary_bytes.values().sum::<u64>();
        if bytes.saturating_add(others) > self.limits.dictionary_bytes {
            return Err(ExceededLimit::DictionaryBytes(self.limits.dictionary_bytes).into());
        }
        self.dictionary_bytes.insert(id, bytes);
        let (schema, version) = (Arc::clone(&self.schema), message.version());
        let mut decode = |header| {
            read_dictionary(
                &body.bytes,
                header,
                &schema,
                &mut self.dictionaries,
                &version,
            )
        };
        let decoded = match &body.buffers {
            None => decode(header),
            Some(buffers) => {
                let mut builder = FlatBufferBuilder::new();
                let data = Some(record_batch_header(&mut builder, values, buffers));
                let args = DictionaryBatchArgs {
                    id,
                    data,
                    isDelta: is_delta,
                };
                let root = DictionaryBatch::create(&mut builder, &args);
                builder.finish_minimal(root);
                let header = flatbuffers::root::<DictionaryBatch>(builder.finished_data());
                decode(header.expect("it was just written"))
            }
        };
        decoded.map_err(arrow_read_error)
    }

    /// Reads and decompresses the body of a record batch, or of the values of a dictionary.
    fn message_body(
        &mut self,
        message: Message<'_>,
        header: ipc::RecordBatch<'_>,
    ) -> Result<MessageBody, TabularError> {
        let length = body_length(message, self.limits)?;
        self.check_rows(header)?;
        let buffers: Vec<ipc::Buffer> = header
            .buffers()
            .ok_or_else(missing_header)?
            .iter()
            .copied()
            .collect();
        let misaligned = check_buffers(&buffers, length)?;
        let codec = match header.compression() {
            None => None,
            Some(compression) if compression.method() == ipc::BodyCompressionMethod::BUFFER => {
                Some(compression.codec())
            }
            Some(_) => return Err(corrupt_arrow("it uses an unknown compression")),
        };
        let copied = if codec.is_none() { misaligned } else { 0 };
        let permit = self.in_flight.wait_for(length.saturating_add(copied), 0);
        let bytes = read_body(&mut self.source, length)?;
        match codec {
            None => Ok(MessageBody {
                bytes: Buffer::from_vec(bytes),
                buffers: None,
                permit,
            }),
            Some(codec) => self.decompress(codec, &bytes, &buffers, &permit),
        }
    }

    /// Checks the number of rows and the lengths of all arrays, because an array without any bytes
    /// may state any length.
    fn check_rows(&self, header: ipc::RecordBatch<'_>) -> Result<(), TabularError> {
        let rows_max = self.limits.record_batch_rows;
        let rows =
            u64::try_from(header.length()).map_err(|_| corrupt_arrow("a length is negative"))?;
        if rows > rows_max {
            return Err(ExceededLimit::RecordBatchRows(rows_max).into());
        }
        // A child array may be longer than the batch, but every value requires at least one bit.
        let most = rows_max.max(self.limits.record_batch_bytes.saturating_mul(8));
        for node in header.nodes().ok_or_else(missing_header)? {
            let length =
                u64::try_from(node.length()).map_err(|_| corrupt_arrow("a length is negative"))?;
            let nulls = u64::try_from(node.null_count())
                .map_err(|_| corrupt_arrow("a count is negative"))?;
            if length > most {
                return Err(ExceededLimit::RecordBatchRows(rows_max).into());
            }
            if nulls > length {
                return Err(corrupt_arrow("an array has more nulls than values"));
            }
        }
        Ok(())
    }

    /// Decompresses the buffers of a body. All lengths are checked before any memory is allocated.
    fn decompress(
        &mut self,
        codec: CompressionType,
        body: &[u8],
        buffers: &[ipc::Buffer],
        compressed_permit: &MemoryPermit,
    ) -> Result<MessageBody, TabularError> {
        let bytes_max = self.limits.record_batch_bytes;
        let mut sources = Vec::with_capacity(buffers.len());
        let (mut end, mut decompressed) = (0_u64, 0_u64);
        for buffer in buffers {
            let source = BodyBuffer::parse(body, buffer)?;
            if let BodyBuffer::Compressed { length, .. } = source {
                decompressed = decompressed.saturating_add(length);
            }
            let start = end.saturating_add(ALIGNMENT - 1) & !(ALIGNMENT - 1);
            end = start.saturating_add(source.length());
            if end > bytes_max {
                return Err(ExceededLimit::RecordBatchBytes(bytes_max).into());
            }
            sources.push((start, source));
        }
        self.decompressed = self.decompressed.saturating_add(decompressed);
        self.received.check_decompressed(self.decompressed)?;
        let permit = self.in_flight.wait_for(end, compressed_permit.bytes());
        let end = usize::try_from(end).map_err(|_| ExceededLimit::RecordBatchBytes(bytes_max))?;
        let mut out = body_buffer(end);
        out.resize(end, 0);
        let mut codec = BufferCodec::new(codec)?;
        let mut placed = Vec::with_capacity(sources.len());
        for (start, source) in sources {
            let length = source.length();
            // The conversions cannot fail, because the range is within `out`.
            let range = usize::try_from(start).unwrap_or(usize::MAX)
                ..usize::try_from(start + length).unwrap_or(usize::MAX);
            match source {
                BodyBuffer::Uncompressed(bytes) => out[range].copy_from_slice(bytes),
                BodyBuffer::Compressed { bytes, .. } => codec.decompress(bytes, &mut out[range])?,
            }
            let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
            placed.push(ipc::Buffer::new(signed(start), signed(length)));
        }
        Ok(MessageBody {
            bytes: Buffer::from_vec(out),
            buffers: Some(placed),
            permit,
        })
    }
}

/// A buffer of a compressed body.
enum BodyBuffer<'b> {
    Uncompressed(&'b [u8]),
    Compressed {
        bytes: &'b [u8],
        /// The decompressed length.
        length: u64,
    },
}

impl<'b> BodyBuffer<'b> {
    /// Parses a buffer and checks that it is within the body.
    fn parse(body: &'b [u8], buffer: &ipc::Buffer) -> Result<BodyBuffer<'b>, TabularError> {
        let to_usize = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let (start, length) = (to_usize(buffer.offset()), to_usize(buffer.length()));
        let bytes = start
            .checked_add(length)
            .and_then(|end| body.get(start..end));
        let bytes = bytes.ok_or_else(|| corrupt_arrow("a buffer ends after its message does"))?;
        if bytes.is_empty() {
            return Ok(BodyBuffer::Uncompressed(bytes));
        }
        let prefix = bytes.split_first_chunk::<LENGTH_PREFIX>();
        let (prefix, rest) =
            prefix.ok_or_else(|| corrupt_arrow("a compressed buffer has no length"))?;
        match i64::from_le_bytes(*prefix) {
            NOT_COMPRESSED => Ok(BodyBuffer::Uncompressed(rest)),
            0 => Ok(BodyBuffer::Uncompressed(&[])),
            length => Ok(BodyBuffer::Compressed {
                bytes: rest,
                length: u64::try_from(length).map_err(|_| corrupt_arrow("a length is negative"))?,
            }),
        }
    }

    /// Returns the decompressed length.
    fn length(&self) -> u64 {
        match self {
            BodyBuffer::Uncompressed(bytes) => bytes.len() as u64,
            BodyBuffer::Compressed { length, .. } => *length,
        }
    }
}

enum BufferCodec {
    Lz4,
    Zstd(zstd::bulk::Decompressor<'static>),
}

impl BufferCodec {
    fn new(codec: CompressionType) -> Result<BufferCodec, TabularError> {
        match codec {
            CompressionType::LZ4_FRAME => Ok(BufferCodec::Lz4),
            CompressionType::ZSTD => Ok(BufferCodec::Zstd(zstd::bulk::Decompressor::new()?)),
            _ => Err(corrupt_arrow("it uses an unknown compression")),
        }
    }

    /// Decompresses a buffer, which must fill `out` exactly. A false length in a frame cannot cause
    /// a large allocation, because zstd does not need a window when it decompresses in a single
    /// call, and LZ4 blocks are at most 4 MiB.
    fn decompress(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<(), TabularError> {
        let is_whole = match self {
            BufferCodec::Lz4 => {
                bytes.starts_with(&LZ4_FRAME) && {
                    let mut decoder = lz4_flex::frame::FrameDecoder::new(bytes);
                    let filled = decoder.read_exact(out);
                    filled.is_ok() && matches!(decoder.read(&mut [0]), Ok(0))
                }
            }
            BufferCodec::Zstd(decoder) => {
                let length = out.len();
                decoder.decompress_to_buffer(bytes, out).ok() == Some(length)
            }
        };
        if is_whole {
            Ok(())
        } else {
            Err(corrupt_arrow(
                "a buffer does not decompress to the length it states",
            ))
        }
    }
}

/// Reads the metadata of the next message. Returns `None` at the end of the stream.
fn read_metadata(
    source: &mut impl Read,
    limits: DecodeLimits,
) -> Result<Option<Vec<u8>>, TabularError> {
    let mut length = [0; 4];
    match source.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        done => done?,
    }
    if length == CONTINUATION {
        source.read_exact(&mut length)?;
    }
    let length = i32::from_le_bytes(length);
    if length == 0 {
        return Ok(None);
    }
    let length = u64::try_from(length).map_err(|_| corrupt_arrow("a length is negative"))?;
    if length > limits.metadata_bytes {
        return Err(ExceededLimit::MetadataBytes(limits.metadata_bytes).into());
    }
    let mut metadata = Vec::new();
    source.take(length).read_to_end(&mut metadata)?;
    if metadata.len() as u64 == length {
        Ok(Some(metadata))
    } else {
        Err(corrupt_arrow("it ends within a message"))
    }
}

fn verify_message(metadata: &[u8], limits: DecodeLimits) -> Result<Message<'_>, TabularError> {
    let apparent = limits.metadata_bytes.saturating_mul(APPARENT_SIZE_FACTOR);
    let options = VerifierOptions {
        max_tables: TABLES_MAX,
        max_apparent_size: usize::try_from(apparent).unwrap_or(usize::MAX),
        ..VerifierOptions::default()
    };
    ipc::root_as_message_with_opts(&options, metadata)
        .map_err(|_| corrupt_arrow("the metadata of a message is invalid"))
}

fn body_length(message: Message<'_>, limits: DecodeLimits) -> Result<u64, TabularError> {
    let length =
        u64::try_from(message.bodyLength()).map_err(|_| corrupt_arrow("a length is negative"))?;
    if length <= limits.record_batch_bytes {
        Ok(length)
    } else {
        Err(ExceededLimit::RecordBatchBytes(limits.record_batch_bytes).into())
    }
}

/// Checks that the buffers are within a body of `body_bytes` bytes and do not overlap, because each
/// buffer may be copied. Returns the total size of the misaligned buffers, which will be copied.
fn check_buffers(buffers: &[ipc::Buffer], body_bytes: u64) -> Result<u64, TabularError> {
    let (mut total, mut misaligned) = (0_u64, 0_u64);
    for buffer in buffers {
        let offset =
            u64::try_from(buffer.offset()).map_err(|_| corrupt_arrow("an offset is negative"))?;
        let length =
            u64::try_from(buffer.length()).map_err(|_| corrupt_arrow("a length is negative"))?;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > body_bytes) {
            return Err(corrupt_arrow("a buffer ends after its message does"));
        }
        total = total.saturating_add(length);
        if offset % ALIGNMENT != 0 {
            misaligned = misaligned.saturating_add(length);
        }
    }
    if total <= body_bytes {
        Ok(misaligned)
    } else {
        Err(corrupt_arrow("its buffers overlap"))
    }
}

/// Reads a body. Allocates memory step by step as the bytes arrive, instead of allocating the
/// stated length at once.
fn read_body(source: &mut impl Read, length: u64) -> Result<Vec<u8>, TabularError> {
    let length = usize::try_from(length).map_err(|_| corrupt_arrow("a body is too long"))?;
    let mut body = body_buffer(length.min(BODY_STEP_BYTES));
    while body.len() < length {
        let step = (length - body.len()).min(body.len().max(BODY_STEP_BYTES));
        body.reserve_exact(step);
        let read = source.by_ref().take(step as u64).read_to_end(&mut body)?;
        if read < step {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(body)
}

/// Allocates the buffer for a body.
fn body_buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(if bytes < LARGE_BODY_BYTES {
        bytes
    } else {
        bytes.max(LARGE_BODY_ROOM)
    })
}

fn skip(source: &mut impl Read, length: u64) -> Result<(), TabularError> {
    let skipped = io::copy(&mut source.take(length), &mut io::sink())?;
    if skipped == length {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
    }
}

/// Builds the header of a record batch with uncompressed buffers at new positions.
fn record_batch_header<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    header: ipc::RecordBatch<'_>,
    buffers: &[ipc::Buffer],
) -> WIPOffset<ipc::RecordBatch<'b>> {
    let nodes: Vec<FieldNode> = header.nodes().into_iter().flatten().copied().collect();
    let counts: Option<Vec<i64>> = header
        .variadicBufferCounts()
        .map(|vector| vector.iter().collect());
    let args = RecordBatchArgs {
        length: header.length(),
        nodes: Some(builder.create_vector(&nodes)),
        buffers: Some(builder.create_vector(buffers)),
        compression: None,
        variadicBufferCounts: counts.map(|counts| builder.create_vector(&counts)),
    };
    ipc::RecordBatch::create(builder, &args)
}

/// Checks that no type has a negative size, and that the schema does not have too many fields.
fn check_schema(schema: &Schema) -> Result<(), TabularError> {
    let fields = schema.flattened_fields();
    if fields.len() > FIELDS_MAX {
        return Err(TabularError::TooManyColumns);
    }
    let is_valid = |data_type: &DataType| match data_type {
        DataType::FixedSizeBinary(width) => *width >= 0,
        DataType::FixedSizeList(_, length) => *length >= 0,
        _ => true,
    };
    let is_valid = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => is_valid(values),
        other => is_valid(other),
    };
    if fields.iter().all(|field| is_valid(field.data_type())) {
        Ok(())
    } else {
        Err(corrupt_arrow("a type has a negative size"))
    }
}

fn missing_header() -> TabularError {
    corrupt_arrow("a message lacks its header")
}

fn corrupt_arrow(what: &str) -> TabularError {
    corrupt(BatchFormat::Arrow, what)
}

fn arrow_read_error(arrow_error: ArrowError) -> TabularError {
    match arrow_error {
        ArrowError::IoError(_, error) => TabularError::Read(error),
        other => corrupt(BatchFormat::Arrow, other),
    }
}
