//! The integration tests: one binary, one module per story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::format_collect,
    unreachable_pub,
    missing_docs,
    reason = "a test may panic and wait, and its names are its documentation"
)]

mod arrows;
mod chaos;
mod cli;
#[path = "../cluster.rs"]
mod cluster;
mod commands;
mod completion;
mod cost;
mod desired;
mod exchange;
mod keys;
mod lessons;
mod licences;
mod manual;
#[path = "../pooler.rs"]
mod pooler;
mod probe;
mod process;
mod schema;
mod stories;
mod terminal;
mod world;
