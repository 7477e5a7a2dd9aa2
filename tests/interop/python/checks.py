"""Checks named as facts: each runs even if others failed, and prints one line."""

import sys
import traceback

_checks = []


def check(function):
    """Registers `function` as a check, which fails by raising an exception."""
    _checks.append(function)
    return function


def rejected(kind, action, *arguments, **named):
    """Runs an action that must raise this kind of exception, and returns the exception."""
    try:
        response = action(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"not rejected with {kind.__name__}: {response}")


def run():
    """Runs all checks in order, and exits with status 1 if any failed."""
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
