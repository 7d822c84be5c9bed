//! `/api/v1/batch`: a list of any length, answered row for row while it is sent, by the same code and
//! with the same bytes as `catchment batch`.
//!
//! A fault that is known before the first row is answered is a problem; after that, the answers break
//! off without their end. The summary is a trailer, or with a ticket the answer to the one who sends.

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

/// What the service allows lists.
#[derive(Debug, Clone)]
pub struct BatchLimits {
    /// The bytes of a list, as they are sent.
    pub bytes: u64,
    /// Lists at a time; others wait for their turn.
    pub lists: usize,
    /// Lists of one client at a time.
    pub lists_per_client: usize,
    /// A list waits for its turn for so long, and is then refused.
    pub queue_within: Duration,
    /// Threads that work on a list.
    pub threads: NonZeroUsize,
    /// A list of which hardly anything moves for so long is given up: fewer than a thousand bytes a
    /// second, in and out together.
    pub stalled_after: Duration,
    /// Bytes a second that a client sends while it is waited for, and that it takes, each on average; a slower list
    /// is given up. The time that the service itself takes does not count.
    pub rate_min: u64,
    /// The average counts when the client has been waited for so long.
    pub rate_after: Duration,
    /// And so long where others wait for a place.
    pub rate_after_if_queued: Duration,
    /// A list has been answered by then, or is given up.
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
            // Twice as long as a client may be slow while others wait.
            queue_within: Duration::from_secs(30),
            // Look-ups of others want processors too.
            threads: NonZeroUsize::new(processors.get() / 2).unwrap_or(NonZeroUsize::MIN),
            stalled_after: Duration::from_secs(60),
            // A fiftieth of what a line of 4 Mbit/s carries.
            rate_min: 10_000,
            rate_after: Duration::from_secs(60),
            rate_after_if_queued: Duration::from_secs(15),
            // 60 million rows over a line of 20 Mbit/s take an hour.
            within: Duration::from_secs(4 * 60 * 60),
        }
    }
}

/// Lists that wait for a place, for each place that there is; and those of one client.
const QUEUED_PER_PLACE: usize = 8;
const QUEUED_PER_CLIENT: usize = 16;

/// A stream of Arrow, as IANA lists it.
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Whose lines are written whatever the level of the log: one for each list that was read.
pub(crate) const AUDIT: &str = "catchment::audit";

/// The status of a response waits so long for the first rows: a client may want an answer to the beginning
/// of its list before it sends any.
const FIRST_ROWS_WITHIN: Duration = Duration::from_secs(1);

/// Who is told to come again comes again after so many seconds.
const AGAIN_IN_S: u16 = 10;

/// The lists under way, and what they are allowed.
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

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.places.taken()
    }

    /// How many wait for a place.
    pub(super) fn queued(&self) -> usize {
        self.places.queued()
    }

    /// A place, when it is the client's turn. Nothing of the list is read before.
    async fn place(&self, client: ClientId, gate: &Gate) -> Result<Place, Problem> {
        let refused = |refusal| gate.refuse_for(refusal, AGAIN_IN_S);
        let entry = self.places.enter(client).map_err(refused)?;
        let place = tokio::time::timeout(self.limits.queue_within, entry.place()).await;
        place.unwrap_or(Err(Refusal::Full)).map_err(refused)
    }

    /// Whoever says beforehand that it is too much is told so before anything is sent.
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
    // Before the queue: whoever takes the answers waits for them as long.
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

/// The client that the guard found; all are one where there is no guard.
fn client_of(request: &Request) -> ClientId {
    let known = request.extensions().get().copied();
    known.unwrap_or_default()
}

/// Gives the answers to whoever has the ticket, and the summary to whoever sent the list.
async fn hand_over(ready: Ready, outcome: Outcome, offer: Offer) -> Result<Response, Problem> {
    offer.give(ready).await?;
    // It is dropped only by a panic.
    let summary = outcome.await.unwrap_or_else(|_| Err(panicked()))?;
    Ok((NO_STORE, Json(summary)).into_response())
}

/// `GET /api/v1/batch/{ticket}`: the answers to a list that another request sends.
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
    Problem::internal("answering a list panicked")
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::TE).iter();
    said.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// Who sends a list, as far as the log may know.
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

