//! `/partnerships`: pages of the partnerships to which communities belong.

use std::collections::BTreeSet;

use axum::response::Response;

use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::super::request_context::DatasetParams;
use super::page_request::PageRequest;
use crate::web::directory::{self, PartnershipPage};
use catchment_core::domain::{Area, LayerRole};
use catchment_core::index::Index;

/// `/partnerships`: the list of partnerships.
pub(in super::super) async fn list(
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    let response = page.render(|context| {
        let ids: Vec<&str> = partnership_ids(context.index).into_iter().collect();
        Ok(directory::partnerships(context, &ids))
    });
    response.await
}

/// `/partnerships/{id}`: one partnership.
pub(in super::super) async fn partnership(
    PathParams(id): PathParams<String>,
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    let response = page.render(move |context| {
        let (index, day) = (context.index, context.as_of);
        let ids = partnership_ids(index);
        let id: &str = ids.get(id.as_str()).ok_or_else(unknown_partnership)?;
        let areas = areas_of(index, id);
        let is_valid = |area: &&Area| area.period.contains(day);
        let valid: Vec<&Area> = areas.iter().copied().filter(is_valid).collect();
        let is_other = |area: &&Area| {
            !valid
                .iter()
                .any(|valid| (valid.layer, &valid.id) == (area.layer, &area.id))
        };
        let mut announcements = Vec::new();
        for area in &valid {
            for announcement in index.announcements_about(area, day) {
                if !announcements.contains(&announcement) {
                    announcements.push(announcement);
                }
            }
        }
        let page = PartnershipPage {
            id,
            others: areas.iter().copied().filter(is_other).collect(),
            areas: valid,
            announcements,
        };
        Ok(directory::partnership(context, &page))
    });
    response.await
}

/// Returns the ids of the partnerships in the dataset, in order.
fn partnership_ids(index: &Index) -> BTreeSet<&str> {
    let all = index.manifest().layers.iter();
    let areas = all.flat_map(|entry| index.all_areas(entry.id));
    let counts = index.stated_counts().iter();
    areas
        .filter_map(|area| area.system.as_deref())
        .chain(counts.map(|count| count.system.as_str()))
        .collect()
}

/// Returns the communities of a partnership and the parts of its communities, on all dates, in
/// order of name.
fn areas_of<'i>(index: &'i Index, id: &str) -> Vec<&'i Area> {
    let layers = index
        .layers()
        .filter(|layer| index.role(*layer) != Some(LayerRole::Group));
    let areas = layers.flat_map(|layer| index.all_areas(layer));
    let mut areas: Vec<&Area> = areas
        .filter(|area| area.system.as_deref() == Some(id))
        .collect();
    areas.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    areas
}

fn unknown_partnership() -> Problem {
    Problem::unknown(
        "unknown_partnership",
        "the dataset has no such partnership; /partnerships lists the partnerships",
    )
}
