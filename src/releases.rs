//! The datasets of a running service: loaded beside the old ones, checked, and swapped whole.
//!
//! A request takes one [`Releases`] at its start and keeps it to its end, so no answer mixes two
//! datasets. Any fault leaves the old ones in place.

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

/// The datasets that are loaded side by side.
#[derive(Debug)]
pub struct Releases {
    /// The one that answers first, the others by version alone.
    indexes: Vec<Index>,
    /// What was made of each one's tiles; a reload begins with nothing.
    tiles: Vec<tiles::TileCache>,
    /// The memory that loading them takes at most.
    memory_bytes: u64,
    loaded_at: Timestamp,
}

/// The datasets of a running service, and what became of the last reload.
#[derive(Debug)]
pub struct Live {
    sources: Vec<Files>,
    releases: ArcSwap<Releases>,
    /// Held while a reload runs: a second one waits its turn.
    reloading: Mutex<()>,
    fault: Mutex<Option<String>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

/// A dataset that cannot be served.
#[derive(Debug)]
pub struct LoadError {
    /// Which.
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
    /// Loads every dataset; the first one answers where no version is asked for.
    ///
    /// # Errors
    /// When a file is not what its manifest says, parts contradict each other, a canary is answered
    /// otherwise than it should be, two datasets have one version, or there is no memory for them.
    pub fn load(sources: &[Files]) -> Result<Releases, LoadError> {
        Releases::load_beside(0, sources)
    }

    /// The same, while datasets are loaded that take so many bytes of memory.
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

    /// When they were loaded, or loaded again.
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded_at
    }

    /// What was made of the tiles of a dataset.
    ///
    /// # Panics
    /// When it is not one of these.
    pub fn tiles(&self, index: &Index) -> &tiles::TileCache {
        let at = self.indexes.iter().position(|it| std::ptr::eq(it, index));
        &self.tiles[at.expect("it is one of them")]
    }

    /// The dataset that answers where no version is asked for.
    pub fn current(&self) -> &Index {
        &self.indexes[0]
    }

    /// The dataset of that version.
    pub fn of_version(&self, version: &str) -> Option<&Index> {
        self.indexes
            .iter()
            .find(|index| index.manifest().version == version)
    }

    /// Every dataset, the current one first.
    pub fn all(&self) -> &[Index] {
        &self.indexes
    }
}

impl Live {
    /// Loads the datasets for the first time.
    ///
    /// # Errors
    /// As [`Releases::load`]; there is no service without.
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

    /// One dataset that is never loaded again.
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

    /// The datasets as they are now, for one request from its start to its end.
    pub fn releases(&self) -> Arc<Releases> {
        self.releases.load_full()
    }

    /// Loads the datasets again and swaps them in one step; any fault leaves the old ones.
    ///
    /// Blocks for as long as loading takes.
    ///
    /// # Errors
    /// As [`Releases::load`].
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
        // A fault of ours is told as any other is.
        let load = AssertUnwindSafe(|| Releases::load_beside(loaded_bytes, &self.sources));
        catch_unwind(load).unwrap_or_else(|_| {
            Err(LoadError {
                source_name: "the datasets".into(),
                fault: Box::new(Fault::Panicked),
            })
        })
    }

    /// Why the last reload was refused, if it was; says nothing of where the dataset is.
    pub fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many reloads were done, and how many refused.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.reloads.load(Ordering::Relaxed),
            self.failed_reloads.load(Ordering::Relaxed),
        )
    }

    /// The folders that the datasets are in.
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
    /// What is wrong and every cause of it, without where the dataset is on this machine: anybody may
    /// read it.
    pub fn reason(&self) -> String {
        let mut words = self.fault.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        words
    }

    /// Which dataset, what is wrong with it and every cause.
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
                    "canaries answered otherwise than they should be: {}",
                    sick.len()
                )?;
                sick.iter()
                    .take(3)
                    .try_for_each(|canary| write!(f, "; line {}", canary.line))
            }
            Fault::Memory(shortage) => shortage.fmt(f),
            Fault::Panicked => f.write_str("loading failed by a fault of this program"),
            Fault::NoSource => f.write_str("there is none to load"),
            Fault::SameVersion(version) => {
                write!(
                    f,
                    "version `{version}` is loaded already: each release has its own"
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
