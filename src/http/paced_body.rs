//! A response body that is sent in chunks. The response has its CPU permit, and its bytes are
//! counted as unsent, until nearly all of the body is written. If the body were one chunk, this
//! would end when the body is passed to hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::admission::{CpuPermit, UnsentResponse};

/// The size of a chunk. hyper polls for the next chunk when fewer than 16 KiB are left in its
/// buffer (`max_buf_size`).
const CHUNK_BYTES: usize = 64 << 10;
/// The minimum size of the last chunk. A smaller rest is sent with the previous chunk, because
/// hyper drops a body together with its last chunk if the chunk fits in hyper's buffer.
const LAST_CHUNK_BYTES_MIN: usize = 16 << 10;

/// A marker in the extensions of a response. The marker states that the body is shared by all
/// clients and takes no additional memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedBody;

/// Wraps the body of a response, so that the response has its CPU permit and is counted as unsent
/// until it is written.
pub(super) fn pace_response(
    response: Response,
    cpu_permit: Option<CpuPermit>,
    unsent: Option<UnsentResponse>,
) -> Response {
    response.map(|body| {
        Body::new(PacedBody {
            body,
            buffered: Bytes::new(),
            cpu_permit,
            _unsent: unsent,
        })
    })
}

struct PacedBody {
    body: Body,
    /// The bytes that have been read from the body and not yet passed to hyper.
    buffered: Bytes,
    cpu_permit: Option<CpuPermit>,
    _unsent: Option<UnsentResponse>,
}

impl Drop for PacedBody {
    fn drop(&mut self) {
        // The permit is released explicitly, because the connection may have a reference to it as
        // well.
        if let Some(permit) = &self.cpu_permit {
            permit.release();
        }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.buffered.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.buffered = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = match self.buffered.len() {
            length if length < CHUNK_BYTES + LAST_CHUNK_BYTES_MIN => length,
            _ => CHUNK_BYTES,
        };
        let chunk = self.buffered.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.buffered.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let buffered = self.buffered.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + buffered);
        }
        hint.set_lower(hint.lower() + buffered);
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn chunks_add_up_to_the_body() {
        for length in [0, 1, 16_383, 65_536, 81_919, 81_920, 81_921, 300_000] {
            let whole: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut body = pace_response(whole.clone().into_response(), None, None).into_body();
            let mut read = Vec::new();
            while !body.is_end_stream() {
                let remaining = (length - read.len()) as u64;
                assert_eq!(body.size_hint().exact(), Some(remaining));
                let frame = body.frame().await.expect("a frame").expect("no error");
                let chunk = frame.into_data().expect("data");
                assert!(chunk.len() < CHUNK_BYTES + LAST_CHUNK_BYTES_MIN);
                let is_last = read.len() + chunk.len() == length;
                assert!(
                    !is_last
                        || length < chunk.len() + LAST_CHUNK_BYTES_MIN
                        || chunk.len() >= LAST_CHUNK_BYTES_MIN
                );
                read.extend_from_slice(&chunk);
            }
            assert!(read == whole, "{length}");
        }
    }
}
