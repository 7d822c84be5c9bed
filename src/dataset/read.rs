//! Reads a dataset: verifies every file and parses every cell; an error names the file and the
//! cell.
//!
//! The postcode directory is most of a large dataset, so a separate thread reads it in parallel
//! with the other files. If both have an error, the error of the other files is returned.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use super::cells;
use super::columns;
use super::files::POSTCODES;
use super::manifest::{Manifest, sha256_hex};
use super::polygons::{PolygonFile, ShapefileParts};
use super::table::{Row, Table, TableError};
use super::{Dataset, DatasetError, Files, PolygonError};
use crate::domain::{
    Area, Assignment, Boundary, Canary, Extent, Layer, Lineage, Member, Membership, OdsCode,
    Period, PostcodeEntry, Practice, PracticeStatus, Premises, PremisesKind, Provenance, Relation,
    StatedCount, Succession, date_from_iso,
};

/// Reads a dataset from a folder or the program itself.
///
/// # Errors
/// If a file is missing, does not match the manifest or has invalid content. The error names the
/// file and, in a table, the line and column.
pub fn read(files: &Files) -> Result<Dataset, DatasetError> {
    let mut manifest = files.manifest()?;
    for _ in 0..REPLACED_MAX {
        let fault = match read_as(files, &manifest.0, &manifest.1) {
            Err(fault) => fault,
            read => return read,
        };
        let now = files.manifest();
        match now {
            // The dataset was replaced while it was read, so the files belong to two datasets.
            Ok(now) if now.1 != manifest.1 => manifest = now,
            _ => return Err(fault),
        }
    }
    read_as(files, &manifest.0, &manifest.1)
}

/// The maximum number of retries after a dataset was replaced while it was read.
const REPLACED_MAX: usize = 3;

fn read_as(
    files: &Files,
    manifest: &Manifest,
    manifest_bytes: &[u8],
) -> Result<Dataset, DatasetError> {
    let source = Verified {
        files,
        manifest,
        seen: Mutex::default(),
    };
    thread::scope(|scope| {
        let directory = scope.spawn(|| source.postcodes());
        let mut dataset = source.without_postcodes(sha256_hex(manifest_bytes))?;
        let directory = directory
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))?;
        directory.add_to(&mut dataset);
        source.verify_the_rest()?;
        Ok(dataset)
    })
}

/// Reads the files of a dataset and verifies them against the manifest.
struct Verified<'a> {
    files: &'a Files,
    manifest: &'a Manifest,
    /// The paths of the files read so far.
    seen: Mutex<HashSet<String>>,
}

/// The postcode directory, read independently of the other tables.
struct PostcodeTable {
    /// The postcodes. Their statistical areas are indices into `codes`.
    entries: Vec<PostcodeEntry>,
    codes: Vec<String>,
}

impl PostcodeTable {
    /// Moves the postcodes into the dataset, and adds the codes of statistical areas that it does
    /// not have.
    fn add_to(mut self, dataset: &mut Dataset) {
        let known = dataset.statistical_areas.iter().cloned().zip(0..);
        let mut rows: HashMap<String, u32> = known.collect();
        let mut row_of = |code: String| {
            *rows.entry(code).or_insert_with_key(|code| {
                dataset.statistical_areas.push(code.clone());
                u32::try_from(dataset.statistical_areas.len() - 1)
                    .expect("fewer statistical areas than postcodes")
            })
        };
        let rows: Vec<u32> = self.codes.into_iter().map(&mut row_of).collect();
        for entry in &mut self.entries {
            entry.statistical_area = entry.statistical_area.map(|own| rows[own as usize]);
        }
        dataset.postcodes = self.entries;
    }
}

