//! The result of a look-up: the text, followed by a map.

use jiff::civil::{Date, date};
use maud::{Markup, PreEscaped, html};

use super::answer_summary::{
    answer_summary, board_of_district, communities_in, comparison, in_new_tab, practices_in,
    taken_to_be,
};
use super::directory::announcement_list;
use super::format;
use super::interactive_map::InteractiveMap;
use super::links::{
    SOURCES_PATH, area_link, display_name, layer_noun, map_downloads, path_segment, practice_link,
    telephone_link, with_query,
};
use super::nhsuk::{DataTable, details, inset_text, summary_list, table, tag};
use super::practice_text::measured_to;
use super::words;
use catchment_core::domain::{
    Area, BritishGrid, Layer, LayerEntry, LayerRole, LookupStatus, PostcodeStatus, Provenance,
    YearMonth, phrases, today_in_london,
};
use catchment_core::index::{
    AnswerNote, AreaMatch, DisagreeingLayer, Index, LayerResult, LocateAnswer, LocateQuery,
    Location, Locator, PracticeMatch, UnknownReason, areas_of_layer,
};
use catchment_tiles::maps::{self, MapImage};

/// A query and its answer.
pub(crate) struct LookupResult<'a> {
    pub(crate) query: &'a LocateQuery,
    pub(crate) answer: &'a LocateAnswer<'a>,
    /// Whether the field for the place contained the code of a practice.
    pub(crate) has_practice_as_place: bool,
    /// The version of the dataset, if the request specified a version.
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

/// Renders the result: first the facts that a user needs immediately, then the details.
pub(super) fn result_section(index: &Index, result: &LookupResult<'_>) -> Markup {
    let answer = result.answer;
    let place = &place_name(result.query);
    let query = &link_query(result);
    in_new_tab(html! {
        section #answer aria-labelledby="answer-title" {
            div #answer-summary {
                div.answer-head {
                    h2 #answer-title.nhsuk-heading-m { (title(result)) }
                    @if answer.as_of != today_in_london() {
                        p.edge.near { strong { "This is the answer for " (format::date(answer.as_of)) ", not for today." } }
                    }
                    (comparison(index, answer))
                }
                @for sentence in notices(index, result) { p.edge.near { (sentence) } }
                (answer_summary(index, answer, place, query))
            }
            div.answer {
                div.result-text { (result_details(index, result, place, query)) }
                (map_figure(index, result))
            }
        }
    })
}

/// Renders the details as text. The map only repeats a part of the text.
fn result_details(index: &Index, result: &LookupResult<'_>, place: &str, query: &str) -> Markup {
    let answer = result.answer;
    html! {
        (practices(&answer.residence, place, query))
        (about_communities(index, answer))
        (other_areas(index, &answer.residence, query))
        (announcements(index, answer))
        @if let Some(location) = &answer.location { (coordinates(index, answer, location, query)) }
        p.as-of {
            "For " (format::date(answer.as_of)) ", using dataset " (index.manifest().name) ", version " (index.manifest().version) "."
        }
        (data_dates(index, result))
        p.look-up-another { a href="/" { "Look up another place" } ". Other links of this result open in a new tab." }
    }
}

/// Renders the basis of the community's boundary, and the facts that suggest a different community.
fn about_communities(index: &Index, answer: &LocateAnswer<'_>) -> Markup {
    let residence = communities_in(index, &answer.residence);
    let registration = answer.registration.as_ref();
    let registered = registration.map(|registration| communities_in(index, &registration.areas));
    let registered = registered.unwrap_or_default().iter();
    let mut areas: Vec<&Area> = residence
        .iter()
        .chain(registered)
        .map(|found| found.area)
        .collect();
    areas.dedup_by_key(|area| area.layer);
    html! {
        (disagreement(index, answer))
        @if let Some(found) = residence.first() { (boundary_provenance(found.area)) }
        @for area in areas { (taken_to_be(index, area)) }
    }
}

/// Renders the date of each part of the answer, and a warning if the date of the look-up is later
/// than the data.
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
        return "This date is in the future. The answer is based on what is known now, and may change before that date.".into();
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
        Some(Locator::Uprn(_)) => "this address".into(),
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
        Some(Locator::Uprn(uprn)) => format!("UPRN {uprn}"),
        None => practice.map_or("Result".into(), |found| found.practice.name.clone()),
    }
}

/// Replaces the hyphen of a negative number with a minus sign, which is as wide as a digit.
fn with_minus_sign(number: &str) -> String {
    number.replace('-', "−")
}

