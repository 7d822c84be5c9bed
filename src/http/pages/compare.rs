//! `/compare`: the changes to a layer between two dates.

use axum::response::Response;
use jiff::civil::Date;

use super::super::areas::unknown_layer_of;
use super::super::problem::Problem;
use super::super::query_params::{DatasetSelection, ParamValue, query_params};
use super::page_request::PageRequest;
use crate::web::directory::{self, ComparePage, CompareState};
use catchment_core::domain::{Layer, date_from_iso};
use catchment_core::index::Index;
use catchment_core::request::RequestParams;
use catchment_data::diff::compare_dates;

query_params! {
    /// The parameters of `/compare`.
    pub(in crate::http) struct CompareParams {
        /// The layer; by default, the first layer.
        layer: Option<String> = ["layer"],
        /// The earlier date.
        from: Result<ComparedDate, Problem> = ["from"],
        /// The later date.
        to: Result<ComparedDate, Problem> = ["to"],
        /// The version of the dataset.
        selection: DatasetSelection = ["dataset"],
    }
}

/// A date for the comparison, if the request contains one.
struct ComparedDate(Option<Date>);

impl ParamValue for ComparedDate {
    fn from_params(
        params: &RequestParams,
        names: &[&'static str],
    ) -> Result<ComparedDate, Problem> {
        let name = names[0];
        let day = params.get(name).map(date_from_iso).transpose();
        day.map(ComparedDate)
            .map_err(|error| Problem::bad_request("invalid_date", format!("{name} is {error}")))
    }
}

/// The maximum number of change dates that the page lists. The page lists the latest dates.
const DAYS_MAX: usize = 20;

/// `/compare`: the page.
pub(in super::super) async fn compare(
    PageRequest { page, params }: PageRequest<CompareParams>,
) -> Result<Response, Problem> {
    let (ComparedDate(from), ComparedDate(to)) = (params.from?, params.to?);
    let index = page.context.index();
    let layer: Layer = match params.layer {
        Some(name) => Layer::find(&name).ok_or_else(|| unknown_layer_of(index))?,
        None => index
            .layers()
            .next()
            .ok_or_else(|| unknown_layer_of(index))?,
    };
    let first_data = index
        .first_data(layer)
        .ok_or_else(|| unknown_layer_of(index))?;
    let response = page.render(move |context| {
        let days = context.index.change_dates_of_layer(layer);
        let days: Vec<Date> = days.into_iter().rev().take(DAYS_MAX).collect();
        let page = ComparePage {
            layer,
            from,
            to,
            state: compare_state(context.index, layer, first_data, from, to),
            change_dates: &days,
        };
        Ok(directory::compare(context, &page))
    });
    response.await
}

fn compare_state(
    index: &Index,
    layer: Layer,
    first_data: Date,
    from: Option<Date>,
    to: Option<Date>,
) -> CompareState {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => CompareState::DatesReversed,
        (Some(from), Some(_)) if from < first_data => CompareState::NoDataForDate(first_data),
        (Some(from), Some(to)) => CompareState::Changes(compare_dates(index, layer, from, to)),
        _ => CompareState::Empty,
    }
}
