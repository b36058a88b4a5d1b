//! The rules one by one, and what comes of them over minutes in a simulated process.

mod rules;
mod runs;
mod simulation;
mod table;
