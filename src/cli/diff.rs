//! `catchment diff`: compares two datasets on a date, or one dataset today and on a date.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::{Spinner, source_and_name};
use catchment_core::domain::{date_from_iso, today_in_london};
use catchment_data::dataset::{self, Dataset};
use catchment_data::diff::{
    AreaChange, ChangeKind, CoverageChange, DatasetDifference, diff, diff_dates, files,
};
use catchment_data::fs::check_output_folder;

/// The maximum number of items of each kind in the text summary. The files of `--output` contain
/// all items.
const ITEMS_SHOWN_MAX: usize = 20;
/// The exit status if the datasets differ, which is the same as for diff(1).
const EXIT_DIFFERENT: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct DiffArguments {
    /// Folder of the old dataset.
    old: PathBuf,
    /// Folder of the new dataset. Without it, the old dataset is compared with itself: today and on the
    /// date of --as-of.
    #[arg(required_unless_present = "as_of")]
    new: Option<PathBuf>,
    /// Date of the comparison; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// New or empty folder for tables (CSV), the transferred geometry (GeoJSON) and a summary.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace the contents of the folder of --output.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let as_of = match &arguments.as_of {
        Some(text) => date_from_iso(text).context("--as-of")?,
        None => today_in_london(),
    };
    let today = today_in_london();
    if arguments.new.is_none() && as_of <= today {
        bail!(
            "--as-of: {as_of} is not after today, {today}: give a later date, or a second dataset"
        );
    }
    let output = arguments.output.as_ref().map(|folder| {
        let new = arguments.new.iter().cloned();
        let inputs: Vec<PathBuf> = std::iter::once(arguments.old.clone()).chain(new).collect();
        check_output_folder(folder, &inputs, None, arguments.force)
    });
    let output = output.transpose()?;
    let spinner = Spinner::new();
    spinner.set_stage("loading");
    let old = read(&arguments.old)?;
    let new = arguments.new.as_deref().map(read).transpose()?;
    spinner.set_stage("comparing");
    // If all files are identical, there is nothing to compare.
    let same_files = new.as_ref().is_some_and(|new| new.digest == old.digest);
    let difference = match new {
        None => diff_dates(old, today, as_of)?,
        Some(_) if same_files => DatasetDifference::empty(&old, as_of),
        Some(new) => diff(old, new, as_of)?,
    };
    drop(spinner);
    if let Some(folder) = &output {
        dataset::write_folder(folder, &files(&difference))?;
    }
    let summary = if arguments.json {
        format!("{}\n", difference.summary())
    } else {
        text_summary(&difference, same_files)
    };
    match io::stdout().lock().write_all(summary.as_bytes()) {
        // It is not an error if the program that reads the output has closed the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(error).context("writing the summary");
        }
        _ => {}
    }
    Ok(if difference.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DIFFERENT)
    })
}

fn read(folder: &Path) -> Result<Dataset> {
    let (files, name) = source_and_name(Some(&folder.to_path_buf()));
    dataset::read(&files).with_context(|| format!("loading {name}"))
}

fn text_summary(difference: &DatasetDifference, same_files: bool) -> String {
    let DatasetDifference {
        as_of,
        old_as_of,
        old,
        new,
        ..
    } = difference;
    let is_one_dataset = old_as_of != as_of;
    let mut lines = vec![match is_one_dataset {
        true => format!("{old}, {old_as_of} → {as_of}"),
        false => format!("{old} → {new}, as of {as_of}"),
    }];
    if difference.is_empty() {
        lines.push(if same_files || is_one_dataset {
            "no differences".into()
        } else {
            "no differences in the compared data; the files are not identical".into()
        });
    }
    let areas = difference.areas.iter().map(area_line).collect();
    section(&mut lines, "Areas", areas);
    let moved = difference.transferred.iter().map(|geometry| {
        let (from, to) = (
            geometry.from.as_deref().unwrap_or("no area"),
            geometry.to.as_deref().unwrap_or("no area"),
        );
        format!(
            "{}: {:.3} km² from {from} to {to}",
            geometry.layer, geometry.km2
        )
    });
    section(
        &mut lines,
        "Land transferred between areas",
        moved.collect(),
    );
    section(
        &mut lines,
        "Areas with different statistical areas",
        coverage_lines(difference),
    );
    let practices = difference
        .practices
        .iter()
        .map(|change| match change.field {
            None => format!(
                "{} {}  {}",
                change.change.as_str(),
                change.code,
                change.name
            ),
            Some(field) => format!(
                "{} {}: {field}: {} → {}",
                change.code,
                change.name,
                or_nothing(Some(&change.old)),
                or_nothing(Some(&change.new))
            ),
        });
    section(&mut lines, "Practices", practices.collect());
    let memberships = difference.memberships.iter().map(|membership_change| {
        let group = membership_change.group.as_deref().unwrap_or("(none named)");
        let (change, layer) = (membership_change.change.as_str(), membership_change.layer);
        format!(
            "{change} {} {} in {layer} {group}",
            membership_change.member_layer_id(),
            membership_change.member
        )
    });
    section(&mut lines, "Memberships", memberships.collect());
    postcode_lines(&mut lines, difference);
    lines.join("\n") + "\n"
}

