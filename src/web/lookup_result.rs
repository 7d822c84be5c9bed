//! The result of a look-up: text first, then a map.

use jiff::civil::{Date, date};
use maud::{Markup, PreEscaped, html};

use super::directory::announcement_list;
use super::format;
use super::interactive_map::InteractiveMap;
use super::links::{
    SOURCES_PATH, area_link, display_name, layer_noun, map_downloads, path_segment, practice_link,
    telephone_link, with_query,
};
use super::nhsuk::{Card, DataTable, card, details, inset_text, summary_list, table, tag};
use super::practice_text::{closed_text, icb_name, measured_to, outside_area, succession_basis};
use super::words;
use catchment_core::domain::{
    Agreement, Area, Basis, BritishGrid, Certainty, Layer, LayerEntry, LayerRole, LookupStatus,
    PostcodeStatus, Practice, PracticeStatus, Provenance, YearMonth, phrases, today_in_london,
};
use catchment_core::index::{
    AnswerNote, AreaMatch, BoundaryProximity, DisagreeingLayer, DisputedArea, GroupMatch, Index,
    LayerResult, LocateAnswer, LocateQuery, Location, Locator, PostcodeShares, PracticeMatch,
    PracticeRegistration, RegistrationReason, UnknownReason, areas_of_layer,
};
use catchment_tiles::maps::{self, MapImage};

/// A query and its answer.
pub(crate) struct LookupResult<'a> {
    pub(crate) query: &'a LocateQuery,
    pub(crate) answer: &'a LocateAnswer<'a>,
    /// The version of the dataset, if the request named a version.
    pub(crate) version: Option<&'a str>,
    /// The static map, unless there was no time to draw it.
    pub(crate) map: Option<MapImage>,
}

/// The width of the static map in CSS pixels.
const MAP_WIDTH: u32 = 440;
/// The maximum distance of the nearest community that the map shows for a place outside all
/// communities.
const NEAREST_ON_MAP_MAX_M: f64 = 20_000.0;

/// Returns the map to draw for an answer, and the position to mark on it.
pub(crate) fn map_request(
    index: &Index,
    answer: &LocateAnswer<'_>,
) -> Option<(maps::MapRequest, Option<BritishGrid>)> {
    let grid = answer.location.and_then(|location| location.grid);
    let area = map_area(index, answer)?;
    let request = maps::MapRequest {
        layer: area.layer,
        area: Some(area.id.clone()),
        day: answer.as_of,
        width: MAP_WIDTH,
    };
    Some((request, grid))
}

/// Returns the community of the place or statistical area or, if the place is outside all communities, the nearest
/// community. If the query has no place, returns the community of the practice.
fn map_area<'i>(index: &Index, answer: &LocateAnswer<'i>) -> Option<&'i Area> {
    let residence = communities_in(index, &answer.residence).first();
    let nearest = || {
        let nearest = answer.nearest.iter().map(|(_, nearest)| nearest);
        let nearest = nearest.filter(|nearest| nearest.distance_m <= NEAREST_ON_MAP_MAX_M);
        let nearest = nearest.min_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
        nearest.map(|nearest| nearest.area)
    };
    let registered = || {
        let registration = answer.registration.as_ref()?;
        Some(communities_in(index, &registration.areas).first()?.area)
    };
    match answer.location.and_then(|location| location.grid) {
        Some(_) => residence.map(|found| found.area).or_else(nearest),
        None if answer.statistical_area.is_some() => residence.map(|found| found.area),
        None => registered(),
    }
}

/// Renders the result.
pub(super) fn result_section(index: &Index, result: &LookupResult<'_>) -> Markup {
    html! {
        section #answer aria-labelledby="answer-title" tabindex="-1" {
            h2 #answer-title.nhsuk-heading-l { (title(result)) }
            @if result.answer.as_of != today_in_london() {
                (inset_text(&html! { p { "This is the answer for " (format::date(result.answer.as_of)) ", not for today." } }))
            }
            div.answer {
                div.result-text { (result_text(index, result)) }
                (map_figure(index, result))
            }
        }
    }
}

