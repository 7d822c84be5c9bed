//! Admission control: API keys, rate limits and concurrency limits, checked before a body is read.

mod class;
mod limiter;
pub(super) mod places;
mod proxies;
mod turn;
mod unsent;

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

pub(super) use self::class::Class;
use self::limiter::{Exceeded, Left, Limiter};
pub(super) use self::places::ClientId;
use self::places::{Entry, Place, PlaceLimits, Places, Refusal};
use self::proxies::Origin;
pub use self::proxies::{InvalidNetwork, Network};
pub(super) use self::turn::Turn;
pub(super) use self::unsent::{Unsent, UnsentAnswer};
use super::figures::Figures;
use super::problem::Problem;
use super::request_id::RequestId;
use super::server::{Connection, Limits};
use crate::domain::today_in_london;
use crate::keys::{self, Keys, Scope};
use crate::rate::Rate;

/// The operator's access settings: API keys, rate limits, trusted proxies and CORS origins.
#[derive(Clone, Default)]
pub struct Access {
    /// The API keys. If `None`, no route requires a key.
    pub keys: Option<Arc<Keys>>,
    /// The scopes that require a key.
    pub key_needed_for: Vec<Scope>,
    /// The rate limit of clients without a key.
    pub address_rate: AddressRate,
    /// The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto`, `Host` and `X-Request-Id` headers
    /// are trusted.
    pub trusted_proxies: Vec<Network>,
    /// The origins whose pages may send API keys cross-origin, each as `https://host`.
    pub origins: Vec<String>,
}

/// The rate limit of each client IP address without a key.
#[derive(Debug, Clone, Copy, Default)]
pub enum AddressRate {
    /// No limit.
    #[default]
    Any,
    /// A limit for every client except those on a loopback address or a Unix socket: they may be a
    /// proxy that is not configured as trusted, through which all users come.
    FromElsewhere(Rate),
    /// A limit for every client.
    Every(Rate),
}

/// Maximum length of the path and query. The headers may have the rest of 16 KiB.
pub(super) const URI_BYTES_MAX: usize = 12 * 1024;

/// The id of the API key that a request was sent with.
#[derive(Clone)]
pub(super) struct KeyId(pub(super) Arc<str>);

/// Counters of rejected requests, by reason.
#[derive(Default)]
pub(super) struct Refused {
    busy: AtomicU64,
    client: AtomicU64,
    rate: AtomicU64,
    key: AtomicU64,
}

impl Refused {
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

/// Admits or rejects each request. Owns the permits, the rate limiter and the request metrics.
pub(super) struct Gate {
    access: Access,
    limits: Limits,
    limiter: Limiter,
    hasher: RandomState,
    started: Instant,
    look_ups: Arc<AtomicUsize>,
    bodies: Places,
    searches: Places,
    renders: Places,
    waiting: Places,
    unsent: Unsent,
    /// When a look-up was last rejected for lack of capacity: milliseconds since the start plus
    /// one; 0 for never.
    look_up_refused_ms: AtomicU64,
    pub(super) refused: Refused,
    pub(super) figures: Figures,
}

/// A request that may proceed.
pub(super) struct Pass {
    pub(super) quota: Option<Quota>,
    pub(super) key: Option<KeyId>,
    pub(super) class: Class,
    pub(super) client: ClientId,
    pub(super) admission: Admission,
    /// The counter of response bytes that are rendered and not yet sent.
    pub(super) unsent: Unsent,
}

/// The permit of a request, released when this is dropped.
pub(super) enum Admission {
    /// The request proceeds at once. Some classes need no permit.
    Now { _place: Held },
    /// The request waits in the queue for a CPU permit before its handler runs.
    InTurn(Turn, Entry),
    /// The request has a body permit while its body is read. The handler then acquires the CPU
    /// permit.
    AfterBody(Turn, Held),
}

/// A permit, by the limit that it counts against.
pub(super) enum Held {
    Nothing,
    LookUp { _counted: Counted },
    Place { _place: Place },
}

/// A request that is rejected.
pub(super) struct Stop {
    pub(super) problem: Problem,
    pub(super) quota: Option<Quota>,
}

impl From<Problem> for Box<Stop> {
    fn from(problem: Problem) -> Box<Stop> {
        Box::new(Stop {
            problem,
            quota: None,
        })
    }
}

/// The state of a client's quota, which the `RateLimit` headers report.
pub(super) struct Quota {
    name: &'static str,
    rate: Rate,
    left: u32,
    whole_after: Duration,
}

impl Quota {
    /// Returns the headers of draft-ietf-httpapi-ratelimit-headers-10.
    pub(super) fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let Quota { name, rate, .. } = self;
        let window = rate.period.seconds();
        let policy = format!("\"{name}\";q={};w={window}", rate.requests);
        let now = format!("\"{name}\";r={};t={}", self.left, seconds(self.whole_after));
        [("ratelimit-policy", policy), ("ratelimit", now)].map(|(name, value)| {
            let value = HeaderValue::try_from(value).expect("quotas are ASCII");
            (HeaderName::from_static(name), value)
        })
    }
}

