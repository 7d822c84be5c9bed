//! A request for a page of the directory (areas, practices, groups), and its response.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use maud::Markup;

use super::super::App;
use super::super::conditional::{cacheable_response, no_store_response};
use super::super::extract::non_empty_query_params;
use super::super::problem::Problem;
use super::super::request_context::RequestContext;
use super::redirect;
use crate::request::RequestParams;
use crate::web::directory::{ITEMS_PER_PAGE, PageContext, PageSlice};

/// A parsed request for a page: the dataset and date, and the parameters of the page.
pub(super) struct PageRequest {
    pub(super) snapshot: RequestContext,
    pub(super) params: RequestParams,
    headers: HeaderMap,
}

impl PageRequest {
    /// Parses a request. `allowed` lists all parameters of the page, including `as_of` and
    /// `dataset`. Empty parameters are ignored, because forms send them for fields that were not
    /// filled in.
    pub(super) fn new(
        app: &App,
        uri: &Uri,
        headers: HeaderMap,
        allowed: &[&'static str],
    ) -> Result<PageRequest, Problem> {
        let params = non_empty_query_params(uri, allowed)?;
        let snapshot = RequestContext::from_params(app, &params)?;
        Ok(PageRequest {
            snapshot,
            params,
            headers,
        })
    }

    /// Renders the page on a blocking thread, because some pages scan every postcode.
    pub(super) async fn render_page(
        self,
        build: impl FnOnce(&PageRequest, &PageContext<'_>) -> Result<Markup, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let respond = move || {
            let index = self.snapshot.index();
            let context = PageContext {
                index,
                as_of: self.snapshot.as_of,
                has_date: self.params.get("as_of").is_some(),
                version: self.snapshot.version(),
                query: &self.snapshot.query,
            };
            let page = build(&self, &context)?;
            let body = page.into_string().into_bytes();
            Ok(match self.params.get("after") {
                // The URL contains a postcode, so the response must not be stored.
                Some(_) => no_store_response(super::HTML, body),
                None => cacheable_response(&self.headers, super::HTML, body),
            })
        };
        let response = tokio::task::spawn_blocking(respond).await;
        response.map_err(|_| Problem::internal("rendering a page panicked"))?
    }

    /// Returns a redirect to `path`, with the same dataset and date.
    pub(super) fn redirect(&self, path: &str) -> Response {
        match self.snapshot.query.as_str() {
            "" => redirect(path),
            query => redirect(&format!("{path}?{query}")),
        }
    }

    /// Returns the slice of the `total` items that is on the requested page.
    ///
    /// # Errors
    /// If there is no such page.
    pub(super) fn slice(&self, total: usize) -> Result<PageSlice, Problem> {
        let page = self.params.get("page").map_or(Some(1), |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain)
        });
        let pages = total.div_ceil(ITEMS_PER_PAGE).max(1);
        page.and_then(|page| PageSlice::new(page, total))
            .ok_or_else(|| {
                let detail = format!("page must be a whole number from 1 to {pages}");
                Problem::bad_request("malformed", detail)
            })
    }
}
