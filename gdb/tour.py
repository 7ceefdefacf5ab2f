"""A guided tour of a program that moves the program break, in gdb, as `make gdb` starts it. Each stop shows what has
happened, the lines of main that were run, the system call with its result, and the memory then."""

import os
import sys
import textwrap
from functools import cache
from itertools import islice
from signal import Signals

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from event import about, dump, size  # beside this file
from process import Process, pid  # beside this file

# A stop fits on a terminal of this many columns and lines, with what the program has printed and gdb's prompt.
WIDTH, HEIGHT = 80, 24


def draw(before, memory, failed_at=None):
    """Draws the article's picture, in the columns of `layout`, with marks where it has changed and an access failed."""
    start = memory.heap_start
    # What there may be to mark: its name, its address, and its address before, if it had one.
    places = [("end of the page", memory.end, before.end * (before.mapped > 0))] * (memory.mapped > 0)
    places += [("program break", memory.program_break, before.program_break), ("heap start", start, start)]
    places = [place for place in places if place[1]]
    edges = {edge for region in memory.regions for edge in (region.start, region.end)}
    edges = sorted(edges.union(now for _, now, _ in places), reverse=True)
    # Of the empty ranges, the lowest above the break gets a line with its size, and so does one with a failed access.
    gap = min(edge for edge in edges if edge >= memory.program_break and not memory.region_at(edge))
    for high, low in zip(edges, edges[1:] + [0]):
        ruler, mark = f"{high:#18x} ", ""
        for name, now, was in places:
            ruler += f"── {name} " * (now == high)
            if now == high != was:
                mark = f" ◄ {'+' * (high > was)}{size(high - was)}" if was else " ◄ new"
        ruler = f"{ruler:─<64}"
        yield ruler + (mark if len(ruler + mark) <= WIDTH else " ◄ moved")
        region, is_here = memory.region_at(low), failed_at is not None and low <= failed_at < high
        side, name, permissions = "┆", "the gap" if low == gap else "nothing" * is_here, ""
        if region:
            side, name, permissions = "│", region.name, region.permissions
        if name == "heap" and not start <= low < memory.program_break:
            name = "program" if low < start else "not asked for"
        if name:
            length = size(high - low) if high - low < (2**40 if region else 2**30) else about(high - low)
            yield f"{'':18} {side} {name:17.17}{length:>19}  {permissions:3} {side}{' ◄ here' * is_here}"


def show(event, process):
    """Returns the lines of a step, as many as there is room for."""
    # The source is cut at the right edge, and says in which file it is if that isn't main.rs.
    where = os.path.basename(process.file + ":").removeprefix("main.rs:")
    source = [f"{where}{number}\t{text}".expandtabs() for number, text in event.lines]
    source = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in source]
    earlier, said = source[:-1], [*source[-1:], *filter(None, [event.call()])]
    picture = ["", *draw(event.before, event.after, event.failed_at), ""]
    below = [*dump(*event.shown()), *textwrap.wrap(event.after.state(), WIDTH), *textwrap.wrap(event.remark, WIDTH)]
    past = ", which is past" * (event.after != process.now)
    title = textwrap.wrap(f"Step {event.number}{past}: {event.title}", WIDTH)
    # The prompt takes a line, and what gdb says of a signal takes five. A character of zero has no column.
    room = HEIGHT - 1 - len(title) - 5 * any(other.name == "fault" for other in [event, *process.events])
    printed = event.output.decode(errors="replace").replace("\0", "")
    room -= sum(1 + max(len(line) - 1, 0) // WIDTH for line in printed.splitlines())
    # If there is too little room, blank lines are left out, then lines of main but the last, which tells the most, and
    # then the top of the picture.
    while "" in picture and len(earlier + said + picture + below) > room:
        picture.remove("")
    for lines in earlier, picture:
        over = len(earlier + said + picture + below) - room
        if over > 0 and lines:
            lines[: over + 1] = ["…"]
    # What has been printed doesn't always end with a newline.
    blank = [""] * (over < 0 or printed[-1:] not in ("", "\n"))
    return [*blank, *title, *earlier, *said, *picture, *below]


class Command(gdb.Command):
    """A command of gdb's made of a function, whose docstring is the help. What goes wrong is reported in a sentence."""

    def __init__(self, function):
        self.function, self.__doc__ = function, function.__doc__
        super().__init__(function.__name__, gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        # The pager would take the Enter that is meant for the next step.
        with gdb.with_parameter("pagination", False):
            try:
                self.function(argument)
            except gdb.GdbError:
                raise
            except Exception as error:
                raise gdb.GdbError(NOT_THIS_ONE.format(error)) from None


NOT_THIS_ONE = """The tour can't follow this program: {}
It needs a program that calls brk by this library, is built for debugging, and
runs on gdb's own machine. Quit, and type: make gdb"""
follow = cache(Process)  # the process, or a failure if the tour can't follow the program


@Command
def tour(argument):
    """Go on to the next step of the program, and draw the memory then.

Type tour once, and then press Enter alone for each further step. Each stop
shows the lines of main that were run, the system call with its result, and
the memory. tour 3 takes three steps, and then Enter does so, too. After any
other command of gdb, tour goes on. After the end, the tour starts again."""
    process = follow()
    if argument and not argument.strip("0").isdecimal():
        raise gdb.GdbError(f"tour takes a number of steps, not {argument}")
    for event in islice(iter(process.advance, None), int(argument or 1)):
        print(*show(event, process), sep="\n")
    if not pid():
        signal, status = (gdb.convenience_variable(name) for name in ["_exitsignal", "_exitcode"])
        outcome = f"exit status {status}" if signal is None else f"{Signals(int(signal)).name} ended the program"
        print(f"\nThe end: {outcome}.")
        print("The kernel takes back all of the program's memory. To start again, type: tour")


@Command
def memory(argument):
    """Draw the memory of the process as it is now, and show the bytes of the heap.
While brk is called, the break is drawn where it was before the call."""
    if not pid():
        raise gdb.GdbError("The program is not running. To start it, type: tour")
    now = follow().memory_now()
    dumped = dump(*now.bytes_from(now.heap_start, now.program_break))
    print(*draw(now, now), "", *dumped, *textwrap.wrap(now.state(), WIDTH), sep="\n")


# `step` stays in this project: the source of core is not here.
gdb.execute("skip -rfu ^core::", to_string=True)
try:
    follow()
    print("To see the first step, type tour. For each further step, press Enter.")
    print("To draw the memory at any time, type memory. To go on after that, type tour.")
    if (gdb.parameter("width") or WIDTH) < WIDTH:
        print(f"The pictures need {WIDTH} columns. This terminal has {gdb.parameter('width')}.")
except Exception as error:
    print(NOT_THIS_ONE.format(error))
