"""Keeps a session with an Aquaware server alive: an `httpx.Auth` in one file, to copy.

    auth = Session("https://login.example.com", "session.json")
    auth.login("ann@example.com", "seven blue snails")
    httpx.get("https://login.example.com/auth/me", auth=auth)

The rules are in docs/protocol.md. Threads and processes may share the file without a lock.
"""

import asyncio
import json
import os
import random
import secrets
import threading
import time

import httpx

ENDS = ["refresh_token_expired", "refresh_token_reused", "session_revoked", "invalid_refresh_token"]


class LoggedOut(Exception):
    """There is no session, or it has just ended: `args[0]` is the code, if there is one."""


class Unavailable(Exception):
    """Nothing was decided, or the outcome is unknown. The next call continues the attempt."""


class Session(httpx.Auth):
    """A session in a file. Adds the access token, and repeats a request whose token is rejected."""

    def __init__(self, issuer, path, client_id="web", origins=(), patience=60, backoff=1, http=None):
        """`http` sends logins and refreshes; it must have a time limit and follow no redirects."""
        self.issuer, self.path, self.client_id = issuer.rstrip("/"), os.fspath(path), client_id
        self.origins = {_origin(httpx.URL(url)) for url in (issuer, *origins)}
        self.patience, self.backoff = patience, backoff
        self._http = http or httpx.Client(timeout=10, follow_redirects=False)
        self._lock = threading.Lock()  # one refresh in flight in this process
        self._failures, self._not_before = 0, 0.0

    def login(self, email, password, **more):
        """Opens a session. Failures are not retried: httpx.HTTPStatusError has the answer."""
        sent, body = _clocks(), {"email": email, "password": password, "client_id": self.client_id}
        answer = self._http.post(self.issuer + "/auth/login", json={**body, **more})
        self._store(answer.raise_for_status().json(), sent)

    def logout(self):
        """Forgets the session at once, then ends it at the server."""
        record = self.load()
        self.save(None)
        if record:
            body = {"refresh_token": record["refresh"]}
            self._http.post(self.issuer + "/auth/logout", json=body).raise_for_status()

    def token(self):
        """A usable access token, renewed if 90 % of its life are over."""
        record = self.load() or {}
        return record["access"] if _is_fresh(record) else self.refresh(record.get("access"))

    def refresh(self, rejected):
        """Renews, unless the file has an access token other than `rejected`."""
        end = time.monotonic() + self.patience
        with self._lock:
            while self._not_before <= end:
                time.sleep(max(0, self._not_before - time.monotonic()))
                record = self.load()  # another process may have renewed since the last attempt
                if not record:
                    raise LoggedOut()
                if _is_fresh(record) and record["access"] != rejected:
                    return record["access"]
                sent = _clocks()
                status, body, after = self._attempt(record)
                if status == 200 and _answers(record, body):
                    self._failures = self._not_before = 0
                    current = self.load()
                    if not current:
                        raise LoggedOut()
                    if current["key"] == record["key"]:
                        self._store({"refresh_token": record["refresh"], **body}, sent)
                    return body["access_token"]
                if status == 401 and body.get("code") in ENDS:
                    if (self.load() or record)["key"] != record["key"]:
                        continue
                    self.save(None)
                    raise LoggedOut(body["code"])
                if status not in (0, 200, 408, 429) and status < 500:
                    raise Unavailable(f"the server answered {status}", body.get("code"))
                span = min(self.backoff * 2 ** min(self._failures, 16), 60)
                self._failures += 1
                self._not_before = time.monotonic() + max(after, span * random.uniform(0.5, 1))
        raise Unavailable()

    def sync_auth_flow(self, request):
        token = self._authorize(request)
        if _rejects_token((yield request)):
            self._authorize(request, token)
            yield request

    async def async_auth_flow(self, request):
        token = await asyncio.to_thread(self._authorize, request)
        if _rejects_token((yield request)):
            await asyncio.to_thread(self._authorize, request, token)
            yield request

    def _authorize(self, request, rejected=None):
        if _origin(request.url) not in self.origins:
            raise ValueError(f"{request.url} may not receive the access token")
        token = self.refresh(rejected) if rejected else self.token()
        request.headers["Authorization"] = f"Bearer {token}"
        return token

    def _attempt(self, record):
        """Status, body and Retry-After of one attempt; status 0 if the answer is lost."""
        # Its own connection: on a shared one, a broken proxy may repeat an earlier answer.
        headers = {"Idempotency-Key": record["key"], "Connection": "close"}
        body = {"refresh_token": record["refresh"]}
        try:
            answer = self._http.post(self.issuer + "/auth/refresh", json=body, headers=headers)
            body = answer.json()
        except (httpx.TransportError, httpx.DecodingError):
            return 0, {}, 0
        except ValueError:  # a page of a proxy
            body = {}
        after = answer.headers.get("retry-after", "")
        after = min(int(after), 3600) if after.isdecimal() else 0
        return answer.status_code, body if isinstance(body, dict) else {}, after

    def _store(self, tokens, sent):
        """One write: the refresh token, the key of its only use, the access token and its age."""
        record = {"refresh": tokens["refresh_token"], "key": secrets.token_urlsafe(18)}
        record |= {"access": tokens["access_token"], "lasts": tokens["expires_in"], "sent": sent}
        self.save({**record, "session": tokens.get("session_id")})

    def load(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                record = json.load(file)
            return record if record["refresh"] and record["key"] else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def save(self, record):
        """Replaces the file: after a power cut it has the old record or the new one."""
        if record:
            new = f"{self.path}.{os.getpid()}-{threading.get_ident()}.new"
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.path)
        elif os.path.exists(self.path):
            os.remove(self.path)
        directory = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def _origin(url):
    return (url.scheme, url.host, url.port)


def _rejects_token(response):
    """Without a challenge, the token may be the reason; a wrong password must not be sent twice."""
    challenge = response.headers.get("www-authenticate", "invalid_token")
    return response.status_code == 401 and "invalid_token" in challenge


def _answers(record, tokens):
    """Whether it answers this request: not an earlier one, nor one of another session."""
    is_ours = record.get("session") in (None, tokens.get("session_id"))
    return "access_token" in tokens and is_ours and tokens.get("refresh_token") != record["refresh"]


def _clocks():
    """Two clocks: the first stops while some computers sleep, the second can be set."""
    return [time.monotonic(), time.time()]


def _is_fresh(record):
    """By the age of the answer: what the clocks show does not matter."""
    ages = [now - sent for now, sent in zip(_clocks(), record.get("sent", []))]
    return bool(ages) and 0 <= max(ages) < record["lasts"] * 0.9
