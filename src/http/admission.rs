//! Admission control: checks API keys, rate limits and concurrency limits before a body is read.

mod client_ip;
mod cpu_permit;
pub(super) mod fair_semaphore;
mod rate_limiter;
mod request_class;
mod route_scope;
mod unsent_bytes;

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use self::client_ip::ClientAddress;
pub use self::client_ip::{InvalidIpNetwork, IpNetwork};
pub(super) use self::cpu_permit::CpuPermit;
pub(super) use self::fair_semaphore::ClientId;
use self::fair_semaphore::{
    AcquireError, ConcurrencyPermit, FairSemaphore, PermitRequest, SemaphoreLimits,
};
use self::rate_limiter::{GcraLimiter, RateLimited, RemainingQuota};
pub(super) use self::request_class::RequestClass;
pub(super) use self::route_scope::scope_of_route;
pub(super) use self::unsent_bytes::{UnsentBytes, UnsentResponse};
use super::limits::{ServerLimits, URI_BYTES_MAX};
use super::problem::Problem;
use super::request_id::RequestId;
use super::request_metrics::RequestMetrics;
use super::server::Connection;
use crate::ops::keys::{self, KeyStore, Scope};
use crate::ops::rate::Rate;
use catchment_core::domain::today_in_london;

/// The operator's access settings: API keys, rate limits, trusted proxies and CORS origins.
#[derive(Clone, Default)]
pub struct AccessConfig {
    /// The API keys. If `None`, no route requires a key.
    pub keys: Option<Arc<KeyStore>>,
    /// The scopes that require a key.
    pub scopes_requiring_key: Vec<Scope>,
    /// The rate limit of clients without a key.
    pub ip_rate_limit: IpRateLimit,
    /// The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto`, `Host` and `X-Request-Id` headers
    /// are trusted. If there is a trusted proxy, the peers of a Unix socket are also trusted.
    pub trusted_proxies: Vec<IpNetwork>,
    /// The origins whose pages may send API keys cross-origin, each as `https://host`.
    pub cors_origins: Vec<String>,
}

/// The rate limit of requests without a valid API key, for each client IP address.
#[derive(Debug, Clone, Copy, Default)]
pub enum IpRateLimit {
    /// No limit.
    #[default]
    Unlimited,
    /// A limit for every client except clients on a loopback address or a Unix socket. Such a
    /// client may be a proxy that forwards the requests of all users but is not configured as
    /// trusted.
    ExceptLoopback(Rate),
    /// A limit for every client.
    AllClients(Rate),
}

/// The id of the API key of a request.
#[derive(Clone)]
pub(super) struct KeyId(pub(super) Arc<str>);

/// Counters of rejected requests, by reason.
#[derive(Default)]
pub(super) struct RejectionCounters {
    busy: AtomicU64,
    client: AtomicU64,
    rate: AtomicU64,
    key: AtomicU64,
}

