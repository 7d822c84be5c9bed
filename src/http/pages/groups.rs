//! `/groups`: pages of community resilience groups.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::super::App;
use super::super::areas::{held_layer, unknown_area};
use super::super::input::Segments;
use super::super::problem::Problem;
use super::areas::{
    LIST_FIELDS, POSTCODES_FIELDS, areas_by_name, boundaries_ever, can_be_embedded, has_ground,
    postcodes_of,
};
use super::visit::Visit;
use crate::domain::Layer;
use crate::index::Which;
use crate::web::directory::{self, GroupPage};

const LAYER: Layer = Layer::ResilienceGroup;

/// `/groups`.
pub(in super::super) async fn list(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = visit(&app, &uri, headers, LIST_FIELDS)?;
    let page = visit.page(|visit, setting| {
        let mut groups = areas_by_name(setting.index, LAYER, setting.as_of);
        groups.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let part = visit.part(groups.len())?;
        Ok(directory::groups(setting, &groups, part))
    });
    page.await
}

/// Parses a request. Fails if the dataset has no groups, or has no data for the date.
fn visit(
    app: &App,
    uri: &Uri,
    headers: HeaderMap,
    fields: &[&'static str],
) -> Result<Visit, Problem> {
    let visit = Visit::new(app, uri, headers, fields)?;
    held_layer(visit.snapshot.index(), LAYER.as_str(), visit.snapshot.as_of)?;
    Ok(visit)
}

/// `/groups/{id}`.
pub(in super::super) async fn group(
    State(app): State<App>,
    uri: Uri,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = visit(&app, &uri, headers, &["as_of", "dataset"])?;
    let page = visit.page(move |_, setting| {
        let (index, day) = (setting.index, setting.as_of);
        let area = index.area_ever(LAYER, &id, day).ok_or_else(unknown_area)?;
        let page = GroupPage {
            area,
            has_boundary: has_ground(index, area, day),
            outcodes: index.outcodes_in((LAYER, &area.id), day, Which::Live),
            boundaries: boundaries_ever(index, area),
            can_be_embedded: can_be_embedded(index, area),
        };
        Ok(directory::group(setting, &page))
    });
    page.await
}

/// `/groups/{id}/postcodes`.
pub(in super::super) async fn postcodes(
    State(app): State<App>,
    uri: Uri,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = visit(&app, &uri, headers, POSTCODES_FIELDS)?;
    postcodes_of(visit, LAYER, id).await
}
