//! A request's turn to use a processor and to write its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::{ClientId, Place, Places, Refusal};

/// The turn of one request: held while its answer is made and written, released as soon as the client does not take
/// more for the moment. An extension of the request; the handler of one that reads a body takes it when the body has
/// come, and a handler that waits for something else releases it before.
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

    /// Waits for the turn.
    ///
    /// # Errors
    /// Where too many requests wait.
    pub(in crate::http) async fn take(&self) -> Result<(), Refusal> {
        let place = self.0.places.enter(self.0.client)?.place().await?;
        self.hold(place);
        Ok(())
    }

    /// Holds a place as this turn.
    pub(in crate::http) fn hold(&self, place: Place) {
        *self.place() = Some(place);
    }

    /// Lets the next request have its turn.
    pub(in crate::http) fn release(&self) {
        // The next one is woken outside the lock.
        let place = self.place().take();
        drop(place);
    }
}
