"""Checks with the names of facts: each runs, whatever became of the others, and has its line."""

import sys
import traceback

_checks = []


def check(function):
    """Makes `function` a check. It fails by raising anything."""
    _checks.append(function)
    return function


def refused(kind, action, *arguments, **named):
    """Runs what must be refused with this kind of exception, and gives the exception."""
    try:
        answer = action(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"not refused with {kind.__name__}: {answer}")


def run():
    """Runs all checks in their order and leaves: with status 1 if any failed."""
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        try:
            function()
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED {name}", flush=True)
        else:
            print(f"ok {name}", flush=True)
    print(f"{len(_checks) - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
