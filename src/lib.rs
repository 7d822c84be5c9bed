//! Which Integrated Care Community (ICC), which GP practices and which resilience group cover a
//! postcode or a coordinate.
//!
//! ```text
//!  published files ──import──► build ──► dataset folder ──load──► Index (immutable) ──► http · batch · cli
//!  (ONS, OS, NHS ODS…)                   (open formats)           Arc
//! ```
//!
//! In reading order:
//!
//! - [`domain`]: values that are parsed once, then trusted. No I/O, no async, no serde.
//! - [`geodesy`]: WGS84 to British National Grid and back, with OSTN15.
//! - [`dataset`]: the dataset folder: manifest, verify, read, write whole or not at all.
//! - `import`: published files, one module a format; nothing else knows their columns.
//! - [`build`]: a dataset from published files: assign, dissolve, model, write.
//! - [`index`]: a dataset put in order to be asked; `Index::locate` answers everywhere.
//! - [`question`]: the fields of a question and their faults, for every face alike.
//! - [`batch`]: a list of any length, row for row, from any reader to any writer.
//! - [`export`]: what a dataset says, as files for other programs.
//! - [`check`]: what a careful person would look for in a dataset.
//! - [`diff`]: what changes its answer between two datasets.
//! - [`releases`]: the datasets of a running service, reloaded whole.
//! - [`keys`], [`rate`]: who may ask what needs a key, and how often.
//! - `geojson`, `ground`: GeoJSON as we write it; ground laid over ground.
//! - `memory`, `stamp`: whether a dataset would fit; whether a file is another one than it was.
//! - `outputs`: where a command may write, and what it may replace.
//! - `fuzzing`: everything that takes bytes from outside, given any; for tests alone.
//! - `log`: lines on standard error, for which no request waits.
//! - [`panics`]: a fault of the program tells where it is, and no more.
//! - [`tiles`]: vector tiles, and the map that an operator lays beneath them.
//! - [`maps`]: static maps, as SVG, PNG and PDF.
//! - `web`: the pages' templates, styles and scripts.
//! - [`http`]: the service; nothing else knows JSON and status codes.
//! - [`cli`]: the command line.
//!
//! What must never be got wrong:
//!
//! - Registration is not residence: an answer keeps the two apart and says how they compare.
//! - An [`index::Index`] never changes after `build`, so requests take no lock.
//! - Points are whole millimetres and the tests on them exact: a place on the border of two areas is
//!   in one of them, always the same.
//! - What was asked reaches no log, no error text, no cache and no disk. Types that may hold it
//!   print nothing of it in `Debug`.
//! - Nothing calls out: there is no HTTP client in the program.

pub mod batch;
pub mod build;
pub mod check;
pub mod cli;
pub mod dataset;
pub mod diff;
pub mod domain;
pub mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod geodesy;
mod geojson;
mod ground;
pub mod http;
mod import;
pub mod index;
pub mod keys;
mod log;
pub mod maps;
mod memory;
mod outputs;
pub mod panics;
pub mod question;
pub mod rate;
pub mod releases;
mod stamp;
pub mod tiles;
mod web;
