//! `/areas`: pages of layers, of areas, and of the postcodes of an area.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::areas::{held_layer, unknown_area};
use super::super::base_url::BaseUrl;
use super::super::embed;
use super::super::input::Segments;
use super::super::problem::Problem;
use super::super::widget::expect_drawable;
use super::visit::Visit;
use crate::domain::{Area, Boundary, Layer, today_in_london};
use crate::ground::{self, M2_PER_KM2};
use crate::index::{Index, Which};
use crate::question::PageWanted;
use crate::web::directory::{self, AreaPage, ITEMS_PER_PAGE, LayerPage, PostcodesPage};

const FIELDS: &[&str] = &["as_of", "dataset"];
pub(super) const LIST_FIELDS: &[&str] = &["page", "as_of", "dataset"];
pub(super) const POSTCODES_FIELDS: &[&str] = &["after", "status", "as_of", "dataset"];

/// `/areas`.
pub(in super::super) async fn layers(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, FIELDS)?;
    visit
        .page(|_, setting| Ok(directory::layers(setting)))
        .await
}

/// `/areas/{layer}`.
pub(in super::super) async fn layer(
    State(app): State<App>,
    uri: Uri,
    Segments(layer): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, LIST_FIELDS)?;
    let day = visit.snapshot.as_of;
    let layer = held_layer(visit.snapshot.index(), &layer, day)?;
    if has_pages_of_its_own(layer) {
        return Ok(visit.redirect(&directory::layer_path(layer)));
    }
    let page = visit.page(move |visit, setting| {
        let areas = areas_by_name(setting.index, layer, day);
        let page = LayerPage {
            layer,
            slice: visit.part(areas.len())?,
            has_map: has_map(setting.index, layer, day),
            areas,
        };
        Ok(directory::layer(setting, &page))
    });
    page.await
}

/// Returns whether the areas of the layer have pages of another kind: `/practices` or `/groups`.
fn has_pages_of_its_own(layer: Layer) -> bool {
    matches!(layer, Layer::GpPractice | Layer::ResilienceGroup)
}

/// Returns the areas of a layer on a date, sorted by system, then by name.
pub(super) fn areas_by_name(index: &Index, layer: Layer, day: Date) -> Vec<&Area> {
    let mut areas: Vec<&Area> = index.areas(layer, day).into_iter().flatten().collect();
    areas.sort_by(|a, b| (&a.system, &a.name, &a.id).cmp(&(&b.system, &b.name, &b.id)));
    areas
}

/// Returns whether there is a map of the whole layer.
fn has_map(index: &Index, layer: Layer, day: Date) -> bool {
    index.boundaries(layer, day).next().is_some() && expect_drawable(index, layer, day).is_ok()
}

/// `/areas/{layer}/{id}`.
pub(in super::super) async fn area(
    State(app): State<App>,
    uri: Uri,
    base: BaseUrl,
    Segments((layer, id)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, FIELDS)?;
    let (index, day) = (visit.snapshot.index(), visit.snapshot.as_of);
    let layer = held_layer(index, &layer, day)?;
    let known = index.area_ever(layer, &id, day).ok_or_else(unknown_area)?;
    let path = directory::area_path(layer, &known.id);
    if has_pages_of_its_own(layer) {
        return Ok(visit.redirect(&path));
    }
    let page = visit.page(move |_, setting| {
        let area = setting.index.area_ever(layer, &id, day);
        let area = area.ok_or_else(unknown_area)?;
        Ok(directory::area(
            setting,
            &area_page(setting.index, area, day),
        ))
    });
    let mut response = page.await?;
    embed::discover_at(&base, &path, &mut response);
    Ok(response)
}

fn area_page<'i>(index: &'i Index, area: &'i Area, day: Date) -> AreaPage<'i> {
    let (layer, id) = (area.layer, area.id.as_str());
    AreaPage {
        area,
        km2: km2(index, area, day),
        neighbours: index.neighbours(layer, id, day),
        outcodes: index.outcodes_in((layer, id), day, Which::Live),
        boundaries: boundaries_ever(index, area),
        can_be_embedded: can_be_embedded(index, area),
    }
}

/// Returns the size of the boundary that maps show, in km². `None` if the area is not valid on the
/// date or has no boundary.
fn km2(index: &Index, area: &Area, day: Date) -> Option<f64> {
    if !area.period.contains(day) {
        return None;
    }
    let boundary = index.boundary(area.layer, &area.id, day)?;
    Some(ground::area_m2(&ground::in_metres(boundary)) / M2_PER_KM2)
}

/// Returns whether the area is valid and has a boundary on the date.
pub(super) fn has_ground(index: &Index, area: &Area, day: Date) -> bool {
    area.period.contains(day) && index.boundary(area.layer, &area.id, day).is_some()
}

/// Returns all boundaries that the area has had, oldest first.
pub(super) fn boundaries_ever<'i>(index: &'i Index, area: &Area) -> Vec<&'i Boundary> {
    let mut boundaries: Vec<&Boundary> = index
        .boundaries_ever(area.layer)
        .filter(|it| it.id == area.id)
        .collect();
    boundaries.sort_by_key(|it| it.period.from);
    boundaries
}

/// Returns whether the area can be chosen on `/put-this-map-on-your-site`: it has a boundary today,
/// and its layer fits on one map.
pub(super) fn can_be_embedded(index: &Index, area: &Area) -> bool {
    let today = today_in_london();
    has_ground(index, area, today) && expect_drawable(index, area.layer, today).is_ok()
}

/// `/areas/{layer}/{id}/postcodes`.
pub(in super::super) async fn postcodes(
    State(app): State<App>,
    uri: Uri,
    Segments((layer, id)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, POSTCODES_FIELDS)?;
    let layer = held_layer(visit.snapshot.index(), &layer, visit.snapshot.as_of)?;
    if has_pages_of_its_own(layer) {
        let path = format!("{}/postcodes", directory::area_path(layer, &id));
        return Ok(visit.redirect(&path));
    }
    postcodes_of(visit, layer, id).await
}

/// The page of postcodes of an area, in any layer.
pub(super) async fn postcodes_of(
    visit: Visit,
    layer: Layer,
    id: String,
) -> Result<Response, Problem> {
    let wanted = PageWanted::from_fields(&visit.fields)?;
    let page = visit.page(move |_, setting| {
        let (index, day) = (setting.index, setting.as_of);
        let area = index.area_ever(layer, &id, day).ok_or_else(unknown_area)?;
        let PageWanted { after, which } = wanted;
        let found = index.postcodes_in((layer, &area.id), day, which, after, ITEMS_PER_PAGE);
        let page = PostcodesPage {
            area,
            filter: which,
            outcodes: index.outcodes_in((layer, &area.id), day, which),
            postcodes: found.postcodes,
            has_more: found.has_more,
            is_first: after.is_none(),
        };
        Ok(directory::postcodes(setting, &page))
    });
    page.await
}
