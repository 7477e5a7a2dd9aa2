"""schemathesis compares the server with its OpenAPI document: requests that the document allows and
requests that it forbids, in sequences too."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

import server
from checks import check, run

DOCUMENT = f"{server.ISSUER}/openapi.json"

# Whether these requests succeed depends on what the server knows: credentials, tokens, the settings
# of clients, common passwords, tokens of messages, the syntax of forms and multipart bodies. A schema
# cannot say that, so a request that it allows may be a 400 or 422.
DEPENDS_ON_STATE = [
    "sign_up",
    "log_in",
    "change_password",
    "refresh",
    "sessions",
    "token",
    "revoke",
    "introspect",
    "log_out",
    "rename",
    "delete",
    "request_reset",
    "reset",
    "verify",
    "change",
    "simplejwt_obtain",
    "simplejwt_refresh",
    "simplejwt_verify",
    "simplejwt_blacklist",
]

CONFIGURATION = "".join(
    f"""
[[operations]]
include-operation-id = "{operation}"
checks.positive_data_acceptance.enabled = false
"""
    for operation in DEPENDS_ON_STATE
)

# They end the session of the access token with which all others are called.
ENDS_SESSION = ["log_out", "log_out_all"]

def compared(seconds, *selection):
    """Runs schemathesis on some operations, which must find no difference; returns how many."""
    token = server.person().login("web")["access_token"]
    with tempfile.TemporaryDirectory() as directory:
        configuration = Path(directory, "schemathesis.toml")
        configuration.write_text(CONFIGURATION)
        report = Path(directory, "report.json")
        command = [
            *[sys.executable, "-m", "schemathesis.cli"],
            *["--config-file", str(configuration), "run", DOCUMENT, *selection],
            *["--header", f"Authorization: Bearer {token}"],
            *["--max-time", str(seconds), "--seed", "1", "--no-shrink", "--continue-on-failure"],
            *["--warnings", "off", "--no-color", "--request-timeout", "10"],
            *["--report", "json", "--report-json-path", str(report)],
        ]
        result = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=seconds + 40
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(report.read_text())["operations"]["selected"]

@check
def the_server_does_what_its_document_says():
    paths = requests.get(DOCUMENT, timeout=10).json()["paths"]
    described = sum(len(item) for item in paths.values())
    others = [part for name in ENDS_SESSION for part in ("--exclude-operation-id", name)]
    # It does not test the document itself.
    assert compared(35, *others) == described - len(ENDS_SESSION) - 1


@check
def operations_that_end_the_session_do_what_the_document_says():
    selection = [part for name in ENDS_SESSION for part in ("--include-operation-id", name)]
    assert compared(10, *selection) == len(ENDS_SESSION)


run()
