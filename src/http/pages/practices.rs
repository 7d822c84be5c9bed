//! `/practices`: a list of practices with filters, and a page for each practice.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::areas::{held_layer, unknown_area};
use super::super::input::{Segments, segment};
use super::super::practices::unknown_practice;
use super::super::problem::Problem;
use super::areas::{POSTCODES_FIELDS, areas_by_name, can_be_embedded, has_ground, postcodes_of};
use super::visit::Visit;
use crate::domain::{Area, Layer, Member, OdsCode, Postcode, Practice, PracticeStatus};
use crate::index::{Index, Query, Which};
use crate::web::directory::{self, PageContext, PracticePage, PracticesPage};

const FIELDS: &[&str] = &["as_of", "dataset"];
const LIST_FIELDS: &[&str] = &["name", "area", "status", "page", "as_of", "dataset"];

/// The layers in the area filter of the list. Areas of other layers link to the filtered list.
const CHOICES: [Layer; 3] = [Layer::Icc, Layer::NeighbourhoodTeam, Layer::SubIcb];

/// `/practices`.
pub(in super::super) async fn list(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, LIST_FIELDS)?;
    let page = visit.page(|visit, setting| {
        let (index, day) = (setting.index, setting.as_of);
        let with_closed = match visit.fields.get("status") {
            None => false,
            Some("all") => true,
            Some(_) => {
                return Err(Problem::bad_request(
                    "malformed",
                    "status must be all if it is given",
                ));
            }
        };
        let name = name_wanted(visit.fields.get("name").unwrap_or_default())?;
        let area = visit
            .fields
            .get("area")
            .map(|it| area_wanted(index, it, day));
        let area = area.transpose()?;
        let practices = practices(index, day, name, area, with_closed);
        let page = PracticesPage {
            slice: visit.part(practices.len())?,
            practices,
            name,
            area,
            includes_closed: with_closed,
            area_choices: choices(setting),
        };
        Ok(directory::practices(setting, &page))
    });
    page.await
}

/// Parses the filter by name. Rejects postcodes, because browsers and proxies store the URLs of
/// pages, and the postcode could be a patient's.
fn name_wanted(text: &str) -> Result<&str, Problem> {
    if text.parse::<Postcode>().is_ok() {
        let detail = "name must be part of a practice's name, address or code; use the look-up page for a postcode";
        return Err(Problem::bad_request("malformed", detail));
    }
    Ok(text.trim())
}

fn area_wanted<'i>(index: &'i Index, text: &str, day: Date) -> Result<&'i Area, Problem> {
    let (layer, id) = text.split_once('/').ok_or_else(unknown_area)?;
    let layer = held_layer(index, layer, day)?;
    index.area_ever(layer, id, day).ok_or_else(unknown_area)
}

fn practices<'i>(
    index: &'i Index,
    day: Date,
    name: &str,
    area: Option<&Area>,
    with_closed: bool,
) -> Vec<&'i Practice> {
    let name = name.to_lowercase();
    let is_called_so = |it: &Practice| {
        let is_in = |text: &str| text.to_lowercase().contains(&name);
        is_in(&it.name) || is_in(&it.address) || is_in(it.code.as_str())
    };
    let belongs = |it: &Practice| {
        area.is_none_or(|area| {
            let key = Member::Practice(it.code);
            let mut memberships = index.memberships_of(&key, area.layer, day);
            memberships.any(|it| it.group.as_deref() == Some(area.id.as_str()))
        })
    };
    let is_wanted = |it: &&Practice| {
        (with_closed || it.status_on(day) != PracticeStatus::Closed)
            && is_called_so(it)
            && belongs(it)
    };
    let mut practices: Vec<&Practice> = index.practices().iter().filter(is_wanted).collect();
    practices.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    practices
}

fn choices<'a>(setting: &PageContext<'a>) -> Vec<(&'a str, Vec<&'a Area>)> {
    let index = setting.index;
    let entries = index.manifest().layers.iter();
    let chosen = entries.filter_map(|entry| {
        let layer: Layer = entry.id.parse().ok()?;
        let areas = areas_by_name(index, layer, setting.as_of);
        let is_offered = CHOICES.contains(&layer) && !areas.is_empty();
        is_offered.then_some((entry.title.as_str(), areas))
    });
    chosen.collect()
}

/// `/practices/{ods_code}`. The code of a branch redirects to its practice.
pub(in super::super) async fn practice(
    State(app): State<App>,
    uri: Uri,
    Segments(code): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, FIELDS)?;
    let code: OdsCode = segment(&code, unknown_practice)?;
    let index = visit.snapshot.index();
    if index.practice(code).is_none() {
        let parent = code.parent().filter(|it| index.practice(*it).is_some());
        let parent = parent.ok_or_else(unknown_practice)?;
        return Ok(visit.redirect(&format!("/practices/{parent}")));
    }
    let page = visit.page(move |_, setting| {
        let practice = setting.index.practice(code).ok_or_else(unknown_practice)?;
        let page = practice_page(setting.index, practice, setting.as_of);
        Ok(directory::practice(setting, &page))
    });
    page.await
}

fn practice_page<'i>(index: &'i Index, practice: &'i Practice, day: Date) -> PracticePage<'i> {
    let code = practice.code;
    let answer = index.locate(&Query {
        place: None,
        practice: Some(Ok(code)),
        as_of: day,
    });
    let first_data = index.first_data(Layer::GpPractice);
    let area = index.area(Layer::GpPractice, code.as_str(), day);
    let is_known = first_data.is_some_and(|first| first <= day);
    let area = area.filter(|area| is_known && has_ground(index, area, day));
    PracticePage {
        practice,
        registration: answer.registration.expect("the query has a practice"),
        area,
        outcodes: index.outcodes_in((Layer::GpPractice, code.as_str()), day, Which::Live),
        can_be_embedded: area.is_some_and(|area| can_be_embedded(index, area)),
    }
}

/// `/practices/{ods_code}/postcodes`.
pub(in super::super) async fn postcodes(
    State(app): State<App>,
    uri: Uri,
    Segments(code): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, POSTCODES_FIELDS)?;
    let code: OdsCode = segment(&code, unknown_practice)?;
    let index = visit.snapshot.index();
    index.practice(code).ok_or_else(unknown_practice)?;
    held_layer(index, Layer::GpPractice.as_str(), visit.snapshot.as_of)?;
    postcodes_of(visit, Layer::GpPractice, code.to_string()).await
}
