//! Catches the panics of handlers.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::{IntoResponse, Response};

use super::super::problem::Problem;

pin_project_lite::pin_project! {
    /// A handler's future. If the future panics, the response is an internal error. The panic payload
    /// is not inspected, because it may contain request data.
    pub(super) struct CatchPanic<F> {
        #[pin]
        pub(super) future: F,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for CatchPanic<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let future = self.project().future;
        // The future is unwind safe, because this wrapper does not poll it again after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(response),
            Err(_) => {
                let problem = Problem::internal("a handler panicked");
                Poll::Ready(problem.into_response())
            }
        }
    }
}
