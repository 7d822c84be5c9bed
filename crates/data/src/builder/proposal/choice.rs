//! What each file of a folder is used for.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::import::onspd::LsoaYear;
use crate::import::recognition::{
    AreaLevel, FileContent, FileKind, FolderFile, GroupColumns, PolygonAttributes, RecognisedFile,
    TableKind, year_in_words,
};
use catchment_core::domain::SourceDate;

/// What a file is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileUse {
    Used,
    /// A comment of the configuration states how to use it in place of another file.
    Alternative,
    Unused,
    Unknown,
}

impl FileUse {
    pub(super) fn words(self) -> &'static str {
        match self {
            FileUse::Used => "used",
            FileUse::Alternative => "alternative",
            FileUse::Unused => "not used",
            FileUse::Unknown => "–",
        }
    }
}

/// A file that is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsedFile<'f> {
    pub(super) path: &'f str,
    pub(super) file: &'f RecognisedFile,
}

/// The files that were chosen.
pub(super) struct Choice<'f> {
    pub(super) files: Vec<(&'f FolderFile, FileUse)>,
    /// Remarks on what the person who runs the build has to decide.
    pub(super) remarks: Vec<String>,
    /// The census of the statistical areas.
    pub(super) year: LsoaYear,
    /// The directory of postcodes, then the alternatives.
    pub(super) directories: Vec<UsedFile<'f>>,
    /// The boundaries of the LSOAs of the census, then the alternatives.
    pub(super) boundaries: Vec<UsedFile<'f>>,
    pub(super) registrations: Vec<UsedFile<'f>>,
    /// The lists of the statistical areas of neighbourhoods.
    pub(super) area_lists: Vec<UsedFile<'f>>,
    /// The lists of the practices of neighbourhoods.
    pub(super) practice_lists: Vec<UsedFile<'f>>,
    /// Polygons with their own ids.
    pub(super) polygons: Vec<UsedFile<'f>>,
    /// The date of the dataset: the newest date of a file, or today.
    pub(super) as_of: Date,
}

impl<'f> Choice<'f> {
    pub(super) fn new(files: &'f [FolderFile], today: Date) -> Choice<'f> {
        let mut choice = Choice {
            files: files
                .iter()
                .map(|file| match file.content {
                    FileContent::Known(_) => (file, FileUse::Unused),
                    _ => (file, FileUse::Unknown),
                })
                .collect(),
            remarks: Vec::new(),
            year: LsoaYear::Lsoa21,
            directories: Vec::new(),
            boundaries: Vec::new(),
            registrations: Vec::new(),
            area_lists: Vec::new(),
            practice_lists: Vec::new(),
            polygons: Vec::new(),
            as_of: today,
        };
        choice.choose_lists();
        choice.choose_year();
        choice.choose_directory();
        choice.choose_boundaries();
        choice.use_others();
        choice.warn_of_dates(today);
        let newest = choice.newest_date().filter(|newest| *newest <= today);
        choice.as_of = newest.unwrap_or(today);
        choice
    }

    /// Returns the known files that `is_wanted` accepts, in order of path.
    pub(super) fn find(&self, is_wanted: impl Fn(&FileKind) -> bool) -> Vec<UsedFile<'f>> {
        let files = self
            .files
            .iter()
            .filter_map(|(file, _)| match &file.content {
                FileContent::Known(known) => Some(UsedFile {
                    path: &file.path,
                    file: known,
                }),
                _ => None,
            });
        files.filter(|file| is_wanted(&file.file.kind)).collect()
    }

