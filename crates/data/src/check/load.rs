//! Loads a dataset and runs the checks that a service requires before it serves the dataset.

use std::fmt;

use super::golden_queries::failing_golden_queries;
use crate::dataset::{self, DatasetError, DatasetSource};
use crate::memory::{self, InsufficientMemory};
use catchment_core::domain::GoldenQuery;
use catchment_core::index::{Index, IndexError};

/// The reason why a dataset cannot be served.
#[derive(Debug)]
pub enum LoadFailure {
    /// A file is missing, invalid, or does not match the manifest.
    Dataset(DatasetError),
    /// The data are inconsistent.
    Index(IndexError),
    /// Golden queries have unexpected answers.
    FailedGoldenQueries(Vec<GoldenQuery>),
    /// There is not enough memory.
    Memory(InsufficientMemory),
}

/// Loads and checks a dataset while other datasets, which use `loaded_bytes` of memory, remain
/// loaded. Returns the index and the estimated peak memory of loading the dataset.
///
/// # Errors
/// If a file does not match its manifest, the data are inconsistent, a golden query fails, or there
/// is not enough memory.
pub fn load_index(source: &DatasetSource, loaded_bytes: u64) -> Result<(Index, u64), LoadFailure> {
    let needed_bytes = source
        .memory_estimate_bytes()
        .map_err(LoadFailure::Dataset)?;
    memory::ensure_fits(needed_bytes, loaded_bytes).map_err(LoadFailure::Memory)?;
    let dataset = dataset::read(source).map_err(LoadFailure::Dataset)?;
    let golden_queries = dataset.golden_queries.clone();
    let index = Index::build(dataset).map_err(LoadFailure::Index)?;
    let failing = failing_golden_queries(&index, golden_queries);
    if failing.is_empty() {
        Ok((index, needed_bytes))
    } else {
        Err(LoadFailure::FailedGoldenQueries(failing))
    }
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFailure::Dataset(error) => error.fmt(f),
            LoadFailure::Index(error) => error.fmt(f),
            LoadFailure::FailedGoldenQueries(failing) => {
                write!(
                    f,
                    "golden queries with an unexpected answer: {}",
                    failing.len()
                )?;
                failing
                    .iter()
                    .take(3)
                    .try_for_each(|query| write!(f, "; line {}", query.line))
            }
            LoadFailure::Memory(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoadFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadFailure::Dataset(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}
