//! What hands do to the exchange: accounts, keys, positions, orders, modes, switches, faults. No request passes here.

use serde::{Deserialize, Serialize};

use super::Exchange;
use crate::account::{Account, NewAccount, NewOrder, Order, PlanOrder, Position, SetsRefused};
use crate::endpoint::{Door, Endpoint};
use crate::fault::{FOREVER, Fault};
use crate::journal::{By, ModeChange};
use crate::key::ApiKey;
use crate::limits::Whose;
use crate::market::Listing;
use crate::set::is_flat;
use crate::settings::Settings;
use crate::switches::Switches;
use crate::wire::UnixMs;
use crate::words::{AccountMode, HoldSide, Kind, OrderId, PlanType, PosMode, ProductType, Uid, Unknown};

/// What hands do at the exchange's website. It happens at the time of the last call of `handle` or `advance`.
impl Exchange {
    /// Opens an account. One with the same number is replaced, with all its keys.
    pub fn add_account(&mut self, new: NewAccount) -> Uid {
        let uid = new.uid;
        self.keys.retain(|_, (owner, _)| *owner != uid);
        self.accounts.insert(uid, Account::open(&new));
        self.keys.insert(new.api_key.key.clone(), (uid, new.api_key));
        uid
    }

    /// Gives an account one more API key; one of the same name is replaced, whoever had it.
    pub fn add_key(&mut self, uid: Uid, api_key: ApiKey) -> Result<(), Unknown> {
        self.account(uid)?;
        self.keys.insert(api_key.key.clone(), (uid, api_key));
        Ok(())
    }

    /// Deletes an API key.
    pub fn remove_key(&mut self, key: &str) -> Result<(), Unknown> {
        self.keys.remove(key).map(|_| ()).ok_or_else(|| Unknown::new("key", key))
    }

    /// An API key, to be changed.
    pub fn key_mut(&mut self, key: &str) -> Result<&mut ApiKey, Unknown> {
        self.keys.get_mut(key).map(|(_, api_key)| api_key).ok_or_else(|| Unknown::new("key", key))
    }

    /// Makes a position as large as this, or a row of size `0`, which is no position.
    pub fn open_position(
        &mut self,
        uid: Uid,
        product: ProductType,
        symbol: &str,
        side: HoldSide,
        total: &str,
    ) -> Result<(), Unknown> {
        let position = Position { total: total.to_owned(), opened: self.now };
        self.account(uid)?.book_mut(product).positions.insert((symbol.to_owned(), side), position);
        Ok(())
    }

    /// Closes a position: its row is gone.
    pub fn close_position(
        &mut self,
        uid: Uid,
        product: ProductType,
        symbol: &str,
        side: HoldSide,
    ) -> Result<(), Unknown> {
        let removed = self.account(uid)?.book_mut(product).positions.remove(&(symbol.to_owned(), side));
        removed.map(|_| ()).ok_or_else(|| Unknown::new("position", symbol))
    }

    /// Places an order.
    pub fn place_order(&mut self, uid: Uid, product: ProductType, new: NewOrder) -> Result<OrderId, Unknown> {
        let order = self.new_order(new);
        let id = order.id;
        self.account(uid)?.book_mut(product).orders.insert(id, order);
        Ok(id)
    }

    /// Places a spot order. No list of a futures category shows it.
    pub fn place_spot_order(&mut self, uid: Uid, new: NewOrder) -> Result<OrderId, Unknown> {
        let order = self.new_order(new);
        let id = order.id;
        self.account(uid)?.spot_orders.insert(id, order);
        Ok(id)
    }

    /// Cancels a spot order: it is gone.
    pub fn cancel_spot_order(&mut self, uid: Uid, id: OrderId) -> Result<(), Unknown> {
        let removed = self.account(uid)?.spot_orders.remove(&id);
        removed.map(|_| ()).ok_or_else(|| Unknown::new("spot order", id.0))
    }