/// Renders the result as text. The map only repeats a part of the text.
fn result_text(index: &Index, result: &LookupResult<'_>) -> Markup {
    let answer = result.answer;
    let place = &place_name(result.query);
    let query = &link_query(result);
    html! {
        @if let Some(sentence) = status_notice(index, result) { (inset_text(&html! { p { (sentence) } })) }
        @if answer.location.is_some() && answer.status != LookupStatus::NoLocation { (residence_section(index, answer, place, query)) }
        @if let Some(registration) = &answer.registration { (registration_section(index, registration, query)) (comparison(answer)) }
        (practices(&answer.residence, place, query))
        (groups(index, &answer.residence, query))
        (other_areas(index, &answer.residence, query))
        (announcements(index, answer))
        @if let Some(location) = &answer.location { (coordinates(index, answer, location, query)) }
        p.as-of {
            "For " (format::date(answer.as_of)) ", using dataset " (index.manifest().name) ", version " (index.manifest().version) "."
        }
        (data_dates(index, result))
        p.look-up-another { a href="/" { "Look up another place" } }
    }
}

/// Renders how old each part of the answer is, and a warning if the date of the look-up is after
/// the data.
fn data_dates(index: &Index, result: &LookupResult<'_>) -> Markup {
    let answer = result.answer;
    let phrases = phrases(index.sources_of_answer(answer, |layer| answer.has_result(layer)));
    html! {
        @if answer.notes.contains(&AnswerNote::AfterData) {
            (inset_text(&html! { p.after-data { (after_data_sentence(index, answer.as_of)) } }))
        }
        p.data-dates {
            @if !phrases.is_empty() { "How old this information is: " (phrases.join("; ")) ". " }
            a href={ (SOURCES_PATH) (link_query(result)) } { "Sources and their dates" }
        }
    }
}

fn after_data_sentence(index: &Index, date: Date) -> String {
    if date > today_in_london() {
        return "This date is in the future. The answer is from what is known now, and it may change before then.".into();
    }
    let newest = format::date(index.manifest().newest_source());
    format!(
        "Our newest data are from {newest}, more than a year before this date, so this answer may be out of date."
    )
}

/// Returns the query string that preserves the date and dataset of the result in links. The string
/// is empty for today and the current dataset.
fn link_query(result: &LookupResult<'_>) -> String {
    let date = result.answer.as_of;
    let as_of = (date != today_in_london()).then(|| date.to_string());
    let as_of = as_of.as_deref().map(|date| ("as_of", date));
    let version = result.version.map(|version| ("dataset", version));
    let parameters: Vec<(&str, &str)> = as_of.into_iter().chain(version).collect();
    with_query("", &parameters)
}

/// Returns the name of the place, for use within a sentence.
fn place_name(query: &LocateQuery) -> String {
    match query.locator {
        Some(Locator::Postcode(postcode)) => postcode.to_string(),
        Some(Locator::StatisticalArea(area)) => area.code.to_string(),
        Some(Locator::LonLat(_) | Locator::Grid(_)) | None => "this location".into(),
    }
}

fn title(result: &LookupResult<'_>) -> String {
    let registration = result.answer.registration.as_ref();
    let practice = registration.and_then(|registration| registration.practice.as_ref());
    match result.query.locator {
        Some(Locator::Postcode(postcode)) => postcode.to_string(),
        Some(Locator::LonLat(position)) => format!(
            "Latitude {}, longitude {}",
            position.lat(),
            with_minus_sign(&position.lon().to_string())
        ),
        Some(Locator::Grid(position)) => format!(
            "Easting {}, northing {}",
            position.easting_m(),
            position.northing_m()
        ),
        Some(Locator::StatisticalArea(asked)) => match result.answer.statistical_area {
            Some(named) if named.area.name != named.area.id => {
                format!("{} ({})", named.area.name, named.area.id)
            }
            _ => asked.code.to_string(),
        },
        None => practice.map_or("Result".into(), |found| found.practice.name.clone()),
    }
}

/// Replaces the hyphen of a negative number with a minus sign, which is as wide as a digit.
fn with_minus_sign(number: &str) -> String {
    number.replace('-', "−")
}

