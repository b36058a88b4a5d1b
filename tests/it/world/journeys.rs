//! What passed between daemon and exchange, on the daemon's own line of time, which the exchange's log does not have.
//! It writes down and judges nothing.

use std::sync::Mutex;

use posmoded::exchange::bitget::Response;
use posmoded::moment::Moment;
use tokio::sync::watch;

use super::locked;

/// One request that left the daemon.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Which process sent it; the first one is 1.
    pub process: u32,
    /// When it left.
    pub left: Moment,
    /// When it arrived, and as which entry of the exchange's log.
    pub arrived: Option<(Moment, usize)>,
    /// What came back to a daemon that still lived.
    pub heard: Option<Heard>,
}

/// An answer as the daemon got it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When.
    pub at: Moment,
    /// The HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// How much has left so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    /// Requests of any kind.
    pub requests: usize,
    /// Those of them that set a mode.
    pub sets: usize,
}

/// All journeys, in the order in which they began.
#[derive(Debug, Default)]
pub struct Journeys {
    all: Mutex<Vec<Journey>>,
    left: watch::Sender<Left>,
}

impl Journeys {
    /// A request leaves; its number comes back.
    pub fn leaves(&self, process: u32, left: Moment, is_set: bool) -> usize {
        let mut all = locked(&self.all);
        all.push(Journey { process, left, arrived: None, heard: None });
        self.left.send_modify(|left| {
            left.requests += 1;
            left.sets += usize::from(is_set);
        });
        all.len() - 1
    }

    /// It arrived, and this is its entry in the exchange's log.
    pub fn arrives(&self, number: usize, at: Moment, entry: usize) {
        locked(&self.all)[number].arrived = Some((at, entry));
    }

    /// Its answer is back.
    pub fn heard(&self, number: usize, at: Moment, response: &Response) {
        let Response { status, remaining: _, media: _, body } = response;
        locked(&self.all)[number].heard = Some(Heard { at, status: *status, body: body.clone() });
    }

    /// Looks at all of them so far.
    pub fn see<T>(&self, see: impl FnOnce(&[Journey]) -> T) -> T {
        see(&locked(&self.all))
    }

    /// Tells whenever one leaves.
    pub fn watch(&self) -> watch::Receiver<Left> {
        self.left.subscribe()
    }
}
