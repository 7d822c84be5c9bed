//! Recognises a polygon file by its attributes.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::onspd::LsoaYear;
use super::super::polygons::{self, PolygonImport};
use super::super::rows::lowercase_file_name;
use super::table::{is_practice_code, lsoa_year};
use super::{AreaLevel, FileContent, FileKind, PolygonAttributes, RecognisedFile, words_of};
use crate::dataset::validation::nested_parts_to_holes;
use crate::formats::PolygonFile;

/// Returns whether the name has the extension of a polygon file.
pub(super) fn has_extension(name: &str) -> bool {
    polygons::polygon_extension(name).is_some()
}

/// Returns whether the name begins with the code of a practice or branch, as the names of files of
/// declared catchments do.
pub(super) fn is_named_after_practice(member: &str) -> bool {
    let base = lowercase_file_name(member).to_ascii_uppercase();
    let end = base.find(|c: char| !c.is_ascii_alphanumeric());
    let word = &base[..end.unwrap_or(base.len())];
    matches!(word.len(), 6 | 9) && word.get(..6).is_some_and(is_practice_code)
}

pub(super) fn content(path: &Path, name: &str) -> FileContent {
    if is_named_after_practice(name) {
        return FileContent::Known(RecognisedFile {
            kind: FileKind::Catchments,
            newest: None,
        });
    }
    content_of_path(path)
}

/// Reads the polygons at the path, which may be an archive, and returns their kind.
pub(super) fn content_of_path(path: &Path) -> FileContent {
    let mut file = match polygons::read_attributes(path, &PolygonImport::default()) {
        Ok(file) => file,
        Err(error) => return FileContent::Unreadable(words_of(&error)),
    };
    let (level, mut attributes) = describe(&file);
    attributes.has_nested_parts = !nested_parts_to_holes(&mut file).is_empty();
    FileContent::Known(RecognisedFile {
        kind: FileKind::Polygons(level, attributes),
        newest: None,
    })
}

/// Returns the attributes of the polygons, and their level if their codes show it.
fn describe(file: &PolygonFile) -> (Option<(AreaLevel, LsoaYear)>, PolygonAttributes) {
    let names: BTreeSet<&str> = file
        .features
        .iter()
        .flat_map(|feature| feature.attributes.keys())
        .map(String::as_str)
        .collect();
    let values = |name: &str| -> Vec<&str> {
        let features = file.features.iter();
        let values = features.filter_map(|feature| feature.attributes.get(name));
        values.map(String::as_str).collect()
    };
    let is_unique = |name: &&str| {
        let values = values(name);
        values.len() == file.features.len()
            && values.iter().collect::<BTreeSet<_>>().len() == values.len()
    };
    let unique: Vec<&str> = names.iter().copied().filter(is_unique).collect();
    let coded = unique.iter().find_map(|name| {
        let values = values(name);
        let level = AreaLevel::ALL
            .into_iter()
            .find(|level| values.iter().all(|value| level.has_code(value)));
        Some((*name, level?, lsoa_year(values.into_iter())))
    });
    let named = |stems: &[&str]| {
        let found = stems
            .iter()
            .find_map(|stem| unique.iter().find(|name| **name == *stem));
        found.or_else(|| unique.iter().find(|name| name.contains(stems[0])))
    };
    let (level, id) = match coded {
        Some((name, level, year)) => (Some((level, year)), Some(name)),
        None => (None, named(&["id", "code", "ref", "fid"]).copied()),
    };
    // The ONS's attributes of names end in `NM`, and its attributes of codes end in `CD`.
    let name_of_code = id
        .and_then(|id| id.strip_suffix("cd"))
        .map(|stem| format!("{stem}nm"));
    let name = name_of_code
        .filter(|name| names.contains(name.as_str()))
        .or_else(|| named(&["name", "title", "label"]).map(|name| (*name).to_string()))
        .filter(|name| id != Some(name));
    let sub_icb = names.iter().find(|name| {
        let values = values(name);
        name.starts_with("sicbl")
            && values.iter().all(|value| (3..=5).contains(&value.len()))
            && values.len() == file.features.len()
    });
    let attributes = PolygonAttributes {
        id: id.map(written),
        name: name.as_deref().map(written),
        sub_icb: sub_icb.map(|name| written(name)),
        count: file.features.len(),
        codes: match (level, id) {
            (Some(_), Some(id)) => values(id).into_iter().map(str::to_string).collect(),
            _ => BTreeSet::new(),
        },
        has_nested_parts: false,
    };
    (level, attributes)
}

/// Returns the name of an attribute in the ONS's spelling, such as `LSOA21CD`, if the attribute is
/// one of the ONS's. The case of attributes does not matter when they are read.
fn written(name: &str) -> String {
    let is_of_ons = name.ends_with("cd") || name.ends_with("nm") || name.starts_with("sicbl");
    match is_of_ons {
        true => name.to_uppercase(),
        false => name.to_string(),
    }
}
