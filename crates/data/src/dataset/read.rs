//! Reads a dataset: verifies every file and parses every cell. An error states the file and, for a
//! table, the line and column.
//!
//! The postcode directory is the largest part of a large dataset, so a separate thread reads it in
//! parallel with the other files. If the postcode directory and another file are both invalid, the
//! error of the other file is returned.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ScopedJoinHandle};

use super::attributes::attribute_path;
use super::boundary::feature_boundary;
use super::cells;
use super::columns::{self, AS_PUBLISHED};
use super::source::POSTCODES_FILE;
use super::{DatasetError, DatasetSource, PolygonError};
use crate::formats::{
    CsvTable, CsvTableRow, PolygonFile, ShapefileParts, TableError, read_geojson, read_shapefile,
};
use crate::fs::sha256_hex;
use catchment_core::domain::{
    Area, AttributeValues, Boundary, Dataset, FormerPremises, GoldenQuery, GroupMember, Layer,
    LineageStep, Manifest, Membership, NeighbouringPractice, OdsCode, POSTCODE_HOMES_FILE, Period,
    PostcodeCodes, PostcodeEntry, PostcodeHomes, Practice, PracticeSuccession, Premises,
    Provenance, RecordIndex, StatedCount, StatisticalAssignment, UnknownKeyword, date_from_iso,
    parse_succession_basis,
};
use catchment_core::parallel::parallel_map;

/// Reads a dataset from a folder or from the program's executable.
///
/// # Errors
/// If a file is missing, does not match the manifest or contains invalid data. The error states the
/// file and, for a table, the line and column.
pub fn read(files: &DatasetSource) -> Result<Dataset, DatasetError> {
    let mut manifest = files.read_manifest()?;
    for _ in 0..RETRIES_MAX {
        let error = match read_with_manifest(files, &manifest.0, &manifest.1) {
            Err(error) => error,
            read => return read,
        };
        let current = files.read_manifest();
        match current {
            // The dataset was replaced while it was read, so the files came from two datasets.
            Ok(current) if current.1 != manifest.1 => manifest = current,
            _ => return Err(error),
        }
    }
    read_with_manifest(files, &manifest.0, &manifest.1)
}

/// The maximum number of retries if the dataset is replaced while it is read.
const RETRIES_MAX: usize = 3;

fn read_with_manifest(
    files: &DatasetSource,
    manifest: &Manifest,
    manifest_bytes: &[u8],
) -> Result<Dataset, DatasetError> {
    let reader = VerifiedReader {
        files,
        manifest,
        read_paths: Mutex::default(),
    };
    thread::scope(|scope| {
        // These are the largest tables; the boundaries are read on all processors.
        let directory = scope.spawn(|| reader.read_postcodes());
        let assignments = scope.spawn(|| reader.read_assignments());
        let mut dataset = reader.read_other_files(sha256_hex(manifest_bytes))?;
        manifest.set_area_titles(&mut dataset.areas);
        dataset.assignments = joined(assignments)?;
        joined(directory)?.add_to(&mut dataset);
        reader.verify_unread_files()?;
        Ok(dataset)
    })
}

/// Returns the result of a thread.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Reads the files of a dataset and verifies them against the manifest.
pub(super) struct VerifiedReader<'a> {
    files: &'a DatasetSource,
    manifest: &'a Manifest,
    /// The paths of the files that have been read.
    read_paths: Mutex<HashSet<String>>,
}

/// The postcode directory, read independently of the other tables.
struct PostcodeTable {
    /// The postcodes. The statistical area of a postcode is an index into `codes`.
    entries: Vec<PostcodeEntry>,
    codes: Vec<String>,
    postcode_codes: Vec<PostcodeCodes>,
}

impl PostcodeTable {
    /// Moves the postcodes into the dataset, and adds the codes of statistical areas that are not
    /// yet in the dataset.
    fn add_to(mut self, dataset: &mut Dataset) {
        let known = dataset.statistical_areas.iter().cloned().zip(0..);
        let mut index_by_code: HashMap<String, u32> = known.collect();
        let mut index_of = |code: String| {
            *index_by_code.entry(code).or_insert_with_key(|code| {
                dataset.statistical_areas.push(code.clone());
                u32::try_from(dataset.statistical_areas.len() - 1)
                    .expect("fewer statistical areas than postcodes")
            })
        };
        let indices: Vec<u32> = self.codes.into_iter().map(&mut index_of).collect();
        for entry in &mut self.entries {
            let own = entry.statistical_area;
            entry.statistical_area = own.map(|own| RecordIndex::new(indices[own.get() as usize]));
        }
        dataset.postcodes = self.entries;
        dataset.postcode_codes = self.postcode_codes;
    }
}

