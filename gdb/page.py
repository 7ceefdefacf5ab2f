"""The part of docs/index.html that is about one recorded program: its steps, and the source of main."""

import re
from html import escape
from itertools import groupby

from event import COMPARED, PAGE, about, dump, size  # beside this file

# What a byte of the heap can be. The first one of each block in use has a capital letter.
KINDS = {"u": "in use", "f": "free", "n": "never used", "b": "not asked for"}


def watch(events, fresh):
    """Returns for each event a letter for each byte of the heap then, and the memory that the event is about. Where
    the break moves up, the letter is `fresh`."""
    letters = bytearray()
    for event in events:
        blocks = [(address, address + 1) for address in event.changed]
        for call in event.calls:
            # A block that is being freed counts as free.
            ranges = [(call.arguments["ptr"], call.arguments["size"], b"f")] if "ptr" in call.arguments else []
            if call.result is None and call.name == "realloc":
                ranges = []
            if call.result:
                length = call.arguments.get("new_size", call.arguments["size"])
                ranges.append((call.result, length, b"U".ljust(length, b"u")))
            for start, length, letter in ranges:
                at = start - event.after.heap_start
                end = min(at + length, len(letters))  # the break may have moved down since
                letters[at:end] = letter.ljust(end - at, letter[-1:])[: max(end - at, 0)]
                blocks.append((start, start + length))
        letters = letters[: event.after.asked_for].ljust(event.after.asked_for, fresh)
        yield letters, blocks


def parts(heap, pages, letters, blocks):
    """The parts of the heap from the bottom up: where each starts and ends, its kind, whether it is in memory, and
    whether the step is about it."""
    shown = letters.ljust(heap.end - heap.start, b"b")
    if len(shown) > COMPARED:
        # In a heap that large, neighbours are shown as one, with less than a page between them.
        shown = re.sub(rb"([Uuf])n{1,4095}(?=[Uf])", lambda gap: gap[1] * len(gap[0]), shown).lower()
    start = 0
    for is_there, run in groupby(page in pages for page in range(heap.start, heap.end, PAGE)):
        end = start + len(list(run)) * PAGE
        for part in re.finditer(rb"Uu*|u+|f+|n+|b+", shown[start:end]):
            low, high = (heap.start + start + at for at in part.span())
            kind = part[0][:1].lower().decode()
            yield low, high, kind, is_there, any(a < high and low < b for a, b in blocks if kind != "n")
        start = end


def row(share, kind, address, words, edge=""):
    """A part of the memory, with what is written inside and at its upper edge."""
    kind += " break" * (edge == "program break")
    address = address and f"<code>{address:#x}</code>"
    return f'<li class="{kind}" style="flex-grow:{share:g}">{address}<b>{words}</b>{edge and f"<i>{edge}</i>"}'


def rows(event, heap_parts, top, kinds):
    """The memory after an event, from the highest address down. The heap of this program has up to `top` bytes."""
    memory, heap = event.after, event.after.heap
    places = {region.name: region for region in memory.regions}
    stack, program = places["stack; grows down"], places["program"]
    yield row(0, "part", stack.end, "stack")
    gap = round(100 - 100 * (heap.end - heap.start) / top, 1)
    yield row(gap, "gap", stack.start, f"the gap, {about(stack.start - heap.end)}")
    edges = {heap.start: "heap start", heap.end: "end of the page", memory.program_break: "program break"}
    for low, high, kind, is_there, is_marked in reversed(heap_parts):
        share = round(100 * (high - low) / top, 1)
        # The smallest parts have no room for words.
        is_named = is_marked or share >= 6 or high in edges
        words = f"{size(high - low)} {kinds[kind]}" if is_named else ""
        kind += " promised" * (not is_there) + " marked" * is_marked + " named" * is_named
        yield row(share, kind, high if is_named else "", words, edges.get(high, ""))
    yield row(0, "part", heap.start, "program", edges[heap.start])
    yield f'<li class="bottom"><code>{program.start:#x}</code>'


def section(event, step, heap_parts, top, kinds):
    """A step: what happens, in words, and the memory after that."""
    calls = [str(call) for call in event.calls[:8]]
    calls += [f"… {len(event.calls):,} calls in all"] * (len(event.calls) > 8)
    calls = "<br>".join(call for call in [*calls, event.call()] if call)
    lines = " ".join(str(line) for line, _ in event.lines)
    yield f'<section data-step="{step}" data-lines="{lines}"{" hidden" * (step != "alloc/1")}>'
    yield f'<div class="words"><h3>Step {event.number}: {event.title}</h3><p><code>{calls}</code>'
    yield f"<p>{event.remark}<p>{event.after.state()}<p><code>{escape(dump(*event.shown()).strip())}</code></div>"
    yield '<ul aria-label="The memory after this step, from the highest address down">'
    yield from rows(event, heap_parts, top, kinds)
    yield "</ul></section>"


def replace(html, name, events, file, source):
    """Returns the page with another part about this program."""
    top = max(event.after.heap.end - event.after.heap.start for event in events)
    kinds = KINDS | ({"f": "freed, but lost"} if name == "bump" else {})
    lines = []
    # Without an allocator, all that the program asks for is in use.
    for event, watched in zip(events, watch(events, b"u" if name == "alloc" else b"n")):
        heap_parts = list(parts(event.after.heap, set(event.after.pages), *watched))
        lines += section(event, f"{name}/{event.number}", heap_parts, top, kinds)
    lines.append(f'<div><p><code>main</code> in {file}<pre tabindex="0">')
    lines += [f'<span data-line="{number}">{escape(text)}</span>' for number, text in source]
    before, after = html.split(f"<!-- {name} -->\n")
    lines = [f"{before}<!-- {name} -->", *lines, f"</pre></div>\n{after[after.index('</article>'):]}"]
    return "\n".join(lines)
