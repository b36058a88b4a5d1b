//! posmoded keeps Bitget futures accounts in the position mode that a file declares.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")
)]

pub mod clock;
pub mod constants;
pub mod desired;
pub mod exchange;
pub mod facts;
pub mod ledger;
pub mod moment;
pub mod position_mode;
pub mod protocol;
pub mod source;
pub mod status;
