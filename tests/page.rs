//! docs/index.html, the recorded page: its words and boxes are what its calls say, and a browser shows each step.
//! (tests/docs.rs compares it with a recording.)

use common::*;
use regex_lite::{Captures, Regex};
use std::collections::BTreeMap;
use std::fs;

const COMMITTED: &str = include_str!("../docs/index.html");

fn found<'a>(pattern: &str, text: &'a str) -> Vec<Captures<'a>> {
    Regex::new(pattern).unwrap().captures_iter(text).collect()
}

/// The number in a group, or 0 if that has not matched.
fn number(found: &Captures, group: usize) -> u64 {
    let text = found.get(group).map_or("0", |found| found.as_str()).replace(',', "");
    text.strip_prefix("0x").map_or_else(|| text.parse().unwrap(), hex)
}

#[test]
fn its_words_and_boxes_are_what_the_calls_say() {
    let mut untrue = vec![]; // the steps whose words or boxes differ from what the calls up to then say
    // The blocks in use, and those that were freed, from their addresses to their sizes.
    let (mut used, mut freed) = (BTreeMap::new(), BTreeMap::new());
    let mut unfinished: Vec<&str> = vec![]; // the call in progress at the last step
    let section = "(?s)<section id=\"((.*?)/.*?)\".*?: (.*?)</h3>.*?<code>(.*?)</code>(.*?)</section>";
    for section in found(section, COMMITTED) {
        let [step, program, title, code, rest] = section.extract::<5>().1;
        if step.ends_with("/1") {
            (used, freed, unfinished) = (BTreeMap::new(), BTreeMap::new(), vec![]);
        }
        let goes_on = unfinished.drain(..).all(|call| code.contains(call));
        // How many calls of each kind there are.
        let (mut counts, mut being_freed, mut named) = (BTreeMap::new(), 0, vec![]);
        let call = r"\b((de|re)?alloc(?:_zeroed)?\((0x\w+)?(?:, )?(\d+)(?:, (\d+))?\)(?: = (0x\w+))?)(, in progress)?";
        for call in found(call, code) {
            let [block, size, new_size, result] = [3, 4, 5, 6].map(|group| number(&call, group));
            let name = call.get(2).map(|name| name.as_str());
            named.extend([block, result]);
            if call.get(7).is_some() {
                being_freed = if name == Some("de") { block } else { 0 };
                unfinished.push(call.get(1).unwrap().as_str());
                continue;
            }
            let what = name.map_or("allocated", |name| if name == "de" { "freed" } else { "resized" });
            *counts.entry(what).or_insert(0) += 1;
            freed.extend(used.remove_entry(&block));
            freed.remove(&result);
            used.extend((result > 0).then_some((result, if name.is_some() { new_size } else { size })));
        }

        // The title counts the calls that have returned, and no others. And something has happened.
        let said = found("a block is (allocated|resized|freed)(?: \\(([0-9,]+) times\\))?", title);
        let said: BTreeMap<_, _> =
            said.iter().map(|said| (said.get(1).unwrap().as_str(), number(said, 2).max(1))).collect();
        let is_change = !found("[1-9][0-9,]* bytes? changed|into memory", rest).is_empty();
        let is_call = code.contains("brk(") || code.contains("write(") || !counts.is_empty();
        let mut are_true = goes_on && (is_call || is_change) && said == counts;

        // Each box is a block, and each block is a box. What is said of a box may be in two lines.
        let rest = Regex::new("</text>\\s*<text[^>]*?( class=\"marked\")?>").unwrap().replace_all(rest, "$1> ");
        let words = "(class=\"marked\")?> ?(0x\\w+): ([0-9,]+) bytes?>? (in use|being freed|free|freed|lost)\\b\
                     (?:> end (0x\\w+), (?:next (0x\\w+)|no next))?";
        let boxes = found(words, &rest);
        let of = |kinds: &[&str]| -> BTreeMap<_, _> {
            let boxes = boxes.iter().filter(|one| kinds.contains(&&one[4]));
            boxes.map(|one| (number(one, 2), number(one, 3))).collect()
        };
        let (free, in_use) = (of(&["free"]), of(&["in use"]));
        if program != "alloc" {
            let program_break = found("program break> (0x\\w+)", &rest).first().map_or(0, |found| number(found, 1));
            // The break may have moved down while a block is being freed.
            let expected = used.iter().filter(|(block, _)| **block < program_break);
            let expected = expected.map(|(&block, &size)| (block, size.min(program_break - block)));
            are_true &= of(&["in use", "being freed"]) == expected.collect();
            are_true &= program != "bump" || of(&["lost"]) == freed;
            let sums = found("in use ([0-9,]+) byte", &rest);
            are_true &= sums.iter().any(|found| number(found, 1) == in_use.values().sum());
        }
        for one in &boxes {
            let [block, size, end, next] = [2, 3, 5, 6].map(|group| number(one, group));
            are_true &= (block == being_freed) == (&one[4] == "being freed");
            // The step's calls name the blocks that are marked, and no others.
            let is_named = named.iter().any(|address| (block..block + size).contains(address));
            are_true &= program == "alloc" || is_named == one.get(1).is_some();
            // A free block has its end, and the next one.
            let following = free.range(block + 1..).next().map_or(0, |following| *following.0);
            are_true &= &one[4] != "free" || (end, next) == (block + size, following);
        }
        // A free list and the blocks in use are all memory up to the last of these.
        let all = of(&["free", "in use"]);
        let ends = all.iter().map(|(block, size)| block + size.next_multiple_of(16));
        are_true &= program != "free_list" || ends.zip(all.keys().skip(1)).all(|(end, next)| end == *next);
        untrue.extend((!are_true).then_some(step));
    }
    assert_eq!(untrue, [""; 0]);
}

