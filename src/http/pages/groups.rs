//! `/groups`: pages of community resilience groups.

use axum::response::Response;

use super::super::areas::{find_layer, require_layer, unknown_area};
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
use catchment_core::index::PostcodeFilter;

const LAYER: Layer = Layer::ResilienceGroup;

/// `/groups`: the list of groups.
pub(in super::super) async fn list(
    PageRequest { page, params }: PageRequest<ListParams>,
) -> Result<Response, Problem> {
    find_layer(page.context.index(), LAYER.as_str())?;
    let response = page.render(move |context| {
        let mut groups = areas_by_name(context.index, LAYER, context.as_of);
        groups.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let slice = params.number.slice(groups.len())?;
        Ok(directory::groups(context, &groups, slice))
    });
    response.await
}

/// Fails if the dataset has no resilience groups, or has no data for the date.
fn require_groups(context: &RequestContext) -> Result<(), Problem> {
    require_layer(context.index(), LAYER.as_str(), context.as_of)?;
    Ok(())
}

/// `/groups/{id}`: one group.
pub(in super::super) async fn group(
    PathParams(id): PathParams<String>,
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    require_groups(&page.context)?;
    let response = page.render(move |context| {
        let (index, day) = (context.index, context.as_of);
        let area = index
            .area_or_last_version(LAYER, &id, day)
            .ok_or_else(unknown_area)?;
        let page = GroupPage {
            area,
            has_boundary: has_boundary(index, area, day),
            outcodes: index.outcodes_in((LAYER, &area.id), day, PostcodeFilter::Live),
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
    require_groups(&page.context)?;
    postcodes_of(page, params, LAYER, id).await
}
