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
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use bytes::BytesMut;
use futures_core::Stream;
use hyper::body::Frame;
use maud::Markup;
use multer::{Field, Multipart};

use super::super::App;
use super::super::input::query_fields;
use super::super::negotiate;
use super::super::pages::{self, shared::Shared};
use super::super::problem::Problem;
use super::super::server::Connection;
use super::super::snapshot::Snapshot;
use super::stream::{Traffic, linger};
use super::wanted::{Announced, Wanted};
use super::{Asker, Begun, Job, client_of};
use crate::index::Index;
use crate::question::Fields;
use crate::web::{self, BatchFormError, BatchPage};

/// The longest file in a form.
const FILE_BYTES_MAX: usize = 32 << 20;
/// The longest value of any other field.
const FIELD_BYTES_MAX: usize = 4 << 10;
/// The most fields in a form; ours has fewer.
const FIELDS_MAX: usize = 32;
/// The most bytes of part headers, boundaries and preamble together. multer buffers the headers of
/// a part until they are complete.
const FRAMING_BYTES_MAX: u64 = 256 << 10;
/// The longest name of a field; ours are shorter.
const NAME_BYTES_MAX: usize = 64;
/// The file is buffered in chunks of this size, so that each can be freed once it is read.
const FILE_PIECE_BYTES: usize = 64 << 10;

/// The fields of the form other than the file.
const FIELDS: &[&str] = &[
    "columns",
    "delimiter",
    "postcode_column",
    "practice_column",
    "lon_column",
    "lat_column",
    "easting_column",
    "northing_column",
    "registration_only",
    "as_of",
    "as_of_column",
    "excel_safe",
    "suppress",
];

/// `GET /batch`.
pub(in crate::http) async fn page(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let encoding = negotiate::encoding(&headers).ok_or_else(Problem::no_encoding)?;
    let releases = app.releases();
    let index = releases.current();
    Ok(app.pages.response(Shared::Batch, index, encoding, || {
        form_page(index, None, &Fields::default())
    }))
}

/// `POST /batch`: the output as a file, or the page with an error message.
pub(in crate::http) async fn answer(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let boundary = boundary(request.headers())?;
    let connection = request.extensions().get::<Connection>().cloned();
    let asker = Asker::of(&request);
    // This error is not rendered as the form: many clients may be rejected at once, and rendering
    // the form for each would delay look-ups.
    let place = app.lists.place(client_of(&request), &app.gate).await?;
    if is_too_long(request.headers()) {
        let problem = Problem::too_large(FILE_BYTES_MAX as u64);
        return Ok(refused(
            &app,
            problem,
            &Fields::default(),
            request.into_body(),
        ));
    }
    let traffic = Traffic::default();
    let form = tokio::select! {
        form = read(request.into_body(), boundary, &traffic) => form?,
        _ = traffic.ends(&app.lists.limits, &app.lists.places) => return Err(Problem::timed_out()),
    };
    let fields = Fields::new(form.fields, FIELDS)?;
    if form.file.is_empty() {
        let problem = Problem::unusable("empty", "choose a file that is not empty");
        return Ok(refused(&app, problem, &fields, Body::empty()));
    }
    let begun = async {
        let job = Job {
            snapshot: Snapshot::of(&app, &fields)?,
            wanted: Wanted::of(&fields, &Announced::NOTHING)?,
            packed: None,
            limits: Arc::clone(&app.lists.limits),
            places: app.lists.places.clone(),
            asker,
            _place: place,
        };
        job.begin(form.file.into_body(), None).await
    };
    match begun.await {
        Ok(Begun::Answering(ready, _)) => Ok(ready.response(connection.as_ref(), false)),
        Ok(Begun::Checked(_)) => Err(Problem::internal("a form requested a dry run")),
        Err(problem) => Ok(refused(&app, problem, &fields, Body::empty())),
    }
}

/// The contents of a form.
#[derive(Default)]
struct Form {
    fields: Vec<(String, String)>,
    file: FormFile,
}

/// The file of a form, in chunks. The bytes are copied, because those that multer returns are
/// slices of larger allocations.
#[derive(Default)]
struct FormFile {
    pieces: Vec<BytesMut>,
    length: usize,
}

impl FormFile {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let room = self.pieces.last().map_or(0, |it| it.capacity() - it.len());
            if room == 0 {
                self.pieces.push(BytesMut::with_capacity(FILE_PIECE_BYTES));
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.pieces.last_mut() {
                last.extend_from_slice(now);
            }
            bytes = later;
        }
    }

    /// Converts the file to a body whose chunks are freed as they are read.
    fn into_body(self) -> Body {
        Body::new(Pieces(self.pieces.into_iter()))
    }
}

struct Pieces(std::vec::IntoIter<BytesMut>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece.freeze()))))
    }
}

