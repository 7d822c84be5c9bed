//! Recognises published files by their content: the header row or the values of a table, the
//! attributes of polygons, the sheets of a workbook, the members of an archive. The columns of
//! tables are those that the importers define; `formats` lists them.

mod archive;
mod formats;
mod polygon_files;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use jiff::civil::Date;

use super::onspd::{self, LsoaYear};
use super::rows::lowercase_file_name;
use super::source_files::SourceFiles;
use super::{ImportError, ods};
use crate::formats::unexpected_content;
use crate::plural::count_with_noun;
use catchment_core::domain::SourceDate;
use table::{TableSample, list_in_words};

pub(crate) use formats::{TableKind, explain};

/// The levels of areas that are recognised by their GSS codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AreaLevel {
    Lsoa,
    Msoa,
    Ward,
    Council,
    SubIcb,
    Icb,
}

impl AreaLevel {
    pub(crate) const ALL: [AreaLevel; 6] = [
        AreaLevel::Lsoa,
        AreaLevel::Msoa,
        AreaLevel::Ward,
        AreaLevel::Council,
        AreaLevel::SubIcb,
        AreaLevel::Icb,
    ];

    /// Returns the beginnings of the codes of this level.
    fn code_starts(self) -> &'static [&'static str] {
        match self {
            AreaLevel::Lsoa => &["E01", "W01"],
            AreaLevel::Msoa => &["E02", "W02"],
            AreaLevel::Ward => &["E05", "W05"],
            AreaLevel::Council => &["E06", "E07", "E08", "E09", "W06"],
            AreaLevel::SubIcb => &["E38"],
            AreaLevel::Icb => &["E54"],
        }
    }

    /// Returns whether the text is a code of this level.
    pub(crate) fn has_code(self, text: &str) -> bool {
        text.len() == 9
            && text.bytes().skip(1).all(|byte| byte.is_ascii_digit())
            && self
                .code_starts()
                .iter()
                .any(|start| text.starts_with(start))
    }

    /// Returns the words for areas of this level.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            AreaLevel::Lsoa => "LSOAs",
            AreaLevel::Msoa => "MSOAs",
            AreaLevel::Ward => "wards",
            AreaLevel::Council => "councils",
            AreaLevel::SubIcb => "sub-ICB locations",
            AreaLevel::Icb => "ICBs",
        }
    }
}

/// The columns of a list that assigns each practice or statistical area to an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupColumns {
    /// The column with the code of the practice or statistical area.
    pub(crate) code: String,
    /// The column with the id of the area, if it is not the column with the name.
    pub(crate) id: Option<String>,
    /// The column with the name of the area.
    pub(crate) name: String,
    /// The number of areas.
    pub(crate) count: usize,
    /// The codes of the practices or statistical areas.
    pub(crate) codes: BTreeSet<String>,
}

/// The attributes of a polygon file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolygonAttributes {
    /// The attribute with the id of each area; `None` if no attribute has a different value for
    /// each area.
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    /// The attribute with the ODS code of the sub-ICB location of each area.
    pub(crate) sub_icb: Option<String>,
    pub(crate) count: usize,
    /// The ids, if they are GSS codes.
    pub(crate) codes: BTreeSet<String>,
    /// Whether a polygon has a part inside another part, as a few polygons of the ONS have.
    pub(crate) has_nested_parts: bool,
}

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A table, in a single file or in an archive or folder.
    Table(TableKind),
    /// A directory of the ONS, with LSOAs of these censuses.
    OnsDirectory(Vec<LsoaYear>),
    NhsDirectory(Vec<LsoaYear>),
    Registrations(LsoaYear),
    /// A workbook, archive or folder with both tables of networks.
    Networks,
    /// The look-up from LSOAs to organisations, with the names of its columns.
    OrganisationLookup(Vec<String>),
    /// A look-up from the column with LSOAs to the columns with areas of other levels.
    AreaLookup {
        lsoa: String,
        levels: Vec<(AreaLevel, String)>,
    },
    /// A look-up between the LSOAs of two censuses.
    LsoaChanges,
    /// A list of the practices of each area.
    PracticeList(GroupColumns),
    /// A list of the statistical areas of each area.
    AreaList(AreaLevel, LsoaYear, GroupColumns),
    /// Polygons of areas with the codes of a level, or with their own ids.
    Polygons(Option<(AreaLevel, LsoaYear)>, PolygonAttributes),
    /// Catchments that practices declare.
    Catchments,
}

