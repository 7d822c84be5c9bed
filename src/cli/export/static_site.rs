//! `catchment export --static`: writes the look-up as static files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::HumanBytes;

use super::{ExportArguments, Spinner};
use crate::export::{
    StaticSite, StaticSiteOptions, StaticSiteSummary, files_of_static_site, read_file_list,
};
use crate::ops::log;
use catchment_core::index::Index;
use catchment_data::dataset;
use catchment_data::fs::{FolderKind, check_output_folder};

/// The folder of `--static`, after the check that it may be written.
pub(super) struct StaticOutput<'a> {
    /// The path as the user specified it.
    name: &'a Path,
    /// The path after resolving symbolic links.
    folder: PathBuf,
}

impl<'a> StaticOutput<'a> {
    /// Checks that the folder may be written or replaced.
    pub(super) fn check(name: &'a Path, arguments: &ExportArguments) -> Result<StaticOutput<'a>> {
        let kind = FolderKind {
            noun: "a static look-up",
            files: files_of_static_site,
        };
        let inputs = [&arguments.data.data, &arguments.since];
        let inputs: Vec<PathBuf> = inputs.into_iter().flatten().cloned().collect();
        let folder = check_output_folder(name, &inputs, Some(&kind), arguments.force)?;
        Ok(StaticOutput { name, folder })
    }

    pub(super) fn write(&self, arguments: &ExportArguments, index: &Index) -> Result<()> {
        let display = self.name.display();
        // Read the list of files first, so that an error is reported before the files are
        // generated, which takes longer.
        let since = arguments.since.as_deref();
        let earlier = since.map(read_file_list).transpose()?;
        let spinner = (!arguments.quiet).then(Spinner::new);
        if let Some(spinner) = &spinner {
            spinner.set_stage("static look-up");
        }
        let options = StaticSiteOptions {
            day: arguments.day(),
            is_offline: arguments.offline,
            threads: arguments.threads(),
        };
        let site = StaticSite::build(index, options)?;
        let changes = earlier.map(|earlier| site.changes_since(&earlier));
        let files = site.folder(changes.as_ref());
        dataset::write_folder(&self.folder, &files)
            .with_context(|| format!("writing {display}"))?;
        drop(spinner);
        if arguments.quiet {
            return Ok(());
        }
        let summary = site.summary();
        match (&changes, since) {
            (Some(changes), Some(since)) => log::message(format_args!(
                "{display}: {} of {} files are new or changed since {}, and {} are no longer needed",
                changes.changed.len(),
                summary.files,
                since.display(),
                changes.removed.len(),
            )),
            _ => log::message(format_args!("{display}: {}", describe(&summary))),
        }
        Ok(())
    }
}

fn describe(summary: &StaticSiteSummary) -> String {
    let bytes = |bytes: usize| HumanBytes(bytes as u64);
    let everything = match summary.everything_bytes {
        Some(size) => format!("the file with all answers takes {}", bytes(size)),
        None => "there is no file with all answers, because it would be too large".into(),
    };
    format!(
        "{} files ({}); {} postcodes in {} groups, each with at least {} postcodes in use and of at most {}; {everything}",
        summary.files,
        bytes(summary.bytes),
        summary.postcodes,
        summary.groups,
        summary.smallest_group,
        bytes(summary.largest_group_bytes),
    )
}
