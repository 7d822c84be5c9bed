//! The HTTP server: accept loop, timeouts and graceful shutdown. The server has its own accept
//! loop, because `axum::serve` has no timeouts. Without timeouts, a client that sends only part of
//! its headers could keep its connection open for ever and block the shutdown.
//!
//! Each connection records its phase ([`connection`]). A single task checks all connections and
//! closes overdue connections ([`registry`]), so requests do not need their own timers. At the
//! connection limit, an idle connection is closed to admit the next connection. If no connection is
//! idle, a connection whose client reads slowly is closed. A client therefore cannot shut out other
//! clients by keeping connections open.
//!
//! hyper's `header_read_timeout` cannot replace the header and idle timeouts: it is a single limit
//! for the idle time and for the time to send headers, so a client could take as long to send its
//! headers as it may be idle. In addition, hyper would allocate a timer for each request.

mod connection;
mod host;
mod listener;
mod protocol_errors;
mod registry;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tower::Service;

pub(super) use self::connection::Connection;
use self::connection::{ConnectionSignal, InFlightGuard, TrackedBody, TrackedStream};
pub use self::listener::Listener;
pub(super) use self::protocol_errors::counts as unrouted_counts;
use self::registry::ConnectionRegistry;
use super::limits::ServerLimits;

/// The maximum size of the request line and the headers together, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The delay before a failed accept is retried. The retry may succeed, for example if the process
/// was out of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// The minimum time between two log lines about failed accepts.
const ACCEPT_ERROR_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The time for which idle connections are still read after `shutdown_delay`, because a request may
/// already be in transit.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// The interval at which idle connections are checked during [`IDLE_GRACE`].
const IDLE_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The time for which the server waits for connections that are already being opened. The time is
/// longer than a round trip. After this time, the listener closes, which resets all connections
/// that it has not accepted.
const BACKLOG_WAIT: Duration = Duration::from_millis(100);
/// The maximum total duration of the waits if further connections arrive during a wait.
const BACKLOG_WAIT_MAX: Duration = Duration::from_secs(1);

/// The maximum time for which a client may continue to send after the last response on its
/// connection. If a connection is closed while it has unread bytes, the connection is reset, and
/// the client could lose the response.
const LINGERING_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of bytes that a client may send within [`LINGERING_CLOSE_TIMEOUT`].
const LINGERING_CLOSE_BYTES_MAX: usize = 64 << 20;

/// Serves connections until `stop` completes, and then shuts down gracefully:
///
/// 1. `/health/ready` returns 503 immediately. For `shutdown_delay`, all other requests are served
///    as before, but with `Connection: close`.
/// 2. The listener closes. Idle connections are closed after a short grace period, and requests in
///    flight are answered.
/// 3. When `shutdown_grace` has passed since the signal, the remaining connections are closed.
///
/// # Errors
/// At present, this function never returns an error, because failed accepts are retried.
pub async fn serve<L: Listener>(
    listener: L,
    router: Router,
    limits: ServerLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let server = ServerState {
        registry: Arc::new(ConnectionRegistry::new()),
        router,
        limits,
    };
    let mut acceptor = ConnectionAcceptor::default();
    let mut stop = pin!(stop);
    let sweeper = AbortOnDrop(tokio::spawn(sweep_connections(
        Arc::clone(&server.registry),
        server.limits.clone(),
    )));
    loop {
        tokio::select! {
            accepted = listener.accept() => acceptor.handle(&server, accepted).await,
            () = &mut stop => break,
        }
    }
    tracing::info!("stopping");
    server.registry.begin_shutdown();
    let delay = server.limits.shutdown_delay;
    let grace = match server.limits.shutdown_grace {
        grace if grace > delay => grace,
        // Requests in flight are not given more time, but connections need some time to close
        // without resets.
        _ => delay + BACKLOG_WAIT_MAX + IDLE_GRACE * 2,
    };
    let mut delay_elapsed = pin!(tokio::time::sleep(delay));
    let grace_elapsed = pin!(tokio::time::sleep(grace));
    loop {
        tokio::select! {
            () = &mut delay_elapsed => break,
            accepted = listener.accept() => acceptor.handle(&server, accepted).await,
        }
    }
    listener.stop_new_connections();
    let closing_since = Instant::now();
    while closing_since.elapsed() < BACKLOG_WAIT_MAX
        && let Ok(accepted) = tokio::time::timeout(BACKLOG_WAIT, listener.accept()).await
    {
        acceptor.handle(&server, accepted).await;
    }
    drop(listener);
    server.registry.close_all_when_idle();
    let has_finished = tokio::select! {
        () = server.registry.all_closed() => true,
        () = grace_elapsed => false,
    };
    drop(sweeper);
    if has_finished {
        tracing::info!("stopped")
    } else {
        tracing::warn!("stopped with requests in flight")
    }
    Ok(())
}

async fn sweep_connections(registry: Arc<ConnectionRegistry>, limits: ServerLimits) {
    let mut interval = tokio::time::interval(ConnectionRegistry::sweep_interval(&limits));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        registry.sweep(&limits);
    }
}

/// A task that is aborted when this value is dropped.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The state that all connections share.
struct ServerState {
    registry: Arc<ConnectionRegistry>,
    router: Router,
    limits: ServerLimits,
}

/// The handler of accepted connections and failed accepts.
#[derive(Default)]
struct ConnectionAcceptor {
    error_logged_at: Option<Instant>,
}

