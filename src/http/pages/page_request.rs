//! A request for a page of the directory (areas, practices, groups), and its response.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use maud::Markup;

use super::super::App;
use super::super::base_url::BaseUrl;
use super::super::conditional::{cacheable_response, no_store_response};
use super::super::problem::Problem;
use super::super::query_params::{ParamValue, QueryParams, non_blank_params_from_uri};
use super::super::request_context::{DatasetRequest, RequestContext};
use super::redirect;
use crate::web::directory::{ITEMS_PER_PAGE, PageContext, PageSlice};
use catchment_core::request::RequestParams;

/// An extractor of the parameters of a page, and of the renderer of the page. Blank parameters are
/// ignored, because forms send blank parameters for fields that were not filled in.
pub(in crate::http) struct PageRequest<P> {
    pub(super) page: PageRenderer,
    pub(super) params: P,
}

impl<P: QueryParams> FromRequestParts<App> for PageRequest<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<PageRequest<P>, Problem> {
        let Ok(base) = BaseUrl::from_request_parts(parts, app).await;
        let params = non_blank_params_from_uri(&parts.uri, P::NAMES)?;
        let DatasetRequest { context, params } = DatasetRequest::from_params(app, &params)?;
        let page = PageRenderer {
            context,
            is_private: false,
            headers: parts.headers.clone(),
            base,
        };
        Ok(PageRequest { page, params })
    }
}

/// The renderer of a page, with the dataset and the date of the request.
pub(super) struct PageRenderer {
    pub(super) context: RequestContext,
    /// Whether the URL could reveal a person's location, so that the response must not be stored.
    pub(super) is_private: bool,
    headers: HeaderMap,
    /// The base URL for absolute links. A page that contains such links needs the `Vary` header of
    /// the base URL.
    pub(super) base: BaseUrl,
}

impl PageRenderer {
    /// Renders the page on a blocking thread, because some pages scan every postcode.
    pub(super) async fn render(
        self,
        build: impl FnOnce(&PageContext<'_>) -> Result<Markup, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let respond = move || {
            let page = build(&PageContext {
                index: self.context.index(),
                as_of: self.context.as_of,
                has_date: self.context.has_date(),
                version: self.context.version(),
                query: &self.context.link_query(),
                base: &self.base.to_string(),
            })?;
            let body = page.into_string().into_bytes();
            Ok(if self.is_private {
                no_store_response(super::HTML, body)
            } else {
                cacheable_response(&self.headers, super::HTML, body)
            })
        };
        let response = tokio::task::spawn_blocking(respond).await;
        response.map_err(|_| Problem::internal("rendering a page panicked"))?
    }

    /// Returns a redirect to `path`, with the same dataset and date.
    pub(super) fn redirect(&self, path: &str) -> Response {
        match self.context.link_query().as_str() {
            "" => redirect(path),
            query => redirect(&format!("{path}?{query}")),
        }
    }
}

/// The number of a page of a list, from 1; `None` if the parameter is not a whole number.
pub(super) struct PageNumber(Option<usize>);

impl ParamValue for PageNumber {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<PageNumber, Problem> {
        let number = params.get(names[0]).map_or(Some(1), |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain)
        });
        Ok(PageNumber(number))
    }
}

impl PageNumber {
    /// Returns the slice of the `total` items that is on the page.
    ///
    /// # Errors
    /// If there is no such page.
    pub(super) fn slice(&self, total: usize) -> Result<PageSlice, Problem> {
        let pages = total.div_ceil(ITEMS_PER_PAGE).max(1);
        self.0
            .and_then(|page| PageSlice::new(page, total))
            .ok_or_else(|| {
                let detail = format!("page must be a whole number from 1 to {pages}");
                Problem::bad_request("invalid_page", detail)
            })
    }
}
