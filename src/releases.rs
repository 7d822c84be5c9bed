//! The loaded datasets of a running service, and their reload.
//!
//! A reload loads and checks new datasets, then replaces all old ones in one step; any error leaves
//! the old ones in place. A request uses one [`LoadedDatasets`] from start to end, so no response
//! mixes two datasets.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::check;
use crate::dataset::{self, DatasetError, Files};
use crate::domain::{self, Canary};
use crate::index::{Index, IndexError};
use crate::memory::{self, Shortage};
use crate::tiles;

/// The datasets of one load or reload.
#[derive(Debug)]
pub struct Releases {
    /// The default dataset, then the others, which requests select by version.
    indexes: Vec<Index>,
    /// The tile cache of each dataset, empty after a reload.
    tiles: Vec<tiles::TileCache>,
    /// The estimated peak memory of loading them.
    memory_bytes: u64,
    loaded_at: Timestamp,
}

/// The datasets of a running service, and the result of the last reload.
#[derive(Debug)]
pub struct Live {
    sources: Vec<Files>,
    releases: ArcSwap<Releases>,
    /// Locked during a reload, so that reloads run one after another.
    reloading: Mutex<()>,
    fault: Mutex<Option<String>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

/// The error of a dataset that cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The name of the dataset's source in messages.
    source_name: String,
    fault: Box<Fault>,
}

#[derive(Debug)]
enum Fault {
    Dataset(DatasetError),
    Index(IndexError),
    Canaries(Vec<Canary>),
    Memory(Shortage),
    Panicked,
    SameVersion(String),
    NoSource,
}

impl Releases {
    /// Loads datasets. The first one is the default of requests that do not name a version.
    ///
    /// # Errors
    /// If a file does not match its manifest, the data are inconsistent, a golden query fails, two
    /// datasets have the same version, or there is not enough memory.
    pub fn load(sources: &[Files]) -> Result<Releases, LoadError> {
        Releases::load_beside(0, sources)
    }

    /// Loads datasets while others are loaded that use `loaded_bytes` of memory.
    fn load_beside(loaded_bytes: u64, sources: &[Files]) -> Result<Releases, LoadError> {
        let mut memory_bytes: u64 = 0;
        let mut indexes: Vec<Index> = Vec::with_capacity(sources.len());
        if sources.is_empty() {
            return Err(LoadError {
                source_name: "no dataset".into(),
                fault: Box::new(Fault::NoSource),
            });
        }
        for source in sources {
            let failed = |fault| LoadError {
                source_name: name(source),
                fault: Box::new(fault),
            };
            let needed = source
                .memory_bytes()
                .map_err(|error| failed(Fault::Dataset(error)))?;
            let loaded = loaded_bytes.saturating_add(memory_bytes);
            memory::fits(needed, loaded).map_err(|it| failed(Fault::Memory(it)))?;
            memory_bytes = memory_bytes.saturating_add(needed);
            let dataset = dataset::read(source).map_err(|error| failed(Fault::Dataset(error)))?;
            let canaries = dataset.canaries.clone();
            let index = Index::build(dataset).map_err(|error| failed(Fault::Index(error)))?;
            let sick: Vec<Canary> = check::failing_canaries(&index, canaries);
            if !sick.is_empty() {
                return Err(failed(Fault::Canaries(sick)));
            }
            let version = &index.manifest().version;
            if indexes
                .iter()
                .any(|other| other.manifest().version == *version)
            {
                return Err(failed(Fault::SameVersion(version.clone())));
            }
            indexes.push(index);
        }
        Ok(Releases::of(indexes, memory_bytes))
    }

