//! The page at `/`, in a real browser.

mod browser;
mod desks;
mod fleet;

use std::path::PathBuf;

use self::browser::{Browser, DESK, NIGHT, PHONE, PHONE_AT_NIGHT};

#[test]
fn f_looks() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("what is known", "document.querySelectorAll('.cause').length > 3");
    let pictures = std::env::var_os("POSMODED_PICTURES").map(PathBuf::from);
    for (name, look) in [("light", DESK), ("dark", NIGHT), ("phone", PHONE), ("phone-dark", PHONE_AT_NIGHT)] {
        browser.look(look);
        browser.eval("new Promise((over) => setTimeout(over, 400))");
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{look:?}");
        let Some(pictures) = &pictures else { continue };
        std::fs::write(pictures.join(format!("{name}.png")), browser.picture(true)).unwrap();
        std::fs::write(pictures.join(format!("{name}-first.png")), browser.picture(false)).unwrap();
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