impl Verified<'_> {
    /// Reads everything except the postcode directory.
    fn without_postcodes(&self, digest: String) -> Result<Dataset, DatasetError> {
        let statistical_boundaries = self.statistical_boundaries()?;
        let codes = statistical_boundaries.iter().map(|it| it.id.clone());
        Ok(Dataset {
            digest,
            areas: self.table("areas.csv", &columns::AREAS, area)?,
            boundaries: self.boundaries()?,
            lineage: self.table("lineage.csv", &columns::LINEAGE, lineage)?,
            memberships: self.table("memberships.csv", &columns::MEMBERSHIPS, membership)?,
            practices: self.table("practices.csv", &columns::PRACTICES, practice)?,
            premises: self.table("practice_sites.csv", &columns::PREMISES, premises)?,
            successions: self.table(
                "practice_successions.csv",
                &columns::SUCCESSIONS,
                succession,
            )?,
            assignments: self.table("assignments.csv", &columns::ASSIGNMENTS, assignment)?,
            postcodes: Vec::new(),
            not_gp_practices: self.table(
                "not_gp_practices.csv",
                &columns::NOT_GP_PRACTICES,
                |row| row.parse(0),
            )?,
            canaries: self.table("golden_queries.csv", &columns::CANARIES, canary)?,
            stated_counts: self.table("systems.csv", &columns::SYSTEMS, stated_count)?,
            statistical_areas: codes.collect(),
            statistical_boundaries,
            manifest: self.manifest.clone(),
        })
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<String>> {
        self.seen
            .lock()
            .expect("no thread panics while it holds the lock")
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, DatasetError> {
        self.seen().insert(path.to_string());
        self.files.verified(self.manifest, path)
    }

    /// Verifies the files that are not parsed, such as the `.shx` of a Shapefile.
    fn verify_the_rest(&self) -> Result<(), DatasetError> {
        for path in self.manifest.files.keys() {
            let is_seen = self.seen().contains(path);
            if !is_seen {
                self.bytes(path)?;
            }
        }
        Ok(())
    }

    /// Reads a table. A table that is not in the manifest has no rows; if its file exists
    /// nevertheless, the manifest was truncated, which is an error.
    fn table<T>(
        &self,
        path: &str,
        columns: &[&str],
        read: impl Fn(&Row<'_>) -> Result<T, TableError>,
    ) -> Result<Vec<T>, DatasetError> {
        if !self.manifest.files.contains_key(path) {
            return match self.files.has(path) {
                true => Err(DatasetError::NotInManifest { path: path.into() }),
                false => Ok(Vec::new()),
            };
        }
        let bytes = self.bytes(path)?;
        Ok(Table::open(path, &bytes, columns)?.read(|row| read(row))?)
    }

    fn boundaries(&self) -> Result<Vec<(Layer, Vec<Boundary>)>, DatasetError> {
        let mut boundaries = Vec::new();
        for entry in &self.manifest.layers {
            let layer = entry.id.parse().map_err(|error| DatasetError::Manifest {
                reason: format!("`{}` is {error}", entry.id),
            })?;
            if let Some(path) = &entry.boundaries {
                boundaries.push((layer, self.polygons(path)?));
            }
        }
        Ok(boundaries)
    }

    fn statistical_boundaries(&self) -> Result<Vec<Boundary>, DatasetError> {
        match &self.manifest.statistical_areas {
            Some(entry) => self.polygons(&entry.boundaries),
            None => Ok(Vec::new()),
        }
    }

    fn polygons(&self, path: &str) -> Result<Vec<Boundary>, DatasetError> {
        let mut file = self.polygon_file(path)?;
        let mut boundaries = Vec::with_capacity(file.features.len());
        // Each feature is dropped when its boundary is built: all features and all boundaries
        // together would be the peak of the memory of a load.
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
            let mut boundary = file.boundary(&feature, id, period)?;
            if let Some(word) = feature.attributes.get("extent") {
                boundary.extent = Extent::from_word(word).ok_or_else(|| PolygonError::File {
                    file: path.into(),
                    reason: format!("`{}`: `extent` should be `inner` or `outer`", boundary.id),
                })?;
            }
            boundaries.push(boundary);
        }
        Ok(boundaries)
    }

    fn polygon_file(&self, path: &str) -> Result<PolygonFile, DatasetError> {
        let bytes = self.bytes(path)?;
        let Some(stem) = path.strip_suffix(".shp") else {
            return Ok(PolygonFile::from_geojson(path, &bytes)?);
        };
        let dbf = self.bytes(&format!("{stem}.dbf"))?;
        let prj = self.bytes(&format!("{stem}.prj"))?;
        let cpg_path = format!("{stem}.cpg");
        let cpg = match self.manifest.files.contains_key(&cpg_path) {
            true => Some(self.bytes(&cpg_path)?),
            false => None,
        };
        let cpg = cpg.map(|cpg| String::from_utf8_lossy(&cpg).into_owned());
        let parts = ShapefileParts {
            shp: &bytes,
            dbf: &dbf,
            prj: &String::from_utf8_lossy(&prj),
            cpg: cpg.as_deref(),
        };
        Ok(PolygonFile::from_shapefile(path, &parts)?)
    }

    fn postcodes(&self) -> Result<PostcodeTable, DatasetError> {
        let path = POSTCODES;
        let bytes = self.bytes(path)?;
        let mut codes: Vec<String> = Vec::new();
        let mut rows: HashMap<String, u32> = HashMap::new();
        let mut row_of = |code: &str| match rows.get(code) {
            Some(&row) => row,
            None => {
                let row = u32::try_from(codes.len()).expect("fewer codes than postcodes");
                codes.push(code.to_string());
                rows.insert(code.to_string(), row);
                row
            }
        };
        let entries = Table::open(path, &bytes, &columns::POSTCODES)?
            .read(|row| postcode(row, row.optional(7)?.map(&mut row_of)))?;
        match entries
            .windows(2)
            .position(|pair| pair[0].postcode >= pair[1].postcode)
        {
            // The line is counted from 1, after the header row, and is that of the second of the
            // pair.
            Some(at) => Err(TableError::Cell {
                file: path.into(),
                line: at as u64 + 3,
                column: columns::POSTCODES[0].into(),
                value: entries[at + 1].postcode.to_string(),
                expected: "postcodes should be sorted, without duplicates".into(),
            }
            .into()),
            None => Ok(PostcodeTable { entries, codes }),
        }
    }
}

fn area(row: &Row<'_>) -> Result<Area, TableError> {
    Ok(Area {
        layer: row.parse(0)?,
        id: row.filled(1)?.to_string(),
        name: row.filled(2)?.to_string(),
        kind: row.optional(3)?.map(str::to_string),
        system: row.optional(4)?.map(str::to_string),
        provenance: row.with(5, |word| Provenance::from_word(word).ok_or(PROVENANCES))?,
        period: period(row, 6)?,
    })
}

const PROVENANCES: &str = "official, derived, modelled or indicative";

/// Parses the half-open period in two adjacent columns.
fn period(row: &Row<'_>, from_column: usize) -> Result<Period, TableError> {
    let period = Period {
        from: row.with_optional(from_column, date_from_iso)?,
        to: row.with_optional(from_column + 1, date_from_iso)?,
    };
    match (period.from, period.to) {
        (Some(from), Some(to)) if to <= from => Err(row.wrong(
            from_column + 1,
            "the day after the last of the period, later than its first day",
        )),
        _ => Ok(period),
    }
}

fn lineage(row: &Row<'_>) -> Result<Lineage, TableError> {
    Ok(Lineage {
        layer: row.parse(0)?,
        predecessor: row.filled(1)?.to_string(),
        successor: row.optional(2)?.map(str::to_string),
        relation: row.with(3, |word| {
            Relation::from_word(word).ok_or("merged, renamed, split or unknown")
        })?,
        date: row.with_optional(4, date_from_iso)?,
        source: row.text(5)?.to_string(),
    })
}

/// Reads a table of memberships with the columns of `memberships.csv`.
pub(crate) fn memberships(file: &str, bytes: &[u8]) -> Result<Vec<Membership>, TableError> {
    Table::open(file, bytes, &columns::MEMBERSHIPS)?.read(membership)
}

fn membership(row: &Row<'_>) -> Result<Membership, TableError> {
    let member_layer: Layer = row.parse(0)?;
    let member = match member_layer {
        Layer::GpPractice => Member::Practice(row.parse(1)?),
        layer => Member::Area(layer, row.filled(1)?.to_string()),
    };
    Ok(Membership {
        member,
        layer: row.parse(2)?,
        group: row.optional(3)?.map(str::to_string),
        period: period(row, 4)?,
        provenance: row.with(6, |word| Provenance::from_word(word).ok_or(PROVENANCES))?,
    })
}

fn practice(row: &Row<'_>) -> Result<Practice, TableError> {
    Ok(Practice {
        code: row.parse(0)?,
        name: row.filled(1)?.to_string(),
        address: row.text(2)?.to_string(),
        postcode: row.parse_optional(3)?,
        telephone: row.optional(4)?.map(str::to_string),
        status: row.with(5, |word| {
            PracticeStatus::from_word(word).ok_or("active, dormant, closed or proposed")
        })?,
        opened: row.with_optional(6, date_from_iso)?,
        closed: row.with_optional(7, date_from_iso)?,
        sub_icb: row.optional(8)?.map(str::to_string),
        pcn: row.optional(9)?.map(str::to_string),
        list_size: row.parse_optional(10)?,
    })
}

fn premises(row: &Row<'_>) -> Result<Premises, TableError> {
    Ok(Premises {
        practice: row.parse(0)?,
        kind: row.with(1, |word| {
            PremisesKind::from_word(word).ok_or("main, branch or predecessor")
        })?,
        postcode: row.parse_optional(2)?,
        position: cells::required_position(row, 3)?,
    })
}

fn succession(row: &Row<'_>) -> Result<Succession, TableError> {
    Ok(Succession {
        predecessor: row.parse::<OdsCode>(0)?,
        successor: row.parse::<OdsCode>(1)?,
        from: row.with(2, date_from_iso)?,
    })
}

fn assignment(row: &Row<'_>) -> Result<Assignment, TableError> {
    let share: Option<f64> = row.parse_optional(3)?;
    if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(row.wrong(3, "a share from 0 to 1"));
    }
    Ok(Assignment {
        statistical_area: row.filled(0)?.to_string(),
        layer: row.parse(1)?,
        area: row.filled(2)?.to_string(),
        share,
        period: period(row, 4)?,
    })
}

