//! Who asked: the other end of the connection, or whom a proxy of ours says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;

/// Addresses with a common beginning, as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, or one with the bits that count: 10.0.0.0/8, 2001:db8::/32")]
pub struct InvalidNetwork;

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, bits: u32| {
            let rest = bits - u32::from(self.prefix_bits);
            ours.checked_shr(rest) == theirs.checked_shr(rest)
        };
        match (self.first, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                same(ours.to_bits().into(), theirs.to_bits().into(), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Network, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let all = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) => bits.parse().map_err(|_| InvalidNetwork)?,
            None => all,
        };
        if prefix_bits > all {
            return Err(InvalidNetwork);
        }
        Ok(Network { first, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

/// Whether this is one of our proxies.
pub(super) fn is_ours(address: IpAddr, proxies: &[Network]) -> bool {
    proxies.iter().any(|network| network.holds(address))
}

/// The address that asked: the right-most of `X-Forwarded-For` that is no proxy of ours, where the
/// connection comes from one; the connection's own otherwise.
///
/// What stands further left, anybody can have written. A hop that is no address ends the search.
pub(super) fn asker(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let mut asker = peer;
    if !is_ours(peer, proxies) {
        return asker;
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let hops = lines.filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|line| line.split(',')).collect();
    for hop in hops.iter().rev() {
        let Some(address) = address_of(hop.trim()) else {
            break;
        };
        asker = address;
        if !is_ours(address, proxies) {
            break;
        }
    }
    asker
}

/// With or without a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = hop.parse().ok().or_else(with_port).or_else(in_brackets);
    address.map(|address: IpAddr| address.to_canonical())
}

/// What is counted as one client: an address, or of IPv6 the /64 that a client has to itself.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_beginning() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network: Network = network.parse().expect("a network");
            assert!(
                network.holds(inside.parse().expect("an address")),
                "{network}"
            );
            assert!(
                !network.holds(outside.parse().expect("an address")),
                "{network}"
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10/8",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_str(line).expect("text"),
            );
        }
        let peer = peer.parse().expect("an address");
        assert_eq!(
            asker(peer, &headers, &proxies).to_string(),
            expected,
            "{forwarded:?}"
        );
    }

    #[test]
    fn the_right_most_hop_that_is_not_ours_asked() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7");
        check(
            "10.0.0.1",
            &["6.6.6.6, 198.51.100.7, 10.9.9.9"],
            "198.51.100.7",
        );
        check(
            "10.0.0.1",
            &["6.6.6.6", "198.51.100.7", "10.9.9.9"],
            "198.51.100.7",
        );
        check("10.0.0.1", &["198.51.100.7, rubbish"], "10.0.0.1");
        check("10.0.0.1", &["rubbish, 10.2.2.2"], "10.2.2.2");
        check("10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3");
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
    }

    #[test]
    fn a_client_of_ipv6_is_its_64() {
        let counted = |text: &str| counted(text.parse().expect("an address")).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
    }
}
