//! The staff page: a question, the answer in words, and a map beside it.

use jiff::civil::Date;
use maud::{DOCTYPE, Markup, html};

use super::frame::{Page, frame, link};
use super::map::{self, Map};
use super::words;
use crate::domain::{
    Agreement, Area, Basis, Certainty, Layer, Member, Postcode, Practice, PracticeStatus, Status,
    today_in_london,
};
use crate::index::{
    Answer, AreaFound, EdgeFound, Found, GroupFound, Index, Note, Place, PracticeFound, Reason,
    Registration, Unknown, areas_in,
};

/// What a page stands on.
pub(crate) struct Home<'a> {
    pub(crate) index: &'a Index,
    pub(crate) outcome: Outcome<'a>,
}

/// What became of the form.
pub(crate) enum Outcome<'a> {
    /// Nothing was asked yet.
    Unasked,
    /// It could not be asked so.
    Faulty(Fault<'a>),
    /// This.
    Answered(&'a Answer<'a>),
}

/// What is wrong with a question.
pub(crate) struct Fault<'a> {
    /// The name of the field that it is in.
    pub(crate) field: &'static str,
    pub(crate) message: &'a str,
    /// The postcode that was probably meant.
    pub(crate) suggestion: Option<Postcode>,
}

/// The page at `/`.
pub(crate) fn home(home: &Home<'_>) -> Markup {
    let title = match home.outcome {
        Outcome::Unasked => "Look up a place",
        Outcome::Faulty(_) => "Error: Look up a place",
        Outcome::Answered(_) => "Answer: Look up a place",
    };
    let content = html! {
        @if let Outcome::Faulty(fault) = &home.outcome { (summary(fault)) }
        h1 { "Which Integrated Care Community?" }
        p.lead { "Type a postcode to see the community that covers it, the GP practices whose area includes it, and its resilience groups." }
        (form(&home.outcome))
        @match &home.outcome {
            Outcome::Answered(answer) => (answered(home.index, answer)),
            _ => (overview(home.index)),
        }
    };
    let page = Page {
        title,
        part: Some("/"),
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

/// The page at `/` of a program that was built without pages.
pub(crate) fn none() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head { meta charset="utf-8"; title { "Catchment" } meta name="viewport" content="width=device-width, initial-scale=1"; }
            body { main {
                h1 { "Catchment" }
                p { "This program was built without its pages (the feature " code { "web" } "). The API answers: " a href="/openapi.json" { "what it can be asked" } "." }
            } }
        }
    }
}

