//! What the v3 endpoints of unified accounts answer. So far the settings, which tell the kind.

use serde_json::{Value, json};

use crate::classic::{Look, may};
use crate::key::Right;
use crate::wire::Refusal;
use crate::words::ProductType;

impl Look<'_> {
    /// `GET /api/v3/account/settings`
    pub(crate) fn unified_settings(&self) -> Result<Value, Refusal> {
        may(self.api_key, Right::Read)?;
        let hold_mode = self.shown_mode(ProductType::UsdtFutures);
        Ok(json!({
            "uid": self.account.uid.to_string(),
            "accountMode": self.account.stage.as_str(),
            "assetMode": "single",
            "holdMode": hold_mode.as_str(),
            "stpMode": "none",
            "symbolConfigList": [],
            "coinConfigList": [],
        }))
    }
}
