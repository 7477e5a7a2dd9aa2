"""Messages to users arrive at a mail server of the Python world, aiosmtpd: over STARTTLS and SMTPS.

It takes a login, sends mail away for a while (greylisting) or for good, or hangs. What arrives is read
by the standard library's `email`.
"""

import datetime
import email
import email.policy
import ipaddress
import json
import logging
import pathlib
import re
import socket
import ssl
import tempfile
import threading
import time
import urllib.parse
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks import check, run
from own_server import OwnServer, free_port, request

# The library warns of settings and failed handshakes that are the subject here.
warnings.simplefilter("ignore", UserWarning)
logging.disable(logging.CRITICAL)

USER, PASSWORD = "mailer@fish.example", "p@ss:w/rd horse"
# How long a mail may take. A failed delivery is repeated after five seconds.
PATIENCE = 60


def _certificate(subject, issuer=None, issuer_key=None, address=None):
    """A certificate and its key; self-signed without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _context(certificate, key):
    """TLS for a mail server."""
    directory = pathlib.Path(tempfile.mkdtemp())
    (directory / "certificate.pem").write_text(_pem(certificate))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    return context


AUTHORITY, _authority_key = _certificate("an authority")
OTHER, _ = _certificate("another authority")
TLS = _context(*_certificate("mail", AUTHORITY, _authority_key, "127.0.0.1"))


class Inbox:
    """What a mail server does with mail: it keeps it, or sends it away."""

    def __init__(self):
        self.mails = []
        self.refused = []
        self.logins = []
        self._known = set()

    def authenticate(self, server, session, envelope, mechanism, data):
        """Accepts the one user."""
        assert isinstance(data, LoginPassword)
        self.logins.append((mechanism, session.ssl is not None))
        success = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        return AuthResult(success=success, handled=success)

    async def handle_RCPT(self, server, session, envelope, address, options):
        """Knows neither `gone` nor, at first, `grey`."""
        if address.startswith("gone"):
            self.refused.append(address)
            return "550 5.1.1 no such mailbox"
        if address.startswith("grey") and address not in self._known:
            self._known.add(address)
            self.refused.append(address)
            return "451 4.7.1 greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        """Keeps the mail."""
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.mail_from, tuple(envelope.rcpt_tos), mail))
        return "250 OK"

    def to(self, address, count=1):
        """The last of `count` mails to this address."""
        found = []
        end = time.monotonic() + PATIENCE
        while len(found) < count:
            assert time.monotonic() < end, (address, self.mails, self.refused)
            time.sleep(0.05)
            found = [mail for mail in list(self.mails) if mail[1] == (address,)]
        return found[count - 1]


class MailServer:
    """aiosmtpd with the one user, in a `with` statement."""

    def __init__(self, mechanism, wrapped):
        self.inbox = Inbox()
        self.port = free_port()
        exclude = {"LOGIN", "PLAIN"} - {mechanism}
        tls = {"ssl_context": TLS} if wrapped else {"tls_context": TLS, "require_starttls": True}
        self._controller = Controller(
            self.inbox,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self.inbox.authenticate,
            auth_required=True,
            auth_require_tls=not wrapped,
            auth_exclude_mechanism=exclude,
            **tls,
        )
        scheme = "smtps" if wrapped else "smtp"
        user, password = (urllib.parse.quote(text, safe="") for text in (USER, PASSWORD))
        self.url = f"{scheme}://{user}:{password}@127.0.0.1:{self.port}"

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


def server(url, authority=AUTHORITY):
    """The server under test with this mail server."""
    settings = f"""
