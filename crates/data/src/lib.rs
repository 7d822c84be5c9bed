//! Files in, datasets out: file formats, importers of published files, the builder, the dataset
//! folder, and the comparison and checks of datasets.

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
