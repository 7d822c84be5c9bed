//! Middleware for every request: authentication, rate limits, concurrency limits, timeouts (except
//! for batches), CORS, security headers, the access log and panic handling.
//!
//! Searches and rendered responses are made on blocking threads, as many at a time as there are CPU
//! permits, so that no look-up waits for them.
//!
//! It is one layer, because each layer of a router costs every request an allocation.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tower::{Layer, Service};

use super::access::places::Refusal;
use super::access::{Admission, Class, ClientId, Gate, Quota, Stop, Turn, Unsent};
use super::batch::stream::linger;
use super::paced::{SharedBody, paced};
use super::problem::{Fault, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::server::Connection;

/// Pages run only scripts of this service, and other sites cannot frame them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every response, including those that are made outside the router.
pub(super) const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    ),
];

/// Maximum number of headers that are added to those of the handler.
const HEADERS_MORE: usize = 12;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
const ASKED_WITH: HeaderValue =
    HeaderValue::from_static("content-type, content-encoding, if-none-match, if-range, range");
const ASKED_WITH_A_KEY: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, content-encoding, if-none-match, if-range, range",
);
const SHOWN: HeaderValue = HeaderValue::from_static(
    "etag, link, content-disposition, content-range, accept-ranges, content-crs, retry-after, \
     ratelimit, ratelimit-policy, x-request-id",
);
const ORIGIN: HeaderValue = HeaderValue::from_static("origin");
/// One day, in seconds. Browsers cap it at less.
const ASKED_AGAIN_AFTER: HeaderValue = HeaderValue::from_static("86400");

/// The challenge for browsers, which then prompt for a password.
const PASSWORD: HeaderValue =
    HeaderValue::from_static("Basic realm=\"catchment\", charset=\"UTF-8\"");

/// The policy for a group of routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether pages of other origins may read the responses, without credentials.
    is_shared: bool,
}

/// Look-ups, areas, tiles and batches.
pub(super) const API: Manner = Manner { is_shared: true };
/// Pages, health checks and the admin listener.
pub(super) const PAGES: Manner = Manner { is_shared: false };

/// The layer around a group of routes.
#[derive(Clone)]
pub(super) struct Guard {
    gate: Arc<Gate>,
    manner: Manner,
}

impl Guard {
    pub(super) fn new(gate: &Arc<Gate>, manner: Manner) -> Guard {
        Guard {
            gate: Arc::clone(gate),
            manner,
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            guard: self.clone(),
        }
    }
}

/// A service that is wrapped in the middleware.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let Guard { gate, manner } = &self.guard;
        let line = Line {
            started,
            id: gate.request_id(&request),
            method: method_name(request.method()),
            route: route.clone(),
            gate: Arc::clone(gate),
        };
        let template = route.as_ref().map(MatchedPath::as_str);
        let sharing = manner
            .is_shared
            .then(|| Sharing::of(gate, request.headers(), template));
        if let Some(sharing) = &sharing
            && request.method() == Method::OPTIONS
        {
            let answer = preflight(sharing);
            return Box::pin(async move { Ok(line.finish(answer)) });
        }
        let is_keyed = gate.needs_key(template).is_some();
        match gate.admit(&request, template) {
            Ok(pass) => {
                let class = pass.class;
                if let Some(key) = pass.key {
                    request.extensions_mut().insert(key);
                }
                let limit = class.is_timed().then(|| gate.answer_within());
                if class != Class::LookUp {
                    // Batches have limits and log lines of their own.
                    request.extensions_mut().insert(pass.client);
                    request.extensions_mut().insert(line.id.clone());
                }
                let connection = connection(&request).cloned();
                if let Some(connection) = connection.as_ref().filter(|_| limit.is_none()) {
                    connection.minds_itself();
                }
                if let Admission::InTurn(turn, _) | Admission::AfterBody(turn, _) = &pass.admission
                {
                    request.extensions_mut().insert(turn.clone());
                }
                let (quota, client, unsent) = (pass.quota, pass.client, pass.unsent);
                let gate = Arc::clone(gate);
                let answer = answered(
                    pass.admission,
                    Arc::clone(&gate),
                    Caught {
                        answer: self.inner.call(request),
                    },
                );
                Box::pin(async move {
                    let mut response = match limit {
                        Some(limit) => tokio::time::timeout(limit, answer)
                            .await
                            .unwrap_or_else(|_| Problem::timed_out().into_response()),
                        None => answer.await,
                    };
                    if matches!(class, Class::Rendered | Class::Search) {
                        response = sent_in_turn(response, &unsent, client, connection.as_ref())
                            .unwrap_or_else(|refusal| gate.refuse(refusal).into_response());
                    }
                    // Reserve once, instead of growing several times.
                    response.headers_mut().reserve(HEADERS_MORE);
                    told(&mut response, quota.as_ref());
                    if is_keyed {
                        keep_private(&mut response);
                    }
                    share(&mut response, sharing.as_ref());
                    Ok(line.finish(response))
                })
            }
            Err(stop) => {
                let mut response = refused(*stop, request);
                share(&mut response, sharing.as_ref());
                if !manner.is_shared && response.status() == StatusCode::UNAUTHORIZED {
                    response
                        .headers_mut()
                        .append(header::WWW_AUTHENTICATE, PASSWORD);
                }
                Box::pin(async move { Ok(line.finish(response)) })
            }
        }
    }
}

