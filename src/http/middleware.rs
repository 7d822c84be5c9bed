//! Middleware for every request: authentication, rate limits, concurrency limits, timeouts (except
//! for batches), CORS, security headers, the access log and panic handling.
//!
//! Searches and rendering run on blocking threads. CPU permits limit the number of these tasks that
//! run at the same time, so that look-ups never wait for them.
//!
//! The whole middleware is one layer, because each layer of a router costs one allocation per
//! request.

mod access_log;
mod catch_panic;
mod cors;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tower::{Layer, Service};

use self::access_log::{AccessLogEntry, method_label};
use self::catch_panic::CatchPanic;
use self::cors::{CorsPolicy, apply_cors, preflight};
use super::admission::fair_semaphore::AcquireError;
use super::admission::{
    AdmissionControl, ClientId, CpuPermit, QuotaStatus, RejectedRequest, RequestClass,
    RequestPermit, UnsentBytes,
};
use super::drain::drain_body;
use super::paced_body::{SharedBody, pace_response};
use super::problem::Problem;
use super::server::Connection;

/// The maximum number of headers that the middleware adds to a handler's response.
pub(super) const EXTRA_HEADERS_CAPACITY: usize = 12;

/// The challenge for browsers, which then prompt for a password.
const BASIC_AUTH_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"catchment\", charset=\"UTF-8\"");

/// The policy for a group of routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoutePolicy {
    /// Whether pages of other origins may read the responses, without credentials.
    allows_cors: bool,
}

/// The policy of look-ups, areas, tiles and batches.
pub(super) const API_ROUTES: RoutePolicy = RoutePolicy { allows_cors: true };
/// The policy of pages, health checks and the admin listener.
pub(super) const PAGE_ROUTES: RoutePolicy = RoutePolicy { allows_cors: false };

/// The layer that applies the middleware to a group of routes.
#[derive(Clone)]
pub(super) struct GuardLayer {
    admission_control: Arc<AdmissionControl>,
    policy: RoutePolicy,
}

