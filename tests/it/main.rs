//! The integration tests: one binary, one module per story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may panic, and its names are its documentation"
)]

mod stories;
mod world;