impl RejectionCounters {
    /// Returns the number of rejected requests by reason.
    pub(super) fn counts(&self) -> [(&'static str, u64); 4] {
        let all = [
            ("busy", &self.busy),
            ("client_limit", &self.client),
            ("rate_limit", &self.rate),
            ("api_key", &self.key),
        ];
        all.map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}

/// The admission control of a listener: admits or rejects each request, and owns the permits, the
/// rate limiter and the request metrics.
pub(super) struct AdmissionControl {
    access: AccessConfig,
    limits: ServerLimits,
    rate_limiter: GcraLimiter,
    hasher: RandomState,
    started: Instant,
    look_ups_in_flight: Arc<AtomicUsize>,
    body_permits: FairSemaphore,
    search_permits: FairSemaphore,
    render_permits: FairSemaphore,
    download_permits: FairSemaphore,
    unsent_bytes: UnsentBytes,
    /// The time at which a look-up was last rejected for lack of capacity, as the number of
    /// milliseconds since `started`, plus one. The value is 0 if no look-up has been rejected.
    look_up_rejected_ms: AtomicU64,
    pub(super) rejections: RejectionCounters,
    pub(super) metrics: RequestMetrics,
}

/// A request that may proceed.
pub(super) struct AdmittedRequest {
    pub(super) quota: Option<QuotaStatus>,
    pub(super) key_id: Option<KeyId>,
    pub(super) class: RequestClass,
    pub(super) client_id: ClientId,
    pub(super) permit: RequestPermit,
    /// The counter of response bytes that are rendered and not yet sent.
    pub(super) unsent_bytes: UnsentBytes,
}

/// The permit of a request, which is released when this value is dropped.
pub(super) enum RequestPermit {
    /// The request proceeds at once, with a permit if its class needs a permit.
    Immediate { _guard: PermitGuard },
    /// The request waits in the queue for a CPU permit before its handler runs.
    Queued(CpuPermit, PermitRequest),
    /// The request has a body permit until its response is complete. The handler acquires the CPU
    /// permit after it has read the body.
    AfterBody(CpuPermit, PermitGuard),
}

/// A permit, with one variant for each kind of limit.
pub(super) enum PermitGuard {
    Unlimited,
    LookUp { _permit: LookUpPermit },
    Concurrency { _permit: ConcurrencyPermit },
}

/// A rejected request: the problem to send, and the state of the client's quota.
pub(super) struct RejectedRequest {
    pub(super) problem: Problem,
    pub(super) quota: Option<QuotaStatus>,
}

impl From<Problem> for Box<RejectedRequest> {
    fn from(problem: Problem) -> Box<RejectedRequest> {
        Box::new(RejectedRequest {
            problem,
            quota: None,
        })
    }
}

/// The state of a client's quota. The `RateLimit` headers report this state.
pub(super) struct QuotaStatus {
    name: &'static str,
    rate: Rate,
    remaining: u32,
    reset_after: Duration,
}

impl QuotaStatus {
    /// Returns the `RateLimit-Policy` and `RateLimit` headers of
    /// draft-ietf-httpapi-ratelimit-headers-10.
    pub(super) fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let QuotaStatus { name, rate, .. } = self;
        let window = rate.unit.seconds();
        let policy = format!("\"{name}\";q={};w={window}", rate.requests);
        let limit = format!(
            "\"{name}\";r={};t={}",
            self.remaining,
            ceil_seconds(self.reset_after)
        );
        [("ratelimit-policy", policy), ("ratelimit", limit)].map(|(name, value)| {
            let value = HeaderValue::try_from(value).expect("quotas are ASCII");
            (HeaderName::from_static(name), value)
        })
    }
}

/// Rounds a duration up to whole seconds, so that a client that waits for this time is admitted.
fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A permit for a look-up. Look-ups never wait in a queue, so one atomic counter for all clients is
/// enough.
pub(super) struct LookUpPermit(Arc<AtomicUsize>);

impl LookUpPermit {
    fn try_acquire(in_flight: &Arc<AtomicUsize>, limit: usize) -> Option<LookUpPermit> {
        let permit = LookUpPermit(Arc::clone(in_flight));
        (in_flight.fetch_add(1, Ordering::Relaxed) < limit).then_some(permit)
    }
}

impl Drop for LookUpPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The value of `Retry-After` in the response to a request that is rejected for lack of capacity,
/// in seconds.
const RETRY_AFTER_S: u16 = 1;

/// The time for which the service reports that it is not ready, after it has rejected a look-up or
/// a connection.
pub(super) const UNREADY_PERIOD: Duration = Duration::from_secs(10);

/// The divisor for the quota that all requests with an unreadable client address share. The quota
/// is the rate limit of one address, divided by this number.
const UNREADABLE_RATE_DIVISOR: u32 = 10;

/// Returns the number of CPUs that are available to the process.
pub(super) fn cpu_count() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns the number of CPU permits of a request class: the number of CPUs minus one, but at least
/// one permit. The remaining CPU is left for look-ups.
fn cpu_permit_count() -> usize {
    cpu_count().saturating_sub(1).max(1)
}

impl AdmissionControl {
    pub(super) fn new(access: AccessConfig, limits: ServerLimits) -> AdmissionControl {
        // These semaphores are for the classes whose requests may wait in a queue. A request has
        // its permit until the response is written or the client stops reading.
        let with_queue = |permits| {
            FairSemaphore::new(SemaphoreLimits {
                permits,
                permits_per_client: permits,
                queue_length: limits.requests,
                queue_length_per_client: limits.requests_per_client,
            })
        };
        let without_queue = |permits, permits_per_client| {
            FairSemaphore::new(SemaphoreLimits {
                permits,
                permits_per_client,
                queue_length: 0,
                queue_length_per_client: 0,
            })
        };
        AdmissionControl {
            rate_limiter: GcraLimiter::new(),
            hasher: RandomState::new(),
            started: Instant::now(),
            look_ups_in_flight: Arc::default(),
            body_permits: without_queue(limits.bodies, limits.requests_per_client),
            search_permits: with_queue(cpu_permit_count()),
            render_permits: with_queue(cpu_permit_count()),
            download_permits: without_queue(
                limits.ticket_downloads,
                limits.ticket_downloads_per_client,
            ),
            unsent_bytes: UnsentBytes::default(),
            look_up_rejected_ms: AtomicU64::new(0),
            rejections: RejectionCounters::default(),
            metrics: RequestMetrics::default(),
            access,
            limits,
        }
    }

