//! The kind and the UID of an account, read afresh each time, beginning with the v3 settings.
//!
//! Only an unambiguous answer counts. An unclear one never means "classic": it is a failure, from which nothing is
//! concluded.

use serde::de::DeserializeOwned;

use super::answer::{Payload, Reply};
use super::endpoint::Endpoint;
use super::http::Transport;
use super::rights::{self, Rights};
use super::session::{Ask, Parsed, Session};
use super::unified::Settled;
use super::wire::classic::AccountInfo;
use super::wire::unified::KeyInfo;
use super::wire::{Broken, Position, shape, uid};
use super::{codes, unified};
use crate::facts::Answer;
use crate::facts::{Class, Failure, Identity};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{Kind, ProductType, Uid};

/// The kind alone.
pub(super) async fn kind<T: Transport>(session: &Session<T>, ask: Ask) -> Result<Answer<Kind>, Failure> {
    let reply = session.ask(Endpoint::Settings, String::new(), ask).await?;
    let (kind, answered, server) = match settings(session, ask, &reply).await? {
        Settings::Unified(settled) if settled.is_its_own => {
            session.remember(Some(settled.others));
            (Kind::Unified, reply.answered, Some(settled.server))
        }
        Settings::Unified(settled) => {
            return Ok(of_unified(session, ask, &reply, settled).await?.with(Kind::Unified));
        }
        Settings::Classic { answered, server } => (Kind::Classic, answered, server),
    };
    let server = server.ok_or_else(|| reply.broken(&Broken("no requestTime".to_owned())))?;
    Ok(Answer { value: kind, asked: reply.asked, answered, server })
}

/// The kind, and the UID and the key's rights where the key may read them.
pub(super) async fn of<T: Transport>(session: &Session<T>, ask: Ask) -> Result<Answer<Identity>, Failure> {
    let reply = session.ask(Endpoint::Settings, String::new(), ask).await?;
    match settings(session, ask, &reply).await? {
        Settings::Unified(settled) => of_unified(session, ask, &reply, settled).await,
        Settings::Classic { answered: _, server } => of_classic(session, ask, reply.asked, server).await,
    }
}

/// What the answer to the call for the settings says about the kind.
enum Settings {
    /// They are those of a unified account.
    Unified(Settled),
    /// They were refused as a classic account's are; when that was known, and the exchange's time if it was told.
    Classic { answered: Moment, server: Option<ServerTime> },
}

async fn settings<T: Transport>(session: &Session<T>, ask: Ask, reply: &Reply) -> Result<Settings, Failure> {
    let refusal = match unified::settled(session, reply) {
        Ok(settled) => return Ok(Settings::Unified(settled)),
        Err(failure) => failure,
    };
    if is_refused(&refusal, Class::WrongKind, codes::is_classic) {
        session.remember(None);
        return Ok(Settings::Classic { answered: reply.answered, server: reply.server() });
    }
    if !lacks_a_right(&refusal) {
        return Err(refusal);
    }
    // A key without the right to unified settings gets this refusal for either kind of account; a v2 futures read
    // decides. Bitget refuses all v2 calls of a unified account before any other check: an answer means classic.
    let query = format!("productType={}", ProductType::UsdtFutures.as_str());
    let positions = session.ask(Endpoint::Positions, query, ask.goes_on()).await?;
    match Parsed::<Vec<Position>>::of(positions) {
        Ok(parsed) => Ok(Settings::Classic { answered: parsed.reply.answered, server: Some(parsed.server) }),
        Err(failure) if is_refused(&failure, Class::WrongKind, codes::is_unified) => {
            let code = refusal.code;
            let shown = code.as_deref().unwrap_or_default();
            let say = format!("Bitget answered the call {}: {shown}, {}", reply.endpoint, codes::BLIND);
            Err(Failure { class: Class::Denied, code, say })
        }
        Err(failure) => Err(failure),
    }
}

