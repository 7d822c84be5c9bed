//! Checks a Parquet file before the `parquet` crate reads it, because the crate allocates memory
//! for any length in the footer, in a page header or in encoded values.

use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flatbuffers::VerifierOptions;
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::corrupt;
use super::thrift::{InvalidThrift, ThriftReader};
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::{DecodeLimits, ExceededLimit, ReceivedBytes};

/// The size of the end of a file, which consists of the length of the footer and `PAR1`.
const TAIL_BYTES: u64 = 8;
/// The maximum nesting depth of groups.
const SCHEMA_DEPTH_MAX: usize = 64;
/// The number of bytes that are first read for a page header, and the maximum length of a page
/// header. A header may be long, because it contains the minimum and the maximum value of the page.
const PAGE_HEADER_BYTES: std::ops::RangeInclusive<usize> = 1 << 12..=1 << 24;

impl From<InvalidThrift> for TabularError {
    fn from(InvalidThrift: InvalidThrift) -> TabularError {
        corrupt_parquet("its metadata is truncated")
    }
}

fn corrupt_parquet(what: &str) -> TabularError {
    corrupt(BatchFormat::Parquet, what)
}

/// Checks the schema in the footer, because `parquet` allocates memory for the number of children
/// that a group states, and reads groups recursively.
///
/// # Errors
/// If the footer is too long, or states more columns than it contains. Accepts a file that is too
/// short or encrypted, because the reader rejects it.
pub(super) fn check_footer<F: ChunkReader>(
    file: &F,
    limits: DecodeLimits,
) -> Result<(), TabularError> {
    let length = file.len();
    let Some(tail_start) = length.checked_sub(TAIL_BYTES) else {
        return Ok(());
    };
    let tail = file
        .get_bytes(tail_start, 8)
        .map_err(|error| corrupt(BatchFormat::Parquet, error))?;
    let Some((footer_length, b"PAR1")) = tail.split_first_chunk::<4>() else {
        return Ok(());
    };
    let footer_length = u64::from(u32::from_le_bytes(*footer_length));
    if footer_length > limits.metadata_bytes {
        return Err(ExceededLimit::MetadataBytes(limits.metadata_bytes).into());
    }
    let Some(start) = tail_start.checked_sub(footer_length) else {
        return Ok(());
    };
    let footer_size =
        usize::try_from(footer_length).map_err(|_| corrupt_parquet("its footer is too long"))?;
    let footer = file
        .get_bytes(start, footer_size)
        .map_err(|error| corrupt(BatchFormat::Parquet, error))?;
    let mut child_counts = Vec::new();
    ThriftReader::new(&footer).read_struct(|thrift, field| {
        if field.id != 2 {
            return Ok(false);
        }
        for _ in 0..thrift.read_struct_list(field)? {
            let mut count = 0;
            thrift.read_struct(|thrift, field| match field.id {
                5 => {
                    count = thrift.read_integer(field)?;
                    Ok(true)
                }
                _ => Ok(false),
            })?;
            child_counts.push(count);
        }
        Ok(true)
    })?;
    check_schema_tree(&child_counts)
}

/// Checks a schema tree. `child_counts` contains the number of children of each node, in
/// depth-first order.
fn check_schema_tree(child_counts: &[i64]) -> Result<(), TabularError> {
    let mut remaining = vec![1_u64];
    for (index, &count) in child_counts.iter().enumerate() {
        while remaining.last() == Some(&0) {
            remaining.pop();
        }
        match remaining.last_mut() {
            Some(siblings) => *siblings -= 1,
            None => return Err(corrupt_parquet("its schema has columns outside any group")),
        }
        let count =
            u64::try_from(count).map_err(|_| corrupt_parquet("a group has a negative length"))?;
        if count > (child_counts.len() - index - 1) as u64 {
            return Err(corrupt_parquet("a group has fewer columns than it states"));
        }
        remaining.push(count);
        if remaining.len() > SCHEMA_DEPTH_MAX {
            return Err(corrupt_parquet("its schema is nested too deeply"));
        }
    }
    Ok(())
}