impl ConnectionAcceptor {
    async fn handle<S>(&mut self, server: &ServerState, accepted: io::Result<(S, Option<IpAddr>)>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match accepted {
            Ok((stream, peer)) => server.serve_connection(stream, peer),
            Err(error) => {
                let should_log = self
                    .error_logged_at
                    .is_none_or(|logged_at| logged_at.elapsed() >= ACCEPT_ERROR_LOG_INTERVAL);
                if should_log {
                    let error = error.to_string();
                    tracing::warn!(error, "accepting a connection failed");
                    self.error_logged_at = Some(Instant::now());
                }
                // The process may be out of file descriptors.
                server.registry.evict_idle();
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

impl ServerState {
    /// Serves a connection, or rejects it at the connection limit.
    fn serve_connection<S>(&self, stream: S, peer: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let is_full = self.registry.count() >= self.limits.connections;
        if is_full && !self.registry.evict_idle() && !self.registry.evict_slow_reader() {
            self.registry.record_rejection();
            tokio::spawn(reject_connection(stream));
            return;
        }
        let connection = Connection::new(peer, self.registry.clone());
        let id = self.registry.add(connection.clone());
        let service = ConnectionService {
            router: self.router.clone(),
            connection: connection.clone(),
        };
        let tracked = TrackedStream::new(stream, connection.clone());
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let mut http_connection = builder.serve_connection(TokioIo::new(tracked), service);
        // The guard is also dropped if the task panics.
        let guard = ConnectionGuard {
            registry: Arc::clone(&self.registry),
            id,
        };
        tokio::spawn(async move {
            let _guard = guard;
            let mut is_closing = false;
            loop {
                tokio::select! {
                    biased;
                    ended = &mut http_connection => {
                        // A client that disconnects is not an error.
                        if let Err(error) = ended {
                            protocol_errors::record_parse_error(&error);
                        }
                        break;
                    }
                    signal = connection.next_signal() => match signal {
                        ConnectionSignal::Abort => return,
                        ConnectionSignal::CloseWhenIdle => is_closing = true,
                    },
                    // This timer makes hyper poll for input again, because `TrackedStream` may now
                    // report the end of the stream.
                    () = tokio::time::sleep(IDLE_CHECK_INTERVAL), if is_closing => {}
                }
            }
            let stream = http_connection.into_parts().io.into_inner().into_stream();
            tokio::select! {
                () = lingering_close(stream) => {}
                () = connection.aborted() => {}
            }
        });
    }
}

/// An entry in the connection registry, which is removed when this value is dropped.
struct ConnectionGuard {
    registry: Arc<ConnectionRegistry>,
    id: u64,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.registry.remove(self.id);
    }
}

/// Closes a connection after its last response. For a limited time, reads the bytes that the client
/// is still sending.
async fn lingering_close(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let drain = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 2 << 10];
        let mut remaining = LINGERING_CLOSE_BYTES_MAX;
        loop {
            let length = stream.read(&mut buffer).await?;
            if length == 0 || length > remaining {
                return io::Result::Ok(());
            }
            remaining -= length;
        }
    };
    // Ignore errors: the client may disconnect, and the timeout limits the wait.
    let _ = tokio::time::timeout(LINGERING_CLOSE_TIMEOUT, drain).await;
}

async fn reject_connection(mut stream: impl AsyncWrite + Unpin) {
    // The send buffer of a new connection has room for the response, so the server does not need to
    // wait until the client reads the response.
    let write_response = async {
        stream
            .write_all(&protocol_errors::connection_limit_response())
            .await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), write_response).await;
}

/// The service that passes the requests of a connection to the router.
struct ConnectionService {
    router: Router,
    connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<TrackedBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, mut request: Request<Incoming>) -> ResponseFuture {
        let in_flight = Some(self.connection.begin_request());
        let source = match host::normalize_host(&mut request) {
            Ok(()) => {
                request.extensions_mut().insert(self.connection.clone());
                // An axum router is always ready.
                let future = self.router.clone().call(request);
                ResponseSource::Router { future }
            }
            Err(problem) => ResponseSource::Rejected {
                response: Some(protocol_errors::rejection_response(problem)),
            },
        };
        ResponseFuture { source, in_flight }
    }
}

pin_project! {
    struct ResponseFuture {
        #[pin]
        source: ResponseSource,
        in_flight: Option<InFlightGuard>,
    }
}

pin_project! {
    /// The source of a response.
    #[project = Projected]
    enum ResponseSource {
        Router { #[pin] future: RouteFuture<Infallible> },
        Rejected { response: Option<Response<Body>> },
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<TrackedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled_until_done = "not polled after completion";
        let mut response = match this.source.project() {
            Projected::Router { future } => match ready!(future.poll(context)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Projected::Rejected { response } => response.take().expect(polled_until_done),
        };
        let in_flight = this.in_flight.take().expect(polled_until_done);
        if in_flight.is_stopping() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Poll::Ready(Ok(response.map(|body| TrackedBody::new(body, in_flight))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn malformed_requests_get_an_empty_response_and_are_counted() {
        let server = ServerState {
            registry: Arc::new(ConnectionRegistry::new()),
            router: Router::new(),
            limits: ServerLimits::default(),
        };
        let count = || unrouted_counts()[0].1;
        let before = count();
        let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {:020000}\r\n\r\n", 0);
        let http_2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for (request, expected) in [
            ("LA18 4DB\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
            (&long, "HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            (http_2, ""),
        ] {
            let (mut client, stream) = tokio::io::duplex(64 << 10);
            server.serve_connection(stream, None);
            let sent = client.write_all(request.as_bytes()).await;
            sent.expect("the request is sent");
            let mut response = String::new();
            let read = client.read_to_string(&mut response).await;
            read.expect("the server closes the connection");
            assert!(response.starts_with(expected), "{response}");
            assert!(
                response.is_empty() || response.ends_with("\r\n\r\n"),
                "{response}"
            );
            assert_eq!(response.is_empty(), expected.is_empty(), "{response}");
        }
        assert_eq!(count() - before, 3);
    }
}
