//! The areas from which GP practices take patients, as they declared them: NHS South, Central and
//! West publish "GP catchment areas (England)" as an archive with one GeoJSON file a practice.
//!
//! - A file is named by the practice's ODS code (`A12345.geojson`, `A12345_outer.geojson`); where it is
//!   not, its features say the code, in `PracticeCd` or at the beginning of `name`
//!   (`A12345 - HIGH STREET SURGERY`). Nine characters are a branch of the first six.
//! - Longitude and latitude; a height after them is left out.
//! - Several features are the parts of one area. Parts that overlap or share a border are kept as
//!   they are and named in a warning: their union is nobody's decision here.
//! - `inner` or `outer` as a word in the file's name or folder, or in a property that is no name of a
//!   practice, says which of the two areas it is: a practice takes new patients from its inner area, and
//!   may keep those who move within its outer one. Without such a word it is the inner one. The years
//!   that we know of publish one area a practice and no such word.
//!
//! A file with one faulty feature is rejected whole: without that part the area would be another.
//! The report counts files, and its places are the number of the feature in the file.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{base_name, label};
use super::{ImportError, ImportReport, Publication};
use crate::dataset::polygons::{self, Crs, Feature};
use crate::dataset::rings::Polygon;
use crate::dataset::validity::invalidity;
use crate::domain::OdsCode;

/// A practice's declared area, or a branch's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catchment {
    pub(crate) practice: OdsCode,
    /// The branch, where the area is that of one.
    pub(crate) branch: Option<OdsCode>,
    pub(crate) kind: CatchmentKind,
    /// In units of longitude and latitude, each valid by itself.
    pub(crate) polygons: Vec<Polygon>,
}

/// Which of a practice's two areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CatchmentKind {
    /// It takes new patients from there.
    Inner,
    /// It may keep patients who move there.
    Outer,
}

/// Files that a warning names; the others are only counted.
const FILES_NAMED_MAX: usize = 10;

/// Every area, in order of practice, branch and kind.
///
/// # Errors
/// When the archive or folder cannot be read, or no area is in it.
pub(crate) fn read(
    publication: &mut Publication,
) -> Result<(Vec<Catchment>, ImportReport), ImportError> {
    let mut import = Import {
        report: ImportReport::of(publication.name()),
        found: BTreeMap::new(),
        notes: BTreeMap::new(),
    };
    let members = members(publication)?;
    for member in members {
        let file = label(publication, &member);
        let bytes = publication.bytes(&member)?;
        import.report.read += 1;
        match import.read_file(&member, &file, &bytes) {
            Ok(()) => import.report.kept += 1,
            Err(wrong) => import.report.reject(wrong.reason, &file, wrong.feature),
        }
    }
    import.finish()
}

/// The GeoJSON files, whatever their folder.
fn members(publication: &Publication) -> Result<Vec<String>, ImportError> {
    let mut members = publication.members();
    members.retain(|name| {
        let base = base_name(name);
        let is_geojson = base.ends_with(".geojson") || base.ends_with(".json");
        is_geojson && !base.starts_with('.') && !name.starts_with("__MACOSX/")
    });
    if members.is_empty() {
        return Err(ImportError::NoSuchMember {
            source_name: publication.name(),
            expected: "GeoJSON file named by a practice's ODS code",
        });
    }
    Ok(members)
}

/// Whose area, and which.
type Key = (OdsCode, Option<OdsCode>, CatchmentKind);

struct Import {
    report: ImportReport,
    found: BTreeMap<Key, Vec<Polygon>>,
    /// Files about which something is odd, by what it is.
    notes: BTreeMap<&'static str, BTreeSet<String>>,
}

/// Why a file is rejected.
struct Wrong {
    /// From 1; 0 where it is the file as a whole.
    feature: u64,
    reason: &'static str,
}

impl From<&'static str> for Wrong {
    fn from(reason: &'static str) -> Wrong {
        Wrong { feature: 0, reason }
    }
}

impl Import {
    fn read_file(&mut self, member: &str, file: &str, bytes: &[u8]) -> Result<(), Wrong> {
        let read = match polygons::geojson_features(bytes) {
            Ok(read) => read,
            Err(reason) => {
                self.note("not GeoJSON", format!("{file}: {reason}"));
                return Err("not GeoJSON that can be read".into());
            }
        };
        if read.crs != Crs::LonLat {
            return Err("not in longitude and latitude".into());
        }
        if read.features.is_empty() {
            return Err("no features".into());
        }
        let code = code_of_file(member);
        let mut areas: BTreeMap<Key, Vec<Polygon>> = BTreeMap::new();
        for (feature, number) in read.features.into_iter().zip(1..) {
            let wrong = |reason| Wrong {
                feature: number,
                reason,
            };
            let feature = feature.map_err(|fault| wrong(fault.reason))?;
            let key = key(code, member, &feature).map_err(wrong)?;
            self.check(file, &feature).map_err(wrong)?;
            areas.entry(key).or_default().extend(feature.polygons);
        }
        if areas.keys().any(|key| self.found.contains_key(key)) {
            return Err("an earlier file has the same area of the same practice".into());
        }
        for (key, parts) in areas {
            // One polygon by itself was checked.
            let between = (parts.len() > 1).then(|| invalidity(&parts));
            if let Some(fault) = between.flatten() {
                self.note(fault.reason(), file.to_string());
            }
            self.found.insert(key, parts);
        }
        Ok(())
    }