/// A reader, who goes through the page by the arrow key, and then tries the other controls. It tells the page around it
/// what it has seen: the name of each step, after `!` where something is wrong.
const READER: &str = r##"<script>
onload = async () => {
  const fills = ["u", "mem", "f"].map(kind => getComputedStyle(all(`rect.${kind}`)[0]).fill);
  const colors = new Set([...fills, getComputedStyle(document.body).backgroundColor]);
  const sign = getComputedStyle(all(".key .u")[0], "::before").backgroundColor;
  const light = color => [1, 3, 5].reduce((sum, at, n) =>
    sum + [0.21, 0.72, 0.07][n] * (parseInt(color.slice(at, at + 2), 16) / 255) ** 2.2, 0.05);
  const scheme = name => [...all("style")[0].textContent.matchAll(`--${name}: (#\\w+)`)].map(found => light(found[1]));
  const [ground, mem, used] = ["ground", "mem", "use"].map(scheme);
  const ratios = [0, 1].flatMap(n => [ground[n] / mem[n], mem[n] / used[n], used[n] / ground[n]]);
  const isSeen = colors.size === 4 && !/, 0\)$/.test(sign) && ratios.every(ratio => Math.max(ratio, 1 / ratio) >= 1.5);
  const seen = [isSeen], tops = {}, press = key => dispatchEvent(new KeyboardEvent("keydown", { key }));
  const breakOf = section => section.textContent.match(/program break\s+(0x\w+)/)[1];
  const look = async (time = 20) => {
    await new Promise(done => setTimeout(done, time));
    const visible = what => all(what).filter(one => one.checkVisibility());
    const [words, ...others] = visible(".words"), section = words.parentElement, [program, n] = section.id.split("/");
    const { top, bottom } = section.lastElementChild.getBoundingClientRect();
    tops[program] ??= top;
    const isRight = !others.length && top === tops[program] && bottom <= innerHeight && scrollY === 0
      && words.scrollHeight <= words.clientHeight && document.documentElement.scrollWidth <= innerWidth
      && visible(".output .run").every(({ textContent }) =>
        !textContent.includes(" 0x") || textContent.includes(breakOf(section)))
      && visible(".source .run").map(line => line.dataset.line).join(" ") === section.dataset.lines
      && all(`#${program} .output span`).every(line => line.checkVisibility() === +line.dataset.step <= n)
      && all("[aria-live]")[0].textContent === words.innerText && visible(".now")[0].getAttribute("x") === `${n - 1}`
      && back.disabled === (section.id === "alloc/1") && next.disabled === (section === all("section").at(-1))
      && !performance.getEntriesByType("resource").length;
    seen.push(`${isRight ? "" : "!"}${section.id}`);
  };
  for (const step of steps) await look(), press("ArrowRight");
  for (const act of [
    () => press("ArrowLeft"), () => back.click(), () => next.click(), () => history.length > 9 && history.back(),
    () => location.hash = "#malloc/99", () => location.hash = "#nothing", () => all("nav a")[1].click(),
    () => { bar.value = 3, bar.dispatchEvent(new Event("input")) },
    () => all(".chart a")[19].dispatchEvent(new MouseEvent("click", { bubbles: true })), () => play.click(),
  ]) await look(200), act();
  await look(9000), parent.postMessage(`${seen.join(" ")} ${play.checked}`, "*");
};
</script>"##;

