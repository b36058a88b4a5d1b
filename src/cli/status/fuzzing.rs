//! What holds of everything that a daemon, or what else listens at its address, may answer `posmoded status`.

use super::render::{View, render};
use crate::status::Status;

/// The status in JSON: what is understood is read back from what is printed, and what is shown moves no cursor.
pub fn status(bytes: &[u8]) {
    let Ok(status) = serde_json::from_slice::<Status>(bytes) else { return };
    let printed = serde_json::to_string(&status).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Status>(&printed).ok().as_ref(), Some(&status), "{printed}");
    let shown = render(&status, View::default());
    let colourless = anstream::adapter::strip_str(&shown).to_string();
    assert!(!colourless.contains(|c: char| c.is_control() && c != '\n'), "{colourless:?}");
    let colours = shown.matches('\u{1b}').count();
    // The state of a row, the label of a cause, and the title of a section.
    let causes = status.targets.len() + status.paused_accounts.len() + status.warnings.len() + 3;
    let most = 2 * status.targets.len() + 4 * causes + 3 * 4;
    assert!(colours <= most, "{shown:?}");
}
