//! `/api/v1/batch`: streams an input file of any length through the batch look-up. Output rows are
//! sent while input rows arrive; the code and the bytes are those of `catchment batch`.
//!
//! An error that is found before the first output row is a problem response. After that, the
//! response body is cut off, so that clients see it as incomplete. The summary is a trailer or,
//! with a ticket, the response to the upload.

mod check;
mod faults;
pub(super) mod form;
pub(super) mod stream;
pub(crate) mod summary;
mod tickets;
mod wanted;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::stream::{Answering, Answers, Bridge, List, SUMMARY};
use self::tickets::{Offer, Tickets};
use self::wanted::{Announced, PARAMETERS, Wanted};
use super::App;
use super::access::places::{Place, PlaceLimits, Places, Refusal};
use super::access::{ClientId, Gate, KeyId};
use super::input::{Segments, query_fields};
use super::locate::NO_STORE;
use super::problem::Problem;
use super::request_id::RequestId;
use super::server::Connection;
use super::snapshot::Snapshot;
use crate::batch::{
    self, BatchError, Compression, Delimiter, Format, Intake, Progress, Understood,
};

/// Limits on batches over HTTP.
#[derive(Debug, Clone)]
pub struct BatchLimits {
    /// The longest request body, in bytes as sent (before decompression).
    pub bytes: u64,
    /// Batches that are processed at the same time; others are queued.
    pub lists: usize,
    /// Batches of one client that are processed at the same time.
    pub lists_per_client: usize,
    /// How long a batch is queued before it is rejected.
    pub queue_within: Duration,
    /// Threads for each batch.
    pub threads: NonZeroUsize,
    /// A batch is aborted when upload and download together move fewer than 1,000 bytes a second
    /// for this long.
    pub stalled_after: Duration,
    /// The lowest average rate, in bytes a second, at which a client may send or read. A slower
    /// batch is aborted. Only time spent waiting for the client counts.
    pub rate_min: u64,
    /// The rate is checked once the service has waited this long for the client.
    pub rate_after: Duration,
    /// The same while other batches are queued.
    pub rate_after_if_queued: Duration,
    /// The longest time that a batch may take; after that it is aborted.
    pub within: Duration,
}

impl Default for BatchLimits {
    fn default() -> BatchLimits {
        let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        BatchLimits {
            // 60 million rows of 12 columns are 7 GB.
            bytes: 16 << 30,
            lists: 4,
            lists_per_client: 2,
            // Twice `rate_grace_if_queued`.
            queue_within: Duration::from_secs(30),
            // Leaves CPUs for single look-ups.
            threads: NonZeroUsize::new(processors.get() / 2).unwrap_or(NonZeroUsize::MIN),
            stalled_after: Duration::from_secs(60),
            // A fiftieth of a 4 Mbit/s connection.
            rate_min: 10_000,
            rate_after: Duration::from_secs(60),
            rate_after_if_queued: Duration::from_secs(15),
            // 60 million rows take an hour over a 20 Mbit/s connection.
            within: Duration::from_secs(4 * 60 * 60),
        }
    }
}

/// Queued batches for each permit, and for each client.
const QUEUED_PER_PLACE: usize = 8;
const QUEUED_PER_CLIENT: usize = 16;

/// The media type of an Arrow stream, as registered with IANA.
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// The target of audit events, which are logged at every log level: one for each batch that was
/// read.
pub(crate) const AUDIT: &str = "catchment::audit";

/// How long the response status waits for the first output rows. A client may send the rest of its
/// input only after it has seen a response, so the wait must end.
const FIRST_ROWS_WITHIN: Duration = Duration::from_secs(1);

/// `Retry-After` when the queue is full, in seconds.
const AGAIN_IN_S: u16 = 10;

/// The batches in progress, and their limits. Clones share the same state.
#[derive(Clone)]
pub(super) struct Lists {
    limits: Arc<BatchLimits>,
    places: Places,
    tickets: Arc<Tickets>,
}

