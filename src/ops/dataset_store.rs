//! The loaded datasets of a running service, and how they are reloaded.
//!
//! A reload loads and checks new datasets, then replaces all old datasets in one step. If there is
//! an error, the old datasets stay in use. A request uses the same [`LoadedDatasets`] from start to
//! end, so a response never contains data of two datasets.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use catchment_core::domain;
use catchment_core::index::{Index, UprnList};
use catchment_data::check::{self, LoadFailure};
use catchment_data::dataset::DatasetSource;
use catchment_data::uprns::{UprnTable, UprnTableError};
use catchment_tiles::{ArchiveCache, TileCache};

/// The datasets of one load or reload.
#[derive(Debug)]
pub struct LoadedDatasets {
    /// The default dataset, followed by the other datasets, which requests can select by version.
    indexes: Vec<Index>,
    /// The tile cache of each dataset, empty after a reload.
    tile_caches: Vec<TileCache>,
    archive_caches: Vec<ArchiveCache>,
    /// The estimated peak memory of loading the datasets.
    memory_bytes: u64,
    loaded_at: Timestamp,
}

/// The datasets of a running service, and the result of the last reload.
#[derive(Debug)]
pub struct DatasetStore {
    sources: Vec<DatasetSource>,
    /// The table of UPRNs, if there is one.
    uprns: Option<PathBuf>,
    datasets: ArcSwap<LoadedDatasets>,
    /// A lock that is held during a reload, so that reloads run one after another.
    reloading: Mutex<()>,
    last_error: Mutex<Option<String>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

/// The error for a dataset that cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The name of the dataset's source, for messages.
    source_name: String,
    failure: Box<StoreFailure>,
}

#[derive(Debug)]
enum StoreFailure {
    Dataset(LoadFailure),
    Panicked,
    DuplicateVersion(String),
    NoDataset,
    Uprns(UprnTableError),
}

impl LoadedDatasets {
    /// Loads datasets. The first dataset is the default for requests that do not specify a version.
    ///
    /// # Errors
    /// If `sources` is empty, a file does not match its manifest, the data are inconsistent, a
    /// golden query fails, two datasets have the same version, or there is not enough memory.
    pub fn load(sources: &[DatasetSource]) -> Result<LoadedDatasets, LoadError> {
        LoadedDatasets::load_alongside(0, sources, None)
    }

    /// Loads datasets while other datasets, which use `loaded_bytes` of memory, stay loaded. `uprns` is
    /// the table in which they look up UPRNs.
    fn load_alongside(
        loaded_bytes: u64,
        sources: &[DatasetSource],
        uprns: Option<&Path>,
    ) -> Result<LoadedDatasets, LoadError> {
        let uprns = uprns.map(open_uprns).transpose()?;
        let mut memory_bytes: u64 = 0;
        let mut indexes: Vec<Index> = Vec::with_capacity(sources.len());
        if sources.is_empty() {
            return Err(LoadError {
                source_name: "no dataset".into(),
                failure: Box::new(StoreFailure::NoDataset),
            });
        }
        for source in sources {
            let failed = |failure| LoadError {
                source_name: source_name(source),
                failure: Box::new(failure),
            };
            let loaded = loaded_bytes.saturating_add(memory_bytes);
            let (index, needed) = check::load_index(source, loaded)
                .map_err(|failure| failed(StoreFailure::Dataset(failure)))?;
            memory_bytes = memory_bytes.saturating_add(needed);
            let version = &index.manifest().version;
            if indexes
                .iter()
                .any(|other| other.manifest().version == *version)
            {
                return Err(failed(StoreFailure::DuplicateVersion(version.clone())));
            }
            indexes.push(match &uprns {
                Some(table) => index.with_uprns(Arc::clone(table) as Arc<dyn UprnList>),
                None => index,
            });
        }
        Ok(LoadedDatasets::from_indexes(indexes, memory_bytes))
    }

    fn from_indexes(indexes: Vec<Index>, memory_bytes: u64) -> LoadedDatasets {
        let tile_caches = indexes.iter().map(|_| TileCache::default()).collect();
        let archive_caches = indexes.iter().map(|_| ArchiveCache::default()).collect();
        LoadedDatasets {
            indexes,
            tile_caches,
            archive_caches,
            memory_bytes,
            loaded_at: domain::now(),
        }
    }

    /// Returns the time of the load or reload.
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded_at
    }

    /// Returns the tile cache of a dataset.
    ///
    /// # Panics
    /// If `index` is not the index of one of these datasets.
    pub fn tile_cache(&self, index: &Index) -> &TileCache {
        &self.tile_caches[self.position(index)]
    }

    /// Returns the cache of a dataset's tile archive.
    ///
    /// # Panics
    /// If `index` is not the index of one of these datasets.
    pub fn archive_cache(&self, index: &Index) -> &ArchiveCache {
        &self.archive_caches[self.position(index)]
    }

    fn position(&self, index: &Index) -> usize {
        let mut datasets = self.indexes.iter();
        let position = datasets.position(|dataset| std::ptr::eq(dataset, index));
        position.expect("one of these datasets")
    }

    /// Returns the default dataset.
    pub fn current(&self) -> &Index {
        &self.indexes[0]
    }

    /// Returns all datasets, the default dataset first.
    pub fn all(&self) -> &[Index] {
        &self.indexes
    }
}

