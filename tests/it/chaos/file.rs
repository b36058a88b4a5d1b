//! Files as people push them: good ones that change something, and bad ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bitget_sim::{Kind, PosMode, ProductType};
use posmoded::source::FileState;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::one_of;
use super::schedule::Person;

/// A good file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub max_changes: u32,
    pub suspended: bool,
    pub accounts: BTreeMap<&'static str, AccountWish>,
}

/// What a good file says of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountWish {
    pub modes: Modes,
    pub drift: &'static str,
    pub settle: u32,
    pub check_every: u32,
    pub suspended: bool,
}

/// The short form, or one mode for each product type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Modes {
    All(PosMode),
    Each(BTreeMap<ProductType, PosMode>),
}

/// A bad file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    CutOff,
    Half,
    UnknownKey,
    Empty,
    Changing,
    Unreadable,
}

impl Wish {
    /// A first file that names everybody.
    pub fn draw(dice: &mut TestRng, people: &[Person]) -> Wish {
        let accounts = people.iter().map(|person| (person.name, AccountWish::draw(dice, person))).collect();
        Wish { max_changes: one_of(dice, &[2, 5, 20, 200, 200]), suspended: false, accounts }
    }

    /// The next one: one thing is changed, now and then several.
    pub fn edit(&mut self, dice: &mut TestRng, people: &[Person]) {
        if dice.random_bool(0.5) {
            self.suspended = false;
        }
        for _ in 0..one_of(dice, &[1, 1, 1, 2, 3]) {
            let person = &people[dice.random_range(0..people.len())];
            match dice.random_range(0..100) {
                0..68 => self.change_modes(dice, person),
                68..80 => self.remove_or_bring_back(dice, person),
                80..88 => {
                    self.accounts.insert(person.name, AccountWish::draw(dice, person));
                }
                88..94 => self.change_of(person, |account| account.suspended = !account.suspended),
                94..97 => self.suspended = !self.suspended,
                _ => self.max_changes = one_of(dice, &[1, 5, 20, 200]),
            }
        }
    }

    /// The same, without anything in it that would keep a change from being made.
    pub fn without_brakes(&self) -> Wish {
        let mut wish = Wish { max_changes: 1000, suspended: false, ..self.clone() };
        for account in wish.accounts.values_mut() {
            account.drift = "correct";
            account.suspended = false;
        }
        wish
    }

    /// The same, with one mode for each unified account.
    pub fn speak_for_the_whole(&mut self, people: &[Person]) {
        for person in people.iter().filter(|person| person.kind == Kind::Unified) {
            self.change_of(person, |account| {
                let first = account.wants().into_values().next().expect("it speaks for something");
                account.modes = Modes::All(first);
            });
        }
    }

    /// Names only these people any more; gives back whether it still names anybody.
    pub fn only(&mut self, people: &[Person]) -> bool {
        self.accounts.retain(|name, _| people.iter().any(|person| person.name == *name));
        !self.accounts.is_empty()
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let mut text = format!("version: 1\nmax_changes: {}\n", self.max_changes);
        if self.suspended {
            text.push_str("suspend: \"exchange maintenance\"\n");
        }
        text.push_str("accounts:\n");
        for (name, AccountWish { modes, drift, settle, check_every, suspended }) in &self.accounts {
            let _ = writeln!(text, "  {name}:");
            let _ =
                writeln!(text, "    drift: {drift}\n    settle: {settle}s\n    check_every: {check_every}s");
            if *suspended {
                text.push_str("    suspend: \"until the risk review is done\"\n");
            }
            match modes {
                Modes::All(mode) => {
                    let _ = writeln!(text, "    position_mode: {}", mode.as_str());
                }
                Modes::Each(modes) => {
                    text.push_str("    position_mode:\n");
                    for (product, mode) in modes {
                        let _ = writeln!(text, "      {}: {}", product.as_str(), mode.as_str());
                    }
                }
            }
        }
        text.push_str("...\n");
        text
    }

    fn change_modes(&mut self, dice: &mut TestRng, person: &Person) {
        let turn_all = dice.random_bool(0.2);
        self.change_of(person, |account| match &mut account.modes {
            Modes::All(mode) => *mode = other(*mode),
            Modes::Each(modes) => {
                let chosen = dice.random_range(0..modes.len());
                for (_, mode) in modes
                    .iter_mut()
                    .enumerate()
                    .filter(|(at, _)| turn_all || *at == chosen)
                    .map(|(_, pair)| pair)
                {
                    *mode = other(*mode);
                }
            }
        });
    }

    fn remove_or_bring_back(&mut self, dice: &mut TestRng, person: &Person) {
        if self.accounts.contains_key(person.name) && self.accounts.len() > 1 {
            self.accounts.remove(person.name);
        } else {
            self.accounts.insert(person.name, AccountWish::draw(dice, person));
        }
    }

    fn change_of(&mut self, person: &Person, change: impl FnOnce(&mut AccountWish)) {
        if let Some(account) = self.accounts.get_mut(person.name) {
            change(account);
        }
    }
}

impl AccountWish {
    fn draw(dice: &mut TestRng, person: &Person) -> AccountWish {
        let mode = |dice: &mut TestRng| one_of(dice, &[PosMode::OneWayMode, PosMode::HedgeMode]);
        let short = match person.kind {
            Kind::Classic => 0.2,
            Kind::Unified => 0.8,
        };
        let modes = if dice.random_bool(short) {
            Modes::All(mode(dice))
        } else {
            Modes::Each(person.products.iter().map(|product| (*product, mode(dice))).collect())
        };
        AccountWish {
            modes,
            drift: one_of(dice, &["correct", "correct", "correct", "report"]),
            settle: one_of(dice, &[0, 0, 5, 20, 45]),
            check_every: one_of(dice, person.looks),
            suspended: false,
        }
    }

    /// The product types that it speaks for, and their modes.
    pub fn wants(&self) -> BTreeMap<ProductType, PosMode> {
        match &self.modes {
            Modes::All(mode) => SHORT_FORM.iter().map(|product| (*product, *mode)).collect(),
            Modes::Each(modes) => modes.clone(),
        }
    }
}

impl Bad {
    pub const ALL: [Bad; 6] =
        [Bad::CutOff, Bad::Half, Bad::UnknownKey, Bad::Empty, Bad::Changing, Bad::Unreadable];

    /// What becomes of a good file.
    pub fn text_of(self, good: &str) -> Result<String, FileState> {
        match self {
            Bad::CutOff => Ok(good.trim_end_matches("...\n").to_owned()),
            Bad::Half => Ok(good[..good.len() / 2].to_owned()),
            Bad::UnknownKey => Ok(good.replacen("accounts:", "windoes: {}\naccounts:", 1)),
            Bad::Empty => Ok(String::new()),
            Bad::Changing => Err(FileState::Changing),
            Bad::Unreadable => Err(FileState::Unreadable("there is no desired-state.yaml".to_owned())),
        }
    }
}

/// The other mode.
pub fn other(mode: PosMode) -> PosMode {
    match mode {
        PosMode::OneWayMode => PosMode::HedgeMode,
        PosMode::HedgeMode => PosMode::OneWayMode,
    }
}

const SHORT_FORM: [ProductType; 3] =
    [ProductType::UsdtFutures, ProductType::CoinFutures, ProductType::UsdcFutures];