/// Returns a sentence about a postcode that is not live or has no location, or about suspect
/// coordinates; otherwise `None`.
fn status_notice(index: &Index, result: &LookupResult<'_>) -> Option<String> {
    let answer = result.answer;
    let is_by_code = matches!(result.query.locator, Some(Locator::StatisticalArea(_)));
    let entry = answer.location.and_then(|location| location.entry);
    let status = answer
        .location
        .and_then(|location| location.postcode_status());
    let terminated = entry.and_then(|entry| entry.terminated());
    let ended_between = entry.and_then(|entry| entry.ended_between());
    let ended_between = ended_between
        .map(|(after, by)| format!("between {} and {}", month_name(after), month_name(by)));
    match answer.status {
        LookupStatus::NoFixedAbode => Some("This code means no fixed abode, so there is no location. The person’s community depends on their GP practice.".into()),
        LookupStatus::AddressNotKnown => Some("This code means that the address is not known, so there is no location.".into()),
        LookupStatus::PseudoCountry => Some("This code means a country or special circumstances, so there is no location.".into()),
        LookupStatus::NoLocation => Some("This postcode exists, but we do not know its location.".into()),
        LookupStatus::OutsideCoverage if is_by_code => Some("This area is outside the part of the country that we have data for.".into()),
        LookupStatus::OutsideCoverage if answer.location.is_none() => Some("This postcode is outside the part of the country that we have data for.".into()),
        _ if answer.notes.contains(&AnswerNote::CoordinatesSuspect) => Some("These coordinates are outside the part of the country that we have data for. Check them: they may be in the wrong order, have the wrong sign or not be in metres or degrees.".into()),
        _ if answer.notes.contains(&AnswerNote::CodeOfOtherLayer) => answer.statistical_area.map(|named| format!("This code is not one of those you asked for. It is one of the {}. We have used it.", index.layer_title(named.area.layer))),
        _ if answer.notes.contains(&AnswerNote::NotYetIntroduced) => Some("This postcode was not yet in use on that date.".into()),
        _ if status == Some(PostcodeStatus::Unknown) => Some(match ended_between {
            Some(months) => format!("We do not know whether this postcode was in use on that date. It was withdrawn {months}."),
            None => format!("This postcode is in the postcode directory of {} but in no list of live postcodes: it may be for new homes, or no longer in use.", index.manifest().directory_edition()),
        }),
        _ if status == Some(PostcodeStatus::Terminated) => Some(match (terminated, ended_between) {
            (Some(month), _) => format!("This postcode is no longer in use. It was withdrawn in {}. We have used its last known location.", month_name(month)),
            (None, Some(months)) => format!("This postcode is no longer in use. It was withdrawn {months}; we do not know in which month. We have used its last known location."),
            (None, None) => "This postcode is no longer in use. We have used its last known location.".into(),
        }),
        _ => None,
    }
}

fn month_name(month: YearMonth) -> String {
    month.first_day().strftime("%B %Y").to_string()
}

fn residence_section(index: &Index, answer: &LocateAnswer<'_>, place: &str, query: &str) -> Markup {
    let communities = communities_in(index, &answer.residence);
    let parts = index.manifest().layers_with_role(LayerRole::Part);
    let part = parts
        .flat_map(|layer| areas_of_layer(&answer.residence, layer))
        .next();
    let content = html! {
        @if has_no_data_for_date(index, &answer.residence) {
            p.name { "No information for that date" }
        } @else if communities.is_empty() {
            p.name { "Not in any community we have data for" }
            @for (_, nearest) in &answer.nearest {
                p { "The nearest community is " strong { (area_link(index, nearest.area, query)) } ", " (format::distance(nearest.distance_m)) " away." }
            }
        }
        @for found in communities {
            p.name { (area_link(index, found.area, query)) }
            p { (share_of_place(found, place)) @if let Some(part) = part { ", in the part called " strong { (area_link(index, part.area, query)) } } "." }
            @if let Some(edge) = &found.proximity { (boundary_distance(found, edge)) }
            @if let Some(shares) = &found.postcode_shares { (other_shares(shares)) }
            (dispute(found))
            (boundary_provenance(found.area))
            (taken_to_be(index, found.area))
        }
        (disagreement(index, answer))
    };
    card(&Card {
        heading: "Where they live",
        level: Some(3),
        variant: Some("feature"),
        content,
        ..Card::default()
    })
}

