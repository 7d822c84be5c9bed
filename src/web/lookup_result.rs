//! The answer: in words first, then the map.

use maud::{Markup, PreEscaped, html};

use super::directory::{path_of, path_segment, with_query};
use super::format;
use super::interactive_map::LiveMap;
use super::lookup::Asked;
use super::nhsuk::{Card, Table, card, details, inset_text, summary_list, table, tag};
use crate::domain::{
    Agreement, Area, Basis, BritishGrid, Certainty, Layer, Practice, PracticeStatus, Provenance,
    Status, today_in_london,
};
use crate::index::{
    Answer, AreaFound, EdgeFound, Found, GroupFound, Index, Location, Note, Place, PracticeFound,
    Query, Reason, Registration, Unknown, areas_in,
};
use crate::maps;

/// How wide the map of an answer is drawn, in CSS pixels.
const MAP_WIDTH: u32 = 440;
/// A place further from the nearest community is not on a map of it.
const MAP_REACH_M: f64 = 20_000.0;

/// Which map goes with an answer, and the place to mark on it.
pub(crate) fn map_of(answer: &Answer<'_>) -> Option<(maps::Wanted, Option<BritishGrid>)> {
    let grid = answer.location.and_then(|location| location.grid);
    let area = shown_area(answer)?;
    let wanted = maps::Wanted {
        layer: area.layer,
        area: Some(area.id.clone()),
        day: answer.as_of,
        width: MAP_WIDTH,
    };
    Some((wanted, grid))
}

/// The community of the place; the nearest one where it is in none; that of the practice where no place was
/// asked about.
fn shown_area<'i>(answer: &Answer<'i>) -> Option<&'i Area> {
    let residence = communities_in(&answer.residence).first();
    let near = || {
        let near = answer.nearest.iter().map(|(_, near)| near);
        let near = near.filter(|it| it.distance_m <= MAP_REACH_M);
        let near = near.min_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
        near.map(|it| it.area)
    };
    let registered = || {
        let registration = answer.registration.as_ref()?;
        Some(communities_in(&registration.areas).first()?.area)
    };
    match answer.location.and_then(|location| location.grid) {
        Some(_) => residence.map(|found| found.area).or_else(near),
        None => registered(),
    }
}

/// The answer.
pub(super) fn answered(index: &Index, asked: &Asked<'_>) -> Markup {
    html! {
        section #answer aria-labelledby="answer-title" tabindex="-1" {
            h2 #answer-title.nhsuk-heading-l { (title(asked)) }
            div.answer {
                div.words { (words_of(index, asked)) }
                (map_figure(index, asked))
            }
        }
    }
}

/// All that the map shows and more.
fn words_of(index: &Index, asked: &Asked<'_>) -> Markup {
    let answer = asked.answer;
    let place = &place_words(asked.query);
    let with = &with_setting(asked);
    html! {
        @if let Some(sentence) = standing(answer) { (inset_text(&html! { p { (sentence) } })) }
        @if answer.location.is_some() && answer.status != Status::NoLocation { (lives_in(answer, place, with)) }
        @if let Some(registration) = &answer.registration { (registered(registration, with)) (comparison(answer)) }
        (practices(&answer.residence, place, with))
        (groups(&answer.residence, with))
        (other_areas(&answer.residence, with))
        @if let Some(location) = &answer.location { (position(location)) }
        p.as-of {
            "For " (format::date(answer.as_of)) ", from dataset " (index.manifest().name) ", version " (index.manifest().version) "."
        }
        p.another { a href="/" { "Look up another place" } }
    }
}

/// The query that links take along to stay with the day and the dataset of the answer; today needs no word.
fn with_setting(asked: &Asked<'_>) -> String {
    let day = asked.answer.as_of;
    let as_of = (day != today_in_london()).then(|| day.to_string());
    let as_of = as_of.as_deref().map(|day| ("as_of", day));
    let version = asked.version.map(|version| ("dataset", version));
    let fields: Vec<(&str, &str)> = as_of.into_iter().chain(version).collect();
    with_query("", &fields)
}

