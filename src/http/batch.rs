//! `/api/v1/batch`: streams an input file through the batch look-up. Output rows are sent while
//! input rows arrive. The code and the output are the same as for `catchment batch`.
//!
//! An error before the first output row is sent as a problem response. A later error aborts the
//! response body, so that the client can detect that the output is incomplete. The summary is sent
//! as a trailer or, with a ticket, as the response to the upload.

mod check;
mod errors;
pub(super) mod form;
mod params;
pub(super) mod stream;
pub(crate) mod summary;
mod tickets;

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

use self::params::{BatchOptions, BatchParams, DeclaredContent};
use self::stream::{BatchPipe, ResponseWriter, SUMMARY_TRAILER, StreamingBody, UploadReader};
use self::tickets::{TicketRegistry, UploadHalf};
use super::App;
use super::admission::fair_semaphore::{
    AcquireError, ConcurrencyPermit, FairSemaphore, SemaphoreLimits,
};
use super::admission::{AdmissionControl, ClientId, KeyId};
use super::extract::PathParams;
use super::locate::NO_STORE;
use super::problem::Problem;
use super::query_params::{NoParams, Query};
use super::request_context::RequestContext;
use super::request_id::RequestId;
use super::server::Connection;
use crate::wire::summary::summary_body;
use catchment_batch::{
    BatchError, BatchFormat, BatchInput, BatchProgress, Compression, Delimiter, DetectedFormat,
    TabularError,
};

/// The limits of batches over HTTP.
#[derive(Debug, Clone)]
pub struct BatchLimits {
    /// The maximum size of the request body in bytes, before decompression.
    pub bytes_max: u64,
    /// The maximum number of batches that are processed at the same time. Further batches are
    /// queued.
    pub concurrent_jobs_max: usize,
    /// The maximum number of batches from one client that are processed at the same time.
    pub concurrent_jobs_per_client_max: usize,
    /// The maximum time for which a batch is queued. After this time, the batch is rejected.
    pub queue_timeout: Duration,
    /// The number of threads for each batch.
    pub threads_per_job: NonZeroUsize,
    /// The period over which the combined rate of upload and download must exceed 1,000 bytes a
    /// second. A slower batch is aborted.
    pub stall_timeout: Duration,
    /// The minimum average rate, in bytes a second, at which a client must send its input and read
    /// its output. The average is over the time that the service spends waiting for the client. A
    /// batch with a slower client is aborted.
    pub bytes_per_second_min: u64,
    /// The time that the service spends waiting for the client before the average rate is checked.
    pub rate_grace: Duration,
    /// The same as `rate_grace`, but for the case that other batches are queued.
    pub rate_grace_if_queued: Duration,
    /// The maximum duration of a batch. A longer batch is aborted.
    pub job_timeout: Duration,
}

impl Default for BatchLimits {
    fn default() -> BatchLimits {
        let cpu_count = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        BatchLimits {
            // 60 million rows of 12 columns take 7 GB.
            bytes_max: 16 << 30,
            concurrent_jobs_max: 4,
            concurrent_jobs_per_client_max: 2,
            // The timeout is twice `rate_grace_if_queued`.
            queue_timeout: Duration::from_secs(30),
            // Half of the CPUs are left for single look-ups.
            threads_per_job: NonZeroUsize::new(cpu_count.get() / 2).unwrap_or(NonZeroUsize::MIN),
            stall_timeout: Duration::from_secs(60),
            // The minimum is a fiftieth of the rate of a 4 Mbit/s connection.
            bytes_per_second_min: 10_000,
            rate_grace: Duration::from_secs(60),
            rate_grace_if_queued: Duration::from_secs(15),
            // 60 million rows take an hour over a 20 Mbit/s connection.
            job_timeout: Duration::from_secs(4 * 60 * 60),
        }
    }
}

/// The maximum number of queued batches for each permit.
const QUEUED_PER_PERMIT: usize = 8;
/// The maximum number of queued batches from one client.
const QUEUED_PER_CLIENT: usize = 16;

