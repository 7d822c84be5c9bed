//! Reads the rest of a request body, so that the client can then read the response.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

/// The maximum time for which the rest of a request body is read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of bytes that are read from the rest of a request body.
const DRAIN_BYTES_MAX: usize = 64 << 20;

/// Reads and discards the rest of a body, up to a limit of time and bytes.
pub(super) async fn drain_body(body: &mut Body) {
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_BYTES_MAX {
                return;
            }
        }
    };
    // If the time runs out, the caller continues, and the remaining bytes are not read.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
}
