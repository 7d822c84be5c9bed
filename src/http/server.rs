//! The HTTP server: accept loop, timeouts and graceful shutdown. The accept loop is our own because
//! `axum::serve` has no timeouts: a connection that sends half a header would stay open for ever
//! and block the shutdown.
//!
//! Each connection records its phase ([`connection`]). A single task checks all connections and
//! closes those that are overdue ([`registry`]), so that requests set no timers. At the connection
//! limit, an idle connection is closed to admit the next one, or else one whose client reads
//! slowly, so that clients cannot keep others out by holding connections open.

mod connection;
mod host;
mod listener;
mod open;
mod unrouted;

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
use self::connection::{Answer, Told, UnderWay, Watched};
pub use self::listener::Listener;
use self::open::Open;
pub(super) use self::unrouted::counts as unrouted_counts;

/// Timeouts and limits of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time for the first byte and the whole header of a request to arrive. The connection is then
    /// closed.
    pub header_within: Duration,
    /// Time to read a request and to answer it. Batches have timeouts of their own.
    pub answer_within: Duration,
    /// How long a client may read less than 1,000 bytes/s of a response before its connection is
    /// closed.
    pub write_within: Duration,
    /// Maximum idle time between two requests on a connection.
    pub idle_within: Duration,
    /// Time after the shutdown signal during which new connections are still accepted and served,
    /// so that load balancers see `/health/ready` fail and send requests to other replicas.
    pub shutdown_delay: Duration,
    /// Time after the shutdown signal for requests in flight to finish, including `shutdown_delay`.
    pub drain_within: Duration,
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
    pub waiting: usize,
    /// The same for one client.
    pub waiting_per_client: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(30),
            write_within: Duration::from_secs(30),
            idle_within: Duration::from_secs(60),
            shutdown_delay: Duration::from_secs(5),
            drain_within: Duration::from_secs(25),
            connections: 16_384,
            requests: 1_024,
            requests_per_client: 512,
            bodies: 1_024,
            waiting: 256,
            waiting_per_client: 16,
        }
    }
}

/// Maximum size of the request line and the headers together.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Delay after a failed accept, which may succeed later, for example when out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Minimum time between two log lines about failed accepts.
const ACCEPT_FAULTS_EVERY: Duration = Duration::from_secs(10);

/// How long idle connections are still read after `shutdown_delay`: a request may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// How often idle connections are checked during that time.
const IDLE_CHECK: Duration = Duration::from_millis(50);

/// How long to wait for connections that are already being opened before the listener closes, which
/// resets those that remain. Longer than a round trip.
const BACKLOG_WITHIN: Duration = Duration::from_millis(100);
/// Maximum duration of this wait while connections keep arriving.
const BACKLOG_MAX: Duration = Duration::from_secs(1);

/// How long, and how many bytes, a client may go on sending after its response. Closing a
/// connection with unread bytes resets it, and the client could lose the response.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// Serves connections until `stop` completes, and then shuts down without losing a request:
///
/// 1. `/health/ready` returns 503 at once. For `shutdown_delay`, everything else is served as
///    before, with `Connection: close`.
/// 2. The listener closes. Idle connections are closed after a short grace period, and requests in
///    flight are answered.
/// 3. `shutdown_grace` after the signal, the remaining connections are closed.
///
/// # Errors
/// None at present: a failed accept is retried.
pub async fn serve<L: Listener>(
    listener: L,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let server = Server {
        open: Arc::new(Open::new()),
        router,
        limits,
    };
    let mut accepting = Accepting::default();
    let mut stop = pin!(stop);
    let sweeping = Aborted(tokio::spawn(sweep(
        Arc::clone(&server.open),
        server.limits.clone(),
    )));
    loop {
        tokio::select! {
            accepted = listener.accept() => accepting.next(&server, accepted).await,
            () = &mut stop => break,
        }
    }
    tracing::info!("stopping");
    server.open.stop();
    let delay = server.limits.shutdown_delay;
    let drain = match server.limits.drain_within {
        drain if drain > delay => drain,
        // No time is left for requests in flight, but some for closing connections without resets.
        _ => delay + BACKLOG_MAX + IDLE_GRACE * 2,
    };
    let mut delay = pin!(tokio::time::sleep(delay));
    let drain = pin!(tokio::time::sleep(drain));
    loop {
        tokio::select! {
            () = &mut delay => break,
            accepted = listener.accept() => accepting.next(&server, accepted).await,
        }
    }
    listener.refuse_new();
    let closes = Instant::now();
    while closes.elapsed() < BACKLOG_MAX
        && let Ok(accepted) = tokio::time::timeout(BACKLOG_WITHIN, listener.accept()).await
    {
        accepting.next(&server, accepted).await;
    }
    drop(listener);
    server.open.close();
    let has_finished = tokio::select! {
        () = server.open.all_closed() => true,
        () = drain => false,
    };
    drop(sweeping);
    match has_finished {
        true => tracing::info!("stopped"),
        false => tracing::warn!("stopped with requests in flight"),
    }
    Ok(())
}