/// The media type of an Arrow stream, as registered with IANA.
const ARROW_STREAM_TYPE: &str = "application/vnd.apache.arrow.stream";

/// The log target of audit events. One event is logged for each batch whose input was read. The
/// event is logged at every log level.
pub(crate) const AUDIT_TARGET: &str = "catchment::audit";

/// The maximum time for which the start of the response waits for the first output rows. The wait
/// is limited because a client may send the rest of its input only after it has seen the start of
/// the response.
const FIRST_ROWS_TIMEOUT: Duration = Duration::from_secs(1);

/// The value of `Retry-After` if the queue is full, in seconds.
const RETRY_AFTER_S: u16 = 10;

/// The batches in progress, and their limits. Clones share the same state.
#[derive(Clone)]
pub(super) struct BatchJobs {
    limits: Arc<BatchLimits>,
    permits: FairSemaphore,
    tickets: Arc<TicketRegistry>,
}

impl BatchJobs {
    pub(super) fn new(limits: BatchLimits) -> BatchJobs {
        BatchJobs {
            permits: FairSemaphore::new(SemaphoreLimits {
                permits: limits.concurrent_jobs_max,
                permits_per_client: limits.concurrent_jobs_per_client_max,
                queue_length: limits.concurrent_jobs_max.saturating_mul(QUEUED_PER_PERMIT),
                queue_length_per_client: QUEUED_PER_CLIENT,
            }),
            tickets: Arc::new(TicketRegistry::new(limits.stall_timeout)),
            limits: Arc::new(limits),
        }
    }

    /// Returns the number of batches in progress.
    pub(super) fn active_count(&self) -> usize {
        self.permits.acquired()
    }

    /// Returns the number of batches that wait for a permit.
    pub(super) fn queued_count(&self) -> usize {
        self.permits.queued()
    }

    /// Waits in the queue for a permit. The request body is not read before the permit is granted.
    async fn acquire_permit(
        &self,
        client: ClientId,
        admission_control: &AdmissionControl,
    ) -> Result<ConcurrencyPermit, Problem> {
        let reject = |error| admission_control.reject_with_retry_after(error, RETRY_AFTER_S);
        let permit_request = self.permits.acquire_or_queue(client).map_err(reject)?;
        let permit = tokio::time::timeout(self.limits.queue_timeout, permit_request.wait()).await;
        permit.unwrap_or(Err(AcquireError::Full)).map_err(reject)
    }

    /// Rejects a request whose `Content-Length` exceeds the limit, before its body is read.
    fn check_content_length(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match length {
            Some(length) if length > self.limits.bytes_max => {
                Err(Problem::too_large(self.limits.bytes_max))
            }
            _ => Ok(()),
        }
    }
}

/// `POST /api/v1/batch`: the output rows, or the summary if there is a ticket.
pub(super) async fn post(
    State(app): State<App>,
    Query(options): Query<BatchOptions>,
    request: Request,
) -> Result<Response, Problem> {
    let declared = DeclaredContent::from_headers(request.headers())?;
    let selection = options.dataset_selection();
    let context = RequestContext::new(&app, &selection)?;
    let batch_params = BatchParams::new(options, &declared, context.index())?;
    app.batch_jobs.check_content_length(request.headers())?;
    let upload_half_result = batch_params
        .ticket
        .map(|ticket| app.batch_jobs.tickets.register(ticket));
    // The ticket is registered before the batch is queued, so that the download waits as long as
    // the upload does.
    let upload_half = upload_half_result.transpose()?;
    let permit = app
        .batch_jobs
        .acquire_permit(client_id(&request), &app.admission_control)
        .await?;
    let connection = request.extensions().get::<Connection>().cloned();
    let accepts_trailers = accepts_trailers(request.headers());
    let job = BatchJob {
        context,
        params: batch_params,
        content_encoding: declared.content_encoding,
        limits: Arc::clone(&app.batch_jobs.limits),
        permits: app.batch_jobs.permits.clone(),
        audit: AuditContext::of_request(&request),
        _permit: permit,
    };
    let start = job.start(request.into_body(), declared.content_type);
    match (start.await?, upload_half) {
        (JobStart::Checked(body), _) => Ok((NO_STORE, Json(body)).into_response()),
        (JobStart::Streaming(batch_response, _), None) => {
            Ok(batch_response.into_http(connection.as_ref(), accepts_trailers))
        }
        (JobStart::Streaming(batch_response, summary_rx), Some(upload_half)) => {
            respond_via_ticket(*batch_response, summary_rx, upload_half).await
        }
    }
}