    /// Returns the files of a kind of table, the newest first.
    pub(super) fn tables(&self, kind: TableKind) -> Vec<UsedFile<'f>> {
        let mut files = self.find(|found| *found == FileKind::Table(kind));
        newest_first(&mut files);
        files
    }

    /// Returns the newest file of a kind of table.
    pub(super) fn table(&self, kind: TableKind) -> Option<UsedFile<'f>> {
        self.tables(kind).into_iter().next()
    }

    fn mark(&mut self, path: &str, used: FileUse) {
        for (file, current) in &mut self.files {
            if file.path == path {
                *current = used;
            }
        }
    }

    /// Marks the first file as used and the others as alternatives, and adds a remark that lists
    /// the alternatives.
    fn mark_first(&mut self, files: &[UsedFile<'f>], what: &str) {
        for (index, file) in files.iter().enumerate() {
            let used = match index {
                0 => FileUse::Used,
                _ => FileUse::Alternative,
            };
            self.mark(file.path, used);
        }
        if let [first, others @ ..] = files
            && !others.is_empty()
        {
            let others: Vec<String> = others
                .iter()
                .map(|file| format!("`{}`", file.path))
                .collect();
            self.remarks.push(format!(
                "several files have {what}: `{}` is used; {} {} a comment of the configuration",
                first.path,
                others.join(", "),
                if others.len() == 1 { "is in" } else { "are in" },
            ));
        }
    }

    fn choose_lists(&mut self) {
        self.area_lists = self.find(|kind| matches!(kind, FileKind::AreaList(..)));
        self.practice_lists = self.find(|kind| matches!(kind, FileKind::PracticeList(_)));
        self.polygons = self.find(|kind| matches!(kind, FileKind::Polygons(None, _)));
        self.registrations = self.find(|kind| matches!(kind, FileKind::Registrations(_)));
        newest_first(&mut self.registrations);
        let (area_lists, practice_lists) = (self.area_lists.clone(), self.practice_lists.clone());
        self.mark_first(&area_lists, "the LSOAs, MSOAs or wards of neighbourhoods");
        self.mark_first(&practice_lists, "the practices of neighbourhoods");
        let polygons = self.polygons.clone();
        match (area_lists.first(), polygons.first()) {
            (Some(list), Some(_)) => {
                for file in &polygons {
                    self.mark(file.path, FileUse::Alternative);
                }
                self.remarks.push(format!(
                    "the areas of neighbourhoods are in `{}` and in `{}`: the first is used; the \
                     other is in a comment of the configuration",
                    list.path, polygons[0].path
                ));
            }
            _ => self.mark_first(&polygons, "polygons with ids of their own"),
        }
        let registrations = self.registrations.clone();
        self.mark_first(&registrations, "registrations");
    }

    fn boundaries_of(&self, year: LsoaYear) -> Vec<UsedFile<'f>> {
        self.find(|kind| {
            matches!(kind, FileKind::Polygons(Some((AreaLevel::Lsoa, found)), _) if *found == year)
        })
    }

    /// Chooses the census of the statistical areas: that of the only boundaries, or else that of the
    /// registrations, the lists and the directory.
    fn choose_year(&mut self) {
        let years = [LsoaYear::Lsoa21, LsoaYear::Lsoa11];
        let with_boundaries = years.map(|year| !self.boundaries_of(year).is_empty());
        let has_list_of_2021 = self.area_lists.iter().any(|file| {
            matches!(
                file.file.kind,
                FileKind::AreaList(AreaLevel::Lsoa, LsoaYear::Lsoa21, _)
            )
        });
        let of_registrations = self.registrations.first().map(|file| &file.file.kind);
        let (year, reason) = match (with_boundaries, of_registrations) {
            ([true, false], _) => (LsoaYear::Lsoa21, "of the boundaries"),
            ([false, true], _) => (LsoaYear::Lsoa11, "of the boundaries"),
            (_, Some(FileKind::Registrations(year))) => (*year, "of the registrations"),
            _ if has_list_of_2021 => (LsoaYear::Lsoa21, "of the list of neighbourhoods"),
            _ if self.directories_have(LsoaYear::Lsoa21) => {
                (LsoaYear::Lsoa21, "of the postcode directory")
            }
            _ if self.directories_have(LsoaYear::Lsoa11) => {
                (LsoaYear::Lsoa11, "of the postcode directory")
            }
            _ => (LsoaYear::Lsoa21, "the newest"),
        };
        self.year = year;
        if with_boundaries == [true, true] {
            self.remarks.push(format!(
                "there are boundaries of LSOAs of 2011 and of 2021: those of {} are used, which is \
                 the census {reason}; the others are in a comment of the configuration",
                year_in_words(year)
            ));
        }
        if let Some(FileKind::Registrations(LsoaYear::Lsoa21)) = of_registrations
            && year == LsoaYear::Lsoa11
        {
            self.remarks.push(format!(
                "the registrations in `{}` have LSOAs of 2021, the boundaries are of 2011: get the \
                 boundaries of 2021, or the build will report most patients as lost",
                self.registrations[0].path
            ));
        }
        if has_list_of_2021 && year == LsoaYear::Lsoa11 {
            self.remarks.push(format!(
                "the list in `{}` has LSOAs of 2021, the boundaries are of 2011: get the boundaries \
                 of 2021",
                self.area_lists[0].path
            ));
        }
    }

    fn directories_have(&self, year: LsoaYear) -> bool {
        let directories = self.find(|kind| directory_rank(kind).is_some());
        directories
            .iter()
            .any(|file| directory_years(&file.file.kind).contains(&year))
    }

    fn choose_directory(&mut self) {
        let mut directories = self.find(|kind| directory_rank(kind).is_some());
        newest_first(&mut directories);
        let year = self.year;
        directories.sort_by_key(|file| {
            let kind = &file.file.kind;
            (!directory_years(kind).contains(&year), directory_rank(kind))
        });
        self.mark_first(&directories, "postcodes");
        let first = directories.first();
        let years = first.map(|first| directory_years(&first.file.kind));
        if let (Some(first), Some([other, ..])) = (first, years.as_deref())
            && *other != year
            && years.iter().flatten().all(|found| *found != year)
        {
            self.remarks.push(format!(
                "the postcodes in `{}` have only LSOAs of {}, the statistical areas are of {}: the \
                 build will refuse the difference; get files of one census",
                first.path,
                year_in_words(*other),
                year_in_words(year)
            ));
        }
        self.directories = directories;
    }

    fn choose_boundaries(&mut self) {
        let own = self.boundaries_of(self.year);
        self.mark_first(&own, "boundaries of LSOAs of one census");
        let other_year = match self.year {
            LsoaYear::Lsoa11 => LsoaYear::Lsoa21,
            LsoaYear::Lsoa21 => LsoaYear::Lsoa11,
        };
        let others = self.boundaries_of(other_year);
        for file in &others {
            self.mark(file.path, FileUse::Alternative);
        }
        self.boundaries = own.into_iter().chain(others).collect();
    }

    /// Marks the files of the kinds of which every file is used.
    fn use_others(&mut self) {
        const SINGLE_TABLES: [(TableKind, &str); 13] = [
            (TableKind::Epraccur, "practices (epraccur)"),
            (TableKind::PracticeList, "practices"),
            (TableKind::Branches, "branches"),
            (TableKind::NetworkPeriods, "periods in networks"),
            (TableKind::Premises, "premises"),
            (TableKind::FormerPremises, "former premises"),
            (
                TableKind::NeighbouringPractices,
                "practices around the area",
            ),
            (TableKind::Memberships, "memberships"),
            (TableKind::History, "histories of areas"),
            (TableKind::GroupMembers, "members of groups"),
            (TableKind::Shares, "modelled shares"),
            (TableKind::Sources, "lists of sources"),
            (TableKind::Addresses, "addresses with UPRNs"),
        ];
        for (kind, what) in SINGLE_TABLES {
            let files = self.tables(kind);
            self.mark_first(&files, what);
        }
        for kind in [TableKind::Successions, TableKind::SuccessionList] {
            for file in self.tables(kind) {
                self.mark(file.path, FileUse::Used);
            }
        }
        let mut networks = self.find(|kind| *kind == FileKind::Networks);
        newest_first(&mut networks);
        self.mark_first(&networks, "networks");
        for kind in [TableKind::NetworkDetails, TableKind::NetworkPartners] {
            for file in self.tables(kind) {
                self.remarks.push(format!(
                    "`{}` is one of the two tables of networks: put `epcn` and \
                     `epcncorepartnerdetails` into one folder",
                    file.path
                ));
            }
        }
        let organisations = self.organisations();
        self.mark_first(&organisations, "NHS organisations");
        let catchments = self.find(|kind| *kind == FileKind::Catchments);
        self.mark_first(&catchments, "declared catchments");
        let has_lookup = organisations
            .iter()
            .any(|file| matches!(file.file.kind, FileKind::OrganisationLookup(_)));
        for level in ADMINISTRATIVE_LEVELS {
            let has_other = match level {
                AreaLevel::SubIcb | AreaLevel::Icb => !organisations.is_empty(),
                AreaLevel::Council => has_lookup,
                _ => false,
            };
            let used = match has_other {
                true => FileUse::Alternative,
                false => FileUse::Used,
            };
            if let Some(file) = self.polygons_of(level) {
                self.mark(file.path, used);
            }
        }
        if let Some((file, ..)) = self.through_table() {
            self.mark(file.path, FileUse::Used);
        }
        if !self.registrations.is_empty() {
            for file in self.tables(TableKind::Shares) {
                self.mark(file.path, FileUse::Unused);
            }
        }
        let has_areas = !self.area_lists.is_empty() || !self.polygons.is_empty();
        if !self.has_practices() || !(has_areas || self.shares_file().is_some()) {
            for file in self.practice_lists.clone() {
                self.mark(file.path, FileUse::Unused);
            }
        }
        if !self.has_practices() {
            const OF_PRACTICES: [TableKind; 7] = [
                TableKind::Branches,
                TableKind::NetworkPeriods,
                TableKind::Premises,
                TableKind::FormerPremises,
                TableKind::NeighbouringPractices,
                TableKind::Successions,
                TableKind::SuccessionList,
            ];
            let unused = self.find(|kind| match kind {
                FileKind::Table(kind) => OF_PRACTICES.contains(kind),
                other => *other == FileKind::Networks,
            });
            for file in unused {
                self.mark(file.path, FileUse::Unused);
            }
        }
    }

    /// Returns whether there is a directory of practices.
    pub(super) fn has_practices(&self) -> bool {
        self.table(TableKind::Epraccur).is_some() || self.table(TableKind::PracticeList).is_some()
    }

    /// Returns the newest files of NHS organisations: the ONS's look-ups, then tables.
    pub(super) fn organisations(&self) -> Vec<UsedFile<'f>> {
        let mut found = self.find(|kind| matches!(kind, FileKind::OrganisationLookup(_)));
        found.sort_by_key(|file| match &file.file.kind {
            FileKind::OrganisationLookup(columns) => (
                !columns.iter().any(|name| {
                    let year = &year_in_words(self.year)[2..];
                    name.eq_ignore_ascii_case(&format!("LSOA{year}CD"))
                }),
                std::cmp::Reverse(columns.clone()),
            ),
            _ => (true, std::cmp::Reverse(Vec::new())),
        });
        found.extend(self.tables(TableKind::Organisations));
        found
    }

    /// Returns the file of networks.
    pub(super) fn networks(&self) -> Option<UsedFile<'f>> {
        let mut networks = self.find(|kind| *kind == FileKind::Networks);
        newest_first(&mut networks);
        networks.first().copied()
    }

    /// Returns the file that states where the patients of each practice live.
    pub(super) fn shares_file(&self) -> Option<UsedFile<'f>> {
        let registrations = self.registrations.first().copied();
        registrations.or_else(|| self.table(TableKind::Shares))
    }

    /// Returns the first polygon file of a level.
    pub(super) fn polygons_of(&self, level: AreaLevel) -> Option<UsedFile<'f>> {
        let files = self.find(
            |kind| matches!(kind, FileKind::Polygons(Some((found, _)), _) if *found == level),
        );
        files.first().copied()
    }

    /// Returns the look-up from LSOAs to the areas of the list of neighbourhoods, with the columns of
    /// both, if the list is not of LSOAs.
    pub(super) fn through_table(&self) -> Option<(UsedFile<'f>, String, String)> {
        let list = self.area_lists.first()?;
        let FileKind::AreaList(level, ..) = &list.file.kind else {
            return None;
        };
        if *level == AreaLevel::Lsoa {
            return None;
        }
        self.find(|kind| matches!(kind, FileKind::AreaLookup { .. }))
            .into_iter()
            .find_map(|file| match &file.file.kind {
                FileKind::AreaLookup { lsoa, levels } => {
                    let column = levels.iter().find(|(found, _)| found == level)?;
                    Some((file, lsoa.clone(), column.1.clone()))
                }
                _ => None,
            })
    }

    /// Returns the date up to which the newest file has data.
    pub(super) fn newest_date(&self) -> Option<Date> {
        let used = self.files.iter().filter(|(_, used)| *used == FileUse::Used);
        let dates = used.filter_map(|(file, _)| match &file.content {
            FileContent::Known(known) => known.newest,
            _ => None,
        });
        dates.map(last_day).max()
    }

    /// Adds remarks on files that are much older than the others.
    fn warn_of_dates(&mut self, today: Date) {
        let Some(newest) = self.newest_date() else {
            self.remarks.push(
                "no file states its date: set `as_of` to the day up to which the files have data"
                    .into(),
            );
            return;
        };
        if newest > today {
            self.remarks.push(format!(
                "a file states the date {newest}, which is in the future"
            ));
        }
        /// The number of days by which a file may be older than the newest one.
        const AGE_DAYS_MAX: i32 = 366;
        let used = self.files.iter().filter(|(_, used)| *used == FileUse::Used);
        let old: Vec<String> = used
            .filter_map(|(file, _)| match &file.content {
                FileContent::Known(known) => {
                    let date = known.newest?;
                    (date.age_days(newest) > AGE_DAYS_MAX).then(|| {
                        format!(
                            "`{}` has data up to {date}, other files up to {newest}",
                            file.path
                        )
                    })
                }
                _ => None,
            })
            .collect();
        self.remarks.extend(old);
    }
}

