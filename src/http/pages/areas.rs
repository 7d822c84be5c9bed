//! `/areas`: the pages for layers, for areas, and for the postcodes of an area.

use axum::response::Response;
use jiff::civil::Date;

use super::super::areas::{
    AREA_SEARCH_MAX, areas_with_data, find_layer, has_data, require_layer, unknown_area,
};
use super::super::base_url::BaseUrl;
use super::super::embed;
use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::super::query_params::{DatasetSelection, ParamValue, query_params};
use super::super::request_context::DatasetParams;
use super::super::widget::ensure_drawable;
use super::page_request::{PageNumber, PageRenderer, PageRequest};
use crate::web::directory::{self, AreaPage, AreaSearch, ITEMS_PER_PAGE, LayerPage, PostcodesPage};
use catchment_core::domain::{Area, Boundary, Layer, today_in_london};
use catchment_core::geometry::planar::{self, M2_PER_KM2};
use catchment_core::index::{Index, PostcodeFilter};
use catchment_core::request::{PostcodePageParams, RequestParams};

query_params! {
    /// The parameters of a list of areas.
    pub(in crate::http) struct ListParams {
        /// The number of the requested page.
        pub(super) number: PageNumber = ["page"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

query_params! {
    /// The parameters of the postcodes of an area.
    pub(in crate::http) struct PostcodesParams {
        /// The last postcode of the previous page, and the filter by status.
        postcodes: Result<PostcodePageParams, Problem> = ["after", "status"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

impl ParamValue for PostcodePageParams {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<Self, Problem> {
        Ok(PostcodePageParams::from_params(params)?)
    }
}

query_params! {
    /// The parameters of the list of layers.
    pub(in crate::http) struct LayersParams {
        /// The name of the areas to find.
        name: Option<String> = ["name"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

/// `/areas`: the list of layers, and the areas whose names match `?name=`.
pub(in super::super) async fn layers(
    PageRequest { page, params }: PageRequest<LayersParams>,
) -> Result<Response, Problem> {
    let response = page.render(move |context| {
        let name = params.name.as_deref();
        let search = name.map(|name| AreaSearch {
            name,
            hits: context
                .index
                .search_areas(name, context.as_of, AREA_SEARCH_MAX),
        });
        Ok(directory::layers(context, search.as_ref()))
    });
    response.await
}

/// `/areas/{layer}`: the areas of a layer.
pub(in super::super) async fn layer(
    PathParams(layer): PathParams<String>,
    PageRequest { page, params }: PageRequest<ListParams>,
) -> Result<Response, Problem> {
    let day = page.context.as_of;
    let index = page.context.index();
    let layer = find_layer(index, &layer)?;
    if has_own_pages(index, layer) {
        return Ok(page.redirect(&directory::layer_path(index, layer)));
    }
    let response = page.render(move |context| {
        let areas = areas_by_name(context.index, layer, day);
        let page = LayerPage {
            layer,
            slice: params.number.slice(areas.len())?,
            has_map: has_map(context.index, layer, day),
            areas,
        };
        Ok(directory::layer(context, &page))
    });
    response.await
}

/// Returns whether the areas of the layer have pages of another kind: `/practices` or `/groups`.
fn has_own_pages(index: &Index, layer: Layer) -> bool {
    let manifest = index.manifest();
    [manifest.practice_layer(), manifest.group_layer()].contains(&Some(layer))
}

/// Returns the areas of a layer on a date, sorted by system, then by name; empty before the layer's
/// first data.
pub(super) fn areas_by_name(index: &Index, layer: Layer, day: Date) -> Vec<&Area> {
    let mut areas: Vec<&Area> = areas_with_data(index, layer, day).collect();
    areas.sort_by(|a, b| (&a.system, &a.name, &a.id).cmp(&(&b.system, &b.name, &b.id)));
    areas
}

/// Returns whether there is a map of the whole layer.
fn has_map(index: &Index, layer: Layer, day: Date) -> bool {
    has_data(index, layer, day)
        && index.boundaries(layer, day).next().is_some()
        && ensure_drawable(index, layer, day).is_ok()
}

/// `/areas/{layer}/{id}`: one area.
pub(in super::super) async fn area(
    base: BaseUrl,
    PathParams((layer, id)): PathParams<(String, String)>,
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    let (index, day) = (page.context.index(), page.context.as_of);
    let layer = require_layer(index, &layer, day)?;
    let known_area = index
        .area_or_last_version(layer, &id, day)
        .ok_or_else(unknown_area)?;
    let path = directory::area_path(index, layer, &known_area.id);
    if has_own_pages(index, layer) {
        return Ok(page.redirect(&path));
    }
    let response = page.render(move |context| {
        let area = context.index.area_or_last_version(layer, &id, day);
        let area = area.ok_or_else(unknown_area)?;
        Ok(directory::area(
            context,
            &area_page(context.index, area, day),
        ))
    });
    let mut response = response.await?;
    embed::link_oembed_and_vary(&base, &path, &mut response);
    Ok(response)
}

fn area_page<'i>(index: &'i Index, area: &'i Area, day: Date) -> AreaPage<'i> {
    let (layer, id) = (area.layer, area.id.as_str());
    AreaPage {
        area,
        km2: area_km2(index, area, day),
        neighbours: index.neighbours(layer, id, day),
        outcodes: index.outcodes_in((layer, id), day, PostcodeFilter::Live),
        boundaries: boundary_history(index, area),
        can_be_embedded: can_be_embedded(index, area),
    }
}

/// Returns the size in km² of the area inside the boundary that maps show, or `None` if the area is
/// not valid on the date or has no boundary.
fn area_km2(index: &Index, area: &Area, day: Date) -> Option<f64> {
    if !area.period.contains(day) {
        return None;
    }
    let boundary = index.boundary(area.layer, &area.id, day)?;
    Some(planar::area_m2(&planar::to_planar(boundary)) / M2_PER_KM2)
}

/// Returns whether the area is valid and has a boundary on the date.
pub(super) fn has_boundary(index: &Index, area: &Area, day: Date) -> bool {
    area.period.contains(day) && index.boundary(area.layer, &area.id, day).is_some()
}

/// Returns all boundaries that the area has had, starting with the oldest boundary.
pub(super) fn boundary_history<'i>(index: &'i Index, area: &Area) -> Vec<&'i Boundary> {
    let mut boundaries: Vec<&Boundary> = index
        .all_boundaries(area.layer)
        .filter(|boundary| boundary.id == area.id)
        .collect();
    boundaries.sort_by_key(|boundary| boundary.period.from);
    boundaries
}

/// Returns whether the area can be chosen on `/put-this-map-on-your-site`: the area must have a
/// boundary today, and its layer must fit on one map.
pub(super) fn can_be_embedded(index: &Index, area: &Area) -> bool {
    let today = today_in_london();
    has_boundary(index, area, today) && ensure_drawable(index, area.layer, today).is_ok()
}

/// `/areas/{layer}/{id}/postcodes`: the postcodes of an area.
pub(in super::super) async fn postcodes(
    PathParams((layer, id)): PathParams<(String, String)>,
    PageRequest { page, params }: PageRequest<PostcodesParams>,
) -> Result<Response, Problem> {
    let index = page.context.index();
    let layer = require_layer(index, &layer, page.context.as_of)?;
    if has_own_pages(index, layer) {
        let path = format!("{}/postcodes", directory::area_path(index, layer, &id));
        return Ok(page.redirect(&path));
    }
    postcodes_of(page, params, layer, id).await
}

/// Returns the page with the postcodes of an area in any layer.
pub(super) async fn postcodes_of(
    mut page: PageRenderer,
    params: PostcodesParams,
    layer: Layer,
    id: String,
) -> Result<Response, Problem> {
    let PostcodePageParams { after, filter } = params.postcodes?;
    // If `after` is given, the URL contains a postcode.
    page.is_private = after.is_some();
    let response = page.render(move |context| {
        let (index, day) = (context.index, context.as_of);
        let area = index
            .area_or_last_version(layer, &id, day)
            .ok_or_else(unknown_area)?;
        let postcode_page =
            index.postcodes_in((layer, &area.id), day, filter, after, ITEMS_PER_PAGE);
        let page = PostcodesPage {
            area,
            filter,
            outcodes: index.outcodes_in((layer, &area.id), day, filter),
            postcodes: postcode_page.postcodes,
            has_more: postcode_page.has_more,
            is_first: after.is_none(),
        };
        Ok(directory::postcodes(context, &page))
    });
    response.await
}
