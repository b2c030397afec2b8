"""Who asks: SharedKey signatures and bearer tokens, and whether their clock is right.

The string to sign is computed here from the request alone, after the REST reference of Batch
("Authenticate requests"), and shares no code with any client.
"""
import base64
import email.utils
import hashlib
import hmac
import json
import secrets

from .wire import Refusal

SKEW_S = 15 * 60  # what the service allows
AUDIENCES = ("https://batch.core.windows.net", "https://batch.core.chinacloudapi.cn",
             "https://batch.core.usgovcloudapi.net")
STANDARD_HEADERS = ("content-encoding", "content-language", "content-length", "content-md5",
                    "content-type", "date", "if-modified-since", "if-match", "if-none-match",
                    "if-unmodified-since", "range")


def string_to_sign(account, request):
    headers = request.headers
    lines = [request.method] + [headers.get(name, "") for name in STANDARD_HEADERS]
    if request.method in ("GET", "HEAD", "DELETE") and headers.get("content-length") == "0":
        lines[1 + STANDARD_HEADERS.index("content-length")] = ""
    if "ocp-date" in headers:
        lines[1 + STANDARD_HEADERS.index("date")] = ""
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)
              if name.startswith("ocp-") and headers[name].strip()]
    resource = f"/{account}{request.path}"
    for name in sorted(request.query):
        resource += f"\n{name}:{','.join(request.query[name])}"
    return "\n".join(lines + [resource])


def signature(key, text):
    """`key` is base64, as portals show it."""
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_date(request, now):
    text = request.header("ocp-date") or request.header("date")
    try:
        sent = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        sent = None
    if sent is None or abs(now - sent) > SKEW_S:
        there = email.utils.formatdate(now, usegmt=True)
        raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail=f"The specified "
                      f"date '{text}' is not valid or too far from the server's, '{there}'.")


def check_shared_key(account, key, request, now):
    check_date(request, now)
    text = string_to_sign(account, request)
    given = request.header("authorization")[len("SharedKey "):].strip()
    name, _, mac = given.partition(":")
    if name != account:
        raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail=f"The account "
                      f"'{name}' is not that of this endpoint, '{account}'.")
    if not hmac.compare_digest(mac, signature(key, text)):
        raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail=f"The MAC signature "
                      f"found in the HTTP request '{mac}' is not the same as any computed "
                      f"signature. Server used following string to sign: '{text}'.")


# --- tokens --------------------------------------------------------------------------------------
# As Azurite does, claims are believed: whose token it is cannot be verified without Entra. Tokens
# that the emulator itself issued are verified, and can be revoked by a restart.


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpart(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_issue(key, audience, subject, now, life_s=3600):
    """A JSON web token signed by the account's key."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "batch_emulator"}
    claims = {"aud": audience, "iss": "https://sts.windows.net/emulator/", "appid": subject,
              "nbf": int(now) - 60, "exp": int(now) + life_s, "jti": secrets.token_hex(8)}
    text = ".".join(_part(json.dumps(part).encode()) for part in (head, claims))
    mac = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_part(mac)}"


def _refuse_token(why):
    refusal = Refusal(401, "AuthenticationFailed", AuthenticationErrorDetail=why)
    refusal.headers["www-authenticate"] = ('Bearer authorization_uri="https://login.'
                                           'microsoftonline.com/", resource_id='
                                           f'"{AUDIENCES[0]}/", error="invalid_token"')
    raise refusal


def check_bearer(key, request, now):
    token = request.header("authorization")[len("Bearer "):].strip()
    try:
        head, claims, mac = token.split(".")
        kind, claims_read = json.loads(_unpart(head)), json.loads(_unpart(claims))
        audience, ends = claims_read["aud"].rstrip("/"), float(claims_read["exp"])
        begins = float(claims_read.get("nbf", 0))
    except (ValueError, KeyError, AttributeError, TypeError):
        _refuse_token("The token is no JSON web token with an audience and an end.")
    if kind.get("kid") == "batch_emulator":
        good = hmac.new(base64.b64decode(key), f"{head}.{claims}".encode(), hashlib.sha256)
        if not hmac.compare_digest(_part(good.digest()), mac):
            _refuse_token("The token's signature is wrong.")
    if audience not in AUDIENCES:
        _refuse_token(f"Audience validation failed: the token is for '{audience}', not for "
                      f"'{AUDIENCES[0]}/'.")
    if not begins - 300 <= now <= ends:
        _refuse_token("The token has expired or is not valid yet.")


def check(service, request, now):
    given = request.header("authorization")
    if given.startswith("SharedKey ") and service.options.shared_key:
        check_shared_key(service.options.account, service.options.key, request, now)
    elif given.startswith("SharedKey "):
        raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail="The account does "
                      "not allow authentication by shared key; it allows AAD.")
    elif given.startswith("Bearer "):
        check_bearer(service.options.key, request, now)
    else:
        _refuse_token("The Authorization header is missing or of an unknown kind.")
