//! docs/index.html, the recorded page: the committed one is what `make page` records, and a browser shows each step.
#![cfg(all(debug_assertions, target_arch = "x86_64"))] // as `make page` has recorded it

use common::*;
use regex_lite::Regex;
use std::fs;

const COMMITTED: &str = include_str!("../docs/index.html");

#[test]
fn is_the_one_that_make_page_records() {
    needs!(Ptrace, FixedAddresses);
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("docs/index.html");
    fs::create_dir(directory.path().join("docs")).unwrap();
    fs::write(&page, &*Regex::new("(?s)<section.*?</pre>").unwrap().replace_all(COMMITTED, "nothing yet")).unwrap();
    std::os::unix::fs::symlink(root().join("gdb"), directory.path().join("gdb")).unwrap();
    let malloc = cargo::build("malloc", "", "dev", &["--bins", "--config", cargo::CONFIG]);
    for program in ["alloc", "bump", "free_list", "malloc"] {
        let path = if program == "alloc" { env!("CARGO_BIN_EXE_alloc").into() } else { malloc.join(program) };
        let script = format!("source {}", directory.path().join("gdb/page.py").display());
        let output = gdb_command(path.to_str().unwrap(), &[&script]).output().unwrap();
        assert_eq!((status(&output), str::from_utf8(&output.stderr)), (0, Ok("")), "{program}");
    }
    let compiler = limited("rustc").arg("--version").output().unwrap().stdout;
    if !include_str!("../benches/README.md").contains(str::from_utf8(&compiler).unwrap()) {
        return say("docs/index.html is not of this compiler, whose library may allocate otherwise");
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u32> = kernel.split('.').map_while(|number| number.parse().ok()).collect();
    if version < vec![6, 6] {
        return say("this kernel counts the program's zeroed data as heap, so it doesn't tell how much is in memory");
    }
    // What is stored on the heap may be addresses, too.
    let stored = Regex::new("<code>0x[0-9a-f]+: [^<]*").unwrap();
    let recorded = fs::read_to_string(page).unwrap();
    let [committed, recorded] = [COMMITTED, &recorded].map(|page| normal(&stored.replace_all(page, "")));
    let different = committed.lines().zip(recorded.lines()).find(|(committed, recorded)| committed != recorded);
    assert_eq!((different, committed.len()), (None, recorded.len()), "make page records it anew");
}

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
