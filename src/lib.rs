//! posmoded keeps Bitget futures accounts in the position mode that a file declares.