impl GuardLayer {
    pub(super) fn new(
        admission_control: &Arc<AdmissionControl>,
        policy: RoutePolicy,
    ) -> GuardLayer {
        GuardLayer {
            admission_control: Arc::clone(admission_control),
            policy,
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that is wrapped in the middleware.
#[derive(Clone)]
pub(super) struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S> Service<Request> for GuardService<S>
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
        let GuardLayer {
            admission_control,
            policy,
        } = &self.layer;
        let log_entry = AccessLogEntry {
            started,
            id: admission_control.request_id(&request),
            method: method_label(request.method()),
            route: route.clone(),
            admission_control: Arc::clone(admission_control),
        };
        let template = route.as_ref().map(MatchedPath::as_str);
        let cors_policy = policy
            .allows_cors
            .then(|| CorsPolicy::for_request(admission_control, request.headers(), template));
        if let Some(cors_policy) = &cors_policy
            && request.method() == Method::OPTIONS
        {
            let response = preflight(cors_policy);
            return Box::pin(async move { Ok(log_entry.finish(response)) });
        }
        let requires_key = admission_control.required_scope(template).is_some();
        match admission_control.admit(&request, template) {
            Ok(admitted) => {
                let class = admitted.class;
                if let Some(key) = admitted.key_id {
                    request.extensions_mut().insert(key);
                }
                let timeout = class
                    .has_timeout()
                    .then(|| admission_control.request_timeout());
                if class != RequestClass::LookUp {
                    // Batches need these values for their own limits and log lines.
                    request.extensions_mut().insert(admitted.client_id);
                    request.extensions_mut().insert(log_entry.id.clone());
                }
                let connection = connection(&request).cloned();
                if let Some(connection) = connection.as_ref().filter(|_| timeout.is_none()) {
                    connection.use_own_timeouts();
                }
                if let RequestPermit::Queued(permit, _) | RequestPermit::AfterBody(permit, _) =
                    &admitted.permit
                {
                    request.extensions_mut().insert(permit.clone());
                }
                let (quota, client_id, unsent_bytes) =
                    (admitted.quota, admitted.client_id, admitted.unsent_bytes);
                let admission_control = Arc::clone(admission_control);
                let response_future = respond(
                    admitted.permit,
                    Arc::clone(&admission_control),
                    CatchPanic {
                        future: self.inner.call(request),
                    },
                );
                Box::pin(async move {
                    let mut response = match timeout {
                        Some(timeout) => respond_within(timeout, response_future).await,
                        None => response_future.await,
                    };
                    if matches!(class, RequestClass::Rendered | RequestClass::Search) {
                        response = send_with_permit(
                            response,
                            &unsent_bytes,
                            client_id,
                            connection.as_ref(),
                        )
                        .unwrap_or_else(|error| admission_control.reject(error).into_response());
                    }
                    // Reserve the capacity once, instead of growing the map several times.
                    response.headers_mut().reserve(EXTRA_HEADERS_CAPACITY);
                    add_rate_limit_headers(&mut response, quota.as_ref());
                    if requires_key {
                        make_cache_private(&mut response);
                    }
                    apply_cors(&mut response, cors_policy.as_ref());
                    Ok(log_entry.finish(response))
                })
            }
            Err(rejected) => {
                let mut response = rejection_response(*rejected, request);
                apply_cors(&mut response, cors_policy.as_ref());
                if !policy.allows_cors && response.status() == StatusCode::UNAUTHORIZED {
                    response
                        .headers_mut()
                        .append(header::WWW_AUTHENTICATE, BASIC_AUTH_CHALLENGE);
                }
                Box::pin(async move { Ok(log_entry.finish(response)) })
            }
        }
    }
}

/// Returns the response, or an error if the response takes longer than `timeout`. A look-up without
/// a body is answered at the first poll, and therefore needs no timer.
async fn respond_within(
    timeout: Duration,
    response_future: impl Future<Output = Response>,
) -> Response {
    let mut response_future = pin!(response_future);
    let first_poll = poll_fn(|context| Poll::Ready(response_future.as_mut().poll(context))).await;
    match first_poll {
        Poll::Ready(response) => response,
        Poll::Pending => tokio::time::timeout(timeout, response_future)
            .await
            .unwrap_or_else(|_| Problem::timed_out().into_response()),
    }
}

/// Returns the response, after waiting for a CPU permit if the request needs a permit.
async fn respond<F>(
    permit: RequestPermit,
    admission_control: Arc<AdmissionControl>,
    response_future: CatchPanic<F>,
) -> Response
where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    match permit {
        RequestPermit::Immediate {
            _guard: _permit_guard,
        } => response_future.await,
        RequestPermit::AfterBody(cpu_permit, _permit_guard) => {
            let mut response = response_future.await;
            response.extensions_mut().insert(cpu_permit);
            response
        }
        RequestPermit::Queued(cpu_permit, permit_request) => {
            let permit = tokio::time::timeout(
                admission_control.cpu_permit_timeout(),
                permit_request.wait(),
            )
            .await;
            match permit.unwrap_or(Err(AcquireError::Full)) {
                Ok(permit) => cpu_permit.set(permit),
                Err(error) => return admission_control.reject(error).into_response(),
            }
            respond_on_blocking_thread(cpu_permit, response_future).await
        }
    }
}

/// Makes the response on a blocking thread, because rendering on the threads that answer look-ups
/// would delay look-ups. A task there that takes half a millisecond and then wakes another
/// rendering task would run ahead of hundreds of waiting look-ups. Rendering always runs to
/// completion and keeps its CPU permit until then, even if the client has disconnected.
async fn respond_on_blocking_thread<F>(
    cpu_permit: CpuPermit,
    response_future: CatchPanic<F>,
) -> Response
where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let runtime = Handle::current();
    let render = move || {
        let mut response = runtime.block_on(response_future);
        response.extensions_mut().insert(cpu_permit);
        response
    };
    let rendered = tokio::task::spawn_blocking(render).await;
    // Panics of the handler are caught, so the task fails only if the runtime shuts down.
    rendered.unwrap_or_else(|_| Problem::internal("rendering was cancelled").into_response())
}

