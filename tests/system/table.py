#!/usr/bin/env python3
"""Run every row of faults.tsv: table.py FAULTS.TSV [--show] [ID...]

A row: id, fault (the name of a set-up below and its arguments), command,
exit status, first line on stderr that tells more than how a start goes ("-":
nothing), a line of the daemon's log
("-": none is asked for), checks of what is unharmed.  {NAME} stands for what
the set-up made; everything else is compared as it is.  A row whose set-up or
check is not known fails, and so does a set-up or check without a row, and an
id that is used twice.
"""
import concurrent.futures
import json
import os
import shlex
import sys
import threading
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from table_world import CHECKS, SETUPS, Failed, Run  # noqa: E402
import table_faults  # noqa: E402,F401 (fills SETUPS and CHECKS)

AT_ONCE = 6


class Row:
    FIELDS = "id fault command exit message log unharmed".split()

    def __init__(self, number, line):
        parts = line.split("\t")
        if len(parts) != len(self.FIELDS) or not all(parts):
            raise SystemExit(f"faults.tsv:{number}: not {len(self.FIELDS)} columns")
        for name, part in zip(self.FIELDS, parts):
            setattr(self, name, part)
        self.setup, *self.args = self.fault.split(" ")
        self.checks = [] if self.unharmed == "-" else self.unharmed.split(" ")


def read_table(path):
    with open(path, encoding="utf-8") as f:
        lines = [(i, s.rstrip("\n")) for i, s in enumerate(f, 1)]
    return [Row(i, s) for i, s in lines if s and not s.startswith("#")]


def check_table(rows):
    """What is wrong with the table as a whole."""
    wrong, seen = [], set()
    for r in rows:
        if r.id in seen:
            wrong.append(f"{r.id}: the id is used twice")
        seen.add(r.id)
        if r.setup not in SETUPS:
            wrong.append(f"{r.id}: there is no set-up '{r.setup}'")
        wrong += [f"{r.id}: there is no check '{c}'" for c in r.checks if c not in CHECKS]
    used = {r.setup for r in rows}
    wrong += [f"set-up '{s}' has no row" for s in SETUPS if s not in used]
    used = {c for r in rows for c in r.checks}
    wrong += [f"check '{c}' has no row" for c in CHECKS if c not in used]
    return wrong


def compare(run, row, got):
    """The differences between what a row says and what happened."""
    status, stderr = got
    said = [s for s in stderr.splitlines() if not s.startswith("consentd: info: ")]
    first = said[0] if said else "-"
    wrong = []
    if str(status) != row.exit:
        wrong.append(f"exit status {status}, not {row.exit}")
    if first != run.fill(row.message):
        wrong.append(f"message\n    {first}\n  not\n    {run.fill(row.message)}")
    if row.log != "-" and not run.logged(run.fill(row.log)):
        wrong.append(f"no line in the log\n    {run.fill(row.log)}\n  but\n"
                     + "".join(f"    {s}\n" for s in run.log_tail()))
    return wrong


def run_row(row, show):
    run = Run(row.id)
    try:
        SETUPS[row.setup].make(run, *row.args)
        got = run.command(run.fill(row.command, shlex.quote))
        if show:
            print("shown:", json.dumps([row.id, got, run.log_tail(), run.names]) + "\n", end="")
        wrong = compare(run, row, got)
        run.said = run.fill(row.log)
        for c in row.checks:
            why = CHECKS[c](run)
            if why:
                wrong.append(f"{c}: {why}")
    except Failed as e:
        wrong = [f"set-up: {e}"]
    except Exception:  # a fault of the test is a failed row
        wrong = [traceback.format_exc()]
    finally:
        run.close()
    return wrong


def sanitized():
    with open(os.environ["BUILD_DIR"] + "/consentfs", "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def main():
    args = sys.argv[1:]
    show = "--show" in args
    only = [a for a in args[1:] if a != "--show"]
    rows = read_table(args[0])
    wrong = check_table(rows)
    if wrong and not show:
        print(*(f"FAILED: {w}" for w in wrong), sep="\n", file=sys.stderr)
        return 1
    wrong = []
    chosen = [r for r in rows if not only or any(r.id.startswith(o) for o in only)]
    if sanitized():
        clocks = [r for r in chosen if r.setup in ("clock", "clock-jumps")]
        chosen = [r for r in chosen if r not in clocks]
        print("skipped: libfaketime and a sanitizer's library do not go together:",
              *(r.id for r in clocks))
    together = [r for r in chosen if r.setup in SETUPS and not SETUPS[r.setup].alone]
    alone = [r for r in chosen if r.setup in SETUPS and SETUPS[r.setup].alone]
    ran, lock = set(), threading.Lock()

    def one(row):
        found = run_row(row, show)
        with lock:
            ran.add(row.id)
            wrong.extend(f"{row.id}: {w}" for w in found)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, together))
    for row in alone:
        one(row)
    wrong += [f"{r.id}: was not run" for r in chosen if r.id not in ran]
    for w in wrong:
        print(f"FAILED: {w}", file=sys.stderr)
    bad = {w.split(":")[0] for w in wrong if w.split(":")[0] in ran}
    print(f"figure: rows of faults.tsv: {len(chosen)}, not as written: "
          f"{len(bad)} of {len(chosen)}, without a run: "
          f"{len(chosen) - len(ran)} of {len(chosen)}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
