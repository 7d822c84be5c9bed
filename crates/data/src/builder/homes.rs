//! The homes of postcodes: reads the list of addresses of a configuration, counts the homes of each
//! postcode in the areas of the dataset, and writes the table of UPRNs.
//!
//! The addresses are located in the index of the dataset that was just built, in the same way as in
//! a look-up.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::BuildProgress;
use super::homes_config::UprnConfig;
use super::source_report::{RowTally, SourceReport};
use super::sources::display_path;
use crate::dataset::columns;
use crate::formats::write_csv;
use crate::fs::{FileAccess, HashingIo, create_temp_file, parent_folder, resolve_symlinks};
use crate::import::{SourceFiles, uprns};
use crate::plural::count_with_noun;
use crate::uprns::{SameUprn, UprnRecord, UprnSorter, UprnTableWriter};
use catchment_core::domain::{Postcode, PostcodeHomes};
use catchment_core::index::{CountedHome, HomeCounter, HomeCounts, Index};

/// The length in bytes of the buffer of the table.
const BUFFER_BYTES: usize = 1 << 18;

/// The results of reading a list of addresses.
pub(super) struct BuiltHomes {
    pub(super) report: SourceReport,
    /// The table of the homes of divided postcodes; `None` if no postcode is divided.
    pub(super) postcode_homes: Option<Vec<u8>>,
    /// The table of UPRNs, which is given its final name at the same time as the dataset.
    pub(super) table: Option<UprnFile>,
}

/// A complete table of UPRNs in a temporary file.
pub(super) struct UprnFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl UprnFile {
    /// Gives the file its name. An existing file is replaced.
    pub(super) fn publish(self) -> Result<()> {
        let path = self.path;
        let persisted = self.file.persist(&path).map_err(|error| error.error);
        persisted
            .and_then(|_| crate::fs::sync_folder(parent_folder(&path)))
            .with_context(|| format!("writing {}", path.display()))
    }
}

/// Reads the list of addresses. `base` is the folder of the configuration, and `scratch` the folder
/// for temporary files.
///
/// # Errors
/// If the list cannot be read, has no usable rows, or a file cannot be written.
pub(super) fn read(
    base: &Path,
    config: &UprnConfig,
    index: &Index,
    scratch: &Path,
    progress: &mut BuildProgress<'_>,
) -> Result<BuiltHomes> {
    (progress.on_stage)("reading UPRNs");
    let file = display_path(&config.file);
    let in_file = || format!("reading {file}");
    let mut source = SourceFiles::open(&base.join(&config.file))?
        .with_byte_counter(std::sync::Arc::clone(&progress.bytes_read));
    let mut sorter = UprnSorter::new(scratch);
    let statistical = index.manifest().statistical_areas.as_ref();
    let import = uprns::read(
        &mut source,
        &config.columns,
        statistical.map(|entry| entry.id.as_str()),
        |record| sorter.add(record),
    )
    .with_context(in_file)?;
    (progress.on_stage)("counting homes");
    let mut table = TableOutput::create(base, config)?;
    let mut homes = HomeTally::new(index);
    sorter
        .finish(|record, same| {
            homes.add(record, same);
            match (&mut table, same) {
                (Some(table), SameUprn::None) => table.writer.add(record),
                _ => Ok(()),
            }
        })
        .with_context(in_file)?;
    let mut report = SourceReport::from_import(file.as_str(), "homes", &import);
    let counts = homes.finish(&mut report);
    let table = match table {
        Some(table) => Some(table.finish(&mut report)?),
        None => None,
    };
    Ok(BuiltHomes {
        report,
        postcode_homes: (!counts.divided.is_empty()).then(|| postcode_homes(&counts.divided)),
        table,
    })
}

/// The table of UPRNs while it is being written.
struct TableOutput {
    writer: UprnTableWriter<BufWriter<HashingIo<tempfile::NamedTempFile>>>,
    path: PathBuf,
}

impl TableOutput {
    fn create(base: &Path, config: &UprnConfig) -> Result<Option<TableOutput>> {
        let Some(path) = &config.table else {
            return Ok(None);
        };
        let create = || -> io::Result<TableOutput> {
            let path = resolve_symlinks(&base.join(path))?;
            let folder = parent_folder(&path);
            std::fs::create_dir_all(folder)?;
            let file = create_temp_file(folder, FileAccess::Umask)?;
            let output = HashingIo::new(file, true);
            let output = BufWriter::with_capacity(BUFFER_BYTES, output);
            let writer = UprnTableWriter::new(output)?;
            Ok(TableOutput { writer, path })
        };
        let table = create().with_context(|| format!("writing {}", path.display()))?;
        Ok(Some(table))
    }