/// The page at `/privacy`.
pub(crate) fn privacy(home: &Home<'_>) -> Markup {
    let content = html! {
        h1 { "Privacy" }
        p.lead { "This service keeps nothing of what it is asked." }
        ul {
            li { "A postcode, coordinate or practice code is used to work out one answer, in memory, and is then forgotten." }
            li { "It is written to no log, no file, no cache and no statistic. A log line says which page was asked for, how it went and how long it took." }
            li { "A list is answered row for row, in memory, while it is sent, and nothing of it is kept. A log line says how many rows there were of each kind, and no number below 8." }
            li { "The page sends the postcode in the body of the request, so that it does not stand in the address, in the browser's history or in another computer's log." }
            li { "The service calls no other computer. All it knows was loaded when it started." }
            li { "It sets no cookies, and the page loads nothing from anywhere else." }
        }
    };
    let page = Page {
        title: "Privacy",
        trail: &[link("/", "Look up a place")],
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn summary(fault: &Fault<'_>) -> Markup {
    html! {
        div.fault role="alert" {
            h2 { "There is a problem" }
            p { a href={ "#" (fault.field) } { (fault.message) } }
            @if let Some(postcode) = fault.suggestion {
                form method="post" action="/#answer" {
                    input type="hidden" name="postcode" value=(postcode);
                    p { "Did you mean " button.as-link type="submit" { (postcode) } "? It was not looked up." }
                }
            }
        }
    }
}

fn form(outcome: &Outcome<'_>) -> Markup {
    let (answer, fault) = match outcome {
        Outcome::Unasked => (None, None),
        Outcome::Answered(answer) => (Some(*answer), None),
        Outcome::Faulty(fault) => (None, Some(fault)),
    };
    let text = |name, hint: &str, label: &str, value: Option<String>| {
        let is_faulty = fault.is_some_and(|fault| fault.field == name);
        let is_next = is_faulty || (name == "postcode" && fault.is_none() && answer.is_none());
        let kind = if name == "as_of" { "date" } else { "text" };
        html! {
            div.field.faulty[is_faulty] {
                label for=(name) { (label) " " span.hint { (hint) } }
                input id=(name) name=(name) type=(kind) size="10" maxlength="64" autocapitalize="characters"
                    spellcheck="false" value=[value] aria-invalid=[is_faulty.then_some("true")] autofocus[is_next];
            }
        }
    };
    // Only a day that is not today is worth saying again.
    let day = answer
        .map(|answer| answer.as_of)
        .filter(|day| *day != today_in_london());
    html! {
        form.ask method="post" action="/#answer" autocomplete="off" {
            (text("postcode", "such as LA18 4DB", "Postcode", answer.and_then(asked_postcode)))
            (text("practice", "if known", "Practice code", answer.and_then(asked_practice)))
            (text("as_of", "if not today", "Day", day.map(|day| day.to_string())))
            button type="submit" { "Look up" }
        }
    }
}

fn asked_postcode(answer: &Answer<'_>) -> Option<String> {
    match answer.location?.place {
        Place::Postcode(postcode) => Some(postcode.to_string()),
        Place::LonLat(_) | Place::Grid(_) => None,
    }
}

fn asked_practice(answer: &Answer<'_>) -> Option<String> {
    let practice = answer.registration.as_ref()?.practice.as_ref()?;
    Some(practice.asked.code.to_string())
}

/// What the page shows before anything is asked.
fn overview(index: &Index) -> Markup {
    let today = today_in_london();
    let communities: Vec<&Area> = map::COMMUNITIES
        .into_iter()
        .flat_map(|layer| index.areas(layer, today).into_iter().flatten())
        .collect();
    let description = format!(
        "A map of {} communities, listed beside it.",
        communities.len()
    );
    let map = Map {
        title: "The Integrated Care Communities",
        description: &description,
        selected: None,
        mark: None,
    };
    html! {
        div.columns {
            section {
                h2 { "The communities" }
                (indicative())
                @for (system, communities) in by_system(&communities) {
                    h3 { (system) }
                    @for area in communities { (community(index, area, today)) }
                }
            }
            figure { (map::draw(index, today, &map)) (map_caption("The Integrated Care Communities.")) }
        }
    }
}

/// A community with its practices, to open.
fn community(index: &Index, area: &Area, day: Date) -> Markup {
    let members = index.members(area.layer, &area.id, day);
    let practices: Vec<&Practice> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            Member::Practice(code) => index.practice(*code),
            Member::Area(..) => None,
        })
        .filter(|practice| practice.status_on(day) == PracticeStatus::Active)
        .collect();
    let parts: Vec<&str> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            Member::Area(layer, id) => index.area(*layer, id, day),
            Member::Practice(_) => None,
        })
        .map(|part| part.name.as_str())
        .collect();
    html! {
        details {
            summary { (called(area)) }
            @if !parts.is_empty() { p { "Its parts: " (parts.join(", ")) "." } }
            p { "Everyone registered with one of these practices belongs to it:" }
            ul { @for practice in practices {
                li { (practice.name) " " span.hint { (practice.code) } @if let Some(telephone) = &practice.telephone { ", " (telephone) } }
            } }
        }
    }
}

fn map_caption(text: &str) -> Markup {
    html! { figcaption { (text) " What is blank is sea, or land outside them." } }
}

/// `morecambe-bay` as a heading, with its areas in order of name.
fn by_system<'a>(areas: &[&'a Area]) -> Vec<(String, Vec<&'a Area>)> {
    let mut systems: Vec<(String, Vec<&'a Area>)> = Vec::new();
    for &area in areas {
        let name = area
            .system
            .as_deref()
            .map(heading)
            .unwrap_or_else(|| "Others".into());
        match systems.iter_mut().find(|(system, _)| *system == name) {
            Some((_, areas)) => areas.push(area),
            None => systems.push((name, vec![area])),
        }
    }
    for (_, areas) in &mut systems {
        areas.sort_by(|a, b| a.name.cmp(&b.name));
    }
    systems
}

fn heading(system: &str) -> String {
    let words = system.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    });
    words.collect::<Vec<_>>().join(" ")
}

