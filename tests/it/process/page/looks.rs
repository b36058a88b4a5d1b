//! How it looks: in both themes, on a desk and on a phone; pictures of it, and what axe-core finds.
//!
//! `POSMODED_PICTURES=DIR` has the pictures written there; `POSMODED_AXE=axe.min.js` has axe-core look, too.

use std::path::PathBuf;

use super::browser::{Browser, DESK, Look, NIGHT, PHONE, PHONE_AT_NIGHT};
use super::desks;
use super::fleet::Fleet;
use serde_json::json;

#[test]
fn nothing_is_scrolled_sideways_and_nobody_is_kept_out_in_both_themes_on_a_desk_and_on_a_phone() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    browser.wait_for("the events", "document.querySelectorAll('#changes-rows tr').length > 3");
    let axe = std::env::var_os("POSMODED_AXE").map(|path| std::fs::read_to_string(path).unwrap());
    for (name, look) in [("light", DESK), ("dark", NIGHT), ("phone", PHONE), ("phone-dark", PHONE_AT_NIGHT)] {
        let see = |name: &str, look: Look| {
            browser.look(look);
            let wide = "document.documentElement.scrollWidth <= innerWidth && \
                        [...document.querySelectorAll('dialog')].every((node) => node.scrollWidth <= node.clientWidth)";
            browser.wait_for("that nothing is scrolled sideways", wide);
            if let Some(axe) = &axe {
                let found = accessibility(&browser, axe);
                assert!(found.is_empty(), "{name}: {found}");
            }
            picture(&browser, name);
        };
        see(&format!("{name}-first"), look);
        let height = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
        see(name, Look { height: u32::try_from(height).unwrap(), ..look });
        browser.eval("document.querySelector('.cell .target[data-target^=\"desk-7\"]').click()");
        browser.wait_for("its history", "document.querySelectorAll('dialog tbody tr').length > 2");
        browser.wait_for("its strips", "document.querySelectorAll('dialog .strip').length === 2");
        see(&format!("{name}-detail"), Look { height: 1600, ..look });
        browser.press("Escape");
        browser.wait_for("no detail", "!document.querySelector('dialog').open");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn on_a_phone_the_panel_of_the_longest_name_shows_it_whole_and_can_be_closed_wherever_it_is_read() {
    let Some(browser) = Browser::open() else { return };
    let name = "a-name-of-63-characters-which-is-the-longest-that-a-file-may-have".get(..63).unwrap();
    let target = json!({ "account": name, "state": "new", "reason": "suspended", "live": "one_way_mode", "out": 7_200, "say": "It says so." });
    let fleet = Fleet::of(&[target], Vec::new());
    browser.look(PHONE);
    browser.go(&format!("{}#target={name}/USDT-FUTURES", fleet.url()));
    browser.wait_for("its strips", "document.querySelectorAll('dialog .strip').length === 2");
    // Strips are cut at their ends; what is only for screen readers has no place.
    let cut = "[...document.querySelectorAll('main *, dialog *')].filter((node) => !node.matches('.unseen, .end, .bars, .bars *') && \
               (node.getBoundingClientRect().right > innerWidth + 1 || \
               (getComputedStyle(node).overflowX !== 'visible' && node.scrollWidth > node.clientWidth)))";
    let cut = || browser.text(&format!("{cut}.map((node) => node.outerHTML.slice(0, 200)).join('; ')"));
    assert_eq!(cut(), "");
    assert_eq!(
        browser.text("document.getElementById('detail-title').textContent"),
        format!("{name} USDT-FUTURES")
    );
    for part in ["0", "0.5", "1"] {
        browser.eval(&format!(
            "(() => {{ const panel = document.querySelector('dialog'); panel.scrollTop = panel.scrollHeight * {part}; }})()"
        ));
        let hit = "(() => { const { x, y, width, height } = document.querySelector('dialog .close').getBoundingClientRect(); \
                   return document.elementFromPoint(x + width / 2, y + height / 2)?.className; })()";
        assert_eq!(browser.text(hit), "close", "{part}");
    }
    picture(&browser, "phone-longest");
    browser.eval("document.querySelector('dialog .close').click()");
    browser.wait_for("no detail", "!document.querySelector('dialog').open");
    assert_eq!(cut(), "");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn accessibility(browser: &Browser, axe: &str) -> String {
    // Through the protocol, past the page's own policy.
    browser.eval(&format!("{axe}; null"));
    browser.text(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, help, nodes }) => \
         `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => html + failureSummary).join('; ')}`).join('\\n'))",
    )
}

/// Written where pictures are wanted.
pub(super) fn picture(browser: &Browser, name: &str) {
    let Some(pictures) = std::env::var_os("POSMODED_PICTURES").map(PathBuf::from) else { return };
    std::fs::write(pictures.join(format!("{name}.png")), browser.picture()).unwrap();
}