impl VerifiedReader<'_> {
    fn read_assignments(&self) -> Result<Vec<StatisticalAssignment>, DatasetError> {
        let shared = RefCell::default();
        self.read_table("assignments.csv", &columns::ASSIGNMENTS, |row| {
            parse_assignment(row, &shared)
        })
    }

    /// Reads everything except the postcode directory and the assignments.
    fn read_other_files(&self, digest: String) -> Result<Dataset, DatasetError> {
        let practice_layer = self.manifest.practice_layer();
        let statistical_boundaries = self.read_statistical_boundaries()?;
        let codes = statistical_boundaries
            .iter()
            .map(|boundary| boundary.id.clone());
        Ok(Dataset {
            digest,
            areas: self.read_extended_table(
                "areas.csv",
                &columns::AREAS[..AREA_COLUMNS_REQUIRED],
                &columns::AREAS[AREA_COLUMNS_REQUIRED..],
                parse_area,
            )?,
            boundaries: self.read_boundaries()?,
            lineage: self.read_table("lineage.csv", &columns::LINEAGE, parse_lineage_step)?,
            memberships: self.read_table("memberships.csv", &columns::MEMBERSHIPS, |row| {
                parse_membership(row, practice_layer)
            })?,
            practices: self.read_extended_table(
                "practices.csv",
                &columns::PRACTICES,
                &columns::PRACTICES_OPTIONAL,
                parse_practice,
            )?,
            premises: self.read_extended_table(
                "practice_sites.csv",
                &columns::PREMISES,
                &columns::PREMISES_OPTIONAL,
                parse_premises,
            )?,
            successions: self.read_extended_table(
                "practice_successions.csv",
                &columns::SUCCESSIONS,
                &columns::SUCCESSIONS_OPTIONAL,
                parse_succession,
            )?,
            former_premises: self.read_table(
                "practice_sites_former.csv",
                &columns::FORMER_PREMISES,
                parse_former_premises,
            )?,
            neighbouring_practices: self.read_table(
                "practices_neighbouring.csv",
                &columns::NEIGHBOURING_PRACTICES,
                parse_neighbouring_practice,
            )?,
            assignments: Vec::new(),
            postcodes: Vec::new(),
            postcode_codes: Vec::new(),
            postcode_homes: self.read_table(
                POSTCODE_HOMES_FILE,
                &columns::POSTCODE_HOMES,
                parse_postcode_homes,
            )?,
            not_gp_practices: self.read_table(
                "not_gp_practices.csv",
                &columns::NOT_GP_PRACTICES,
                |row| row.parse(0),
            )?,
            golden_queries: self.read_table(
                "golden_queries.csv",
                &columns::GOLDEN_QUERIES,
                parse_golden_query,
            )?,
            stated_counts: self.read_extended_table(
                "systems.csv",
                &columns::SYSTEMS,
                &columns::SYSTEMS_OPTIONAL,
                parse_stated_count,
            )?,
            facts: self.read_facts()?,
            statistical_areas: codes.collect(),
            statistical_boundaries,
            manifest: self.manifest.clone(),
        })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        self.manifest
    }

    fn lock_read_paths(&self) -> MutexGuard<'_, HashSet<String>> {
        self.read_paths
            .lock()
            .expect("no thread panics while it holds the lock")
    }

    fn read_bytes(&self, path: &str) -> Result<Vec<u8>, DatasetError> {
        self.lock_read_paths().insert(path.to_string());
        self.files.read_verified(self.manifest, path)
    }

    /// Verifies the files that are not parsed, such as the `.shx` file of a Shapefile.
    fn verify_unread_files(&self) -> Result<(), DatasetError> {
        for path in self.manifest.files.keys() {
            let is_verified = self.lock_read_paths().contains(path);
            if !is_verified {
                self.read_bytes(path)?;
            }
        }
        Ok(())
    }

    /// Reads a table. A table that is not in the manifest has no rows. If the file of such a table
    /// exists, the manifest was truncated, and an error is returned.
    pub(super) fn read_table<T>(
        &self,
        path: &str,
        columns: &[&str],
        read: impl Fn(&CsvTableRow<'_>) -> Result<T, TableError>,
    ) -> Result<Vec<T>, DatasetError> {
        self.read_extended_table(path, columns, &[], read)
    }

    /// Reads a table in the same way as [`VerifiedReader::read_table`]. The columns in `optional`
    /// may be missing, as they are in older datasets.
    fn read_extended_table<T>(
        &self,
        path: &str,
        columns: &[&str],
        optional: &[&str],
        read: impl Fn(&CsvTableRow<'_>) -> Result<T, TableError>,
    ) -> Result<Vec<T>, DatasetError> {
        if !self.manifest.files.contains_key(path) {
            return if self.files.contains(path) {
                Err(DatasetError::NotInManifest { path: path.into() })
            } else {
                Ok(Vec::new())
            };
        }
        let bytes = self.read_bytes(path)?;
        let table = CsvTable::open_with_optional(path, &bytes, columns, optional)?;
        Ok(table.read(|row| read(row))?)
    }

    fn read_boundaries(&self) -> Result<Vec<(Layer, Vec<Boundary>)>, DatasetError> {
        let statistical = self.manifest.statistical_area_layer();
        // The statistical areas are read only once, even if they are also a layer.
        let others = (self.manifest.layers.iter()).filter(|entry| Some(entry.id) != statistical);
        let paths = others.filter_map(|entry| Some((entry.id, entry.boundaries.as_deref()?)));
        let boundaries = parallel_map(paths.collect(), |(layer, path)| {
            Ok((layer, self.read_polygons(path)?))
        });
        boundaries.into_iter().collect()
    }

    fn read_statistical_boundaries(&self) -> Result<Vec<Boundary>, DatasetError> {
        match &self.manifest.statistical_areas {
            Some(entry) => self.read_polygons(&entry.boundaries),
            None => Ok(Vec::new()),
        }
    }

    fn read_polygons(&self, path: &str) -> Result<Vec<Boundary>, DatasetError> {
        let mut file = self.read_polygon_file(path)?;
        // Features without a geometry are allowed in a published file, but not in a dataset.
        if let Some(feature) = file.without_geometry.first() {
            return Err(DatasetError::from(PolygonError::Feature {
                file: path.into(),
                feature: feature.clone(),
                reason: "it has no geometry".into(),
            }));
        }
        let mut boundaries = Vec::with_capacity(file.features.len());
        // Each feature is dropped when its boundary has been built. Otherwise all features and all
        // boundaries would be in memory at the same time.
        for feature in std::mem::take(&mut file.features) {
            let id = file.attribute(&feature, "id")?.to_string();
            let date = |name: &str| feature.attributes.get(name).map(|text| date_from_iso(text));
            let period = match (date("from").transpose(), date("to").transpose()) {
                (Ok(from), Ok(to)) => Period { from, to },
                (Err(error), _) | (_, Err(error)) => {
                    let reason = format!("`{id}`: {error}");
                    return Err(PolygonError::File {
                        file: path.into(),
                        reason,
                    }
                    .into());
                }
            };
            let mut boundary = feature_boundary(&file, &feature, id, period)?;
            if let Some(word) = feature.attributes.get("extent") {
                boundary.catchment_kind =
                    word.parse()
                        .map_err(|expected: UnknownKeyword| PolygonError::File {
                            file: path.into(),
                            reason: format!("`{}`: `extent` {expected}", boundary.id),
                        })?;
            }
            boundaries.push(boundary);
        }
        Ok(boundaries)
    }

    fn read_polygon_file(&self, path: &str) -> Result<PolygonFile, DatasetError> {
        let bytes = self.read_bytes(path)?;
        let Some(stem) = path.strip_suffix(".shp") else {
            return Ok(read_geojson(path, &bytes)?);
        };
        let dbf = self.read_bytes(&format!("{stem}.dbf"))?;
        let prj = self.read_bytes(&format!("{stem}.prj"))?;
        let cpg_path = format!("{stem}.cpg");
        let cpg = if self.manifest.files.contains_key(&cpg_path) {
            Some(self.read_bytes(&cpg_path)?)
        } else {
            None
        };
        let cpg = cpg.map(|cpg| String::from_utf8_lossy(&cpg).into_owned());
        let parts = ShapefileParts {
            shp: &bytes,
            dbf: &dbf,
            prj: &String::from_utf8_lossy(&prj),
            cpg: cpg.as_deref(),
        };
        Ok(read_shapefile(path, &parts)?)
    }

    fn read_postcodes(&self) -> Result<PostcodeTable, DatasetError> {
        let path = POSTCODES_FILE;
        let bytes = self.read_bytes(path)?;
        let mut codes: Vec<String> = Vec::new();
        let mut index_by_code: HashMap<String, u32> = HashMap::new();
        let mut index_of = |code: &str| match index_by_code.get(code) {
            Some(&index) => index,
            None => {
                let index = u32::try_from(codes.len()).expect("fewer codes than postcodes");
                codes.push(code.to_string());
                index_by_code.insert(code.to_string(), index);
                index
            }
        };
        let mut code_table = PostcodeCodeTable::default();
        let (required, optional) = (&columns::POSTCODES, &columns::POSTCODES_OPTIONAL);
        let table = CsvTable::open_with_optional(path, &bytes, required, optional)?;
        let entries = table.read(|row| {
            let statistical_area = row.optional(7)?.map(&mut index_of);
            let codes = code_table.index_of(cells::codes(row, 9, 13)?);
            parse_postcode(row, statistical_area.map(RecordIndex::new), codes)
        })?;
        match entries
            .windows(2)
            .position(|pair| pair[0].postcode >= pair[1].postcode)
        {
            // Lines are counted from 1, and line 1 is the header row, so `index + 3` is the line of
            // the second postcode of the pair.
            Some(index) => Err(TableError::Cell {
                file: path.into(),
                line: index as u64 + 3,
                column: columns::POSTCODES[0].into(),
                value: entries[index + 1].postcode.to_string(),
                expected: "postcodes must be sorted, without duplicates".into(),
            }
            .into()),
            None => Ok(PostcodeTable {
                entries,
                codes,
                postcode_codes: code_table.codes,
            }),
        }
    }
}

/// The number of columns of `areas.csv` that are in every dataset.
const AREA_COLUMNS_REQUIRED: usize = 8;

fn parse_area(row: &CsvTableRow<'_>) -> Result<Area, TableError> {
    let mut period = parse_period(row, 6)?;
    let ended_by = row.parse_optional_with(8, date_from_iso)?;
    if ended_by.is_some() {
        if period.to.is_some() {
            return Err(row.cell_error(8, "must be blank if the last day is known (`to`)"));
        }
        if period.from >= ended_by {
            return Err(row.cell_error(8, "must be later than the first day of the period"));
        }
        period.to = ended_by;
    }
    Ok(Area {
        layer: row.layer(0)?,
        id: row.required(1)?.to_string(),
        name: row.required(2)?.to_string(),
        title: None,
        label: None,
        kind: row.optional(3)?.map(str::to_string),
        system: row.optional(4)?.map(str::to_string),
        provenance: row.parse(5)?,
        period,
        ended_by,
    })
}

fn parse_postcode_homes(row: &CsvTableRow<'_>) -> Result<PostcodeHomes, TableError> {
    let homes: u32 = row.parse(3)?;
    if homes == 0 {
        return Err(row.cell_error(3, "must be greater than 0"));
    }
    Ok(PostcodeHomes {
        postcode: row.parse(0)?,
        layer: row.layer(1)?,
        area: row.optional(2)?.map(str::to_string),
        homes,
        period: parse_period(row, 4)?,
    })
}

/// Parses the half-open period in two adjacent columns.
fn parse_period(row: &CsvTableRow<'_>, from_column: usize) -> Result<Period, TableError> {
    let period = Period {
        from: row.parse_optional_with(from_column, date_from_iso)?,
        to: row.parse_optional_with(from_column + 1, date_from_iso)?,
    };
    match (period.from, period.to) {
        (Some(from), Some(to)) if to <= from => Err(row.cell_error(
            from_column + 1,
            "must be the day after the last day of the period, and later than its first day",
        )),
        _ => Ok(period),
    }
}

fn parse_lineage_step(row: &CsvTableRow<'_>) -> Result<LineageStep, TableError> {
    Ok(LineageStep {
        layer: row.layer(0)?,
        predecessor: row.required(1)?.to_string(),
        successor: row.optional(2)?.map(str::to_string),
        relation: row.parse(3)?,
        date: row.parse_optional_with(4, date_from_iso)?,
        source: row.text(5)?.to_string(),
    })
}

/// Reads a table of memberships with the columns of `memberships.csv`. `practice_layer` is the
/// layer of the practices' areas. Members from this layer are practices.
pub fn read_memberships(
    file: &str,
    bytes: &[u8],
    practice_layer: Option<Layer>,
) -> Result<Vec<Membership>, TableError> {
    let table = CsvTable::open(file, bytes, &columns::MEMBERSHIPS)?;
    table.read(|row| parse_membership(row, practice_layer))
}

fn parse_membership(
    row: &CsvTableRow<'_>,
    practice_layer: Option<Layer>,
) -> Result<Membership, TableError> {
    let is_practice = match row.text(0)? {
        columns::PRACTICE_MEMBER | columns::EARLIER_PRACTICE_MEMBER => true,
        word => practice_layer.is_some_and(|layer| layer.as_str() == word),
    };
    let member = match is_practice {
        true => GroupMember::Practice(row.parse(1)?),
        false => GroupMember::Area(row.layer(0)?, row.required(1)?.to_string()),
    };
    Ok(Membership {
        member,
        layer: row.layer(2)?,
        group: row.optional(3)?.map(str::to_string),
        period: parse_period(row, 4)?,
        provenance: row.parse_with(6, membership_provenance)?,
    })
}

/// Parses the provenance of a membership. A membership that was copied from a page is
/// `as_published` in the table, and indicative in answers.
fn membership_provenance(word: &str) -> Result<Provenance, String> {
    match word {
        AS_PUBLISHED => Ok(Provenance::Indicative),
        word => word
            .parse()
            .map_err(|error: UnknownKeyword| format!("{error}, or {AS_PUBLISHED}")),
    }
}

fn parse_practice(row: &CsvTableRow<'_>) -> Result<Practice, TableError> {
    Ok(Practice {
        code: row.parse(0)?,
        name: row.required(1)?.to_string(),
        address: row.text(2)?.to_string(),
        postcode: row.parse_optional(3)?,
        telephone: row.optional(4)?.map(str::to_string),
        status: row.parse(5)?,
        opened: row.parse_optional_with(6, date_from_iso)?,
        closed: row.parse_optional_with(7, date_from_iso)?,
        sub_icb: row.optional(8)?.map(str::to_string),
        pcn: row.optional(9)?.map(str::to_string),
        list_size: row.parse_optional(10)?,
        list_size_as_of: row.parse_optional(11)?,
        as_of: row.parse_optional(12)?,
        note: row.optional(13)?.map(str::to_string),
    })
}

fn parse_premises(row: &CsvTableRow<'_>) -> Result<Premises, TableError> {
    Ok(Premises {
        practice: row.parse(0)?,
        kind: row.parse(1)?,
        postcode: row.parse_optional(2)?,
        position: cells::required_position(row, 3)?,
        name: row.optional(5)?.map(str::to_string),
        as_of: row.parse_optional(6)?,
        source: row.optional(7)?.map(str::to_string),
    })
}

fn parse_former_premises(row: &CsvTableRow<'_>) -> Result<FormerPremises, TableError> {
    Ok(FormerPremises {
        practice: row.parse(0)?,
        postcode: row.parse_optional(1)?,
        name: row.required(2)?.to_string(),
        held_as: row.text(3)?.to_string(),
        reason: row.text(4)?.to_string(),
        source: row.text(5)?.to_string(),
    })
}

fn parse_neighbouring_practice(row: &CsvTableRow<'_>) -> Result<NeighbouringPractice, TableError> {
    Ok(NeighbouringPractice {
        practice: Practice {
            code: row.parse(0)?,
            name: row.required(1)?.to_string(),
            address: String::new(),
            postcode: row.parse_optional(2)?,
            telephone: None,
            status: row.parse(5)?,
            opened: None,
            closed: row.parse_optional_with(6, date_from_iso)?,
            sub_icb: row.optional(3)?.map(str::to_string),
            pcn: None,
            list_size: row.parse_optional(8)?,
            list_size_as_of: row.parse_optional(9)?,
            as_of: row.parse_optional(7)?,
            note: None,
        },
        icb: row.optional(4)?.map(str::to_string),
        position: cells::position(row, 10)?,
    })
}

fn parse_succession(row: &CsvTableRow<'_>) -> Result<PracticeSuccession, TableError> {
    Ok(PracticeSuccession {
        predecessor: row.parse::<OdsCode>(0)?,
        successor: row.parse::<OdsCode>(1)?,
        from: row.parse_with(2, date_from_iso)?,
        basis: row.parse_with(3, parse_succession_basis)?,
        pcn_left: row.parse_optional_with(4, date_from_iso)?,
        note: row.optional(5)?.map(str::to_string),
        source: row.optional(6)?.map(str::to_string),
    })
}

/// Parses an assignment. `shared` contains the codes and ids of earlier rows.
fn parse_assignment(
    row: &CsvTableRow<'_>,
    shared: &RefCell<HashSet<Arc<str>>>,
) -> Result<StatisticalAssignment, TableError> {
    let share_text = |text: &str| {
        let mut shared = shared.borrow_mut();
        if let Some(known) = shared.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        shared.insert(Arc::clone(&text));
        text
    };
    let share: Option<f64> = row.parse_optional(3)?;
    if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(row.cell_error(3, "must be a share from 0 to 1"));
    }
    Ok(StatisticalAssignment {
        statistical_area: share_text(row.required(0)?),
        layer: row.layer(1)?,
        area: share_text(row.required(2)?),
        share,
        period: parse_period(row, 4)?,
    })
}