/// Checks the Arrow schema that writers store in addition to the Parquet schema, because the
/// default verification accepts gigabytes of strings that all refer to the same string.
///
/// # Errors
/// If the schema is invalid or exceeds the limit on metadata. Accepts a schema that is not base64,
/// because the reader rejects it.
pub(super) fn check_arrow_schema(
    metadata: &ParquetMetaData,
    limits: DecodeLimits,
) -> Result<(), TabularError> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let pairs = pairs.into_iter().flatten();
    for pair in pairs.filter(|pair| pair.key == ARROW_SCHEMA_META_KEY) {
        let text = pair.value.as_deref().unwrap_or_default();
        let Ok(bytes) = BASE64_STANDARD.decode(text) else {
            continue;
        };
        let message = match bytes.split_first_chunk::<8>() {
            Some(([0xff, 0xff, 0xff, 0xff, ..], message)) => message,
            _ => bytes.get(4..).unwrap_or_default(),
        };
        let apparent = limits.metadata_bytes.saturating_mul(4);
        let options = VerifierOptions {
            max_tables: 1 << 18,
            max_apparent_size: usize::try_from(apparent).unwrap_or(usize::MAX),
            ..VerifierOptions::default()
        };
        arrow_ipc::root_as_message_with_opts(&options, message)
            .map_err(|_| corrupt_parquet("its Arrow schema is invalid"))?;
    }
    Ok(())
}

/// Checks the pages of a column chunk. Returns the length of its longest value in bytes.
///
/// # Errors
/// If a page exceeds a limit, or contains less data than it states.
pub(super) fn check_chunk<F: ChunkReader + 'static>(
    file: &Arc<F>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
    limits: DecodeLimits,
    decompressed: &mut DecompressedTotal,
) -> Result<u64, TabularError> {
    check_page_headers(file.as_ref(), chunk, limits, decompressed)?;
    if chunk.column_type() != PhysicalType::BYTE_ARRAY {
        return Ok(size_of::<u64>() as u64);
    }
    let map_error = |error| corrupt(BatchFormat::Parquet, error);
    let mut pages =
        SerializedPageReader::new(Arc::clone(file), chunk, rows, None).map_err(map_error)?;
    let mut longest = 0;
    while let Some(page) = pages.get_next_page().map_err(map_error)? {
        longest = longest.max(longest_value(&page, chunk, limits, decompressed)?);
    }
    Ok(longest)
}

/// The total decompressed size of the pages of a file, limited by the length of the file.
pub(super) struct DecompressedTotal {
    received: ReceivedBytes,
    bytes: u64,
}

impl DecompressedTotal {
    pub(super) fn new(received: ReceivedBytes) -> DecompressedTotal {
        DecompressedTotal { received, bytes: 0 }
    }

    fn add(&mut self, bytes: u64) -> Result<(), ExceededLimit> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.received.check_decompressed(self.bytes)
    }
}

/// The checked fields of a page header, and the length of the header.
#[derive(Debug, Default, PartialEq, Eq)]
struct PageHeader {
    uncompressed: i64,
    compressed: i64,
    /// The number of values in a dictionary.
    dictionary_values: Option<i64>,
    /// The length of the header, in bytes.
    length: usize,
}

