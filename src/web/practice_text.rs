//! Sentences about practices that several pages share, such as the basis of a succession and the
//! premises to which a distance is measured.

use maud::{Markup, html};

use super::format;
use catchment_core::domain::{
    OrganisationKind, Practice, PracticeSuccession, Premises, PremisesKind, SourceDate,
    SuccessionEvidence, today_in_london,
};
use catchment_core::index::Index;

/// Returns the sentence that states the basis of a chain of successions; `None` if the source does
/// not state it. The weakest step of the chain determines the basis.
pub(super) fn succession_basis(steps: &[&PracticeSuccession]) -> Option<String> {
    if steps.iter().any(|step| step.is_by_place_alone()) {
        return Some(
            "The only evidence for this is the place: the practices shared a building or a place, and no page or list that we know confirms it. Check with the practice."
                .into(),
        );
    }
    let mut evidence: Vec<SuccessionEvidence> =
        steps.iter().flat_map(|step| step.basis.clone()).collect();
    evidence.sort_unstable();
    evidence.dedup();
    if evidence.contains(&SuccessionEvidence::PageInPart) {
        return Some(
            "According to a published page, this is true for some of its patients. Other patients may have moved to a different practice, so check with the practice."
                .into(),
        );
    }
    let names: Vec<&str> = evidence
        .into_iter()
        .map(|evidence| match evidence {
            SuccessionEvidence::Ods => "the NHS list of successions",
            SuccessionEvidence::Page | SuccessionEvidence::PageInPart => "a published page",
            SuccessionEvidence::ListTransfer => "the sizes of the practices’ lists",
            SuccessionEvidence::OdsBranchList => "the NHS list of branches",
            SuccessionEvidence::Place => "the place of the practices",
        })
        .collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("We know this from {one}.")),
        [others @ .., last] => Some(format!(
            "We know this from {} and {last}.",
            others.join(", ")
        )),
    }
}

/// Renders the premises to which a distance was measured, with the date of the source if they are a
/// branch.
pub(super) fn measured_to(premises: &Premises) -> Markup {
    let surgery = match premises.kind {
        PremisesKind::Main => "main surgery",
        PremisesKind::Branch => "branch surgery",
        PremisesKind::Predecessor => "surgery of a practice that it took over",
    };
    let name = premises.name.as_deref();
    html! {
        "to "
        @if let Some(name) = name { (name) ", " }
        @if let Some(postcode) = premises.postcode { (postcode) ", " }
        (surgery)
        @if let (PremisesKind::Branch, Some(as_of)) = (premises.kind, premises.as_of) { " as listed in " (as_of.in_words()) }
    }
}

/// Returns the name of a kind of premises, as shown on pages.
pub(super) fn premises_kind(kind: PremisesKind) -> &'static str {
    match kind {
        PremisesKind::Main => "Main",
        PremisesKind::Branch => "Branch",
        PremisesKind::Predecessor => "From a practice it took over",
    }
}

/// Returns `, as of …` with the date of a list size; empty if the date is not known.
pub(super) fn list_size_date(as_of: Option<SourceDate>) -> String {
    as_of.map_or(String::new(), |as_of| {
        format!(", as of {}", as_of.in_words())
    })
}

/// Returns the sentence about a practice that belongs to no community of the dataset because the
/// practice is outside the area of the dataset.
pub(super) fn outside_area(sub_icb: Option<&str>, icb: Option<&str>) -> String {
    let location = sub_icb.map(|code| format!("sub-ICB location {code}"));
    let board = icb.map(|name| format!("of {name}"));
    let organisation: Vec<String> = location.into_iter().chain(board).collect();
    if organisation.is_empty() {
        return "This is a GP practice outside the area of our data, so it belongs to none of our communities.".into();
    }
    format!(
        "This is a GP practice outside the area of our data: it belongs to {}. It is in none of our communities, so ask that organisation which community its patients belong to.",
        organisation.join(" ")
    )
}

/// Returns the name and code of an ICB, or only its code if the dataset does not contain the name.
pub(super) fn icb_name(index: &Index, code: &str) -> String {
    let layer = index
        .manifest()
        .organisation_layer(OrganisationKind::IntegratedCareBoard);
    let area = layer.and_then(|layer| index.area_or_last_version(layer, code, today_in_london()));
    area.map_or(code.to_string(), |area| {
        format!("{} ({code})", area.title())
    })
}

/// Returns the sentence about a closed practice without a known successor. `last` is the last
/// practice of the chain of successors, which is also closed.
pub(super) fn closed_text(requested: &Practice, last: &Practice, otherwise: &str) -> String {
    let note = last.note.as_deref().map(|note| format!(" Note: {note}."));
    let note = note.unwrap_or_default();
    if requested.code == last.code {
        return format!("{otherwise}{note}");
    }
    format!(
        "This practice has closed. Its patients moved to {} ({}), which has closed too. We do not know where they moved to from there.{note}",
        last.name, last.code
    )
}

/// Returns the basis of a succession as text in sentence case, for use in a list.
pub(super) fn evidence_words(step: &PracticeSuccession) -> Option<String> {
    let words: Vec<&str> = step
        .basis
        .iter()
        .map(|evidence| match evidence {
            SuccessionEvidence::Ods => "NHS list of successions",
            SuccessionEvidence::Page => "published page",
            SuccessionEvidence::PageInPart => "published page, for some of the patients",
            SuccessionEvidence::ListTransfer => "sizes of the lists",
            SuccessionEvidence::OdsBranchList => "NHS list of branches",
            SuccessionEvidence::Place if step.is_by_place_alone() => {
                "only the place, which nothing else confirms"
            }
            SuccessionEvidence::Place => "place",
        })
        .collect();
    (!words.is_empty()).then(|| format::sentence_case(&words.join("; ")))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn step(basis: &[SuccessionEvidence]) -> PracticeSuccession {
        PracticeSuccession {
            predecessor: "A00001".parse().expect("an ODS code"),
            successor: "A00002".parse().expect("an ODS code"),
            from: date(2020, 4, 1),
            basis: basis.to_vec(),
            pcn_left: None,
            note: None,
            source: None,
        }
    }

    #[test]
    fn the_weakest_step_of_a_chain_decides() {
        use SuccessionEvidence::{ListTransfer, Page, PageInPart, Place};
        let text = |steps: &[&PracticeSuccession]| succession_basis(steps).unwrap_or_default();
        let (page, place) = (step(&[Page]), step(&[Place]));
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[&page]), "We know this from a published page.");
        assert!(text(&[&page, &place]).contains("only evidence"));
        let both = step(&[Place, ListTransfer]);
        assert_eq!(
            text(&[&page, &both]),
            "We know this from a published page, the sizes of the practices’ lists and the place of the practices."
        );
        assert!(text(&[&step(&[PageInPart])]).contains("some of its patients"));
        assert_eq!(evidence_words(&step(&[])), None);
    }

    #[test]
    fn a_practice_outside_the_area_is_described_by_its_organisations() {
        let text = outside_area(Some("02M"), Some("QE1"));
        assert!(text.contains("sub-ICB location 02M of QE1"), "{text}");
        assert!(!outside_area(None, None).contains("sub-ICB"));
    }
}
