//! Searches of the postcode directory, and pages of an area's postcodes.

use super::error::InvalidRequest;
use super::params::RequestParams;
use crate::domain::{InvalidPostcode, Postcode, PostcodePrefix};
use crate::index::{Locator, PostcodeFilter};

/// A search of the postcode directory.
#[derive(Debug, Clone)]
pub enum PostcodeSearch {
    /// The beginning of a postcode.
    Prefix(PostcodePrefix),
    /// The point near which postcodes are searched.
    Point(Locator),
}

impl PostcodeSearch {
    /// Parses the parameters of a search.
    ///
    /// # Errors
    /// If there is no search term, if there is more than one search term, or if the search term is
    /// not valid.
    pub fn from_params(params: &RequestParams) -> Result<PostcodeSearch, InvalidRequest> {
        match (params.get("prefix"), params.locator()?) {
            (None, None) => Err(InvalidRequest::MissingSearch),
            (Some(text), None) => Ok(PostcodeSearch::Prefix(text.parse()?)),
            (None, Some(locator)) => Ok(PostcodeSearch::Point(locator)),
            (Some(_), Some(_)) => Err(InvalidRequest::MultipleSearches),
        }
    }
}

/// The parameters of a page of an area's postcodes.
#[derive(Debug, Clone, Copy)]
pub struct PostcodePageParams {
    /// The last postcode of the previous page. The page starts after this postcode.
    pub after: Option<Postcode>,
    /// The filter for the listed postcodes.
    pub filter: PostcodeFilter,
}

impl PostcodePageParams {
    /// Parses the parameters.
    ///
    /// # Errors
    /// If `after` is not a postcode, or if `status` is neither `live` nor `all`.
    pub fn from_params(params: &RequestParams) -> Result<PostcodePageParams, InvalidRequest> {
        let after = params.get("after").map(str::parse).transpose();
        Ok(PostcodePageParams {
            after: after.map_err(|_: InvalidPostcode| InvalidRequest::InvalidAfter)?,
            filter: match params.get("status") {
                None | Some("live") => PostcodeFilter::Live,
                Some("all") => PostcodeFilter::All,
                Some(_) => return Err(InvalidRequest::InvalidStatus),
            },
        })
    }
}
