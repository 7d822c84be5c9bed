//! Timeouts and limits of the server and of requests.

use std::time::Duration;

/// Maximum length of the path and query. The headers may use the rest of the 16 KiB.
pub(super) const URI_BYTES_MAX: usize = 12 * 1024;

/// Timeouts and limits of the server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Time for the header of a request to arrive, counted from the opening of a connection or, for
    /// later requests, from the first byte. After that, the connection is closed.
    pub header_timeout: Duration,
    /// Time to read a request and to answer it. Batches have timeouts of their own.
    pub request_timeout: Duration,
    /// How long a client may read less than 1,000 bytes/s of a response before its connection is
    /// closed.
    pub write_timeout: Duration,
    /// Maximum idle time between two requests on a connection.
    pub idle_timeout: Duration,
    /// Time after the shutdown signal during which new connections are still accepted and served,
    /// so that load balancers see `/health/ready` fail and send requests to other replicas.
    pub shutdown_delay: Duration,
    /// Time after the shutdown signal for requests in flight to finish, including `shutdown_delay`.
    pub shutdown_grace: Duration,
    /// Maximum number of open connections. At the limit, an idle one is closed.
    pub connections: usize,
    /// Maximum number of concurrent look-ups, of searches that wait for a CPU permit, and of
    /// rendered responses that wait for one. Further requests get 503 with `Retry-After`.
    pub requests: usize,
    /// Maximum number of waiting requests, and of requests with a body, of one client.
    pub requests_per_client: usize,
    /// Maximum number of concurrent requests with a body. At the limit, a slow upload is evicted.
    pub bodies: usize,
    /// Maximum number of requests that wait to download a batch by ticket.
    pub ticket_downloads: usize,
    /// The same for one client.
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
