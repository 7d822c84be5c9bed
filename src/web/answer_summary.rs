//! The first lines of a result: the community, the groups and the practices. One column is based on
//! where people live, and another column on where they are registered.

use maud::{Markup, PreEscaped, html};

use super::format;
use super::links::{area_link, display_name, layer_noun, practice_link, telephone_link};
use super::practice_text::{closed_text, icb_name, outside_area, succession_basis};
use super::words;
use catchment_core::domain::{
    Agreement, Area, Basis, Certainty, Layer, LayerRole, LookupStatus, OrganisationKind, Practice,
    PracticeStatus,
};
use catchment_core::index::{
    AnswerNote, AreaMatch, BoundaryProximity, DisputedArea, GroupMatch, Index, LayerResult,
    LocateAnswer, Locator, PlaceShares, PracticeMatch, PracticeRegistration, RegistrationReason,
    ShareUnit, UnknownReason, areas_of_layer,
};

/// The number of practices that the summary lists: first without a registration, then with a
/// registration.
const PRACTICES_NAMED: [usize; 2] = [3, 2];

/// The lines for one basis: where people live, or where they are registered.
struct BasisLines {
    heading: &'static str,
    community: Markup,
    /// The groups with their label, if the dataset contains groups and there should be groups for
    /// this basis.
    groups: Option<(String, Markup)>,
    practices: Option<(String, Markup)>,
}

/// Renders the first lines of a result. `query` is the query string of links.
pub(super) fn answer_summary(
    index: &Index,
    answer: &LocateAnswer<'_>,
    place: &str,
    query: &str,
) -> Markup {
    let has_place = answer.location.is_some() && answer.status != LookupStatus::NoLocation;
    let residence = has_place.then(|| residence(index, answer, place, query));
    let registration = answer.registration.as_ref();
    let registered = registration.map(|registration| registered(index, registration, query));
    let bases: Vec<BasisLines> = residence.into_iter().chain(registered).collect();
    html! {
        @if !bases.is_empty() { (lines(&bases)) }
    }
}

/// Renders the lines, with a column for each basis. On a narrow screen, each cell is a block below
/// the name of its basis.
fn lines(bases: &[BasisLines]) -> Markup {
    let label = |line: fn(&BasisLines) -> &Option<(String, Markup)>| {
        let labels = bases.iter().filter_map(|basis| line(basis).as_ref());
        labels
            .map(|(label, _)| label)
            .max_by_key(|label| label.len())
    };
    let line = |label: &str, cells: &[Option<&Markup>]| {
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (label) }
                @for (basis, cell) in bases.iter().zip(cells) {
                    td role="cell" {
                        span.basis-name aria-hidden="true" { (basis.heading) }
                        @match cell { Some(cell) => (cell), None => p { "Not known" } }
                    }
                }
            }
        }
    };
    let communities: Vec<Option<&Markup>> =
        bases.iter().map(|basis| Some(&basis.community)).collect();
    let cells = |line: fn(&BasisLines) -> &Option<(String, Markup)>| -> Vec<Option<&Markup>> {
        let cells = bases.iter().map(|basis| line(basis).as_ref());
        cells.map(|cell| cell.map(|(_, value)| value)).collect()
    };
    html! {
        table.bases role="table" aria-labelledby="answer-title" {
            thead role="rowgroup" {
                tr role="row" {
                    td role="cell" {}
                    @for basis in bases { th scope="col" role="columnheader" { (basis.heading) } }
                }
            }
            tbody role="rowgroup" {
                (line("Community", &communities))
                @if let Some(label) = label(|basis| &basis.groups) { (line(label, &cells(|basis| &basis.groups))) }
                @if let Some(label) = label(|basis| &basis.practices) { (line(label, &cells(|basis| &basis.practices))) }
            }
        }
    }
}

