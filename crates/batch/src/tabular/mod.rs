//! Tables as files: reads the rows of CSV, NDJSON, Arrow, Parquet and workbooks in blocks, processes the blocks
//! on several threads, and writes rows or columns.
//!
//! - `blocks`, `fields`: text split into blocks of whole rows, and rows into fields.
//! - `ndjson`: the members of the JSON object in a line.
//! - `columnar`: Arrow streams and Parquet files.
//! - `workbook`: workbooks of Excel.
//! - `text_decoder`: text in UTF-16.
//! - `cell_format`: the formats in which cells are written.
//! - `compression`, `limits`: decompression, and the limits on the resources that a file may use.
//! - `pipeline`: the threads, which return the blocks in order.
//!
//! Nothing in this module knows what a look-up is, or what a column means.

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

/// Why a lock is not poisoned where it is acquired.
pub(crate) const POISONED: &str = "a thread that panics ends the run";