/// A file whose content is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecognisedFile {
    pub(crate) kind: FileKind,
    /// The newest date that the file or its name states about its content.
    pub(crate) newest: Option<SourceDate>,
}

/// The result of the recognition of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileContent {
    Known(RecognisedFile),
    /// The file is not of a known kind; the text describes it.
    Unknown(String),
    /// The file cannot be read; the text states the reason.
    Unreadable(String),
}

/// A file in a folder, or a folder that is a single source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderFile {
    /// The path in the folder, with `/` between folders.
    pub(crate) path: String,
    pub(crate) content: FileContent,
}

impl FileKind {
    /// Describes the kind of the file.
    pub(crate) fn words(&self) -> String {
        let years = |years: &[LsoaYear]| {
            let years: Vec<&str> = years.iter().map(|year| year_in_words(*year)).collect();
            match years.as_slice() {
                [] => "without LSOAs of 2011 or 2021".to_string(),
                years => format!("LSOAs of {}", years.join(" and ")),
            }
        };
        match self {
            FileKind::Table(kind) => kind.title().to_string(),
            FileKind::OnsDirectory(found) => {
                format!("{}, {}", TableKind::OnsDirectory.title(), years(found))
            }
            FileKind::NhsDirectory(found) => {
                format!("{}, {}", TableKind::NhsDirectory.title(), years(found))
            }
            FileKind::Registrations(year) => format!(
                "{} of {}",
                TableKind::Registrations.title(),
                year_in_words(*year)
            ),
            FileKind::Networks => "NHS ODS ePCN: networks and their practices".into(),
            FileKind::OrganisationLookup(_) => TableKind::OrganisationLookup.title().into(),
            FileKind::AreaLookup { levels, .. } => {
                let levels: Vec<&str> = levels.iter().map(|(level, _)| level.plural()).collect();
                format!("look-up from LSOAs to {}", levels.join(" and "))
            }
            FileKind::LsoaChanges => "look-up between LSOAs of 2011 and 2021".into(),
            FileKind::PracticeList(groups) => list_in_words(groups, "practices"),
            FileKind::AreaList(level, year, groups) => {
                let words = list_in_words(groups, level.plural());
                match level {
                    AreaLevel::Lsoa => format!("{words}, of {}", year_in_words(*year)),
                    _ => words,
                }
            }
            FileKind::Polygons(level, attributes) => {
                let count = count_with_noun(attributes.count, "polygon", "polygons");
                match level {
                    Some((AreaLevel::Lsoa, year)) => {
                        format!("boundaries of LSOAs of {} ({count})", year_in_words(*year))
                    }
                    Some((level, _)) => format!("boundaries of {} ({count})", level.plural()),
                    None => format!("{count} with ids of their own"),
                }
            }
            FileKind::Catchments => "catchments that practices declare".into(),
        }
    }
}

/// Returns the year of a census.
pub(crate) fn year_in_words(year: LsoaYear) -> &'static str {
    match year {
        LsoaYear::Lsoa11 => "2011",
        LsoaYear::Lsoa21 => "2021",
    }
}

/// The extensions of files that are never a source: configurations, documents, and the parts of
/// Shapefiles and GeoPackages.
const IGNORED_EXTENSIONS: [&str; 18] = [
    "toml", "md", "txt", "pdf", "doc", "docx", "html", "png", "dbf", "shx", "prj", "cpg", "sbn",
    "sbx", "qix", "xml", "gpkg-wal", "gpkg-shm",
];

/// If a subfolder has at least this number of files of one kind, the subfolder is a single source.
const FOLDER_SOURCE_MIN: usize = 2;

/// The maximum depth of subfolders.
const DEPTH_MAX: usize = 6;

/// Recognises every file of the folder and its subfolders, in order of path. Hidden files, documents
/// and datasets are left out. `today` is the last day that is accepted as the date of an edition.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn recognise_folder(folder: &Path, today: Date) -> io::Result<Vec<FolderFile>> {
    let mut paths = Vec::new();
    list_sources(folder, "", DEPTH_MAX, &mut paths)?;
    paths.sort();
    let files: Vec<FolderFile> = paths
        .into_iter()
        .map(|path| FolderFile {
            content: with_edition(recognise_file(&folder.join(&path), today), &path),
            path,
        })
        .collect();
    Ok(merge_folders(files))
}

