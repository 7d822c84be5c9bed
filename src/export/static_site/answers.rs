//! The answers of the look-up for the day of the export and later days, as JSON values.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::wire::locate::LocateBody;
use catchment_core::domain::{BritishGrid, InvalidOdsCode, OdsCode, Postcode, Practice};
use catchment_core::index::{
    AnswerNote, ChangeDates, Index, LayerResult, LocateAnswer, LocateQuery, Locator,
    PracticeRegistration,
};

/// An answer without the parts that are the same in all answers or depend on the date of the
/// request: `as_of`, `dataset`, and the note that the date is after the data.
pub(super) struct DatedAnswer {
    /// The first day on which the answer applies; `None` for the day of the export.
    pub(super) from: Option<Date>,
    /// The JSON of the answer.
    pub(super) body: Map<String, Value>,
    /// The position of the postcode.
    pub(super) position: Option<BritishGrid>,
}

/// Returns the answers for a postcode.
pub(super) fn of_postcode(
    index: &Index,
    changes: &ChangeDates<'_>,
    postcode: Postcode,
    day: Date,
) -> Vec<DatedAnswer> {
    let later = changes.for_postcode(postcode).into_iter();
    let days = later.filter(|later| *later > day);
    dated(day, days, |as_of| {
        let query = LocateQuery {
            locator: Some(Locator::Postcode(postcode)),
            practice: None,
            as_of,
        };
        let answer = index.locate(&query);
        let position = answer.location.and_then(|location| location.grid);
        let sites = practice_sites(&answer);
        let mut body = body(index, answer);
        if let Some(position) = position {
            replace_distances(&mut body, &sites, position);
        }
        (body, position)
    })
}

/// Returns the answers for a practice code, or for text that is not a code, without a location.
/// Each answer contains the postcodes of the practice (`addresses`) and states whether the practice
/// belongs to no community (`outside`).
pub(super) fn of_practice(
    index: &Index,
    changes: &ChangeDates<'_>,
    code: Result<OdsCode, InvalidOdsCode>,
    day: Date,
) -> Vec<DatedAnswer> {
    // Answers for text that is not a code change on the same dates as answers for an unknown code:
    // the dates on which areas change.
    let later = changes.for_practice(code.unwrap_or_else(|_| unknown_code()));
    let days = later.into_iter().filter(|later| *later > day);
    dated(day, days, |as_of| (practice_body(index, code, as_of), None))
}

/// Returns a code that is not the code of any organisation. The codes of organisations start with a
/// letter.
pub(super) fn unknown_code() -> OdsCode {
    "000".parse().expect("three digits are well-formed")
}

fn practice_body(
    index: &Index,
    code: Result<OdsCode, InvalidOdsCode>,
    as_of: Date,
) -> Map<String, Value> {
    let query = LocateQuery {
        locator: None,
        practice: Some(code),
        as_of,
    };
    let answer = index.locate(&query);
    let registration = answer.registration.as_ref();
    let is_outside = registration.is_some_and(PracticeRegistration::is_outside_communities);
    let registered = registration.and_then(|found| found.practice.as_ref());
    let practices = registered.map_or(vec![], |found| vec![found.practice, found.requested]);
    let addresses = addresses(index, &practices);
    let mut body = body(index, answer);
    body.insert("addresses".into(), addresses.into());
    body.insert("outside".into(), is_outside.into());
    body
}

/// Returns the postcodes of practices and of their premises, in order.
fn addresses(index: &Index, practices: &[&Practice]) -> Vec<String> {
    let of_practice = |practice: &&Practice| {
        let sites = index.premises(practice.code).iter();
        let sites = sites.filter_map(|site| site.postcode);
        practice
            .postcode
            .into_iter()
            .chain(sites)
            .collect::<Vec<Postcode>>()
    };
    let mut postcodes: Vec<Postcode> = practices.iter().flat_map(of_practice).collect();
    postcodes.sort_unstable();
    postcodes.dedup();
    postcodes.iter().map(Postcode::to_string).collect()
}

/// Returns the JSON of an answer, without the parts that [`DatedAnswer`] does not contain.
pub(super) fn body(index: &Index, answer: LocateAnswer<'_>) -> Map<String, Value> {
    let json = LocateBody::new(index, None, answer).to_json();
    let mut body: Map<String, Value> =
        serde_json::from_slice(&json).expect("our own JSON is an object");
    body.remove("as_of");
    body.remove("dataset");
    if let Some(Value::Array(notes)) = body.get_mut("notes") {
        notes.retain(|note| note != AnswerNote::AfterData.as_str());
    }
    body
}

/// Returns the answer for the first day, and the answers for the later days on which the answer
/// changes.
fn dated(
    first: Date,
    later: impl Iterator<Item = Date>,
    answer_on: impl Fn(Date) -> (Map<String, Value>, Option<BritishGrid>),
) -> Vec<DatedAnswer> {
    let (body, position) = answer_on(first);
    let mut answers = vec![DatedAnswer {
        from: None,
        body,
        position,
    }];
    for day in later {
        let (body, position) = answer_on(day);
        if answers.last().is_some_and(|last| last.body != body) {
            answers.push(DatedAnswer {
                from: Some(day),
                body,
                position,
            });
        }
    }
    answers
}

/// The positions of the premises to which distances were measured, for each layer of practices.
type PracticeSites = Vec<(&'static str, Vec<Option<BritishGrid>>)>;

fn practice_sites(answer: &LocateAnswer<'_>) -> PracticeSites {
    let layers = answer.residence.iter();
    let of_layer = layers.filter_map(|(layer, result)| match result {
        LayerResult::Practices(practices) => {
            let sites = practices.iter();
            let sites = sites.map(|found| found.premises.map(|premises| premises.position));
            Some((layer.as_str(), sites.collect()))
        }
        _ => None,
    });
    of_layer.collect()
}

/// Replaces each distance to premises with the position of the premises. The browser computes the
/// same distance from that position. A position is a string of the easting and the northing in
/// millimetres.
fn replace_distances(body: &mut Map<String, Value>, sites: &PracticeSites, from: BritishGrid) {
    for (layer, sites) in sites {
        let practices = body.get_mut("residence");
        let practices = practices.and_then(|residence| residence.get_mut(*layer));
        let Some(Value::Array(practices)) = practices else {
            continue;
        };
        for (practice, site) in practices.iter_mut().zip(sites) {
            let (Some(site), Some(distance)) = (site, practice.get_mut("distance_m")) else {
                continue;
            };
            if distance.as_f64() == Some(rounded_distance(from, *site)) {
                let text = format!("{},{}", site.easting_mm(), site.northing_mm());
                *distance = text.into();
            }
        }
    }
}

/// Computes a distance in whole metres in the same way as `catchment.js`. The result of a square
/// root may differ from that of `hypot` in the last bit, so the result is compared with the
/// distance of the look-up.
fn rounded_distance(from: BritishGrid, to: BritishGrid) -> f64 {
    let [east, north] = [
        from.easting_m() - to.easting_m(),
        from.northing_m() - to.northing_m(),
    ];
    ((east * east + north * north).sqrt() + 0.5).floor()
}