    fn of(indexes: Vec<Index>, memory_bytes: u64) -> Releases {
        let tiles = indexes
            .iter()
            .map(|_| tiles::TileCache::default())
            .collect();
        Releases {
            indexes,
            tiles,
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
    /// If `index` is not one of these datasets.
    pub fn tiles(&self, index: &Index) -> &tiles::TileCache {
        let at = self.indexes.iter().position(|it| std::ptr::eq(it, index));
        &self.tiles[at.expect("one of these datasets")]
    }

    /// Returns the default dataset.
    pub fn current(&self) -> &Index {
        &self.indexes[0]
    }

    /// Returns the dataset with that version.
    pub fn of_version(&self, version: &str) -> Option<&Index> {
        self.indexes
            .iter()
            .find(|index| index.manifest().version == version)
    }

    /// Returns all datasets, the default one first.
    pub fn all(&self) -> &[Index] {
        &self.indexes
    }
}

impl Live {
    /// Loads the datasets.
    ///
    /// # Errors
    /// As for [`LoadedDatasets::load`].
    pub fn start(sources: Vec<Files>) -> Result<Live, LoadError> {
        let releases = Releases::load(&sources)?;
        Ok(Live {
            sources,
            releases: ArcSwap::from_pointee(releases),
            reloading: Mutex::new(()),
            fault: Mutex::new(None),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        })
    }

    /// Creates a store of one dataset that has no source to reload.
    pub fn fixed(index: Index) -> Live {
        Live {
            sources: Vec::new(),
            releases: ArcSwap::from_pointee(Releases::of(vec![index], 0)),
            reloading: Mutex::new(()),
            fault: Mutex::new(None),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        }
    }

    /// Returns the current datasets. A request calls this once and uses them to its end.
    pub fn releases(&self) -> Arc<Releases> {
        self.releases.load_full()
    }

    /// Reloads all datasets and replaces the current ones in one step.
    ///
    /// Blocks while they are loaded.
    ///
    /// # Errors
    /// As for [`LoadedDatasets::load`]. The current datasets then stay in use.
    pub fn reload(&self) -> Result<(), LoadError> {
        let _turn = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let loaded = self.load_again();
        let fault = loaded.as_ref().err().map(LoadError::reason);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        match loaded {
            Ok(releases) => {
                self.releases.store(Arc::new(releases));
                self.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn load_again(&self) -> Result<Releases, LoadError> {
        let loaded_bytes = self.releases.load().memory_bytes;
        // A panic is reported like any other failure.
        let load = AssertUnwindSafe(|| Releases::load_beside(loaded_bytes, &self.sources));
        catch_unwind(load).unwrap_or_else(|_| {
            Err(LoadError {
                source_name: "the datasets".into(),
                fault: Box::new(Fault::Panicked),
            })
        })
    }

    /// Returns why the last reload failed, if it did, without paths of this machine.
    pub fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the number of successful reloads and of failed ones.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.reloads.load(Ordering::Relaxed),
            self.failed_reloads.load(Ordering::Relaxed),
        )
    }

    /// Returns the folders of the datasets.
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |source: &Files| match source {
            Files::Folder(folder) => Some(folder.clone()),
            Files::Embedded => None,
        };
        self.sources.iter().filter_map(folder).collect()
    }
}

fn name(source: &Files) -> String {
    match source {
        Files::Embedded => "the embedded dataset".into(),
        Files::Folder(folder) => folder.display().to_string(),
    }
}

impl LoadError {
    /// Returns the error with its chain of causes, without the path of the dataset on this machine:
    /// the text is public.
    pub fn reason(&self) -> String {
        let mut words = self.fault.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        words
    }

    /// Returns the source of the dataset and the error with its chain of causes.
    pub fn in_full(&self) -> String {
        format!("{}: {}", self.source_name, self.reason())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source_name, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Dataset(error) => error.fmt(f),
            Fault::Index(error) => error.fmt(f),
            Fault::Canaries(sick) => {
                write!(
                    f,
                    "golden queries with an unexpected answer: {}",
                    sick.len()
                )?;
                sick.iter()
                    .take(3)
                    .try_for_each(|canary| write!(f, "; line {}", canary.line))
            }
            Fault::Memory(shortage) => shortage.fmt(f),
            Fault::Panicked => f.write_str("loading failed with an internal error"),
            Fault::NoSource => f.write_str("there is no dataset to load"),
            Fault::SameVersion(version) => {
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
        match &*self.fault {
            Fault::Dataset(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}