    /// Returns the number of requests in flight by class, including queued requests.
    pub(super) fn in_flight(&self) -> [(&'static str, usize); 5] {
        let total = |semaphore: &FairSemaphore| semaphore.acquired() + semaphore.queued();
        [
            ("look_up", self.look_ups_in_flight.load(Ordering::Relaxed)),
            ("body", total(&self.body_permits)),
            ("search", total(&self.search_permits)),
            ("rendered", total(&self.render_permits)),
            ("ticket_download", total(&self.download_permits)),
        ]
    }

    /// Returns whether a look-up was rejected for lack of capacity within [`UNREADY_PERIOD`].
    pub(super) fn is_rejecting_look_ups(&self) -> bool {
        let rejected_ms = self.look_up_rejected_ms.load(Ordering::Relaxed);
        let until_ms = u128::from(rejected_ms) + UNREADY_PERIOD.as_millis();
        rejected_ms > 0 && self.started.elapsed().as_millis() < until_ms
    }

    /// Returns the request id that a trusted proxy sent, or a new request id.
    pub(super) fn request_id(&self, request: &Request) -> RequestId {
        let proxy_id = || {
            let connection = request.extensions().get::<Connection>()?;
            self.is_trusted_peer(connection.peer())
                .then(|| RequestId::from_proxy(request.headers()))
                .flatten()
        };
        proxy_id().unwrap_or_else(RequestId::new)
    }

    /// Returns the time for which a request may wait for a CPU permit: half of the request timeout,
    /// so that enough time remains to answer the request.
    pub(super) fn cpu_permit_timeout(&self) -> Duration {
        self.limits.request_timeout / 2
    }

    /// Waits for the CPU permit of a request whose body has been read.
    ///
    /// # Errors
    /// If no permit becomes free in time.
    pub(super) async fn acquire_cpu_permit(&self, cpu_permit: &CpuPermit) -> Result<(), Problem> {
        let acquired = tokio::time::timeout(self.cpu_permit_timeout(), cpu_permit.acquire()).await;
        let acquired = acquired.unwrap_or(Err(AcquireError::Full));
        acquired.map_err(|error| self.reject(error))
    }

    /// Returns whether the peer of a connection is a trusted proxy; `None` is the peer of a Unix
    /// socket.
    pub(super) fn is_trusted_peer(&self, peer: Option<IpAddr>) -> bool {
        client_ip::is_trusted_peer(peer, &self.access.trusted_proxies)
    }

    /// Returns the request timeout.
    pub(super) fn request_timeout(&self) -> Duration {
        self.limits.request_timeout
    }

    /// Returns the `Origin` header if pages of that origin may send API keys.
    pub(super) fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let is_allowed = |allowed: &String| allowed.as_bytes() == origin.as_bytes();
        self.access
            .cors_origins
            .iter()
            .any(is_allowed)
            .then_some(origin)
    }