/// The distinct codes of the postcodes, and the index of each.
#[derive(Default)]
struct PostcodeCodeTable {
    codes: Vec<PostcodeCodes>,
    indices: HashMap<PostcodeCodes, RecordIndex>,
}

impl PostcodeCodeTable {
    /// Returns the index of the codes, or `None` for a postcode without codes.
    fn index_of(&mut self, codes: PostcodeCodes) -> Option<RecordIndex> {
        if codes == PostcodeCodes::default() {
            return None;
        }
        let index = self.indices.entry(codes).or_insert_with(|| {
            self.codes.push(codes);
            let index = u32::try_from(self.codes.len() - 1);
            RecordIndex::new(index.expect("fewer codes than postcodes"))
        });
        Some(*index)
    }
}

fn parse_postcode(
    row: &CsvTableRow<'_>,
    statistical_area: Option<RecordIndex>,
    codes: Option<RecordIndex>,
) -> Result<PostcodeEntry, TableError> {
    let status = row.parse(4)?;
    Ok(PostcodeEntry {
        postcode: row.parse(0)?,
        position: cells::position(row, 1)?,
        positional_quality: cells::positional_quality(row, 3)?,
        is_large_user: row.parse_with(8, |word| match word {
            "large" => Ok(true),
            "" => Ok(false),
            _ => Err("must be large or blank"),
        })?,
        status,
        introduced: row.parse_optional(5)?,
        termination: cells::termination(row, status, 6, 11)?,
        statistical_area,
        codes,
    })
}