/// Opens the table of UPRNs.
fn open_uprns(path: &Path) -> Result<Arc<UprnTable>, LoadError> {
    let opened = UprnTable::open(path).map(Arc::new);
    opened.map_err(|error| LoadError {
        source_name: "the table of UPRNs".into(),
        failure: Box::new(StoreFailure::Uprns(error)),
    })
}

impl DatasetStore {
    /// Loads the datasets.
    ///
    /// # Errors
    /// If [`LoadedDatasets::load`] returns an error.
    pub fn load(sources: Vec<DatasetSource>) -> Result<DatasetStore, LoadError> {
        DatasetStore::load_with_uprns(sources, None)
    }

    /// Loads the datasets, and opens the table in which they look up UPRNs. A reload opens the table
    /// again.
    ///
    /// # Errors
    /// If [`LoadedDatasets::load`] returns an error, or the table cannot be opened.
    pub fn load_with_uprns(
        sources: Vec<DatasetSource>,
        uprns: Option<PathBuf>,
    ) -> Result<DatasetStore, LoadError> {
        let datasets = LoadedDatasets::load_alongside(0, &sources, uprns.as_deref())?;
        Ok(DatasetStore {
            sources,
            uprns,
            datasets: ArcSwap::from_pointee(datasets),
            reloading: Mutex::new(()),
            last_error: Mutex::new(None),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        })
    }

    /// Creates a store of one dataset, which cannot be reloaded because it has no source.
    pub fn fixed(index: Index) -> DatasetStore {
        DatasetStore {
            sources: Vec::new(),
            uprns: None,
            datasets: ArcSwap::from_pointee(LoadedDatasets::from_indexes(vec![index], 0)),
            reloading: Mutex::new(()),
            last_error: Mutex::new(None),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        }
    }

    /// Returns the current datasets. Each request calls this function only once, and uses the
    /// returned datasets from start to end.
    pub fn datasets(&self) -> Arc<LoadedDatasets> {
        self.datasets.load_full()
    }

    /// Reloads all datasets and replaces the current datasets in one step.
    ///
    /// Blocks until the new datasets are loaded.
    ///
    /// # Errors
    /// If [`LoadedDatasets::load`] returns an error. The current datasets then stay in use.
    pub fn reload(&self) -> Result<(), LoadError> {
        let _guard = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let loaded = self.load_replacement();
        let error_text = loaded.as_ref().err().map(LoadError::reason);
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error_text;
        match loaded {
            Ok(datasets) => {
                self.datasets.store(Arc::new(datasets));
                self.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn load_replacement(&self) -> Result<LoadedDatasets, LoadError> {
        let loaded_bytes = self.datasets.load().memory_bytes;
        // A panic is reported like any other failure.
        let load = AssertUnwindSafe(|| {
            LoadedDatasets::load_alongside(loaded_bytes, &self.sources, self.uprns.as_deref())
        });
        catch_unwind(load).unwrap_or_else(|_| {
            Err(LoadError {
                source_name: "the datasets".into(),
                failure: Box::new(StoreFailure::Panicked),
            })
        })
    }

    /// If the last reload failed, returns the reason, without the paths of files on this machine.
    pub fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the number of successful reloads and the number of failed reloads.
    pub fn reload_counts(&self) -> (u64, u64) {
        (
            self.reloads.load(Ordering::Relaxed),
            self.failed_reloads.load(Ordering::Relaxed),
        )
    }

    /// Returns the folders of the datasets.
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |source: &DatasetSource| match source {
            DatasetSource::Folder(folder) => Some(folder.clone()),
            DatasetSource::Embedded => None,
        };
        self.sources.iter().filter_map(folder).collect()
    }
}

fn source_name(source: &DatasetSource) -> String {
    match source {
        DatasetSource::Embedded => "the embedded dataset".into(),
        DatasetSource::Folder(folder) => folder.display().to_string(),
    }
}

impl LoadError {
    /// Returns the error with its chain of causes, without the path of the dataset on this machine,
    /// because the text is public.
    pub fn reason(&self) -> String {
        let mut text = self.failure.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }

    /// Returns the source of the dataset and the error with its chain of causes.
    pub fn full_message(&self) -> String {
        format!("{}: {}", self.source_name, self.reason())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source_name, self.failure)
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreFailure::Dataset(failure) => failure.fmt(f),
            StoreFailure::Panicked => f.write_str("loading failed with an internal error"),
            StoreFailure::Uprns(error) => error.fmt(f),
            StoreFailure::NoDataset => f.write_str("there is no dataset to load"),
            StoreFailure::DuplicateVersion(version) => {
                write!(
                    f,
                    "version `{version}` is already loaded: each dataset needs a different version"
                )
            }
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.failure {
            StoreFailure::Dataset(failure) => failure.source(),
            StoreFailure::Uprns(error) => error.source(),
            _ => None,
        }
    }
}