/// The levels whose polygons are separate layers.
pub(super) const ADMINISTRATIVE_LEVELS: [AreaLevel; 5] = [
    AreaLevel::SubIcb,
    AreaLevel::Icb,
    AreaLevel::Council,
    AreaLevel::Ward,
    AreaLevel::Msoa,
];

/// Returns the last day of a date.
pub(super) fn last_day(date: SourceDate) -> Date {
    match date {
        SourceDate::Year(_) => date.first_day().last_of_year(),
        SourceDate::Month(_) => date.first_day().last_of_month(),
        SourceDate::Day(day) => day,
    }
}

fn newest_first(files: &mut [UsedFile<'_>]) {
    files.sort_by_key(|file| std::cmp::Reverse(file.file.newest));
}

/// Returns the rank of a directory of postcodes among the directories; `None` for any other file.
fn directory_rank(kind: &FileKind) -> Option<u8> {
    match kind {
        FileKind::OnsDirectory(_) => Some(0),
        FileKind::Table(TableKind::PostcodeList) => Some(1),
        FileKind::NhsDirectory(_) => Some(2),
        FileKind::Table(TableKind::CodePointOpen) => Some(3),
        _ => None,
    }
}

/// Returns the censuses whose LSOAs a directory of postcodes has.
pub(super) fn directory_years(kind: &FileKind) -> Vec<LsoaYear> {
    match kind {
        FileKind::OnsDirectory(years) | FileKind::NhsDirectory(years) => years.clone(),
        FileKind::Table(TableKind::PostcodeList) => vec![LsoaYear::Lsoa11],
        _ => Vec::new(),
    }
}

/// Returns the columns of a list of neighbourhoods.
pub(super) fn group_columns(kind: &FileKind) -> Option<&GroupColumns> {
    match kind {
        FileKind::PracticeList(columns) | FileKind::AreaList(_, _, columns) => Some(columns),
        _ => None,
    }
}

/// Returns the attributes of a polygon file.
pub(super) fn polygon_attributes(kind: &FileKind) -> Option<&PolygonAttributes> {
    match kind {
        FileKind::Polygons(_, attributes) => Some(attributes),
        _ => None,
    }
}

/// Returns the codes of a list of neighbourhoods.
pub(super) fn codes_of<'c>(file: Option<&UsedFile<'c>>) -> Option<&'c BTreeSet<String>> {
    group_columns(&file?.file.kind).map(|columns| &columns.codes)
}