fn parse_golden_query(row: &CsvTableRow<'_>) -> Result<GoldenQuery, TableError> {
    let mut fields = Vec::new();
    for (column, field) in ["postcode", "easting", "northing", "practice", "as_of"]
        .iter()
        .enumerate()
    {
        fields.extend(
            row.optional(column)?
                .map(|value| (*field, value.to_string())),
        );
    }
    Ok(GoldenQuery {
        line: row.line(),
        fields,
        status: row.required(5)?.to_string(),
        residence: row.text(6)?.to_string(),
        registration: row.text(7)?.to_string(),
    })
}

fn parse_stated_count(row: &CsvTableRow<'_>) -> Result<StatedCount, TableError> {
    Ok(StatedCount {
        system: row.required(0)?.to_string(),
        name: row.required(1)?.to_string(),
        page_date: row.parse_optional_with(2, date_from_iso)?,
        stated_count: row.parse(3)?,
        sections: row.parse_optional(4)?,
        note: row.text(5)?.to_string(),
        boundaries: row.text(6)?.to_string(),
        people: row.parse_optional(7)?.zip(row.parse_optional(8)?),
        wording: row.text(9)?.to_string(),
    })
}

impl VerifiedReader<'_> {
    /// Reads the values of every attribute in the manifest.
    pub(super) fn read_attributes(&self) -> Result<Vec<AttributeValues>, DatasetError> {
        let entries = self.manifest().attributes.iter();
        entries
            .map(|entry| {
                let path = attribute_path(entry.id);
                let values = self.read_table(&path, &columns::ATTRIBUTE, |row| {
                    Ok((row.required(0)?.to_string(), row.required(1)?.to_string()))
                });
                Ok(AttributeValues {
                    attribute: entry.id,
                    values: values?,
                })
            })
            .collect()
    }
}
