"""The order of a trace: what a commit publishes must be on disk before it.

ext4 makes names durable that POSIX leaves open, so a power cut there does not miss the fsync of a folder; this does.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

MADE = re.compile(r'(?:openat\(.*?"(?P<file>[^"]+)", [^)]*O_CREAT\|O_EXCL|mkdir\("(?P<folder>[^"]+)").*\) = (?!-1)')
WRITTEN = re.compile(r"(?:write|pwrite64)\(\d+<(?P<path>[^>]+)>")
SYNCED = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]+)>\) += 0")
REMOVED = re.compile(r'unlink\("(?P<path>[^"]+)"\) += 0')


def too_late(lines: Iterable[str], log: str, replies: str) -> Iterator[str]:
    """What was not on disk when it had to be.

    The bytes and names of new files and folders, when `log`, by which transactions commit, is synced; and the log, when
    a reply is written to the file `replies`.
    """
    new: set[str] = {log}  # whose bytes matter
    dirty: set[str] = set()  # files with bytes that are not on disk
    nameless: set[str] = set()  # files and folders whose name is not on disk
    for line in lines:
        if made := MADE.match(line):
            new.add(path := made["file"] or made["folder"])
            nameless.add(path)
        elif written := WRITTEN.match(line):
            if (path := written["path"]) == replies and log in dirty:
                yield "a reply came before the commit was on disk"
            if path in new:
                dirty.add(path)
        elif removed := REMOVED.match(line):
            nameless.discard(removed["path"])
            dirty.discard(removed["path"])
        elif synced := SYNCED.match(line):
            dirty.discard(path := synced["path"])
            nameless = {name for name in nameless if str(PurePath(name).parent) != path}
            if path == log:
                yield from (f"the bytes of {late} came after a commit" for late in sorted(dirty))
                yield from (f"the name of {late} came after a commit" for late in sorted(nameless))
                dirty, nameless = set(), set()
