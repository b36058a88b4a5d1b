//! What we did, on disk: intents, applied modes, brakes, revisions, history.

mod noted;

pub use noted::Noted;
