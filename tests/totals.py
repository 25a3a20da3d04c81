# SPDX-License-Identifier: Apache-2.0
"""Totals of meson's test logs: totals.py NAME=LOG.json...

One line a suite, one for each test that failed or was skipped (with its own reason), and the last
line over all: "N passed, N failed, N skipped". Exit status 1 when anything failed or nothing ran.
"""

import json
import os
import re
import sys


def reason(test):
    text = test.get("stderr") or test.get("stdout") or ""
    said = re.findall(r"^(?:SKIP|FAIL): (.*)", text, re.MULTILINE)
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


def main():
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        tests = load(path)
        count = dict.fromkeys(totals, 0)
        details = []
        for test in tests or []:
            result = test["result"]
            kind = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")
            count[kind] += 1
            if kind != "passed":
                details.append("    %s %s: %s" % (kind, test["name"].split(" / ")[-1], reason(test)))
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