#[test]
fn a_browser_shows_each_step_on_one_screen_and_loads_nothing() {
    needs!(Browser);
    let directory = tempfile::tempdir().unwrap();
    let write = |name, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("index.html", &(COMMITTED.to_string() + READER));
    let script = Regex::new("(?s)<script>.*?</script>").unwrap().replace_all(COMMITTED, "");
    let count = r##"<script>parent.postMessage([...document.querySelectorAll("section > svg")].filter(one =>
        one.checkVisibility()).length, "*")</script>"##;
    write("plain.html", &(script.into_owned() + count));
    // This tells which step of the picture is seen at each of nine times, in milliseconds.
    let turn = r#"<script>
        const [turn] = document.getAnimations(), all = what => [...document.querySelectorAll(what)];
        const fill = one => getComputedStyle(one).fill, ground = fill(all("svg > rect")[0]);
        const isSeen = new Set([".mem", ".promised", ".u"].map(kind => fill(all(kind)[0]))).size === 3 &&
          all("text").every(one => fill(one) !== ground) && all(".step > g + g text").every(one => one.getBBox().x < 0);
        const seen = time => (turn.currentTime = time, all(".step").findIndex(step => step.getScreenCTM().e > -99));
        const times = [0, 2500, 4900, 7300, 9700, 12100, 59900, 60100, 1e9];
        turn.pause(), parent.postMessage([isSeen, ...times.map(seen)].join(""), "*");
        </script>"#;
    write("picture.html", &(include_str!("../docs/memory.svg").to_string() + turn));
    let steps = found("<section id=\"(.*?)\"", COMMITTED);
    let mut steps: Vec<_> = steps.iter().map(|found| &found[1]).collect();
    let count = steps.len();
    let [.., third, before, last] = steps[..] else { panic!("{steps:?}") };
    steps.extend([last, before, third, before, third, "malloc/1", "alloc/1", "bump/1", "bump/3", "bump/20", "bump/21"]);
    // The colours are different, with any contrast, and in the end the page plays no longer.
    let seen = format!("[true {} false]", steps.join(" "));

    let options = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update \
                   --disable-sync --no-first-run --enable-logging=stderr --hide-scrollbars --dump-dom \
                   --virtual-time-budget=60000";
    for (size, contrast) in [("width=360 height=740", None), ("width=1200 height=800", Some("--force-high-contrast"))] {
        let frames = format!(
            "<iframe src=index.html {size}></iframe><iframe src=plain.html></iframe><iframe src=picture.html></iframe>"
        );
        let script = "<script>onmessage = event => document.body.append(`[${event.data}]`)</script>";
        write("host.html", &format!("<!DOCTYPE html><body>{script}{frames}"));
        let mut browser = limited("chromium");
        browser.args(options.split(' ')).args(contrast);
        let output = browser.arg(directory.path().join("host.html")).env("HOME", directory.path()).output().unwrap();
        let [shown, log] = [&output.stdout, &output.stderr].map(|text| str::from_utf8(text).unwrap());
        assert!(!log.lines().any(|line| line.contains("CONSOLE") && !line.contains("chrome://")), "{log}");
        for seen in [&seen, &format!("[{count}]"), "[true012340422]"] {
            assert!(shown.contains(seen), "{size}: {seen}: {shown}");
        }
    }
}
