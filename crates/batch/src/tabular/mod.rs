//! Tables as files: reads the rows of CSV, NDJSON, Arrow, Parquet and workbooks in blocks, processes the blocks
//! on several threads, and writes rows or columns.
//!
//! - `blocks`, `fields`: split text into blocks of whole rows, and rows into fields.
//! - `ndjson`: reads the members of the JSON object in a line.
//! - `columnar`: Arrow streams and Parquet files.
//! - `workbook`: workbooks of Excel.
//! - `text_decoder`: decodes text in UTF-16.
//! - `cell_format`: the formats in which cells are written.
//! - `compression`, `limits`: decompression, and the limits on the resources that a file may use.
//! - `pipeline`: processes blocks on several threads, and returns the results in the order of the
//!   blocks.
//!
//! Nothing in this module depends on look-ups or on the meaning of columns.

pub(crate) mod blocks;
pub(crate) mod cell_format;
pub(crate) mod columnar;
pub(crate) mod compression;
pub(crate) mod delimiter;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod file_format;
pub(crate) mod limits;
pub(crate) mod ndjson;
pub(crate) mod pipeline;
pub(crate) mod text_decoder;
pub(crate) mod workbook;

/// The reason why an acquired lock is never poisoned.
pub(crate) const POISONED: &str = "a thread that panics ends the run";
