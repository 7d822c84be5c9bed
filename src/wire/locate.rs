//! JSON response bodies. The command line prints the same JSON.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Number;

use super::json_writer::JsonWriter;
use super::problem::Problem;
use catchment_core::domain::{
    Area, Basis, Certainty, DatedSource, GssCode, Layer, LayerSet, LookupStatus, PostcodeEntry,
    PostcodeStatus, PracticeStatus, Premises, Provenance, SourceDate,
};
use catchment_core::index::{
    AreaMatch, GroupMatch, Index, LayerResult, LocateAnswer, Location, Locator,
    NamedStatisticalArea, NearbyArea, OtherArea, PracticeMatch, PracticeRegistration,
    RegisteredPractice, RegistrationReason, UnknownReason,
};
use catchment_core::request::LocateRequest;
use catchment_data::dataset::Manifest;

/// The response body of a look-up.
pub(crate) struct LocateBody<'i> {
    index: &'i Index,
    answer: LocateAnswer<'i>,
    /// The requested layers; `None` means all layers.
    layers: Option<Vec<Layer>>,
}

#[derive(Serialize)]
struct RegisteredPracticeBody<'i> {
    id: &'i str,
    name: &'i str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_on: Option<String>,
    sub_icb: Option<&'i str>,
    icb: Option<&'i str>,
    asked: RequestedPracticeBody<'i>,
    successors: Vec<SuccessorBody>,
    /// The remark of the source about the patients of a closed practice without a known successor.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'i str>,
}

#[derive(Serialize)]
struct RequestedPracticeBody<'i> {
    id: &'i str,
    status: &'static str,
    closed: Option<String>,
    branch: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_listed: Option<bool>,
}

#[derive(Serialize)]
struct SuccessorBody {
    id: String,
    from: String,
    basis: Vec<&'static str>,
}

/// The dataset of a response: its name, version and attribution.
#[derive(Serialize)]
pub(crate) struct DatasetBody<'i> {
    name: &'i str,
    version: &'i str,
    attribution: &'i str,
}

