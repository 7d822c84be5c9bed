//! `/practices`: a list of practices with filters, and a page for each practice.

use axum::response::Response;
use jiff::civil::Date;

use super::super::areas::{require_layer, unknown_area, unknown_layer};
use super::super::extract::{PathParams, parse_segment};
use super::super::practices::unknown_practice;
use super::super::problem::Problem;
use super::super::query_params::{DatasetSelection, query_params};
use super::super::request_context::DatasetParams;
use super::areas::{PostcodesParams, areas_by_name, can_be_embedded, has_boundary, postcodes_of};
use super::page_request::{PageNumber, PageRequest};
use crate::web::directory::{self, PageContext, PracticePage, PracticesPage};
use catchment_core::domain::{
    Area, GroupMember, LayerEntry, LayerRole, OdsCode, OrganisationKind, Postcode, Practice,
    PracticeStatus,
};
use catchment_core::index::{Index, LocateQuery, PostcodeFilter};

query_params! {
    /// The parameters of the list of practices.
    pub(in crate::http) struct PracticeListParams {
        /// Part of a practice's name, address or code.
        name: Option<String> = ["name"],
        /// A layer and an area: `icc/mb-kendal`.
        area: Option<String> = ["area"],
        /// `all` to include closed practices.
        status: Option<String> = ["status"],
        /// The number of the requested page.
        number: PageNumber = ["page"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

/// Returns whether users can choose areas of a layer as the filter of the list. For other layers,
/// the pages of areas link to the list with the area as the filter.
fn is_filter_layer(entry: &LayerEntry) -> bool {
    entry.role == LayerRole::Community
        || entry.organisation == Some(OrganisationKind::SubIcbLocation)
}

/// `/practices`: the list of practices.
pub(in super::super) async fn list(
    PageRequest { page, params }: PageRequest<PracticeListParams>,
) -> Result<Response, Problem> {
    let response = page.render(move |context| {
        let (index, day) = (context.index, context.as_of);
        let includes_closed = match params.status.as_deref() {
            None => false,
            Some("all") => true,
            Some(_) => {
                return Err(Problem::bad_request(
                    "invalid_status",
                    "status must be all if it is given",
                ));
            }
        };
        let name = name_filter(params.name.as_deref().unwrap_or_default())?;
        let area = params.area.as_deref();
        let area = area.map(|text| area_filter(index, text, day)).transpose()?;
        let practices = matching_practices(index, day, name, area, includes_closed);
        let page = PracticesPage {
            slice: params.number.slice(practices.len())?,
            practices,
            name,
            area,
            includes_closed,
            area_choices: area_choices(context),
        };
        Ok(directory::practices(context, &page))
    });
    response.await
}

/// Parses the filter by name. Postcodes are rejected, because browsers and proxies store the URLs
/// of pages, and the postcode could be that of a patient.
fn name_filter(text: &str) -> Result<&str, Problem> {
    if text.parse::<Postcode>().is_ok() {
        let detail = "name must be part of a practice's name, address or code; use the look-up page for a postcode";
        return Err(Problem::bad_request("postcode_in_url", detail));
    }
    Ok(text.trim())
}

fn area_filter<'i>(index: &'i Index, text: &str, day: Date) -> Result<&'i Area, Problem> {
    let (layer, id) = text.split_once('/').ok_or_else(unknown_area)?;
    let layer = require_layer(index, layer, day)?;
    index
        .area_or_last_version(layer, id, day)
        .ok_or_else(unknown_area)
}

fn matching_practices<'i>(
    index: &'i Index,
    day: Date,
    name: &str,
    area: Option<&Area>,
    includes_closed: bool,
) -> Vec<&'i Practice> {
    let is_member = |practice: &Practice| {
        area.is_none_or(|area| {
            let key = GroupMember::Practice(practice.code);
            let mut memberships = index.memberships_of(&key, area.layer, day);
            memberships.any(|membership| membership.group.as_deref() == Some(area.id.as_str()))
        })
    };
    let is_match = |practice: &&Practice| {
        (includes_closed || practice.status_on(day) != PracticeStatus::Closed)
            && practice.contains_text(name)
            && is_member(practice)
    };
    let mut practices: Vec<&Practice> = index.practices().iter().filter(is_match).collect();
    practices.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    practices
}

fn area_choices<'a>(context: &PageContext<'a>) -> Vec<(&'a str, Vec<&'a Area>)> {
    let index = context.index;
    let entries = index.manifest().layers.iter();
    let choices = entries.filter_map(|entry| {
        let layer = entry.id;
        let areas = areas_by_name(index, layer, context.as_of);
        let is_offered = is_filter_layer(entry) && !areas.is_empty();
        is_offered.then_some((entry.title.as_str(), areas))
    });
    choices.collect()
}

/// `/practices/{ods_code}`: one practice. The code of a branch redirects to its practice.
pub(in super::super) async fn practice(
    PathParams(code): PathParams<String>,
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    let code: OdsCode = parse_segment(&code, unknown_practice)?;
    let index = page.context.index();
    let is_neighbouring = index.neighbouring_practice(code).is_some();
    if index.practice(code).is_none() && !is_neighbouring {
        let is_listed = |code: &OdsCode| {
            index.practice(*code).is_some() || index.neighbouring_practice(*code).is_some()
        };
        let parent = code.parent().filter(is_listed);
        let parent = parent.ok_or_else(unknown_practice)?;
        return Ok(page.redirect(&format!("/practices/{parent}")));
    }
    let base = page.base.clone();
    let response = page.render(move |context| {
        if let Some(found) = context.index.neighbouring_practice(code) {
            return Ok(directory::neighbouring_practice(context, found));
        }
        let practice = context.index.practice(code).ok_or_else(unknown_practice)?;
        let page = practice_page(context.index, practice, context.as_of);
        Ok(directory::practice(context, &page))
    });
    let mut response = response.await?;
    base.add_vary(response.headers_mut());
    Ok(response)
}

fn practice_page<'i>(index: &'i Index, practice: &'i Practice, day: Date) -> PracticePage<'i> {
    let code = practice.code;
    let answer = index.locate(&LocateQuery {
        locator: None,
        practice: Some(Ok(code)),
        as_of: day,
    });
    let layer = index.manifest().practice_layer();
    let first_data = layer.and_then(|layer| index.first_data(layer));
    let area = layer.and_then(|layer| index.area(layer, code.as_str(), day));
    let has_layer_data = first_data.is_some_and(|first| first <= day);
    let area = area.filter(|area| has_layer_data && has_boundary(index, area, day));
    PracticePage {
        practice,
        registration: answer.registration.expect("the query has a practice"),
        area,
        outcodes: layer.map_or_else(Vec::new, |layer| {
            index.outcodes_in((layer, code.as_str()), day, PostcodeFilter::Live)
        }),
        can_be_embedded: area.is_some_and(|area| can_be_embedded(index, area)),
    }
}

/// `/practices/{ods_code}/postcodes`: the postcodes in the area of a practice.
pub(in super::super) async fn postcodes(
    PathParams(code): PathParams<String>,
    PageRequest { page, params }: PageRequest<PostcodesParams>,
) -> Result<Response, Problem> {
    let code: OdsCode = parse_segment(&code, unknown_practice)?;
    let index = page.context.index();
    index.practice(code).ok_or_else(unknown_practice)?;
    let layer = index
        .manifest()
        .practice_layer()
        .ok_or_else(unknown_layer)?;
    require_layer(index, layer.as_str(), page.context.as_of)?;
    postcodes_of(page, params, layer, code.to_string()).await
}
