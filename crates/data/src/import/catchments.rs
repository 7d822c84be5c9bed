//! Catchments declared by GP practices. NHS South, Central and West publishes them as "GP catchment
//! areas (England)", an archive with one GeoJSON file per practice.
//!
//! - A file is named after the practice's ODS code (`A12345.geojson`, `A12345_outer.geojson`). If
//!   the file name does not start with a code, the code is read from the file's features: from
//!   `PracticeCd`, `ODSCode` or a similar field, or from the start of `name` (`A12345 - HIGH STREET
//!   SURGERY`). A code of nine characters identifies a branch, and its first six characters are the
//!   code of the practice.
//! - A position is a longitude and a latitude. A height after the two is ignored.
//! - The features of a file that have the same practice, branch and kind are the parts of one
//!   catchment. If parts overlap or share a border, they are imported unchanged, without being
//!   dissolved, and a warning lists the file.
//! - A field such as `type` or `CatchmentType`, or the file's own name, determines the kind of
//!   catchment if it contains only one of the words `inner` and `outer` and no other words of
//!   significance, as in `Outer catchment` and `A12345_outer.geojson`. A practice accepts new
//!   patients from its inner catchment, and may keep registered patients who move house within its
//!   outer catchment. Without either word, or with both, the catchment is an inner catchment. The
//!   same words in other places, as in `Outer North East London`, have no effect, but cause a
//!   warning that lists the file. The editions published so far contain neither word, and contain
//!   one catchment per practice.
//!
//! A file is rejected as a whole if any of its features is invalid, because a catchment without one
//! of its parts would be incorrect. The report counts files. The number in a location is the number
//! of a feature.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{lowercase_file_name, member_label};
use super::{ImportError, ImportReport, SourceFiles};
use crate::formats::{Crs, PolygonFeature, read_geojson_features};
use crate::plural::{count_with_noun, first_names};
use catchment_core::domain::OdsCode;
use catchment_core::geometry::rings::Polygon;
use catchment_core::geometry::validity::find_topology_error;

/// The catchment that a practice declared for itself or for one of its branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredCatchment {
    pub(crate) practice: OdsCode,
    /// The branch, if the practice declared the catchment for a branch.
    pub(crate) branch: Option<OdsCode>,
    pub(crate) kind: DeclaredCatchmentKind,
    /// The polygons, in the integer units of [`Crs::LonLat`]. Each polygon on its own is valid.
    pub(crate) polygons: Vec<Polygon>,
}

/// The kind of a declared catchment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeclaredCatchmentKind {
    /// The area from which the practice accepts new patients.
    Inner,
    /// The area in which the practice may keep registered patients who move house.
    Outer,
}

/// The maximum number of files in a warning. Further files are only counted.
const FILES_NAMED_MAX: usize = 10;

/// Reads every catchment, in order of practice, branch and kind.
///
/// # Errors
/// If the archive or folder cannot be read, or contains no valid catchment.
pub fn read(
    source_files: &mut SourceFiles,
) -> Result<(Vec<DeclaredCatchment>, ImportReport), ImportError> {
    let mut importer = CatchmentImporter {
        report: ImportReport::new(source_files.name()),
        areas: BTreeMap::new(),
        warnings_by_kind: BTreeMap::new(),
    };
    let members = select_members(source_files)?;
    for member in members {
        let file = member_label(source_files, &member);
        let bytes = source_files.read_member(&member)?;
        importer.report.read += 1;
        match importer.import_file(&member, &file, &bytes) {
            Ok(()) => importer.report.kept += 1,
            Err(rejected) => importer
                .report
                .reject(rejected.reason, &file, rejected.feature),
        }
    }
    importer.finish()
}

/// Returns the names of the GeoJSON files, including those in subfolders.
fn select_members(source_files: &SourceFiles) -> Result<Vec<String>, ImportError> {
    let mut members = source_files.members();
    members.retain(|name| {
        let base = lowercase_file_name(name);
        let is_geojson = base.ends_with(".geojson") || base.ends_with(".json");
        is_geojson && !base.starts_with('.') && !name.starts_with("__MACOSX/")
    });
    if members.is_empty() {
        return Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "a GeoJSON file named after a practice's ODS code",
        });
    }
    Ok(members)
}

