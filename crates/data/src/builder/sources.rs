//! Reads and merges the published files of a build.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use geo::{Centroid, Coord};
use jiff::civil::Date;

use super::BuildProgress;
use super::config::{
    self, BuildConfig, NestedParts, PostcodeDirectoryFile, PostcodeFormat, PracticeDirectoryFile,
    PracticeFormat, SourcesConfig, SuccessionFile, SuccessionFormat, first_with_role,
};
use super::source_dates::check_dates;
use super::source_report::{RowTally, SourceReport};
use crate::dataset::boundary::{boundary_from_polygons, vertex_lonlat};
use crate::dataset::manifest::SourceTable;
use crate::dataset::{self, SourceEntry};
use crate::formats::{Crs, PolygonFile};
use crate::import::area_changes::{self, AreaChanges};
use crate::import::area_history::{self, AreaHistoryRecord};
use crate::import::ebranchs::{self, BranchSurgery};
use crate::import::onspd::{self, LsoaYear};
use crate::import::polygons::{self as polygon_files, PolygonImport};
use crate::import::practice_list::{self, NetworkPeriod, PracticeRecord};
use crate::import::{
    PostcodeRecord, SourceFiles, code_point_open, epcn, epraccur, nhspd, postcode_list,
    read_whole_file, source_list, succ,
};
use crate::plural::count_with_noun;
use catchment_core::domain::{
    BritishGrid, DirectoryStatus, FormerPremises, GroupMember, Layer, LayerRole, LonLat,
    Membership, NeighbouringPractice, OdsCode, PatientCount, Period, Postcode, PracticeSuccession,
    Premises, PremisesKind, StatisticalAreaCode,
};
use catchment_core::geodesy;
use catchment_core::geometry::rings::{Polygon, Ring};

/// The degrees in published files and in the dataset have 7 decimal places, a precision of about a
/// centimetre.
const PUBLISHED_UNITS_PER_DEGREE: f64 = 1e7;
/// The name of the source of branch surgeries in the tables of premises.
const BRANCHES_SOURCE: &str = "NHS ODS ebranchs";
/// The number of units of `formats::coordinates` (1e-9°) in a published unit (1e-7°).
const UNITS_PER_PUBLISHED_UNIT: i64 = 100;

/// The reasons for which a row about a practice is not used.
const OTHER_SUB_ICB: &str = "practices of other sub-ICB locations";
pub(super) const UNLISTED_PRACTICE: &str = "the practice is in no list of practices";

/// The contents of the published files.
pub(super) struct SourceData {
    base: PathBuf,
    /// The number of bytes that have been read from the files.
    bytes_read: Arc<AtomicU64>,
    /// The postcodes, in order.
    pub(super) postcodes: Vec<PostcodeRecord>,
    pub(super) statistical_areas: BTreeMap<String, StatisticalArea>,
    /// The practices, in order of code.
    pub(super) practices: Vec<PracticeRecord>,
    pub(super) premises: Vec<Premises>,
    pub(super) successions: Vec<PracticeSuccession>,
    /// The buildings that practices used in the past.
    pub(super) former_premises: Vec<FormerPremises>,
    /// The practices just outside the area of the dataset.
    pub(super) neighbouring_practices: Vec<NeighbouringPractice>,
    /// The periods in which practices belonged to Primary Care Networks, in order of practice and
    /// first day.
    pub(super) network_periods: Vec<NetworkPeriod>,
    pub(super) history: Vec<AreaHistoryRecord>,
    /// Changes of areas on known days, in order of date.
    pub(super) changes: AreaChanges,
    /// The memberships in the file that the configuration specifies.
    pub(super) memberships: Vec<Membership>,
    /// Organisations that prescribe but have no registered patients, in order of code.
    pub(super) not_gp_practices: Vec<OdsCode>,
    /// The published works from which the dataset is built.
    pub(super) works: Vec<SourceEntry>,
    /// The codes of all practices in the directories, before the selection by sub-ICB location.
    pub(super) listed_practices: BTreeSet<OdsCode>,
    /// The newest published number of patients of each statistical area and practice.
    pub(super) patient_counts: BTreeMap<(StatisticalAreaCode, OdsCode), PatientCount>,
    /// The reports of the sources: for each source, what was read and used, and what was not used
    /// and why.
    pub(super) reports: Vec<SourceReport>,
    /// Remarks about the polygons for the person who runs the build.
    pub(super) remarks: Vec<String>,
}

/// A statistical area. Its polygons are in units of 1e-9°.
pub(super) struct StatisticalArea {
    pub(super) name: String,
    pub(super) sub_icb: Option<String>,
    pub(super) polygons: Vec<Polygon>,
}

