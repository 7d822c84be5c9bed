//! Listens, and stops gracefully. Our own loop because `axum::serve` has no time-outs: a connection
//! that sends half a header would stay open for good, and stopping would wait for it for ever.
//!
//! A connection says what it is at ([`connection`]); one task looks at all of them and closes those
//! whose time is over ([`open`]), so that a request sets no timer. When there are as many as may be,
//! one on which nothing is asked makes room, or else one whose answer is read slowly: whoever opens connections to hold them up holds up
//! nobody.

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

/// How long and how much the service puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The first byte and the whole header have arrived by then, or the connection is closed.
    pub header_within: Duration,
    /// A request has been read and answered by then; lists have limits of their own.
    pub answer_within: Duration,
    /// An answer that stands still for so long is given up: fewer than 1,000 bytes a second.
    pub write_within: Duration,
    /// A connection may wait for so long between two requests.
    pub idle_within: Duration,
    /// For this long after the signal to stop, new connections are accepted and answered: whoever sends
    /// requests here learns from `/health/ready` to send them elsewhere.
    pub shutdown_delay: Duration,
    /// Requests under way may finish for this long after the signal to stop, `shutdown_delay` included.
    pub drain_within: Duration,
    /// Connections at a time. Where there are as many, one on which nothing is asked makes room.
    pub connections: usize,
    /// Look-ups at a time, and as many that wait for their turn to search, and for an answer that is rendered;
    /// others are told to come again.
    pub requests: usize,
    /// Of the requests that wait, and of those with a body, so many may be one client's.
    pub requests_per_client: usize,
    /// Requests with a body at a time. Where there are as many, one whose body is slow makes room.
    pub bodies: usize,
    /// Requests at a time that wait for the answers of a batch, by ticket.
    pub waiting: usize,
    /// Those of one client.
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

/// The request line and the headers together.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Out of file descriptors, say: the next try may work.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// And it is logged so often at most.
const ACCEPT_FAULTS_EVERY: Duration = Duration::from_secs(10);

/// How long after the end of `shutdown_delay` an idle connection is still read from: a request that its client
/// has sent already may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// How often idle connections are looked at then.
const IDLE_CHECK: Duration = Duration::from_millis(50);

/// How long connections that have begun already are waited for before the listener closes, which resets those that
/// are left: longer than a round trip.
const BACKLOG_WITHIN: Duration = Duration::from_millis(100);
/// And how long at most, where more keep coming.
const BACKLOG_MAX: Duration = Duration::from_secs(1);

/// How long, and how much, a client that was answered may go on sending: closing a connection on unread bytes
/// resets it, and the client might lose the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// Serves until `stop` is done, then stops without losing a request:
///
/// 1. `/health/ready` says 503 at once. For `shutdown_delay`, everything else goes on, but that answers say
///    `Connection: close`.
/// 2. The listener closes. Idle connections are closed after a short grace, requests under way are answered.
/// 3. `drain_within` after the signal, what is left is cut off.
///
/// # Errors
/// None as yet: a listener that cannot accept is tried again.
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
        // No time is left for requests under way, but some for closing without resets.
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
        false => tracing::warn!("stopped with requests under way"),
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

/// A task that ends when this is dropped.
struct Aborted(tokio::task::JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a connection needs.
struct Server {
    open: Arc<Open>,
    router: Router,
    limits: Limits,
}

/// How accepting goes.
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
                    tracing::warn!(error, "a connection could not be accepted");
                    self.told = Some(Instant::now());
                }
                // It may be for want of file descriptors.
                server.open.give_up_an_idle_one();
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

impl Server {
    /// Serves a connection, if there is a place for it.
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
        // Dropped by a panic too.
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
                    // A client that breaks off is no news.
                    _ = &mut served => break,
                    told = connection.told() => match told {
                        Told::HangUp => return,
                        Told::Close => closes = true,
                    },
                    // hyper looks for input again, which may have ended for `Watched`.
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

/// A place among the open connections.
struct Held {
    open: Arc<Open>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.remove(self.number);
    }
}

/// Closes a connection on which the last answer was sent: reads what is still sent, for a while.
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
    // A client that breaks off is no news, and the time ends in any case.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

async fn refuse(mut stream: impl AsyncWrite + Unpin) {
    // It is a kindness, and a new connection has room for so little: whoever is told in vain is not
    // waited for.
    let told = async {
        stream.write_all(&unrouted::no_place()).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
}

/// Takes the requests of a connection to the router.
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
    /// Where an answer comes from.
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
        let polled_until_done = "it is polled until it is done";
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
