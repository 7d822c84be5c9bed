//! Timeouts and limits of the server.

use std::time::Duration;

/// The maximum length of the path and query in bytes. The request line and the headers may take 16
/// KiB together, and the rest of this size is for the headers.
pub(super) const URI_BYTES_MAX: usize = 12 * 1024;

/// Timeouts and limits of the server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// The maximum time for the headers of a request to arrive. For the first request, the time
    /// starts when the connection is opened. For later requests, it starts with the first byte.
    /// After this time, the connection is closed.
    pub header_timeout: Duration,
    /// The maximum time to read and answer a request. Batches have separate timeouts.
    pub request_timeout: Duration,
    /// The time after which a connection is closed if its client reads a response at less than
    /// 1,000 bytes a second.
    pub write_timeout: Duration,
    /// The maximum idle time between two requests on a connection.
    pub idle_timeout: Duration,
    /// The time after the shutdown signal during which new connections are still accepted and
    /// served, so that load balancers see `/health/ready` fail and send requests to other replicas.
    pub shutdown_delay: Duration,
    /// The maximum time after the shutdown signal for requests in flight to finish, including
    /// `shutdown_delay`.
    pub shutdown_grace: Duration,
    /// The maximum number of open connections. At the limit, an idle connection is closed to accept
    /// a new connection.
    pub connections: usize,
    /// The maximum number of concurrent look-ups. The same number is the maximum number of
    /// searches, and of rendered responses, that wait for a CPU permit. Further requests are
    /// answered with 503 and `Retry-After`.
    pub requests: usize,
    /// The maximum number of waiting requests from one client, and of concurrent requests with a
    /// body from one client.
    pub requests_per_client: usize,
    /// The maximum number of concurrent requests with a body. At the limit, a slow upload is
    /// evicted.
    pub bodies: usize,
    /// The maximum number of requests that wait to download a batch by ticket.
    pub ticket_downloads: usize,
    /// The maximum number of requests from one client that wait to download a batch by ticket.
    pub ticket_downloads_per_client: usize,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            shutdown_delay: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(25),
            connections: 16_384,
            requests: 1_024,
            requests_per_client: 512,
            bodies: 1_024,
            ticket_downloads: 256,
            ticket_downloads_per_client: 16,
        }
    }
}