fn postcode(row: &Row<'_>, statistical_area: Option<u32>) -> Result<PostcodeEntry, TableError> {
    Ok(PostcodeEntry {
        postcode: row.parse(0)?,
        position: cells::position(row, 1)?,
        positional_quality: cells::positional_quality(row, 3)?,
        is_large_user: row.with(8, |word| match word {
            "large" => Ok(true),
            "" => Ok(false),
            _ => Err("large, or blank"),
        })?,
        live: cells::is_live(row, 4)?,
        introduced: row.parse_optional(5)?,
        terminated: row.parse_optional(6)?,
        statistical_area,
    })
}

fn canary(row: &Row<'_>) -> Result<Canary, TableError> {
    let mut question = Vec::new();
    for (column, field) in ["postcode", "easting", "northing", "practice", "as_of"]
        .iter()
        .enumerate()
    {
        question.extend(
            row.optional(column)?
                .map(|value| (*field, value.to_string())),
        );
    }
    Ok(Canary {
        line: row.line(),
        question,
        status: row.filled(5)?.to_string(),
        icc_residence: row.text(6)?.to_string(),
        icc_registration: row.text(7)?.to_string(),
    })
}

fn stated_count(row: &Row<'_>) -> Result<StatedCount, TableError> {
    Ok(StatedCount {
        system: row.filled(0)?.to_string(),
        name: row.filled(1)?.to_string(),
        page_date: row.with_optional(2, date_from_iso)?,
        stated: row.parse(3)?,
        sections: row.parse_optional(4)?,
        note: row.text(5)?.to_string(),
    })
}
