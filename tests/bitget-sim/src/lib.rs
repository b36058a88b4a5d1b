//! A stateful Bitget for tests.