    /// Returns the scope that an API key needs for a route, if the route requires a key.
    pub(super) fn required_scope(&self, route: Option<&str>) -> Option<Scope> {
        if self.access.scopes_requiring_key.is_empty() {
            return None;
        }
        let scope = scope_of_route(route?)?;
        self.access
            .scopes_requiring_key
            .contains(&scope)
            .then_some(scope)
    }

    /// Admits or rejects a request. `route` is the template of the route that the request matches.
    pub(super) fn admit(
        &self,
        request: &Request,
        route: Option<&str>,
    ) -> Result<AdmittedRequest, Box<RejectedRequest>> {
        let class = RequestClass::of(route, request.method(), request.uri());
        let admitted = |quota, key_id, client_id, permit| AdmittedRequest {
            quota,
            key_id,
            class,
            client_id,
            permit,
            unsent_bytes: self.unsent_bytes.clone(),
        };
        let unlimited = || RequestPermit::Immediate {
            _guard: PermitGuard::Unlimited,
        };
        if class == RequestClass::Health {
            return Ok(admitted(None, None, ClientId(0), unlimited()));
        }
        let uri = request.uri().path_and_query();
        if uri.is_some_and(|query| query.as_str().len() > URI_BYTES_MAX) {
            return Err(Problem::uri_too_long(URI_BYTES_MAX).into());
        }
        let connection = request.extensions().get::<Connection>();
        let peer = connection.and_then(Connection::peer);
        let client_address =
            client_ip::client_address(peer, request.headers(), &self.access.trusted_proxies);
        let (quota, key_id) = self.authorize(request.headers(), client_address, route)?;
        let client_id = self.client_id(client_address, key_id.as_ref());
        let permit = match class {
            RequestClass::Health | RequestClass::Batch => Ok(unlimited()),
            RequestClass::LookUp if !reads_body(route, request) => {
                let permit =
                    LookUpPermit::try_acquire(&self.look_ups_in_flight, self.limits.requests);
                let permit = permit.ok_or(AcquireError::Full);
                permit.map(|_permit| RequestPermit::Immediate {
                    _guard: PermitGuard::LookUp { _permit },
                })
            }
            RequestClass::LookUp => self
                .acquire_body_permit(client_id, connection)
                .map(|_guard| RequestPermit::Immediate { _guard }),
            RequestClass::Search | RequestClass::Rendered if reads_body(route, request) => {
                self.permit_after_body(class, client_id, connection)
            }
            RequestClass::Search => self.enqueue(&self.search_permits, client_id),
            RequestClass::Rendered => self.enqueue(&self.render_permits, client_id),
            RequestClass::TicketDownload => {
                let permit = try_acquire_now(&self.download_permits, client_id);
                permit.map(|_permit| RequestPermit::Immediate {
                    _guard: PermitGuard::Concurrency { _permit },
                })
            }
        };
        let permit = permit.map_err(|error| {
            if class == RequestClass::LookUp && error == AcquireError::Full {
                let now_ms = self.started.elapsed().as_millis();
                let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX - 1);
                self.look_up_rejected_ms
                    .store(now_ms + 1, Ordering::Relaxed);
            }
            self.reject(error)
        })?;
        Ok(admitted(quota, key_id, client_id, permit))
    }

    /// Counts a rejection and returns the problem to send.
    pub(super) fn reject(&self, error: AcquireError) -> Problem {
        self.reject_with_retry_after(error, RETRY_AFTER_S)
    }