/// Returns the response, after waiting for a CPU permit if the request needs one.
async fn answered<F>(admission: Admission, gate: Arc<Gate>, answer: Caught<F>) -> Response
where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    match admission {
        Admission::Now { _place } => answer.await,
        Admission::AfterBody(turn, _place) => {
            let mut response = answer.await;
            response.extensions_mut().insert(turn);
            response
        }
        Admission::InTurn(turn, entry) => {
            let place = tokio::time::timeout(gate.turn_within(), entry.place()).await;
            match place.unwrap_or(Err(Refusal::Full)) {
                Ok(place) => turn.hold(place),
                Err(refusal) => return gate.refuse(refusal).into_response(),
            }
            answered_aside(turn, answer).await
        }
    }
}

/// Returns the response, made on a blocking thread. On the threads that answer look-ups, a task
/// that takes half a millisecond and then wakes the next of its kind would run before hundreds of
/// look-ups. Rendering runs to completion and keeps its CPU permit until then, even if the client
/// has disconnected.
async fn answered_aside<F>(turn: Turn, answer: Caught<F>) -> Response
where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let runtime = Handle::current();
    let make = move || {
        let mut response = runtime.block_on(answer);
        response.extensions_mut().insert(turn);
        response
    };
    let made = tokio::task::spawn_blocking(make).await;
    // A panic of the handler is caught. What remains is a runtime that shuts down.
    made.unwrap_or_else(|_| Problem::internal("rendering was cancelled").into_response())
}

/// Returns the response, which holds its CPU permit while it is written and the client reads it.
///
/// # Errors
/// If too many response bytes are unsent, for this client or in total.
fn sent_in_turn(
    mut response: Response,
    unsent: &Unsent,
    client: ClientId,
    connection: Option<&Connection>,
) -> Result<Response, Refusal> {
    let extensions = response.extensions_mut();
    let turn: Option<Turn> = extensions.remove();
    let is_shared = extensions.remove::<SharedBody>().is_some();
    let bytes = axum::body::HttpBody::size_hint(response.body()).lower();
    if bytes == 0 {
        // There is nothing to write.
        if let Some(turn) = turn {
            turn.release();
        }
        return Ok(response);
    }
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let counted = match is_shared {
        true => None,
        false => Some(unsent.add(client, bytes)?),
    };
    if let (Some(turn), Some(connection)) = (&turn, connection) {
        connection.writes_in(turn.clone());
    }
    Ok(paced(response, turn, counted))
}

fn connection(request: &Request) -> Option<&Connection> {
    request.extensions().get::<Connection>()
}

/// Adds the `RateLimit` headers.
fn told(response: &mut Response, quota: Option<&Quota>) {
    if let Some(quota) = quota {
        response.headers_mut().extend(quota.headers());
    }
}

/// Lets only the client's own cache store a response that requires a key (RFC 9111, section 3.5).
fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    let kept = headers.get(header::CACHE_CONTROL);
    let kept = kept.and_then(|it| it.to_str().ok()?.strip_prefix("public"));
    if let Some(rest) = kept {
        let kept = HeaderValue::try_from(format!("private{rest}")).expect("ASCII");
        headers.insert(header::CACHE_CONTROL, kept);
    }
}

/// Returns the response to a request that is not admitted. The rest of its body is read for a
/// limited time, so that the client goes on to read the response.
fn refused(stop: Stop, request: Request) -> Response {
    let is_busy = stop.problem.is_busy();
    let mut body = request.into_body();
    if !is_busy && !axum::body::HttpBody::is_end_stream(&body) {
        tokio::spawn(async move { linger(&mut body).await });
    }
    let mut response = stop.problem.into_response();
    if let Some(quota) = stop.quota {
        response.headers_mut().extend(quota.headers());
    }
    response
}

