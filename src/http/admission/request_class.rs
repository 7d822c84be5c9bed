//! Classes of requests. Each class has its own concurrency limits, so that no class can use up the
//! capacity of another class. In particular, requests of other classes never use the capacity for
//! look-ups.

use axum::http::{Method, Uri};

/// The class of a request, according to the resource that the request needs most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum RequestClass {
    /// Health checks, which are always answered.
    Health,
    /// Look-ups, which take microseconds of CPU time.
    LookUp,
    /// Searches, which take up to a millisecond of CPU time: the nearest practices or postcodes,
    /// the completions of a postcode prefix, or a single practice.
    Search,
    /// Requests that take a millisecond of CPU time or more, or that have a large response: areas,
    /// maps, tiles, pages, documents and files.
    Rendered,
    /// Batches, which have separate limits; see `BatchLimits`.
    Batch,
    /// Downloads of batches by ticket. Each download waits for the upload of the batch.
    TicketDownload,
}

impl RequestClass {
    /// Returns the class of a request. `route` is the template of its route. A request to a route
    /// that is not listed here is [`RequestClass::Rendered`].
    pub(super) fn of(route: Option<&str>, method: &Method, uri: &Uri) -> RequestClass {
        let Some(route) = route else {
            return RequestClass::Rendered;
        };
        match route {
            "/health/live" | "/health/ready" => RequestClass::Health,
            // These routes are only on the admin listener.
            "/metrics" | "/reload" => RequestClass::LookUp,
            "/api/v1/locate" | "/api/v1/postcodes/{postcode}" => RequestClass::LookUp,
            "/api/v1/postcodes" | "/api/v1/practices/{ods_code}" => RequestClass::Search,
            "/postcodes/{postcode}"
            | "/postcodes/{postcode}/validate"
            | "/terminated_postcodes/{postcode}"
            | "/ping"
            | "/mapit/postcode/{postcode}"
            | "/mapit/point/{srid}/{point}" => RequestClass::LookUp,
            "/postcodes"
            | "/postcodes/{postcode}/nearest"
            | "/postcodes/{postcode}/autocomplete"
            | "/postcodes/lon/{longitude}/lat/{latitude}"
            | "/postcodes/lat/{latitude}/lon/{longitude}"
            | "/mapit/nearest/{srid}/{point}" => RequestClass::Search,
            // A request without a location lists every practice, and is in the class `Rendered`.
            "/api/v1/practices" if has_location(uri) => RequestClass::Search,
            "/api/v1/batch" => RequestClass::Batch,
            "/batch" if method == Method::POST => RequestClass::Batch,
            "/api/v1/batch/{ticket}" => RequestClass::TicketDownload,
            _ => RequestClass::Rendered,
        }
    }

    /// Returns whether the request timeout applies. Batches have separate timeouts.
    pub(in crate::http) fn has_timeout(self) -> bool {
        !matches!(self, RequestClass::Batch | RequestClass::TicketDownload)
    }
}

/// Returns whether the query specifies a location, which need not be well-formed. If the query
/// specifies a location, the handler does not list every practice.
fn has_location(uri: &Uri) -> bool {
    let parameters = uri.query().unwrap_or_default().split('&');
    let mut names =
        parameters.filter_map(|parameter| parameter.split_once('=').map(|(name, _)| name));
    names.any(|name| matches!(name, "postcode" | "lon" | "lat" | "easting" | "northing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(route: &str, method: Method, uri: &'static str, expected: RequestClass) {
        let uri = Uri::from_static(uri);
        assert_eq!(
            RequestClass::of(Some(route), &method, &uri),
            expected,
            "{uri}"
        );
    }

    #[test]
    fn requests_have_the_documented_class() {
        use RequestClass::{Batch, Health, LookUp, Rendered, Search, TicketDownload};
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
        check(
            "/api/v1/batch/{ticket}",
            get(),
            "/api/v1/batch/1",
            TicketDownload,
        );
        check("/ping", get(), "/ping", LookUp);
        check("/postcodes/{postcode}", get(), "/postcodes/1", LookUp);
        let validate = "/postcodes/{postcode}/validate";
        check(validate, get(), "/postcodes/1/validate", LookUp);
        let nearest = "/postcodes/{postcode}/nearest";
        check(nearest, get(), "/postcodes/1/nearest", Search);
        check("/postcodes", get(), "/postcodes?q=1", Search);
        check("/postcodes", Method::POST, "/postcodes", Search);
        check("/outcodes", get(), "/outcodes", Rendered);
        let point = "/mapit/point/{srid}/{point}";
        check(point, get(), "/mapit/point/4326/1,1", LookUp);
        let nearest = "/mapit/nearest/{srid}/{point}";
        check(nearest, get(), "/mapit/nearest/4326/1,1", Search);
        check("/mapit/areas/{areas}", get(), "/mapit/areas/1", Rendered);
        check("/anything/else", get(), "/anything/else", Rendered);
        assert_eq!(
            RequestClass::of(None, &get(), &Uri::from_static("/nowhere")),
            Rendered
        );
    }
}
