//! Listens, and stops gracefully. Our own loop because `axum::serve` has no time-outs: a connection
//! that sends half a header would stay open for good, and stopping would wait for it for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt;

/// How long and how much the server puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A header that has not arrived by then closes the connection; so does an idle one.
    pub header_within: Duration,
    /// Requests under way may finish for this long after the signal to stop.
    pub drain_within: Duration,
    /// Connections at a time; the next ones wait to be accepted.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_within: Duration::from_secs(10),
            drain_within: Duration::from_secs(25),
            connections: 4_096,
        }
    }
}

/// The request line and the headers together.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Out of file descriptors, say: the next try may work.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Closes the connection that a request came on; every request has it among its extensions.
#[derive(Clone, Default)]
pub(super) struct Hangup(Arc<Notify>);

impl Hangup {
    /// Closes it, in the middle of an answer too: a body that ends in an error does as much, but only
    /// where the client still reads.
    pub(super) fn hang_up(&self) {
        self.0.notify_one();
    }
}

/// Serves until `stop` is done, then lets what is under way finish.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_within)
        .max_buf_size(HEAD_BYTES_MAX);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("it is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        let hangup = Hangup::default();
        let given = hangup.clone();
        let with_hangup = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(given.clone());
            request
        };
        let service = TowerToHyperService::new(router.clone().map_request(with_hangup));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            tokio::select! {
                // A client that breaks off is no news.
                _ = connection => {}
                () = hangup.0.notified() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tracing::info!("stopping");
    tokio::select! {
        () = graceful.shutdown() => tracing::info!("stopped"),
        () = tokio::time::sleep(limits.drain_within) => tracing::warn!("stopped with requests under way"),
    }
    Ok(())
}
