//! `/batch`: the page, and its form for browsers without JavaScript. With JavaScript, the page
//! calls the API.
//!
//! A browser sends the whole form before it reads the response, so the file is buffered in memory,
//! and its size is limited.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::BytesMut;
use futures_core::Stream;
use hyper::body::Frame;
use maud::Markup;
use multer::{Field, Multipart};

use super::super::App;
use super::super::negotiate;
use super::super::pages::{self, page_cache::CachedPage};
use super::super::problem::Problem;
use super::super::query_params::{NoParams, QueryParams};
use super::super::request_context::{DatasetRequest, RequestContext};
use super::super::server::Connection;
use super::params::{BatchOptions, BatchParams, DeclaredContent};
use super::stream::TransferMonitor;
use super::{AuditContext, BatchJob, JobStart, client_id};
use crate::http::drain::drain_body;
use crate::web::{self, BatchFormError, BatchPage};
use catchment_core::index::Index;
use catchment_core::request::RequestParams;

/// The maximum size of the file in a form.
const FILE_BYTES_MAX: usize = 32 << 20;
/// The maximum length of the value of any other field.
const FIELD_BYTES_MAX: usize = 4 << 10;
/// The maximum number of fields in a form. The service's own form has fewer fields.
const FIELDS_MAX: usize = 32;
/// The maximum size of part headers, boundaries and preamble together. multer buffers the headers
/// of a part until they have arrived completely.
const FRAMING_BYTES_MAX: u64 = 256 << 10;
/// The maximum length of the name of a field. The names in the service's own form are shorter.
const NAME_BYTES_MAX: usize = 64;
/// The size of the chunks in which the file is buffered. Each chunk is freed when it has been read.
const FILE_CHUNK_BYTES: usize = 64 << 10;

/// `GET /batch`: the page.
pub(in crate::http) async fn page(
    State(app): State<App>,
    DatasetRequest { context, .. }: DatasetRequest<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let encoding =
        negotiate::preferred_encoding(&headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let index = context.index();
    Ok(app.pages.response(CachedPage::Batch, index, encoding, || {
        form_page(index, None, &RequestParams::default())
    }))
}

/// `POST /batch`: the output as a file, or the page with an error message.
pub(in crate::http) async fn post(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let boundary = boundary(request.headers())?;
    let connection = request.extensions().get::<Connection>().cloned();
    let audit = AuditContext::of_request(&request);
    // If no permit is granted, the response does not contain the form. Many clients may be rejected
    // at the same time, and rendering the form for each client would delay look-ups.
    let permit = app
        .batch_jobs
        .acquire_permit(client_id(&request), &app.admission_control)
        .await?;
    if exceeds_size_limit(request.headers()) {
        let problem = Problem::too_large(FILE_BYTES_MAX as u64);
        return Ok(error_response(
            &app,
            problem,
            &RequestParams::default(),
            request.into_body(),
        ));
    }
    let traffic = TransferMonitor::default();
    let form = tokio::select! {
        form = read_form(request.into_body(), boundary, &traffic) => form?,
        _ = traffic.until_aborted(&app.batch_jobs.limits, &app.batch_jobs.permits) => return Err(Problem::timed_out()),
    };
    let fields = with_joined_columns(form.fields);
    let params = RequestParams::new(fields, &BatchOptions::form_fields())?;
    if form.file.is_empty() {
        let problem = Problem::unprocessable("empty", "choose a file that is not empty");
        return Ok(error_response(&app, problem, &params, Body::empty()));
    }
    let start = async {
        let options = BatchOptions::from_params(&params)?;
        let context = RequestContext::new(&app, &options.dataset_selection())?;
        let index = context.index();
        let params = BatchParams::new(options, &DeclaredContent::UNSPECIFIED, index)?;
        let job = BatchJob {
            context,
            params,
            content_encoding: None,
            limits: Arc::clone(&app.batch_jobs.limits),
            permits: app.batch_jobs.permits.clone(),
            audit,
            _permit: permit,
        };
        job.start(form.file.into_body(), None).await
    };
    match start.await {
        Ok(JobStart::Streaming(batch_response, _)) => {
            Ok(batch_response.into_http(connection.as_ref(), false))
        }
        Ok(JobStart::Checked(_)) => Err(Problem::internal("a form requested a dry run")),
        Err(problem) => Ok(error_response(&app, problem, &params, Body::empty())),
    }
}

/// Joins the fields with sets of columns into one list. There is one field for each ticked
/// checkbox.
fn with_joined_columns(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_columns = |(name, _): &(String, String)| name == web::COLUMNS_FIELD;
    let (columns, mut others): (Vec<_>, Vec<_>) = fields.into_iter().partition(is_columns);
    let sets: Vec<String> = columns.into_iter().map(|(_, set)| set).collect();
    if !sets.is_empty() {
        others.push((web::COLUMNS_FIELD.into(), sets.join(",")));
    }
    others
}

/// The contents of a form.
#[derive(Default)]
struct Form {
    fields: Vec<(String, String)>,
    file: FormFile,
}

/// The file of a form, in chunks. The bytes are copied, because the slices that multer returns
/// belong to larger allocations.
#[derive(Default)]
struct FormFile {
    chunks: Vec<BytesMut>,
    length: usize,
}

impl FormFile {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let free_bytes = self
                .chunks
                .last()
                .map_or(0, |chunk| chunk.capacity() - chunk.len());
            if free_bytes == 0 {
                self.chunks.push(BytesMut::with_capacity(FILE_CHUNK_BYTES));
                continue;
            }
            let (head, tail) = bytes.split_at(free_bytes.min(bytes.len()));
            if let Some(last) = self.chunks.last_mut() {
                last.extend_from_slice(head);
            }
            bytes = tail;
        }
    }

    /// Converts the file to a body whose chunks are freed as they are read.
    fn into_body(self) -> Body {
        Body::new(ChunkBody(self.chunks.into_iter()))
    }
}

