//! How a reader gets where he wants: by keys, by a search, by an address; and among a thousand targets.

use std::io::Write as _;
use std::time::Duration;

use expect_test::expect;
use posmoded::position_mode::PositionMode;
use posmoded::protocol::{Reason, State, Wants};
use posmoded::status::Paused;
use serde_json::json;

use super::browser::{Browser, NIGHT};
use super::desks;
use super::fleet::{Fleet, ago};
use super::looks::picture;

const FOCUS: &str = "document.activeElement.dataset.target ?? document.activeElement.id";

#[test]
fn keys_alone_reach_a_target_and_its_detail_and_lead_back() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the matrix", "document.querySelectorAll('.cell').length > 20");
    let focus = || browser.text(FOCUS);
    browser.press("/");
    assert_eq!(focus(), "search");
    for key in ["d", "e", "s", "k", "-", "9"] {
        browser.press(key);
    }
    browser
        .wait_for("what was searched", "document.getElementById('shown').textContent === '2 of 30 targets'");
    // Past the choice of what is shown, into the matrix, and on to its second cell.
    browser.press("Tab");
    browser.press("Tab");
    assert_eq!(focus(), "desk-9/USDT-FUTURES");
    browser.press("ArrowRight");
    assert_eq!(focus(), "desk-9/COIN-FUTURES");
    let ring = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.text(ring), "solid");
    browser.press("Enter");
    browser.wait_for("its detail", "document.querySelector('dialog').open");
    assert_eq!(browser.text("document.getElementById('detail-title').textContent"), "desk-9 COIN-FUTURES");
    assert_eq!(browser.text("location.hash"), "#search=desk-9&target=desk-9/COIN-FUTURES");
    browser.press("Escape");
    browser.wait_for("no detail", "!document.querySelector('dialog').open");
    assert_eq!(focus(), "desk-9/COIN-FUTURES");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn an_age_tells_its_time_here_and_in_utc_to_whoever_points_at_it() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let [x, y] = ["x", "y"].map(|side| {
        browser
            .eval(&format!("document.querySelector('.cause .out time').getBoundingClientRect().{side}"))
            .as_f64()
            .unwrap()
    });
    browser.point(x + 2.0, y + 2.0);
    let utc = browser.text("document.querySelector('.cause .out time').dateTime");
    browser.wait_for(
        "its time",
        &format!("document.querySelector('.cause .out time').title.endsWith(', {utc}')"),
    );
}

#[test]
fn beside_each_age_but_those_of_the_cells_stands_its_time_in_utc() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&format!("{}#target=desk-13/USDT-FUTURES", fleet.url()));
    browser.wait_for("its history", "document.querySelectorAll('dialog tbody tr').length > 0");
    let bare = "[...document.querySelectorAll('time.age')].filter((age) => age.closest('.cell') === null && \
                !age.parentNode.textContent.includes(age.dateTime))";
    assert_eq!(
        browser.eval(&format!("{bare}.length")),
        0,
        "{}",
        browser.text(&format!("{bare}[0].outerHTML"))
    );
    let all = "document.querySelectorAll('.cause .at, #facts .at, #changes .at, dialog .at').length > 30";
    assert_eq!(browser.eval(all), true);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_card_says_for_how_long_it_has_its_reason_only_where_that_began_later() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let told = |account: &str| {
        let whens = format!(
            "[...document.querySelector('.cause h3 [data-target^=\"{account}/\"]').parentNode.querySelectorAll('.when')]"
        );
        browser.text(&format!(
            "{whens}.map((when) => when.textContent.replace(/ [0-9dhms ]+ 2.*Z$/, '')).join()"
        ))
    };
    assert_eq!(told("desk-7"), "for,out of sync for");
    assert_eq!(told("desk-12"), "out of sync for");
    fleet.show("desk-12", |shown| shown.targets[0].since = ago(1_230));
    fleet.show("desk-7", |shown| shown.targets[0].since = ago(7_900));
    browser.wait_for(
        "another time",
        "document.querySelector('.cause h3 [data-target^=\"desk-7/\"] ~ .when').textContent.startsWith('for 2h 11m')",
    );
    assert_eq!(
        (told("desk-7").as_str(), told("desk-12").as_str()),
        ("for,out of sync for", "out of sync for")
    );
}

