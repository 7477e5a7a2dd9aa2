"""Sessions of `aquaware_auth` through a bad network, for `cargo xtask chaos`, which describes what
a driver does and kills this process now and then: everything it knows is in the directory."""

import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from aquaware_auth import LoggedOut, Session, Unavailable

PROXY, SERVER = os.environ["CHAOS_PROXY"], os.environ["CHAOS_SERVER"]
DIRECTORY, NAME = os.environ["CHAOS_DIRECTORY"], os.environ["CHAOS_NAME"]
DAY = 86_400
HTTP = httpx.Client(timeout=1.5, limits=httpx.Limits(max_connections=None))
OPTIONS = {"backoff": 0.01, "http": HTTP}


class Crash(Exception):
    """The process would have ended here."""


class Fragile(Session):
    """Its storage fails once before or after a write."""

    crash = None

    def save(self, record):
        crash, self.crash = self.crash, None
        if crash == "before":
            raise Crash()
        super().save(record)
        if crash == "after":
            raise Crash()


def persistently(call):
    for tries in range(200):
        try:
            return call()
        except Crash:
            return None
        except (Unavailable, httpx.HTTPError):
            if tries == 199:
                raise
            time.sleep(0.02)
    return None


def outcome(call):
    try:
        persistently(call)
        return "ok"
    except LoggedOut as error:
        return error.args[0] if error.args else "logged_out"


class Storm:
    """One session from login to its end."""

    def __init__(self, number):
        self.number = number
        self.dice = random.Random()

    def path(self, name):
        return os.path.join(DIRECTORY, f"{self.number}.{name}")

    def note(self, name, text=""):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def tab(self, issuer=PROXY):
        client = "device" if self.number % 10 == 5 else "strict"
        client = "offline" if self.number in (1, 2) else client
        return Fragile(issuer, self.path("session"), client_id=client, **OPTIONS)

    def count(self):
        return os.path.getsize(self.path("count")) if os.path.exists(self.path("count")) else 0

    def run(self, refreshes):
        if os.path.exists(self.path("done")):
            return
        if os.path.exists(self.path("thief")):
            # Killed during the theft, with the end of the session in an unknown state.
            self.tab().save(None)
        if self.tab().load() is None:
            self.log_in()
        client = self.tab()
        while self.count() < refreshes:
            try:
                client = self.renew(client)
            except LoggedOut as error:
                self.note("logout", str(error))
                return self.note("done")
        if self.number in (1, 2):
            try:
                self.weeks_offline()
            except LoggedOut as error:
                self.note("logout", str(error))
                return self.note("done")
        # The live token is the stored one: there is no other branch of the session.
        owner = self.tab(SERVER)
        if outcome(lambda: owner.refresh(owner.load()["access"])) != "ok":
            self.note("fork")
        if self.number % 10 == 0:
            self.theft(owner)
        self.note("done")

    def log_in(self):
        person = {"email": f"{NAME}-{self.number}@example.com", "password": "seven blue snails"}

        def log_in():
            # An account that exists was created before the process was killed.
            HTTP.post(f"{SERVER}/auth/signup", json=person)
            self.tab(SERVER).login(**person)

        persistently(log_in)

    def renew(self, client):
        """One refresh, with a mishap now and then; the client that goes on."""
        before = client.load()
        rejected = before.get("access")
        chance = self.dice.randrange(20)
        client.crash = {0: "before", 1: "after"}.get(chance)
        if chance < 5:
            tabs = [client] + [self.tab() for _ in range(4)]
            with ThreadPoolExecutor(5) as pool:
                list(pool.map(lambda tab: persistently(lambda: tab.refresh(rejected)), tabs))
        elif chance < 7:
            self.shift(client, DAY if chance == 5 else -DAY)
            persistently(client.token)
        else:
            persistently(lambda: client.refresh(rejected))
        client.crash = None
        if chance == 7:
            client.save(before)  # the last write is lost
        elif client.load() != before:
            with open(self.path("count"), "a", encoding="utf-8") as file:
                file.write(".")
        return self.tab() if chance < 3 or chance == 7 else client

    def shift(self, client, span):
        """The clock is set by a day."""
        record = client.load()
        client.save({**record, "sent": [clock + span for clock in record["sent"]]})

    def weeks_offline(self):
        """The client returns when its access token has expired and its refresh token is near its
        end, with a clock that is off by a day."""
        if not os.path.exists(self.path("offline")):
            self.note("offline")
        span = float(os.environ["CHAOS_OFFLINE"])
        time.sleep(max(0, os.path.getmtime(self.path("offline")) + span - time.time()))
        client = self.tab()
        self.shift(client, DAY if self.number == 1 else -DAY)
        before = client.load()
        persistently(client.token)
        if client.load() != before:
            self.note("back")

    def theft(self, owner):
        """A copy of the refresh token is used by a thief: before its owner, or after."""
        self.note("thief")
        with tempfile.TemporaryDirectory() as elsewhere:
            thief = Session(SERVER, os.path.join(elsewhere, "stolen"), **OPTIONS)
            thief.save({"refresh": owner.load()["refresh"], "key": "the-key-of-the-thief"})
            first, second = (thief, owner) if self.number % 20 == 0 else (owner, thief)

            def renew(client):
                return outcome(lambda: client.refresh((client.load() or {}).get("access")))

            results = [renew(first), renew(second), renew(first)]
        # An answer that was lost is repeated as `session_revoked`.
        found = results[1] in ("refresh_token_reused", "session_revoked")
        caught = results[0] == "ok" and found and results[2] == "session_revoked"
        self.note("caught" if caught else "escaped", str(results))


def main():
    names = ("SESSIONS", "REFRESHES", "AT_ONCE")
    sessions, refreshes, at_once = (int(os.environ[f"CHAOS_{name}"]) for name in names)
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda number: Storm(number).run(refreshes), range(sessions)))


if __name__ == "__main__":
    sys.exit(main())
