//! Request ids. The response to a request and every log line about the request contain the request
//! id. The response and the log lines can therefore be matched without logging request data.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header of the request id, in responses and in requests from trusted proxies.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request id: hexadecimal digits and hyphens, as in nginx's `$request_id` and in UUIDs. Other
/// letters are not allowed. If a proxy passes on an id from its client, the id therefore contains
/// hardly any words. Such an id could still contain a number, so the proxy should generate the id
/// itself.
#[derive(Clone)]
pub(super) struct RequestId(HeaderValue);

/// The allowed length of an id from a proxy: the number of digits and hyphens.
const PROXY_ID_LENGTH: std::ops::RangeInclusive<usize> = 16..=64;

/// The start of the counter: a random number that differs between processes.
static COUNTER_START: LazyLock<u64> =
    LazyLock::new(|| getrandom::u64().expect("the system has random numbers"));
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl RequestId {
    /// Generates an id of 16 hexadecimal digits. The id is unique within the process, and almost
    /// certainly unique across processes.
    pub(super) fn new() -> RequestId {
        let counter = COUNTER_START.wrapping_add(COUNTER.fetch_add(1, Ordering::Relaxed));
        let digits = hexadecimal_digits(mix(counter));
        RequestId(HeaderValue::from_bytes(&digits).expect("digits"))
    }

    /// Returns the id from a trusted proxy, if the request has exactly one id header and the id is
    /// well-formed.
    pub(super) fn from_proxy(headers: &HeaderMap) -> Option<RequestId> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        let id = values.next().filter(|id| is_well_formed(id.as_bytes()))?;
        values.next().is_none().then(|| RequestId(id.clone()))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("digits and hyphens")
    }

    pub(super) fn into_header_value(self) -> HeaderValue {
        self.0
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    let digits = id.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    let hyphens = id.iter().filter(|byte| **byte == b'-').count();
    PROXY_ID_LENGTH.contains(&id.len())
        && digits + hyphens == id.len()
        && digits >= *PROXY_ID_LENGTH.start()
}

/// Returns the 16 hexadecimal digits of a number, in lower case.
fn hexadecimal_digits(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = number.to_be_bytes();
    std::array::from_fn(|index| {
        let byte = bytes[index / 2];
        let digit = if index % 2 == 0 {
            byte >> 4
        } else {
            byte & 0xf
        };
        DIGITS[usize::from(digit)]
    })
}

/// The finalizer of SplitMix64. The function is a bijection, so ids are unique. The ids of
/// consecutive numbers look unrelated.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_are_written_as_hexadecimal_digits() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let digits = hexadecimal_digits(number);
            assert_eq!(digits, *format!("{number:016x}").as_bytes());
        }
    }

    #[test]
    fn ids_are_unique() {
        let ids = || (0..5_000).map(|_| RequestId::new().as_str().to_string());
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(move || ids().collect::<Vec<_>>()))
            .collect();
        let all: Vec<String> = threads
            .into_iter()
            .flat_map(|handle| handle.join().expect("the thread does not panic"))
            .collect();
        assert!(all.iter().all(|id| is_well_formed(id.as_bytes())));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
    }

    #[test]
    fn proxy_id_is_used_if_it_is_well_formed_and_single() {
        let of = |ids: &[&[u8]]| {
            let headers = ids.iter().map(|id| {
                let id = HeaderValue::from_bytes(id).expect("a header");
                (X_REQUEST_ID, id)
            });
            RequestId::from_proxy(&HeaderMap::from_iter(headers)).map(|id| id.as_str().to_string())
        };
        for id in [
            "0123456789abcdef",
            "59e1d7b3a4f86c1204efab7791c3d2e0",
            "018F4E2B-7C1D-7A30-9B55-1F2E3D4C5B6A",
        ] {
            assert_eq!(of(&[id.as_bytes()]).as_deref(), Some(id));
        }
        let long = "a".repeat(65);
        for id in [
            "",
            "0123456789abcde",
            "----------------",
            "0123456789abcdeg",
            "0123456789abcdef ",
            "LA18 4DB 0123456789abcdef",
            "0123456789abcdef\t",
            &long,
        ] {
            assert_eq!(of(&[id.as_bytes()]), None, "{id}");
        }
        assert_eq!(of(&[b"0123456789abcde\xff"]), None);
        assert_eq!(of(&[b"0123456789abcdef", b"0123456789abcdef"]), None);
        assert_eq!(of(&[]), None);
    }
}