impl Lists {
    pub(super) fn new(limits: BatchLimits) -> Lists {
        Lists {
            places: Places::new(PlaceLimits {
                places: limits.lists,
                places_per_client: limits.lists_per_client,
                queue: limits.lists.saturating_mul(QUEUED_PER_PLACE),
                queue_per_client: QUEUED_PER_CLIENT,
            }),
            tickets: Arc::new(Tickets::new(limits.stalled_after)),
            limits: Arc::new(limits),
        }
    }

    /// The number of batches in progress.
    pub(super) fn under_way(&self) -> usize {
        self.places.taken()
    }

    /// The number of batches that wait for a permit.
    pub(super) fn queued(&self) -> usize {
        self.places.queued()
    }

    /// Waits in the queue for a permit. The request body is not read before.
    async fn place(&self, client: ClientId, gate: &Gate) -> Result<Place, Problem> {
        let refused = |refusal| gate.refuse_for(refusal, AGAIN_IN_S);
        let entry = self.places.enter(client).map_err(refused)?;
        let place = tokio::time::timeout(self.limits.queue_within, entry.place()).await;
        place.unwrap_or(Err(Refusal::Full)).map_err(refused)
    }

    /// Rejects a body whose `Content-Length` exceeds the limit before any of it is sent.
    fn expect_length(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match length {
            Some(length) if length > self.limits.bytes => {
                Err(Problem::too_large(self.limits.bytes))
            }
            _ => Ok(()),
        }
    }
}

/// `POST /api/v1/batch`.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let fields = query_fields(request.uri(), PARAMETERS)?;
    let announced = Announced::by(request.headers())?;
    let wanted = Wanted::of(&fields, &announced)?;
    let snapshot = Snapshot::of(&app, &fields)?;
    app.lists.expect_length(request.headers())?;
    let offered = wanted.ticket.map(|ticket| app.lists.tickets.offer(ticket));
    // Registered before the queue, so that the download waits as long as the upload does.
    let offer = offered.transpose()?;
    let place = app.lists.place(client_of(&request), &app.gate).await?;
    let connection = request.extensions().get::<Connection>().cloned();
    let takes_trailers = takes_trailers(request.headers());
    let job = Job {
        snapshot,
        wanted,
        packed: announced.packed,
        limits: Arc::clone(&app.lists.limits),
        places: app.lists.places.clone(),
        asker: Asker::of(&request),
        _place: place,
    };
    let begun = job.begin(request.into_body(), announced.content_type);
    match (begun.await?, offer) {
        (Begun::Checked(body), _) => Ok((NO_STORE, Json(body)).into_response()),
        (Begun::Answering(ready, _), None) => {
            Ok(ready.response(connection.as_ref(), takes_trailers))
        }
        (Begun::Answering(ready, outcome), Some(offer)) => hand_over(*ready, outcome, offer).await,
    }
}

/// The client as identified by the admission middleware. Without it, all requests are one client.
fn client_of(request: &Request) -> ClientId {
    let known = request.extensions().get().copied();
    known.unwrap_or_default()
}

/// Sends the output rows to the download request with the ticket, and returns the summary as the
/// response to the upload.
async fn hand_over(ready: Ready, outcome: Outcome, offer: Offer) -> Result<Response, Problem> {
    offer.give(ready).await?;
    // The sender is dropped only by a panic.
    let summary = outcome.await.unwrap_or_else(|_| Err(panicked()))?;
    Ok((NO_STORE, Json(summary)).into_response())
}

/// `GET /api/v1/batch/{ticket}`: the output rows of a batch that another request uploads.
pub(super) async fn take(
    State(app): State<App>,
    Segments(ticket): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    query_fields(request.uri(), &[])?;
    let ready = app.lists.tickets.take(ticket.parse()?).await?;
    let connection = request.extensions().get::<Connection>();
    Ok(ready.response(connection, takes_trailers(request.headers())))
}

fn panicked() -> Problem {
    Problem::internal("processing a batch panicked")
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::TE).iter();
    said.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// What the audit log records about the sender of a batch.
#[derive(Clone)]
struct Asker {
    request_id: RequestId,
    key: Option<KeyId>,
}