/// The practice, branch and kind that identify a catchment.
type CatchmentKey = (OdsCode, Option<OdsCode>, DeclaredCatchmentKind);

struct CatchmentImporter {
    report: ImportReport,
    areas: BTreeMap<CatchmentKey, Vec<Polygon>>,
    /// For each warning, the files to which it applies.
    warnings_by_kind: BTreeMap<&'static str, BTreeSet<String>>,
}

/// The reason why a file is rejected, and the feature to which the reason applies.
struct RejectedFile {
    /// The number of the invalid feature, counted from 1, or 0 if the reason applies to the whole
    /// file.
    feature: u64,
    reason: &'static str,
}

impl From<&'static str> for RejectedFile {
    fn from(reason: &'static str) -> RejectedFile {
        RejectedFile { feature: 0, reason }
    }
}

impl CatchmentImporter {
    fn import_file(&mut self, member: &str, file: &str, bytes: &[u8]) -> Result<(), RejectedFile> {
        let collection = match read_geojson_features(bytes) {
            Ok(read) => read,
            Err(reason) => {
                self.add_warning("not GeoJSON", format!("{file}: {reason}"));
                return Err("the file is not readable GeoJSON".into());
            }
        };
        if collection.crs != Crs::LonLat {
            return Err("the coordinates are not longitude and latitude".into());
        }
        if collection.features.is_empty() {
            return Err("the file has no features".into());
        }
        let file_code = code_from_file_name(member);
        let mut file_areas: BTreeMap<CatchmentKey, Vec<Polygon>> = BTreeMap::new();
        for (feature, number) in collection.features.into_iter().zip(1..) {
            let reject = |reason| RejectedFile {
                feature: number,
                reason,
            };
            let feature = feature.map_err(|error| reject(error.reason))?;
            let (kind, is_elsewhere) = catchment_kind(member, &feature);
            if is_elsewhere {
                self.add_warning(
                    "read as an inner catchment; `inner` or `outer` is in a name, but not as the \
                     kind of catchment",
                    file.to_string(),
                );
            }
            let key = catchment_key(file_code, kind, &feature).map_err(reject)?;
            self.check_validity(file, &feature).map_err(reject)?;
            file_areas.entry(key).or_default().extend(feature.polygons);
        }
        if file_areas.keys().any(|key| self.areas.contains_key(key)) {
            return Err(
                "an earlier file has the same catchment of the same practice; if one is the \
                        outer catchment, its file name must contain `outer`, as in \
                        A12345_outer.geojson"
                    .into(),
            );
        }
        for (key, parts) in file_areas {
            // A single polygon has already been checked.
            let overlap = (parts.len() > 1).then(|| find_topology_error(&parts));
            if let Some(defect) = overlap.flatten() {
                self.add_warning(defect.reason(), file.to_string());
            }
            self.areas.insert(key, parts);
        }
        Ok(())
    }

    /// Checks that each polygon of the feature on its own is valid.
    fn check_validity(&mut self, file: &str, feature: &PolygonFeature) -> Result<(), &'static str> {
        for polygon in &feature.polygons {
            if let Some(defect) = find_topology_error(std::slice::from_ref(polygon)) {
                return Err(defect.reason());
            }
        }
        if feature.reoriented {
            self.add_warning(
                "rings with the wrong orientation were reversed",
                file.to_string(),
            );
        }
        Ok(())
    }

    fn add_warning(&mut self, kind: &'static str, file: String) {
        self.warnings_by_kind.entry(kind).or_default().insert(file);
    }

    fn finish(mut self) -> Result<(Vec<DeclaredCatchment>, ImportReport), ImportError> {
        if self.areas.is_empty() {
            return Err(self.report.into_empty_error());
        }
        for (kind, files) in self.warnings_by_kind {
            let named = first_names(&files, FILES_NAMED_MAX);
            let count = count_with_noun(files.len(), "file", "files");
            self.report
                .warnings
                .push(format!("{kind}: {count} ({named})"));
        }
        let catchments = self
            .areas
            .into_iter()
            .map(|((practice, branch, kind), polygons)| DeclaredCatchment {
                practice,
                branch,
                kind,
                polygons,
            });
        Ok((catchments.collect(), self.report))
    }
}