    /// Refuses a feature with a polygon that is not valid by itself.
    fn check(&mut self, file: &str, feature: &Feature) -> Result<(), &'static str> {
        for polygon in &feature.polygons {
            if let Some(fault) = invalidity(std::slice::from_ref(polygon)) {
                return Err(fault.reason());
            }
        }
        if feature.turned {
            self.note(
                "rings that ran the other way round were turned",
                file.to_string(),
            );
        }
        Ok(())
    }

    fn note(&mut self, what: &'static str, file: String) {
        self.notes.entry(what).or_default().insert(file);
    }

    fn finish(mut self) -> Result<(Vec<Catchment>, ImportReport), ImportError> {
        if self.found.is_empty() {
            return Err(ImportError::Empty {
                source_name: self.report.source,
                read: self.report.read,
            });
        }
        for (what, files) in self.notes {
            let named: Vec<&str> = files
                .iter()
                .take(FILES_NAMED_MAX)
                .map(String::as_str)
                .collect();
            let more = if files.len() > FILES_NAMED_MAX {
                ", …"
            } else {
                ""
            };
            let (count, named) = (files.len(), named.join(", "));
            self.report
                .warnings
                .push(format!("{what}: {count} files ({named}{more})"));
        }
        let catchments = self
            .found
            .into_iter()
            .map(|((practice, branch, kind), polygons)| Catchment {
                practice,
                branch,
                kind,
                polygons,
            });
        Ok((catchments.collect(), self.report))
    }
}

/// Whose area the feature is: the file's name and the feature may not disagree.
fn key(of_file: Option<OdsCode>, member: &str, feature: &Feature) -> Result<Key, &'static str> {
    let of_feature = code_of_feature(feature);
    let code = match (of_file, of_feature) {
        (Some(file), Some(feature)) if practice_of(file) != practice_of(feature) => {
            return Err("its file and its name or PracticeCd say different practices");
        }
        // A branch is more than its practice.
        (Some(file), Some(feature)) => match feature.parent() {
            Some(_) => feature,
            None => file,
        },
        (Some(code), None) | (None, Some(code)) => code,
        (None, None) => return Err("no ODS code in the file's name, in PracticeCd or in name"),
    };
    let branch = code.parent().map(|_| code);
    Ok((practice_of(code), branch, kind(member, feature)))
}

fn practice_of(code: OdsCode) -> OdsCode {
    code.parent().unwrap_or(code)
}

/// The code at the beginning of the file's name.
fn code_of_file(member: &str) -> Option<OdsCode> {
    let base = base_name(member);
    code_at_start(
        base.rsplit_once('.')
            .map_or(base.as_str(), |(stem, _)| stem),
    )
}

fn code_of_feature(feature: &Feature) -> Option<OdsCode> {
    [
        "practicecd",
        "practicecode",
        "practice_code",
        "ods_code",
        "name",
    ]
    .into_iter()
    .find_map(|name| code_at_start(feature.attributes.get(name)?))
}