/// Returns the beginning of a sentence that says which share of the place is in an area.
fn share_of_place(found: &AreaMatch<'_>, place: &str) -> String {
    match &found.postcode_shares {
        Some(shares) if shares.share < 1.0 => format!(
            "About {} of the postcodes of {place} are in this area",
            percent(shares.share)
        ),
        _ => format!("{} is in this area", format::sentence_case(place)),
    }
}

/// Formats a share of postcodes. A share that is neither none nor all is not shown as such.
fn percent(share: f64) -> String {
    match share * 100.0 {
        share if share < 1.0 => "fewer than 1%".into(),
        share => format!("{:.0}%", share.round().min(99.0)),
    }
}

/// Renders the other areas in which a statistical area has postcodes.
fn other_shares(shares: &PostcodeShares<'_>) -> Markup {
    let others = shares.others.iter().map(|other| {
        let name = other.area.map(display_name);
        let name = name.unwrap_or_else(|| "none of these areas".into());
        format!("{name} ({})", percent(other.share))
    });
    let others: Vec<String> = others.collect();
    html! {
        @if !others.is_empty() {
            p.edge.near { "The other postcodes are in " strong { (others.join(", ")) } ". Ask for the postcode if this matters." }
        }
    }
}

/// Renders the other communities to which the place may belong, if the source disputes the one that
/// it is in.
fn dispute(found: &AreaMatch<'_>) -> Markup {
    let (most, some): (Vec<_>, Vec<_>) = found
        .disputed_with
        .iter()
        .partition(|other| other.share > 0.5);
    let names = |others: &[&DisputedArea<'_>]| {
        let names: Vec<String> = others
            .iter()
            .map(|other| display_name(other.area))
            .collect();
        names.join(" or ")
    };
    html! {
        @if !found.disputed_with.is_empty() {
            p.edge.near {
                "It is not certain that this place belongs to this community. We expect "
                @if !most.is_empty() { "most people here to be registered with practices of " strong { (names(&most)) } }
                @if !most.is_empty() && !some.is_empty() { ", and " }
                @if !some.is_empty() { "some people here to be registered with practices of " strong { (names(&some)) } }
                "."
            }
        }
    }
}

/// Renders the network and the practice that point to another community than the one of the place.
fn disagreement(index: &Index, answer: &LocateAnswer<'_>) -> Markup {
    let found = index.disagreements(&answer.residence, answer.as_of);
    let sentences: Vec<String> = found
        .iter()
        .map(|found| {
            let of = match found.of {
                DisagreeingLayer::Network(area) => {
                    let noun = layer_noun(index, area.layer);
                    format!("The {noun} here, {},", display_name(area))
                }
                DisagreeingLayer::Practice(practice) => {
                    format!(
                        "The practice with the largest share here, {},",
                        practice.name
                    )
                }
            };
            let names: Vec<String> = found
                .communities
                .iter()
                .map(|area| display_name(area))
                .collect();
            format!("{of} belongs to {}.", names.join(" and "))
        })
        .collect();
    html! { @if !sentences.is_empty() { p.edge.near { "Other information points to a different community. " (sentences.join(" ")) } } }
}

/// Renders what has been announced about the place since the data were published.
fn announcements(index: &Index, answer: &LocateAnswer<'_>) -> Markup {
    let mut found = index.announcements_at(&answer.residence);
    if let Some(registration) = &answer.registration {
        let of_practice = index.announcements_at(&registration.areas).into_iter();
        let new: Vec<_> = of_practice.filter(|one| !found.contains(one)).collect();
        found.extend(new);
    }
    if found.is_empty() {
        return html! {};
    }
    details(
        &html! { "What has been announced since these data were published" },
        false,
        false,
        &announcement_list(&found),
    )
}

/// Returns the areas of the first layer of communities that has areas here, as partnerships have
/// communities of different layers.
fn communities_in<'a, 'i>(
    index: &Index,
    results: &'a [(Layer, LayerResult<'i>)],
) -> &'a [AreaMatch<'i>] {
    let layers = index.community_layers().iter();
    let mut areas = layers.map(|layer| areas_of_layer(results, *layer));
    areas.find(|areas| !areas.is_empty()).unwrap_or_default()
}

