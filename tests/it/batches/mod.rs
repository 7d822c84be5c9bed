//! Batches of rows on the command line and over HTTP.

mod analyst;
mod batch;
mod batch_http;
pub(crate) mod columnar;
mod flows;
mod hostile_batches;
mod input_files;
mod statistical_areas;
mod workbooks;