fn area_line(area: &AreaChange) -> String {
    let (layer, id) = (area.layer, &area.id);
    let (old, new) = (
        or_nothing(area.old_name.as_deref()),
        or_nothing(area.new_name.as_deref()),
    );
    match area.change {
        ChangeKind::Added => format!("added {layer} {id}  {new}"),
        ChangeKind::Removed => format!("removed {layer} {id}  {old}"),
        ChangeKind::Changed => {
            let mut text = format!("changed {layer} {id}");
            if old != new {
                text += &format!("  renamed from {old} to {new}");
            }
            if area.gained_km2 > 0.0 || area.lost_km2 > 0.0 {
                let (gained, lost) = (area.gained_km2, area.lost_km2);
                text += &format!("  gains {gained:.3} km², loses {lost:.3} km²");
            }
            text
        }
    }
}

/// Returns a line for each area. The line contains the numbers of statistical areas that were
/// added, that were removed and that have a different share.
fn coverage_lines(difference: &DatasetDifference) -> Vec<String> {
    let of_one_area = difference
        .coverage
        .chunk_by(|one, other| (one.layer, &one.area) == (other.layer, &other.area));
    let line = |changes: &[CoverageChange]| {
        let count = |change| {
            changes
                .iter()
                .filter(|coverage_change| coverage_change.change == change)
                .count()
        };
        let counts = [
            (count(ChangeKind::Added), "added"),
            (count(ChangeKind::Removed), "removed"),
            (count(ChangeKind::Changed), "with a different share"),
        ];
        let parts = counts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, description)| format!("{count} {description}"))
            .collect();
        format!(
            "{} {}: {}",
            changes[0].layer,
            changes[0].area,
            parts.join(", ")
        )
    };
    of_one_area.map(line).collect()
}

fn postcode_lines(lines: &mut Vec<String>, difference: &DatasetDifference) {
    let count = |change| {
        let changes = difference.postcodes.iter();
        changes
            .filter(|postcode_change| postcode_change.change == change)
            .count()
    };
    if difference.postcodes.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(format!(
        "Postcodes: {} added, {} removed, {} with a different answer",
        count(ChangeKind::Added),
        count(ChangeKind::Removed),
        count(ChangeKind::Changed)
    ));
    let moves = difference.postcode_moves();
    for (layer, from, to, postcodes) in moves.iter().take(ITEMS_SHOWN_MAX) {
        let (from, to) = (or_nothing(Some(from)), or_nothing(Some(to)));
        lines.push(format!("  {layer}: {postcodes} from {from} to {to}"));
    }
}

fn section(lines: &mut Vec<String>, title: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(format!("{title}: {}", items.len()));
    let more = items.len().saturating_sub(ITEMS_SHOWN_MAX);
    lines.extend(
        items
            .into_iter()
            .take(ITEMS_SHOWN_MAX)
            .map(|item| format!("  {item}")),
    );
    if more > 0 {
        lines.push(format!("  and {more} more (--output writes all)"));
    }
}

fn or_nothing(text: Option<&str>) -> &str {
    match text {
        None | Some("") => "nothing",
        Some(text) => text,
    }
}