    /// Like [`Self::reject`], but with the given `Retry-After`.
    pub(super) fn reject_with_retry_after(
        &self,
        error: AcquireError,
        retry_after_s: u16,
    ) -> Problem {
        match error {
            AcquireError::Full => {
                self.rejections.busy.fetch_add(1, Ordering::Relaxed);
                let detail = "too many requests are in progress; wait for the time in Retry-After before you try again";
                Problem::busy(detail, retry_after_s)
            }
            AcquireError::ClientFull => {
                self.rejections.client.fetch_add(1, Ordering::Relaxed);
                Problem::too_many_concurrent_requests(retry_after_s)
            }
        }
    }

    /// Acquires a CPU permit for a request, or queues the request for a permit, unless the client
    /// has too many unsent response bytes.
    fn enqueue(
        &self,
        semaphore: &FairSemaphore,
        client_id: ClientId,
    ) -> Result<RequestPermit, AcquireError> {
        self.unsent_bytes.check(client_id)?;
        let permit_request = semaphore.acquire_or_queue(client_id)?;
        Ok(RequestPermit::Queued(
            CpuPermit::new(semaphore, client_id),
            permit_request,
        ))
    }

    /// Acquires a permit to read a body. The handler acquires the CPU permit after it has read the
    /// body.
    fn permit_after_body(
        &self,
        class: RequestClass,
        client_id: ClientId,
        connection: Option<&Connection>,
    ) -> Result<RequestPermit, AcquireError> {
        let guard = self.acquire_body_permit(client_id, connection)?;
        let cpu_permits = match class {
            RequestClass::Search => &self.search_permits,
            _ => &self.render_permits,
        };
        let cpu_permit = CpuPermit::new(cpu_permits, client_id);
        Ok(RequestPermit::AfterBody(cpu_permit, guard))
    }

    /// Acquires a permit to read a body. If all permits are in use, a slow upload of another
    /// request is evicted.
    fn acquire_body_permit(
        &self,
        client_id: ClientId,
        connection: Option<&Connection>,
    ) -> Result<PermitGuard, AcquireError> {
        let permit = try_acquire_now(&self.body_permits, client_id);
        let permit = permit.or_else(|error| {
            let has_evicted = error == AcquireError::Full
                && connection.is_some_and(Connection::evict_slow_upload);
            if has_evicted {
                Ok(self.body_permits.acquire_over_limit(client_id))
            } else {
                Err(error)
            }
        });
        if let Some(connection) = connection {
            connection.set_awaiting_body(permit.is_ok());
        }
        permit.map(|_permit| PermitGuard::Concurrency { _permit })
    }

    /// Returns the id of the client for which a request is counted, derived from the API key of the
    /// request or, without an API key, from the client address.
    fn client_id(&self, client_address: ClientAddress, key_id: Option<&KeyId>) -> ClientId {
        ClientId(match (key_id, client_address) {
            (Some(KeyId(id)), _) => self.hasher.hash_one(("key", &**id)),
            (None, ClientAddress::Ip(address)) => {
                let prefix = client_ip::client_prefix(address);
                self.hasher.hash_one(("address", prefix))
            }
            (None, client_address) => self.hasher.hash_one(client_address),
        })
    }