struct ChunkBody(std::vec::IntoIter<BytesMut>);

impl HttpBody for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk.freeze()))))
    }
}

/// The body of a form, as a stream that limits the size of multer's buffer.
///
/// multer reads and buffers bytes for as long as the stream returns bytes. This stream therefore
/// returns `Pending` after each chunk, so that multer parses the chunk before it reads the next
/// chunk. If multer has buffered too many bytes, the stream fails.
struct MeteredBody<S> {
    body: S,
    bytes_in: u64,
    /// The number of bytes of field contents that have been read.
    field_bytes: Arc<AtomicU64>,
    must_yield: bool,
}

/// The error for a form that exceeds [`FRAMING_BYTES_MAX`].
#[derive(Debug)]
struct FramingTooLong;

impl fmt::Display for FramingTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the form has more than {FRAMING_BYTES_MAX} bytes outside the contents of its fields"
        )
    }
}

impl Error for FramingTooLong {}

impl<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin> Stream for MeteredBody<S> {
    type Item = Result<Bytes, Box<dyn Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.must_yield) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(bytes) = ready!(Pin::new(&mut self.body).poll_next(context)) else {
            return Poll::Ready(None);
        };
        let bytes = bytes?;
        self.must_yield = true;
        let buffered = self
            .bytes_in
            .saturating_sub(self.field_bytes.load(Ordering::Relaxed));
        self.bytes_in += bytes.len() as u64;
        Poll::Ready(Some(if buffered > FRAMING_BYTES_MAX {
            Err(Box::new(FramingTooLong))
        } else {
            Ok(bytes)
        }))
    }
}