    fn finish(self, report: &mut SourceReport) -> Result<UprnFile> {
        let path = self.path;
        let finish = || -> io::Result<_> {
            let (rows, output) = self.writer.finish()?;
            let output = output
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            let (fingerprint, file) = (output.fingerprint(), output.inner);
            file.as_file().sync_all()?;
            Ok((rows, fingerprint, file))
        };
        let finished = finish().with_context(|| format!("writing {}", path.display()));
        let (rows, fingerprint, file) = finished?;
        report.notes.push(format!(
            "the table of UPRNs has {} and {} bytes (SHA-256 {})",
            count_with_noun(rows, "address", "addresses"),
            fingerprint.bytes,
            fingerprint.sha256
        ));
        Ok(UprnFile { file, path })
    }
}

/// The counts of homes, and of the addresses that are not counted.
struct HomeTally<'i> {
    counter: HomeCounter<'i>,
    without_postcode: RowTally,
    unknown_postcode: RowTally,
    other_district: RowTally,
    outside_areas: RowTally,
    repeated: RowTally,
    contradictory: RowTally,
}

impl<'i> HomeTally<'i> {
    fn new(index: &'i Index) -> HomeTally<'i> {
        HomeTally {
            counter: HomeCounter::new(index),
            without_postcode: RowTally::default(),
            unknown_postcode: RowTally::default(),
            other_district: RowTally::default(),
            outside_areas: RowTally::default(),
            repeated: RowTally::default(),
            contradictory: RowTally::default(),
        }
    }

    fn add(&mut self, record: &UprnRecord, same: SameUprn) {
        let uprn = || record.uprn.to_string();
        match same {
            SameUprn::None => {}
            SameUprn::SameRecord => return self.repeated.add(uprn),
            SameUprn::OtherRecord => return self.contradictory.add(uprn),
        }
        let postcode = || {
            record
                .home
                .postcode
                .map_or_else(String::new, |found| found.to_string())
        };
        match self.counter.add(&record.home) {
            CountedHome::Counted => {}
            CountedHome::OutsideAreas => self.outside_areas.add(postcode),
            CountedHome::UnknownPostcode => self.unknown_postcode.add(postcode),
            CountedHome::OtherDistrict => self.other_district.add(postcode),
            CountedHome::WithoutPostcode => self.without_postcode.add(uprn),
        }
    }

    /// Adds the addresses that are not counted to a report, and returns the counts.
    fn finish(self, report: &mut SourceReport) -> HomeCounts {
        report.lost(
            "another row has the same UPRN and different values",
            self.contradictory,
        );
        report.not_needed(
            "another row has the same UPRN and the same values",
            self.repeated,
        );
        report.not_needed("no postcode", self.without_postcode);
        report.not_needed("postcodes of other districts", self.other_district);
        report.not_needed(
            "the directory does not have the postcode",
            self.unknown_postcode,
        );
        report.not_needed("in no area of the dataset", self.outside_areas);
        let counts = self.counter.finish();
        let notes = &mut report.notes;
        notes.push(format!(
            "{} in the directory; {} in use have none{}",
            count_with_noun(
                counts.with_homes,
                "postcode has homes and is",
                "postcodes have homes and are"
            ),
            count_with_noun(counts.live_without_homes, "postcode", "postcodes"),
            first_names(&counts.first_without_homes, counts.live_without_homes)
        ));
        for (layer, divided) in &counts.divided_by_layer {
            let divided = count_with_noun(*divided, "postcode", "postcodes");
            notes.push(format!(
                "{layer}: the homes of {divided} are in several areas, or some of them in none"
            ));
        }
        counts
    }
}

/// Lists the first of `count` postcodes: ` (LA1 1AA, LA1 1AB, …)`.
fn first_names(postcodes: &[Postcode], count: usize) -> String {
    if postcodes.is_empty() {
        return String::new();
    }
    let names: Vec<String> = postcodes.iter().map(Postcode::to_string).collect();
    let more = if count > names.len() { ", …" } else { "" };
    format!(" ({}{more})", names.join(", "))
}

/// Returns the table of the homes of divided postcodes.
fn postcode_homes(rows: &[PostcodeHomes]) -> Vec<u8> {
    let day = |day: Option<jiff::civil::Date>| day.map_or_else(String::new, |day| day.to_string());
    let rows = rows.iter().map(|row| {
        [
            row.postcode.to_string(),
            row.layer.to_string(),
            row.area.clone().unwrap_or_default(),
            row.homes.to_string(),
            day(row.period.from),
            day(row.period.to),
        ]
    });
    write_csv(columns::POSTCODE_HOMES, rows)
}
