"""The rules of docs/protocol.md, against a server that answers as each test tells it."""

import asyncio
import http.server
import json
import os
import stat
import tempfile
import threading
import time
import unittest

import httpx

from aquaware_auth import LoggedOut, Session, Unavailable

LOST = None


def problem(status, code, **headers):
    return status, {"code": code}, headers


def tokens(number):
    return {"access_token": f"a{number}", "refresh_token": f"r{number}", "session_id": "s"}


class Server(http.server.ThreadingHTTPServer):
    """Gives the planned answers in order, then only successes, and keeps the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.requests, self.issued = [], [], 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def granted(self):
        self.issued += 1
        number = self.issued
        return 200, {**tokens(number), "expires_in": 300}

    def keys(self):
        return [headers["Idempotency-Key"] for _, headers, _ in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.path, self.headers, body))
        planned = self.server.plan.pop(0) if self.server.plan else self.server.granted()
        answer = planned() if callable(planned) else planned
        if answer is LOST:
            return
        status, content, headers = *answer[:2], answer[2] if len(answer) > 2 else {}
        text = content if isinstance(content, str) else json.dumps(content)
        half = headers.pop("half", False)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text[: len(text) // 2 if half else None].encode())

    do_GET = do_DELETE = do_POST

    def log_message(self, *_):
        pass


class Rules(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.path = os.path.join(directory.name, "session.json")
        self.auth = self.session()
        self.auth.login("ann@example.com", "seven blue snails")
        self.server.requests.clear()

    def session(self, **more):
        return Session(self.server.url, self.path, **{"backoff": 0.001, **more})

    def test_the_key_is_stored_beside_the_token_before_the_first_attempt(self):
        before = self.auth.load()
        self.assertEqual(self.auth.token(), "a1")
        self.assertEqual(self.auth.refresh("a1"), "a2")
        self.assertEqual(self.server.keys(), [before["key"]])
        after = self.auth.load()
        self.assertEqual((before["refresh"], after["refresh"]), ("r1", "r2"))
        self.assertNotEqual(before["key"], after["key"])
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_unknown_outcomes_are_retried_with_the_same_key(self):
        key = self.auth.load()["key"]
        self.server.plan = [
            LOST,
            (502, "<html>"),
            (503, "", {"Retry_After": "0"}),
            problem(429, "rate_limited"),
            problem(500, "internal_error"),
            (200, "<html>"),
            (200, "null"),
            (200, {"access_token": "a9", "refresh_token": "r9", "expires_in": 300}, {"half": True}),
            (200, {**tokens(1), "expires_in": 300}),
            (200, {**tokens(8), "expires_in": 300, "session_id": "other"}),
        ]
        sent = len(self.server.plan) + 1
        self.assertEqual(self.auth.refresh("a1"), "a2")
        self.assertEqual(self.server.keys(), [key] * sent)

    def test_only_the_four_codes_end_the_session(self):
        for status, code in [(400, "x"), (401, "proxy"), (403, "session_revoked"), (404, "x")]:
            self.server.plan = [problem(status, code)]
            self.assertRaises(Unavailable, self.auth.refresh, "a1")
            self.assertEqual(self.auth.load()["refresh"], "r1")
        record = self.auth.load()
        for code in ["refresh_token_expired", "refresh_token_reused", "session_revoked"]:
            self.auth.save(record)
            self.server.plan = [problem(401, code)]
            with self.assertRaises(LoggedOut) as caught:
                self.auth.refresh("a1")
            self.assertEqual(caught.exception.args, (code,))
            self.assertIsNone(self.auth.load())
            self.assertRaises(LoggedOut, self.auth.token)

    def test_a_call_gives_up_and_the_next_continues(self):
        auth = self.session(patience=0.2)
        self.server.plan = [(503, "", {"Retry_After": "1"})]
        self.assertRaises(Unavailable, auth.refresh, "a1")
        self.assertRaises(Unavailable, auth.refresh, "a1")
        self.assertEqual(len(self.server.requests), 1)
        time.sleep(1)
        self.assertEqual(auth.refresh("a1"), "a2")
        self.assertEqual(len(set(self.server.keys())), 1)

    def test_processes_that_renew_at_once_use_one_key(self):
        other, release = self.session(), threading.Event()
        late = (200, {**tokens(2), "expires_in": 300, "access_token": "late"})
        self.server.plan = [lambda: release.wait(5) and late]
        results = []
        slow = threading.Thread(target=lambda: results.append(self.auth.refresh("a1")))
        slow.start()
        while not self.server.requests:
            time.sleep(0.01)
        other.refresh("a1")
        text = self.auth.load()
        release.set()
        slow.join()
        self.assertEqual((results, self.auth.load()), (["late"], text))
        self.assertEqual(len(set(self.server.keys())), 1)
        self.assertEqual(self.auth.token(), other.token())

    def test_an_access_token_is_used_until_ninety_percent_of_its_life(self):
        for span, expected in [(269, "a1"), (271, "a2"), (-86_400, "a3")]:
            record = self.auth.load()
            self.auth.save({**record, "sent": [time.monotonic() - span, time.time() - span]})
            self.assertEqual(self.auth.token(), expected)

    def test_a_request_is_sent_again_once_after_a_401(self):
        self.server.plan = [problem(401, "invalid_token"), self.server.granted, (200, {"ok": 1})]
        answer = httpx.post(self.server.url + "/api", auth=self.auth, content=b"fish")
        self.assertEqual(answer.json(), {"ok": 1})
        bodies = [body for path, _, body in self.server.requests if path == "/api"]
        self.assertEqual(bodies, [b"fish", b"fish"])
        self.assertEqual(self.server.requests[-1][1]["Authorization"], "Bearer a2")

    def test_a_401_whose_challenge_is_not_about_the_token_is_returned(self):
        async def call():
            async with httpx.AsyncClient(auth=self.auth) as client:
                return await client.delete(self.server.url + "/auth/me")

        for challenge in ('Bearer realm="aquaware"', "Basic"):
            self.server.plan = [(401, "", {"WWW_Authenticate": challenge})] * 2
            answer = httpx.request("DELETE", self.server.url + "/auth/me", auth=self.auth)
            self.assertEqual(answer.status_code, 401)
            self.assertEqual(asyncio.run(call()).status_code, 401)
        self.assertEqual(len(self.server.requests), 4)
        self.server.plan = [(401, "", {"WWW_Authenticate": 'Bearer error="invalid_token"'})]
        answer = httpx.request("DELETE", self.server.url + "/auth/me", auth=self.auth)
        self.assertEqual(answer.status_code, 200)

    def test_a_file_without_a_session_counts_as_none(self):
        for text in ["", "{", "7", "[]", "null", '{"refresh":"r"}', '"refresh key"']:
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(text)
            self.assertRaises(LoggedOut, self.auth.token)
        self.assertEqual(self.server.requests, [])

    def test_it_works_in_an_async_client(self):
        async def call():
            async with httpx.AsyncClient(auth=self.auth) as client:
                return await client.get(self.server.url + "/api")

        self.server.plan = [problem(401, "invalid_token")]
        self.assertEqual(asyncio.run(call()).status_code, 200)
        self.assertEqual(len(self.server.requests), 3)

    def test_other_origins_do_not_receive_the_token(self):
        other = Server()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.assertRaises(ValueError, httpx.get, other.url, auth=self.auth)
        self.server.plan = [(307, "", {"Location": other.url})]
        self.assertRaises(Unavailable, self.auth.refresh, "a1")
        self.assertEqual(other.requests, [])
        httpx.get(other.url, auth=self.session(origins=[other.url]))
        self.assertEqual(other.requests[0][1]["Authorization"], "Bearer a1")

    def test_logout_forgets_and_tells_the_server(self):
        self.server.plan = [(204, "")]
        self.auth.logout()
        self.assertIsNone(self.auth.load())
        self.assertEqual(json.loads(self.server.requests[0][2]), {"refresh_token": "r1"})

    def test_a_profile_without_rotation_keeps_its_token(self):
        self.server.plan = [(200, {"access_token": "a2", "expires_in": 300, "session_id": "s"})]
        self.assertEqual(self.auth.refresh("a1"), "a2")
        self.assertEqual(self.auth.load()["refresh"], "r1")


if __name__ == "__main__":
    unittest.main()