/// Returns the key of the feature's catchment. The codes in the file name and in the feature must
/// belong to the same practice.
fn catchment_key(
    file_code: Option<OdsCode>,
    kind: DeclaredCatchmentKind,
    feature: &PolygonFeature,
) -> Result<CatchmentKey, &'static str> {
    let feature_code = code_from_feature(feature);
    let code = match (file_code, feature_code) {
        (Some(file), Some(feature)) if practice_code(file) != practice_code(feature) => {
            return Err("the file name and the feature have ODS codes of different practices");
        }
        // The code of a branch is more specific than the code of its practice.
        (Some(file), Some(feature)) => match feature.parent() {
            Some(_) => feature,
            None => file,
        },
        (Some(code), None) | (None, Some(code)) => code,
        (None, None) => return Err("no ODS code in the file name, PracticeCd, ODSCode or name"),
    };
    let branch = code.parent().map(|_| code);
    Ok((practice_code(code), branch, kind))
}

fn practice_code(code: OdsCode) -> OdsCode {
    code.parent().unwrap_or(code)
}

/// Returns the ODS code at the start of the file name.
fn code_from_file_name(member: &str) -> Option<OdsCode> {
    let base = lowercase_file_name(member);
    leading_code(
        base.rsplit_once('.')
            .map_or(base.as_str(), |(stem, _)| stem),
    )
}

/// Fields that may contain the practice's code, in order of precedence. The names are in the form
/// that [`field_name`] returns.
const CODE_FIELDS: [&str; 8] = [
    "practicecd",
    "practicecode",
    "odscode",
    "orgcode",
    "organisationcode",
    "gpcode",
    "code",
    "name",
];

fn code_from_feature(feature: &PolygonFeature) -> Option<OdsCode> {
    CODE_FIELDS.into_iter().find_map(|field| {
        let mut values = feature.attributes.iter();
        values.find_map(|(name, value)| {
            (field_name(name) == field)
                .then(|| leading_code(value))
                .flatten()
        })
    })
}