fn answered(index: &Index, answer: &Answer<'_>) -> Markup {
    let home = communities_in(&answer.residence).first();
    let place = asked_postcode(answer);
    let place = place.as_deref().unwrap_or("this place");
    let description = match home {
        Some(found) => format!(
            "The place asked about, in the area of {}.",
            found.area.title()
        ),
        None if is_unknown(&answer.residence) => "The place asked about.".into(),
        None if answer.location.is_some() => {
            "The place asked about, outside the communities.".into()
        }
        None => "The communities.".into(),
    };
    let map = Map {
        title: "Map of the answer",
        description: &description,
        selected: home.map(|found| found.area.id.as_str()),
        mark: answer.location.and_then(|location| location.grid),
    };
    html! {
        div.columns.answer {
            section #answer aria-labelledby="answer-title" tabindex="-1" {
                h2 #answer-title { (answer_title(answer)) }
                @if let Some(sentence) = standing(answer) { p.standing { (sentence) } }
                @if answer.location.is_some() { (lives_in(answer, place)) }
                @if let Some(registration) = &answer.registration { (registered(registration)) (comparison(answer)) }
                (practices(&answer.residence))
                (groups(&answer.residence))
                p.small { "For " (words::date(answer.as_of)) ", from dataset version " (index.manifest().version) "." }
            }
            figure { (map::draw(index, answer.as_of, &map)) (map_caption(&description)) }
        }
    }
}

fn answer_title(answer: &Answer<'_>) -> String {
    let practice = answer
        .registration
        .as_ref()
        .and_then(|it| it.practice.as_ref());
    let named = asked_postcode(answer).or(practice.map(|it| it.practice.name.clone()));
    named.unwrap_or_else(|| "Answer".into())
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

fn lives_in(answer: &Answer<'_>, place: &str) -> Markup {
    let communities = communities_in(&answer.residence);
    let part = areas_in(&answer.residence, Layer::SubCommunity).first();
    html! {
        section.card {
            h3 { "By where they live" }
            @if is_unknown(&answer.residence) {
                p.big { "Not known for that day" }
            } @else if communities.is_empty() {
                p.big { "Outside every community that we hold" }
                @for (_, near) in &answer.nearest {
                    p { "The nearest is " strong { (near.area.title()) } ", " (words::distance(near.distance_m)) " away." }
                }
            }
            @for found in communities {
                p.big { (called(found.area)) }
                p { "The area that " (place) " lies in" @if let Some(part) = part { ", in its part " strong { (part.area.name) } } "." }
                @if let Some(edge) = &found.edge { (edge_words(found, edge)) }
            }
            @if !communities.is_empty() { (indicative()) }
        }
    }
}

/// The communities; where there are none, what a system has in their place.
fn communities_in<'a, 'i>(found: &'a [(Layer, Found<'i>)]) -> &'a [AreaFound<'i>] {
    match areas_in(found, Layer::Icc) {
        [] => areas_in(found, Layer::NeighbourhoodTeam),
        communities => communities,
    }
}