/// A practice's or a branch's code at the beginning of the text: a letter or digit for each of six
/// or nine places, digits among them, and then no more letters and digits.
fn code_at_start(text: &str) -> Option<OdsCode> {
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

/// Properties that may hold a practice's name, in which `INNER` may be a part of an address.
const NAMES: [&str; 5] = [
    "name",
    "practicenm",
    "practicename",
    "practice_name",
    "description",
];

fn kind(member: &str, feature: &Feature) -> CatchmentKind {
    let said = |word: &str| {
        let has_word = |text: &str| {
            text.split(|character: char| !character.is_ascii_alphanumeric())
                .any(|part| part.eq_ignore_ascii_case(word))
        };
        let in_a_property = |(name, value): (&String, &String)| {
            !NAMES.contains(&name.as_str()) && (has_word(value) || has_word(name) && is_yes(value))
        };
        has_word(member) || feature.attributes.iter().any(in_a_property)
    };
    match (said("outer"), said("inner")) {
        (true, false) => CatchmentKind::Outer,
        _ => CatchmentKind::Inner,
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
    const ELSEWHERE: &str = "[[[-1,54],[0,54],[0,55],[-1,54]]]";
    const OVERLAPPING: &str = "[[[-2.5,54],[0,54],[0,55],[-2.5,54]]]";
    const CROSSED: &str = "[[[-3,54],[-2,55],[-2,54],[-3,54.5],[-3,54]]]";

    /// A file of features: their properties, and the coordinates of a polygon.
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

    fn import(files: &[(&str, String)]) -> Result<(Vec<Catchment>, ImportReport), ImportError> {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let from_archive = read(&mut fixture::archive("catchments.zip", &files).publication);
        let from_folder = read(&mut fixture::folder(&files).publication);
        assert_eq!(
            from_archive.as_ref().ok().map(|(found, _)| found),
            from_folder.as_ref().ok().map(|(found, _)| found)
        );
        from_archive
    }

    #[test]
    fn heights_are_left_out_and_names_are_no_codes() {
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
        assert_eq!((flat[0].branch, flat[0].kind), (None, CatchmentKind::Inner));
    }

    #[test]
    fn the_features_say_the_code_where_the_file_does_not() {
        for properties in [
            r#"{"name":"A82001 - SURGERY"}"#,
            r#"{"PracticeCd":"A82001"}"#,
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
    fn several_features_are_parts_of_one_area() {
        let (found, report) = import(&[
            (
                "A82001.geojson",
                geojson(&[("{}", SQUARE), ("{}", ELSEWHERE)]),
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
                "its parts overlap: 1 files (catchments.zip/A82002.geojson)",
                "rings that ran the other way round were turned: 1 files (catchments.zip/A82003.geojson)",
            ]
        );
    }

    #[test]
    fn inner_and_outer_are_told_apart_by_a_word() {
        for (file, properties) in [
            ("A82001_outer.geojson", "{}"),
            ("Outer/A82001.geojson", "{}"),
            ("A82001.geojson", r#"{"type":"Outer boundary"}"#),
            ("A82001.geojson", r#"{"outer":"yes"}"#),
        ] {
            let (found, _) = import(&[(file, geojson(&[(properties, SQUARE)]))]).expect("one");
            assert_eq!(found[0].kind, CatchmentKind::Outer, "{file} {properties}");
        }
        let both = geojson(&[
            (r#"{"type":"inner"}"#, SQUARE),
            (r#"{"type":"outer"}"#, SQUARE),
        ]);
        let (found, _) = import(&[("A82001.geojson", both)]).expect("two areas");
        assert_eq!(found[0].kind, CatchmentKind::Inner);
        assert_eq!(found[1].kind, CatchmentKind::Outer);
    }

    #[test]
    fn a_faulty_file_is_rejected_whole_with_its_reason() {
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
            ("b/A82001.geojson", geojson(&[("{}", ELSEWHERE)])),
        ])
        .expect("one");
        assert_eq!((found.len(), report.read, report.kept), (1, 8, 1));
        let only_place = |rejected: &crate::import::Places| {
            let (file, feature) = &rejected.places[0];
            (file.replace("catchments.zip/", ""), *feature)
        };
        let places: BTreeMap<&str, (String, u64)> = report
            .rejected
            .iter()
            .map(|(reason, rejected)| (*reason, only_place(rejected)))
            .collect();
        let at = |file: &str, feature| (file.to_string(), feature);
        assert_eq!(
            places,
            BTreeMap::from([
                ("a ring crosses or touches itself", at("A82002.geojson", 2)),
                ("not GeoJSON that can be read", at("A82003.geojson", 0)),
                ("no features", at("A82004.geojson", 0)),
                (
                    "its file and its name or PracticeCd say different practices",
                    at("A82005.geojson", 1)
                ),
                (
                    "no ODS code in the file's name, in PracticeCd or in name",
                    at("surgery.geojson", 1)
                ),
                (
                    "a ring should have at least four positions, the last equal to the first",
                    at("A82007.geojson", 1)
                ),
                (
                    "an earlier file has the same area of the same practice",
                    at("b/A82001.geojson", 0)
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

    /// No byte of an archive may stop the program.
    #[test]
    fn a_damaged_archive_is_an_error_or_areas() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("catchments.zip");
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer
            .start_file("A82001.geojson", zip::write::SimpleFileOptions::default())
            .expect("a member");
        let text = geojson(&[("{}", SQUARE)]);
        std::io::Write::write_all(&mut writer, text.as_bytes()).expect("a member");
        let bytes = writer.finish().expect("an archive").into_inner();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            for bytes in [&bytes[..at], &damaged] {
                std::fs::write(&path, bytes).expect("a file");
                let _ = Publication::open(&path).map(|mut publication| read(&mut publication));
            }
        }
    }
}