/// Returns the client that the admission middleware identified. Without that middleware, all
/// requests are treated as requests from one client.
fn client_id(request: &Request) -> ClientId {
    let client = request.extensions().get().copied();
    client.unwrap_or_default()
}

/// Sends the output rows to the request that downloads with the ticket, and returns the summary as
/// the response to the upload.
async fn respond_via_ticket(
    batch_response: BatchResponse,
    summary_rx: SummaryReceiver,
    upload_half: UploadHalf,
) -> Result<Response, Problem> {
    upload_half.deliver(batch_response).await?;
    // The sender is dropped without a result only if the batch panics.
    let summary = summary_rx.await.unwrap_or_else(|_| Err(job_panicked()))?;
    Ok((NO_STORE, Json(summary)).into_response())
}

/// `GET /api/v1/batch/{ticket}`: the output rows of a batch that another request uploads.
pub(super) async fn download(
    State(app): State<App>,
    PathParams(ticket): PathParams<String>,
    _: Query<NoParams>,
    request: Request,
) -> Result<Response, Problem> {
    let mut batch_response = app.batch_jobs.tickets.claim(ticket.parse()?).await?;
    // The link that starts the download specifies a file name. A file name in the header would take
    // precedence over the name in the link.
    batch_response.has_file_name = false;
    let connection = request.extensions().get::<Connection>();
    Ok(batch_response.into_http(connection, accepts_trailers(request.headers())))
}

