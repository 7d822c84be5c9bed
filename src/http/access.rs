//! Who may ask what, and how often: decided before a body is read.

mod limiter;
mod proxies;

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Semaphore;

use self::limiter::{Exceeded, Left, Limiter};
pub use self::proxies::{InvalidNetwork, Network};
use super::figures::Figures;
use super::problem::Problem;
use super::request_id::RequestId;
use super::server::{Connection, Limits};
use crate::domain::today_in_london;
use crate::keys::{self, Keys, Scope};
use crate::rate::Rate;

/// What the operator decides about who may ask.
#[derive(Clone, Default)]
pub struct Access {
    /// The keys that there are. Without, nobody is asked for one.
    pub keys: Option<Arc<Keys>>,
    /// What needs a key.
    pub key_needed_for: Vec<Scope>,
    /// How often an address may ask.
    pub address_rate: AddressRate,
    /// Whom to believe what `X-Forwarded-For` says.
    pub trusted_proxies: Vec<Network>,
    /// The pages elsewhere that may show a key, each as `https://host`.
    pub origins: Vec<String>,
}

/// How often an address may ask without a key.
#[derive(Debug, Clone, Copy, Default)]
pub enum AddressRate {
    /// As often as it likes.
    #[default]
    Any,
    /// So often, but for this machine's own addresses: behind them may be a proxy that nobody named,
    /// and with it everybody.
    FromElsewhere(Rate),
    /// So often, every one.
    Every(Rate),
}

/// Of the path and the query; the headers have what is left of 16 KiB.
pub(super) const URI_BYTES_MAX: usize = 12 * 1024;

/// The key that a request came with.
#[derive(Clone)]
pub(super) struct KeyId(pub(super) Arc<str>);

/// What the operator is told of those that were turned away, by reason.
#[derive(Default)]
pub(super) struct Refused {
    busy: AtomicU64,
    rate: AtomicU64,
    key: AtomicU64,
}

impl Refused {
    /// How many, by reason.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        let all = [
            ("busy", &self.busy),
            ("rate", &self.rate),
            ("key", &self.key),
        ];
        all.map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}

/// Where every request passes.
pub(super) struct Gate {
    access: Access,
    limits: Limits,
    limiter: Limiter,
    requests: Arc<AtomicUsize>,
    bodies: Arc<AtomicUsize>,
    big: Arc<AtomicUsize>,
    turns: Arc<Semaphore>,
    pub(super) refused: Refused,
    pub(super) figures: Figures,
}

/// A request that may go on; it has its place until this is dropped.
pub(super) struct Pass {
    pub(super) quota: Option<Quota>,
    pub(super) key: Option<KeyId>,
    /// Where big answers wait for their turn.
    pub(super) turns: Option<Arc<Semaphore>>,
    _place: Option<Place>,
}

/// A request that may not.
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

/// What its client may still ask.
pub(super) struct Quota {
    name: &'static str,
    rate: Rate,
    left: u32,
    whole_after: Duration,
}

impl Quota {
    /// The headers of draft-ietf-httpapi-ratelimit-headers-10.
    pub(super) fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let Quota { name, rate, .. } = self;
        let window = rate.period.seconds();
        let policy = format!("\"{name}\";q={};w={window}", rate.requests);
        let now = format!("\"{name}\";r={};t={}", self.left, seconds(self.whole_after));
        [("ratelimit-policy", policy), ("ratelimit", now)].map(|(name, value)| {
            let value = HeaderValue::try_from(value).expect("words and numbers");
            (HeaderName::from_static(name), value)
        })
    }
}