/// Returns the name of a field in lower case, without spaces and punctuation: `odscode` for
/// `ODS_Code`.
fn field_name(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Returns the code of a practice or branch at the start of the text. A code consists of six or
/// nine letters and digits, of which at least two are digits, and must not be followed by another
/// letter or digit.
fn leading_code(text: &str) -> Option<OdsCode> {
    let text = text.trim_start();
    let end = text
        .find(|character: char| !character.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let word = &text[..end];
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    match word.len() {
        6 | 9 if digits >= 2 => word.parse().ok(),
        _ => None,
    }
}

/// Fields that state the kind of catchment. The names are in the form that [`field_name`] returns.
const KIND_FIELDS: [&str; 11] = [
    "type",
    "kind",
    "catchment",
    "catchmenttype",
    "catchmentkind",
    "boundary",
    "boundarytype",
    "area",
    "areatype",
    "layer",
    "innerouter",
];

/// Fields that may contain the practice's name. The names are in the form that [`field_name`]
/// returns. In the value of such a field, `INNER` and `OUTER` are part of the practice's name and
/// do not cause a warning.
const NAME_FIELDS: [&str; 4] = ["name", "practicenm", "practicename", "description"];

/// Words that may occur next to `inner` or `outer` in a field or a file name that states the kind
/// of catchment.
const OTHER_KIND_WORDS: [&str; 10] = [
    "area",
    "areas",
    "boundaries",
    "boundary",
    "catchment",
    "catchments",
    "gp",
    "only",
    "practice",
    "zone",
];

/// Returns the kind of the catchment, and whether `inner` or `outer` occurs in a place where it
/// does not determine the kind.
fn catchment_kind(member: &str, feature: &PolygonFeature) -> (DeclaredCatchmentKind, bool) {
    let (mut is_inner, mut is_outer, mut is_elsewhere) = (false, false, false);
    let mut add = |text: &str, is_kind: bool| {
        let words = KindWords::of(text);
        if is_kind && words.say_nothing_else {
            is_inner |= words.has_inner;
            is_outer |= words.has_outer;
        } else {
            is_elsewhere |= words.has_inner || words.has_outer;
        }
    };
    let base = lowercase_file_name(member);
    add(base.rsplit_once('.').map_or(&base, |(stem, _)| stem), true);
    for (name, value) in &feature.attributes {
        let field = field_name(name);
        if NAME_FIELDS.contains(&field.as_str()) {
            continue;
        }
        add(value, KIND_FIELDS.contains(&field.as_str()));
        if is_yes(value) {
            match field.trim_start_matches("is") {
                "inner" => add("inner", true),
                "outer" => add("outer", true),
                _ => {}
            }
        }
    }
    let folders = &member[..member.len() - base.len()];
    add(folders, false);
    match (is_outer, is_inner) {
        (true, false) => (DeclaredCatchmentKind::Outer, false),
        (false, false) => (DeclaredCatchmentKind::Inner, is_elsewhere),
        _ => (DeclaredCatchmentKind::Inner, false),
    }
}

/// The information in text about the kind of catchment.
struct KindWords {
    has_inner: bool,
    has_outer: bool,
    /// Whether all other words are numbers, a practice's code or words such as `catchment`.
    say_nothing_else: bool,
}

impl KindWords {
    fn of(text: &str) -> KindWords {
        let mut found = KindWords {
            has_inner: false,
            has_outer: false,
            say_nothing_else: true,
        };
        let words = text.split(|character: char| !character.is_alphanumeric());
        for word in words.filter(|word| !word.is_empty()) {
            let word = word.to_lowercase();
            match word.as_str() {
                "inner" => found.has_inner = true,
                "outer" => found.has_outer = true,
                other => {
                    found.say_nothing_else &= OTHER_KIND_WORDS.contains(&other)
                        || other.bytes().all(|byte| byte.is_ascii_digit())
                        || leading_code(other).is_some();
                }
            }
        }
        found
    }
}

fn is_yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "yes" | "y" | "1"
    )
}

#[cfg(test)]
mod tests {
    use super::super::rows::fixture;
    use super::*;

    const SQUARE: &str = "[[[-3,54],[-2,54],[-2,55],[-3,55],[-3,54]]]";
    const SQUARE_XYZ: &str = "[[[-3,54,0],[-2,54,0],[-2,55],[-3,55,0],[-3,54,0]]]";
    const CLOCKWISE: &str = "[[[-3,54],[-3,55],[-2,55],[-2,54],[-3,54]]]";
    const DISJOINT: &str = "[[[-1,54],[0,54],[0,55],[-1,54]]]";
    const OVERLAPPING: &str = "[[[-2.5,54],[0,54],[0,55],[-2.5,54]]]";
    const CROSSED: &str = "[[[-3,54],[-2,55],[-2,54],[-3,54.5],[-3,54]]]";

    /// Formats a GeoJSON file, given the properties and polygon coordinates of each feature.
    fn geojson(features: &[(&str, &str)]) -> String {
        let feature = |(properties, coordinates): &(&str, &str)| {
            format!(
                r#"{{"type":"Feature","properties":{properties},"geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}"#
            )
        };
        let features: Vec<String> = features.iter().map(feature).collect();
        format!(
            r#"{{"type":"FeatureCollection","features":[{}]}}"#,
            features.join(",")
        )
    }

    fn import(
        files: &[(&str, String)],
    ) -> Result<(Vec<DeclaredCatchment>, ImportReport), ImportError> {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let from_archive = read(&mut fixture::archive("catchments.zip", &files).source_files);
        let from_folder = read(&mut fixture::folder(&files).source_files);
        assert_eq!(
            from_archive.as_ref().ok().map(|(found, _)| found),
            from_folder.as_ref().ok().map(|(found, _)| found)
        );
        from_archive
    }