/// Adds the month in the name of a file, such as `ONSPD_MAY_2025_UK.csv`, if the content has no date.
fn with_edition(content: FileContent, path: &str) -> FileContent {
    match content {
        FileContent::Known(file) => FileContent::Known(RecognisedFile {
            newest: file.newest.or_else(|| month_in_name(path)),
            ..file
        }),
        other => other,
    }
}

fn month_in_name(path: &str) -> Option<SourceDate> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let edition = onspd::edition_from_file_name(path)?;
    let (month, year) = edition.split_once(' ')?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    format!("{year}-{month:02}").parse().ok()
}

fn list_sources(
    folder: &Path,
    prefix: &str,
    depth: usize,
    paths: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__MACOSX" {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            // A dataset that was built here is not a source.
            let is_dataset = path.join(crate::dataset::MANIFEST).exists();
            if depth > 0 && !is_dataset {
                list_sources(&path, &format!("{prefix}{name}/"), depth - 1, paths)?;
            }
            continue;
        }
        let extension = lowercase_file_name(&name);
        let extension = extension.rsplit_once('.').map(|(_, extension)| extension);
        if extension.is_none_or(|extension| !IGNORED_EXTENSIONS.contains(&extension)) {
            paths.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// Recognises a file by its content.
fn recognise_file(path: &Path, today: Date) -> FileContent {
    let recognised = SourceFiles::open(path).and_then(|mut source_files| {
        let name = source_files.name();
        if source_files.members() != [name.clone()] {
            return archive::content(path, &mut source_files, today);
        }
        let mut start = Vec::new();
        source_files
            .open_member(&name)?
            .take(START_BYTES)
            .read_to_end(&mut start)
            .map_err(|source| ImportError::Unreadable {
                path: path.into(),
                source,
            })?;
        if polygon_files::has_extension(&name) {
            return Ok(polygon_files::content(path, &name));
        }
        if let Some(reason) = unexpected_content(&start) {
            return Ok(FileContent::Unknown(reason));
        }
        if start.contains(&0) {
            return Ok(FileContent::Unknown(
                "it is neither text nor a file that can be read here".into(),
            ));
        }
        if ods::is_amendment_file(&name) {
            return Ok(FileContent::Unknown(
                "its name shows that it contains only the changes between two days; use the whole \
                 report"
                    .into(),
            ));
        }
        let sample = TableSample::read(&name, source_files.open_member(&name)?)?;
        Ok(sample.content(today))
    });
    recognised.unwrap_or_else(|error| {
        FileContent::Unreadable(match &error {
            // The report already contains the path.
            ImportError::Unreadable { source, .. } => words_of(source),
            error => words_of(error),
        })
    })
}

/// The number of bytes of a file that are searched for content that is often saved in place of a
/// table.
const START_BYTES: u64 = 1024;

/// Formats an error with its causes.
fn words_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Replaces the files of a folder that are one source by the folder: the files of Code-Point Open,
/// the postcode areas of a directory, the regions of a list of addresses, declared catchments, and the two tables of networks.
fn merge_folders(files: Vec<FolderFile>) -> Vec<FolderFile> {
    let parent = |path: &str| {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent.to_string());
        parent.unwrap_or_default()
    };
    let mut by_folder: BTreeMap<String, Vec<FolderFile>> = BTreeMap::new();
    for file in files {
        by_folder.entry(parent(&file.path)).or_default().push(file);
    }
    let mut merged = Vec::new();
    for (folder, files) in by_folder {
        merged.extend(merge_folder(&folder, files));
    }
    merged.sort_by(|one, other| one.path.cmp(&other.path));
    merged
}