impl<'i> LocateBody<'i> {
    pub(crate) fn new(
        index: &'i Index,
        layers: Option<Vec<Layer>>,
        answer: LocateAnswer<'i>,
    ) -> LocateBody<'i> {
        LocateBody {
            index,
            answer,
            layers,
        }
    }

    /// Serializes the response.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = JsonWriter::new();
        self.write(&mut json);
        json.into_bytes()
    }

    /// Appends the response to other JSON.
    pub(crate) fn write(&self, json: &mut JsonWriter) {
        let answer = &self.answer;
        json.raw("{\"status\":");
        json.string(answer.status.as_str());
        json.raw(",\"location\":");
        json.or_null(answer.location, |json, location| {
            write_location(json, location, answer.statistical_area);
        });
        json.raw(",\"residence\":{");
        self.write_layers(json, &answer.residence, "");
        json.raw("}");
        self.write_attributes(json);
        json.raw(",\"registration\":");
        json.or_null(answer.registration.as_ref(), |json, registration| {
            self.write_registration(json, registration);
        });
        json.raw(",\"agreement\":");
        json.string(answer.agreement.as_str());
        json.raw(",\"notes\":[");
        json.comma_separated(&answer.notes, |json, note| json.string(note.as_str()));
        json.raw("]");
        self.write_nearest(json);
        let sources = self
            .index
            .sources_of_answer(answer, |layer| self.includes_layer(layer));
        write_as_of_and_dataset(json, answer.as_of, sources, self.index.manifest());
    }

    /// Writes the attributes of the location by id, if the dataset has attributes. The value of an
    /// attribute is null if the location has no value.
    fn write_attributes(&self, json: &mut JsonWriter) {
        let entries = &self.index.manifest().attributes;
        if entries.is_empty() {
            return;
        }
        json.raw(",\"attributes\":{");
        json.comma_separated(entries, |json, entry| {
            json.string(entry.id.as_str());
            json.raw(":");
            let value = self.index.attribute(&self.answer, entry.id);
            json.or_null(value, JsonWriter::string);
        });
        json.raw("}");
    }

    fn includes_layer(&self, layer: Layer) -> bool {
        let requested = self.layers.as_ref();
        requested.is_none_or(|requested| requested.contains(&layer))
    }

    /// Writes the requested layers: first the layers of the answer, in the order of the answer, and
    /// then the layers that the dataset does not contain. `comma` is written before the first
    /// layer.
    fn write_layers(
        &self,
        json: &mut JsonWriter,
        results: &[(Layer, LayerResult<'_>)],
        mut comma: &'static str,
    ) {
        let present = results
            .iter()
            .filter(|(layer, _)| self.includes_layer(*layer));
        let present = present.map(|(layer, result)| (*layer, Some(result)));
        let is_present = |layer: &Layer| results.iter().any(|(present, _)| present == layer);
        let missing = self
            .layers
            .iter()
            .flatten()
            .filter(|layer| !is_present(layer));
        let missing = missing.map(|&layer| (layer, None));
        for (layer, result) in present.chain(missing) {
            json.raw(comma);
            comma = ",";
            json.string(layer.as_str());
            json.raw(":");
            match result {
                Some(LayerResult::Areas(areas)) => {
                    write_array(json, areas, |json, area| write_area(json, self.index, area));
                }
                Some(LayerResult::Practices(practices)) => {
                    write_array(json, practices, write_practice)
                }
                Some(LayerResult::Groups(groups)) => write_array(json, groups, write_group),
                Some(LayerResult::Unknown(unknown)) => write_unknown(json, unknown.as_str()),
                None => write_unknown(json, "not_in_dataset"),
            }
        }
    }

    fn write_registration(&self, json: &mut JsonWriter, registration: &PracticeRegistration<'_>) {
        json.raw("{\"practice\":");
        let practice = registration.practice.as_ref();
        json.value(&practice.map(RegisteredPracticeBody::from));
        self.write_layers(json, &registration.areas, ",");
        json.raw(",\"reason\":");
        json.or_null(
            registration.reason.map(RegistrationReason::as_str),
            JsonWriter::string,
        );
        json.raw("}");
    }

    /// Writes the nearest area of each layer that has no area at the location.
    fn write_nearest(&self, json: &mut JsonWriter) {
        let nearest = self.answer.nearest.iter();
        let mut nearest = nearest
            .filter(|(layer, _)| self.includes_layer(*layer))
            .peekable();
        if nearest.peek().is_none() {
            return;
        }
        json.raw(",\"nearest\":{");
        json.comma_separated(nearest, |json, (layer, neighbour)| {
            json.string(layer.as_str());
            json.raw(":");
            write_neighbour(json, neighbour);
        });
        json.raw("}");
    }
}

/// Returns the directory entry of a postcode as JSON.
pub(crate) fn entry_json(index: &Index, answer: &LocateAnswer<'_>) -> Vec<u8> {
    let entry = answer.location.and_then(|location| location.entry);
    let area = entry.and_then(|entry| index.statistical_area_code(&entry));
    let mut json = JsonWriter::new();
    json.raw("{\"status\":");
    json.string(answer.status.as_str());
    json.raw(",\"location\":");
    json.or_null(answer.location, |json, location| {
        write_location(json, location, None);
    });
    json.raw(",\"statistical_area\":");
    json.or_null(area, JsonWriter::string);
    json.raw(",\"codes\":");
    match entry {
        Some(entry) => write_codes(&mut json, index, &entry),
        None => json.raw("null,\"codes_by_polygon\":[]"),
    }
    let sources = index.sources_of_answer(answer, |_| false);
    write_as_of_and_dataset(&mut json, answer.as_of, sources, index.manifest());
    json.into_bytes()
}

/// Writes the codes of a postcode by scheme: the council, the statistical area under the id of the
/// dataset's statistical areas, and the LSOA of 2021 if it has a different scheme. If the publisher
/// does not state a code, the code is determined by the position, and its scheme is listed
/// separately.
fn write_codes(json: &mut JsonWriter, index: &Index, entry: &PostcodeEntry) {
    let codes = index.postcode_codes(entry);
    let statistical_areas = index.manifest().statistical_areas.as_ref();
    let scheme = statistical_areas.map_or("", |areas| areas.id.as_str());
    let council = codes.council.as_ref().map(GssCode::as_str);
    let statistical_area = index.statistical_area_code(entry);
    let lsoa21 = codes.lsoa21.as_ref().map(GssCode::as_str);
    let all = [
        ("council", council, false),
        (
            scheme,
            statistical_area,
            codes.is_statistical_area_by_polygon,
        ),
        (
            LSOA21,
            lsoa21.filter(|_| scheme != LSOA21),
            codes.is_lsoa21_by_polygon,
        ),
    ];
    let stated = || {
        all.iter()
            .filter_map(|&(scheme, code, _)| Some((scheme, code?)))
    };
    json.raw("{");
    json.comma_separated(stated(), |json, (scheme, code)| {
        json.string(scheme);
        json.raw(":");
        json.string(code);
    });
    json.raw("},\"codes_by_polygon\":[");
    let by_polygon = all
        .iter()
        .filter(|(_, code, is_by_polygon)| code.is_some() && *is_by_polygon);
    json.comma_separated(by_polygon, |json, (scheme, ..)| json.string(scheme));
    json.raw("]");
}

/// The scheme of the LSOAs of 2021.
const LSOA21: &str = "lsoa21";

/// Writes the resolved location.
fn write_location(
    json: &mut JsonWriter,
    location: Location,
    statistical_area: Option<NamedStatisticalArea<'_>>,
) {
    let entry = location.entry;
    let source = match location.locator {
        Locator::Postcode(_) => "postcode",
        Locator::LonLat(_) => "longitude_latitude",
        Locator::Grid(_) => "easting_northing",
        Locator::StatisticalArea(_) => "statistical_area",
        Locator::Uprn(_) => "uprn",
    };
    let lonlat = location.lonlat();
    let grid = location.grid;
    let quality = entry.and_then(|entry| entry.positional_quality);
    json.raw("{\"source\":");
    json.string(source);
    if let Some(named) = statistical_area {
        write_statistical_area(json, &named);
    }
    if let Locator::Uprn(uprn) = location.locator {
        json.raw(",\"uprn\":");
        json.display(uprn);
    }
    json.raw(",\"postcode\":");
    json.or_null(location.postcode(), JsonWriter::display);
    json.raw(",\"longitude\":");
    json.or_null(lonlat, |json, position| json.number(position.lon(), 6));
    json.raw(",\"latitude\":");
    json.or_null(lonlat, |json, position| json.number(position.lat(), 6));
    json.raw(",\"easting\":");
    json.or_null(grid, |json, position| json.number(position.easting_m(), 3));
    json.raw(",\"northing\":");
    json.or_null(grid, |json, position| json.number(position.northing_m(), 3));
    json.raw(",\"positional_quality\":");
    json.or_null(quality, |json, quality| {
        json.raw("{\"scale\":");
        json.string(quality.scale());
        json.raw(",\"value\":");
        json.number(f64::from(quality.value()), 0);
        json.raw("}");
    });
    json.raw(",\"postcode_status\":");
    let status = location.postcode_status().map(PostcodeStatus::as_str);
    json.or_null(status, JsonWriter::string);
    json.raw(",\"introduced\":");
    let write_month = |json: &mut JsonWriter, month| json.date(SourceDate::Month(month));
    json.or_null(entry.and_then(|entry| entry.introduced), write_month);
    json.raw(",\"terminated\":");
    json.or_null(entry.and_then(|entry| entry.terminated()), write_month);
    if let Some((after, by)) = entry.and_then(|entry| entry.ended_between()) {
        json.raw(",\"ended_between\":{\"after\":");
        json.display(after);
        json.raw(",\"by\":");
        json.display(by);
        json.raw("}");
    }
    json.raw("}");
}

/// Writes the statistical area that the client specified, and the number of its live postcodes.
fn write_statistical_area(json: &mut JsonWriter, named: &NamedStatisticalArea<'_>) {
    json.raw(",\"statistical_area\":{\"layer\":");
    json.string(named.area.layer.as_str());
    json.raw(",\"id\":");
    json.string(&named.area.id);
    json.raw(",\"name\":");
    json.string(named.area.title());
    json.raw(",\"live_postcodes\":");
    let count = u32::try_from(named.postcode_count).unwrap_or(u32::MAX);
    json.number(f64::from(count), 0);
    json.raw("}");
}

/// Writes the end of a response: the as-of date, the dates of the sources, and the dataset.
fn write_as_of_and_dataset<'m>(
    json: &mut JsonWriter,
    as_of: Date,
    sources: impl Iterator<Item = DatedSource<'m>>,
    manifest: &Manifest,
) {
    json.raw(",\"as_of\":");
    json.date(SourceDate::Day(as_of));
    json.raw(",\"data\":{");
    json.comma_separated(sources, |json, source| {
        json.string(source.key);
        json.raw(":");
        json.date(source.date.as_of);
    });
    json.raw("},\"dataset\":{\"name\":");
    json.string(&manifest.name);
    json.raw(",\"version\":");
    json.string(&manifest.version);
    json.raw(",\"attribution\":");
    json.string(&manifest.attribution);
    json.raw("}}");
}

