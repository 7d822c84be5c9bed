//! The meanings of the codes in the output of a batch. The batch page lists the meanings, and its
//! script shows each meaning next to its code.

use maud::{Markup, html};

use super::nhsuk::{DataTable, details, table};
use super::words;
use catchment_core::domain::Manifest;

/// The codes that mean the same in every dataset. A reason has the missing result before its code.
const MEANINGS: [(&str, &str); 41] = [
    ("located", "Found"),
    (
        "terminated",
        "Postcode no longer in use: we used its last position",
    ),
    ("outside_coverage", "Outside the area that we cover"),
    ("no_fixed_abode", "No fixed abode"),
    ("address_not_known", "Address not known"),
    (
        "pseudo_country",
        "Code for another country or a special case, not a place",
    ),
    ("no_location", "Postcode without a position, such as BFPO"),
    (
        "unknown_postcode",
        "The directory does not have this postcode",
    ),
    ("unknown_area", "No such statistical area"),
    (
        "unknown_uprn",
        "The table of UPRNs does not have this address",
    ),
    ("uprn_unavailable", "We have no table of UPRNs"),
    ("partial_postcode", "Only the first part of a postcode"),
    ("malformed", "Not a postcode, code or position"),
    ("missing", "Empty"),
    ("bad_row", "Row that we could not read"),
    ("agree", "Both are the same"),
    ("differ", "They differ"),
    ("registration_only", "Only the registration is known"),
    ("residence_only", "Only the residence is known"),
    ("neither", "Neither is known"),
    ("residence:missing", "No postcode"),
    ("residence:malformed", "Not a postcode"),
    ("residence:no_data_for_date", "We have no data for the date"),
    ("residence:no_live_postcodes", "No postcode is in use there"),
    ("residence:not_a_number", "A coordinate is not a number"),
    (
        "residence:coordinates_swapped",
        "The coordinates are in the wrong order",
    ),
    ("registration:missing", "No practice code"),
    ("registration:malformed", "Not a practice code"),
    ("not_an_ods_code", "Not a practice code"),
    (
        "closed_before_data",
        "Practice closed before the data begin",
    ),
    ("outside_data", "Practice outside the area that we cover"),
    ("none_named", "The source names no groups"),
    ("no_source", "We have no source"),
    ("no_boundary", "We have no boundary"),
    (
        "registration:default_code",
        "Code for people without a practice",
    ),
    (
        "registration:unknown_practice",
        "No such practice in the data",
    ),
    (
        "registration:not_a_gp_practice",
        "Organisation that is not a GP practice",
    ),
    (
        "registration:closed_no_successor",
        "Practice closed, and no other practice took over its patients",
    ),
    (
        "registration:succession_cycle",
        "The data do not show which practice took over the patients",
    ),
    (
        "registration:outside_coverage",
        "Practice outside the area that we cover",
    ),
    (
        "registration:no_data_for_date",
        "We have no data for the date",
    ),
];

/// Returns the codes and their meanings.
fn meanings(manifest: &Manifest) -> Vec<(String, String)> {
    let fixed = MEANINGS.map(|(code, meaning)| (code.to_string(), meaning.to_string()));
    let mut meanings = fixed.to_vec();
    if let Some(main) = manifest.main_community_layer() {
        let noun = words::with_article(words::community_noun(manifest));
        let code = format!("no_{}", main.as_str().replace('-', "_"));
        meanings.push((code, format!("Not in {noun}")));
    }
    meanings
}

/// Renders the table of codes.
pub(super) fn codes_table(manifest: &Manifest) -> Markup {
    let rows = meanings(manifest).into_iter().map(|(code, meaning)| {
        let code = html! { code.column-name data-meaning=(meaning) { (code) } };
        vec![code, html! { (meaning) }]
    });
    let table = table(&DataTable {
        caption: "Codes in the result",
        caption_size: Some("s"),
        columns: vec!["Code".into(), "What it means".into()],
        rows: rows.collect(),
    });
    details(&html! { "What the codes mean" }, false, false, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use catchment_core::domain::{Agreement, LookupStatus};
    use catchment_data::dataset::manifest_from_toml;

    #[test]
    fn every_status_and_agreement_has_a_meaning() {
        let text = include_str!("../../data/lancashire-and-cumbria/dataset.toml");
        let manifest = manifest_from_toml(text).expect("a manifest");
        let meanings = meanings(&manifest);
        let statuses = LookupStatus::ALL.map(LookupStatus::as_str);
        let agreements = Agreement::ALL.map(Agreement::as_str);
        for code in statuses
            .iter()
            .chain(&agreements)
            .chain(&["bad_row", "no_icc"])
        {
            assert!(meanings.iter().any(|(known, _)| known == code), "{code}");
        }
        let (_, last) = meanings.last().expect("several");
        assert_eq!(last, "Not in an Integrated Care Community");
    }
}
