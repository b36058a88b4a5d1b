//! One request to the receiver, and what to say when it fails. No text here holds a URL.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, redirect, retry};

use super::message::Message;
use super::receiver::Receiver;
use crate::exchange::bitget::{Proxy, Unusable, outwards};

/// The client for messages: another one than the exchange's, so that nothing of the one waits for the other.
#[derive(Debug, Clone)]
pub(super) struct Post(Client);

impl Post {
    pub(super) fn new(proxy: Option<&Proxy>, ca: Option<&Path>) -> Result<Post, Unusable> {
        let client = outwards(proxy, ca)?
            .user_agent(concat!("posmoded/", env!("CARGO_PKG_VERSION")))
            .timeout(ANSWERED_WITHIN)
            // Somebody else's address is not what the file names.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .build();
        client.map(Post).map_err(|_| Unusable::no_client())
    }

    pub(super) async fn message(&self, to: &Receiver, message: &Message) -> Result<(), String> {
        answered(self.0.post(to.url.clone()).headers(to.headers.clone()).json(message)).await
    }

    /// Says that all is well, if anybody is to hear that.
    pub(super) async fn alive(&self, to: &Receiver) -> Result<(), String> {
        let Some(url) = &to.alive_url else { return Ok(()) };
        answered(self.0.get(url.clone())).await
    }
}

async fn answered(request: RequestBuilder) -> Result<(), String> {
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) if answer.status().is_redirection() => {
            Err(format!("the answer is {}, and redirects are not followed", answer.status().as_u16()))
        }
        Ok(answer) => Err(format!("the answer is {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("there is no answer within 10 s".to_owned()),
        Err(error) if error.is_connect() => Err("no connection can be made".to_owned()),
        Err(_) => Err("the connection ended without an answer".to_owned()),
    }
}

/// How long a request may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
