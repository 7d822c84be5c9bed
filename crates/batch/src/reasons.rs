//! The reasons why results are missing, as text for the column of reasons and as a single code.

use std::borrow::Cow;

use super::columns::layer_word;
use super::layout::OutputLayout;
use catchment_core::domain::{InvalidOdsCode, Layer, LookupStatus, OdsCode};
use catchment_core::index::{
    Index, LayerResult, LocateAnswer, LocateQuery, Locator, PracticeRegistration,
    RegistrationReason, UnknownReason,
};

/// The reason why a result is missing. Both strings are empty if no result is missing.
pub(super) struct Reason {
    /// The reason as a single code, without details and without the name of the result.
    pub(super) code: Cow<'static, str>,
    /// The name of the result and the reason, as in the column of reasons.
    pub(super) text: String,
}

impl Reason {
    /// The value if no result is missing.
    pub(super) const NONE: Reason = Reason {
        code: Cow::Borrowed(""),
        text: String::new(),
    };

    fn new(result: &str, code: Cow<'static, str>, why: &str) -> Reason {
        Reason {
            code,
            text: format!("{result}:{why}"),
        }
    }

    /// Returns the reason why there is no community by residence.
    pub(super) fn of_residence(code: &'static str, why: &str) -> Reason {
        Reason::new("residence", Cow::Borrowed(code), why)
    }
}

/// Returns the reason why there is no main community by residence.
pub(super) fn residence_reason(
    index: &Index,
    layout: &OutputLayout,
    answer: &LocateAnswer<'_>,
    query: &LocateQuery,
) -> Reason {
    let status = answer.status.as_str();
    match (answer.status, query.locator) {
        (LookupStatus::UnknownArea, Some(Locator::StatisticalArea(asked))) => {
            let entity = index.unknown_statistical_area(asked.code).entity;
            let entity = entity.map_or("no area has this code".into(), |entity| {
                format!("no area has this code, which has the form of a code of {entity}")
            });
            Reason::of_residence(status, &format!("{status} ({entity})"))
        }
        (LookupStatus::UnknownPostcode, _) => {
            let edition = index.manifest().directory_edition();
            let why = format!("{status} (not in the directory of {edition})");
            Reason::of_residence(status, &why)
        }
        (LookupStatus::Located | LookupStatus::Terminated, _) => {
            missing_community(layout, "residence", &answer.residence)
        }
        _ => Reason::of_residence(status, status),
    }
}

/// Returns the reason why there is no main community by registration. `code` is the code in the row.
pub(super) fn registration_reason(
    index: &Index,
    layout: &OutputLayout,
    registration: &PracticeRegistration<'_>,
    code: Result<OdsCode, InvalidOdsCode>,
) -> Reason {
    const RESULT: &str = "registration";
    match registration.reason {
        Some(reason) => {
            let reason_code = registration_code(index, layout, registration, code, reason);
            Reason::new(RESULT, Cow::Borrowed(reason_code), reason.as_str())
        }
        None => missing_community(layout, RESULT, &registration.areas),
    }
}

/// Returns the code of the reason why a registration has no areas. Practices that closed before the
/// data begin, and codes that were issued outside the area of the data, have separate codes here,
/// although the look-up reports the same reason for both.
fn registration_code(
    index: &Index,
    layout: &OutputLayout,
    registration: &PracticeRegistration<'_>,
    code: Result<OdsCode, InvalidOdsCode>,
    reason: RegistrationReason,
) -> &'static str {
    const CLOSED_BEFORE_DATA: &str = "closed_before_data";
    match (reason, code) {
        (RegistrationReason::Malformed, _) => "not_an_ods_code",
        (RegistrationReason::UnknownPractice, Ok(code)) => {
            match index.is_practice_code_of_area(code) {
                Some(true) => CLOSED_BEFORE_DATA,
                Some(false) => "outside_data",
                None => reason.as_str(),
            }
        }
        (RegistrationReason::ClosedNoSuccessor, _) => {
            let last = registration.practice.as_ref().map(|found| found.last);
            let closed = last.and_then(|practice| practice.closed);
            let main = layout.main_community;
            let first = main.and_then(|layer| index.first_memberships(layer));
            match (closed, first) {
                (Some(closed), Some(first)) if closed < first => CLOSED_BEFORE_DATA,
                _ => reason.as_str(),
            }
        }
        _ => reason.as_str(),
    }
}

/// Returns the reason why a known place or practice has no main community.
fn missing_community(
    layout: &OutputLayout,
    result: &str,
    results: &[(Layer, LayerResult<'_>)],
) -> Reason {
    let Some(main) = layout.main_community else {
        let why = "no_community_layer";
        return Reason::new(result, Cow::Borrowed(why), why);
    };
    let found = results.iter().find(|(layer, _)| *layer == main);
    match found.map(|(_, found)| found) {
        Some(LayerResult::Unknown(unknown)) => Reason::new(
            result,
            Cow::Borrowed(unknown_code(*unknown)),
            unknown.as_str(),
        ),
        Some(LayerResult::Areas(areas)) if areas.is_empty() => {
            let code = format!("no_{}", layer_word(main));
            Reason::new(result, Cow::Owned(code.clone()), &code)
        }
        _ => Reason::NONE,
    }
}

/// Returns the reason why the groups are unknown.
pub(super) fn groups_reason(layout: &OutputLayout, results: &[(Layer, LayerResult<'_>)]) -> Reason {
    let groups = results
        .iter()
        .find(|(layer, _)| Some(*layer) == layout.group_layer);
    match groups {
        Some((layer, LayerResult::Unknown(unknown))) => {
            let result = format!("{}s", layer_word(*layer));
            Reason::new(
                &result,
                Cow::Borrowed(unknown_code(*unknown)),
                unknown.as_str(),
            )
        }
        _ => Reason::NONE,
    }
}

fn unknown_code(reason: UnknownReason) -> &'static str {
    match reason {
        UnknownReason::NoneNamed => "none_named",
        UnknownReason::NoSource => "no_source",
        UnknownReason::NoBoundary => "no_boundary",
        UnknownReason::NoDataForDate | UnknownReason::NoLivePostcodes => reason.as_str(),
    }
}