    /// Checks the API key and the rate limit of a request.
    fn authorize(
        &self,
        headers: &HeaderMap,
        client_address: ClientAddress,
        route: Option<&str>,
    ) -> Result<(Option<QuotaStatus>, Option<KeyId>), Box<RejectedRequest>> {
        let api_key = self
            .access
            .keys
            .as_ref()
            .and_then(|_| api_key_from_headers(headers));
        let required_scope = self.required_scope(route);
        if let (Some(keys), Some(api_key)) = (&self.access.keys, api_key) {
            let ring = keys.ring();
            match ring.check(&api_key, today_in_london()) {
                Ok(key) => {
                    let id: Arc<str> = key.id.as_str().into();
                    if let Some(scope) =
                        required_scope.filter(|required_scope| !key.scopes.contains(required_scope))
                    {
                        self.rejections.key.fetch_add(1, Ordering::Relaxed);
                        return Err(Problem::insufficient_scope(scope).into());
                    }
                    let quota = match key.quota {
                        Some(rate) => {
                            Some(self.check_rate_limit("key", RateLimitKey::ApiKey(&id), rate)?)
                        }
                        None => None,
                    };
                    return Ok((quota, Some(KeyId(id))));
                }
                Err(error) => {
                    // A request with an invalid key counts against the rate limit of its address,
                    // to slow down the guessing of keys.
                    let quota = self.check_address_rate_limit(client_address)?;
                    self.rejections.key.fetch_add(1, Ordering::Relaxed);
                    let problem = Problem::invalid_key(error);
                    return Err(Box::new(RejectedRequest { problem, quota }));
                }
            }
        }
        let quota = self.check_address_rate_limit(client_address)?;
        match required_scope {
            None => Ok((quota, None)),
            Some(_) => {
                self.rejections.key.fetch_add(1, Ordering::Relaxed);
                let problem = Problem::key_required();
                Err(Box::new(RejectedRequest { problem, quota }))
            }
        }
    }

    fn check_address_rate_limit(
        &self,
        client_address: ClientAddress,
    ) -> Result<Option<QuotaStatus>, Box<RejectedRequest>> {
        let (rate, exempts_loopback) = match self.access.ip_rate_limit {
            IpRateLimit::Unlimited => return Ok(None),
            IpRateLimit::ExceptLoopback(rate) => (rate, true),
            IpRateLimit::AllClients(rate) => (rate, false),
        };
        let quota = match client_address {
            ClientAddress::Ip(address) if exempts_loopback && address.is_loopback() => None,
            ClientAddress::UnixSocket if exempts_loopback => None,
            ClientAddress::Ip(address) => Some(self.check_rate_limit(
                "address",
                RateLimitKey::Ip(client_ip::client_prefix(address)),
                rate,
            )?),
            ClientAddress::UnixSocket => {
                Some(self.check_rate_limit("address", RateLimitKey::UnixSocket, rate)?)
            }
            ClientAddress::Unreadable => {
                let requests = (rate.requests / UNREADABLE_RATE_DIVISOR).max(1);
                let rate = Rate { requests, ..rate };
                Some(self.check_rate_limit("address", RateLimitKey::Unreadable, rate)?)
            }
        };
        Ok(quota)
    }

    fn check_rate_limit(
        &self,
        policy_name: &'static str,
        rate_limit_key: RateLimitKey<'_>,
        rate: Rate,
    ) -> Result<QuotaStatus, Box<RejectedRequest>> {
        let outcome = self.rate_limiter.check(rate_limit_key, rate);
        let quota = |remaining, reset_after| QuotaStatus {
            name: policy_name,
            rate,
            remaining,
            reset_after,
        };
        match outcome {
            Ok(RemainingQuota {
                requests,
                reset_after,
            }) => Ok(quota(requests, reset_after)),
            Err(RateLimited {
                retry_after,
                reset_after,
            }) => {
                self.rejections.rate.fetch_add(1, Ordering::Relaxed);
                Err(Box::new(RejectedRequest {
                    problem: Problem::rate_limited(ceil_seconds(retry_after)),
                    quota: Some(quota(0, reset_after)),
                }))
            }
        }
    }
}

/// The client to which a rate limit applies.
#[derive(Hash)]
enum RateLimitKey<'k> {
    Ip(IpAddr),
    UnixSocket,
    Unreadable,
    ApiKey(&'k str),
}

/// Tries to acquire a permit without waiting.
fn try_acquire_now(
    semaphore: &FairSemaphore,
    client_id: ClientId,
) -> Result<ConcurrencyPermit, AcquireError> {
    match semaphore.acquire_or_queue(client_id)? {
        PermitRequest::Granted(permit) => Ok(permit),
        // The semaphore has no queue.
        PermitRequest::Queued(_) => Err(AcquireError::Full),
    }
}