    /// Cancels an order, or lets it be filled: it is gone.
    pub fn cancel_order(&mut self, uid: Uid, product: ProductType, id: OrderId) -> Result<(), Unknown> {
        let removed = self.account(uid)?.book_mut(product).orders.remove(&id);
        removed.map(|_| ()).ok_or_else(|| Unknown::new("order", id.0))
    }

    /// Places a plan order.
    pub fn place_plan_order(
        &mut self,
        uid: Uid,
        product: ProductType,
        plan_type: PlanType,
        symbol: &str,
    ) -> Result<OrderId, Unknown> {
        let (id, created) = (self.next_order_id(), self.now);
        let order = PlanOrder { id, plan_type, symbol: symbol.to_owned(), created };
        self.account(uid)?.book_mut(product).plan_orders.insert(id, order);
        Ok(id)
    }

    /// Cancels a plan order: it is gone.
    pub fn cancel_plan_order(&mut self, uid: Uid, product: ProductType, id: OrderId) -> Result<(), Unknown> {
        let removed = self.account(uid)?.book_mut(product).plan_orders.remove(&id);
        removed.map(|_| ()).ok_or_else(|| Unknown::new("plan order", id.0))
    }

    /// Starts or stops what no list shows: a bot, a TWAP order, a copied order.
    pub fn set_hidden_blocker(
        &mut self,
        uid: Uid,
        product: ProductType,
        blocker: Blocker,
    ) -> Result<(), Unknown> {
        self.account(uid)?.book_mut(product).hidden = blocker == Blocker::Running;
        Ok(())
    }

    /// Changes the mode by hand, flat or not. On a unified account it is the account's, whatever the product type.
    pub fn flip(&mut self, uid: Uid, product: ProductType, to: PosMode) -> Result<(), Unknown> {
        let at = self.now;
        let account = self.account(uid)?;
        let product_or_whole = match account.kind {
            Kind::Classic => Some(product),
            Kind::Unified => None,
        };
        let history = account.mode_mut(product);
        let from = history.now();
        if from != to {
            history.change(at, to);
            let product = product_or_whole;
            self.mode_changes.push(ModeChange { at, account: uid, product, from, to, by: By::Hand });
        }
        Ok(())
    }

    /// Makes an account classic or unified at once, with all that it holds. A unified account has the mode that
    /// `USDT-FUTURES` had; back on classic, every product type has the one that the account had.
    pub fn set_kind(&mut self, uid: Uid, kind: Kind) -> Result<(), Unknown> {
        let at = self.now;
        let changed = self.account(uid)?.convert(kind);
        let change = |(product, from, to)| {
            let product = Some(product);
            ModeChange { at, account: uid, product, from, to, by: By::Conversion }
        };
        self.mode_changes.extend(changed.into_iter().map(change));
        Ok(())
    }

    /// Starts to make a classic account unified, or a unified one classic. Until it is done, private calls get `40115`.
    pub fn begin_conversion(&mut self, uid: Uid) -> Result<(), Unknown> {
        let account = self.account(uid)?;
        account.stage = match account.kind {
            Kind::Classic => AccountMode::Upgrading,
            Kind::Unified => AccountMode::Switching,
        };
        Ok(())
    }

    /// Ends what [`Self::begin_conversion`] began: the account is of the other kind.
    pub fn finish_conversion(&mut self, uid: Uid) -> Result<(), Unknown> {
        match self.account(uid)?.stage {
            AccountMode::Upgrading => self.set_kind(uid, Kind::Unified),
            AccountMode::Switching => self.set_kind(uid, Kind::Classic),
            AccountMode::Unified | AccountMode::Hybrid => Err(Unknown::new("conversion of account", uid)),
        }
    }

    /// Sets what an account says it is. While it says `upgrading` or `switching`, private calls get `40115`.
    pub fn set_account_mode(&mut self, uid: Uid, mode: AccountMode) -> Result<(), Unknown> {
        self.account(uid)?.stage = mode;
        Ok(())
    }

    /// What the settings of an account say beside its mode, to be changed.
    pub fn settings_mut(&mut self, uid: Uid) -> Result<&mut Settings, Unknown> {
        Ok(&mut self.account(uid)?.settings)
    }