/// Which origins may read a response, and whether they may send an API key.
enum Sharing {
    /// Any origin may read it, without credentials.
    Any,
    /// Any origin may read it, and this one may send an API key.
    AnyAndKey,
    /// Only this origin may read it: the route requires an API key.
    One(HeaderValue),
    /// No other origin may read it.
    Nobody,
}

impl Sharing {
    fn of(gate: &Gate, headers: &HeaderMap, route: Option<&str>) -> Sharing {
        let origin = gate.origin(headers).cloned();
        match (origin, gate.needs_key(route)) {
            (None, None) => Sharing::Any,
            (Some(_), None) => Sharing::AnyAndKey,
            (Some(origin), Some(_)) => Sharing::One(origin),
            (None, Some(_)) => Sharing::Nobody,
        }
    }
}

/// Adds the CORS headers.
fn share(response: &mut Response, sharing: Option<&Sharing>) {
    let headers = response.headers_mut();
    let allowed = match sharing {
        None => return,
        Some(Sharing::Any | Sharing::AnyAndKey) => HeaderValue::from_static("*"),
        Some(Sharing::One(origin)) => {
            headers.append(header::VARY, ORIGIN);
            origin.clone()
        }
        Some(Sharing::Nobody) => {
            headers.append(header::VARY, ORIGIN);
            return;
        }
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
}

/// Returns the response to a CORS preflight request.
fn preflight(sharing: &Sharing) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let asked_with = match sharing {
        Sharing::AnyAndKey | Sharing::One(_) => ASKED_WITH_A_KEY,
        Sharing::Any | Sharing::Nobody => ASKED_WITH,
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked_with);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, ASKED_AGAIN_AFTER);
    share(&mut response, Some(sharing));
    response
}

/// The access log entry of a request: the template of its route and never its URL, which may
/// contain a patient's postcode.
struct Line {
    started: Instant,
    id: RequestId,
    method: &'static str,
    route: Option<MatchedPath>,
    gate: Arc<Gate>,
}

impl Line {
    /// Adds the headers of every response, and logs it.
    fn finish(self, mut response: Response) -> Response {
        for (name, value) in HEADERS {
            response
                .headers_mut()
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id.header());
        let took = self.started.elapsed();
        let (route, status) = (
            self.route.as_ref().map(MatchedPath::as_str),
            response.status(),
        );
        self.gate.figures.count(route, status, took);
        let (request_id, route) = (self.id.as_str(), route.unwrap_or("none"));
        if let Some(Fault(fault)) = response.extensions_mut().remove() {
            tracing::error!(request_id, route, error = &*fault, "internal error");
        }
        tracing::info!(
            request_id,
            method = self.method,
            route,
            status = status.as_u16(),
            duration_us = micros(took),
            "responded"
        );
        response
    }
}

/// Returns microseconds as 64 bits: JSON logs write larger integers as strings.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pin_project_lite::pin_project! {
    /// A response whose panic becomes an internal error. The payload is not inspected, because it
    /// may contain request data.
    struct Caught<F> {
        #[pin]
        answer: F,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Caught<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let answer = self.project().answer;
        // The future is not polled again.
        match catch_unwind(AssertUnwindSafe(|| answer.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(response),
            Err(_) => {
                let problem = Problem::internal("a handler panicked");
                Poll::Ready(problem.into_response())
            }
        }
    }
}

/// Returns the method as a label. Clients may send any token as a method.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use http_body_util::BodyExt;

    use super::super::access::Access;
    use super::super::server::Limits;
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_quotes_nothing_and_is_counted() {
        let gate = Arc::new(Gate::new(Access::default(), Limits::default()));
        let panics = async || -> String { panic!("LA18 4DB is not in the index") };
        let mut router: Router = Router::new()
            .route("/api/v1/locate", get(panics))
            .layer(Guard::new(&gate, API));
        let request = Request::builder()
            .uri("/api/v1/locate?postcode=LA18+4DB")
            .body(Body::empty());
        let request = request.expect("a request");
        let response = match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[X_REQUEST_ID].len(), 16);
        let body = response.into_body().collect().await.expect("it ends");
        let body = String::from_utf8(body.to_bytes().into()).expect("text");
        assert!(body.contains("\"code\":\"internal\""), "{body}");
        assert!(!body.contains("4DB") && !body.contains("index"), "{body}");
        let (_, locate) = gate
            .figures
            .kinds()
            .find(|(kind, _)| *kind == "locate")
            .expect("a kind");
        assert_eq!(locate.by_status().last(), Some(("5xx", 1)));
    }
}
