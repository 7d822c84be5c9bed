//! `/groups`: pages of community resilience groups.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::super::App;
use super::super::areas::{require_layer, unknown_area};
use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::areas::{
    LIST_PARAMS, POSTCODES_PARAMS, areas_by_name, boundary_history, can_be_embedded, has_boundary,
    postcodes_of,
};
use super::page_request::PageRequest;
use crate::domain::Layer;
use crate::index::PostcodeFilter;
use crate::web::directory::{self, GroupPage};

const LAYER: Layer = Layer::ResilienceGroup;

/// `/groups`: the list of groups.
pub(in super::super) async fn list(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page_request = page_request(&app, &uri, headers, LIST_PARAMS)?;
    let page = page_request.render_page(|request, context| {
        let mut groups = areas_by_name(context.index, LAYER, context.as_of);
        groups.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let slice = request.slice(groups.len())?;
        Ok(directory::groups(context, &groups, slice))
    });
    page.await
}

/// Parses a request. Fails if the dataset has no resilience groups, or has no data for the date.
fn page_request(
    app: &App,
    uri: &Uri,
    headers: HeaderMap,
    allowed: &[&'static str],
) -> Result<PageRequest, Problem> {
    let page_request = PageRequest::new(app, uri, headers, allowed)?;
    require_layer(
        page_request.snapshot.index(),
        LAYER.as_str(),
        page_request.snapshot.as_of,
    )?;
    Ok(page_request)
}

/// `/groups/{id}`: one group.
pub(in super::super) async fn group(
    State(app): State<App>,
    uri: Uri,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page_request = page_request(&app, &uri, headers, &["as_of", "dataset"])?;
    let page = page_request.render_page(move |_, context| {
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
    page.await
}

/// `/groups/{id}/postcodes`: the postcodes of a group.
pub(in super::super) async fn postcodes(
    State(app): State<App>,
    uri: Uri,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page_request = page_request(&app, &uri, headers, POSTCODES_PARAMS)?;
    postcodes_of(page_request, LAYER, id).await
}
