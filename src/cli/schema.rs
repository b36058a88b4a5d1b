//! `posmoded schema`: the JSON Schema of the file, for editors. It reads nothing.

use crate::cli::{Exit, print};
use crate::desired;

/// Prints the schema; exit code 0.
pub fn schema() -> anyhow::Result<Exit> {
    print::text(&serde_json::to_string_pretty(&desired::schema())?)?;
    Ok(Exit::DONE)
}
