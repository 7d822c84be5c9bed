//! Recognises an archive or a workbook by its members.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::Date;

use super::super::onspd::LsoaYear;
use super::super::rows::{lowercase_file_name, member_label};
use super::super::{ImportError, SourceFiles, epcn};
use super::formats::TableKind;
use super::polygon_files;
use super::table::TableSample;
use super::{FileContent, FileKind, RecognisedFile, words_of};
use crate::plural::first_names;
use catchment_core::domain::SourceDate;

/// The member of every workbook that lists its sheets.
const WORKBOOK: &str = "xl/workbook.xml";

pub(super) fn content(
    path: &Path,
    source_files: &mut SourceFiles,
    today: Date,
) -> Result<FileContent, ImportError> {
    let members = source_files.members();
    let known = |kind| FileContent::Known(RecognisedFile { kind, newest: None });
    if members.iter().any(|member| member == WORKBOOK) {
        let sheets = source_files.read_member(WORKBOOK)?;
        if !epcn::has_both_sheets(&sheets) {
            return Ok(FileContent::Unknown(
                "a workbook without the sheets of ePCN; save a list as CSV".into(),
            ));
        }
        let newest = epcn::newest_day(path, today)?.map(SourceDate::Day);
        let kind = FileKind::Networks;
        return Ok(FileContent::Known(RecognisedFile { kind, newest }));
    }
    let visible: Vec<String> = members
        .into_iter()
        .filter(|name| {
            !name.starts_with("__MACOSX/") && !lowercase_file_name(name).starts_with('.')
        })
        .collect();
    let polygons: Vec<&String> = visible
        .iter()
        .filter(|member| polygon_files::has_extension(member))
        .collect();
    if !polygons.is_empty() {
        let are_catchments = polygons
            .iter()
            .all(|member| polygon_files::is_named_after_practice(member));
        return Ok(match polygons.as_slice() {
            _ if are_catchments => known(FileKind::Catchments),
            [_] => polygon_files::content_of_path(path),
            several => FileContent::Unknown(format!(
                "an archive of several polygon files ({}); extract the one that you need",
                first_names(several.iter(), 3)
            )),
        });
    }
    let mut found: Vec<RecognisedFile> = Vec::new();
    let mut unknown = None;
    for member in visible {
        if !lowercase_file_name(&member).ends_with(".csv") {
            continue;
        }
        let file = member_label(source_files, &member);
        let sample = TableSample::read(&file, source_files.open_member(&member)?);
        // Archives also contain documents as CSV files, whose rows may have any length.
        let content = match sample {
            Ok(sample) => sample.content(today),
            Err(error) => FileContent::Unreadable(words_of(&error)),
        };
        match content {
            FileContent::Known(known) => found.push(known),
            other => {
                unknown.get_or_insert(other);
            }
        }
        // The other files of a directory or list of addresses, and the names of its codes, follow.
        if found.iter().any(|file| is_in_several_files(&file.kind)) {
            break;
        }
    }
    Ok(choose(found)
        .or(unknown)
        .unwrap_or_else(|| FileContent::Unknown("an archive without a CSV or polygon file".into())))
}

/// Returns whether archives contain a table of this kind in several files, beside documents.
fn is_in_several_files(kind: &FileKind) -> bool {
    matches!(
        kind,
        FileKind::OnsDirectory(_)
            | FileKind::NhsDirectory(_)
            | FileKind::Table(TableKind::CodePointOpen | TableKind::Addresses)
    )
}

