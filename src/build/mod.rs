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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, anyhow};

use crate::dataset::{self, Files};
use crate::import::whole_file;
use crate::outputs;
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
/// error names the file and the place in it. When the folder holds something other than a dataset,
/// which would be lost. The folder is then as it was.
pub fn build(config_path: &Path, output: Option<&Path>) -> Result<Report> {
    let options = Options {
        output,
        force: false,
    };
    build_telling(config_path, options, &mut Progress::default())
}

/// Where a build writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// The folder, where it is not the one that the configuration names.
    pub output: Option<&'o Path>,
    /// Whether something other than a dataset is replaced too. A folder that holds the configuration
    /// or a source never is.
    pub force: bool,
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
    options: Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<Report> {
    let text = whole_file(config_path).map_err(anyhow::Error::from);
    let text = text.and_then(|bytes| Ok(String::from_utf8(bytes)?));
    let text = text.with_context(|| format!("reading {}", config_path.display()))?;
    let in_config = || format!("in {}", config_path.display());
    let config: Config = toml::from_str(&text).with_context(in_config)?;
    config.check().with_context(in_config)?;
    let base = config_path.parent().unwrap_or(Path::new("."));
    let output = options.output;
    let folder = output.map_or_else(|| base.join(&config.output), Path::to_path_buf);
    let mut inputs: Vec<PathBuf> = config.inputs().iter().map(|it| base.join(it)).collect();
    inputs.push(config_path.to_path_buf());
    let replaced = || outputs::dataset_folder(&folder, &inputs, options.force);
    replaced()?;
    let mut sources = Sources::read(base, &config, progress)?;
    let draft = Draft::new(&mut sources, &config, &mut progress.tell)?;
    (progress.tell)("writing");
    let files = draft.files(&sources, &config)?;
    // Asked again: reading can take minutes.
    let staged = dataset::stage(&replaced()?, draft.manifest(&sources, &config), &files)?;
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