#[test]
fn what_can_be_typed_is_whole_and_offers_no_pause_where_one_stands_and_nothing_of_another_host() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    let typed = |name: &str| {
        browser.go("about:blank");
        browser.go(&format!("{}#target={name}", fleet.url()));
        browser.wait_for("what can be typed", "document.querySelectorAll('.typed code').length > 1");
        browser
            .text("[...document.querySelectorAll('.typed code')].map((code) => code.textContent).join('\\n')")
    };
    expect![[r#"
        posmoded refresh desk-7
        posmoded history desk-7
        posmoded pause desk-7 --reason 'from the page'
        journalctl POSMODED_ACCOUNT=desk-7"#]]
    .assert_eq(&typed("desk-7/USDT-FUTURES"));
    expect![[r#"
        posmoded refresh desk-13
        posmoded history desk-13
        posmoded resume desk-13
        journalctl POSMODED_ACCOUNT=desk-13"#]]
    .assert_eq(&typed("desk-13/USDT-FUTURES"));
    expect![[r#"
        posmoded history desk-17
        journalctl POSMODED_ACCOUNT=desk-17"#]]
    .assert_eq(&typed("desk-17/USDT-FUTURES"));
    // As its sentence names it.
    typed("desk-8/USDT-FUTURES");
    let told = browser.text("document.querySelector('dialog .typed').firstChild.textContent");
    assert_eq!(told, "Look at it and try once moreposmoded refresh desk-8Copy");
    fleet.board.frame(|frame| {
        let (reason, who) = ("all of it".to_owned(), Some("kim".to_owned()));
        frame.paused = Some(Paused { reason, who, since: ago(60), until: None });
    });
    expect![[r#"
        posmoded refresh desk-13
        posmoded history desk-13
        posmoded resume desk-13
        posmoded resume
        journalctl POSMODED_ACCOUNT=desk-13"#]]
    .assert_eq(&typed("desk-13/USDT-FUTURES"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_panel_that_is_closed_stays_closed_though_a_status_comes_before_the_browser_has_told_so() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&format!("{}#target=desk-7/USDT-FUTURES", fleet.url()));
    browser.wait_for("its history", "document.querySelectorAll('dialog tbody tr').length > 2");
    // What is searched shows all anew, as a status does; `close` is told in a task of its own, after this one.
    browser.eval(
        "(() => { document.querySelector('dialog').close(); \
         document.getElementById('search').dispatchEvent(new Event('input', { bubbles: true })); })()",
    );
    browser.wait_for("no detail", "location.hash === '' && !document.querySelector('dialog').open");
    browser.eval("document.querySelector('.cell [data-target^=\"desk-7/\"]').click()");
    browser.wait_for("the same again", "document.querySelector('dialog').open");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_a_sentence_tells_to_type_can_be_copied_and_what_it_only_quotes_cannot() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let say = |account: &str, say: &str| {
        fleet.show(account, |shown| shown.targets[0].say = Some(say.to_owned()));
        browser.wait_for(
            "what it says",
            &format!("document.body.textContent.includes({:?})", say.replace('`', "")),
        );
    };
    let of_card = |account: &str| {
        browser.text(&format!(
            "[...document.querySelector('.cause h3 [data-target^=\"{account}/\"]').closest('.cause').querySelectorAll('.commands code')]\
             .map((code) => code.textContent).join('\\n')"
        ))
    };
    let of_panel = |account: &str| {
        browser.eval(&format!("document.querySelector('.cell [data-target^=\"{account}/\"]').click()"));
        browser.wait_for("its detail", "document.querySelector('dialog').open");
        let typed = browser.text(
            "[...document.querySelectorAll('dialog .standing .commands code')].map((code) => code.textContent).join('\\n')",
        );
        browser.press("Escape");
        browser.wait_for("no detail", "!document.querySelector('dialog').open");
        typed
    };
    say(
        "desk-8",
        "The key file of `desk-8` may be read by others: run `chown root:posmoded DIR/desk-8 && chmod 440 DIR/desk-8` as root, \
         then `posmoded refresh desk-8`; see `position_mode: hedge_mode`.",
    );
    let typed = "chown root:posmoded DIR/desk-8 && chmod 440 DIR/desk-8\nposmoded refresh desk-8";
    assert_eq!((of_card("desk-8").as_str(), of_panel("desk-8").as_str()), (typed, typed));
    let quotes = "The file suspends it: `posmoded approve 0123456789ab` and `chmod 777 /`. Nothing is changed until `suspend` is out.";
    say("desk-11", quotes);
    assert_eq!((of_card("desk-11"), of_panel("desk-11")), (String::new(), String::new()));
    fleet.board.frame(|frame| {
        let paused = frame.paused_accounts.values_mut().next().unwrap();
        paused.reason = "as `chmod 777 /` and `posmoded approve 0123456789ab` say".to_owned();
        frame.config.problem = Some("line 3: unknown key `chmod 777 /`".to_owned());
    });
    browser.wait_for(
        "the refused file",
        "document.querySelector('main').textContent.includes('is REFUSED, and')",
    );
    assert_eq!(of_card("desk-13"), "posmoded resume desk-13");
    let all =
        "[...document.querySelectorAll('.commands code')].some((code) => code.textContent.includes('777'))";
    assert_eq!(browser.eval(all), false);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_theme_is_chosen_against_the_systems_and_kept() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    let ground = || browser.text("getComputedStyle(document.body).backgroundColor");
    let light = ground();
    browser.eval("document.getElementById('theme').click()");
    assert_eq!(browser.text("document.getElementById('theme').textContent"), "Theme: dark");
    let dark = ground();
    assert_ne!(light, dark);
    browser.go("about:blank");
    browser.go(&fleet.url());
    assert_eq!(ground(), dark);
    browser.look(NIGHT);
    assert_eq!(ground(), dark);
    browser.eval("document.getElementById('theme').click()");
    assert_eq!(ground(), light);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_address_says_what_is_shown_and_can_be_sent_to_somebody_else() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&format!("{}#show=human&target=desk-7/USDT-FUTURES", fleet.url()));
    browser.wait_for("the detail", "document.querySelector('dialog').open");
    browser.press("Escape");
    browser.wait_for("no detail", "location.hash === '#show=human'");
    let shown = "document.getElementById('shown').textContent";
    browser.wait_for("what wants a human", &format!("{shown} === '6 of 30 targets'"));
    browser.eval("document.querySelector('[value=problems]').click()");
    browser.wait_for("what is not in sync", &format!("{shown} === '14 of 30 targets'"));
    assert_eq!(browser.text("location.hash"), "#show=problems");
    browser.eval("location.hash = '#search=suspended'");
    browser.wait_for("what is suspended", &format!("{shown} === '1 of 30 targets'"));
    assert_eq!(browser.text("document.getElementById('search').value"), "suspended");
    assert_eq!(browser.text("document.title"), "6 want a human: posmoded on trade-01");
    // A target that has left the file is said to have.
    browser.eval("location.hash = '#target=desk-99/account'");
    browser.wait_for(
        "that it is gone",
        "document.querySelector('dialog').textContent.includes('does not name')",
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn strips_say_in_words_what_they_show_and_hatch_what_nobody_knows() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    let open = |target: &str| {
        browser.go("about:blank");
        browser.go(&format!("{}#target={target}", fleet.url()));
        browser.wait_for("its strips", "document.querySelectorAll('dialog .strip').length === 2");
        let told = "[...document.querySelectorAll('.bars')].map((bars) => bars.ariaLabel + ': ' + [...bars.children].map(\
                    (bar) => bar.className).join(' ')).join('\\n')";
        browser.text(told)
    };
    // Of the second time half an hour was watched by nobody, and the last of it is not known.
    expect![[r#"
        The last 24 h: out of sync 2h 35m in 24 h, 3 times; nobody looked for 30m; looked, and not known for 5m: well out well out unwatched out well out unknown well
        The last 30 days: out of sync 1d 2h in 30 days, 4 times; nobody looked for 10d; looked, and not known for 5m: unwatched well out well out well out unwatched out well out unknown well"#]]
    .assert_eq(&open("desk-1/USDT-FUTURES"));
    let new = open("desk-uta-1/account");
    assert!(new.starts_with("The last 24 h: not out of sync in 24 h; nobody looked for 23h 5"), "{new}");
    assert!(new.ends_with(": unwatched well"), "{new}");
    let hatched = "getComputedStyle(document.querySelector('.bars .unwatched')).backgroundImage.startsWith('repeating')";
    assert_eq!(browser.eval(hatched), true);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Prints how long a change of all of them takes.
#[test]
fn a_thousand_targets_change_at_once_without_stutter() {
    let Some(browser) = Browser::open() else { return };
    let name = |number: usize| format!("desk-{number}");
    let targets: Vec<_> = (0..1000).map(|number| json!({ "account": name(number) })).collect();
    let fleet = Fleet::of(&targets, Vec::new());
    browser.go(&fleet.url());
    browser.wait_for("the matrix", "document.querySelectorAll('#matrix-rows .cell').length === 1000");
    // A frame that took longer than 50 ms is told, with all that its scripts, styles and layout took.
    browser.eval(
        "globalThis.frames_told = []; new PerformanceObserver((list) => frames_told.push(...list.getEntries()\
         .map(({ duration }) => duration))).observe({ type: 'long-animation-frame' })",
    );
    let change = |reason: Reason, mode: PositionMode| {
        for number in 0..1000 {
            fleet.show(&name(number), |cell| {
                for target in &mut cell.targets {
                    target.state = State::Drifted;
                    (target.reason, target.blockers, target.wants) =
                        (Some(reason), vec![reason], Some(Wants::Human));
                    target.say = Some(format!("It says {reason}."));
                    (target.since, target.out_of_sync_since) = (ago(90), Some(ago(90)));
                    target.live.as_mut().unwrap().mode = mode;
                }
            });
        }
        let shown = format!(
            "document.querySelectorAll('#matrix-rows .cell.human').length === 1000 && \
                             document.querySelector('.cause .label').textContent === '{reason}'"
        );
        browser.wait_for("all of them", &shown);
    };
    change(Reason::Reported, PositionMode::OneWay);
    let before = browser.busy();
    change(Reason::Fighting, PositionMode::OneWay);
    let busy_changing = browser.busy().saturating_sub(before);
    let longest =
        || Duration::from_secs_f64(browser.eval("Math.max(0, ...frames_told)").as_f64().unwrap() / 1000.0);
    let of_change = longest();
    let before = browser.busy();
    browser.eval("frames_told.length = 0; new Promise((over) => setTimeout(over, 3000))");
    let busy = browser.busy().saturating_sub(before) / 3;
    let of_ages = longest();
    let age = browser.text("document.querySelector('.cell .age').textContent");
    assert_ne!(age, "1m 30s", "the ages on the screen grow");
    picture(&browser, "thousand");
    browser.eval("frames_told.length = 0; document.querySelector('[value=problems]').click()");
    browser.eval(
        "const field = document.getElementById('search'); field.value = 'desk-77'; \
                  field.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.wait_for("eleven", "document.querySelectorAll('#matrix-rows .cell').length === 11");
    let of_search = longest();
    let told = format!(
        "\na thousand targets: a change of all takes {busy_changing:?} of a processor, their ages {busy:?} a second; longest frames \
         {of_change:?}, {of_ages:?}, and {of_search:?} for a search (0 is below 50 ms)\n"
    );
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    // In time of a processor, for others may want it, too.
    assert!(busy_changing < Duration::from_millis(800), "{busy_changing:?}");
    assert!(busy < Duration::from_millis(100), "{busy:?}");
    assert_eq!(browser.text("document.title"), "1000 want a human: posmoded on trade-01");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