/// What the place is called in a sentence.
fn place_words(query: &Query) -> String {
    match query.place {
        Some(Place::Postcode(postcode)) => postcode.to_string(),
        Some(Place::LonLat(_) | Place::Grid(_)) => "this place".into(),
        None => "it".into(),
    }
}

fn title(asked: &Asked<'_>) -> String {
    let registration = asked.answer.registration.as_ref();
    let practice = registration.and_then(|it| it.practice.as_ref());
    match asked.query.place {
        Some(Place::Postcode(postcode)) => postcode.to_string(),
        Some(Place::LonLat(it)) => format!("Latitude {}, longitude {}", it.lat(), minus(it.lon())),
        Some(Place::Grid(it)) => {
            format!("Easting {}, northing {}", it.easting_m(), it.northing_m())
        }
        None => practice.map_or("Answer".into(), |it| it.practice.name.clone()),
    }
}

/// With a sign that is as wide as a plus.
fn minus(number: f64) -> String {
    number.to_string().replace('-', "−")
}

/// What is to be said of the postcode itself.
fn standing(answer: &Answer<'_>) -> Option<String> {
    let entry = answer.location.and_then(|location| location.entry);
    let is_terminated = answer
        .location
        .is_some_and(|location| location.is_terminated);
    let ended = entry.and_then(|entry| entry.terminated);
    match answer.status {
        Status::NoFixedAbode => Some("This code stands for no fixed abode. It is not a place; the community goes by the practice.".into()),
        Status::AddressNotKnown => Some("This code stands for an address that is not known. It is not a place.".into()),
        Status::PseudoCountry => Some("This code stands for a country or a circumstance. It is not a place.".into()),
        Status::NoLocation => Some("This postcode exists, but no place is known for it.".into()),
        Status::OutsideCoverage if answer.location.is_none() => Some("This postcode is outside the part of the country that this dataset covers.".into()),
        _ if answer.notes.contains(&Note::NotYetIntroduced) => Some("This postcode was not in use yet on that day.".into()),
        _ if is_terminated => Some(match ended {
            Some(month) => format!("This postcode is no longer in use; it ended in {}. The answer is for its last position.", month.first_day().strftime("%B %Y")),
            None => "This postcode is no longer in use. The answer is for its last position.".into(),
        }),
        _ => None,
    }
}

fn lives_in(answer: &Answer<'_>, place: &str, with: &str) -> Markup {
    let communities = communities_in(&answer.residence);
    let part = areas_in(&answer.residence, Layer::SubCommunity).first();
    let content = html! {
        @if is_unknown(&answer.residence) {
            p.name { "Not known for that day" }
        } @else if communities.is_empty() {
            p.name { "Outside every community that we hold" }
            @for (_, near) in &answer.nearest {
                p { "The nearest is " strong { (area_name(near.area, with)) } ", " (format::distance(near.distance_m)) " away." }
            }
        }
        @for found in communities {
            p.name { (area_name(found.area, with)) }
            p { "The area that " (place) " lies in" @if let Some(part) = part { ", in its part " strong { (area_name(part.area, with)) } } "." }
            @if let Some(edge) = &found.edge { (edge_words(found, edge)) }
            (origin_of(found.area))
        }
    };
    card(&Card {
        heading: "By where they live",
        level: Some(3),
        variant: Some("feature"),
        content,
        ..Card::default()
    })
}

/// The communities; where there are none, what a system has in their place.
fn communities_in<'a, 'i>(found: &'a [(Layer, Found<'i>)]) -> &'a [AreaFound<'i>] {
    match areas_in(found, Layer::Icc) {
        [] => areas_in(found, Layer::NeighbourhoodTeam),
        communities => communities,
    }
}

/// What people call the area.
pub(super) fn called(area: &Area) -> String {
    match area.layer {
        Layer::NeighbourhoodTeam => format!("{} neighbourhood team", area.name),
        _ => area.title(),
    }
}

