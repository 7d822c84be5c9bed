//! Makes a dataset from published files, as a configuration says: read, assign, dissolve, write.
//!
//! The same files and configuration give the same bytes on any machine: everything is in a stated
//! order, boundaries are made of the source's own vertices, and shares are rounded before they are
//! written.

mod config;
mod dissolve;
mod draft;
mod shares;
mod sources;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, anyhow};

use crate::dataset::{self, Files};
use crate::releases::Releases;
use config::Config;
use draft::Draft;
use sources::Sources;

/// What a build made.
#[derive(Debug)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// What was read, kept and left out, and what the dataset holds.
    pub lines: Vec<String>,
}

/// Builds the dataset that the configuration describes, into `output` or the folder that the
/// configuration names. Nothing is left half-written, and nothing is replaced by a dataset that
/// cannot be loaded.
///
/// # Errors
/// When a file is missing or not what its format says, or the parts contradict each other; the
/// error names the file and the place in it. The folder is then as it was.
pub fn build(config_path: &Path, output: Option<&Path>) -> Result<Report> {
    build_telling(config_path, output, &mut Progress::default())
}

/// What a build tells while it runs.
pub struct Progress<'t> {
    /// Called with a few words as each stage begins.
    pub tell: Box<dyn FnMut(&str) + 't>,
    /// How much of the published files was read so far, unpacked.
    pub bytes_read: Arc<AtomicU64>,
}

impl Default for Progress<'_> {
    /// Nobody looks on.
    fn default() -> Self {
        Progress {
            tell: Box::new(|_| {}),
            bytes_read: Arc::default(),
        }
    }
}

/// The same, and tells how far it is.
///
/// # Errors
/// As [`build`].
pub fn build_telling(
    config_path: &Path,
    output: Option<&Path>,
    progress: &mut Progress<'_>,
) -> Result<Report> {
    let text = fs::read_to_string(config_path)
        .with_context(|| format!("reading {}", config_path.display()))?;
    let config: Config =
        toml::from_str(&text).with_context(|| format!("in {}", config_path.display()))?;
    let base = config_path.parent().unwrap_or(Path::new("."));
    let folder = output.map_or_else(|| base.join(&config.output), Path::to_path_buf);
    let mut sources = Sources::read(base, &config, progress)?;
    let draft = Draft::new(&mut sources, &config, &mut progress.tell)?;
    (progress.tell)("writing");
    let files = draft.files(&sources, &config)?;
    let staged = dataset::stage(&folder, draft.manifest(&sources, &config), &files)?;
    (progress.tell)("checking");
    // A dataset that no program can serve never takes the place of one that can.
    // The folder's name is a passing one, so it is not told.
    Releases::load(&[Files::Folder(staged.path().to_path_buf())])
        .map_err(|error| anyhow!(error.reason()))
        .context("the dataset that these sources make contradicts itself")?;
    staged.publish()?;
    let mut lines: Vec<String> = sources.reports.iter().map(ToString::to_string).collect();
    lines.extend(draft.summary(&sources));
    Ok(Report { folder, lines })
}

/// Whether this is the configuration of a build.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_config(text: &str) -> bool {
    toml::from_str::<Config>(text).is_ok()
}
