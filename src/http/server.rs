//! Listens, and stops gracefully. Our own loop because `axum::serve` has no time-outs: a connection
//! that sends half a header would stay open for good, and stopping would wait for it for ever.
//!
//! A connection says what it is at ([`connection`]); one task looks at all of them and closes those
//! whose time is over ([`open`]), so that a request sets no timer. When there are as many as may be,
//! one on which nothing is asked makes room, or else one whose answer is read slowly: whoever opens connections to hold them up holds up
//! nobody.

mod connection;
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
use axum::http::{Request, Response};
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::AsyncWriteExt;
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
    /// Requests under way may finish for this long after the signal to stop.
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

/// Serves until `stop` is done, then lets what is under way finish.
///
/// While it does, the listener stays open: `/health/ready` says 503, and other requests are answered,
/// each on a connection of its own.
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
    let deadline = tokio::time::sleep(server.limits.drain_within);
    let mut deadline = pin!(deadline);
    let first_new = server.open.stop();
    let has_finished = loop {
        tokio::select! {
            () = server.open.closed_before(first_new) => break true,
            () = &mut deadline => break false,
            accepted = listener.accept() => accepting.next(&server, accepted).await,
        }
    };
    drop(listener);
    server.open.hang_up_idle_ones();
    let has_finished = has_finished
        && tokio::select! {
            () = server.open.closed_before(u64::MAX) => true,
            () = deadline => false,
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
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
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
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
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
        http.max_buf_size(HEAD_BYTES_MAX)
            // Whoever comes while the service stops asks one thing.
            .keep_alive(!self.open.is_stopping());
        let served = http.serve_connection(TokioIo::new(watched), requests);
        // Dropped by a panic too.
        let open = Held {
            open: Arc::clone(&self.open),
            number,
        };
        tokio::spawn(async move {
            let mut served = pin!(served);
            loop {
                tokio::select! {
                    biased;
                    // A client that breaks off is no news.
                    _ = served.as_mut() => break,
                    told = connection.told() => match told {
                        Told::HangUp => break,
                        Told::Stop => served.as_mut().graceful_shutdown(),
                    }
                }
            }
            drop(open);
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

async fn refuse(mut stream: impl tokio::io::AsyncWrite + Unpin) {
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
        request.extensions_mut().insert(self.connection.clone());
        Answering {
            // An axum router is always ready.
            future: self.router.clone().call(request),
            request: Some(self.connection.begins_request()),
        }
    }
}

pin_project! {
    struct Answering {
        #[pin]
        future: RouteFuture<Infallible>,
        request: Option<UnderWay>,
    }
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match ready!(this.future.poll(context)) {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let request = this.request.take().expect("it is polled until it is done");
        Poll::Ready(Ok(response.map(|body| Answer::new(body, request))))
    }
}