/// Returns the sentences that come before the answer.
fn notices(index: &Index, result: &LookupResult<'_>) -> Vec<String> {
    let as_place = "This is the code of a GP practice. We have used it as the practice where the person is registered.";
    let as_place = result.has_practice_as_place.then(|| as_place.to_string());
    let status = status_notice(index, result);
    as_place.into_iter().chain(status).collect()
}

/// Returns a sentence about a postcode that is not live or has no location, or about suspect
/// coordinates; otherwise `None`.
fn status_notice(index: &Index, result: &LookupResult<'_>) -> Option<String> {
    let answer = result.answer;
    let has_practice = answer.registration.is_some();
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
        LookupStatus::NoFixedAbode if has_practice => Some("This code means no fixed abode, so there is no location. The person’s community depends on their GP practice.".into()),
        LookupStatus::NoFixedAbode => Some("This code means no fixed abode, so there is no location. The person’s community depends on their GP practice: ask for it, and enter its name or code above.".into()),
        LookupStatus::AddressNotKnown if has_practice => Some("This code means that the address is not known, so there is no location.".into()),
        LookupStatus::AddressNotKnown => Some("This code means that the address is not known, so there is no location. Ask for the address, or enter the person’s GP practice above.".into()),
        LookupStatus::PseudoCountry if has_practice => Some("This code is for a country or a circumstance, not for an address, so there is no location.".into()),
        LookupStatus::PseudoCountry => Some("This code is for a country or a circumstance, not for an address, so there is no location. Ask where the person is staying now, or enter the person’s GP practice above.".into()),
        LookupStatus::NoLocation if has_practice => Some("This postcode exists, but we do not know its location.".into()),
        LookupStatus::NoLocation => Some("This postcode exists, but we do not know its location. Enter the person’s GP practice above.".into()),
        LookupStatus::OutsideCoverage if is_by_code => Some("This area is outside the part of the country that we have data for.".into()),
        LookupStatus::OutsideCoverage if answer.location.is_none() => {
            let board = match result.query.locator {
                Some(Locator::Postcode(postcode)) => board_of_district(index, postcode.outcode()),
                _ => None,
            };
            Some(match board {
                Some(board) => format!("This postcode is outside the part of the country that we have data for. Ask {board}: GP practices near there belong to it."),
                None => "This postcode is outside the part of the country that we have data for. Ask the NHS organisation that covers it.".into(),
            })
        }
        _ if answer.notes.contains(&AnswerNote::CoordinatesSuspect) => Some("These coordinates are outside the part of the country that we have data for. Check them: they may be in the wrong order, have the wrong sign or not be in metres or degrees.".into()),
        _ if answer.notes.contains(&AnswerNote::CodeOfOtherLayer) => answer.statistical_area.map(|named| format!("This code is not of the type that you chose: it is one of the {}. We have used it anyway.", index.layer_title(named.area.layer))),
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

/// Renders the network and the practice that belong to a different community from the community of
/// the place.
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

/// Renders the announcements about the place that were made after the data were published.
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

/// Renders the table of the practices that cover the place.
fn practices(residence: &[(Layer, LayerResult<'_>)], place: &str, query: &str) -> Markup {
    let practices = practices_in(residence);
    if practices.is_empty() {
        return html! {};
    }
    let columns = ["Practice", "Telephone", "Distance", "Share of residents"];
    let caption = format!("GP practices that cover {place} (estimate)");
    html! {
        div #practices-here {
            (table(&DataTable {
                caption: &caption,
                caption_size: Some("m"),
                columns: columns.into_iter().map(Into::into).collect(),
                rows: practices.iter().map(|found| practice_row(found, query)).collect(),
            }))
            p.nhsuk-body-s { "Estimated from list size and distance: the share of the people living here that we expect to be registered with the practice. These are not the practices’ own boundaries. Ask the practice before sending anyone." }
        }
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

/// The maximum number of layers that the heading above the other areas lists.
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

/// Returns whether the source does not specify the area of a layer for the place.
fn is_not_named(residence: &[(Layer, LayerResult<'_>)], layer: Layer) -> bool {
    let found = residence.iter().find(|(other, _)| *other == layer);
    matches!(
        found,
        Some((_, LayerResult::Unknown(UnknownReason::NoneNamed)))
    )
}

/// Returns the month in which a postcode was introduced. For every older postcode, the directory
/// states January 1980.
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