/// Returns the kind of an archive that contains these tables.
fn choose(found: Vec<RecognisedFile>) -> Option<FileContent> {
    let newest = found.iter().filter_map(|file| file.newest).max();
    if let Some(first) = found.iter().find(|file| is_in_several_files(&file.kind)) {
        return Some(FileContent::Known(first.clone()));
    }
    let has = |kind| {
        let mut files = found.iter();
        files.any(|file| file.kind == FileKind::Table(kind))
    };
    if has(TableKind::NetworkDetails) && has(TableKind::NetworkPartners) {
        let kind = FileKind::Networks;
        return Some(FileContent::Known(RecognisedFile { kind, newest }));
    }
    let are_registrations = found
        .iter()
        .all(|file| matches!(file.kind, FileKind::Registrations(_)));
    if are_registrations {
        // The tables for men and for women may lack the few codes that indicate the census.
        let of_2021 = FileKind::Registrations(LsoaYear::Lsoa21);
        let shows_2021 = found.iter().find(|file| file.kind == of_2021);
        return shows_2021
            .or(found.first())
            .cloned()
            .map(FileContent::Known);
    }
    let titles: BTreeSet<String> = found.iter().map(|file| file.kind.words()).collect();
    let first = found.into_iter().next()?;
    let is_read_from_archives = matches!(
        first.kind,
        FileKind::Registrations(_)
            | FileKind::Table(TableKind::Epraccur | TableKind::Branches | TableKind::Successions)
    );
    Some(if titles.len() > 1 {
        FileContent::Unknown(format!(
            "an archive of several tables ({}); extract them",
            first_names(&titles, 3)
        ))
    } else if is_read_from_archives {
        FileContent::Known(first)
    } else {
        FileContent::Unknown(format!(
            "an archive with {}; extract it",
            first.kind.words()
        ))
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::super::rows::fixture;
    use super::*;

    fn content_of(files: &[(&str, &str)]) -> FileContent {
        let mut source = fixture::archive("a.zip", files);
        content(
            Path::new("a.zip"),
            &mut source.source_files,
            date(2026, 11, 30),
        )
        .expect("an archive")
    }

    const REGISTRATIONS: &str = "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS\nGP_PRAC_PAT_LIST,01JUL2026,A99001,SURGERY,";

    #[test]
    fn archives_are_recognised_by_their_tables() {
        let of_2011 = format!("{REGISTRATIONS}E01012571,MALE,3\n");
        let of_2021 = format!("{REGISTRATIONS}E01034001,FEMALE,3\n");
        let both = content_of(&[("lsoa-female.csv", &of_2021), ("lsoa-male.csv", &of_2011)]);
        let FileContent::Known(file) = both else {
            panic!("{both:?}");
        };
        assert_eq!(file.kind, FileKind::Registrations(LsoaYear::Lsoa21));
        assert_eq!(
            file.newest.map(|date| date.to_string()).as_deref(),
            Some("2026-07-01")
        );
        // Documents next to a table may have any form.
        let documents = [("codes.csv", "a,b\n1\n"), ("lsoa-all.csv", &of_2011)];
        assert!(matches!(content_of(&documents), FileContent::Known(_)));
        let catchments = [("A99001.geojson", "{}"), ("A99002_outer.geojson", "{}")];
        let kind = FileKind::Catchments;
        let expected = FileContent::Known(RecognisedFile { kind, newest: None });
        assert_eq!(content_of(&catchments), expected);
    }

    #[test]
    fn lists_of_addresses_are_recognised_beside_the_names_of_their_codes() {
        let names = "LSOA21CD,LSOA21NM\nE01000001,City of London 001A\n";
        let addresses = "UPRN,GRIDGB1E,GRIDGB1N,PCDS,CTRY25CD,LSOA21CD\n1,1,2,LA1 1AA,E,E\n";
        let files = [
            ("Data/NSUL_JUN_2026_EE.csv", addresses),
            ("Data/NSUL_JUN_2026_NW.csv", addresses),
            ("Documents/LSOA names.csv", names),
        ];
        let kind = FileKind::Table(TableKind::Addresses);
        let expected = FileContent::Known(RecognisedFile { kind, newest: None });
        assert_eq!(content_of(&files), expected);
    }

    #[test]
    fn archives_of_something_else_are_unknown() {
        for (files, expected) in [
            (
                &[("readme.txt", "x")][..],
                "an archive without a CSV or polygon file",
            ),
            (
                &[("a.geojson", "{}"), ("b.geojson", "{}")],
                "an archive of several polygon files (a.geojson, b.geojson)",
            ),
            (
                &[("list.csv", "GP,Team\nA99001,North\nA99002,North\n")],
                "an archive with practices of 1 area",
            ),
            (
                &[("xl/workbook.xml", "<sheets><sheet name=\"List\"/></sheets>")],
                "a workbook without the sheets of ePCN",
            ),
        ] {
            match content_of(files) {
                FileContent::Unknown(reason) => assert!(reason.contains(expected), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