fn write_array<T>(json: &mut JsonWriter, items: &[T], write_item: impl Fn(&mut JsonWriter, &T)) {
    json.raw("[");
    json.comma_separated(items, write_item);
    json.raw("]");
}

fn write_unknown(json: &mut JsonWriter, reason: &str) {
    json.raw("{\"unknown\":");
    json.string(reason);
    json.raw("}");
}

fn write_area(json: &mut JsonWriter, index: &Index, area_match: &AreaMatch<'_>) {
    write_id_and_name(json, area_match.area);
    json.raw(",\"codes\":{");
    let codes = index.codes_of_match(area_match);
    json.comma_separated(codes, |json, (scheme, code)| {
        json.string(scheme);
        json.raw(":");
        json.string(code);
    });
    json.raw("}");
    if let Some(system) = &area_match.area.system {
        json.raw(",\"system\":");
        json.string(system);
    }
    write_provenance(json, area_match.provenance, area_match.basis);
    let (proximity, shares) = (&area_match.proximity, &area_match.shares);
    if proximity.is_some() || shares.is_some() {
        json.raw(",\"certainty\":");
        let certainty = area_match.certainty().map(Certainty::as_str);
        json.or_null(certainty, JsonWriter::string);
        if let Some(shares) = shares {
            json.raw(",\"share\":");
            json.number(shares.share, SHARE_DECIMALS);
        }
        json.raw(",\"boundary_distance_m\":");
        let distance_m = proximity.as_ref().and_then(|found| found.distance_m);
        json.or_null(distance_m, |json, metres| json.number(metres, 1));
        json.raw(",\"alternatives\":");
        match (proximity, shares) {
            // The usual answer, without a copy of the alternatives.
            (Some(proximity), None) => {
                write_array(json, &proximity.alternatives, |json, near| {
                    write_alternative(json, &OtherArea::from(near));
                });
            }
            _ => write_array(json, &area_match.other_areas(), write_alternative),
        }
    }
    write_dispute(json, index, area_match);
    json.raw("}");
}