impl Asker {
    fn of(request: &Request) -> Asker {
        let known = request.extensions();
        Asker {
            request_id: known.get().cloned().unwrap_or_else(RequestId::new),
            key: known.get().cloned(),
        }
    }

    fn key(&self) -> &str {
        self.key.as_ref().map_or("none", |key| &key.0)
    }
}

/// A batch that has a permit.
struct Job {
    snapshot: Snapshot,
    wanted: Wanted,
    /// The `Content-Encoding` of the request.
    packed: Option<Compression>,
    limits: Arc<BatchLimits>,
    /// For the number of queued batches.
    places: Places,
    asker: Asker,
    /// Held until the batch is done.
    _place: Place,
}

/// Receives the summary, or the error, when the batch has ended.
type Outcome = oneshot::Receiver<Result<Value, Problem>>;

/// A batch whose input format was detected.
enum Begun {
    /// The result of a dry run (`check`).
    Checked(Value),
    /// The output rows are being written.
    Answering(Box<Ready>, Outcome),
}

/// What the blocking thread reports before the first output row.
enum Told {
    Checked(Value),
    Understood(Box<Understood>),
}

impl Job {
    /// Detects the input format, then processes the rows in the background.
    async fn begin(self, body: Body, content_type: Option<&'static str>) -> Result<Begun, Problem> {
        let Bridge {
            list,
            answering,
            answers,
            carrier,
            rows,
        } = Bridge::new(body, &self.limits, &self.places, &self.asker.request_id);
        let (tell, told) = oneshot::channel();
        let (tell_outcome, mut outcome) = oneshot::channel();
        let compression = self.wanted.request.compression;
        tokio::spawn(carrier.carry());
        tokio::task::spawn_blocking(move || self.work(list, answering, tell, tell_outcome));
        // The sender is dropped only by a panic.
        match told.await.unwrap_or_else(|_| Err(panicked()))? {
            Told::Checked(body) => Ok(Begun::Checked(body)),
            Told::Understood(understood) => {
                // A batch that fails at its first rows gets a problem, not a truncated response.
                let outcome = tokio::select! {
                    biased;
                    ended = &mut outcome => {
                        let (tell, outcome) = oneshot::channel();
                        let summary = ended.unwrap_or_else(|_| Err(panicked()))?;
                        let _ = tell.send(Ok(summary));
                        outcome
                    }
                    // If the batch fails there are no rows, and `summary_rx` receives the error.
                    Ok(()) = rows => outcome,
                    () = tokio::time::sleep(FIRST_ROWS_WITHIN) => outcome,
                };
                let ready = Ready {
                    understood: *understood,
                    compression,
                    content_type,
                    answers,
                };
                Ok(Begun::Answering(Box::new(ready), outcome))
            }
        }
    }

    /// Detects the input format, then processes the rows. Blocks.
    fn work(
        self,
        list: List,
        answering: Answering,
        tell: oneshot::Sender<Result<Told, Problem>>,
        tell_outcome: oneshot::Sender<Result<Value, Problem>>,
    ) {
        let started = Instant::now();
        let told = self.understand(list);
        let (told, intake) = match told {
            Ok((told, intake)) => (Ok(told), intake),
            Err(fault) => (Err(fault), None),
        };
        // If the receiver is gone, so is the client.
        if let (Ok(()), Some(intake)) = (tell.send(told).map_err(drop), intake) {
            let outcome = self.answer(intake, answering, started);
            let _ = tell_outcome.send(outcome);
        }
    }