/// Whether the day is before anything is known of communities.
fn is_unknown(found: &[(Layer, Found<'_>)]) -> bool {
    found
        .iter()
        .any(|(layer, found)| *layer == Layer::Icc && matches!(found, Found::Unknown(_)))
}

/// The name of an area, as a link to its page; `with` is a query or blank.
pub(super) fn area_name(area: &Area, with: &str) -> Markup {
    html! { a href={ (path_of(area.layer, &area.id)) (with) } { (called(area)) } }
}

/// The name of a practice, as a link to its page, with its code; `with` is a query or blank.
pub(super) fn practice_name(practice: &Practice, with: &str) -> Markup {
    html! { a href={ (path_of(Layer::GpPractice, practice.code.as_str())) (with) } { (practice.name) } " (" (practice.code) ")" }
}

/// The same without the link: what was asked stands in no address.
fn practice_words(practice: &Practice) -> Markup {
    html! { (practice.name) " (" (practice.code) ")" }
}

/// A number to be called.
pub(super) fn telephone(number: &str) -> Markup {
    let digits: String = number
        .chars()
        .filter(|it| it.is_ascii_digit() || *it == '+')
        .collect();
    html! { a.nowrap href={ "tel:" (digits) } { (number) } }
}

fn edge_words(found: &AreaFound<'_>, edge: &EdgeFound<'_>) -> Markup {
    let across: Vec<String> = edge.alternatives.iter().map(|it| called(it.area)).collect();
    let across = across.join(" and ");
    html! {
        p.edge.near[edge.certainty == Certainty::NearBoundary] {
            @match (edge.certainty, found.basis) {
                (Certainty::Inside, _) => { "The nearest edge of its area is " (format::distance(edge.distance_m)) " away." }
                (_, Basis::Nearest) => { "It lies just off the simplified boundary; this is the nearest area." }
                (_, Basis::Directory) if edge.distance_m == 0.0 => { "The official statistics put it here; on the simplified map it falls just across the boundary." }
                _ => { "Close to the edge of its area, " (format::distance(edge.distance_m)) " away." }
            }
            @if !across.is_empty() { " On the other side: " strong { (across) } ". A postcode is several addresses; check if it matters." }
        }
    }
}

fn registered(registration: &Registration<'_>, with: &str) -> Markup {
    let communities = communities_in(&registration.areas);
    let content = html! {
        @if is_unknown(&registration.areas) { p.name { "Not known for that day" } }
        @else if communities.is_empty() { p.name { "Not known" } }
        @for found in communities { p.name { (area_name(found.area, with)) } }
        @if let Some(found) = &registration.practice {
            @let is_asked = found.asked.code == found.practice.code;
            p { "Registered with " strong { @if is_asked { (practice_words(found.practice)) } @else { (practice_name(found.practice, with)) } }
                @if found.status == PracticeStatus::Dormant { ", which is dormant" } "." }
            @if let Some(number) = &found.practice.telephone { p { "Telephone " (telephone(number)) } }
            @if !is_asked {
                p { (practice_words(found.asked))
                    @if let Some(closed) = found.asked.closed { " closed on " (format::date(closed)) }
                    "; its patients went to the practice above." }
            }
            @if found.branch_is_listed.is_some() { p { "The code given is a branch of this practice." } }
        }
        @if let Some(reason) = registration.reason { p { (reason_words(reason)) } }
        (group_list(&registration.areas, with))
    };
    card(&Card {
        heading: "By registration",
        level: Some(3),
        variant: Some("feature"),
        content,
        ..Card::default()
    })
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Missing => "No practice code was given.",
        Reason::Malformed => "That is not a practice code. A code looks like P81002.",
        Reason::DefaultCode => "This code says that there is no registered practice.",
        Reason::UnknownPractice => "This practice is not in the dataset.",
        Reason::NotAGpPractice => "This is not a GP practice: nobody is registered with it.",
        Reason::ClosedNoSuccessor => "The practice has closed, and no successor is known.",
        Reason::SuccessionCycle => {
            "The practice's successors lead back to it; its record is faulty."
        }
        Reason::OutsideCoverage => "The practice belongs to no community that this dataset holds.",
    }
}

fn comparison(answer: &Answer<'_>) -> Markup {
    let words = match answer.agreement {
        Agreement::Agree => "The two agree.",
        Agreement::Differ => {
            "The two differ. A community is first the people registered with its practices: for its services, go by registration."
        }
        Agreement::RegistrationOnly => "Only the registration is known.",
        Agreement::ResidenceOnly => "Only the place is known.",
        Agreement::Neither => "Neither is known.",
    };
    inset_text(&html! {
        p.comparison { strong { (words) } }
        @if answer.notes.contains(&Note::PracticeAddress) {
            p { "The postcode is the practice's own. Practices register people without a home there." }
        }
    })
}

fn practices(residence: &[(Layer, Found<'_>)], place: &str, with: &str) -> Markup {
    let found = residence.iter().find_map(|(_, found)| match found {
        Found::Practices(practices) => Some(practices),
        _ => None,
    });
    let Some(practices) = found.filter(|practices| !practices.is_empty()) else {
        return html! {};
    };
    let columns = ["Practice", "Telephone", "Distance", "People here"];
    let caption = format!("GP practices whose area includes {place}");
    html! {
        (table(&Table {
            caption: &caption,
            caption_size: Some("m"),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: practices.iter().map(|it| practice_row(it, with)).collect(),
        }))
        p.nhsuk-body-s { "Modelled: how many of the people who live here are expected to be registered there, by list size and distance. Not the practices' own boundaries; ask the practice before you send anybody there." }
    }
}

fn practice_row(found: &PracticeFound<'_>, with: &str) -> Vec<Markup> {
    let practice = found.practice;
    let postcode = practice
        .postcode
        .map(|it| format!(", {it}"))
        .unwrap_or_default();
    vec![
        html! { span { (practice_name(practice, with)) span.address { (practice.address) (postcode) } } },
        html! { @match &practice.telephone { Some(number) => (telephone(number)), None => "Not known" } },
        html! { @match found.distance_m { Some(distance_m) => (format::distance(distance_m)), None => "Not known" } },
        html! { @match found.share { Some(share) => (format::share(share)), None => "Not known" } },
    ]
}

fn groups(residence: &[(Layer, Found<'_>)], with: &str) -> Markup {
    let has_any = residence.iter().any(|(layer, found)| {
        *layer == Layer::ResilienceGroup
            && !matches!(found, Found::Groups(groups) if groups.is_empty())
    });
    html! { @if has_any { section { h3.nhsuk-heading-m { "Resilience groups" } (group_list(residence, with)) } } }
}

fn group_list(found: &[(Layer, Found<'_>)], with: &str) -> Markup {
    let groups = found
        .iter()
        .find(|(layer, _)| *layer == Layer::ResilienceGroup);
    html! {
        @match groups.map(|(_, found)| found) {
            Some(Found::Groups(groups)) if !groups.is_empty() => {
                ul.nhsuk-list { @for group in groups { (group_item(group, found, with)) } }
            }
            Some(Found::Unknown(Unknown::NoneNamed)) => { p { "Resilience group: not known. The published page names none for this community." } }
            Some(Found::Unknown(Unknown::NoSource)) => { p { "Resilience groups: not known. We have no source for this community." } }
            Some(Found::Unknown(Unknown::NoDataForDate)) => { p { "Nothing is known of resilience groups for that day." } }
            _ => {}
        }
    }
}

fn group_item(group: &GroupFound<'_>, found: &[(Layer, Found<'_>)], with: &str) -> Markup {
    let via = [Layer::SubCommunity, Layer::Icc]
        .into_iter()
        .flat_map(|layer| areas_in(found, layer))
        .find(|member| member.area.id == group.via);
    html! { li { strong { (area_name(group.area, with)) } @if let Some(via) = via { ", through " (area_name(via.area, with)) } } }
}

/// What else is known of where it lies.
fn other_areas(residence: &[(Layer, Found<'_>)], with: &str) -> Markup {
    const LAYERS: [(Layer, &str); 4] = [
        (Layer::Pcn, "Primary Care Network"),
        (Layer::SubIcb, "Sub-ICB location"),
        (Layer::Place, "Place"),
        (Layer::Icb, "Integrated Care Board"),
    ];
    let rows: Vec<(&str, Markup)> = LAYERS
        .into_iter()
        .map(|(layer, name)| (name, areas_in(residence, layer)))
        .filter(|(_, found)| !found.is_empty())
        .map(|(name, found)| (name, html! { @for it in found { p { (area_name(it.area, with)) " " (tag(it.provenance.as_str(), Some("grey"))) } } }))
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    details(
        &html! { "Network, place and board" },
        false,
        false,
        &summary_list(&rows),
    )
}

/// Where it is, in the terms of those who look at maps.
fn position(location: &Location) -> Markup {
    let mut rows: Vec<(&str, Markup)> = Vec::new();
    if let Some(it) = location.lonlat() {
        rows.push((
            "Latitude, longitude",
            html! { (format!("{:.6}, {}", it.lat(), minus_of(it.lon()))) },
        ));
    }
    if let Some(it) = location.grid {
        rows.push(("Easting, northing", html! { (format!("{:.0}, {:.0}", it.easting_m(), it.northing_m())) " on the British National Grid" }));
    }
    if let Some(month) = location.entry.and_then(|entry| entry.introduced) {
        rows.push((
            "Postcode in use since",
            html! { (month.first_day().strftime("%B %Y")) },
        ));
    }
    if rows.is_empty() {
        return html! {};
    }
    details(&html! { "Where it is" }, false, false, &summary_list(&rows))
}

fn minus_of(degrees: f64) -> String {
    format!("{degrees:.6}").replace('-', "−")
}

/// The map of the community, with the place marked; the words beside it say the same.
fn map_figure(index: &Index, asked: &Asked<'_>) -> Markup {
    let (answer, map) = (asked.answer, asked.map.as_ref());
    let Some(area) = shown_area(answer) else {
        return html! {};
    };
    let with = with_setting(asked);
    let location = answer.location.as_ref();
    let mark = location.and_then(|it| it.grid.and(it.lonlat()));
    let picture = html! {
        @if let Some(map) = map { (PreEscaped(&map.svg)) }
        figcaption {
            @if mark.is_some() && map.is_some() { "The mark is the place that was asked about. " }
            (downloads(&format!("/maps/{}/{}", area.layer, path_segment(&area.id)), &with, &called(area)))
        }
    };
    if index.boundary(area.layer, &area.id, answer.as_of).is_none() {
        return html! { figure.map { (picture) } };
    }
    let title = match mark {
        Some(_) => format!(
            "{}. The place that was asked about is marked.",
            called(area)
        ),
        None => called(area),
    };
    let moving = LiveMap {
        index,
        layer: area.layer,
        day: answer.as_of,
        query: &with,
        title: &title,
        area: Some(&area.id),
        mark,
    };
    moving.figure(&picture)
}

/// Where a map is by itself, in three formats.
pub(super) fn downloads(path: &str, query: &str, name: &str) -> Markup {
    html! {
        span.downloads {
            "Map of " (name) ": "
            a href={ (path) ".svg" (query) } { "SVG" } ", "
            a href={ (path) ".png" (query) } { "PNG" } ", "
            a href={ (path) ".pdf" (query) } { "PDF" }
        }
    }
}

/// Where the boundaries of an area come from.
fn origin_of(area: &Area) -> Markup {
    let words = match area.provenance {
        Provenance::Official => "Its boundary is the official one.",
        Provenance::Derived => "Its boundary is derived from official lists.",
        Provenance::Modelled => "Its boundary is modelled from list sizes and distance.",
        Provenance::Indicative => {
            "Its boundary is indicative: drawn from open statistics, not an official map."
        }
    };
    html! { p.nhsuk-body-s { (words) } }
}
