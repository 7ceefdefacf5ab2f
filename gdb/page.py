"""The part of docs/index.html that is about one recorded program: its steps, what it prints, and the source of main."""

from html import escape

from event import dump, size  # beside this file
from picture import draw  # beside this file


def blocks(events, name):
    """Returns for each event the blocks then, from the bottom up: where each starts and ends, and its kind."""
    used, freed = {}, {}
    for event in events:
        being_freed, memory = [], event.after
        for call in event.calls:
            block, size = call.arguments.get("ptr"), call.arguments.get("new_size", call.arguments["size"])
            if call.result is None:
                being_freed += [block] * (call.name == "dealloc")
            elif block in used:
                freed[block] = used.pop(block)
            if call.result:
                used[call.result], end = size, call.result + size
                freed = {at: size for at, size in freed.items() if at + size <= call.result or end <= at}
        found = [(at, at + size, "d" if at in being_freed else "u") for at, size in used.items()]
        # A free list says itself what is free. Without an allocator, all that the program asks for is in use.
        free = memory.free if name == "free_list" else [(at, at + size) for at, size in freed.items()]
        found += [(low, high, "f") for low, high, *_ in free]
        found += [(memory.heap_start, memory.program_break, "u")] * (name == "alloc")
        # The break may have moved down since.
        end = memory.program_break
        yield sorted((low, min(high, end), kind) for low, high, kind in found if low < min(high, end))


def replace(html, name, events, process, top):
    """Returns the page with another part about this program, whose process has ended."""
    before, after = html.split(f"<!-- {name} -->\n")
    lines = [f"{before}<!-- {name} -->"]
    for event, now in zip(events, blocks(events, name)):
        calls = [str(call) for call in event.calls if call.result is not None]
        calls += [f"{call} <i>in progress</i>" for call in event.calls if call.result is None]
        calls = "<br>".join(filter(None, [*calls, event.call()]))
        numbers = " ".join(str(line) for line, _ in event.lines)
        in_use = sum(high - low for low, high, kind in now if kind == "u")
        lines.append(f'<section id="{name}/{event.number}" data-lines="{numbers}"><div class="words">')
        lines.append(f"<h3>Step {event.number} of {len(events)}: {event.title}</h3>")
        lines.append(f'<p class="calls"><code>{calls}</code><p class="remark">{event.remark}')
        if name == "alloc" and event.name != "brk":
            lines += [f"<br><code>{escape(line.strip())}</code>" for line in dump(*event.shown())]
        lines.append(f'<p class="key"><b class="break">break +{event.after.asked_for:,}</b>')
        mapped = f'<b class="mem">in memory {event.after.in_memory() or 0:,}</b>'
        lines.append(f'{mapped} <b class="u">in use {size(in_use)}</b></div>')
        lines.append('<svg viewBox="-18 0 362 322" role="group" aria-label="The memory"><use href="#frame"/>')
        lines += [*draw(event, name, now, top), "</svg>\n</section>"]
    lines.append(f'<div class="source"><p><code>main</code> in {process.file}<pre tabindex="0">')
    lines += [f'<span data-line="{number}">{escape(line)}</span>' for number, line in process.source.items()]
    lines.append('</pre></div><div class="output"><p>What it has printed, and after which step<pre tabindex="0">')
    printed = [(event.number - (event.name != "write"), event.output) for event in events]
    for number, text in [*printed, (len(events), process.output)]:
        lines += [f'<span data-step="{number}">{escape(line)}</span>' for line in text.decode().splitlines()]
    return "\n".join([*lines, f"</pre></div>\n{after[after.index('</article>'):]}"])