async fn of_classic<T: Transport>(
    session: &Session<T>,
    ask: Ask,
    asked: Moment,
    heard: Option<ServerTime>,
) -> Result<Answer<Identity>, Failure> {
    let reply = session.ask(Endpoint::AccountInfo, String::new(), ask.goes_on()).await?;
    let (info, server) = if_allowed::<AccountInfo>(&reply, heard)?;
    let (uid, rights) = match info {
        Some(info) => (Some(uid(&info.user_id).map_err(|broken| reply.broken(&broken))?), info.rights()),
        None => (None, None),
    };
    Ok(identified(Kind::Classic, uid, rights, asked, reply.answered, server))
}

async fn of_unified<T: Transport>(
    session: &Session<T>,
    ask: Ask,
    settings: &Reply,
    Settled { server, mode: _, uid: owner, others, is_its_own }: Settled,
) -> Result<Answer<Identity>, Failure> {
    let owner = owner.map_err(|broken| settings.broken(&broken))?;
    // This call only adds the key's rights: whatever it answers, they stay unknown and nothing waits for them, unless it says
    // that the account or its key is another than it was.
    let is_beside_the_point = |failure: &Failure| {
        let is_of_the_account = failure.class.row().account_wide && !lacks_a_right(failure);
        !is_of_the_account && failure.class.our_own_limit().is_none()
    };
    // Against what the settings named before, one answer is not enough.
    let unless_of_another = if is_its_own { Ok(()) } else { Err(unified::of_another(settings)) };
    let asked = settings.asked;
    let reply = match session.ask(Endpoint::UnifiedAccountInfo, String::new(), ask.goes_on()).await {
        Ok(reply) => reply,
        Err(failure) if is_beside_the_point(&failure) => {
            unless_of_another?;
            session.remember(Some(others));
            return Ok(identified(Kind::Unified, Some(owner), None, asked, settings.answered, server));
        }
        Err(failure) => return Err(failure),
    };
    let info: Option<KeyInfo> = match reply.look() {
        Ok(Payload { server: _, data }) => shape(data).ok(),
        Err(failure) if is_beside_the_point(&failure) => None,
        Err(failure) => return Err(failure),
    };
    let server = reply.server().unwrap_or(server);
    let said = info.as_ref().and_then(|info| info.user_id.as_deref());
    if said.is_some_and(|other| other != owner.0) {
        return Err(reply.broken(&Broken("another userId than the settings have".to_owned())));
    }
    if said.is_none() {
        unless_of_another?;
    }
    session.belongs_after_all_to(&owner);
    session.remember(Some(others));
    let rights = info.and_then(|info| info.rights());
    Ok(identified(Kind::Unified, Some(owner), rights, asked, reply.answered, server))
}

/// The parsed answer; `None` if the key lacks the right. `heard` is the exchange's time from an earlier answer, used
/// when a refusal carries none.
fn if_allowed<D: DeserializeOwned>(
    reply: &Reply,
    heard: Option<ServerTime>,
) -> Result<(Option<D>, ServerTime), Failure> {
    match reply.look() {
        Ok(Payload { server, data }) => {
            let data = shape(data).map_err(|broken| reply.broken(&broken))?;
            Ok((Some(data), server))
        }
        Err(failure) if lacks_a_right(&failure) => {
            let server = reply.server().or(heard);
            let server = server.ok_or_else(|| reply.broken(&Broken("no requestTime".to_owned())))?;
            Ok((None, server))
        }
        Err(failure) => Err(failure),
    }
}

fn identified(
    kind: Kind,
    uid: Option<Uid>,
    rights: Option<Rights>,
    asked: Moment,
    answered: Moment,
    server: ServerTime,
) -> Answer<Identity> {
    let warnings = rights.map(|rights| rights::warnings(kind, rights)).unwrap_or_default();
    let identity = Identity { uid, uid_right: rights::to_say_whose(kind), kind, warnings, at: answered };
    Answer { value: identity, asked, answered, server }
}

fn lacks_a_right(failure: &Failure) -> bool {
    is_refused(failure, Class::Denied, codes::lacks_a_right)
}

/// Whether it is a refusal with such a code. The class excludes a 5xx, beside which a code means nothing.
fn is_refused(failure: &Failure, class: Class, with: impl Fn(&str) -> bool) -> bool {
    failure.class == class && failure.code.as_deref().is_some_and(with)
}