/// Returns whether the date is before the first date with data on communities.
fn has_no_data_for_date(index: &Index, results: &[(Layer, LayerResult<'_>)]) -> bool {
    let main = index.community_layers().first();
    results
        .iter()
        .any(|(layer, found)| Some(layer) == main && matches!(found, LayerResult::Unknown(_)))
}

/// Renders the name and code of a practice without a link, because what the user looked up must not
/// be in a URL.
fn practice_text(practice: &Practice) -> Markup {
    html! { (practice.name) " (" (practice.code) ")" }
}

fn boundary_distance(found: &AreaMatch<'_>, edge: &BoundaryProximity<'_>) -> Markup {
    let names: Vec<String> = edge
        .alternatives
        .iter()
        .map(|alternative| match alternative.area {
            Some(area) => display_name(area),
            None => "land outside these areas".into(),
        })
        .collect();
    let names = names.join(" and ");
    let away = edge.distance_m.map(format::distance);
    html! {
        p.edge.near[edge.certainty == Certainty::NearBoundary] {
            @match (edge.certainty, found.basis, away) {
                (Certainty::Inside, _, Some(away)) => { "The nearest boundary is " (away) " away." }
                (Certainty::Inside, _, None) => { "No other area is near." }
                (_, Basis::Nearest, _) => { "This location is just outside our simplified boundary. This is the nearest area." }
                (_, Basis::Directory, _) if edge.distance_m == Some(0.0) => { "Official statistics put this postcode in this area, but its location is just outside our simplified boundary." }
                (_, _, Some(away)) if edge.is_within_tolerance() => { "The boundary is only " (away) " away." }
                (_, _, Some(away)) => { "We do not know the exact location of this postcode. The nearest boundary is " (away) " away." }
                (_, _, None) => { "We do not know the exact location of this postcode." }
            }
            @if !names.is_empty() { " On the other side: " strong { (names) } ". Some addresses with the same postcode may be on that side, so check the full address if this matters." }
        }
    }
}

/// Renders the remark on an area of a layer whose members no source names, and that is taken to be
/// an area of another layer.
fn taken_to_be(index: &Index, area: &Area) -> Markup {
    let manifest = index.manifest();
    let entry = manifest.layer(area.layer);
    let other = entry.and_then(|entry| manifest.layer(entry.members_from?));
    html! {
        @if let Some((entry, other)) = entry.zip(other) {
            @let (noun, other) = (words::full_noun(entry), words::full_noun(other));
            p.nhsuk-body-s { "We take the " (noun) " to be the " (other) ": its practices are those of the " (other) ", because no list of the " (noun) "’s practices has been published." }
        }
    }
}

fn registration_section(
    index: &Index,
    registration: &PracticeRegistration<'_>,
    query: &str,
) -> Markup {
    let communities = communities_in(index, &registration.areas);
    let content = html! {
        @if has_no_data_for_date(index, &registration.areas) { p.name { "No information for that date" } }
        @else if communities.is_empty() { p.name { "Not known" } }
        @for found in communities {
            p.name { (area_link(index, found.area, query)) }
            (taken_to_be(index, found.area))
        }
        @if let Some(found) = &registration.practice {
            @let is_requested = found.requested.code == found.practice.code;
            p { "Registered with " strong { @if is_requested { (practice_text(found.practice)) } @else { (practice_link(found.practice, query)) } }
                @if found.status == PracticeStatus::Dormant { ". This practice is dormant: it is still listed but not operating" } "." }
            @if let Some(number) = &found.practice.telephone { p { "Telephone: " (telephone_link(number)) } }
            @if !is_requested {
                p {
                    @match found.requested.closed {
                        Some(closed) => { (practice_text(found.requested)) " closed on " (format::date(closed)) ". Its patients moved to the practice above." }
                        None => { "Patients of " (practice_text(found.requested)) " moved to the practice above." }
                    }
                    @if let Some(basis) = succession_basis(&found.successions) { " " (basis) }
                }
            }
            @match found.branch_is_listed {
                Some(true) => { p { "The code you entered is for a branch of this practice." } }
                Some(false) => { p { "The code you entered is not in our data. It begins with the code of this practice, so it may be for a branch." } }
                None => {}
            }
        }
        @if let Some(reason) = registration.reason { p { (reason_sentence(index, registration, reason)) } }
        (group_list(index, &registration.areas, query))
    };
    card(&Card {
        heading: "Where they are registered",
        level: Some(3),
        variant: Some("feature"),
        content,
        ..Card::default()
    })
}

/// Returns the sentence that says why there is no registration.
fn reason_sentence(
    index: &Index,
    registration: &PracticeRegistration<'_>,
    reason: RegistrationReason,
) -> String {
    let text = reason_text(reason);
    match (&registration.practice, reason) {
        (Some(found), _) if found.is_neighbouring => {
            let icb = found.icb.map(|code| icb_name(index, code));
            outside_area(found.practice.sub_icb.as_deref(), icb.as_deref())
        }
        (Some(found), RegistrationReason::ClosedNoSuccessor) => {
            closed_text(found.requested, found.last, text)
        }
        _ => text.into(),
    }
}

fn reason_text(reason: RegistrationReason) -> &'static str {
    match reason {
        RegistrationReason::Missing => "You did not enter a GP practice code.",
        RegistrationReason::Malformed => {
            "This is not a GP practice code. A code looks like P81002."
        }
        RegistrationReason::DefaultCode => {
            "This code is used when a person has no GP practice, or when their practice is not known."
        }
        RegistrationReason::UnknownPractice => {
            "We cannot find this practice in our data. Check the code. It may belong to a practice elsewhere in England."
        }
        RegistrationReason::NotAGpPractice => {
            "This is not a GP practice, so people cannot be registered with it."
        }
        RegistrationReason::ClosedNoSuccessor => {
            "This practice has closed. We do not know where its patients moved to."
        }
        RegistrationReason::SuccessionCycle => {
            "We do not know where this practice’s patients moved to: our records lead back to the same practice."
        }
        RegistrationReason::OutsideCoverage => {
            "This practice is not in any community we have data for."
        }
    }
}

fn comparison(answer: &LocateAnswer<'_>) -> Markup {
    let registration = answer.registration.as_ref();
    let practice = registration.and_then(|registration| registration.practice.as_ref());
    let sentence = match answer.agreement {
        Agreement::Differ if practice.is_some_and(|found| found.is_neighbouring) => {
            "They live in one of our communities, but their practice is outside our area. For community services, ask the organisation of the practice."
        }
        Agreement::Agree => "The two communities are the same.",
        Agreement::Differ => {
            "The two communities are different. For community services, use the community where they are registered."
        }
        Agreement::RegistrationOnly => "We only know the community where they are registered.",
        Agreement::ResidenceOnly => "We only know the community where they live.",
        Agreement::Neither => "We do not know either community.",
    };
    inset_text(&html! {
        p.comparison { strong { (sentence) } }
        @if answer.notes.contains(&AnswerNote::PracticeAddress) {
            p { "This is the practice’s own postcode. Practices use their own postcode for people with no fixed address, so the person may not live there." }
        }
    })
}

fn practices(residence: &[(Layer, LayerResult<'_>)], place: &str, query: &str) -> Markup {
    let practices = residence.iter().find_map(|(_, found)| match found {
        LayerResult::Practices(practices) => Some(practices),
        _ => None,
    });
    let Some(practices) = practices.filter(|practices| !practices.is_empty()) else {
        return html! {};
    };
    let columns = ["Practice", "Telephone", "Distance", "Share of residents"];
    let caption = format!("GP practices that cover {place} (estimate)");
    html! {
        (table(&DataTable {
            caption: &caption,
            caption_size: Some("m"),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: practices.iter().map(|found| practice_row(found, query)).collect(),
        }))
        p.nhsuk-body-s { "The share of residents is modelled from practice list sizes and distance. It is the share of the people living here that we expect to be registered with the practice. These areas are not the practices’ own boundaries. Ask the practice before you send anyone there." }
    }
}

fn practice_row(found: &PracticeMatch<'_>, query: &str) -> Vec<Markup> {
    let practice = found.practice;
    let postcode = practice
        .postcode
        .map(|postcode| format!(", {postcode}"))
        .unwrap_or_default();
    vec![
        html! { span { (practice_link(practice, query)) span.address { (practice.address) (postcode) } } },
        html! { @match &practice.telephone { Some(number) => (telephone_link(number)), None => "Not known" } },
        html! {
            @match found.distance_m {
                Some(distance_m) => {
                    span {
                        (format::distance(distance_m))
                        @if let Some(premises) = found.premises { span.address { (measured_to(premises)) } }
                    }
                }
                None => { "Not known" }
            }
        },
        html! { @match found.share { Some(share) => (format::share(share)), None => "Not known" } },
    ]
}

fn groups(index: &Index, residence: &[(Layer, LayerResult<'_>)], query: &str) -> Markup {
    let has_any = residence.iter().any(|(layer, found)| {
        Some(*layer) == index.manifest().group_layer()
            && !matches!(found, LayerResult::Groups(groups) if groups.is_empty())
    });
    html! { @if has_any { section { h3.nhsuk-heading-m { (format::sentence_case(&words::group_nouns(index))) " where they live" } (group_list(index, residence, query)) } } }
}

fn group_list(index: &Index, results: &[(Layer, LayerResult<'_>)], query: &str) -> Markup {
    let groups = results
        .iter()
        .find(|(layer, _)| Some(*layer) == index.manifest().group_layer());
    html! {
        @match groups.map(|(_, found)| found) {
            Some(LayerResult::Groups(groups)) if !groups.is_empty() => {
                ul.nhsuk-list { @for group in groups { (group_item(index, group, results, query)) } }
            }
            Some(LayerResult::Unknown(UnknownReason::NoneNamed)) => { p { (format::sentence_case(words::group_noun(index))) ": not known. The published page for this community does not name a group." } }
            Some(LayerResult::Unknown(UnknownReason::NoSource)) => { p { (format::sentence_case(&words::group_nouns(index))) ": not known. We have no information for this community." } }
            Some(LayerResult::Unknown(UnknownReason::NoDataForDate)) => { p { (format::sentence_case(&words::group_nouns(index))) ": no information for that date." } }
            _ => {}
        }
    }
}

fn group_item(
    index: &Index,
    group: &GroupMatch<'_>,
    results: &[(Layer, LayerResult<'_>)],
    query: &str,
) -> Markup {
    let manifest = index.manifest();
    let member = manifest
        .layers_with_role(LayerRole::Part)
        .chain(manifest.layers_with_role(LayerRole::Community))
        .flat_map(|layer| areas_of_layer(results, layer))
        .find(|member| member.area.id == group.via);
    html! { li { strong { (area_link(index, group.area, query)) } @if let Some(member) = member { ", through " (area_link(index, member.area, query)) } } }
}

/// The maximum number of layers that the heading of the other areas names.
const OTHER_LAYERS_NAMED: usize = 4;

/// Renders the networks and the administrative areas of the place.
fn other_areas(index: &Index, residence: &[(Layer, LayerResult<'_>)], query: &str) -> Markup {
    let is_shown =
        |entry: &&LayerEntry| matches!(entry.role, LayerRole::Network | LayerRole::Administrative);
    let layers = index.manifest().layers.iter().filter(is_shown);
    let shown: Vec<(&LayerEntry, &[AreaMatch<'_>])> = layers
        .map(|entry| (entry, areas_of_layer(residence, entry.id)))
        .filter(|(entry, areas)| !areas.is_empty() || is_not_named(residence, entry.id))
        .collect();
    let nouns = shown.iter().take(OTHER_LAYERS_NAMED);
    let mut nouns: Vec<String> = nouns
        .map(|(entry, _)| words::full_noun(entry).to_string())
        .collect();
    if shown.len() > nouns.len() {
        nouns.push("other areas".into());
    }
    let rows: Vec<(&str, Markup)> = shown
        .iter()
        .map(|(entry, areas)| {
            let name = entry.singular.as_str();
            let found = html! {
                @for found in *areas { p { (area_link(index, found.area, query)) " " (tag(found.provenance.as_str(), Some("grey"))) } }
                @if areas.is_empty() { "Not known. Our source does not name it." }
            };
            (name, found)
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    details(
        &html! { (format::sentence_case(&words::join(&nouns))) },
        false,
        false,
        &summary_list(&rows),
    )
}

/// Returns whether the source does not name the area of a layer here.
fn is_not_named(residence: &[(Layer, LayerResult<'_>)], layer: Layer) -> bool {
    let found = residence.iter().find(|(other, _)| *other == layer);
    matches!(
        found,
        Some((_, LayerResult::Unknown(UnknownReason::NoneNamed)))
    )
}

/// Returns the month in which a postcode was introduced. The directory gives January 1980 to every
/// postcode that is older.
fn in_words(introduced: YearMonth) -> String {
    let first_day = introduced.first_day();
    let month = first_day.strftime("%B %Y");
    if first_day <= date(1980, 1, 1) {
        format!("{month} or earlier")
    } else {
        month.to_string()
    }
}

/// Renders the statistical areas of the place, each with its code.
fn statistical_rows<'i>(
    index: &'i Index,
    residence: &[(Layer, LayerResult<'_>)],
    query: &str,
) -> Vec<(&'i str, Markup)> {
    let layers = index.manifest().layers.iter();
    let layers = layers.filter(|entry| entry.role == LayerRole::Statistical);
    let found = layers.filter_map(|entry| {
        let (_, found) = residence.iter().find(|(layer, _)| *layer == entry.id)?;
        let text = match found {
            LayerResult::Areas(areas) if !areas.is_empty() => html! {
                @for found in areas { p { (area_link(index, found.area, query)) " (" (found.area.id) ")" } }
            },
            LayerResult::Unknown(UnknownReason::NoBoundary) => {
                html! { "Not known, because we do not have its boundary. Look up a postcode." }
            }
            _ => return None,
        };
        Some((entry.singular.as_str(), text))
    });
    found.collect()
}

/// Renders the coordinates and the statistical areas of the place.
fn coordinates(
    index: &Index,
    answer: &LocateAnswer<'_>,
    location: &Location,
    query: &str,
) -> Markup {
    let mut rows: Vec<(&str, Markup)> = Vec::new();
    if let Some(position) = location.lonlat() {
        let longitude = with_minus_sign(&format!("{:.6}", position.lon()));
        rows.push((
            "Latitude, longitude",
            html! { (format!("{:.6}", position.lat())) ", " (longitude) },
        ));
    }
    if let Some(grid) = location.grid {
        rows.push((
            "Easting, northing",
            html! { (format!("{:.0}, {:.0}", grid.easting_m(), grid.northing_m())) " on the British National Grid" },
        ));
    }
    if let Some(month) = location.entry.and_then(|entry| entry.introduced) {
        rows.push(("Postcode in use since", html! { (in_words(month)) }));
    }
    let statistical = statistical_rows(index, &answer.residence, query);
    let title = match statistical.is_empty() {
        true => "Coordinates",
        false => "Coordinates and small areas of the census",
    };
    rows.extend(statistical);
    if rows.is_empty() {
        return html! {};
    }
    details(&html! { (title) }, false, false, &summary_list(&rows))
}

/// Renders the map of the community with a marker at the place.
fn map_figure(index: &Index, result: &LookupResult<'_>) -> Markup {
    let (answer, map) = (result.answer, result.map.as_ref());
    let Some(area) = map_area(index, answer) else {
        return html! {};
    };
    let query = link_query(result);
    let location = answer.location.as_ref();
    let marker = location.and_then(|location| location.grid.and(location.lonlat()));
    let static_map = html! {
        @if let Some(map) = map { (PreEscaped(&map.svg)) }
        figcaption {
            @if marker.is_some() && map.is_some() { "The marker shows the place you looked up. " }
            (map_downloads(&format!("/maps/{}/{}", area.layer, path_segment(&area.id)), &query, &display_name(area)))
        }
    };
    if index.boundary(area.layer, &area.id, answer.as_of).is_none() {
        return html! { figure.map { (static_map) } };
    }
    let title = match marker {
        Some(_) => format!(
            "{}. The marker shows the place you looked up.",
            display_name(area)
        ),
        None => display_name(area),
    };
    let map = InteractiveMap {
        index,
        layer: area.layer,
        date: answer.as_of,
        query: &query,
        title: &title,
        area: Some(&area.id),
        marker,
    };
    map.figure(&static_map)
}

fn boundary_provenance(area: &Area) -> Markup {
    let sentence = match area.provenance {
        Provenance::Official => "The boundary is official.",
        Provenance::Derived => "The boundary is derived from official lists.",
        Provenance::Modelled => "The boundary is modelled from practice list sizes and distance.",
        Provenance::Indicative => {
            "The boundary is indicative: drawn from open statistics, not from an official map."
        }
    };
    html! { p.nhsuk-body-s { (sentence) } }
}
