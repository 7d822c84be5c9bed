//! The IP address of the client: the address of the connection, or the address that a trusted proxy
//! reports.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// A range of IP addresses with a common prefix, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork(IpNet);

/// The error for text that is not an IP network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address, or a prefix such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidIpNetwork;

impl FromStr for IpNetwork {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<IpNetwork, InvalidIpNetwork> {
        // The parser of ipnet requires a prefix length, and accepts octets with leading zeros,
        // which other programs read as octal numbers.
        let parse = || match text.split_once('/') {
            Some((address, bits)) => IpNet::new(address.parse().ok()?, bits.parse().ok()?).ok(),
            None => text.parse().ok().map(|address: IpAddr| address.into()),
        };
        parse().map(IpNetwork).ok_or(InvalidIpNetwork)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns whether the peer of a connection is a trusted proxy. The headers of a trusted proxy are
/// trusted.
///
/// `None` represents the peer of a Unix socket. This peer has no address that could be listed as
/// trusted, so it is trusted if any trusted proxy is configured.
pub(super) fn is_trusted_peer(peer: Option<IpAddr>, proxies: &[IpNetwork]) -> bool {
    match peer {
        Some(address) => is_trusted_proxy(address, proxies),
        None => !proxies.is_empty(),
    }
}

fn is_trusted_proxy(address: IpAddr, proxies: &[IpNetwork]) -> bool {
    proxies.iter().any(|network| network.0.contains(&address))
}

/// The client address of a request, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ClientAddress {
    /// An IP address.
    Ip(IpAddr),
    /// The `X-Forwarded-For` header of a trusted proxy is empty or contains a hop that is not an
    /// address. All such requests are counted as one client, because an unreadable header must not
    /// exempt a client from limits.
    Unreadable,
    /// A Unix socket, which has no address.
    UnixSocket,
}

/// Returns the client address of a request. If the connection is from a trusted proxy, the client
/// address is the right-most hop of `X-Forwarded-For` that is not a trusted proxy. Otherwise, the
/// client address is the address of the connection.
///
/// Hops are read as bytes, from right to left. The client itself may have written the left-most
/// hops. If a hop is not an address (for example, `unknown`, `_hidden` or a non-ASCII byte), the
/// search ends, and the address is unreadable. Empty hops are skipped (RFC 9110, section 5.6.1).
pub(super) fn client_address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: &[IpNetwork],
) -> ClientAddress {
    let peer_address = peer.map_or(ClientAddress::UnixSocket, ClientAddress::Ip);
    let mut lines = headers.get_all("x-forwarded-for").iter().rev().peekable();
    if !is_trusted_peer(peer, proxies) || lines.peek().is_none() {
        return peer_address;
    }
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let hops = hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty());
    let mut address = ClientAddress::Unreadable;
    for hop in hops {
        let Some(hop_address) = parse_hop(hop) else {
            return ClientAddress::Unreadable;
        };
        address = ClientAddress::Ip(hop_address);
        if !is_trusted_proxy(hop_address, proxies) {
            break;
        }
    }
    address
}

/// Parses a hop: an IP address with or without a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = hop.parse().ok().or_else(with_port).or_else(in_brackets);
    address.map(|address: IpAddr| address.to_canonical())
}

/// Returns the address by which a client is counted: an IPv4 address itself, or the /64 prefix of
/// an IPv6 address, because a whole /64 is usually assigned to one client.
pub(super) fn client_prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => IpNet::new_assert(address, 64).network(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn network_contains_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network: IpNetwork = network.parse().expect("a network");
            let contains = |address: &str| {
                let address = address.parse().expect("an address");
                is_trusted_proxy(address, &[network])
            };
            assert!(contains(inside), "{network}");
            assert!(!contains(outside), "{network}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10/8",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "010.0.0.0/8",
        ] {
            assert_eq!(text.parse::<IpNetwork>(), Err(InvalidIpNetwork), "{text}");
        }
    }

    #[track_caller]
    fn check(peer: &str, forwarded: &[&[u8]], expected: &str) {
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let line = HeaderValue::from_bytes(line).expect("a value");
            headers.append("x-forwarded-for", line);
        }
        let peer = peer.parse().ok();
        let found = match client_address(peer, &headers, &proxies) {
            ClientAddress::Ip(address) => address.to_string(),
            ClientAddress::Unreadable => "unreadable".to_string(),
            ClientAddress::UnixSocket => "local".to_string(),
        };
        assert_eq!(found, expected, "{forwarded:?}");
    }

    #[test]
    fn client_is_the_right_most_untrusted_hop() {
        check("192.0.2.1", &[b"198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        for (forwarded, expected) in [
            ("198.51.100.7", "198.51.100.7"),
            ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
            ("6.6.6.6, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
            ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:80", "198.51.100.7"),
            ("6.6.6.6,198.51.100.7", "198.51.100.7"),
            ("6.6.6.6\t,\t 198.51.100.7 \t", "198.51.100.7"),
            // A hop that the client itself sent is ignored, whatever its content.
            ("rubbish, 198.51.100.7", "198.51.100.7"),
            // Empty hops are skipped.
            ("198.51.100.7, , ", "198.51.100.7"),
            (",,198.51.100.7,10.1.1.1,,", "198.51.100.7"),
        ] {
            check("10.0.0.1", &[forwarded.as_bytes()], expected);
        }
        check(
            "10.0.0.1",
            &[b"6.6.6.6", b"198.51.100.7", b"10.9.9.9"],
            "198.51.100.7",
        );
        check("10.0.0.1", &[b"\xff, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &[b"\xff", b"198.51.100.7"], "198.51.100.7");
        let long = [b"1.1.1.1, ".repeat(1_500).as_slice(), b"198.51.100.7"].concat();
        check("10.0.0.1", &[&long], "198.51.100.7");
    }

    #[test]
    fn unreadable_hop_is_not_counted_as_the_proxy() {
        for forwarded in [
            b"198.51.100.7, rubbish".as_slice(),
            b"rubbish, 10.2.2.2",
            b"198.51.100.7, unknown",
            b"198.51.100.7, _hidden",
            b"unix:",
            b"\xff",
            b"198.51.100.7\xff",
            b"198.51.100.7, \xff",
            b"198.51.100.7 6.6.6.6",
            b"198.51.100.7:99999",
            b"198.51.100.007",
            b"fe80::1%eth0",
            b"[2001:db8::1",
            b"\"[2001:db8::1]\"",
            b"",
            b" ",
            b",",
            b", ,",
        ] {
            check("10.0.0.1", &[forwarded], "unreadable");
        }
        check("10.0.0.1", &[b"198.51.100.7", b"rubbish"], "unreadable");
        check("10.0.0.1", &[b"", b""], "unreadable");
    }

    #[test]
    fn unix_socket_peer_is_trusted_if_proxies_are_configured() {
        check("", &[], "local");
        check("", &[b"6.6.6.6, 198.51.100.7"], "198.51.100.7");
        check("", &[b"6.6.6.6, unix:"], "unreadable");
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        assert_eq!(
            client_address(None, &headers, &[]),
            ClientAddress::UnixSocket
        );
    }

    #[test]
    fn ipv6_client_is_its_64_prefix() {
        let prefix = |text: &str| client_prefix(text.parse().expect("an address")).to_string();
        assert_eq!(prefix("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(prefix("192.0.2.1"), "192.0.2.1");
    }
}