async fn sweep(open: Arc<Open>, limits: Limits) {
    let mut every = tokio::time::interval(Open::sweep_every(&limits));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        open.sweep(&limits);
    }
}

/// A task that is aborted when this is dropped.
struct Aborted(tokio::task::JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The state that all connections share.
struct Server {
    open: Arc<Open>,
    router: Router,
    limits: Limits,
}

/// Handles accepted connections and failed accepts.
#[derive(Default)]
struct Accepting {
    told: Option<Instant>,
}

impl Accepting {
    async fn next<S>(&mut self, server: &Server, accepted: io::Result<(S, Option<IpAddr>)>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match accepted {
            Ok((stream, peer)) => server.take(stream, peer),
            Err(error) => {
                let is_news = self
                    .told
                    .is_none_or(|told| told.elapsed() >= ACCEPT_FAULTS_EVERY);
                if is_news {
                    let error = error.to_string();
                    tracing::warn!(error, "accepting a connection failed");
                    self.told = Some(Instant::now());
                }
                // The process may be out of file descriptors.
                server.open.give_up_an_idle_one();
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

impl Server {
    /// Serves a connection, or rejects it at the connection limit.
    fn take<S>(&self, stream: S, peer: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let is_full = self.open.count() >= self.limits.connections;
        if is_full && !self.open.give_up_an_idle_one() && !self.open.give_up_a_slow_reader() {
            self.open.has_refused();
            tokio::spawn(refuse(stream));
            return;
        }
        let connection = Connection::new(peer, Arc::clone(&self.open));
        let number = self.open.add(connection.clone());
        let requests = Requests {
            router: self.router.clone(),
            connection: connection.clone(),
        };
        let watched = Watched::new(stream, connection.clone());
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_BYTES_MAX);
        let mut served = http.serve_connection(TokioIo::new(watched), requests);
        // Also dropped if the task panics.
        let open = Held {
            open: Arc::clone(&self.open),
            number,
        };
        tokio::spawn(async move {
            let _open = open;
            let mut closes = false;
            loop {
                tokio::select! {
                    biased;
                    // A client that disconnects is not an error.
                    _ = &mut served => break,
                    told = connection.told() => match told {
                        Told::HangUp => return,
                        Told::Close => closes = true,
                    },
                    // hyper polls for input again, which may have ended for `TrackedStream`.
                    () = tokio::time::sleep(IDLE_CHECK), if closes => {}
                }
            }
            let stream = served.into_parts().io.into_inner().into_stream();
            tokio::select! {
                () = linger(stream) => {}
                () = connection.hung_up() => {}
            }
        });
    }
}

/// An entry in the connection registry, removed when this is dropped.
struct Held {
    open: Arc<Open>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.remove(self.number);
    }
}

/// Closes a connection after its last response: reads what the client still sends, for a limited
/// time.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let rest = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 2 << 10];
        let mut left = LINGER_BYTES;
        loop {
            let length = stream.read(&mut buffer).await?;
            if length == 0 || length > left {
                return io::Result::Ok(());
            }
            left -= length;
        }
    };
    // Errors are ignored: the client may disconnect, and the timeout ends the wait in any case.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

async fn refuse(mut stream: impl AsyncWrite + Unpin) {
    // Best effort: the send buffer of a new connection has room for the response, and a client that
    // does not read it is not waited for.
    let told = async {
        stream.write_all(&unrouted::no_place()).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
}

/// Passes the requests of a connection to the router.
struct Requests {
    router: Router,
    connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let under_way = Some(self.connection.begins_request());
        let source = match host::settle(&mut request) {
            Ok(()) => {
                request.extensions_mut().insert(self.connection.clone());
                // An axum router is always ready.
                let future = self.router.clone().call(request);
                Source::Router { future }
            }
            Err(problem) => Source::Refused {
                response: Some(unrouted::refusal(problem)),
            },
        };
        Answering {
            source,
            request: under_way,
        }
    }
}

pin_project! {
    struct Answering {
        #[pin]
        source: Source,
        request: Option<UnderWay>,
    }
}

pin_project! {
    /// The source of a response.
    #[project = Projected]
    enum Source {
        Router { #[pin] future: RouteFuture<Infallible> },
        Refused { response: Option<Response<Body>> },
    }
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled_until_done = "not polled after completion";
        let mut response = match this.source.project() {
            Projected::Router { future } => match ready!(future.poll(context)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Projected::Refused { response } => response.take().expect(polled_until_done),
        };
        let request = this.request.take().expect(polled_until_done);
        if request.is_stopping() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Poll::Ready(Ok(response.map(|body| Answer::new(body, request))))
    }
}
