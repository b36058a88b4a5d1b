//! What a fault does to a request on its way in, or to the answer on its way out. The exchange itself knows of no fault.

use std::time::Duration;

use super::{Exchange, Late};
use crate::fault::{FOREVER, Fault, FaultKind};
use crate::gate;
use crate::journal::LogEntry;
use crate::mangle;
use crate::wire::{Outcome, Reply, Request, Response, UnixMs};
use crate::words::Uid;

impl Exchange {
    pub(super) fn answer(
        &mut self,
        now: UnixMs,
        request: &Request,
        fault: Option<FaultKind>,
        index: usize,
        entry: &mut LogEntry,
    ) -> Reply {
        let at_once = |outcome| Reply { after: Duration::ZERO, outcome };
        let Some(fault) = fault else {
            return at_once(Outcome::Response(self.process(now, now, request, entry)));
        };
        match fault {
            FaultKind::DropRequest => at_once(Outcome::Dropped),
            FaultKind::Hang => at_once(Outcome::Hang),
            FaultKind::HangReply => {
                self.process(now, now, request, entry);
                at_once(Outcome::Hang)
            }
            FaultKind::DropReply => {
                self.process(now, now, request, entry);
                at_once(Outcome::Dropped)
            }
            FaultKind::ExecuteLater { after } => {
                self.late.push(Late { due: now.plus(after), arrived: now, request: request.clone(), index });
                at_once(Outcome::Dropped)
            }
            FaultKind::Delay { after } => {
                Reply { after, outcome: Outcome::Response(self.process(now, now, request, entry)) }
            }
            FaultKind::Status { status, body } => at_once(Outcome::Response(mangle::plain(status, body))),
            FaultKind::ExecutedButStatus { status, body } => {
                self.process(now, now, request, entry);
                at_once(Outcome::Response(mangle::plain(status, body)))
            }
            FaultKind::Code { status, code } => {
                at_once(Outcome::Response(Response::refused(now, status, &code, gate::message(&code))))
            }
            FaultKind::TooManyRequests => at_once(Outcome::Response(Response::too_many(now))),
            FaultKind::EmptyBody
            | FaultKind::Garbage
            | FaultKind::Html { .. }
            | FaultKind::MissingField { .. }
            | FaultKind::NullData => {
                let response = self.process(now, now, request, entry);
                at_once(Outcome::Response(mangle::mangled(response, &fault)))
            }
        }
    }

    pub(super) fn take_fault(&mut self, request: &Request, caller: Option<Uid>) -> Option<FaultKind> {
        let fits = |fault: &Fault| {
            fault.times > 0
                && fault.path.as_ref().is_none_or(|path| request.path.ends_with(path.as_str()))
                && fault.account.is_none_or(|uid| caller == Some(uid))
        };
        let fault = self.faults.iter_mut().find(|fault| fits(fault))?;
        if fault.times != FOREVER {
            fault.times -= 1;
        }
        let what = fault.what.clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(what)
    }
}
