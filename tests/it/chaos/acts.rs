//! Does to the world what the schedule says.

use std::collections::BTreeMap;
use std::time::Duration;

use bitget_sim::{Blocker, HoldSide, NewOrder, OrderId, OrderStatus, ProductType, Uid};

use super::schedule::{Act, Person, Thing};
use super::{Armed, Story};

/// Who there is, and what is open.
pub struct Slots {
    people: Vec<Person>,
    open: BTreeMap<usize, (Uid, ProductType, Opened)>,
}

enum Opened {
    Position,
    Order(OrderId),
    Plan(OrderId),
    Hidden,
}

impl Slots {
    pub fn new(people: Vec<Person>) -> Slots {
        Slots { people, open: BTreeMap::new() }
    }

    /// All accounts at the exchange.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    pub fn name_of(&self, uid: Uid) -> &'static str {
        self.people.iter().find(|person| person.uid == uid).expect("one of ours").name
    }

    /// What is still open.
    pub fn opened(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }
}

impl Story<'_> {
    pub(super) async fn act(&mut self, act: Act) {
        let (name, uid) = {
            let people = self.slots.people.clone();
            (people.clone(), move |who: usize| people[who].uid)
        };
        let name = |who: usize| name[who].name;
        self.tally.did((&act).into());
        match act {
            Act::Write(wish) => {
                self.world.write(&wish.text());
                self.wish = wish;
            }
            Act::Spoil(bad) => match bad.text_of(&self.wish.text()) {
                Ok(text) => self.world.write(&text),
                Err(word) => self.world.say(word),
            },
            Act::Mend => self.world.write(&self.wish.text()),
            Act::Reload => self.world.reload(),
            Act::Refresh { who } => self.world.refresh(name(who)),
            Act::Flip { who, product, to } => {
                self.world.exchange(|exchange| exchange.flip(uid(who), product, to)).expect("known");
            }
            Act::Open { slot, who, product, what } => self.open(slot, uid(who), product, what),
            Act::Close { slot } => self.close(slot),
            Act::Goes(fault) => self.world.exchange(|exchange| exchange.inject(fault)),
            Act::FaultsEnd => {
                self.world.exchange(bitget_sim::Exchange::clear_faults);
                self.world.no_odd_answers();
            }
            Act::Repeat { path, times } => self.world.repeat(path, times),
            Act::Ahead { path, times, millis } => self.world.date(path, times, millis),
            Act::Lag { millis } => {
                self.world.exchange(|exchange| exchange.switches_mut().read_lag_ms = millis);
            }
            Act::RefuseSets { who, code } => {
                self.world.exchange(|exchange| exchange.refuse_sets(uid(who), code)).expect("known");
            }
            Act::RefuseKey { who, code } => self.refuse_key(name(who), code),
            Act::TakeKey { who, gone } => self.world.take_key(name(who), gone),
            Act::Convert { who, to } => {
                self.world.exchange(|exchange| exchange.set_kind(uid(who), to)).expect("known");
            }
            Act::Load { who, path, per_second } => self.world.load(uid(who), path, per_second),
            Act::Kill { down } => self.kill(down).await,
            Act::KillInFlight { what, after, down } => {
                let left = self.world.watch_requests();
                let seen = *left.borrow();
                self.armed = Some(Armed { left, seen, what, after, down });
            }
            Act::CrashLoop { lives } => {
                for life in lives {
                    self.kill(Duration::ZERO).await;
                    self.live_for(life).await;
                }
            }
            Act::Stop { down } => {
                self.world.stop().await;
                self.live_for(down).await;
                self.world.start().await;
            }
            Act::Pause { who, lasts } => self.world.pause(who.map(name), lasts),
            Act::Resume { who } => {
                self.world.resume(who.map(name));
            }
            Act::Approve => self.approve(),
            Act::Step { millis } => self.world.skew(self.world.skewed() + millis),
            Act::Cut(cut) => self.world.cut(cut),
            Act::Latency(latency) => self.world.latency(latency),
        }
    }

    /// Approves what is held, as an operator who reads the status does.
    pub(super) fn approve(&mut self) {
        if let Some(held) = self.world.status().held {
            // It may have changed just now; then the command says so.
            let approved = self.world.visitor().approve(&held.hash);
            self.journal.act(&format!("approved {}: {approved:?}", held.hash));
        }
    }

    pub(super) fn refuse_key(&self, name: &str, code: Option<&str>) {
        let key = format!("key-{name}");
        self.world.exchange(|exchange| {
            exchange.key_mut(&key).expect("a known key").refused_with = code.map(str::to_owned);
        });
    }

    pub(super) fn close(&mut self, slot: usize) {
        let Some((uid, product, opened)) = self.slots.open.remove(&slot) else { return };
        let symbol = symbol(product);
        self.world.exchange(|exchange| {
            // Two things may have been the same position, and the first end ended both.
            let _ = match opened {
                Opened::Position => exchange.close_position(uid, product, symbol, HoldSide::Long),
                Opened::Order(id) => exchange.cancel_order(uid, product, id),
                Opened::Plan(id) => exchange.cancel_plan_order(uid, product, id),
                Opened::Hidden => exchange.set_hidden_blocker(uid, product, Blocker::Absent),
            };
        });
    }

    fn open(&mut self, slot: usize, uid: Uid, product: ProductType, what: Thing) {
        let symbol = symbol(product);
        let opened = self.world.exchange(|exchange| match what {
            Thing::Position => {
                exchange.open_position(uid, product, symbol, HoldSide::Long, "0.5").map(|()| Opened::Position)
            }
            Thing::Order => exchange.place_order(uid, product, NewOrder::live(symbol)).map(Opened::Order),
            Thing::HalfFilled => {
                let order = NewOrder { status: OrderStatus::PartiallyFilled, ..NewOrder::live(symbol) };
                exchange.place_order(uid, product, order).map(Opened::Order)
            }
            Thing::Plan(plan_type) => {
                exchange.place_plan_order(uid, product, plan_type, symbol).map(Opened::Plan)
            }
            Thing::Hidden => {
                exchange.set_hidden_blocker(uid, product, Blocker::Running).map(|()| Opened::Hidden)
            }
        });
        self.slots.open.insert(slot, (uid, product, opened.expect("a known account")));
    }

    async fn kill(&mut self, down: Duration) {
        self.world.kill().await;
        self.live_for(down).await;
        self.world.start().await;
    }

    async fn live_for(&mut self, span: Duration) {
        let end = self.world.clock.now() + span;
        self.live_until(end).await;
    }
}

fn symbol(product: ProductType) -> &'static str {
    match product {
        ProductType::UsdtFutures => "BTCUSDT",
        ProductType::CoinFutures => "BTCUSD",
        ProductType::UsdcFutures => "BTCPERP",
        ProductType::SusdtFutures => "SBTCSUSDT",
        ProductType::ScoinFutures => "SBTCSUSD",
        ProductType::SusdcFutures => "SBTCSPERP",
    }
}
