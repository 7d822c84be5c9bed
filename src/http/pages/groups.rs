//! `/groups`: pages of community resilience groups.

use axum::response::Response;

use super::super::areas::{require_layer, unknown_area, unknown_layer};
use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::super::request_context::{DatasetParams, RequestContext};
use super::areas::{
    ListParams, PostcodesParams, areas_by_name, boundary_history, can_be_embedded, has_boundary,
    postcodes_of,
};
use super::page_request::PageRequest;
use crate::web::directory::{self, GroupPage};
use catchment_core::domain::Layer;
use catchment_core::index::{Index, PostcodeFilter};

/// Returns the layer of the groups.
///
/// # Errors
/// If the dataset has no groups (404).
fn group_layer(index: &Index) -> Result<Layer, Problem> {
    let layer = index.manifest().group_layer();
    layer.ok_or_else(unknown_layer)
}

/// `/groups`: the list of groups.
pub(in super::super) async fn list(
    PageRequest { page, params }: PageRequest<ListParams>,
) -> Result<Response, Problem> {
    let layer = group_layer(page.context.index())?;
    let response = page.render(move |context| {
        let mut groups = areas_by_name(context.index, layer, context.as_of);
        groups.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let slice = params.number.slice(groups.len())?;
        Ok(directory::groups(context, layer, &groups, slice))
    });
    response.await
}

/// Returns an error if the dataset contains no resilience groups, or no data for the date.
fn require_groups(context: &RequestContext) -> Result<Layer, Problem> {
    let layer = group_layer(context.index())?;
    require_layer(context.index(), layer.as_str(), context.as_of)
}

/// `/groups/{id}`: one group.
pub(in super::super) async fn group(
    PathParams(id): PathParams<String>,
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    let layer = require_groups(&page.context)?;
    let response = page.render(move |context| {
        let (index, day) = (context.index, context.as_of);
        let area = index
            .area_or_last_version(layer, &id, day)
            .ok_or_else(unknown_area)?;
        let page = GroupPage {
            area,
            has_boundary: has_boundary(index, area, day),
            outcodes: index.outcodes_in((layer, &area.id), day, PostcodeFilter::Live),
            boundaries: boundary_history(index, area),
            can_be_embedded: can_be_embedded(index, area),
        };
        Ok(directory::group(context, &page))
    });
    response.await
}

/// `/groups/{id}/postcodes`: the postcodes of a group.
pub(in super::super) async fn postcodes(
    PathParams(id): PathParams<String>,
    PageRequest { page, params }: PageRequest<PostcodesParams>,
) -> Result<Response, Problem> {
    let layer = require_groups(&page.context)?;
    postcodes_of(page, params, layer, id).await
}