impl PageHeader {
    fn parse(bytes: &[u8]) -> Result<PageHeader, InvalidThrift> {
        let mut header = PageHeader::default();
        let mut thrift = ThriftReader::new(bytes);
        thrift.read_struct(|thrift, field| {
            match field.id {
                2 => header.uncompressed = thrift.read_integer(field)?,
                3 => header.compressed = thrift.read_integer(field)?,
                7 => {
                    ThriftReader::expect_struct(field)?;
                    thrift.read_struct(|thrift, field| {
                        if field.id != 1 {
                            return Ok(false);
                        }
                        header.dictionary_values = Some(thrift.read_integer(field)?);
                        Ok(true)
                    })?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        header.length = bytes.len() - thrift.rest().len();
        Ok(header)
    }
}

fn check_page_headers<F: ChunkReader>(
    file: &F,
    chunk: &ColumnChunkMetaData,
    limits: DecodeLimits,
    decompressed: &mut DecompressedTotal,
) -> Result<(), TabularError> {
    // The position of the chunk within the file has already been checked.
    let (mut offset, length) = chunk.byte_range();
    let end = offset.saturating_add(length);
    while offset < end {
        let header = read_page_header(file, offset, end)?;
        let size = |number| {
            u64::try_from(number).map_err(|_| corrupt_parquet("a page has a negative length"))
        };
        let (uncompressed, compressed) = (size(header.uncompressed)?, size(header.compressed)?);
        if uncompressed.max(compressed) > limits.record_batch_bytes {
            return Err(ExceededLimit::RecordBatchBytes(limits.record_batch_bytes).into());
        }
        decompressed.add(uncompressed)?;
        let values = size(header.dictionary_values.unwrap_or(0))?;
        // Every value of a dictionary requires at least one byte.
        if values > uncompressed {
            return Err(corrupt_parquet(
                "a dictionary has fewer values than it states",
            ));
        }
        let length = (header.length as u64).saturating_add(compressed);
        offset = offset.saturating_add(length);
    }
    Ok(())
}

fn read_page_header<F: ChunkReader>(
    file: &F,
    offset: u64,
    end: u64,
) -> Result<PageHeader, TabularError> {
    let mut read_size = *PAGE_HEADER_BYTES.start();
    loop {
        let mut bytes = Vec::new();
        let source = file
            .get_read(offset)
            .map_err(|error| corrupt(BatchFormat::Parquet, error))?;
        let most = (end - offset).min(read_size as u64);
        source.take(most).read_to_end(&mut bytes)?;
        match PageHeader::parse(&bytes) {
            Ok(header) => return Ok(header),
            Err(InvalidThrift)
                if bytes.len() == read_size && read_size < *PAGE_HEADER_BYTES.end() =>
            {
                read_size *= 8
            }
            Err(InvalidThrift) => return Err(corrupt_parquet("a page header is invalid")),
        }
    }
}

/// Returns the length of the longest value of a page in bytes. In an encoding that stores each
/// value as a prefix of the previous value and a suffix, a page of a few bytes may represent
/// gigabytes.
fn longest_value(
    page: &Page,
    chunk: &ColumnChunkMetaData,
    limits: DecodeLimits,
    decompressed: &mut DecompressedTotal,
) -> Result<u64, TabularError> {
    let values = page_values(page, chunk)?;
    let count_max = (limits.record_batch_bytes / 8).min(u64::from(page.num_values()));
    let too_many = || corrupt_parquet("a page has fewer values than its encoding states");
    match page.encoding() {
        Encoding::PLAIN => Ok(longest_plain(values)),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => {
            let mut longest = 0;
            read_delta_lengths(values, count_max, |length| longest = longest.max(length))
                .ok_or_else(too_many)?;
            Ok(longest)
        }
        Encoding::DELTA_BYTE_ARRAY => {
            let mut prefixes = Vec::new();
            let rest = read_delta_lengths(values, count_max, |length| prefixes.push(length));
            let mut prefixes = prefixes.into_iter();
            let (mut longest, mut all) = (0_u64, 0_u64);
            let mut add = |suffix: u64| {
                let length = prefixes.next().unwrap_or(0).saturating_add(suffix);
                longest = longest.max(length);
                all = all.saturating_add(length);
            };
            let rest = rest.and_then(|rest| read_delta_lengths(rest, count_max, &mut add));
            rest.ok_or_else(too_many)?;
            if all > limits.record_batch_bytes {
                return Err(ExceededLimit::RecordBatchBytes(limits.record_batch_bytes).into());
            }
            decompressed.add(all)?;
            Ok(longest)
        }
        // The values are references to values in the dictionary page.
        _ => Ok(0),
    }
}

/// Returns the values of a page, which follow the levels.
fn page_values<'p>(page: &'p Page, chunk: &ColumnChunkMetaData) -> Result<&'p [u8], TabularError> {
    let buffer: &[u8] = page.buffer();
    let description = chunk.column_descr();
    if description.max_rep_level() > 0 {
        return Err(corrupt_parquet("a text column contains lists"));
    }
    let levels = match page {
        Page::DictionaryPage { .. } => 0,
        Page::DataPageV2 {
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } => *def_levels_byte_len as usize + *rep_levels_byte_len as usize,
        Page::DataPage { .. } if description.max_def_level() == 0 => 0,
        #[expect(deprecated, reason = "old files use this encoding")]
        Page::DataPage {
            num_values,
            def_level_encoding: Encoding::BIT_PACKED,
            ..
        } => {
            (*num_values as usize).div_ceil(8)
                * usize::from(description.max_def_level().unsigned_abs())
        }
        Page::DataPage { .. } => match buffer.split_first_chunk::<4>() {
            Some((length, _)) => 4 + u32::from_le_bytes(*length) as usize,
            None => 0,
        },
    };
    buffer
        .get(levels..)
        .ok_or_else(|| corrupt_parquet("a page has fewer levels than it states"))
}

fn longest_plain(mut values: &[u8]) -> u64 {
    let mut longest = 0;
    while let Some((length, rest)) = values.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        // A value that extends beyond the page is reported by the reader.
        let Some(rest) = rest.get(length as usize..) else {
            break;
        };
        longest = longest.max(u64::from(length));
        values = rest;
    }
    longest
}

/// Reads at most `count_max` lengths in the encoding `DELTA_BINARY_PACKED`. Returns the bytes after
/// the lengths, or `None` if there are more lengths or a length is negative.
fn read_delta_lengths(bytes: &[u8], count_max: u64, mut add: impl FnMut(u64)) -> Option<&[u8]> {
    let mut header = ThriftReader::new(bytes);
    let block = header.read_varint().ok()?;
    let per_block = header.read_varint().ok()?;
    let mut count = header.read_varint().ok()?;
    let mut value = zigzag(header.read_varint().ok()?);
    let mut rest = header.rest();
    if count > count_max || per_block == 0 || block % per_block != 0 || block % 128 != 0 {
        return None;
    }
    let values_per_mini = block / per_block;
    let mini_bytes = values_per_mini / 8;
    if count == 0 {
        return Some(rest);
    }
    add(u64::try_from(value).ok()?);
    count -= 1;
    while count > 0 {
        let mut header = ThriftReader::new(rest);
        let least = zigzag(header.read_varint().ok()?);
        let (widths, mut minis) = header
            .rest()
            .split_at_checked(usize::try_from(per_block).ok()?)?;
        for &width in widths {
            if count == 0 {
                // The remaining values of the block are not stored.
                break;
            }
            let length = mini_bytes.checked_mul(u64::from(width))?;
            // The last miniblock may be cut off after its last value.
            let length = usize::try_from(length).ok()?.min(minis.len());
            let (mini, after) = minis.split_at(length);
            minis = after;
            for index in 0..count.min(values_per_mini) {
                let delta = read_bits(mini, index, width)?;
                value = value.wrapping_add(least).wrapping_add(delta.cast_signed());
                // Lengths are 32-bit integers.
                let length = i32::from_le_bytes(value.to_le_bytes()[..4].try_into().ok()?);
                value = i64::from(length);
                add(u64::try_from(length).ok()?);
            }
            count = count.saturating_sub(values_per_mini);
        }
        rest = minis;
    }
    Some(rest)
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Reads the integer at index `position` of a sequence of integers of `width` bits, stored with the
/// least significant bits first.
fn read_bits(bytes: &[u8], position: u64, width: u8) -> Option<u64> {
    if width == 0 {
        return Some(0);
    }
    if width > 64 {
        return None;
    }
    let first = position.checked_mul(u64::from(width))?;
    let start = usize::try_from(first / 8).ok()?;
    let shift = first % 8;
    let mut number = 0_u128;
    let needed = usize::try_from((shift + u64::from(width)).div_ceil(8)).ok()?;
    for (index, byte) in bytes.get(start..start + needed)?.iter().enumerate() {
        number |= u128::from(*byte) << (8 * index);
    }
    let mask = (1_u128 << width) - 1;
    u64::try_from((number >> shift) & mask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_groups_have_the_number_of_columns_they_state() {
        assert!(check_schema_tree(&[2, 0, 1, 0]).is_ok());
        assert!(check_schema_tree(&[2, 0]).is_err());
        assert!(check_schema_tree(&[i64::from(i32::MAX), 0]).is_err());
        assert!(check_schema_tree(&[-1]).is_err());
        assert!(check_schema_tree(&[1, 0, 0]).is_err());
        let mut deep = vec![1; 100];
        deep.push(0);
        assert!(check_schema_tree(&deep).is_err());
    }

    #[test]
    fn delta_encoded_lengths_are_decoded() {
        // The example from the format's specification. Blocks have 128 values in 4 miniblocks, and
        // the 5 values are 7, 5, 3, 1 and 2.
        let bytes = [
            128, 1, 4, 5, 14, 3, 2, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 9,
        ];
        let mut found = Vec::new();
        let rest = read_delta_lengths(&bytes, 5, |length| found.push(length));
        assert_eq!(found, [7, 5, 3, 1, 2]);
        assert_eq!(rest, Some(&[9][..]));
        assert_eq!(read_delta_lengths(&bytes, 4, |_| {}), None);
        // 2^40 values of zero bits each, which require no bytes.
        let many = [128, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0];
        assert_eq!(read_delta_lengths(&many, 1_000, |_| {}), None);
        for length in 0..6 {
            assert_eq!(read_delta_lengths(&bytes[..length], 5, |_| {}), None);
        }
    }

    #[test]
    fn page_headers_are_parsed() {
        // The fields and their values are 1: 2 (dictionary), 2: 300, 3: 100, 7: {1: 12, 2: 0}.
        let bytes = [
            0x15, 4, 0x15, 0xd8, 4, 0x15, 0xc8, 1, 0x4c, 0x15, 24, 0x15, 0, 0, 0, 7, 7,
        ];
        let header = PageHeader::parse(&bytes).expect("a header");
        let expected = PageHeader {
            uncompressed: 300,
            compressed: 100,
            dictionary_values: Some(12),
            length: 15,
        };
        assert_eq!(header, expected);
        assert_eq!(PageHeader::parse(&bytes[..14]), Err(InvalidThrift));
    }
}