/// Returns whether the handler of a look-up, a search or a page reads the request body, which may
/// arrive slowly. Batches have separate limits, and other handlers ignore the body.
fn reads_body(route: Option<&str>, request: &Request) -> bool {
    let accepts_body = matches!(route, Some("/" | "/api/v1/locate" | "/postcodes"));
    accepts_body && request.method() == Method::POST && !request.body().is_end_stream()
}

/// Returns the API key of a request: the token of `Authorization: Bearer …`, or the password of
/// `Authorization: Basic …`. Browsers prompt the user for this password. A password without the
/// prefix of API keys is ignored, because it is probably intended for a proxy.
fn api_key_from_headers(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let authorization = headers.get(header::AUTHORIZATION)?.as_bytes();
    let end = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = (&authorization[..end], authorization[end..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Cow::Borrowed(credentials));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut user_and_password = BASE64_STANDARD.decode(credentials).ok()?;
    let colon = user_and_password.iter().position(|byte| *byte == b':')?;
    let password = user_and_password.split_off(colon + 1);
    keys::has_key_prefix(&password).then_some(Cow::Owned(password))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: Method, uri: &str, body: Body) -> Request {
        let request = Request::builder().method(method).uri(uri).body(body);
        request.expect("a request")
    }

    #[test]
    fn ignored_body_does_not_change_the_permit() {
        let admission_control =
            AdmissionControl::new(AccessConfig::default(), ServerLimits::default());
        let permit_for = |method, uri, route| {
            let request = request(method, uri, Body::from("LA18 4DB"));
            match admission_control.admit(&request, Some(route)) {
                Ok(admitted) => admitted.permit,
                Err(_) => panic!("the request is rejected"),
            }
        };
        // These requests wait for a CPU permit whether or not they have a body.
        let (uri, route) = ("/maps/icc.png", "/maps/{image}");
        let permit = permit_for(Method::GET, uri, route);
        assert!(matches!(permit, RequestPermit::Queued(..)));
        let permit = permit_for(Method::GET, "/", "/");
        assert!(matches!(permit, RequestPermit::Queued(..)));
        // A request with a form waits for the CPU permit after the form has been read.
        let permit = permit_for(Method::POST, "/", "/");
        assert!(matches!(permit, RequestPermit::AfterBody(..)));
        let permit = permit_for(Method::POST, "/postcodes", "/postcodes");
        assert!(matches!(permit, RequestPermit::AfterBody(..)));
    }

    #[test]
    fn other_classes_use_no_look_up_permits() {
        let limits = ServerLimits {
            requests: 2,
            requests_per_client: 1,
            ticket_downloads: 1,
            ticket_downloads_per_client: 1,
            ..ServerLimits::default()
        };
        let admission_control = AdmissionControl::new(AccessConfig::default(), limits);
        let admit = |uri: &str, route| {
            let request = request(Method::GET, uri, Body::empty());
            admission_control.admit(&request, Some(route))
        };
        let mut admitted = Vec::new();
        for (uri, route) in [
            ("/api/v1/batch/1", "/api/v1/batch/{ticket}"),
            ("/maps/icc.png", "/maps/{image}"),
            ("/api/v1/postcodes?prefix=LA1", "/api/v1/postcodes"),
            ("/", "/"),
        ] {
            // Each class is filled up to its limit.
            admitted.extend(std::iter::from_fn(|| admit(uri, route).ok()));
        }
        assert!(!admission_control.is_rejecting_look_ups());
        let locate = || admit("/api/v1/locate?postcode=LA18+4DB", "/api/v1/locate");
        let look_ups = [locate().is_ok(), locate().is_ok()];
        assert_eq!(look_ups, [true, true]);
        let (_first, _second) = (locate(), locate());
        let rejected = locate().err().expect("the limit is two");
        assert_eq!(rejected.problem.code(), "busy");
        assert!(admission_control.is_rejecting_look_ups());
    }
}