/// Returns the areas of the first layer of communities that has areas at the location, because
/// different partnerships have communities in different layers.
pub(super) fn communities_in<'a, 'i>(
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

fn residence(index: &Index, answer: &LocateAnswer<'_>, place: &str, query: &str) -> BasisLines {
    BasisLines {
        heading: "Where they live",
        community: residence_community(index, answer, place, query),
        groups: group_line(index, &answer.residence, query),
        practices: practices_line(index, answer, query),
    }
}

fn residence_community(
    index: &Index,
    answer: &LocateAnswer<'_>,
    place: &str,
    query: &str,
) -> Markup {
    let communities = communities_in(index, &answer.residence);
    let parts = index.manifest().layers_with_role(LayerRole::Part);
    let part = parts
        .flat_map(|layer| areas_of_layer(&answer.residence, layer))
        .next();
    html! {
        @if has_no_data_for_date(index, &answer.residence) {
            p.name { "No information for that date" }
        } @else if communities.is_empty() {
            p.name { "Not in a community we cover" }
            @for (_, nearest) in &answer.nearest {
                p { "Nearest: " strong { (area_link(index, nearest.area, query)) } ", " (format::distance(nearest.distance_m)) "." }
            }
            p { (whom_to_ask(index, answer)) }
        }
        @for found in communities {
            p.name { (area_link(index, found.area, query)) }
            p {
                (share_of_place(found, place))
                @if let Some(part) = part { " (" (area_link(index, part.area, query)) " part)" }
                "."
            }
            // If shares of homes are known, they are more informative than the distance to the
            // boundary.
            @if let Some(shares) = &found.shares { (other_shares(shares)) }
            @else if let Some(edge) = &found.proximity { (boundary_distance(found, edge, place)) }
            (dispute(found))
        }
    }
}

/// Returns the organisation to contact about a place in no community: the smallest organisation
/// that covers the place or, for a postcode, the board of the neighbouring practices in the same
/// postcode district.
fn whom_to_ask(index: &Index, answer: &LocateAnswer<'_>) -> String {
    let kinds = [
        OrganisationKind::SubIcbLocation,
        OrganisationKind::IntegratedCareBoard,
    ];
    let covering = kinds
        .into_iter()
        .filter_map(|kind| index.manifest().organisation_layer(kind))
        .flat_map(|layer| areas_of_layer(&answer.residence, layer))
        .next();
    if let Some(found) = covering {
        return format!("Ask {}, which covers this place.", display_name(found.area));
    }
    let postcode = match answer.location.map(|location| location.locator) {
        Some(Locator::Postcode(postcode)) => Some(postcode),
        _ => None,
    };
    match postcode.and_then(|postcode| board_of_district(index, postcode.outcode())) {
        Some(board) => format!("Ask {board}: GP practices near there belong to it."),
        None => "Ask the NHS organisation that covers this place.".into(),
    }
}

/// Returns the board of the neighbouring practices with a postcode in a district, if all these
/// practices have the same board and the dataset contains its name.
pub(super) fn board_of_district(index: &Index, outcode: &str) -> Option<String> {
    let near = index.neighbouring_practices().iter().filter(|found| {
        let postcode = found.practice.postcode;
        postcode.is_some_and(|postcode| postcode.outcode() == outcode)
    });
    let mut boards: Vec<&str> = near.filter_map(|found| found.icb.as_deref()).collect();
    boards.sort_unstable();
    boards.dedup();
    match boards[..] {
        [code] => Some(icb_name(index, code)).filter(|name| name != code),
        _ => None,
    }
}

/// Returns a sentence, without its full stop, that states the share of the place in an area.
fn share_of_place(found: &AreaMatch<'_>, place: &str) -> String {
    match &found.shares {
        Some(shares) if shares.share <= 0.0 => format!(
            "Official statistics put {place} in this area, but none of its {} are in it",
            unit(shares)
        ),
        Some(shares) if shares.share < 1.0 => format!(
            "About {} of the {} of {place} are in this area",
            percent(shares.share),
            unit(shares)
        ),
        _ => format!("{} is in this area", format::sentence_case(place)),
    }
}

/// Returns the plural noun for the unit in which shares are counted.
fn unit(shares: &PlaceShares<'_>) -> &'static str {
    match shares.unit {
        ShareUnit::Postcodes => "postcodes",
        ShareUnit::Homes => "homes",
    }
}

/// Formats a share of postcodes or homes, which is greater than 0 and less than 1. It is therefore
/// never shown as 0% or 100%.
fn percent(share: f64) -> String {
    match share * 100.0 {
        share if share < 1.0 => "fewer than 1%".into(),
        share => format!("{:.0}%", share.round().min(99.0)),
    }
}

/// Renders the other areas in which a statistical area has postcodes, or a postcode has homes.
fn other_shares(shares: &PlaceShares<'_>) -> Markup {
    let others = shares.others.iter().map(|other| {
        let name = other.area.map(display_name);
        let name = name.unwrap_or_else(|| "none of these areas".into());
        format!("{name} ({})", percent(other.share))
    });
    let others: Vec<String> = others.collect();
    html! {
        @if !others.is_empty() {
            p.edge.near {
                "The other " (unit(shares)) " are in " strong { (others.join(", ")) } ". Ask for the "
                @match shares.unit { ShareUnit::Postcodes => "postcode", ShareUnit::Homes => "address" }
                " if this matters."
            }
        }
    }
}

/// Renders the other communities to which the place may belong, if the source disputes the
/// community of the place.
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

/// Renders a warning if the boundary is near. The distance to a boundary that is not near is not
/// useful to staff. A coast is not treated as a boundary, because no one lives on the other side.
fn boundary_distance(found: &AreaMatch<'_>, edge: &BoundaryProximity<'_>, place: &str) -> Markup {
    if edge.certainty == Certainty::Inside {
        return html! {};
    }
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
    let is_beyond = edge.distance_m == Some(0.0);
    html! {
        p.edge.near {
            @match (found.basis, away) {
                (Basis::Nearest, _) => { "This location is just outside our simplified boundary. This is the nearest area." }
                (Basis::Directory, _) if is_beyond => { "Official statistics put this postcode in this area, but its location is just outside our simplified boundary." }
                (_, Some(away)) if !names.is_empty() => { "Near the boundary: " strong { (names) } " is " (away) " away." }
                (_, Some(away)) if edge.is_within_tolerance() => { "The boundary is only " (away) " away." }
                (_, Some(away)) => { "We do not know the exact location of this postcode. The nearest boundary is " (away) " away." }
                (_, None) => { "We do not know the exact location of this postcode." }
            }
            @if !names.is_empty() {
                @if found.basis == Basis::Nearest || is_beyond { " On the other side: " strong { (names) } "." }
                @if place != "this location" { " Some addresses with this postcode may be in it." }
            }
        }
    }
}

/// Returns the line with the groups; `None` if the dataset contains no groups, or if there is no
/// community and so no group.
fn group_line(
    index: &Index,
    results: &[(Layer, LayerResult<'_>)],
    query: &str,
) -> Option<(String, Markup)> {
    let layer = index.manifest().group_layer()?;
    let (_, found) = results.iter().find(|(other, _)| *other == layer)?;
    let unknown = |text: &str| Some(html! { p { (text) } });
    let value = match found {
        LayerResult::Groups(groups) if !groups.is_empty() => Some(html! {
            @for group in groups { p { (group_item(index, group, query)) } }
        }),
        LayerResult::Unknown(_) if has_no_data_for_date(index, results) => None,
        LayerResult::Unknown(UnknownReason::NoneNamed) => {
            let main = index.manifest().main_community_layer();
            let main = main.and_then(|layer| index.manifest().layer(layer));
            let community = main.map_or("community", |entry| entry.noun());
            unknown(&format!(
                "No {} is listed for this community. Ask the {community}.",
                words::group_noun(index)
            ))
        }
        LayerResult::Unknown(UnknownReason::NoSource) => {
            unknown("We have no information for this community.")
        }
        LayerResult::Unknown(UnknownReason::NoDataForDate) => {
            unknown("No information for that date.")
        }
        _ => None,
    };
    let label = layer_noun(index, layer);
    let label = match found {
        LayerResult::Groups(groups) if groups.len() > 1 => words::plural(label),
        _ => label.to_string(),
    };
    value.map(|value| (label, value))
}

fn group_item(index: &Index, group: &GroupMatch<'_>, query: &str) -> Markup {
    html! { strong { (area_link(index, group.area, query)) } ", through " (display_name(group.via)) }
}

/// Returns the practices that cover a place.
pub(super) fn practices_in<'a, 'i>(
    residence: &'a [(Layer, LayerResult<'i>)],
) -> &'a [PracticeMatch<'i>] {
    let practices = residence.iter().find_map(|(_, found)| match found {
        LayerResult::Practices(practices) => Some(practices.as_slice()),
        _ => None,
    });
    practices.unwrap_or_default()
}

/// Returns the line with the practices that cover the place; `None` if no practice covers it.
fn practices_line(
    index: &Index,
    answer: &LocateAnswer<'_>,
    query: &str,
) -> Option<(String, Markup)> {
    let practices = practices_in(&answer.residence);
    if practices.is_empty() {
        return None;
    }
    let named = PRACTICES_NAMED[usize::from(answer.registration.is_some())];
    // One more practice takes no more space than a link to it.
    let named = if practices.len() == named + 1 {
        named + 1
    } else {
        named
    };
    let others = practices.len().saturating_sub(named);
    let value = html! {
        @for found in practices.iter().take(named) {
            p {
                (practice_link(found.practice, query))
                @if let Some(number) = &found.practice.telephone { " " (telephone_link(number)) }
            }
        }
        @if others > 0 { p { a href="#practices-here" { (format::count_with_noun(others, "more practice", "more practices")) " below" } } }
    };
    let label = match practices {
        [_] => practice_noun(index),
        _ => words::plural(&practice_noun(index)),
    };
    Some((label, value))
}

fn practice_noun(index: &Index) -> String {
    let layer = index.manifest().practice_layer();
    layer.map_or("Practice".into(), |layer| {
        layer_noun(index, layer).to_string()
    })
}

/// Renders the name and code of a practice without a link, because a URL must not reveal what the
/// user looked up.
fn practice_text(practice: &Practice) -> Markup {
    html! { (practice.name) " (" (practice.code) ")" }
}

fn registered(index: &Index, registration: &PracticeRegistration<'_>, query: &str) -> BasisLines {
    let communities = communities_in(index, &registration.areas);
    let reason = registration.reason;
    let community = html! {
        @if has_no_data_for_date(index, &registration.areas) { p.name { "No information for that date" } }
        @else if communities.is_empty() { p.name { "Not known" } }
        @for found in communities { p.name { (area_link(index, found.area, query)) } }
        @if let Some(reason) = reason { p { (reason_sentence(index, registration, reason)) } }
    };
    let practice = registered_practice(registration, query);
    BasisLines {
        heading: "Where they are registered",
        community,
        groups: group_line(index, &registration.areas, query),
        practices: practice.map(|practice| (practice_noun(index), practice)),
    }
}

fn registered_practice(registration: &PracticeRegistration<'_>, query: &str) -> Option<Markup> {
    let found = registration.practice.as_ref()?;
    let is_requested = found.requested.code == found.practice.code;
    Some(html! {
        p {
            @if is_requested { (practice_text(found.practice)) } @else { (practice_link(found.practice, query)) }
            @if let Some(number) = &found.practice.telephone { " " (telephone_link(number)) }
        }
        @if found.status == PracticeStatus::Dormant { p { "This practice is dormant: it is still listed but not operating." } }
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
    })
}

/// Returns the sentence that states why there is no registration.
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
        RegistrationReason::Missing => "You did not enter a GP practice.",
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

/// Renders a comparison of the communities of the two bases, if both are known.
pub(super) fn comparison(index: &Index, answer: &LocateAnswer<'_>) -> Markup {
    let Some(registration) = &answer.registration else {
        return html! {};
    };
    let practice = registration.practice.as_ref();
    let communities = communities_in(index, &registration.areas);
    let names: Vec<String> = communities
        .iter()
        .map(|found| display_name(found.area))
        .collect();
    let sentence = match answer.agreement {
        Agreement::Differ if practice.is_some_and(|found| found.is_neighbouring) => Some(html! {
            "They live in one of our communities, but their practice is outside our area. For community services, ask the organisation of the practice."
        }),
        Agreement::Differ => Some(html! {
            "The two communities differ. For community services, use the community where they are registered"
            @if !names.is_empty() { ": " (names.join(" and ")) }
            "."
        }),
        Agreement::Agree => Some(html! { "Both communities are the same." }),
        Agreement::RegistrationOnly | Agreement::ResidenceOnly | Agreement::Neither => None,
    };
    let is_practice_address = answer.notes.contains(&AnswerNote::PracticeAddress);
    html! {
        @if let Some(sentence) = sentence { p.comparison { strong { (sentence) } } }
        @if is_practice_address {
            p { "This is the practice’s own postcode. Practices use it for people with no fixed address, so it may not be where the person lives." }
        }
    }
}

/// Makes the links of a result open in a new tab, so that the result is not lost. To show the
/// result again, the browser would have to send the form again. Links within the page and the link
/// to the form do not change. This function changes all links of a result, so that no link is
/// forgotten.
pub(super) fn in_new_tab(content: Markup) -> Markup {
    let text = content.into_string();
    let mut parts = text.split("<a ");
    let mut changed = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let tag = part.split('>').next().unwrap_or_default();
        let leaves = ["href=\"/", "href=\"http"]
            .iter()
            .any(|start| tag.contains(start))
            && !tag.contains("href=\"/\"");
        changed.push_str(match leaves {
            true => "<a target=\"_blank\" rel=\"noopener\" ",
            false => "<a ",
        });
        changed.push_str(part);
    }
    PreEscaped(changed)
}