    #[test]
    fn heights_and_practice_names_are_ignored() {
        let name = r#"{"name":"A82001 - INNER PARK OUTER ROAD SURGERY"}"#;
        let fields = r#"{"PracticeCd":"A82001","PracticeNm":"OUTER ROAD SURGERY","Area_Km2":22.9}"#;
        let (flat, _) = import(&[("A82001.geojson", geojson(&[(name, SQUARE)]))]).expect("one");
        for properties in [name, fields, "{}"] {
            let (found, report) =
                import(&[("in/a82001.geojson", geojson(&[(properties, SQUARE_XYZ)]))])
                    .expect("one");
            assert_eq!(found, flat);
            assert_eq!((report.read, report.kept, report.warnings.len()), (1, 1, 0));
        }
        assert_eq!(flat[0].practice.as_str(), "A82001");
        assert_eq!(
            (flat[0].branch, flat[0].kind),
            (None, DeclaredCatchmentKind::Inner)
        );
    }

    #[test]
    fn code_is_read_from_features_when_the_file_name_has_none() {
        for properties in [
            r#"{"name":"A82001 - SURGERY"}"#,
            r#"{"PracticeCd":"A82001"}"#,
            r#"{"ODSCode":"A82001"}"#,
            r#"{"ods_code":"A82001"}"#,
        ] {
            let (found, _) =
                import(&[("surgery.geojson", geojson(&[(properties, SQUARE)]))]).expect("one");
            assert_eq!(found[0].practice.as_str(), "A82001");
        }
    }

    #[test]
    fn nine_characters_are_a_branch_of_the_first_six() {
        let (found, _) = import(&[
            ("A82608001.geojson", geojson(&[("{}", SQUARE)])),
            ("A82608.geojson", geojson(&[("{}", SQUARE)])),
        ])
        .expect("two");
        let branches: Vec<Option<&str>> = found
            .iter()
            .map(|one| one.branch.as_ref().map(OdsCode::as_str))
            .collect();
        assert_eq!(branches, [None, Some("A82608001")]);
        assert_eq!(found[1].practice, found[0].practice);
    }

    #[test]
    fn features_of_a_file_form_one_area() {
        let (found, report) = import(&[
            (
                "A82001.geojson",
                geojson(&[("{}", SQUARE), ("{}", DISJOINT)]),
            ),
            (
                "A82002.geojson",
                geojson(&[("{}", SQUARE), ("{}", OVERLAPPING)]),
            ),
            ("A82003.geojson", geojson(&[("{}", CLOCKWISE)])),
        ])
        .expect("three");
        assert_eq!(found[0].polygons.len(), 2);
        assert_eq!(found[1].polygons.len(), 2);
        assert_eq!(
            report.warnings,
            [
                "its parts overlap: 1 file (catchments.zip/A82002.geojson)",
                "rings with the wrong orientation were reversed: 1 file (catchments.zip/A82003.geojson)",
            ]
        );
    }

