//! Classes of requests. Each has a budget of its own, so that one class cannot use up the places of another; above
//! all, nothing else takes a place of a look-up.

use axum::http::{Method, Uri};

/// What a request needs most of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Class {
    /// Nothing: whoever watches over the service is always answered.
    Health,
    /// Microseconds of a processor.
    LookUp,
    /// Up to a millisecond: what is near a place, completions, one practice.
    Search,
    /// Milliseconds and more, or large answers: areas, maps, tiles, pages, documents, files.
    Rendered,
    /// A place among the batches; see `Batches`.
    Batch,
    /// Nothing but to wait for another request: the answers to a batch, by ticket.
    Waiting,
}

impl Class {
    /// The class of a request. `route` is its route's template; a route that is not named here is rendered.
    pub(super) fn of(route: Option<&str>, method: &Method, uri: &Uri) -> Class {
        let Some(route) = route else {
            return Class::Rendered;
        };
        match route {
            "/health/live" | "/health/ready" => Class::Health,
            // The operator's own, on a listener of its own.
            "/metrics" | "/reload" => Class::LookUp,
            "/api/v1/locate" | "/api/v1/postcodes/{postcode}" => Class::LookUp,
            "/api/v1/postcodes" | "/api/v1/practices/{ods_code}" => Class::Search,
            // Without a place it lists every practice.
            "/api/v1/practices" if names_a_place(uri) => Class::Search,
            "/api/v1/batch" => Class::Batch,
            "/batch" if method == Method::POST => Class::Batch,
            "/api/v1/batch/{ticket}" => Class::Waiting,
            _ => Class::Rendered,
        }
    }

    /// Whether a request has to be answered within the time limit of all requests; a batch has limits of its own.
    pub(in crate::http) fn is_timed(self) -> bool {
        !matches!(self, Class::Batch | Class::Waiting)
    }
}

/// Whether the query names a place, well-formed or not: the handler then lists nothing.
fn names_a_place(uri: &Uri) -> bool {
    let parameters = uri.query().unwrap_or_default().split('&');
    let mut names = parameters.filter_map(|it| it.split_once('=').map(|(name, _)| name));
    names.any(|name| matches!(name, "postcode" | "lon" | "lat" | "easting" | "northing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(route: &str, method: Method, uri: &'static str, expected: Class) {
        let uri = Uri::from_static(uri);
        assert_eq!(Class::of(Some(route), &method, &uri), expected, "{uri}");
    }

    #[test]
    fn nothing_but_look_ups_is_a_look_up() {
        use Class::{Batch, Health, LookUp, Rendered, Search, Waiting};
        let get = || Method::GET;
        check("/health/ready", get(), "/health/ready", Health);
        check("/api/v1/locate", get(), "/api/v1/locate", LookUp);
        check("/api/v1/locate", Method::POST, "/api/v1/locate", LookUp);
        check("/api/v1/postcodes", get(), "/api/v1/postcodes", Search);
        let practices = "/api/v1/practices";
        check(practices, get(), "/api/v1/practices", Rendered);
        check(practices, get(), "/api/v1/practices?as_of=1", Rendered);
        check(practices, get(), "/api/v1/practices?xlon=1", Rendered);
        check(practices, get(), "/api/v1/practices?a=1&lon=1", Search);
        check("/batch", get(), "/batch", Rendered);
        check("/batch", Method::POST, "/batch", Batch);
        check("/api/v1/batch", Method::POST, "/api/v1/batch", Batch);
        check("/api/v1/batch/{ticket}", get(), "/api/v1/batch/1", Waiting);
        check("/anything/else", get(), "/anything/else", Rendered);
        assert_eq!(
            Class::of(None, &get(), &Uri::from_static("/nowhere")),
            Rendered
        );
    }
}