/// The number of decimal places of shares of postcodes and homes.
const SHARE_DECIMALS: u32 = 6;

/// Writes whether the source disputes that the place is in the community, and the shares of people
/// on which the dispute is based.
fn write_dispute(json: &mut JsonWriter, index: &Index, area_match: &AreaMatch<'_>) {
    let is_community = index.community_layers().contains(&area_match.area.layer);
    let is_by_registration = matches!(area_match.basis, Basis::Membership | Basis::Network);
    if !is_community || is_by_registration {
        return;
    }
    let is_disputed = !area_match.disputed_with.is_empty();
    json.raw(",\"disputed\":");
    json.raw(if is_disputed { "true" } else { "false" });
    if let Some(share) = area_match.model_share {
        json.raw(",\"model_share\":");
        json.number(share, 3);
    }
    if is_disputed {
        json.raw(",\"disputed_with\":");
        write_array(json, &area_match.disputed_with, |json, other| {
            write_id_and_name(json, other.area);
            json.raw(",\"share\":");
            json.number(other.share, 3);
            json.raw("}");
        });
    }
}

/// Writes the beginning of an area: the opening brace, the id and the name.
fn write_id_and_name(json: &mut JsonWriter, area: &Area) {
    json.raw("{\"id\":");
    json.string(&area.id);
    json.raw(",\"name\":");
    json.string(area.title());
}