/// What people call the area.
fn called(area: &Area) -> String {
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

fn edge_words(found: &AreaFound<'_>, edge: &EdgeFound<'_>) -> Markup {
    let across: Vec<String> = edge.alternatives.iter().map(|it| it.area.title()).collect();
    let across = across.join(" and ");
    html! {
        p.edge.near[edge.certainty == Certainty::NearBoundary] {
            @match (edge.certainty, found.basis) {
                (Certainty::Inside, _) => { "The nearest edge of its area is " (words::distance(edge.distance_m)) " away." }
                (_, Basis::Nearest) => { "It lies just off the simplified boundary; this is the nearest area." }
                (_, Basis::Directory) if edge.distance_m == 0.0 => { "The official statistics put it here; on the simplified map it falls just across the boundary." }
                _ => { "Close to the edge of its area, " (words::distance(edge.distance_m)) " away." }
            }
            @if !across.is_empty() { " On the other side: " strong { (across) } ". A postcode is several addresses; check if it matters." }
        }
    }
}

fn registered(registration: &Registration<'_>) -> Markup {
    let communities = communities_in(&registration.areas);
    html! {
        section.card {
            h3 { "By registration" }
            @if is_unknown(&registration.areas) { p.big { "Not known for that day" } }
            @else if communities.is_empty() { p.big { "Not known" } }
            @for found in communities { p.big { (called(found.area)) } }
            @if let Some(found) = &registration.practice {
                p { "Registered with " strong { (found.practice.name) } " (" (found.practice.code) ")"
                    @if found.status == PracticeStatus::Dormant { ", which is dormant" } "." }
                @if found.asked.code != found.practice.code {
                    p { (found.asked.name) " (" (found.asked.code) ")"
                        @if let Some(closed) = found.asked.closed { " closed on " (words::date(closed)) }
                        "; its patients went to the practice above." }
                }
                @if found.branch_is_listed.is_some() { p { "The code given is a branch of this practice." } }
            }
            @if let Some(reason) = registration.reason { p { (reason_words(reason)) } }
            (group_list(&registration.areas))
        }
    }
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
    html! {
        p.comparison.differs[answer.agreement == Agreement::Differ] { (words) }
        @if answer.notes.contains(&Note::PracticeAddress) {
            p.comparison { "The postcode is the practice's own. Practices register people without a home there." }
        }
    }
}

fn practices(residence: &[(Layer, Found<'_>)]) -> Markup {
    let found = residence.iter().find_map(|(_, found)| match found {
        Found::Practices(practices) => Some(practices),
        _ => None,
    });
    let Some(practices) = found.filter(|practices| !practices.is_empty()) else {
        return html! {};
    };
    html! {
        section {
            h3 { "GP practices whose area includes it" }
            table {
                thead { tr { th scope="col" { "Practice" } th scope="col" { "Telephone" } th scope="col" { "Distance" } th scope="col" { "People here" } } }
                tbody { @for found in practices { (practice_row(found)) } }
            }
            p.small { "Modelled: how many of the people who live here are expected to be registered there, by list size and distance. Not the practices' own boundaries; ask the practice before you send anybody there." }
        }
    }
}

fn practice_row(found: &PracticeFound<'_>) -> Markup {
    html! {
        tr {
            th scope="row" { (found.practice.name) " " span.hint { (found.practice.code) } }
            td data-label="Telephone" { @match &found.practice.telephone { Some(telephone) => (telephone), None => "–" } }
            td data-label="Distance" { @match found.distance_m { Some(distance_m) => (words::distance(distance_m)), None => "–" } }
            td data-label="People here" { @match found.share { Some(share) => (words::share(share)), None => "–" } }
        }
    }
}

fn groups(residence: &[(Layer, Found<'_>)]) -> Markup {
    let has_any = residence.iter().any(|(layer, found)| {
        *layer == Layer::ResilienceGroup
            && !matches!(found, Found::Groups(groups) if groups.is_empty())
    });
    html! { @if has_any { section { h3 { "Resilience groups" } (group_list(residence)) } } }
}

fn group_list(found: &[(Layer, Found<'_>)]) -> Markup {
    let groups = found
        .iter()
        .find(|(layer, _)| *layer == Layer::ResilienceGroup);
    html! {
        @match groups.map(|(_, found)| found) {
            Some(Found::Groups(groups)) if !groups.is_empty() => {
                ul.plain { @for group in groups { (group_item(group, found)) } }
            }
            Some(Found::Unknown(Unknown::NoneNamed)) => { p { "Resilience group: not known. The published page names none for this community." } }
            Some(Found::Unknown(Unknown::NoSource)) => { p { "Resilience groups: not known. We have no source for this community." } }
            Some(Found::Unknown(Unknown::NoDataForDate)) => { p { "Nothing is known of resilience groups for that day." } }
            _ => {}
        }
    }
}

fn group_item(group: &GroupFound<'_>, found: &[(Layer, Found<'_>)]) -> Markup {
    let via = [Layer::SubCommunity, Layer::Icc]
        .into_iter()
        .flat_map(|layer| areas_in(found, layer))
        .find(|member| member.area.id == group.via);
    html! { li { strong { (group.area.name) } @if let Some(via) = via { ", through " (via.area.title()) } } }
}

fn indicative() -> Markup {
    html! { p.note { "Indicative: drawn from open statistics, not an official map." } }
}