impl StatisticalArea {
    /// Returns the local authority district, which is the area's name without the last word: `South
    /// Lakeland` for `South Lakeland 001A`.
    pub(super) fn district(&self) -> &str {
        self.name
            .rsplit_once(' ')
            .map_or(&self.name, |(district, _)| district)
    }
}

impl SourceData {
    /// Returns empty source data. Paths are relative to `base`.
    pub(super) fn new(base: &Path, bytes_read: Arc<AtomicU64>) -> SourceData {
        SourceData {
            base: base.into(),
            bytes_read,
            postcodes: Vec::new(),
            statistical_areas: BTreeMap::new(),
            practices: Vec::new(),
            premises: Vec::new(),
            successions: Vec::new(),
            former_premises: Vec::new(),
            neighbouring_practices: Vec::new(),
            network_periods: Vec::new(),
            history: Vec::new(),
            changes: AreaChanges::default(),
            memberships: Vec::new(),
            not_gp_practices: Vec::new(),
            works: Vec::new(),
            listed_practices: BTreeSet::new(),
            patient_counts: BTreeMap::new(),
            reports: Vec::new(),
            remarks: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn set_base(&mut self, base: &Path) {
        self.base = base.into();
    }

    /// Reads every file in the configuration. Paths are relative to `base`.
    pub(super) fn read(
        base: &Path,
        config: &BuildConfig,
        progress: &mut BuildProgress<'_>,
    ) -> Result<SourceData> {
        let on_stage = &mut progress.on_stage;
        let mut sources = SourceData::new(base, Arc::clone(&progress.bytes_read));
        sources.read_works(config)?;
        on_stage("reading postcodes");
        sources.read_postcodes(&config.postcodes)?;
        if let Some(statistical) = &config.statistical_areas {
            on_stage("reading statistical areas");
            sources.read_statistical_areas(statistical)?;
        }
        on_stage("reading practices");
        let day = config.as_of;
        sources.read_practices(&config.practices, day)?;
        if let Some(memberships) = &config.memberships {
            let bytes = sources.read_bytes(memberships)?;
            let practice_layer = first_with_role(&config.layers, LayerRole::PracticeCatchment);
            let file = display_path(memberships);
            sources.memberships = dataset::read_memberships(&file, &bytes, practice_layer)?;
            sources.report_rows(memberships, "memberships", sources.memberships.len());
            if let Some(layer) = first_with_role(&config.layers, LayerRole::Community) {
                sources.apply_listed_communities(layer, day);
            }
        }
        if let Some(history) = &config.history {
            sources.history =
                area_history::read(&display_path(history), &sources.read_bytes(history)?)?;
            let mut report = SourceReport::new(
                display_path(history),
                "history of areas",
                sources.history.len(),
            );
            let mut other_layers = RowTally::default();
            for record in &sources.history {
                if !config.layers.iter().any(|layer| layer.id == record.layer) {
                    other_layers.add(|| format!("{} `{}`", record.layer, record.id));
                }
            }
            report.not_needed("the configuration does not have the layer", other_layers);
            sources.reports.push(report);
        }
        if let Some(changes) = &config.changes {
            let file = display_path(changes);
            sources.changes = area_changes::read(&file, &sources.read_bytes(changes)?)?;
            sources.report_rows(changes, "changes of areas", sources.changes.rows.len());
        }
        Ok(sources)
    }

    /// Sets the community of each practice in the memberships file to the community in which the
    /// file lists the practice on `day`, or to `None` if the file lists no community on this day.
    /// `layer` is the main layer of communities.
    fn apply_listed_communities(&mut self, layer: Layer, day: Date) {
        for record in &mut self.practices {
            let member = GroupMember::Practice(record.practice.code);
            let own_memberships = self
                .memberships
                .iter()
                .filter(|membership| membership.member == member && membership.layer == layer);
            let mut own_memberships = own_memberships.peekable();
            if own_memberships.peek().is_some() {
                record.community = own_memberships
                    .find(|membership| membership.period.contains(day))
                    .and_then(|membership| membership.group.clone());
            }
        }
    }

    /// Reads a whole file.
    pub(super) fn read_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = read_whole_file(&self.base.join(path))
            .with_context(|| format!("reading {}", path.display()))?;
        self.bytes_read
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    /// Reads the published works that the configuration lists, and checks the dates of the layers
    /// and directories against them.
    fn read_works(&mut self, config: &BuildConfig) -> Result<()> {
        self.works = match &config.sources {
            SourcesConfig::File(path) => {
                source_list::read(&display_path(path), &self.read_bytes(path)?)?
            }
            SourcesConfig::List(list) => {
                let works = list.iter().cloned().map(SourceTable::into_entry);
                let works: Result<Vec<SourceEntry>, String> = works.collect();
                works.map_err(|reason| anyhow!(reason))?
            }
        };
        check_dates(config, &self.works)
    }

    fn read_postcodes(&mut self, config: &config::PostcodesConfig) -> Result<()> {
        let mut merged: BTreeMap<_, PostcodeRecord> = BTreeMap::new();
        // For each postcode, the report of the directory that lists it first.
        let mut first_reports: HashMap<Postcode, usize> = HashMap::new();
        for directory in &config.directories {
            let rows = self.read_postcode_directory(directory)?;
            ensure_unique(&directory.file, rows.iter().map(|row| row.postcode))?;
            let report = self.reports.len() - 1;
            let mut listed_before = RowTally::default();
            for row in rows {
                match merged.get_mut(&row.postcode) {
                    Some(earlier) => {
                        listed_before.add(|| row.postcode.to_string());
                        fill_blanks(earlier, row);
                    }
                    None => {
                        first_reports.insert(row.postcode, report);
                        merged.insert(row.postcode, row);
                    }
                }
            }
            self.reports[report].not_needed(
                "in an earlier directory, whose blank fields they fill",
                listed_before,
            );
        }
        if config.complete && has_only_live_postcodes(config) {
            self.warn_no_terminated_postcodes();
        }
        let touching = &config.outcodes_touching_sub_icb;
        let rows: Vec<PostcodeRecord> = merged.into_values().collect();
        let count = count_with_noun(rows.len(), "postcode", "postcodes");
        // Directories identify sub-ICB locations by ODS codes or by GSS codes, or do not state
        // sub-ICB locations at all.
        let first = rows
            .iter()
            .find_map(|row| Some((row.postcode, row.sub_icb.clone()?)));
        self.postcodes = filter_touching_outcodes(rows, touching);
        self.report_unselected(first_reports);
        if self.postcodes.is_empty() {
            let first = match first {
                Some((postcode, sub_icb)) => format!("the first, {postcode}, is in `{sub_icb}`"),
                None => "none has a sub-ICB location".to_string(),
            };
            bail!(
                "[postcodes]: no postcodes are selected of {count}; {first}; check \
                 outcodes_touching_sub_icb"
            );
        }
        Ok(())
    }

    /// Reports the postcodes that are not selected, and the postcodes without a position.
    fn report_unselected(&mut self, mut first_reports: HashMap<Postcode, usize>) {
        let mut without_position: BTreeMap<usize, u64> = BTreeMap::new();
        for row in &self.postcodes {
            if let Some(report) = first_reports.remove(&row.postcode)
                && row.position.is_none()
            {
                *without_position.entry(report).or_default() += 1;
            }
        }
        let mut unselected: BTreeMap<usize, RowTally> = BTreeMap::new();
        let mut rest: Vec<(Postcode, usize)> = first_reports.into_iter().collect();
        rest.sort_unstable();
        for (postcode, report) in rest {
            let tally = unselected.entry(report).or_default();
            tally.add(|| postcode.to_string());
        }
        for (report, tally) in unselected {
            let reason = "the outward code has no postcode in outcodes_touching_sub_icb";
            self.reports[report].not_needed(reason, tally);
        }
        for (report, count) in without_position {
            let note = format!("{count} of the postcodes that are used have no position");
            self.reports[report].notes.push(note);
        }
    }

    /// Adds the report of a table whose rows are all used.
    fn report_rows(&mut self, file: &Path, purpose: &str, rows: usize) {
        let report = SourceReport::new(display_path(file), purpose, rows);
        self.reports.push(report);
    }

    fn warn_no_terminated_postcodes(&mut self) {
        if let Some(report) = self.reports.last_mut() {
            report.notes.push(
                "the file has only live postcodes, so a terminated postcode gets the answer that \
                 it is unknown; add an ONS directory, or set `complete = false`"
                    .into(),
            );
        }
    }

    fn read_postcode_directory(
        &mut self,
        directory: &PostcodeDirectoryFile,
    ) -> Result<Vec<PostcodeRecord>> {
        let file = &directory.file;
        let is_nhspd = matches!(
            directory.format,
            PostcodeFormat::NhspdLsoa11 | PostcodeFormat::NhspdLsoa21
        );
        if directory.columns.is_some() && !is_nhspd {
            bail!(
                "{}: only the formats `nhspd-lsoa11` and `nhspd-lsoa21` have `columns`, because \
                 their columns have no names",
                display_path(file)
            );
        }
        let lsoa = match directory.format {
            PostcodeFormat::PostcodeList => {
                let rows = postcode_list::read(&display_path(file), &self.read_bytes(file)?)?;
                self.report_rows(file, "postcodes", rows.len());
                return Ok(rows);
            }
            PostcodeFormat::CodePointOpen => None,
            PostcodeFormat::OnspdLsoa11 | PostcodeFormat::NhspdLsoa11 => Some(LsoaYear::Lsoa11),
            PostcodeFormat::OnspdLsoa21 | PostcodeFormat::NhspdLsoa21 => Some(LsoaYear::Lsoa21),
        };
        let mut source_files = self.open_source_files(file)?;
        let (rows, report) = match lsoa {
            None => code_point_open::read(&mut source_files)?,
            Some(lsoa) if is_nhspd => {
                let columns = directory.columns.unwrap_or_default();
                nhspd::read(&mut source_files, lsoa, columns)?
            }
            Some(lsoa) => onspd::read(&mut source_files, lsoa)?,
        };
        let report = SourceReport::from_import(display_path(file), "postcodes", &report);
        self.reports.push(report);
        Ok(rows)
    }

    /// Opens the file, folder or archive at `path`.
    pub(super) fn open_source_files(&self, path: &Path) -> Result<SourceFiles> {
        let source_files = SourceFiles::open(&self.base.join(path))?;
        Ok(source_files.with_byte_counter(Arc::clone(&self.bytes_read)))
    }

    /// Reads and validates the polygons of a file in any supported format. Returns the polygons and
    /// remarks about the file.
    pub(super) fn read_polygons(
        &self,
        path: &Path,
        import: &PolygonImport<'_>,
    ) -> Result<(PolygonFile, Vec<String>)> {
        let file = polygon_files::read_with(&self.base.join(path), import)?;
        let remarks = file.remarks.iter();
        let remarks = remarks
            .map(|remark| format!("{}: {remark}", file.name))
            .collect();
        Ok((file, remarks))
    }

    fn read_statistical_areas(&mut self, config: &config::StatisticalAreasConfig) -> Result<()> {
        let import = PolygonImport {
            layer: None,
            crs: config.crs,
            nested_parts_to_holes: config.nested_parts == NestedParts::Holes,
            repair: config.repair,
        };
        let (file, remarks) = self.read_polygons(&config.boundaries, &import)?;
        self.remarks.extend(remarks);
        self.report_rows(&config.boundaries, "statistical areas", file.features.len());
        for feature in &file.features {
            let code = file.attribute(feature, &config.code)?.trim().to_string();
            let sub_icb = config
                .sub_icb
                .as_ref()
                .map(|column| file.attribute(feature, column));
            let area = StatisticalArea {
                name: file.attribute(feature, &config.name)?.to_string(),
                sub_icb: sub_icb.transpose()?.map(str::to_string),
                polygons: to_published_precision(file.crs, &feature.polygons)
                    .with_context(|| format!("{}, feature {}", file.name, feature.ordinal))?,
            };
            if self.statistical_areas.insert(code.clone(), area).is_some() {
                bail!(
                    "{}, feature {}: `{code}` occurs twice",
                    file.name,
                    feature.ordinal
                );
            }
        }
        Ok(())
    }

    fn read_practices(&mut self, config: &config::PracticesConfig, day: Date) -> Result<()> {
        let mut merged: BTreeMap<OdsCode, PracticeRecord> = BTreeMap::new();
        for directory in &config.directories {
            let rows = self.read_practice_directory(directory)?;
            ensure_unique(&directory.file, rows.iter().map(|row| row.practice.code))?;
            let (mut listed_before, mut elsewhere) = (RowTally::default(), RowTally::default());
            for row in rows {
                let code = row.practice.code;
                if !self.listed_practices.insert(code) {
                    listed_before.add(|| code.to_string());
                    continue;
                }
                if !matches_filter(row.practice.sub_icb.as_ref(), &config.sub_icb) {
                    elsewhere.add(|| code.to_string());
                }
                merged.insert(code, row);
            }
            if let Some(report) = self.reports.last_mut() {
                report.not_needed("in an earlier directory", listed_before);
                report.not_needed(OTHER_SUB_ICB, elsewhere);
            }
        }
        self.practices = merged.into_values().collect();
        self.practices
            .retain(|record| matches_filter(record.practice.sub_icb.as_ref(), &config.sub_icb));
        if let Some(networks) = &config.networks {
            self.read_networks(networks, &config.sub_icb, day)?;
        }
        let known_practices: BTreeSet<OdsCode> = self
            .practices
            .iter()
            .map(|record| record.practice.code)
            .collect();
        if let Some(file) = &config.network_periods {
            let bytes = self.read_bytes(file)?;
            let rows = practice_list::read_network_periods(&display_path(file), &bytes)?;
            self.network_periods =
                self.retain_known(file, "periods in networks", rows, |row| row.practice);
        }
        if let Some(file) = &config.former_sites {
            let bytes = self.read_bytes(file)?;
            let rows = practice_list::read_former_premises(&display_path(file), &bytes)?;
            self.former_premises =
                self.retain_known(file, "former premises", rows, |site| site.practice);
        }
        if let Some(file) = &config.neighbouring {
            let bytes = self.read_bytes(file)?;
            let rows = practice_list::read_neighbouring(&display_path(file), &bytes)?;
            ensure_unique(file, rows.iter().map(|row| row.practice.code))?;
            let mut report =
                SourceReport::new(display_path(file), "neighbouring practices", rows.len());
            let mut known = RowTally::default();
            for row in &rows {
                if known_practices.contains(&row.practice.code) {
                    known.add(|| row.practice.code.to_string());
                }
            }
            report.not_needed("practices of the dataset", known);
            self.reports.push(report);
            let rows = rows.into_iter();
            self.neighbouring_practices = rows
                .filter(|row| !known_practices.contains(&row.practice.code))
                .collect();
        }
        if let Some(sites) = &config.sites {
            let rows =
                practice_list::read_premises(&display_path(sites), &self.read_bytes(sites)?)?;
            self.premises = self.retain_known(sites, "premises", rows, |site| site.practice);
        }
        self.add_main_addresses();
        if let Some(file) = &config.branches {
            let (branches, import) = ebranchs::read(&mut self.open_source_files(file)?)?;
            let mut report = SourceReport::new(display_path(file), "branches", branches.len());
            report.add_rejected(&import);
            let branches = self.known_rows(&mut report, branches, |branch| branch.practice);
            self.add_branches(branches, report, config, day);
        }
        let mut successions = BTreeMap::new();
        for file in &config.successions {
            let rows = self.read_successions(file)?.into_iter();
            successions.extend(rows.map(|step| ((step.predecessor, step.successor), step)));
        }
        self.successions = successions.into_values().collect();
        Ok(())
    }

    fn read_practice_directory(
        &mut self,
        directory: &PracticeDirectoryFile,
    ) -> Result<Vec<PracticeRecord>> {
        let file = &directory.file;
        match directory.format {
            PracticeFormat::PracticeList => {
                let rows =
                    practice_list::read_practices(&display_path(file), &self.read_bytes(file)?)?;
                self.report_rows(file, "practices", rows.len());
                Ok(rows)
            }
            PracticeFormat::Epraccur => {
                let (centres, report) = epraccur::read(&mut self.open_source_files(file)?)?;
                let report = SourceReport::from_import(display_path(file), "practices", &report);
                self.reports.push(report);
                self.not_gp_practices.extend(centres.not_gp_practices);
                let positions = self.postcode_positions();
                let records = centres
                    .practices
                    .into_iter()
                    .map(|practice| PracticeRecord {
                        position: practice
                            .postcode
                            .and_then(|postcode| positions.get(&postcode).copied()),
                        practice,
                        community: None,
                        pcn_name: None,
                    });
                Ok(records.collect())
            }
        }
    }

    fn postcode_positions(&self) -> HashMap<Postcode, BritishGrid> {
        let rows = self.postcodes.iter();
        rows.filter_map(|row| Some((row.postcode, row.position?)))
            .collect()
    }

    /// Returns the code of the statistical area of each postcode.
    pub(super) fn statistical_area_codes(&self) -> HashMap<Postcode, &str> {
        let rows = self.postcodes.iter();
        rows.filter_map(|row| Some((row.postcode, row.statistical_area.as_deref()?)))
            .collect()
    }

    fn read_successions(
        &mut self,
        succession_file: &SuccessionFile,
    ) -> Result<Vec<PracticeSuccession>> {
        let file = &succession_file.file;
        match succession_file.format {
            SuccessionFormat::SuccessionList => {
                let bytes = self.read_bytes(file)?;
                let rows = practice_list::read_successions(&display_path(file), &bytes)?;
                Ok(self.retain_known(file, "successions", rows, |step| step.predecessor))
            }
            SuccessionFormat::Succ => {
                let (mut rows, report) = succ::read(&mut [&mut self.open_source_files(file)?])?;
                let mut report =
                    SourceReport::from_import(display_path(file), "successions", &report);
                // The file contains all organisations of the NHS, not only practices.
                let mut others = RowTally::default();
                rows.retain(|step| {
                    let is_known = self.is_known_practice(step.predecessor);
                    if !is_known {
                        others.add(|| step.predecessor.to_string());
                    }
                    is_known
                });
                report.not_needed("the predecessor is not a practice of the dataset", others);
                self.reports.push(report);
                Ok(rows)
            }
        }
    }

    /// Returns the practice with this code, if it is in the dataset.
    pub(super) fn find_practice(&self, code: OdsCode) -> Option<&PracticeRecord> {
        let found = self
            .practices
            .binary_search_by_key(&code, |record| record.practice.code);
        found.ok().map(|index| &self.practices[index])
    }

    /// Returns whether a practice is in the dataset.
    pub(super) fn is_known_practice(&self, code: OdsCode) -> bool {
        self.find_practice(code).is_some()
    }

    /// Returns the rows about practices in the dataset, and reports the other rows. Rows about
    /// practices that no directory lists are reported as lost.
    fn retain_known<T>(
        &mut self,
        file: &Path,
        purpose: &str,
        rows: Vec<T>,
        practice_of: impl Fn(&T) -> OdsCode,
    ) -> Vec<T> {
        let mut report = SourceReport::new(display_path(file), purpose, rows.len());
        let known = self.known_rows(&mut report, rows, practice_of);
        self.reports.push(report);
        known
    }

    /// Returns the rows about practices in the dataset, and adds the other rows to a report.
    pub(super) fn known_rows<T>(
        &self,
        report: &mut SourceReport,
        mut rows: Vec<T>,
        practice_of: impl Fn(&T) -> OdsCode,
    ) -> Vec<T> {
        let (mut unlisted, mut elsewhere) = (RowTally::default(), RowTally::default());
        let mut other_organisations = RowTally::default();
        rows.retain(|row| {
            let code = practice_of(row);
            if self.is_known_practice(code) {
                return true;
            }
            let tally = if self.listed_practices.contains(&code) {
                &mut elsewhere
            } else if self.not_gp_practices.contains(&code) {
                &mut other_organisations
            } else {
                &mut unlisted
            };
            tally.add(|| code.to_string());
            false
        });
        report.not_needed(OTHER_SUB_ICB, elsewhere);
        report.not_needed(
            "organisations that are not GP practices",
            other_organisations,
        );
        report.lost(UNLISTED_PRACTICE, unlisted);
        rows
    }

    /// Reads the Primary Care Network of each practice on `day`.
    fn read_networks(&mut self, file: &Path, sub_icbs: &[String], day: Date) -> Result<()> {
        let (networks, import) = epcn::read(&self.base.join(file))?;
        let memberships = networks.memberships.len();
        let mut report = SourceReport::new(display_path(file), "networks", memberships);
        report.add_rejected(&import);
        // A file of the whole country may be newer than the directory, and have practices elsewhere that
        // the directory lacks.
        let pcns = networks.pcns.iter();
        let pcns_elsewhere: BTreeSet<OdsCode> = pcns
            .filter(|pcn| pcn.sub_icb.is_some() && !matches_filter(pcn.sub_icb.as_ref(), sub_icbs))
            .map(|pcn| pcn.code)
            .collect();
        let pcn_names: HashMap<OdsCode, String> = networks
            .pcns
            .into_iter()
            .map(|pcn| (pcn.code, pcn.name))
            .collect();
        let mut other_days = RowTally::default();
        let mut memberships = networks.memberships;
        memberships.retain(|membership| {
            let is_current = membership.period.contains(day);
            if !is_current {
                other_days.add(|| membership.practice.to_string());
            }
            is_current
        });
        report.not_needed(
            "memberships that are not valid on the date of the dataset",
            other_days,
        );
        let mut elsewhere = RowTally::default();
        memberships.retain(|row| {
            let is_elsewhere =
                pcns_elsewhere.contains(&row.pcn) && !self.listed_practices.contains(&row.practice);
            if is_elsewhere {
                elsewhere.add(|| row.practice.to_string());
            }
            !is_elsewhere
        });
        report.not_needed("networks of other sub-ICB locations", elsewhere);
        let memberships = self.known_rows(&mut report, memberships, |row| row.practice);
        self.reports.push(report);
        let pcn_by_practice: HashMap<OdsCode, OdsCode> = memberships
            .into_iter()
            .map(|membership| (membership.practice, membership.pcn))
            .collect();
        for record in &mut self.practices {
            if let Some(pcn) = pcn_by_practice.get(&record.practice.code) {
                record.practice.pcn = Some(pcn.to_string());
                record.pcn_name = pcn_names.get(pcn).cloned();
            }
        }
        Ok(())
    }

    /// Returns the last successor of a practice up to `day`, or the practice itself if it has no
    /// successor by then.
    pub(super) fn successor_on(&self, practice: OdsCode, day: Date) -> OdsCode {
        let mut current = practice;
        // The number of steps is limited, because successions can form a cycle.
        for _ in 0..self.successions.len() {
            let steps = self.successions.iter();
            match steps
                .clone()
                .find(|step| step.predecessor == current && step.from <= day)
            {
                Some(step) => current = step.successor,
                None => break,
            }
        }
        current
    }

    /// For each practice without premises, adds the practice's address as its premises.
    fn add_main_addresses(&mut self) {
        let with_premises: BTreeSet<OdsCode> =
            self.premises.iter().map(|site| site.practice).collect();
        let without_premises = self
            .practices
            .iter()
            .filter(|record| !with_premises.contains(&record.practice.code));
        let addresses = without_premises.filter_map(
            |PracticeRecord {
                 practice, position, ..
             }| {
                Some(Premises {
                    practice: practice.code,
                    kind: PremisesKind::Main,
                    postcode: practice.postcode,
                    position: (*position)?,
                    name: Some(practice.name.clone()),
                    as_of: practice.as_of,
                    source: None,
                })
            },
        );
        self.premises.extend(addresses.collect::<Vec<_>>());
        self.premises.sort_by_key(|site| site.practice);
    }

    /// Adds branches to the premises of practices. Branches that are open on `day` become premises,
    /// and branches that had closed by `day` become former premises. Adds the other branches to a
    /// report.
    fn add_branches(
        &mut self,
        branches: Vec<BranchSurgery>,
        mut report: SourceReport,
        config: &config::PracticesConfig,
        day: Date,
    ) {
        let positions = self.postcode_positions();
        let sites = self.premises.iter();
        let mut premises_known: BTreeSet<(OdsCode, Option<Postcode>)> =
            sites.map(|site| (site.practice, site.postcode)).collect();
        let sites = self.former_premises.iter();
        let mut former_known: BTreeSet<(OdsCode, Option<Postcode>)> =
            sites.map(|site| (site.practice, site.postcode)).collect();
        let (closed, open): (Vec<BranchSurgery>, Vec<BranchSurgery>) = branches
            .into_iter()
            .partition(|branch| branch.had_closed(day));
        let (mut later, mut listed) = (RowTally::default(), RowTally::default());
        let (mut listed_before, mut without_position) = (RowTally::default(), RowTally::default());
        // Open branches come first, because a building that is in use is not former premises.
        for branch in open.into_iter().chain(closed) {
            let site = (branch.practice, branch.postcode);
            let position = branch
                .postcode
                .and_then(|postcode| positions.get(&postcode));
            let is_closed = branch.had_closed(day);
            let tally = match position {
                _ if branch.opens_after(day) => &mut later,
                _ if premises_known.contains(&site) => &mut listed,
                _ if is_closed && former_known.contains(&site) => &mut listed_before,
                _ if is_closed => {
                    former_known.insert(site);
                    self.former_premises.push(FormerPremises {
                        practice: branch.practice,
                        postcode: branch.postcode,
                        name: branch.name,
                        held_as: "branch".into(),
                        reason: match branch.closed {
                            Some(closed) => format!("ODS closed it as a branch on {closed}"),
                            None => "ODS closed it as a branch".into(),
                        },
                        source: BRANCHES_SOURCE.into(),
                    });
                    continue;
                }
                Some(position) => {
                    premises_known.insert(site);
                    self.premises.push(Premises {
                        practice: branch.practice,
                        kind: PremisesKind::Branch,
                        postcode: branch.postcode,
                        position: *position,
                        name: Some(branch.name),
                        as_of: config.data_as_of,
                        source: Some(BRANCHES_SOURCE.into()),
                    });
                    continue;
                }
                None => &mut without_position,
            };
            tally.add(|| format!("{} of {}", branch.name, branch.practice));
        }
        report.not_needed("branches that open after the date of the dataset", later);
        report.not_needed("branches at a listed address of their practice", listed);
        report.not_needed("closed branches at a listed former address", listed_before);
        report.lost(
            "branches whose postcode has no position in the directories",
            without_position,
        );
        self.premises.sort_by_key(|site| site.practice);
        self.former_premises
            .sort_by_key(|site| (site.practice, site.postcode));
        self.reports.push(report);
    }

    fn live_postcodes(&self) -> impl Iterator<Item = &PostcodeRecord> {
        let rows = self.postcodes.iter();
        rows.filter(|row| row.status == DirectoryStatus::Live)
    }

    /// Returns the centroid of the live postcodes of each statistical area, or the centroid of the
    /// area's polygons if it has no live postcodes.
    pub(super) fn postcode_centroids(&self) -> Result<BTreeMap<&str, BritishGrid>> {
        let mut sums: HashMap<&str, (f64, f64, f64)> = HashMap::new();
        for row in self.live_postcodes() {
            if let (Some(code), Some(position)) = (&row.statistical_area, row.position) {
                let sum = sums.entry(code).or_default();
                sum.0 += position.easting_m();
                sum.1 += position.northing_m();
                sum.2 += 1.0;
            }
        }
        let mut centres = BTreeMap::new();
        for (code, area) in &self.statistical_areas {
            let centre = match sums.get(code.as_str()) {
                Some((easting, northing, count)) => {
                    BritishGrid::from_metres(easting / count, northing / count)?
                }
                None => {
                    polygon_centroid(area).with_context(|| format!("statistical area `{code}`"))?
                }
            };
            centres.insert(code.as_str(), centre);
        }
        Ok(centres)
    }
}

/// Returns the name of a file for error messages.
pub(super) fn display_path(path: &Path) -> String {
    path.display().to_string()
}

/// Returns whether `code` is in `codes`. An empty list matches every code.
pub(super) fn matches_filter(code: Option<&String>, codes: &[String]) -> bool {
    codes.is_empty() || code.is_some_and(|code| codes.contains(code))
}

/// Returns whether all directories are OS Code-Point Open, which contains no terminated postcodes.
fn has_only_live_postcodes(config: &config::PostcodesConfig) -> bool {
    let directories = &config.directories;
    directories
        .iter()
        .all(|file| matches!(file.format, PostcodeFormat::CodePointOpen))
}

/// Returns an error if a file lists a code twice. Several files may list the same code, because the
/// files complement each other.
fn ensure_unique<T: Ord + Copy + fmt::Display>(
    file: &Path,
    codes: impl Iterator<Item = T>,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    for code in codes {
        if !seen.insert(code) {
            bail!("{}: `{code}` is listed twice", display_path(file));
        }
    }
    Ok(())
}

/// Fills in the fields that are blank in the earlier directory's record from the later record.
fn fill_blanks(earlier: &mut PostcodeRecord, later: PostcodeRecord) {
    if earlier.position.is_none() {
        earlier.position = later.position;
        earlier.positional_quality = later.positional_quality;
    }
    earlier.is_large_user |= later.is_large_user;
    earlier.introduced = earlier.introduced.or(later.introduced);
    let is_ended = earlier.status == DirectoryStatus::Terminated;
    earlier.termination = earlier
        .termination
        .or(later.termination.filter(|_| is_ended));
    let (codes, later_codes) = (&mut earlier.codes, later.codes);
    codes.council = codes.council.or(later_codes.council);
    if codes.lsoa21.is_none() {
        codes.lsoa21 = later_codes.lsoa21;
        codes.is_lsoa21_by_polygon = later_codes.is_lsoa21_by_polygon;
    }
    if earlier.statistical_area.is_none() {
        earlier.statistical_area = later.statistical_area;
        codes.is_statistical_area_by_polygon = later_codes.is_statistical_area_by_polygon;
    }
    earlier.sub_icb = earlier.sub_icb.take().or(later.sub_icb);
}

fn filter_touching_outcodes(rows: Vec<PostcodeRecord>, sub_icbs: &[String]) -> Vec<PostcodeRecord> {
    let touching: BTreeSet<String> = rows
        .iter()
        .filter(|row| matches_filter(row.sub_icb.as_ref(), sub_icbs))
        .map(|row| row.postcode.outcode().to_string())
        .collect();
    rows.into_iter()
        .filter(|row| touching.contains(row.postcode.outcode()))
        .collect()
}

/// Converts polygons to longitude and latitude, rounded to the published precision.
fn to_published_precision(crs: Crs, polygons: &[Polygon]) -> Result<Vec<Polygon>> {
    let vertex = |&vertex: &Coord<i64>| -> Result<Coord<i64>> {
        let (lon, lat) =
            vertex_lonlat(crs, vertex).context("a vertex is outside the British National Grid")?;
        Ok(Coord {
            x: round_to_published_units(lon),
            y: round_to_published_units(lat),
        })
    };
    let ring = |ring: &Ring| -> Result<Ring> {
        let mut rounded = ring.iter().map(vertex).collect::<Result<Ring>>()?;
        rounded.dedup();
        Ok(rounded)
    };
    polygons
        .iter()
        .map(|polygon| polygon.iter().map(ring).collect())
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "at most 1.8e9")]
fn round_to_published_units(degrees: f64) -> i64 {
    (degrees * PUBLISHED_UNITS_PER_DEGREE).round() as i64 * UNITS_PER_PUBLISHED_UNIT
}

fn polygon_centroid(area: &StatisticalArea) -> Result<BritishGrid> {
    let boundary = boundary_from_polygons(
        Crs::LonLat,
        &area.polygons,
        String::new(),
        Period::default(),
    )
    .map_err(|reason| anyhow!(reason))?;
    let centroid = boundary.lonlat.centroid().context("it has no area")?;
    geodesy::to_grid(LonLat::new(centroid.x(), centroid.y())?)
        .context("its centroid is outside the British National Grid")
}