fn write_provenance(json: &mut JsonWriter, provenance: Provenance, basis: Basis) {
    json.raw(",\"provenance\":");
    json.string(provenance.as_str());
    json.raw(",\"basis\":");
    json.string(basis.as_str());
}

/// Writes what lies beyond a nearby boundary, or has a share of the place. What is in no area of the
/// layer has no id and no name.
fn write_alternative(json: &mut JsonWriter, other: &OtherArea<'_>) {
    match other.area {
        Some(area) => write_id_and_name(json, area),
        None => json.raw("{\"id\":null,\"name\":null"),
    }
    json.raw(",\"distance_m\":");
    json.or_null(other.distance_m, |json, metres| json.number(metres, 1));
    if let Some(share) = other.share {
        json.raw(",\"share\":");
        json.number(share, SHARE_DECIMALS);
    }
    json.raw("}");
}

fn write_neighbour(json: &mut JsonWriter, neighbour: &NearbyArea<'_>) {
    write_id_and_name(json, neighbour.area);
    json.raw(",\"distance_m\":");
    json.number(neighbour.distance_m, 1);
    json.raw("}");
}

fn write_practice(json: &mut JsonWriter, practice_match: &PracticeMatch<'_>) {
    json.raw("{\"id\":");
    json.string(practice_match.practice.code.as_str());
    json.raw(",\"name\":");
    json.string(&practice_match.practice.name);
    json.raw(",\"telephone\":");
    json.or_null(
        practice_match.practice.telephone.as_deref(),
        JsonWriter::string,
    );
    write_provenance(json, practice_match.provenance, practice_match.basis);
    json.raw(",\"area\":");
    json.string(
        practice_match
            .catchment_kind
            .as_str()
            .unwrap_or(practice_match.provenance.as_str()),
    );
    json.raw(",\"share\":");
    json.or_null(practice_match.share, |json, share| json.number(share, 6));
    json.raw(",\"distance_m\":");
    json.or_null(practice_match.distance_m, |json, value| {
        json.number(value, 0)
    });
    json.raw(",\"premises\":");
    json.or_null(practice_match.premises, write_premises);
    json.raw("}");
}

/// Writes the premises to which a distance was measured.
fn write_premises(json: &mut JsonWriter, premises: &Premises) {
    json.raw("{\"name\":");
    json.or_null(premises.name.as_deref(), JsonWriter::string);
    json.raw(",\"postcode\":");
    json.or_null(premises.postcode, JsonWriter::display);
    json.raw(",\"kind\":");
    json.string(premises.kind.as_str());
    json.raw(",\"as_of\":");
    json.or_null(premises.as_of, JsonWriter::date);
    json.raw("}");
}

fn write_group(json: &mut JsonWriter, group_match: &GroupMatch<'_>) {
    write_id_and_name(json, group_match.area);
    if let Some(kind) = &group_match.area.kind {
        json.raw(",\"kind\":");
        json.string(kind);
    }
    json.raw(",\"via\":");
    json.string(&group_match.via.id);
    write_provenance(json, group_match.area.provenance, Basis::Membership);
    json.raw("}");
}

