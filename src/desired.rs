//! The declared file: YAML text to `Desired`, or every problem with its line, its column and what to write instead.
//!
//! Accepts all of a file or none of it. Pure: it reads no file and no clock, and knows nothing of what is live.

mod account;
mod foreign;
mod keys;
mod problem;
mod read;
mod reference;
mod rules;
mod scalar;
mod schema;
mod secret;
mod tree;
mod word;

pub use account::{Account, Desired, may_be_one_host};
pub use problem::{Format, Problem, Problems, report};
pub use read::read;
pub use reference::{Chapter, Key, of_the_whole, reference};
pub use schema::schema;
