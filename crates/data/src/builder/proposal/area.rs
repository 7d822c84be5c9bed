//! Determines the sub-ICB locations of the lists of neighbourhoods from the practices and postcodes
//! in the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::choice::{Choice, UsedFile, codes_of, directory_years};
use crate::import::onspd::{self, LsoaYear};
use crate::import::practice_list;
use crate::import::recognition::{AreaLevel, FileKind, TableKind};
use crate::import::{
    ImportError, PostcodeRecord, SourceFiles, epraccur, nhspd, postcode_list, read_whole_file,
};
use catchment_core::domain::{Postcode, Practice};

/// The sub-ICB locations of the lists.
#[derive(Debug, Default)]
pub(super) struct OwnArea {
    /// The ODS codes, which are used in directories of practices.
    pub(super) of_practices: BTreeSet<String>,
    /// The codes that are used in the directory of postcodes: ODS codes or GSS codes.
    pub(super) of_postcodes: BTreeSet<String>,
    pub(super) remarks: Vec<String>,
}

/// A sub-ICB location belongs to the list if it has at least one in `SHARE_ONE_IN` of the list's
/// practices or postcodes. The limit is needed because a few addresses are in neighbouring
/// locations.
const SHARE_ONE_IN: usize = 10;

/// Finds the sub-ICB locations of the lists. Without a list, or if a file cannot be read, nothing is
/// selected.
pub(super) fn find(folder: &Path, choice: &Choice<'_>) -> OwnArea {
    let listed_practices = codes_of(choice.practice_lists.first());
    let listed_areas = choice
        .area_lists
        .first()
        .filter(|file| matches!(file.file.kind, FileKind::AreaList(AreaLevel::Lsoa, ..)));
    let listed_areas = codes_of(listed_areas);
    if listed_practices.is_none() && listed_areas.is_none() {
        return OwnArea::default();
    }
    match read(folder, choice) {
        Ok((practices, postcodes)) => {
            locations(&practices, &postcodes, listed_practices, listed_areas)
        }
        Err(error) => OwnArea {
            remarks: vec![format!(
                "the sub-ICB locations of the lists were not determined, because a file cannot be \
                 used: {error}"
            )],
            ..OwnArea::default()
        },
    }
}

/// Reads the practices, and the postcodes of the directory.
fn read(
    folder: &Path,
    choice: &Choice<'_>,
) -> Result<(Vec<Practice>, Vec<PostcodeRecord>), String> {
    let mut practices = Vec::new();
    if let Some(file) = choice.table(TableKind::PracticeList) {
        let bytes = read_bytes(folder, &file)?;
        let rows = practice_list::read_practices(file.path, &bytes);
        let rows = rows.map_err(|error| error.to_string())?.into_iter();
        practices.extend(rows.map(|row| row.practice));
    }
    if let Some(file) = choice.table(TableKind::Epraccur) {
        let (centres, _) = epraccur::read(&mut open(folder, &file)?).map_err(words)?;
        practices.extend(centres.practices);
    }
    let mut postcodes = Vec::new();
    if let Some(file) = choice.directories.first() {
        let years = directory_years(&file.file.kind);
        let year = match years.contains(&choice.year) {
            true => choice.year,
            false => years.first().copied().unwrap_or(LsoaYear::Lsoa21),
        };
        postcodes = match &file.file.kind {
            FileKind::OnsDirectory(_) => {
                onspd::read(&mut open(folder, file)?, year)
                    .map_err(words)?
                    .0
            }
            FileKind::NhsDirectory(_) => {
                let columns = nhspd::ColumnPositions::default();
                nhspd::read(&mut open(folder, file)?, year, columns)
                    .map_err(words)?
                    .0
            }
            FileKind::Table(TableKind::PostcodeList) => {
                postcode_list::read(file.path, &read_bytes(folder, file)?)
                    .map_err(|error| error.to_string())?
            }
            _ => Vec::new(),
        };
    }
    Ok((practices, postcodes))
}

fn open(folder: &Path, file: &UsedFile<'_>) -> Result<SourceFiles, String> {
    SourceFiles::open(&folder.join(file.path)).map_err(words)
}

fn read_bytes(folder: &Path, file: &UsedFile<'_>) -> Result<Vec<u8>, String> {
    read_whole_file(&folder.join(file.path)).map_err(|error| format!("{}: {error}", file.path))
}

fn words(error: ImportError) -> String {
    error.to_string()
}

fn locations(
    practices: &[Practice],
    postcodes: &[PostcodeRecord],
    listed_practices: Option<&BTreeSet<String>>,
    listed_areas: Option<&BTreeSet<String>>,
) -> OwnArea {
    let by_postcode: BTreeMap<Postcode, &str> = postcodes
        .iter()
        .filter_map(|row| Some((row.postcode, row.sub_icb.as_deref()?)))
        .collect();
    let postcode_location = |practice: &Practice| {
        let postcode = practice.postcode.as_ref()?;
        by_postcode.get(postcode).copied()
    };
    let is_listed = |practice: &&Practice| {
        listed_practices.is_some_and(|codes| codes.contains(practice.code.as_str()))
    };
    let mut own = OwnArea::default();
    if let Some(areas) = listed_areas {
        let inside = postcodes.iter().filter(|row| {
            let area = row.statistical_area.as_ref();
            area.is_some_and(|code| areas.contains(code))
        });
        own.of_postcodes = frequent(inside.filter_map(|row| row.sub_icb.as_deref()));
    } else {
        let listed = practices.iter().filter(is_listed);
        own.of_postcodes = frequent(listed.filter_map(postcode_location));
    }
    own.of_practices = if listed_practices.is_some() {
        let listed = practices.iter().filter(is_listed);
        frequent(listed.filter_map(|practice| practice.sub_icb.as_deref()))
    } else {
        let inside = practices.iter().filter(|practice| {
            let location = postcode_location(practice);
            location.is_some_and(|location| own.of_postcodes.contains(location))
        });
        frequent(inside.filter_map(|practice| practice.sub_icb.as_deref()))
    };
    if let Some(codes) = listed_practices {
        let known: BTreeSet<&str> = practices.iter().map(|found| found.code.as_str()).collect();
        let unknown: Vec<&str> = codes
            .iter()
            .map(String::as_str)
            .filter(|code| !known.contains(code))
            .collect();
        if !practices.is_empty() && !unknown.is_empty() {
            own.remarks.push(format!(
                "the list of practices has {} of {} codes that are in no file of practices: {}",
                unknown.len(),
                codes.len(),
                crate::plural::first_names(&unknown, 5)
            ));
        }
    }
    own
}

/// Returns the codes that have at least one in `SHARE_ONE_IN` of the counts.
fn frequent<'c>(codes: impl Iterator<Item = &'c str>) -> BTreeSet<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = 0;
    for code in codes {
        *counts.entry(code).or_default() += 1;
        total += 1;
    }
    let frequent = counts.into_iter();
    frequent
        .filter(|(_, count)| count * SHARE_ONE_IN >= total)
        .map(|(code, _)| code.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_codes_are_left_out() {
        let codes = ["00R"; 19].into_iter().chain(["01A"]);
        assert_eq!(frequent(codes), BTreeSet::from(["00R".to_string()]));
        assert!(frequent([].into_iter()).is_empty());
    }
}
