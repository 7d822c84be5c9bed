//! A permit for a request to use a CPU while its response is rendered and written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::{ClientId, Place, Places, Refusal};

/// The CPU permit of one request: held while its response is rendered and written, and released as
/// soon as the client stops reading. It is an extension of the request. A handler that reads a body
/// acquires it when the body has arrived, and a handler that waits for something else releases it
/// first.
#[derive(Clone)]
pub(in crate::http) struct Turn(Arc<State>);

struct State {
    places: Places,
    client: ClientId,
    place: Mutex<Option<Place>>,
}

impl Turn {
    pub(in crate::http) fn new(places: &Places, client: ClientId) -> Turn {
        Turn(Arc::new(State {
            places: places.clone(),
            client,
            place: Mutex::default(),
        }))
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the permit.
    ///
    /// # Errors
    /// If too many requests wait.
    pub(in crate::http) async fn take(&self) -> Result<(), Refusal> {
        let place = self.0.places.enter(self.0.client)?.place().await?;
        self.hold(place);
        Ok(())
    }

    /// Stores a permit that was granted.
    pub(in crate::http) fn hold(&self, place: Place) {
        *self.place() = Some(place);
    }

    /// Releases the permit to the next request.
    pub(in crate::http) fn release(&self) {
        // The next request is woken outside the lock.
        let place = self.place().take();
        drop(place);
    }
}