/// Rounded up: who asks again after so many is not asked to wait a second time.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A place among the requests under way.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn of(count: &Arc<AtomicUsize>, limit: usize) -> Option<Place> {
        let place = Place(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What takes a hundred times as long as a look-up, and more: answers of many areas, and drawings.
fn is_big(route: &str) -> bool {
    const BEGINNINGS: [&str; 8] = [
        "/api/v1/areas",
        "/ogc",
        "/tiles",
        "/maps",
        "/areas",
        "/practices",
        "/groups",
        "/compare",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| route.starts_with(beginning))
}

/// Whether what is big is worked on where requests are answered: by turns, as many at a time as there are
/// processors, so that look-ups pass between them. A tile is copied, or made elsewhere.
fn takes_turns(big: &str) -> bool {
    !big.starts_with("/tiles")
}

/// Who waits for a place comes again after so many seconds.
const AGAIN_IN_S: u16 = 1;

/// How many big answers can be worked on at a time.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Gate {
    pub(super) fn new(access: Access, limits: Limits) -> Gate {
        Gate {
            access,
            limits,
            limiter: Limiter::new(),
            requests: Arc::default(),
            bodies: Arc::default(),
            big: Arc::default(),
            turns: Arc::new(Semaphore::new(processors())),
            refused: Refused::default(),
            figures: Figures::default(),
        }
    }

    /// How many requests are under way, by what they hold up.
    pub(super) fn under_way(&self) -> [(&'static str, usize); 3] {
        let all = [
            ("look-up", &self.requests),
            ("body", &self.bodies),
            ("big", &self.big),
        ];
        all.map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }

    /// The id that the proxy in front of us gave the request, or one of our own.
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

    /// A request is answered by then.
    pub(super) fn answer_within(&self) -> Duration {
        self.limits.answer_within
    }

    /// The origin, where it is one whose pages may show a key.
    pub(super) fn origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let known = |known: &String| known.as_bytes() == origin.as_bytes();
        self.access.origins.iter().any(known).then_some(origin)
    }

    /// What a key is needed for of what is behind this route.
    pub(super) fn needs_key(&self, route: Option<&str>) -> Option<Scope> {
        if self.access.key_needed_for.is_empty() {
            return None;
        }
        let scope = Scope::of_route(route?)?;
        self.access.key_needed_for.contains(&scope).then_some(scope)
    }

    /// Lets a request in, or says why not. `route` is its route's template.
    pub(super) fn admit(&self, request: &Request, route: Option<&str>) -> Result<Pass, Box<Stop>> {
        if route.is_some_and(|route| route.starts_with("/health/")) {
            // Whoever watches over the service is never turned away.
            return Ok(Pass {
                quota: None,
                key: None,
                turns: None,
                _place: None,
            });
        }
        let uri = request.uri().path_and_query();
        if uri.is_some_and(|it| it.as_str().len() > URI_BYTES_MAX) {
            return Err(Problem::uri_too_long(URI_BYTES_MAX).into());
        }
        let connection = request.extensions().get::<Connection>();
        let (quota, key) = self.identify(request.headers(), connection, route)?;
        let is_big = route.is_some_and(is_big);
        let place = match request.body().is_end_stream() {
            true if is_big => Place::of(&self.big, self.limits.requests),
            true => Place::of(&self.requests, self.limits.requests),
            false => self.place_for_body(connection),
        };
        let place = place.ok_or_else(|| {
            self.refused.busy.fetch_add(1, Ordering::Relaxed);
            Problem::busy(
                "as many requests are under way as may be at a time",
                AGAIN_IN_S,
            )
        })?;
        Ok(Pass {
            quota,
            key,
            turns: (is_big && route.is_some_and(takes_turns)).then(|| Arc::clone(&self.turns)),
            _place: Some(place),
        })
    }

    /// A place is made where somebody else's body is slow to come.
    fn place_for_body(&self, connection: Option<&Connection>) -> Option<Place> {
        let place = Place::of(&self.bodies, self.limits.bodies);
        let place = place.or_else(|| {
            let has_room = connection?.make_room_for_a_body();
            has_room
                .then(|| Place::of(&self.bodies, usize::MAX))
                .flatten()
        });
        if let Some(connection) = connection {
            connection.awaits_body(place.is_some());
        }
        place
    }

    /// Who asks, whether they may, and whether not too often.
    fn identify(
        &self,
        headers: &HeaderMap,
        connection: Option<&Connection>,
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
                        Some(rate) => Some(self.count("key", &*id, rate)?),
                        None => None,
                    };
                    return Ok((quota, Some(KeyId(id))));
                }
                Err(fault) => {
                    // Whoever tries keys is counted as any address is.
                    let quota = self.count_address(headers, connection)?;
                    self.refused.key.fetch_add(1, Ordering::Relaxed);
                    let problem = Problem::wrong_key(fault);
                    return Err(Box::new(Stop { problem, quota }));
                }
            }
        }
        let quota = self.count_address(headers, connection)?;
        match needed {
            None => Ok((quota, None)),
            Some(_) => {
                self.refused.key.fetch_add(1, Ordering::Relaxed);
                let problem = Problem::key_needed();
                Err(Box::new(Stop { problem, quota }))
            }
        }
    }

    fn count_address(
        &self,
        headers: &HeaderMap,
        connection: Option<&Connection>,
    ) -> Result<Option<Quota>, Box<Stop>> {
        let (rate, spares_this_machine) = match self.access.address_rate {
            AddressRate::Any => return Ok(None),
            AddressRate::FromElsewhere(rate) => (rate, true),
            AddressRate::Every(rate) => (rate, false),
        };
        let Some(peer) = connection.and_then(Connection::peer) else {
            return Ok(None);
        };
        let asker = proxies::asker(peer, headers, &self.access.trusted_proxies);
        if spares_this_machine && asker.is_loopback() {
            return Ok(None);
        }
        self.count("address", proxies::counted(asker), rate)
            .map(Some)
    }

    fn count(
        &self,
        name: &'static str,
        client: impl Client,
        rate: Rate,
    ) -> Result<Quota, Box<Stop>> {
        let counted = self.limiter.count((name, client), rate);
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

/// What is counted by: an address, or the id of a key.
trait Client: std::hash::Hash {}
impl Client for IpAddr {}
impl Client for &str {}

/// The key that is shown: `Authorization: Bearer …`, or the password that a browser asks for. Another
/// password is a proxy's.
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