/// A list to be answered.
struct Job {
    snapshot: Snapshot,
    wanted: Wanted,
    /// How it is said to be packed.
    packed: Option<Compression>,
    limits: Arc<BatchLimits>,
    /// Where others may be waiting.
    places: Places,
    asker: Asker,
    /// Its place among the lists under way.
    _place: Place,
}

/// The summary, or why there is none; told when all is over.
type Outcome = oneshot::Receiver<Result<Value, Problem>>;

/// A list that was understood.
enum Begun {
    /// How.
    Checked(Value),
    /// Its answers are coming.
    Answering(Box<Ready>, Outcome),
}

/// What the threads tell before any answer.
enum Told {
    Checked(Value),
    Understood(Box<Understood>),
}

impl Job {
    /// Reads the beginning, and goes on by itself where the list can be answered.
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
        // It is dropped only by a panic.
        match told.await.unwrap_or_else(|_| Err(panicked()))? {
            Told::Checked(body) => Ok(Begun::Checked(body)),
            Told::Understood(understood) => {
                // A list that fails at its first rows gets a problem, and not a broken response.
                let outcome = tokio::select! {
                    biased;
                    ended = &mut outcome => {
                        let (tell, outcome) = oneshot::channel();
                        let summary = ended.unwrap_or_else(|_| Err(panicked()))?;
                        let _ = tell.send(Ok(summary));
                        outcome
                    }
                    // Where it fails there are none, and the outcome says why.
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

    /// On threads that may wait: understands the list, then answers it.
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
        // Where nobody waits, nobody wants the answers.
        if let (Ok(()), Some(intake)) = (tell.send(told).map_err(drop), intake) {
            let outcome = self.answer(intake, answering, started);
            let _ = tell_outcome.send(outcome);
        }
    }

    /// What is to be told of the list, and the list itself where it is to be answered.
    fn understand(&self, list: List) -> Result<(Told, Option<Intake<List>>), Problem> {
        let request = &self.wanted.request;
        let fault = |fault: BatchError| {
            tracing::info!(
                target: AUDIT,
                request_id = self.asker.request_id.as_str(),
                key = self.asker.key(),
                dataset = self.snapshot.index().manifest().version,
                code = faults::code(&fault),
                "a list was refused"
            );
            faults::problem(&fault, self.limits.bytes)
        };
        let intake = Intake::open(list, request).map_err(fault)?;
        let understood = intake.understood().clone();
        if self
            .packed
            .is_some_and(|said| said != understood.compression)
        {
            let detail = "the list is not packed as Content-Encoding says";
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

    /// Answers the list to its end.
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
                    "a list was answered"
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
                    "a list was not answered to its end"
                );
                Err(faults::problem(&fault, self.limits.bytes))
            }
        }
    }
}

/// Answers that can be sent.
struct Ready {
    understood: Understood,
    compression: Compression,
    /// As the list was announced.
    content_type: Option<&'static str>,
    answers: Answers,
}

impl Ready {
    /// To a connection, with the summary behind them where it takes trailers.
    fn response(self, connection: Option<&Connection>, takes_trailers: bool) -> Response {
        let is_tsv = self.understood.delimiter == Some(Delimiter::TAB);
        let (found, extension) = match self.understood.format {
            Format::Ndjson => ("application/x-ndjson", "ndjson"),
            Format::Csv if is_tsv => ("text/tab-separated-values", "tsv"),
            Format::Csv => ("text/csv", "csv"),
            Format::Arrow => (ARROW, "arrows"),
            Format::Parquet => unreachable!("it is refused: a stream has no end to begin with"),
        };
        let disposition = format!("attachment; filename=\"answered.{extension}\"");
        let headers = [
            (header::CONTENT_TYPE, self.content_type.unwrap_or(found)),
            (header::CONTENT_DISPOSITION, disposition.as_str()),
            // For proxies that would gather the answers before they send any.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        self.answers.taken_by(connection);
        let mut response = (NO_STORE, headers, Body::new(self.answers)).into_response();
        let also = response.headers_mut();
        if self.compression != Compression::None {
            let packed = HeaderValue::from_str(&self.compression.to_string());
            also.insert(header::CONTENT_ENCODING, packed.expect("a word"));
        }
        if takes_trailers {
            also.insert(header::TRAILER, HeaderValue::from(SUMMARY));
        }
        response
    }
}
