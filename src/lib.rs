//! Finds the community, GP practices and groups that cover a
//! postcode or a location.
//!
//! ```text
//!  published files ──import──► builder ──► dataset folder ──read──► Index (immutable) ──► batch · tiles · http · cli
//!  (ONS, OS, NHS ODS…)                     (open formats)           Arc
//! ```
//!
//! The code is a workspace of five crates. In the following diagram, a crate imports only the
//! crates below it:
//!
//! ```text
//!                catchment                  this crate: the program
//!               ╱         ╲
//!  catchment-tiles       catchment-batch
//!               ╲         ╱
//!              catchment-data
//!                    │
//!              catchment-core
//! ```
//!
//! This crate re-exports the modules of the other crates that your own programs may need. The
//! modules, in reading order, are:
//!
//! `catchment-core` answers look-ups. This crate does no I/O, and uses neither async code nor
//! serde.
//!
//! - [`domain`]: domain types. Values are parsed once and then trusted.
//! - [`geodesy`]: transformations between WGS84 and British National Grid (with OSTN15), and Web
//!   Mercator.
//! - [`geometry`]: plane geometry with integer coordinates, and polygons in metres for overlays.
//! - [`index`]: the in-memory index of a dataset. Every interface calls `Index::locate`.
//! - [`request`]: the parameters of a look-up and their validation, for all interfaces.
//!
//! `catchment-data` builds datasets from published files.
//!
//! - [`formats`]: file formats, each with a reader and a writer.
//! - `import`: readers of published files, one module for each format. No other module refers to
//!   their columns.
//! - [`builder`]: builds a dataset from published files.
//! - [`dataset`]: the dataset folder: its manifest and verification, and reading and atomic
//!   writing.
//! - [`check`]: quality checks of a dataset.
//! - [`diff`]: the differences between two datasets.
//! - `fs`: atomic writes, checks before a file or folder is replaced, hashing, detection of changed
//!   files, paths.
//! - [`uprns`]: the table of UPRNs.
//! - `memory`: the memory check before loading.
//! - `panics`: handling of panics in libraries that read corrupt files.
//!
//! `catchment-tiles` makes maps of the areas.
//!
//! - [`tiles`]: vector tiles, PMTiles and the operator's basemap.
//! - [`maps`]: static maps as SVG, PNG and PDF.
//!
//! `catchment-batch` looks up the rows of files.
//!
//! - [`batch`]: look-ups of every row of a file, streamed from any reader to any writer, and
//!   look-up tables.
//! - [`batch::tabular`]: the formats of these files, and the threads that process their rows in
//!   order.
//!
//! `catchment` (this crate) is the program.
//!
//! - [`export`]: the areas of a dataset as files for GIS programs.
//! - `wire`: the responses and problems of the API, which the service and the command line share.
//! - [`ops`]: parts of a running service: the loaded datasets, API keys, request rates, the log and
//!   the panic hook.
//! - `web`: HTML templates, styles and scripts of the pages.
//! - [`json`]: answers as the JSON of the API, for programs in other languages.
//! - [`http`]: the web service, with the JSON bodies of the API and its status codes.
//! - [`cli`]: the command line.
//!
//! Examples, which `cargo run --example NAME` runs:
//!
//! - `examples/locate.rs`: looks up a postcode in the embedded dataset.
//! - `examples/own_areas.rs`: builds an index from your own GeoJSON, and finds the area that covers a point.
//! - `examples/answer_csv.rs`: looks up the rows of a CSV file in memory.
//! - `examples/mount_router.rs`: adds the routes of the service to your own axum app.
//!
//! Invariants:
//!
//! - Registration is not residence: every answer states the two separately and compares them.
//! - An [`index::Index`] never changes after `build`, so requests take no lock.
//! - Coordinates are integer millimetres, and predicates on them are exact. A point on the boundary
//!   between two areas is always in the same area.
//! - No postcode, location or practice code of a look-up reaches a log, an error message, a cache
//!   or a file. Types that may contain a user's query do not print it in `Debug`.
//! - The program makes no outbound connections. It has no HTTP client, except that the command
//!   `health` sends one fixed request to a loopback address.

pub mod cli;
pub mod export;
pub mod http;
pub mod json;
pub mod ops;
mod web;
mod wire;

pub use catchment_batch as batch;
pub use catchment_core::{domain, geodesy, geometry, index, request};
pub use catchment_data::{builder, check, dataset, diff, formats, uprns};
pub use catchment_tiles::{self as tiles, maps};
