//! The files that a folder lacks: the title and the publisher of each missing file, and what it is
//! used for.

use super::choice::Choice;
use crate::import::onspd::LsoaYear;
use crate::import::recognition::{AreaLevel, FileKind, TableKind, year_in_words};

const GEOPORTAL: &str = "ONS Open Geography Portal, geoportal.statistics.gov.uk";
const ODS: &str = "NHS England, ODS Data Search and Export, www.odsdatasearchandexport.nhs.uk";

/// Returns the files with which to begin, if a folder has none.
pub(super) fn first_files() -> Vec<String> {
    vec![
        format!("  ONS Postcode Directory ({GEOPORTAL})"),
        format!("  epraccur ({ODS}): the practices"),
        format!("  epcn and epcncorepartnerdetails ({ODS}): the networks and their practices"),
        "  Patients Registered at a GP Practice, by LSOA (NHS England Digital, digital.nhs.uk)"
            .into(),
        format!("  boundaries of LSOAs, December 2021 ({GEOPORTAL})"),
        "  your own list of the practices or LSOAs of each neighbourhood (CSV)".into(),
    ]
}

/// Returns a line for each missing file, with its publisher and what it is used for.
pub(super) fn lines(choice: &Choice<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |is_missing: bool, title: &str, from: &str, gives: &str| {
        if is_missing {
            lines.push(format!("{title} ({from}): {gives}"));
        }
    };
    let has = |is_wanted: &dyn Fn(&FileKind) -> bool| !choice.find(is_wanted).is_empty();
    let has_table = |kind| choice.table(kind).is_some();
    let year = year_in_words(choice.year);
    add(
        choice.directories.is_empty(),
        "ONS Postcode Directory",
        GEOPORTAL,
        "the position and the LSOA of each postcode; needed",
    );
    let has_only_code_point = choice
        .directories
        .iter()
        .all(|file| file.file.kind == FileKind::Table(TableKind::CodePointOpen));
    add(
        !choice.directories.is_empty() && has_only_code_point,
        "ONS Postcode Directory",
        GEOPORTAL,
        "the LSOA of each postcode, and postcodes that are no longer in use",
    );
    let has_boundaries = has(
        &|kind| matches!(kind, FileKind::Polygons(Some((AreaLevel::Lsoa, found)), _) if *found == choice.year),
    );
    let title = match choice.year {
        LsoaYear::Lsoa21 => "Lower layer Super Output Areas (December 2021) Boundaries EW BSC",
        LsoaYear::Lsoa11 => "Lower layer Super Output Areas (December 2011) Boundaries EW BSC",
    };
    add(
        !has_boundaries,
        title,
        GEOPORTAL,
        &format!("the boundaries of all areas that consist of LSOAs of {year}"),
    );
    add(
        !choice.has_practices(),
        "epraccur",
        ODS,
        "the practices; answers by registration",
    );
    add(
        choice.shares_file().is_none(),
        "Patients Registered at a GP Practice, by LSOA",
        "NHS England Digital, digital.nhs.uk",
        "where the patients of each practice live: the areas of practices and networks, and of \
         neighbourhoods that are lists of practices",
    );
    add(
        choice.networks().is_none() && !has_table(TableKind::NetworkPeriods),
        "epcn and epcncorepartnerdetails",
        ODS,
        "the networks and their practices",
    );
    let has_areas = !choice.area_lists.is_empty() || !choice.polygons.is_empty();
    add(
        !has_areas && choice.practice_lists.is_empty(),
        "a list of the LSOAs or practices of each neighbourhood",
        "your own, CSV: a column of codes and a column of names",
        "the neighbourhoods, on which residence and registration are compared",
    );
    add(
        has_areas && choice.practice_lists.is_empty(),
        "a list of the practices of each neighbourhood",
        "your own, CSV: a column of codes and a column of names",
        "the neighbourhood by registration, in addition to the neighbourhood by residence",
    );
    if let Some(list) = choice.area_lists.first()
        && let FileKind::AreaList(level, ..) = &list.file.kind
    {
        add(
            *level != AreaLevel::Lsoa && choice.through_table().is_none(),
            &format!("a look-up from LSOAs of {year} to {}", level.plural()),
            GEOPORTAL,
            &format!("the LSOAs of the {} of your list", level.plural()),
        );
    }
    let has_organisations = !choice.organisations().is_empty()
        || has(&|kind| matches!(kind, FileKind::Polygons(Some((AreaLevel::Icb, _)), _)));
    add(
        !has_organisations,
        &format!(
            "LSOA ({year}) to sub-ICB location to ICB to NHS England region to council look-up"
        ),
        GEOPORTAL,
        "the sub-ICB location, the ICB and the council of each place",
    );
    add(
        !has_table(TableKind::Successions) && !has_table(TableKind::SuccessionList),
        "succ",
        ODS,
        "the successors of closed practices",
    );
    add(
        !has_table(TableKind::Branches) && !has_table(TableKind::Premises),
        "ebranchs",
        ODS,
        "branch surgeries, to which distances are measured",
    );
    add(
        !has_table(TableKind::Addresses),
        "National Statistics UPRN Lookup (NSUL)",
        GEOPORTAL,
        "the number of homes of a postcode in each area, where a boundary divides the postcode",
    );
    lines
}