fn job_panicked() -> Problem {
    Problem::internal("processing a batch panicked")
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let te_values = headers.get_all(header::TE).iter();
    te_values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// The properties of a batch request that the audit log records.
#[derive(Clone)]
struct AuditContext {
    request_id: RequestId,
    key: Option<KeyId>,
}

impl AuditContext {
    fn of_request(request: &Request) -> AuditContext {
        let extensions = request.extensions();
        AuditContext {
            request_id: extensions.get().cloned().unwrap_or_else(RequestId::new),
            key: extensions.get().cloned(),
        }
    }

    fn key_id(&self) -> &str {
        self.key.as_ref().map_or("none", |key| &key.0)
    }
}

/// A batch that has a permit.
struct BatchJob {
    context: RequestContext,
    params: BatchParams,
    /// The `Content-Encoding` of the request.
    content_encoding: Option<Compression>,
    limits: Arc<BatchLimits>,
    /// The semaphore of all batches, to read the number of queued batches.
    permits: FairSemaphore,
    audit: AuditContext,
    /// The permit is released when the batch has ended.
    _permit: ConcurrencyPermit,
}

/// The receiver of the result of a batch: the summary or the error.
type SummaryReceiver = oneshot::Receiver<Result<Value, Problem>>;

/// The state of a batch after its input format has been detected.
enum JobStart {
    /// The result of a dry run (`check`).
    Checked(Value),
    /// The output rows are being written.
    Streaming(Box<BatchResponse>, SummaryReceiver),
}

/// The report of the blocking thread before the first output row.
enum Inspection {
    Checked(Value),
    Accepted(Box<DetectedFormat>),
}

impl BatchJob {
    /// Detects the input format, then processes the rows in the background.
    async fn start(
        self,
        body: Body,
        content_type: Option<&'static str>,
    ) -> Result<JobStart, Problem> {
        let BatchPipe {
            reader,
            writer,
            response_body,
            pump,
            first_rows,
        } = BatchPipe::new(body, &self.limits, &self.permits, &self.audit.request_id);
        let (inspection_tx, inspection_rx) = oneshot::channel();
        let (summary_tx, mut summary_rx) = oneshot::channel();
        let compression = self.params.request.compression;
        tokio::spawn(pump.run());
        tokio::task::spawn_blocking(move || self.run(reader, writer, inspection_tx, summary_tx));
        // The sender is dropped without a result only if the batch panics.
        match inspection_rx
            .await
            .unwrap_or_else(|_| Err(job_panicked()))?
        {
            Inspection::Checked(body) => Ok(JobStart::Checked(body)),
            Inspection::Accepted(detected) => {
                // If a batch fails at its first rows, the response is a problem instead of a
                // truncated output.
                let summary_rx = tokio::select! {
                    biased;
                    result = &mut summary_rx => {
                        let (replay_tx, summary_rx) = oneshot::channel();
                        let summary = result.unwrap_or_else(|_| Err(job_panicked()))?;
                        let _ = replay_tx.send(Ok(summary));
                        summary_rx
                    }
                    // If the batch fails before its first rows, `select!` disables this branch, and
                    // `summary_rx` receives the error.
                    Ok(()) = first_rows => summary_rx,
                    () = tokio::time::sleep(FIRST_ROWS_TIMEOUT) => summary_rx,
                };
                let batch_response = BatchResponse {
                    detected: *detected,
                    compression,
                    content_type,
                    has_file_name: true,
                    body: response_body,
                };
                Ok(JobStart::Streaming(Box::new(batch_response), summary_rx))
            }
        }
    }

    /// Detects the input format, then processes the rows. Blocks the current thread.
    fn run(
        self,
        reader: UploadReader,
        writer: ResponseWriter,
        inspection_tx: oneshot::Sender<Result<Inspection, Problem>>,
        summary_tx: oneshot::Sender<Result<Value, Problem>>,
    ) {
        let started = Instant::now();
        let inspected = self.inspect(reader);
        let (inspection, input) = match inspected {
            Ok((inspection, input)) => (Ok(inspection), input),
            Err(error) => (Err(error), None),
        };
        // If the receiver has been dropped, the client has disconnected.
        if let (Ok(()), Some(input)) = (inspection_tx.send(inspection).map_err(drop), input) {
            let summary = self.process(input, writer, started);
            let _ = summary_tx.send(summary);
        }
    }

    /// Returns the report to send and, unless this is a dry run, the input.
    fn inspect(
        &self,
        reader: UploadReader,
    ) -> Result<(Inspection, Option<BatchInput<UploadReader>>), Problem> {
        let request = &self.params.request;
        let log_and_convert = |error: BatchError| {
            tracing::info!(
                target: AUDIT_TARGET,
                request_id = self.audit.request_id.as_str(),
                key = self.audit.key_id(),
                dataset = self.context.index().manifest().version,
                code = errors::code(&error),
                "batch rejected"
            );
            errors::to_problem(&error, self.limits.bytes_max)
        };
        let input = BatchInput::open(reader, request).map_err(log_and_convert)?;
        let detected = input.detected().clone();
        if self
            .content_encoding
            .is_some_and(|declared| declared != detected.compression)
        {
            let detail = "the compression of the input file does not match Content-Encoding";
            return Err(Problem::bad_request("content_encoding_mismatch", detail));
        }
        if self.params.check {
            let index = self.context.index();
            let rows = catchment_batch::preview(index, input, request, check::PREVIEW_ROWS)
                .map_err(log_and_convert)?;
            let body = check::body(&detected, request, index, &rows);
            return Ok((Inspection::Checked(body), None));
        }
        Ok((Inspection::Accepted(Box::new(detected)), Some(input)))
    }

    /// Processes the whole input, and returns the summary.
    fn process(
        &self,
        input: BatchInput<UploadReader>,
        mut writer: ResponseWriter,
        started: Instant,
    ) -> Result<Value, Problem> {
        let (index, request) = (self.context.index(), &self.params.request);
        let progress = BatchProgress::default();
        let threads = self.limits.threads_per_job;
        let run_result =
            catchment_batch::run(index, input, request, &mut writer, threads, &progress);
        let result = run_result.and_then(|summary| {
            let suppression = self.params.suppression;
            let body = summary_body(&summary, index, request.as_of, suppression);
            if self.params.summary_is_last {
                let line = json!({ "catchment_summary": body }).to_string();
                writer.write_line(&line).map_err(TabularError::Write)?;
            }
            Ok((summary, body))
        });
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok((summary, body)) => {
                writer.finish(Some(summary::trailer_value(&body)));
                tracing::info!(
                    target: AUDIT_TARGET,
                    request_id = self.audit.request_id.as_str(),
                    key = self.audit.key_id(),
                    dataset = index.manifest().version,
                    rows = summary::rounded_count(summary.rows),
                    bad_rows = summary::rounded_count(summary.bad_rows),
                    status = summary::status_counts(&summary),
                    duration_ms,
                    "batch completed"
                );
                Ok(body)
            }
            Err(error) => {
                tracing::info!(
                    target: AUDIT_TARGET,
                    request_id = self.audit.request_id.as_str(),
                    key = self.audit.key_id(),
                    dataset = index.manifest().version,
                    code = errors::code(&error),
                    rows = summary::rounded_count(progress.rows()),
                    duration_ms,
                    "batch aborted"
                );
                Err(errors::to_problem(&error, self.limits.bytes_max))
            }
        }
    }
}

