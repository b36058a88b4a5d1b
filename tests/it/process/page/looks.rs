//! How it looks: in both themes, on a desk and on a phone; pictures of it, and what axe-core finds.
//!
//! `POSMODED_PICTURES=DIR` has the pictures written there; `POSMODED_AXE=axe.min.js` has axe-core look, too.

use std::path::PathBuf;

use super::browser::{Browser, DESK, Look, NIGHT, PHONE, PHONE_AT_NIGHT};
use super::desks;

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