    /// Returns what was detected, and the input unless this is a dry run.
    fn understand(&self, list: List) -> Result<(Told, Option<Intake<List>>), Problem> {
        let request = &self.wanted.request;
        let fault = |fault: BatchError| {
            tracing::info!(
                target: AUDIT,
                request_id = self.asker.request_id.as_str(),
                key = self.asker.key(),
                dataset = self.snapshot.index().manifest().version,
                code = faults::code(&fault),
                "batch rejected"
            );
            faults::problem(&fault, self.limits.bytes)
        };
        let intake = Intake::open(list, request).map_err(fault)?;
        let understood = intake.understood().clone();
        if self
            .packed
            .is_some_and(|said| said != understood.compression)
        {
            let detail = "the compression of the input file does not match Content-Encoding";
            return Err(Problem::bad_request("malformed", detail));
        }
        if self.wanted.check {
            let index = self.snapshot.index();
            let rows = batch::preview(index, intake, request, check::ROWS_SHOWN).map_err(fault)?;
            let body = check::body(&understood, request, index, &rows);
            return Ok((Told::Checked(body), None));
        }
        Ok((Told::Understood(Box::new(understood)), Some(intake)))
    }

    /// Processes the input to its end, and returns the summary.
    fn answer(
        &self,
        intake: Intake<List>,
        mut answering: Answering,
        started: Instant,
    ) -> Result<Value, Problem> {
        let (index, request) = (self.snapshot.index(), &self.wanted.request);
        let progress = Progress::default();
        let threads = self.limits.threads;
        let done = batch::run(index, intake, request, &mut answering, threads, &progress);
        let ended = done.and_then(|summary| {
            let suppression = self.wanted.suppression;
            let body = summary::body(&summary, index, request.as_of, suppression);
            if self.wanted.summary_is_last {
                let line = json!({ "catchment_summary": body }).to_string();
                answering.line(&line).map_err(BatchError::Write)?;
            }
            Ok((summary, body))
        });
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match ended {
            Ok((summary, body)) => {
                answering.end(Some(summary::header(&body)));
                tracing::info!(
                    target: AUDIT,
                    request_id = self.asker.request_id.as_str(),
                    key = self.asker.key(),
                    dataset = index.manifest().version,
                    rows = summary::shown(summary.rows),
                    bad_rows = summary::shown(summary.bad_rows),
                    status = summary::by_status(&summary),
                    duration_ms,
                    "batch completed"
                );
                Ok(body)
            }
            Err(fault) => {
                tracing::info!(
                    target: AUDIT,
                    request_id = self.asker.request_id.as_str(),
                    key = self.asker.key(),
                    dataset = index.manifest().version,
                    code = faults::code(&fault),
                    rows = summary::shown(progress.rows()),
                    duration_ms,
                    "batch aborted"
                );
                Err(faults::problem(&fault, self.limits.bytes))
            }
        }
    }
}

/// The output of a batch, ready to be sent as a response.
struct Ready {
    understood: Understood,
    compression: Compression,
    /// The `Content-Type` of the request, which the response repeats.
    content_type: Option<&'static str>,
    answers: Answers,
}

impl Ready {
    /// The response for `connection`, with the summary as a trailer if the client accepts trailers.
    fn response(self, connection: Option<&Connection>, takes_trailers: bool) -> Response {
        let is_tsv = self.understood.delimiter == Some(Delimiter::TAB);
        let (found, extension) = match self.understood.format {
            Format::Ndjson => ("application/x-ndjson", "ndjson"),
            Format::Csv if is_tsv => ("text/tab-separated-values", "tsv"),
            Format::Csv => ("text/csv", "csv"),
            Format::Arrow => (ARROW, "arrows"),
            Format::Parquet => unreachable!(
                "Parquet is rejected: it is read from its end, and a stream cannot seek"
            ),
        };
        let disposition = format!("attachment; filename=\"answered.{extension}\"");
        let headers = [
            (header::CONTENT_TYPE, self.content_type.unwrap_or(found)),
            (header::CONTENT_DISPOSITION, disposition.as_str()),
            // Keeps proxies from buffering the whole response.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        self.answers.taken_by(connection);
        let mut response = (NO_STORE, headers, Body::new(self.answers)).into_response();
        let also = response.headers_mut();
        if self.compression != Compression::None {
            let packed = HeaderValue::from_str(&self.compression.to_string());
            also.insert(header::CONTENT_ENCODING, packed.expect("an ASCII token"));
        }
        if takes_trailers {
            also.insert(header::TRAILER, HeaderValue::from(SUMMARY));
        }
        response
    }
}
