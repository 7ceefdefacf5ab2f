//! docs/index.html, the recorded page: a browser shows each step. (tests/docs.rs compares it with a recording.)
#![cfg(debug_assertions)] // once is enough

use common::*;
use regex_lite::Regex;
use std::fs;

const COMMITTED: &str = include_str!("../docs/index.html");

/// A reader, who goes through the page by the arrow key, and then tries the other controls. The page then shows what
/// this has seen: of each step its name and its text, and `!` where something is wrong.
const READER: &str = r##"<script>
onload = async () => {
  const seen = [], plain = text => text.replace(/\s+/g, ""), [back, forth] = all("button");
  const look = async time => {
    await new Promise(done => setTimeout(done, time));
    const visible = what => all(what).filter(one => one.checkVisibility());
    const [section, ...others] = visible("section"), lines = visible(".run");
    const isRight = !others.length && plain(section.innerText) === plain(section.textContent)
      && plain(section.innerText).startsWith(plain(all("[aria-live]")[0].textContent))
      && lines.map(line => line.dataset.line).join(" ") === section.dataset.lines
      && document.documentElement.scrollWidth <= innerWidth && !performance.getEntriesByType("resource").length;
    seen.push(`${isRight ? "" : "!"}${section.dataset.step}`);
  };
  const press = key => dispatchEvent(new KeyboardEvent("keydown", { key }));
  for (const step of steps) await look(20), press("ArrowRight");
  await look(20), press("ArrowLeft");
  await look(20), back.click();
  await look(20), forth.click();
  await look(9000), all("a")[1].click();
  await look(20), bar.value = 3, bar.dispatchEvent(new Event("input"));
  await look(20), location.hash = "#free_list/5";
  await look(20), play.click();
  await look(3000), play.click();
  document.body.innerHTML = `<pre>${seen.join(" ")}</pre>`;
};
</script>"##;

#[test]
fn a_browser_shows_each_step_and_loads_nothing() {
    needs!(Browser);
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("index.html");
    fs::write(&page, COMMITTED.to_string() + READER).unwrap();
    let mut browser = limited("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]);
    browser.args(["--disable-component-update", "--no-first-run", "--enable-logging=stderr", "--window-size=360,900"]);
    browser.args(["--dump-dom", "--virtual-time-budget=60000"]).arg(&page).env("HOME", directory.path());
    let output = browser.output().unwrap();
    let [shown, log] = [&output.stdout, &output.stderr].map(|text| str::from_utf8(text).unwrap());
    assert!(!log.contains("CONSOLE"), "{log}");

    let steps = Regex::new(r#"data-step="(.*?)""#).unwrap();
    let mut steps: Vec<_> = steps.captures_iter(COMMITTED).map(|found| found.extract::<1>().1[0]).collect();
    let [.., third, before, last] = steps[..] else { panic!("{steps:?}") };
    steps.extend([last, before, third, before, "bump/1", "bump/3", "free_list/5", "free_list/6"]);
    assert!(shown.contains(&format!("<pre>{}</pre>", steps.join(" "))), "{shown}");
}