/// Returns whole seconds, rounded up, so that a client that waits this long is admitted.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A permit for a look-up. Look-ups never wait, so one atomic counter for all clients is enough.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(count: &Arc<AtomicUsize>, limit: usize) -> Option<Counted> {
        let place = Counted(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `Retry-After` of a request that is rejected for lack of capacity, in seconds.
const AGAIN_IN_S: u16 = 1;

/// How long the service is not ready after it rejected a look-up or a connection.
pub(super) const READY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Requests whose client address is unreadable share the rate limit of one address, divided by
/// this.
const UNREADABLE_PART: u32 = 10;

/// Returns the number of CPUs that are available to the process.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns the number of CPU permits of a class: one CPU is left to look-ups.
fn made_at_once() -> usize {
    processors().saturating_sub(1).max(1)
}

impl Gate {
    pub(super) fn new(access: Access, limits: Limits) -> Gate {
        // Requests queue. A permit is held until the response is written or the client stops
        // reading.
        let in_turn = |places| {
            Places::new(PlaceLimits {
                places,
                places_per_client: places,
                queue: limits.requests,
                queue_per_client: limits.requests_per_client,
            })
        };
        let at_once = |places, places_per_client| {
            Places::new(PlaceLimits {
                places,
                places_per_client,
                queue: 0,
                queue_per_client: 0,
            })
        };
        Gate {
            limiter: Limiter::new(),
            hasher: RandomState::new(),
            started: Instant::now(),
            look_ups: Arc::default(),
            bodies: at_once(limits.bodies, limits.requests_per_client),
            searches: in_turn(made_at_once()),
            renders: in_turn(made_at_once()),
            waiting: at_once(limits.waiting, limits.waiting_per_client),
            unsent: Unsent::default(),
            look_up_refused_ms: AtomicU64::new(0),
            refused: Refused::default(),
            figures: Figures::default(),
            access,
            limits,
        }
    }

    /// Returns the number of requests in flight by class, including queued ones.
    pub(super) fn under_way(&self) -> [(&'static str, usize); 5] {
        let all = |places: &Places| places.taken() + places.queued();
        [
            ("look_up", self.look_ups.load(Ordering::Relaxed)),
            ("body", all(&self.bodies)),
            ("search", all(&self.searches)),
            ("rendered", all(&self.renders)),
            ("ticket_download", all(&self.waiting)),
        ]
    }

    /// Returns whether a look-up was rejected for lack of capacity within [`UNREADY_PERIOD`].
    pub(super) fn refuses_look_ups(&self) -> bool {
        let refused_ms = self.look_up_refused_ms.load(Ordering::Relaxed);
        let until_ms = u128::from(refused_ms) + READY_AGAIN_AFTER.as_millis();
        refused_ms > 0 && self.started.elapsed().as_millis() < until_ms
    }

    /// Returns the request id that a trusted proxy sent, or a new one.
    pub(super) fn request_id(&self, request: &Request) -> RequestId {
        let proxies = &self.access.trusted_proxies;
        let given = || {
            let connection = request.extensions().get::<Connection>()?;
            let is_ours = proxies::is_ours(connection.peer()?, proxies);
            is_ours
                .then(|| RequestId::of_proxy(request.headers()))
                .flatten()
        };
        given().unwrap_or_else(RequestId::new)
    }

    /// Returns the time that a request may wait for a CPU permit: half of the request timeout, so
    /// that there is time left to answer it.
    pub(super) fn turn_within(&self) -> Duration {
        self.limits.answer_within / 2
    }

    /// Returns whether `peer` is a trusted proxy.
    pub(super) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        proxies::is_ours(peer, &self.access.trusted_proxies)
    }

    /// Returns the request timeout.
    pub(super) fn answer_within(&self) -> Duration {
        self.limits.answer_within
    }

    /// Returns the `Origin` header if pages of that origin may send API keys.
    pub(super) fn origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let known = |known: &String| known.as_bytes() == origin.as_bytes();
        self.access.origins.iter().any(known).then_some(origin)
    }

    /// Returns the scope that an API key needs for a route, if the route requires a key.
    pub(super) fn needs_key(&self, route: Option<&str>) -> Option<Scope> {
        if self.access.key_needed_for.is_empty() {
            return None;
        }
        let scope = Scope::of_route(route?)?;
        self.access.key_needed_for.contains(&scope).then_some(scope)
    }

    /// Admits or rejects a request. `route` is the template of its route.
    pub(super) fn admit(&self, request: &Request, route: Option<&str>) -> Result<Pass, Box<Stop>> {
        let class = Class::of(route, request.method(), request.uri());
        let pass = |quota, key, client, admission| Pass {
            quota,
            key,
            class,
            client,
            admission,
            unsent: self.unsent.clone(),
        };
        let nothing = || Admission::Now {
            _place: Held::Nothing,
        };
        if class == Class::Health {
            return Ok(pass(None, None, ClientId(0), nothing()));
        }
        let uri = request.uri().path_and_query();
        if uri.is_some_and(|it| it.as_str().len() > URI_BYTES_MAX) {
            return Err(Problem::uri_too_long(URI_BYTES_MAX).into());
        }
        let connection = request.extensions().get::<Connection>();
        let peer = connection.and_then(Connection::peer);
        let origin = proxies::origin(peer, request.headers(), &self.access.trusted_proxies);
        let (quota, key) = self.identify(request.headers(), origin, route)?;
        let client = self.client(origin, key.as_ref());
        let admission = match class {
            Class::Health | Class::Batch => Ok(nothing()),
            Class::LookUp if !reads_body(route, request) => {
                let counted = Counted::of(&self.look_ups, self.limits.requests);
                let counted = counted.ok_or(Refusal::Full);
                counted.map(|_counted| Admission::Now {
                    _place: Held::LookUp { _counted },
                })
            }
            Class::LookUp => self
                .place_for_body(client, connection)
                .map(|_place| Admission::Now { _place }),
            Class::Search => self.in_turn(&self.searches, client),
            Class::Rendered if reads_body(route, request) => {
                let place = self.place_for_body(client, connection);
                place.map(|place| Admission::AfterBody(Turn::new(&self.renders, client), place))
            }
            Class::Rendered => self.in_turn(&self.renders, client),
            Class::Waiting => enter_now(&self.waiting, client).map(|_place| Admission::Now {
                _place: Held::Place { _place },
            }),
        };
        let admission = admission.map_err(|refusal| {
            if class == Class::LookUp && refusal == Refusal::Full {
                let now_ms = self.started.elapsed().as_millis();
                let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX - 1);
                self.look_up_refused_ms.store(now_ms + 1, Ordering::Relaxed);
            }
            self.refuse(refusal)
        })?;
        Ok(pass(quota, key, client, admission))
    }

    /// Counts a rejection and returns the problem to send.
    pub(super) fn refuse(&self, refusal: Refusal) -> Problem {
        self.refuse_for(refusal, AGAIN_IN_S)
    }

    /// Like [`Self::reject`], but with another `Retry-After`.
    pub(super) fn refuse_for(&self, refusal: Refusal, again_in_s: u16) -> Problem {
        match refusal {
            Refusal::Full => {
                self.refused.busy.fetch_add(1, Ordering::Relaxed);
                let detail =
                    "too many requests are in progress; Retry-After says when to try again";
                Problem::busy(detail, again_in_s)
            }
            Refusal::ClientFull => {
                self.refused.client.fetch_add(1, Ordering::Relaxed);
                Problem::too_many_at_once(again_in_s)
            }
        }
    }

    /// Queues a request for a CPU permit, unless the client has too many unsent response bytes.
    fn in_turn(&self, places: &Places, client: ClientId) -> Result<Admission, Refusal> {
        self.unsent.check(client)?;
        let entry = places.enter(client)?;
        Ok(Admission::InTurn(Turn::new(places, client), entry))
    }

    /// Acquires a permit to read a body. At the limit, a slow upload of another request is evicted.
    fn place_for_body(
        &self,
        client: ClientId,
        connection: Option<&Connection>,
    ) -> Result<Held, Refusal> {
        let place = enter_now(&self.bodies, client);
        let place = place.or_else(|refusal| {
            let has_room = refusal == Refusal::Full
                && connection.is_some_and(Connection::make_room_for_a_body);
            match has_room {
                true => Ok(self.bodies.enter_beyond_limit(client)),
                false => Err(refusal),
            }
        });
        if let Some(connection) = connection {
            connection.awaits_body(place.is_ok());
        }
        place.map(|_place| Held::Place { _place })
    }

    /// Returns the client that a request is counted for: its API key if it has one, otherwise its
    /// address.
    fn client(&self, origin: Origin, key: Option<&KeyId>) -> ClientId {
        ClientId(match (key, origin) {
            (Some(KeyId(id)), _) => self.hasher.hash_one(("key", &**id)),
            (None, Origin::Address(address)) => {
                let counted = proxies::counted(address);
                self.hasher.hash_one(("address", counted))
            }
            (None, origin) => self.hasher.hash_one(origin),
        })
    }

    /// Checks the API key and the rate limit of a request.
    fn identify(
        &self,
        headers: &HeaderMap,
        origin: Origin,
        route: Option<&str>,
    ) -> Result<(Option<Quota>, Option<KeyId>), Box<Stop>> {
        let shown = self.access.keys.as_ref().and_then(|_| shown_key(headers));
        let needed = self.needs_key(route);
        if let (Some(keys), Some(shown)) = (&self.access.keys, shown) {
            let ring = keys.ring();
            match ring.check(&shown, today_in_london()) {
                Ok(key) => {
                    let id: Arc<str> = key.id.as_str().into();
                    if let Some(scope) = needed.filter(|needed| !key.scopes.contains(needed)) {
                        self.refused.key.fetch_add(1, Ordering::Relaxed);
                        return Err(Problem::key_does_not_open(scope).into());
                    }
                    let quota = match key.quota {
                        Some(rate) => Some(self.count("key", Counts::Key(&id), rate)?),
                        None => None,
                    };
                    return Ok((quota, Some(KeyId(id))));
                }
                Err(fault) => {
                    // Invalid keys count against the rate limit of the address, which slows down
                    // guessing.
                    let quota = self.count_address(origin)?;
                    self.refused.key.fetch_add(1, Ordering::Relaxed);
                    let problem = Problem::wrong_key(fault);
                    return Err(Box::new(Stop { problem, quota }));
                }
            }
        }
        let quota = self.count_address(origin)?;
        match needed {
            None => Ok((quota, None)),
            Some(_) => {
                self.refused.key.fetch_add(1, Ordering::Relaxed);
                let problem = Problem::key_needed();
                Err(Box::new(Stop { problem, quota }))
            }
        }
    }

    fn count_address(&self, origin: Origin) -> Result<Option<Quota>, Box<Stop>> {
        let (rate, spares_this_machine) = match self.access.address_rate {
            AddressRate::Any => return Ok(None),
            AddressRate::FromElsewhere(rate) => (rate, true),
            AddressRate::Every(rate) => (rate, false),
        };
        let quota = match origin {
            Origin::Address(address) if spares_this_machine && address.is_loopback() => None,
            Origin::Local if spares_this_machine => None,
            Origin::Address(address) => {
                Some(self.count("address", Counts::Address(proxies::counted(address)), rate)?)
            }
            Origin::Local => Some(self.count("address", Counts::Local, rate)?),
            Origin::Unreadable => {
                let requests = (rate.requests / UNREADABLE_PART).max(1);
                let rate = Rate { requests, ..rate };
                Some(self.count("address", Counts::Unreadable, rate)?)
            }
        };
        Ok(quota)
    }

    fn count(
        &self,
        name: &'static str,
        client: Counts<'_>,
        rate: Rate,
    ) -> Result<Quota, Box<Stop>> {
        let counted = self.limiter.count(client, rate);
        let quota = |left, whole_after| Quota {
            name,
            rate,
            left,
            whole_after,
        };
        match counted {
            Ok(Left {
                requests,
                whole_after,
            }) => Ok(quota(requests, whole_after)),
            Err(Exceeded {
                again_after,
                whole_after,
            }) => {
                self.refused.rate.fetch_add(1, Ordering::Relaxed);
                Err(Box::new(Stop {
                    problem: Problem::too_often(seconds(again_after)),
                    quota: Some(quota(0, whole_after)),
                }))
            }
        }
    }
}