/// The output of a batch, ready to be sent as a response.
struct BatchResponse {
    detected: DetectedFormat,
    compression: Compression,
    /// The `Content-Type` of the request, repeated in the response.
    content_type: Option<&'static str>,
    /// Whether the response specifies a file name. The file name is never the name of the uploaded
    /// file, because that name could identify a patient.
    has_file_name: bool,
    body: StreamingBody,
}

impl BatchResponse {
    /// Converts the output to a response on `connection`, with the summary as a trailer if the
    /// client accepts trailers.
    fn into_http(self, connection: Option<&Connection>, accepts_trailers: bool) -> Response {
        let is_tsv = self.detected.delimiter == Some(Delimiter::TAB);
        let is_tsv = match self.detected.format.is_workbook() {
            true => self.detected.output_delimiter == Some(Delimiter::TAB),
            false => is_tsv,
        };
        let (detected_type, extension) = match self.detected.output_format {
            BatchFormat::Xlsx => (params::XLSX_TYPE, "xlsx"),
            BatchFormat::Xlsm => (params::XLSM_TYPE, "xlsm"),
            BatchFormat::Ndjson => ("application/x-ndjson", "ndjson"),
            BatchFormat::Csv if is_tsv => ("text/tab-separated-values", "tsv"),
            BatchFormat::Csv => ("text/csv", "csv"),
            BatchFormat::Arrow => (ARROW_STREAM_TYPE, "arrows"),
            BatchFormat::Parquet => unreachable!(
                "Parquet is rejected: it is read from its end, and a stream cannot seek"
            ),
        };
        let headers = [
            (
                header::CONTENT_TYPE,
                self.content_type
                    .filter(|_| self.detected.output_format == self.detected.format)
                    .unwrap_or(detected_type),
            ),
            // This header prevents proxies from buffering the whole response.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        self.body.set_connection(connection);
        let mut response = (NO_STORE, headers, Body::new(self.body)).into_response();
        let response_headers = response.headers_mut();
        response_headers.insert(
            header::CONTENT_DISPOSITION,
            match self.has_file_name {
                true => {
                    HeaderValue::from_str(&format!("attachment; filename=\"answered.{extension}\""))
                        .expect("printable ASCII")
                }
                false => HeaderValue::from_static("attachment"),
            },
        );
        if self.compression != Compression::None {
            let content_encoding = HeaderValue::from_str(&self.compression.to_string());
            response_headers.insert(
                header::CONTENT_ENCODING,
                content_encoding.expect("an ASCII token"),
            );
        }
        if accepts_trailers {
            response_headers.insert(header::TRAILER, HeaderValue::from(SUMMARY_TRAILER));
        }
        response
    }
}