async fn read_form(
    body: Body,
    boundary: String,
    traffic: &TransferMonitor,
) -> Result<Form, Problem> {
    // The whole time in which the form is read is counted as time spent waiting for the client.
    let _wait = traffic.wait_for_upload();
    let field_bytes = Arc::new(AtomicU64::new(0));
    let metered = MeteredBody {
        body: body.into_data_stream(),
        bytes_in: 0,
        field_bytes: Arc::clone(&field_bytes),
        must_yield: false,
    };
    let mut parts = Multipart::new(metered, boundary);
    let progress = FieldProgress {
        traffic,
        field_bytes,
    };
    let mut form = Form::default();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed_form)? {
        count += 1;
        if count > FIELDS_MAX {
            return Err(Problem::bad_request(
                "invalid_form",
                "the form has too many fields",
            ));
        }
        let name = part.name().unwrap_or_default().to_string();
        if name.len() > NAME_BYTES_MAX {
            let detail = "the name of a form field is too long";
            return Err(Problem::bad_request("invalid_form", detail));
        }
        if name == "file" {
            // If there are several files, the last file is used.
            form.file = FormFile::default();
            let add = |bytes: &[u8]| form.file.extend(bytes);
            read_field(part, FILE_BYTES_MAX, &progress, add).await?;
            continue;
        }
        let mut value = Vec::new();
        let add = |bytes: &[u8]| value.extend_from_slice(bytes);
        read_field(part, FIELD_BYTES_MAX, &progress, add).await?;
        let value = String::from_utf8_lossy(&value).trim().to_string();
        // For a field that was not filled in, browsers send an empty value.
        if !value.is_empty() {
            form.fields.push((name, value));
        }
    }
    Ok(form)
}

/// Counters of field contents that have been read, in bytes.
struct FieldProgress<'m> {
    traffic: &'m TransferMonitor,
    field_bytes: Arc<AtomicU64>,
}

/// Reads a whole field, and passes each chunk to `add`.
async fn read_field(
    mut part: Field<'static>,
    bytes_max: usize,
    progress: &FieldProgress<'_>,
    mut add: impl FnMut(&[u8]),
) -> Result<(), Problem> {
    let mut length = 0;
    while let Some(bytes) = part.chunk().await.map_err(malformed_form)? {
        progress.traffic.add_received(bytes.len());
        progress
            .field_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        length += bytes.len();
        if length > bytes_max {
            return Err(Problem::too_large(bytes_max as u64));
        }
        add(&bytes);
    }
    Ok(())
}

/// Returns the problem for a malformed form. The error from multer is not used, because the text of
/// that error may quote the form.
fn malformed_form(_: multer::Error) -> Problem {
    Problem::bad_request(
        "invalid_form",
        "the form is truncated or is not valid multipart/form-data",
    )
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(|text| multer::parse_boundary(text).ok());
    boundary.ok_or_else(|| Problem::unsupported_media_type("multipart/form-data"))
}

/// Returns whether `Content-Length` shows that the file is too large.
fn exceeds_size_limit(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > FILE_BYTES_MAX + FIELDS_MAX * FIELD_BYTES_MAX)
}

/// Returns a response with the page and an error message. The rest of the request body is read in
/// the background, because browsers read the response only after they have sent the whole body.
fn error_response(app: &App, problem: Problem, params: &RequestParams, unread: Body) -> Response {
    tokio::spawn(async move {
        let mut unread = unread;
        drain_body(&mut unread).await;
    });
    form_response(app, problem.status(), Some(&problem), params)
}

fn form_response(
    app: &App,
    status: StatusCode,
    problem: Option<&Problem>,
    params: &RequestParams,
) -> Response {
    let releases = app.loaded_datasets();
    let page = form_page(releases.current(), problem, params);
    pages::html(status, page)
}

fn form_page(index: &Index, problem: Option<&Problem>, params: &RequestParams) -> Markup {
    let page = BatchPage {
        error: problem.map(|problem| BatchFormError {
            code: problem.code(),
            detail: problem.detail(),
        }),
        fields: params,
        file_bytes_max: FILE_BYTES_MAX,
    };
    web::batch(index, &page)
}