/// The body of a form, as a stream for multer that bounds its buffer.
///
/// multer buffers whatever it has received until it can parse it. So this stream returns `Pending`
/// after each chunk, which makes multer parse before it reads on, and fails once too much is
/// buffered.
struct Metered<S> {
    body: S,
    given: u64,
    /// Bytes of field contents that were read.
    taken: Arc<AtomicU64>,
    is_to_wait: bool,
}

/// The form exceeds [`FRAMING_BYTES_MAX`].
#[derive(Debug)]
struct FramingTooLong;

impl fmt::Display for FramingTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "more than {FRAMING_BYTES_MAX} bytes outside the contents of fields"
        )
    }
}

impl Error for FramingTooLong {}

impl<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin> Stream for Metered<S> {
    type Item = Result<Bytes, Box<dyn Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.is_to_wait) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(bytes) = ready!(Pin::new(&mut self.body).poll_next(context)) else {
            return Poll::Ready(None);
        };
        let bytes = bytes?;
        self.is_to_wait = true;
        let kept = self
            .given
            .saturating_sub(self.taken.load(Ordering::Relaxed));
        self.given += bytes.len() as u64;
        Poll::Ready(Some(match kept > FRAMING_BYTES_MAX {
            true => Err(Box::new(FramingTooLong)),
            false => Ok(bytes),
        }))
    }
}

async fn read(body: Body, boundary: String, traffic: &Traffic) -> Result<Form, Problem> {
    // All of this time is spent waiting for the client.
    let _waits = traffic.waits_for_bytes();
    let taken = Arc::new(AtomicU64::new(0));
    let metered = Metered {
        body: body.into_data_stream(),
        given: 0,
        taken: Arc::clone(&taken),
        is_to_wait: false,
    };
    let mut parts = Multipart::new(metered, boundary);
    let moved = Moved { traffic, taken };
    let mut form = Form::default();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        count += 1;
        if count > FIELDS_MAX {
            return Err(Problem::bad_request(
                "malformed",
                "the form has too many fields",
            ));
        }
        let name = part.name().unwrap_or_default().to_string();
        if name.len() > NAME_BYTES_MAX {
            let detail = "the name of a form field is too long";
            return Err(Problem::bad_request("malformed", detail));
        }
        if name == "file" {
            // If there are several, the last one is used.
            form.file = FormFile::default();
            let add = |bytes: &[u8]| form.file.extend(bytes);
            whole(part, FILE_BYTES_MAX, &moved, add).await?;
            continue;
        }
        let mut value = Vec::new();
        let add = |bytes: &[u8]| value.extend_from_slice(bytes);
        whole(part, FIELD_BYTES_MAX, &moved, add).await?;
        let value = String::from_utf8_lossy(&value).trim().to_string();
        // Browsers send fields that were not filled in with an empty value.
        if !value.is_empty() {
            form.fields.push((name, value));
        }
    }
    Ok(form)
}

/// Counts the bytes of field contents.
struct Moved<'m> {
    traffic: &'m Traffic,
    taken: Arc<AtomicU64>,
}

/// Reads a field to its end.
async fn whole(
    mut part: Field<'static>,
    bytes_max: usize,
    moved: &Moved<'_>,
    mut add: impl FnMut(&[u8]),
) -> Result<(), Problem> {
    let mut length = 0;
    while let Some(bytes) = part.chunk().await.map_err(malformed)? {
        moved.traffic.came(bytes.len());
        moved.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        length += bytes.len();
        if length > bytes_max {
            return Err(Problem::too_large(bytes_max as u64));
        }
        add(&bytes);
    }
    Ok(())
}

/// The error is dropped, because its text may quote the form.
fn malformed(_: multer::Error) -> Problem {
    Problem::bad_request(
        "malformed",
        "the form is truncated or is not valid multipart/form-data",
    )
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok());
    let boundary = given.and_then(|text| multer::parse_boundary(text).ok());
    boundary.ok_or_else(|| Problem::unsupported_media_type("multipart/form-data"))
}

/// Returns whether `Content-Length` shows that the file is too long.
fn is_too_long(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > FILE_BYTES_MAX + FIELDS_MAX * FIELD_BYTES_MAX)
}

/// The page with an error message. The rest of the form is read in the background, because browsers
/// read the response only after they have sent the form.
fn refused(app: &App, problem: Problem, fields: &Fields, unread: Body) -> Response {
    tokio::spawn(async move {
        let mut unread = unread;
        linger(&mut unread).await;
    });
    shown(app, problem.status(), Some(&problem), fields)
}

fn shown(app: &App, status: StatusCode, problem: Option<&Problem>, fields: &Fields) -> Response {
    let releases = app.releases();
    let page = form_page(releases.current(), problem, fields);
    pages::html(status, page)
}

fn form_page(index: &Index, problem: Option<&Problem>, fields: &Fields) -> Markup {
    let page = BatchPage {
        error: problem.map(|problem| BatchFormError {
            code: problem.code(),
            detail: problem.detail(),
        }),
        fields,
        file_bytes_max: FILE_BYTES_MAX,
    };
    web::batch(index, &page)
}