/// Attaches the CPU permit to the response. The response has the permit while it is written and the
/// client continues to read.
///
/// # Errors
/// If too many response bytes are unsent, for this client or in total.
fn send_with_permit(
    mut response: Response,
    unsent_bytes: &UnsentBytes,
    client_id: ClientId,
    connection: Option<&Connection>,
) -> Result<Response, AcquireError> {
    let extensions = response.extensions_mut();
    let cpu_permit: Option<CpuPermit> = extensions.remove();
    let is_shared = extensions.remove::<SharedBody>().is_some();
    let bytes = axum::body::HttpBody::size_hint(response.body()).lower();
    if bytes == 0 {
        // There is no body to write.
        if let Some(cpu_permit) = cpu_permit {
            cpu_permit.release();
        }
        return Ok(response);
    }
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let unsent_response = if is_shared {
        None
    } else {
        Some(unsent_bytes.add(client_id, bytes)?)
    };
    if let (Some(cpu_permit), Some(connection)) = (&cpu_permit, connection) {
        connection.set_cpu_permit(cpu_permit.clone());
    }
    Ok(pace_response(response, cpu_permit, unsent_response))
}

fn connection(request: &Request) -> Option<&Connection> {
    request.extensions().get::<Connection>()
}

/// Adds the `RateLimit` headers.
fn add_rate_limit_headers(response: &mut Response, quota: Option<&QuotaStatus>) {
    if let Some(quota) = quota {
        response.headers_mut().extend(quota.headers());
    }
}

/// Marks a public response of a route that requires a key as private, so that only the client's own
/// cache may store the response (RFC 9111, section 3.5).
fn make_cache_private(response: &mut Response) {
    let headers = response.headers_mut();
    let cache_control = headers.get(header::CACHE_CONTROL);
    let directives = cache_control.and_then(|value| value.to_str().ok()?.strip_prefix("public"));
    if let Some(rest) = directives {
        let value = HeaderValue::try_from(format!("private{rest}")).expect("ASCII");
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Returns the response to a request that is not admitted. Unless the service is overloaded, the
/// rest of the request body is read for a limited time, because many clients read the response only
/// after they have sent the body.
fn rejection_response(rejected: RejectedRequest, request: Request) -> Response {
    let is_busy = rejected.problem.is_overload();
    let mut body = request.into_body();
    if !is_busy && !axum::body::HttpBody::is_end_stream(&body) {
        tokio::spawn(async move { drain_body(&mut body).await });
    }
    let mut response = rejected.problem.into_response();
    if let Some(quota) = rejected.quota {
        response.headers_mut().extend(quota.headers());
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;

    use super::super::admission::AccessConfig;
    use super::super::limits::ServerLimits;
    use super::super::request_id::X_REQUEST_ID;
    use super::*;

    #[tokio::test]
    async fn panic_is_a_counted_internal_error_without_request_data() {
        let admission_control = Arc::new(AdmissionControl::new(
            AccessConfig::default(),
            ServerLimits::default(),
        ));
        let panicking = async || -> String { panic!("LA18 4DB is not in the index") };
        let mut router: Router = Router::new()
            .route("/api/v1/locate", get(panicking))
            .layer(GuardLayer::new(&admission_control, API_ROUTES));
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
        let body = response.into_body().collect().await.expect("the body ends");
        let body = String::from_utf8(body.to_bytes().into()).expect("text");
        assert!(body.contains("\"code\":\"internal\""), "{body}");
        assert!(!body.contains("4DB") && !body.contains("index"), "{body}");
        let (_, locate) = admission_control
            .metrics
            .by_route_class()
            .find(|(kind, _)| *kind == "locate")
            .expect("the locate class");
        assert_eq!(locate.by_status().last(), Some(("5xx", 1)));
    }
}
