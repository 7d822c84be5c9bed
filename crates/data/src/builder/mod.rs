//! Builds a dataset from published files and a configuration: reads the files, assigns statistical
//! areas to areas, dissolves boundaries and writes the dataset.
//!
//! Builds are reproducible: the same files and configuration result in the same bytes on any
//! machine. All output is in a defined order, the vertices of dissolved boundaries are vertices of
//! the source, and shares are rounded before they are written.

mod area_changes;
mod attributes;
mod attributes_config;
mod boundaries;
mod config;
mod config_errors;
mod dataset_builder;
mod facts;
mod facts_config;
mod files;
mod history;
mod homes;
mod homes_config;
mod manifest;
mod methods;
mod postcode_areas;
mod practice_memberships;
mod proposal;
mod records;
mod shares;
mod source_dates;
mod source_report;
mod sources;
mod statistical_overlaps;
mod tables;
#[cfg(test)]
mod test_sources;
mod unused_limits;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, anyhow, bail};

use crate::check;
use crate::dataset::{self, DatasetSource, StagedDataset};
use crate::fs::check_output_file;
use crate::import::{read_whole_file, recognition};
use catchment_core::domain::POSTCODE_HOMES_FILE;
use config::BuildConfig;
use dataset_builder::DatasetBuilder;
use serde_json::json;
use sources::SourceData;

pub use proposal::{ConfigProposal, ProposalOptions, propose_config};
pub use source_report::{LayerReport, SourceReport, UnusedKind, UnusedRows};

/// The result of a build.
#[derive(Debug)]
pub struct BuildReport {
    /// The dataset's folder.
    pub folder: PathBuf,
    /// Lines of text that report what the build read, imported and left out, and what the dataset
    /// contains.
    pub lines: Vec<String>,
    /// For each source, what was read and used, and what was not used and why.
    pub sources: Vec<SourceReport>,
    /// For each layer, what the build made.
    pub layers: Vec<LayerReport>,
    /// The report as JSON: the content of `build-report.json` in the dataset's folder.
    pub json: String,
}

/// Builds the dataset that the configuration describes, and writes it to `output` or, if `output`
/// is `None`, to the folder in the configuration. The folder is replaced atomically, and only by a
/// dataset that can be loaded.
///
/// # Errors
/// If a file is missing or does not have the expected format, if the sources contradict each other,
/// or if replacing the folder would delete anything other than a dataset. If the sources contradict
/// each other, the error states the file and the location in the file. If an error is returned, the
/// folder is unchanged.
pub fn build(config_path: &Path, output: Option<&Path>) -> Result<BuildReport> {
    let options = BuildOptions {
        output,
        force: false,
        previous: None,
    };
    build_with_progress(config_path, options, &mut BuildProgress::default())
}

/// Options for a build: the output folder, whether to replace it if it contains other files, and
/// the dataset with which the new dataset is compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildOptions<'o> {
    /// The output folder, or `None` for the folder in the configuration.
    pub output: Option<&'o Path>,
    /// Whether a folder that contains anything other than a dataset is also replaced. A folder that
    /// contains the configuration or a source is never replaced.
    pub force: bool,
    /// The dataset that the new dataset replaces. The build fails if the new dataset lacks much of
    /// the old dataset.
    pub previous: Option<&'o Path>,
}

/// Reports the progress of a running build.
pub struct BuildProgress<'t> {
    /// The function that is called with a short description of each stage when the stage begins.
    pub on_stage: Box<dyn FnMut(&str) + 't>,
    /// The number of decompressed bytes of published files that have been read.
    pub bytes_read: Arc<AtomicU64>,
}

impl Default for BuildProgress<'_> {
    /// Returns a value that discards the progress reports.
    fn default() -> Self {
        BuildProgress {
            on_stage: Box::new(|_| {}),
            bytes_read: Arc::default(),
        }
    }
}

/// Builds a dataset as [`build`] does and reports its progress.
///
/// # Errors
/// If [`build`] would return an error.
pub fn build_with_progress(
    config_path: &Path,
    options: BuildOptions<'_>,
    progress: &mut BuildProgress<'_>,
) -> Result<BuildReport> {
    build_dataset(config_path, options, progress).map_err(|error| {
        match recognition::explain(error.chain()) {
            // The explanation comes last, after the file and what is wrong with it.
            Some(explanation) => anyhow!("{error:#}\n  {explanation}"),
            None => error,
        }
    })
}