    /// Lets the strategies of an account ask the endpoints whose path ends like this, each of them so many times in every
    /// second; 0 ends it. They come before everybody else, at addresses of their own, and stand in no log.
    pub fn load(&mut self, uid: Uid, path: &str, per_second: u32) -> Result<(), Unknown> {
        self.account(uid)?;
        let private = |endpoint: &Endpoint| endpoint.door() != Door::Public;
        let endpoints: Vec<Endpoint> = Endpoint::ending(path).filter(private).collect();
        if endpoints.is_empty() {
            return Err(Unknown::new("private endpoint", path));
        }
        for endpoint in endpoints {
            self.meter.load(endpoint, Whose::Account(uid), per_second);
        }
        Ok(())
    }

    /// Makes the setter refuse every set of an account with this code, or no longer.
    pub fn refuse_sets(&mut self, uid: Uid, code: Option<&str>) -> Result<(), Unknown> {
        let refused = |code: &str| SetsRefused { code: code.to_owned(), times: FOREVER };
        self.account(uid)?.sets_refused = code.map(refused);
        Ok(())
    }

    /// Makes the setter refuse the next sets of an account with this code, known or not, and then no more.
    pub fn refuse_sets_times(&mut self, uid: Uid, code: &str, times: u32) -> Result<(), Unknown> {
        self.account(uid)?.sets_refused = Some(SetsRefused { code: code.to_owned(), times });
        Ok(())
    }

    /// A contract of the list, to be changed.
    pub fn listing_mut(&mut self, product: ProductType, symbol: &str) -> Result<&mut Listing, Unknown> {
        let contract = self.market.contract_mut(product, symbol);
        contract.map(|contract| &mut contract.listing).ok_or_else(|| Unknown::new("contract", symbol))
    }

    /// The mode as it really is, whatever a read may show.
    pub fn mode(&self, uid: Uid, product: ProductType) -> Result<PosMode, Unknown> {
        let account = self.accounts.get(&uid).ok_or_else(|| Unknown::new("account", uid))?;
        Ok(account.mode(product).now())
    }

    /// Whether a product type really holds nothing, hidden blockers included.
    pub fn is_flat(&self, uid: Uid, product: ProductType) -> Result<bool, Unknown> {
        let account = self.accounts.get(&uid).ok_or_else(|| Unknown::new("account", uid))?;
        Ok(is_flat(account, &[product]))
    }

    /// Whether the futures categories of a unified account together really hold nothing, hidden blockers included.
    pub fn is_whole_flat(&self, uid: Uid) -> Result<bool, Unknown> {
        let account = self.accounts.get(&uid).ok_or_else(|| Unknown::new("account", uid))?;
        Ok(is_flat(account, account.categories()))
    }

    /// How the exchange behaves where nobody could tell.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// The same, to be changed.
    pub fn switches_mut(&mut self) -> &mut Switches {
        &mut self.switches
    }

    /// From now on, this goes wrong.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// What goes wrong from now on.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Nothing goes wrong any more. What is held up still executes.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn account(&mut self, uid: Uid) -> Result<&mut Account, Unknown> {
        self.accounts.get_mut(&uid).ok_or_else(|| Unknown::new("account", uid))
    }

    fn new_order(&mut self, new: NewOrder) -> Order {
        let NewOrder { symbol, status, age } = new;
        let created = UnixMs(self.now.0.saturating_sub(UnixMs(0).plus(age).0));
        Order { id: self.next_order_id(), symbol, status, created }
    }

    fn next_order_id(&mut self) -> OrderId {
        self.orders_placed += 1;
        OrderId(FIRST_ORDER + self.orders_placed)
    }
}

/// Whether something runs that no list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocker {
    /// It does.
    Running,
    /// It does not.
    Absent,
}

/// Nineteen digits, as the exchange's own: more than a double holds.
const FIRST_ORDER: u64 = 1_300_000_000_000_000_000;