/// Renders the note about an area that is treated as the same area as one in another layer, because
/// no source lists the members of its own layer.
pub(super) fn taken_to_be(index: &Index, area: &Area) -> Markup {
    let manifest = index.manifest();
    let entry = manifest.layer(area.layer);
    let other = entry.and_then(|entry| manifest.layer(entry.members_from?));
    html! {
        @if let Some((entry, other)) = entry.zip(other) {
            @let (noun, other) = (words::full_noun(entry), words::full_noun(other));
            p.nhsuk-body-s { "We treat the " (noun) " as identical to the " (other) ": its practices are those of the " (other) ", because no list of the " (noun) "’s practices has been published." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_other_pages_open_in_a_new_tab() {
        let opened = |tag: &str| in_new_tab(PreEscaped(format!("<p><a {tag}>x</a></p>"))).0;
        let expected = |tag: &str| format!("<p><a {tag}>x</a></p>");
        for tag in ["href=\"/areas/icc/a\"", "href=\"https://example.org/\""] {
            assert_eq!(
                opened(tag),
                expected(&format!("target=\"_blank\" rel=\"noopener\" {tag}"))
            );
        }
        for tag in ["href=\"/\"", "href=\"#here\"", "class=\"x\" href=\"tel:0\""] {
            assert_eq!(opened(tag), expected(tag));
        }
    }
}
