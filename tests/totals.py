# SPDX-License-Identifier: Apache-2.0
"""Totals of meson's test logs: totals.py NAME=LOG.json...

One line a suite, one for each test that failed or was skipped (with its own reason), and the last
line over all: "N passed, N failed, N skipped". Exit status 1 when anything failed or nothing ran.
Where there is a LOG-again.json, a test that failed counts as it ended there, and its first failure is told.

totals.py --again LOG.json: the names of those that failed and are worth another try alone: at most
three (more have one cause, and that is not the company that they ran in), and none where something
infected was served or mail was lost (BREACH), be it ever so rare.
"""

import json
import os
import re
import sys


def reason(test):
    text = test.get("stderr") or test.get("stdout") or ""
    said = re.findall(r"^(?:SKIP|FAIL|BREACH): (.*)", text, re.MULTILINE)
    if said:
        return said[-1]
    lines = re.findall(r"^.*\berror: .*", text, re.MULTILINE) or \
        [line for line in reversed(text.splitlines()) if re.search(r"\w", line)]
    return lines[0] if lines else "result %s, status %s" % (test["result"], test.get("returncode"))


def load(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as f:
        return [json.loads(line) for line in f if line.strip()]


def kind_of(test):
    return {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(test["result"], "failed")


def name_of(test):
    return test["name"].split(" / ")[-1]


def again(path):
    failed = [test for test in load(path) or [] if kind_of(test) == "failed"]
    if len(failed) <= 3:
        for test in failed:
            if not re.search(r"^BREACH: ", test.get("stderr") or "", re.MULTILINE):
                print(name_of(test))
    return 0


def main():
    if sys.argv[1] == "--again":
        return again(sys.argv[2])
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        tests = load(path)
        count = dict.fromkeys(totals, 0)
        details = []
        second = {name_of(test): test for test in load(path.replace(".json", "-again.json")) or []}
        for test in tests or []:
            if kind_of(test) == "failed" and name_of(test) in second:
                details.append("    failed at first, run again alone: %s: %s" % (name_of(test), reason(test)))
                test = second[name_of(test)]
            kind = kind_of(test)
            count[kind] += 1
            if kind != "passed":
                details.append("    %s %s: %s" % (kind, name_of(test), reason(test)))
        if tests is None:
            count["failed"] += 1
            details.append("    failed: the suite did not run")
        print("%s: %d passed, %d failed, %d skipped" %
              (name, count["passed"], count["failed"], count["skipped"]))
        print("\n".join(details) + "\n" if details else "", end="")
        for kind, n in count.items():
            totals[kind] += n
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % totals)
    return 1 if totals["failed"] > 0 or totals["passed"] == 0 else 0


sys.exit(main())
