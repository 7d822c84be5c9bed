//! Files in, datasets out: file formats, importers of published files, the builder, the dataset
//! folder, and the comparison and checks of datasets.
//!
//! This example reads the embedded dataset, and looks up the home of a person and the practice with
//! which the person is registered. [`dataset::DatasetSource::Folder`] specifies your own dataset.
//!
//! ```
//! use catchment_core::domain::date_from_iso;
//! use catchment_core::index::{Index, LayerResult, LocateQuery, Locator, areas_of_layer};
//! use catchment_data::dataset::{self, DatasetSource};
//!
//! let index = Index::build(dataset::read(&DatasetSource::Embedded)?)?;
//! let answer = index.locate(&LocateQuery {
//!     locator: Some(Locator::Postcode("LA18 4DB".parse()?)),
//!     practice: Some("P81064".parse()),
//!     as_of: date_from_iso("2025-12-01")?,
//! });
//! let communities = index.manifest().main_community_layer().ok_or("no communities")?;
//! let names = |results: &[(_, LayerResult<'_>)]| -> Vec<String> {
//!     areas_of_layer(results, communities).iter().map(|found| found.area.title().to_string()).collect()
//! };
//! assert_eq!(names(&answer.residence), ["Barrow and Millom ICC"]);
//! let registration = answer.registration.ok_or("no practice")?;
//! assert_eq!(names(&registration.areas), ["Lancaster ICC"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod builder;
pub mod check;
pub mod dataset;
pub mod diff;
pub mod formats;
pub mod fs;
pub mod import;
pub mod memory;
pub mod panics;
mod plural;
#[cfg(test)]
mod test_layers;
pub mod uprns;
