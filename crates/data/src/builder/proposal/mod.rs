//! Proposes a build configuration for a folder of published files: recognises each file, chooses
//! what it is used for, and lists what is missing.

mod area;
mod choice;
mod missing;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::civil::Date;

use super::config_errors;
use crate::fs::{FileAccess, check_output_file, write_atomically};
use crate::import::recognition::{FileContent, FolderFile, recognise_folder};
use choice::{Choice, FileUse};

/// The options of [`propose_config`].
#[derive(Debug, Clone, Copy)]
pub struct ProposalOptions<'o> {
    /// The file to write, or `None` for `build.toml` in the folder.
    pub output: Option<&'o Path>,
    /// Whether an existing file is replaced.
    pub force: bool,
    /// The last day that is accepted as the date of an edition.
    pub today: Date,
}

/// A configuration that was proposed.
#[derive(Debug)]
pub struct ConfigProposal {
    /// The file that was written.
    pub config: PathBuf,
    /// Lines of text that report what each file was recognised as, what has to be decided, and what
    /// is missing.
    pub lines: Vec<String>,
}

/// Writes a build configuration for the files in a folder.
///
/// # Errors
/// If the folder cannot be read or has no known file, or the configuration exists already and may not
/// be replaced. In these cases, nothing is written.
pub fn propose_config(folder: &Path, options: ProposalOptions<'_>) -> Result<ConfigProposal> {
    if !folder.is_dir() {
        bail!(
            "{} is not a folder; give the folder with the files of the publishers",
            folder.display()
        );
    }
    let default_output = folder.join("build.toml");
    let output = options.output.unwrap_or(&default_output);
    // An existing file is reported before the folder is read, which can take minutes.
    check_output_file(output, &[], options.force)?;
    let files = recognise_folder(folder, options.today)
        .with_context(|| format!("reading {}", folder.display()))?;
    let is_known = |file: &FolderFile| matches!(file.content, FileContent::Known(_));
    if !files.iter().any(is_known) {
        let found = match files.len() {
            0 => "has no files to build a dataset from".to_string(),
            _ => format!("has no known file:\n{}", unknown_lines(&files).join("\n")),
        };
        bail!(
            "{} {found}\n\nPut at least these files there:\n{}",
            folder.display(),
            missing::first_files().join("\n")
        );
    }
    let prefix = path_prefix(folder, output)?;
    let mut choice = Choice::new(&files, options.today);
    let own_area = area::find(folder, &choice);
    choice.remarks.extend(own_area.remarks.iter().cloned());
    let config = text::write(&choice, &own_area, &prefix, &folder_name(folder));
    // The configuration is parsed in the same way as by `build`, so that `build` never refuses a
    // proposed configuration.
    config_errors::parse(&config)
        .and_then(|parsed| parsed.check())
        .context("the proposed configuration is not valid")?;
    write_atomically(output, config.as_bytes(), FileAccess::Umask)
        .with_context(|| format!("writing {}", output.display()))?;
    Ok(ConfigProposal {
        config: output.to_path_buf(),
        lines: report_lines(&choice, &config),
    })
}

/// Returns the name of the folder.
fn folder_name(folder: &Path) -> String {
    let absolute = folder.canonicalize();
    let absolute = absolute.as_deref().unwrap_or(folder);
    let name = absolute.file_name().map(|name| name.to_string_lossy());
    name.map_or_else(|| "dataset".into(), |name| name.into_owned())
}

/// Returns the path from the folder of the configuration to the folder of the files, with a final
/// `/`, or an empty string if they are the same folder.
fn path_prefix(folder: &Path, output: &Path) -> Result<String> {
    let base = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let absolute = |path: &Path| {
        path.canonicalize()
            .with_context(|| format!("{} cannot be read", path.display()))
    };
    let (folder, base) = (absolute(folder)?, absolute(base)?);
    let relative = folder.strip_prefix(&base).unwrap_or(&folder);
    Ok(match relative.to_string_lossy() {
        path if path.is_empty() => String::new(),
        path => format!("{}/", path.replace('\\', "/")),
    })
}

fn unknown_lines(files: &[FolderFile]) -> Vec<String> {
    let lines = files.iter().map(|file| match &file.content {
        FileContent::Known(known) => format!("  {}: {}", file.path, known.kind.words()),
        FileContent::Unknown(reason) => format!("  {}: not known: {reason}", file.path),
        FileContent::Unreadable(reason) => format!("  {}: cannot be read: {reason}", file.path),
    });
    lines.collect()
}

/// Returns the lines of the report.
fn report_lines(choice: &Choice<'_>, config: &str) -> Vec<String> {
    let path_width = |file: &&(&FolderFile, FileUse)| file.0.path.chars().count();
    let width = choice.files.iter().map(|file| path_width(&file)).max();
    let width = width.unwrap_or_default();
    let mut lines = vec!["What each file was recognised as:".to_string()];
    for (file, used) in &choice.files {
        let words = match &file.content {
            FileContent::Known(known) => known.kind.words(),
            FileContent::Unknown(reason) => format!("not known: {reason}"),
            FileContent::Unreadable(reason) => format!("cannot be read: {reason}"),
        };
        lines.push(format!(
            "  {:width$}  {:11}  {words}",
            file.path,
            used.words()
        ));
    }
    let mut section = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            lines.push(String::new());
            lines.push(title.to_string());
            lines.extend(items.into_iter().map(|item| format!("  {item}")));
        }
    };
    section("To decide:", choice.remarks.clone());
    section("Missing:", missing::lines(choice));
    section(
        "To fill in before the build:",
        config_errors::unfilled_lines(config),
    );
    lines
}