impl<'i> From<&RegisteredPractice<'i>> for RegisteredPracticeBody<'i> {
    fn from(registered: &RegisteredPractice<'i>) -> RegisteredPracticeBody<'i> {
        let RegisteredPractice {
            practice,
            requested,
            ..
        } = registered;
        let closes_on = (registered.status != PracticeStatus::Closed)
            .then_some(practice.closed)
            .flatten();
        RegisteredPracticeBody {
            id: practice.code.as_str(),
            name: &practice.name,
            status: registered.status.as_str(),
            closes_on: closes_on.map(|day| day.to_string()),
            sub_icb: practice.sub_icb.as_deref(),
            icb: registered.icb,
            asked: RequestedPracticeBody {
                id: requested.code.as_str(),
                status: registered.requested_status.as_str(),
                closed: requested.closed.map(|day| day.to_string()),
                branch: registered.branch_is_listed.is_some(),
                branch_listed: registered.branch_is_listed,
            },
            successors: registered
                .successions
                .iter()
                .map(|step| SuccessorBody {
                    id: step.successor.to_string(),
                    from: step.from.to_string(),
                    basis: step
                        .basis
                        .iter()
                        .map(|evidence| evidence.as_str())
                        .collect(),
                })
                .collect(),
            note: (registered.status == PracticeStatus::Closed)
                .then_some(registered.last.note.as_deref())
                .flatten(),
        }
    }
}

impl<'i> From<&'i Manifest> for DatasetBody<'i> {
    fn from(manifest: &'i Manifest) -> DatasetBody<'i> {
        DatasetBody {
            name: &manifest.name,
            version: &manifest.version,
            attribution: &manifest.attribution,
        }
    }
}

/// Rounds a number to `places` decimal places.
pub(crate) fn round_decimals(value: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

/// Rounds metres to `places` decimal places. Whole numbers have no decimal point.
pub(crate) fn metres_number(metres: f64, places: i32) -> Number {
    let rounded = round_decimals(metres, places);
    if rounded.fract() == 0.0 && rounded.abs() < 1e9 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 1e9")]
        let whole = rounded as i64;
        Number::from(whole)
    } else {
        Number::from_f64(rounded).expect("a distance is finite")
    }
}

/// Performs a look-up and returns the response body. The command line prints the same body.
///
/// # Errors
/// If the postcode, the statistical area or the UPRN is unknown, or if the dataset has no data at all
/// for the date.
pub(crate) fn locate_body<'i>(
    index: &'i Index,
    request: &LocateRequest,
) -> Result<LocateBody<'i>, Problem> {
    request.check(index.manifest())?;
    let requested = request.layers.resolve(index.manifest())?;
    let layers = requested
        .as_ref()
        .map_or(LayerSet::ALL, |layers| layers.iter().copied().collect());
    let answer = index.locate_layers(&request.query, layers);
    if answer.status == LookupStatus::UnknownPostcode {
        let query = &request.query;
        return Err(Problem::unknown_postcode(index, query.locator, query.as_of));
    }
    if let (LookupStatus::UnknownArea, Some(Locator::StatisticalArea(asked))) =
        (answer.status, request.query.locator)
    {
        let unknown = index.unknown_statistical_area(asked.code);
        return Err(Problem::unknown_area(unknown.to_string()));
    }
    match answer.status {
        LookupStatus::UnknownUprn => return Err(Problem::unknown_uprn()),
        LookupStatus::UprnUnavailable => return Err(Problem::uprn_unavailable(index)),
        _ => {}
    }
    if has_nothing_to_answer(&answer) {
        return Err(Problem::no_data_for_date());
    }
    Ok(LocateBody::new(index, requested, answer))
}

/// Returns whether the date is before the first data of all layers, and the answer has neither a
/// directory entry nor a practice.
fn has_nothing_to_answer(answer: &LocateAnswer<'_>) -> bool {
    let registration = answer.registration.as_ref();
    let has_practice = registration.is_some_and(|registration| registration.practice.is_some());
    let has_no_entry = answer
        .location
        .is_some_and(|location| location.entry.is_none());
    let is_before_data = |(_, result): &(_, LayerResult<'_>)| {
        matches!(result, LayerResult::Unknown(UnknownReason::NoDataForDate))
    };
    has_no_entry && !has_practice && answer.residence.iter().all(is_before_data)
}