fn merge_folder(folder: &str, files: Vec<FolderFile>) -> Vec<FolderFile> {
    let kind_of = |file: &FolderFile| match &file.content {
        FileContent::Known(file) => Some(file.kind.clone()),
        _ => None,
    };
    let folder_path = || match folder {
        "" => ".".to_string(),
        folder => folder.to_string(),
    };
    let table = |kind| Some(FileKind::Table(kind));
    let (details, partners) = (
        table(TableKind::NetworkDetails),
        table(TableKind::NetworkPartners),
    );
    let has = |kind: &Option<FileKind>| files.iter().filter(|file| kind_of(file) == *kind).count();
    if has(&details) == 1 && has(&partners) == 1 {
        let (tables, mut others): (Vec<FolderFile>, Vec<FolderFile>) = files
            .into_iter()
            .partition(|file| [&details, &partners].contains(&&kind_of(file)));
        let newest = tables.iter().filter_map(|file| match &file.content {
            FileContent::Known(file) => file.newest,
            _ => None,
        });
        others.push(FolderFile {
            path: folder_path(),
            content: FileContent::Known(RecognisedFile {
                kind: FileKind::Networks,
                newest: newest.max(),
            }),
        });
        return others;
    }
    let first = files.first().and_then(kind_of);
    let is_mergeable = matches!(
        first,
        Some(
            FileKind::Table(TableKind::CodePointOpen | TableKind::Addresses)
                | FileKind::OnsDirectory(_)
                | FileKind::Catchments
        )
    );
    let are_same = files.iter().all(|file| kind_of(file) == first);
    if !folder.is_empty() && is_mergeable && are_same && files.len() >= FOLDER_SOURCE_MIN {
        let content = files.into_iter().next().map(|file| file.content);
        return content
            .map(|content| FolderFile {
                path: folder.to_string(),
                content,
            })
            .into_iter()
            .collect();
    }
    files
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 11, 30);

    #[test]
    fn the_tables_of_the_embedded_dataset_are_recognised() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/source");
        let files = recognise_folder(&folder, TODAY).expect("a folder");
        let words = |path: &str| {
            let file = files.iter().find(|file| file.path == path);
            match &file.expect(path).content {
                FileContent::Known(known) => known.kind.words(),
                FileContent::Unknown(reason) => format!("not known: {reason}"),
                FileContent::Unreadable(reason) => format!("cannot be read: {reason}"),
            }
        };
        for (path, kind) in [
            ("postcodes.csv", TableKind::PostcodeList),
            ("practices.csv", TableKind::PracticeList),
            (
                "practices_neighbouring.csv",
                TableKind::NeighbouringPractices,
            ),
            ("practice_sites.csv", TableKind::Premises),
            ("practice_sites_former.csv", TableKind::FormerPremises),
            ("pcn_membership.csv", TableKind::NetworkPeriods),
            ("practice_successions.csv", TableKind::SuccessionList),
            ("practice_catchments.csv", TableKind::Shares),
            ("icc_history.csv", TableKind::History),
            ("hierarchy.csv", TableKind::Organisations),
            ("resilience_groups.csv", TableKind::GroupMembers),
            ("councils.csv", TableKind::Councils),
            ("sources.csv", TableKind::Sources),
        ] {
            assert_eq!(words(path), kind.title(), "{path}");
        }
        for (path, expected) in [
            (
                "lsoa11_bsc.geojson",
                "boundaries of LSOAs of 2011 (748 polygons)",
            ),
            (
                "lsoa11_to_lsoa21.csv",
                "look-up between LSOAs of 2011 and 2021",
            ),
        ] {
            assert_eq!(words(path), expected);
        }
        assert!(words("lsoa11_icc.csv").starts_with("LSOAs of "));
    }

    #[test]
    fn the_month_in_a_name_is_the_date_of_a_directory() {
        for (path, expected) in [
            ("Data/ONSPD_MAY_2025_UK.csv", Some("2025-05")),
            ("NSPL_AUG_2026.zip", Some("2026-08")),
            ("onspd.csv", None),
            ("ONSPD_MAI_2025_UK.csv", None),
        ] {
            let found = month_in_name(path).map(|date| date.to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn codes_show_the_level_of_an_area() {
        for (code, expected) in [
            ("E01012571", Some(AreaLevel::Lsoa)),
            ("W02000001", Some(AreaLevel::Msoa)),
            ("E05009999", Some(AreaLevel::Ward)),
            ("E06000063", Some(AreaLevel::Council)),
            ("E38000228", Some(AreaLevel::SubIcb)),
            ("E54000048", Some(AreaLevel::Icb)),
            ("E0101257", None),
            ("E0101257A", None),
            ("K02000001", None),
        ] {
            let mut levels = AreaLevel::ALL.into_iter();
            let found = levels.find(|level| level.has_code(code));
            assert_eq!(found, expected, "{code}");
        }
    }
}