    #[test]
    fn the_field_and_the_name_of_the_file_say_the_kind() {
        for (file, properties) in [
            ("A82001_outer.geojson", "{}"),
            ("London/A82001 Outer Catchment 2024.geojson", "{}"),
            ("A82001.geojson", r#"{"type":"Outer boundary"}"#),
            ("A82001.geojson", r#"{"Catchment_Type":"OUTER"}"#),
            ("A82001.geojson", r#"{"outer":"yes"}"#),
            ("A82001.geojson", r#"{"is_outer":true}"#),
        ] {
            let (found, report) = import(&[(file, geojson(&[(properties, SQUARE)]))]).expect("one");
            assert_eq!(
                found[0].kind,
                DeclaredCatchmentKind::Outer,
                "{file} {properties}"
            );
            assert!(report.warnings.is_empty(), "{report}");
        }
        let both = geojson(&[
            (r#"{"type":"inner"}"#, SQUARE),
            (r#"{"type":"outer"}"#, SQUARE),
        ]);
        let (found, _) = import(&[("A82001.geojson", both)]).expect("two areas");
        assert_eq!(found[0].kind, DeclaredCatchmentKind::Inner);
        assert_eq!(found[1].kind, DeclaredCatchmentKind::Outer);
    }

    #[test]
    fn the_words_anywhere_else_do_not_say_the_kind() {
        for (file, properties) in [
            ("Outer North East London/A82001.geojson", "{}"),
            ("Outer/A82001.geojson", "{}"),
            ("A82001 - OUTER ROAD SURGERY.geojson", "{}"),
            ("A82001.geojson", r#"{"CCG":"Outer North East London"}"#),
            ("A82001.geojson", r#"{"type":"Outer North East London"}"#),
            (
                "A82001.geojson",
                r#"{"name":"A82001 - OUTER ROAD SURGERY"}"#,
            ),
            ("A82001.geojson", r#"{"router":"yes","outer":"no"}"#),
        ] {
            let (found, report) = import(&[(file, geojson(&[(properties, SQUARE)]))]).expect("one");
            assert_eq!(
                found[0].kind,
                DeclaredCatchmentKind::Inner,
                "{file} {properties}"
            );
            let is_warned = !properties.contains("router") && !properties.contains("name");
            assert_eq!(report.warnings.len(), usize::from(is_warned), "{report}");
        }
    }

    #[test]
    fn invalid_file_is_rejected_whole_with_its_reason() {
        let (found, report) = import(&[
            ("A82001.geojson", geojson(&[("{}", SQUARE)])),
            (
                "A82002.geojson",
                geojson(&[("{}", SQUARE), ("{}", CROSSED)]),
            ),
            ("A82003.geojson", "{".to_string()),
            ("A82004.geojson", geojson(&[])),
            (
                "A82005.geojson",
                geojson(&[(r#"{"name":"A82006 - X"}"#, SQUARE)]),
            ),
            ("surgery.geojson", geojson(&[("{}", SQUARE)])),
            ("A82007.geojson", geojson(&[("{}", "[[[-3,54],[-2,54]]]")])),
            ("b/A82001.geojson", geojson(&[("{}", DISJOINT)])),
        ])
        .expect("one");
        assert_eq!((found.len(), report.read, report.kept), (1, 8, 1));
        let first_location = |rejected: &crate::import::AffectedRows| {
            let (file, feature) = &rejected.first_locations[0];
            (file.replace("catchments.zip/", ""), *feature)
        };
        let locations: BTreeMap<&str, (String, u64)> = report
            .rejected
            .iter()
            .map(|(reason, rejected)| (*reason, first_location(rejected)))
            .collect();
        let position = |file: &str, feature| (file.to_string(), feature);
        assert_eq!(
            locations,
            BTreeMap::from([
                (
                    "a ring crosses or touches itself",
                    position("A82002.geojson", 2)
                ),
                (
                    "the file is not readable GeoJSON",
                    position("A82003.geojson", 0)
                ),
                ("the file has no features", position("A82004.geojson", 0)),
                (
                    "the file name and the feature have ODS codes of different practices",
                    position("A82005.geojson", 1)
                ),
                (
                    "no ODS code in the file name, PracticeCd, ODSCode or name",
                    position("surgery.geojson", 1)
                ),
                (
                    "a ring should have at least four positions, the last equal to the first",
                    position("A82007.geojson", 1)
                ),
                (
                    "an earlier file has the same catchment of the same practice; if one is the \
                     outer catchment, its file name must contain `outer`, as in \
                     A12345_outer.geojson",
                    position("b/A82001.geojson", 0)
                ),
            ])
        );
    }

    #[test]
    fn an_archive_without_areas_is_an_error() {
        assert!(matches!(
            import(&[("readme.txt", "x".into())]),
            Err(ImportError::NoSuchMember { .. })
        ));
        assert!(matches!(
            import(&[("A82001.geojson", "{".into())]),
            Err(ImportError::Empty { .. })
        ));
    }

    /// An archive with a damaged byte must not cause a panic.
    #[test]
    fn damaged_archives_do_not_panic() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("catchments.zip");
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer
            .start_file("A82001.geojson", zip::write::SimpleFileOptions::default())
            .expect("a member");
        let text = geojson(&[("{}", SQUARE)]);
        std::io::Write::write_all(&mut writer, text.as_bytes()).expect("a member");
        let bytes = writer.finish().expect("an archive").into_inner();
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0xff;
            for bytes in [&bytes[..index], &damaged] {
                std::fs::write(&path, bytes).expect("a file");
                let _ = SourceFiles::open(&path).map(|mut source_files| read(&mut source_files));
            }
        }
    }
}