[limits]
signup_per_address = "unlimited"
login_per_address = "unlimited"
[mail]
url = "{url}"
from = "Die F\u00fcsche <no-reply@fish.example>"
app_name = "F\u00fcsche \u26f5"
link_base = "https://fish.example/account"
templates = "templates"
tls_ca = "authority.pem"
"""
    template = "Subject: {{app_name}}: neues Passwort f\u00fcr {{first_name}}\n\nHallo {{ first_name }},\n\n{{link}}\n"
    files = {"authority.pem": _pem(authority), "templates/password_reset.txt": template}
    return OwnServer(settings, files)


class User:
    """A user who has signed up."""

    def __init__(self, own, address, first_name="Zo\u00eb \u2603"):
        self._port = own.public
        self.address = address
        body = {"email": address, "password": "seven blue snails", "first_name": first_name}
        assert self.post("/auth/signup", body)[0] == 201
        status, answer = self.post("/auth/login", {"email": address, "password": body["password"]})
        assert status == 200, answer
        self.access = json.loads(answer)["access_token"]

    def post(self, path, body, bearer=False):
        """The response to a request in JSON."""
        headers = {"Content-Type": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {self.access}"
        return request(self._port, "POST", path, headers, json.dumps(body))


def token_of(mail):
    """The token of the link in a mail."""
    found = re.search(r"^https://fish\.example/account/[a-z-]+#token=(\S+)$", _text(mail), re.M)
    assert found, _text(mail)
    return found[1]


def _text(mail):
    return mail.get_content().replace("\r\n", "\n")


def check_form(envelope, subject):
    """Checks the header of a mail and returns it."""
    sender, recipients, mail = envelope
    assert sender == "no-reply@fish.example"
    assert mail["From"].addresses[0].display_name == "Die F\u00fcsche", mail["From"]
    assert mail["From"].addresses[0].addr_spec == "no-reply@fish.example"
    assert [it.addr_spec for it in mail["To"].addresses] == list(recipients)
    assert subject in mail["Subject"], mail["Subject"]
    assert mail["Date"].datetime.tzinfo is not None and mail["Message-ID"].strip("<>")
    assert mail.get_content_type() == "text/plain" and not mail.defects, mail.defects
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert len(mail.get_all(name)) == 1 and not mail[name].defects, name
    return mail


def every_message(own, inbox, name):
    """A user's whole life by mail."""
    user = User(own, f"{name}@example.com")
    verification = check_form(inbox.to(user.address), "F\u00fcsche \u26f5")
    token = token_of(verification)
    assert user.post("/auth/email/verify", {"token": token})[0] == 204
    assert user.post("/auth/password/reset-request", {"email": user.address})[0] == 202
    reset = check_form(inbox.to(user.address, 2), "neues Passwort f\u00fcr Zo\u00eb \u2603")
    assert "Hallo Zo\u00eb \u2603," in _text(reset)
    tokens = [token, token_of(reset)]
    new = f"new.{name}@example.com"
    change = {"new_email": new, "current_password": "seven blue snails"}
    assert user.post("/auth/email", change, bearer=True)[0] == 202
    changed = check_form(inbox.to(new), "F\u00fcsche \u26f5")
    notice = check_form(inbox.to(user.address, 3), "F\u00fcsche \u26f5")
    assert "token=" not in _text(notice) and new not in _text(notice)
    tokens.append(token_of(changed))
    assert user.post("/auth/email/verify", {"token": tokens[2]})[0] == 204
    # The address was replaced, and so the token of the reset is worth nothing.
    weak = {"token": tokens[1], "new_password": "another blue snail"}
    assert user.post("/auth/password/reset", weak)[0] == 400
    assert user.post("/auth/password/reset-request", {"email": new})[0] == 202
    tokens.append(token_of(inbox.to(new, 2)[2]))
    used = {"token": tokens[3], "new_password": "another blue snail"}
    assert user.post("/auth/password/reset", used)[0] == 204
    log = own.log()
    for secret in [*tokens, PASSWORD, urllib.parse.quote(PASSWORD, safe=""), user.address]:
        assert secret not in log, secret


@check
def every_message_arrives_over_starttls_with_a_login():
    with MailServer("LOGIN", wrapped=False) as mail, server(mail.url) as own:
        every_message(own, mail.inbox, "ann")
        assert set(mail.inbox.logins) == {("LOGIN", True)}, mail.inbox.logins


@check
def every_message_arrives_over_smtps_with_a_plain_login():
    with MailServer("PLAIN", wrapped=True) as mail, server(mail.url) as own:
        every_message(own, mail.inbox, "bob")
        assert {mechanism for mechanism, _ in mail.inbox.logins} == {"PLAIN"}


@check
def greylisted_mail_arrives_later_and_a_refused_mailbox_is_given_up_and_holds_up_no_other():
    with MailServer("LOGIN", wrapped=False) as mail, server(mail.url) as own:
        inbox = mail.inbox
        gone, grey = User(own, "gone@example.com"), User(own, "grey@example.com")
        other = User(own, "other@example.com")
        check_form(inbox.to(other.address), "F\u00fcsche")
        check_form(inbox.to(grey.address), "F\u00fcsche")
        end = time.monotonic() + PATIENCE
        while "the mailbox was refused" not in own.log():
            assert time.monotonic() < end, own.log()
            time.sleep(0.05)
        assert inbox.refused.count(gone.address) == inbox.refused.count(grey.address) == 1
        assert gone.address not in own.log() and grey.address not in own.log()


@check
def a_mail_server_with_a_certificate_of_another_authority_gets_no_login_and_no_mail():
    for wrapped in (False, True):
        with MailServer("PLAIN", wrapped) as mail, server(mail.url, OTHER) as own:
            user = User(own, "ann@example.com")
            end = time.monotonic() + PATIENCE
            while "a delivery failed" not in own.log():
                assert time.monotonic() < end, own.log()
                time.sleep(0.05)
            assert not mail.inbox.logins and not mail.inbox.mails
            assert "certificate" in own.log() and user.address not in own.log(), own.log()


@check
def a_mail_server_that_hangs_holds_up_no_request_and_no_end_of_the_server():
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(64)
    held = []

    def hold():
        while True:
            try:
                held.append(silent.accept()[0])
            except OSError:
                return

    threading.Thread(target=hold, daemon=True).start()
    url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
    with server(url) as own:
        users = [User(own, f"user{number}@example.com") for number in range(5)]
        for user in users:
            assert user.post("/auth/password/reset-request", {"email": user.address})[0] == 202
            assert user.post("/auth/email/verify-request", {}, bearer=True)[0] == 202
        end = time.monotonic() + PATIENCE
        while not held:
            assert time.monotonic() < end, "the mail server was not asked"
            time.sleep(0.05)
    silent.close()
    for connection in held:
        connection.close()


run()
