//! Batches of rows on the command line and over HTTP.

mod batch;
mod batch_http;
pub(crate) mod columnar;
mod field_c;
mod hostile_batches;