fn build_dataset(
    config_path: &Path,
    options: BuildOptions<'_>,
    progress: &mut BuildProgress<'_>,
) -> Result<BuildReport> {
    let text = read_whole_file(config_path).map_err(anyhow::Error::from);
    let text = text.and_then(|bytes| Ok(String::from_utf8(bytes)?));
    let text = text.with_context(|| format!("reading {}", config_path.display()))?;
    let in_config = || format!("in {}", config_path.display());
    let unfilled = config_errors::unfilled_lines(&text);
    if !unfilled.is_empty() {
        return Err(anyhow!(
            "these lines are still to be filled in:\n  {}",
            unfilled.join("\n  ")
        ))
        .with_context(in_config);
    }
    let config = config_errors::parse(&text).with_context(in_config)?;
    config.check().with_context(in_config)?;
    let base = config_path.parent().unwrap_or(Path::new("."));
    ensure_inputs_exist(base, &config).with_context(in_config)?;
    let output = options.output;
    let folder = output.map_or_else(|| base.join(&config.output), Path::to_path_buf);
    let mut inputs: Vec<PathBuf> = config.inputs().iter().map(|path| base.join(path)).collect();
    inputs.push(config_path.to_path_buf());
    if let Some(table) = config.uprn.as_ref().and_then(|uprn| uprn.table.as_ref()) {
        check_uprn_table(&base.join(table), &folder, &inputs).with_context(in_config)?;
    }
    let check_output = || dataset::check_output_folder(&folder, &inputs, options.force);
    check_output()?;
    let mut sources = SourceData::read(base, &config, progress)?;
    if let Some(statistical) = &config.statistical_areas {
        let remarks = statistical_overlaps::check(&sources, statistical)?;
        sources.remarks.extend(remarks);
    }
    postcode_areas::check(&mut sources, &config);
    let builder = DatasetBuilder::new(&mut sources, &config, &mut progress.on_stage)?;
    let reports = sources.reports.iter().chain(builder.source_reports());
    let mut reports = source_report::without_repetitions(reports.cloned().collect());
    source_report::ensure_within_limits(&reports, &config.unused_max)?;
    (progress.on_stage)("writing");
    let files = builder.files(&sources, &config)?;
    // The output folder is checked again, because reading can take minutes.
    let mut staged = dataset::stage(
        &check_output()?,
        builder.manifest(&sources, &config),
        &files,
    )?;
    drop(files);
    (progress.on_stage)("checking");
    // A dataset that cannot be served never replaces a dataset that can be served. The error does
    // not name the folder, because the folder is temporary.
    let load = |staged: &StagedDataset| {
        check::load_index(&DatasetSource::Folder(staged.path().to_path_buf()), 0)
            .context("the dataset built from these sources cannot be loaded")
    };
    let (index, _) = load(&staged)?;
    let mut uprn_file = None;
    if let Some(uprn) = &config.uprn {
        // The homes are located in the dataset that was built so far, which has no homes yet.
        let scratch = staged.path().parent().unwrap_or(Path::new("."));
        let homes = homes::read(base, uprn, &index, scratch, progress)?;
        drop(index);
        reports.push(homes.report);
        source_report::ensure_within_limits(&reports, &config.unused_max)?;
        if let Some(table) = homes.postcode_homes {
            staged.add_listed_file(POSTCODE_HOMES_FILE, &table)?;
            (progress.on_stage)("checking");
            load(&staged)?;
        }
        uprn_file = homes.table;
    }
    if let Some(previous) = options.previous {
        (progress.on_stage)("comparing with the previous dataset");
        ensure_like_previous(previous, staged.path())?;
    }
    let layers = builder.layer_reports(&sources, config.as_of);
    let json = report_json(&config, &reports, &layers, &builder.remarks(&sources));
    staged.add_file(dataset::BUILD_REPORT, json.as_bytes())?;
    staged.publish()?;
    if let Some(file) = uprn_file {
        file.publish()?;
    }
    let mut lines: Vec<String> = reports.iter().map(ToString::to_string).collect();
    lines.extend(builder.summary(&sources, config.as_of));
    Ok(BuildReport {
        folder,
        lines,
        sources: reports,
        layers,
        json,
    })
}

/// Returns an error if the table of UPRNs would replace an input, or be in the dataset's folder, which
/// is replaced as a whole. An earlier table is replaced.
fn check_uprn_table(table: &Path, folder: &Path, inputs: &[PathBuf]) -> Result<()> {
    check_output_file(table, inputs, true)?;
    if table.starts_with(folder) {
        bail!(
            "[uprn] table: {} is in the folder of the dataset; choose a path outside it, because the \
             table is not part of the dataset",
            table.display()
        );
    }
    Ok(())
}

/// Returns an error that lists every file of the configuration that does not exist. The error about
/// a single file is returned when it is read.
fn ensure_inputs_exist(base: &Path, config: &BuildConfig) -> Result<()> {
    let inputs = config.inputs().into_iter();
    let missing: BTreeSet<&Path> = inputs.filter(|path| !base.join(path).exists()).collect();
    if missing.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = missing
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    bail!("these files do not exist:\n  {}", names.join("\n  "))
}

/// Returns an error if the dataset in the folder `current` lacks much of the previous dataset.
fn ensure_like_previous(previous: &Path, current: &Path) -> Result<()> {
    let read = |folder: &Path| dataset::read(&DatasetSource::Folder(folder.to_path_buf()));
    let in_previous = || format!("loading the previous dataset {}", previous.display());
    let old = read(previous).with_context(in_previous)?;
    let comparison =
        check::compare_with_previous(&old, &read(current)?).with_context(in_previous)?;
    if comparison.is_empty() {
        return Ok(());
    }
    bail!(
        "the dataset lacks data of the previous dataset {}; if this is intended, build without \
         --previous:\n  {}",
        previous.display(),
        comparison.summary()
    )
}

/// Returns the content of `build-report.json`. It depends only on the sources and the configuration.
fn report_json(
    config: &BuildConfig,
    sources: &[SourceReport],
    layers: &[LayerReport],
    remarks: &[String],
) -> String {
    let body = json!({
        "dataset": { "name": config.name, "version": config.version, "as_of": config.as_of.to_string() },
        "sources": sources,
        "layers": layers,
        "remarks": remarks,
    });
    format!("{body:#}\n")
}

/// Returns whether `text` is a valid build configuration. Fuzz targets call this function.
#[doc(hidden)]
pub fn is_valid_config(text: &str) -> bool {
    BuildConfig::parse(text).is_ok()
}