/// The client that a rate limit applies to.
#[derive(Hash)]
enum Counts<'k> {
    Address(IpAddr),
    Local,
    Unreadable,
    Key(&'k str),
}

/// Acquires a permit if one is free.
fn enter_now(places: &Places, client: ClientId) -> Result<Place, Refusal> {
    match places.enter(client)? {
        Entry::Place(place) => Ok(place),
        // The semaphore has no queue.
        Entry::Queued(_) => Err(Refusal::Full),
    }
}

/// Returns whether the handler reads the body, which may arrive slowly. Other handlers ignore it.
fn reads_body(route: Option<&str>, request: &Request) -> bool {
    let takes_one = matches!(route, Some("/" | "/api/v1/locate"));
    takes_one && request.method() == Method::POST && !request.body().is_end_stream()
}

/// Returns the API key of a request: the token of `Authorization: Bearer …`, or the password of
/// `Authorization: Basic …`, which browsers prompt for. A password that does not look like a key is
/// for a proxy.
fn shown_key(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let end = given.iter().position(|byte| *byte == b' ')?;
    let (scheme, shown) = (&given[..end], given[end..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Cow::Borrowed(shown));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut user_and_password = BASE64_STANDARD.decode(shown).ok()?;
    let colon = user_and_password.iter().position(|byte| *byte == b':')?;
    let password = user_and_password.split_off(colon + 1);
    keys::looks_like_one(&password).then_some(Cow::Owned(password))
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
    fn a_body_that_nobody_reads_changes_nothing() {
        let gate = Gate::new(Access::default(), Limits::default());
        let admitted = |method, uri, route| {
            let request = request(method, uri, Body::from("LA18 4DB"));
            match gate.admit(&request, Some(route)) {
                Ok(pass) => pass.admission,
                Err(_) => panic!("the request is rejected"),
            }
        };
        // These requests wait for a CPU permit, whatever their body.
        let (uri, route) = ("/maps/icc.png", "/maps/{picture}");
        let admission = admitted(Method::GET, uri, route);
        assert!(matches!(admission, Admission::InTurn(..)));
        let admission = admitted(Method::GET, "/", "/");
        assert!(matches!(admission, Admission::InTurn(..)));
        // The form is read first.
        let admission = admitted(Method::POST, "/", "/");
        assert!(matches!(admission, Admission::AfterBody(..)));
    }

    #[test]
    fn other_classes_take_no_place_of_a_look_up() {
        let limits = Limits {
            requests: 2,
            requests_per_client: 1,
            waiting: 1,
            waiting_per_client: 1,
            ..Limits::default()
        };
        let gate = Gate::new(Access::default(), limits);
        let admit = |uri: &str, route| {
            let request = request(Method::GET, uri, Body::empty());
            gate.admit(&request, Some(route))
        };
        let mut held = Vec::new();
        for (uri, route) in [
            ("/api/v1/batch/1", "/api/v1/batch/{ticket}"),
            ("/maps/icc.png", "/maps/{picture}"),
            ("/api/v1/postcodes?prefix=LA1", "/api/v1/postcodes"),
            ("/", "/"),
        ] {
            // Until the class is at its limit.
            held.extend(std::iter::from_fn(|| admit(uri, route).ok()));
        }
        assert!(!gate.refuses_look_ups());
        let locate = || admit("/api/v1/locate?postcode=LA18+4DB", "/api/v1/locate");
        let look_ups = [locate().is_ok(), locate().is_ok()];
        assert_eq!(look_ups, [true, true]);
        let (_first, _second) = (locate(), locate());
        let stop = locate().err().expect("the limit is two");
        assert_eq!(stop.problem.code(), "busy");
        assert!(gate.refuses_look_ups());
    }
}
