# ruff: noqa: E501  (a table reads best with one row a line)
"""HTTP as no library sends it: smuggling is refused in our form, and what is right is answered however it comes."""

import json
import socket
import time

import pytest

from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.system.raw import answers, chunked, connect, post, until_closed

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
NEXT = b"GET /v2/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
INFER = json.dumps({"inputs": batch()["inputs"][:1]}).encode()

# bytes on the wire; status and code of the only reply
ROWS: dict[str, tuple[bytes, int, str]] = {
    "a length and chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "two lengths": (POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "the same length twice": (POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "lengths in a list": (POST + b"Content-Length: 0, 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a length with a sign": (POST + b"Content-Length: +44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a length in hexadecimal": (POST + b"Content-Length: 0x2c\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a length with an underscore": (POST + b"Content-Length: 4_4\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a length in no ASCII digit": (POST + b"Content-Length: \xb2\r\n\r\n" + NEXT, 400, "invalid_http"),
    "an empty length": (POST + b"Content-Length:\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a space before the colon": (POST + b"Content-Length : 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a folded header": (POST + b"X-A: b\r\n c\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a folded coding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + NEXT, 501, "unsupported_transfer_coding"),
    "a header that begins with a space": (b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a NUL in a header": (GET + b"X-A: b\x00c\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a bare CR in a header": (GET + b"X-A: b\rContent-Length: 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a bare LF in a header": (GET + b"X-A: b\nContent-Length: 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a bare LF at the end": (b"GET / HTTP/1.1\n\n" + NEXT, 400, "invalid_http"),
    "bare LFs, and a body": (POST.replace(b"\r\n", b"\n") + b"Content-Length: 5\n\nabcde" + NEXT, 400, "invalid_http"),
    "a bare LF, and a body": (POST + b"Content-Length: 5\n\nabcde" + NEXT, 400, "invalid_http"),
    "a header without a name": (GET + b": x\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a header without a colon": (GET + b"chunked\r\n\r\n" + NEXT, 400, "invalid_http"),
    "two hosts": (GET + b"Host: y\r\n\r\n" + NEXT, 400, "invalid_http"),
    "another coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + NEXT, 501, "unsupported_transfer_coding"),
    "codings in a list": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + NEXT, 501, "unsupported_transfer_coding"),
    "identity and chunks": (POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, 501, "unsupported_transfer_coding"),
    "chunks in HTTP/1.0": (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a bad size of a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + NEXT, 400, "invalid_http"),
    "a size as in C": (POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a chunk longer than its size": (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a bare LF after a size": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\n\n" + NEXT, 400, "invalid_http"),
    "a length in a trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 44\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a huge size of a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n" + NEXT, 413, "too_large"),
    "no method": (b"/v2 HTTP/1.1\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a method in lower case": (b"get /v2 HTTP/1.1\r\n\r\n" + NEXT, 400, "invalid_http"),
    "no version": (b"GET /v2\r\n\r\n" + NEXT, 400, "invalid_http"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid_http"),
    "HTTP/0.9": (b"GET /v2 HTTP/0.9\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a path that is no ASCII": (b"GET /v2/\xff HTTP/1.1\r\n\r\n" + NEXT, 400, "invalid_http"),
    "a long request line": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n" + NEXT, 414, "uri_too_long"),
    "many headers": (GET + b"".join(b"X-%d: a\r\n" % i for i in range(200)) + b"\r\n" + NEXT, 431, "head_too_large"),
    "a long header": (GET + b"X-A: " + b"a" * 9000 + b"\r\n\r\n" + NEXT, 431, "head_too_large"),
    "an endless head": (GET + b"X-A: b\r\n" * 8000, 431, "head_too_large"),
    "an expectation that nobody knows": (POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na" + NEXT, 417, "expectation_failed"),
    "a body larger than the limit": (POST + b"Content-Length: 67108865\r\n\r\n" + NEXT, 413, "too_large"),
    "a body larger than any": (POST + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\n" + NEXT, 413, "too_large"),
    "one larger than the limit that waits": (POST + b"Expect: 100-continue\r\nContent-Length: 67108865\r\n\r\n", 413, "too_large"),
    "mostly framing": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(bytes(20_000), 1) + NEXT, 400, "invalid_http"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_no_http_is_refused_in_our_form(server: str, row: tuple[bytes, int, str]) -> None:
    """One reply, in JSON, and the connection is closed: what may have been smuggled behind it is never answered."""
    sent, status, code = row
    with connect(server) as sock:
        sock.sendall(sent)
        (answer,) = answers(until_closed(sock))
    assert answer.status == status
    assert answer.json()["code"] == code
    assert answer.json()["error"]
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 32


@pytest.fixture
def infer(server: str, name: str) -> str:
    """The path that predicts."""
    call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN)
    return f"/v2/models/{name}/infer"


def test_chunks_of_any_size_are_a_body(server: str, infer: str) -> None:
    """Of one byte too; the replies are the same as to a body with a length."""
    with connect(server) as sock:
        for size in (1, 2, 100, len(INFER)):
            sock.sendall(post(infer, chunked(INFER, size), "Transfer-Encoding: chunked"))
        sock.sendall(post(infer, INFER, "Connection: close"))
        found = answers(until_closed(sock))
    assert [answer.status for answer in found] == [200] * 5
    assert len({answer.body for answer in found}) == 1


@pytest.mark.parametrize("pieces", [1, 50])
def test_a_size_may_begin_with_zeros(server: str, infer: str, pieces: int) -> None:
    """In however many pieces it comes, and what follows is the next request."""
    zeros = b"0" * 20
    body = zeros + b"%x\r\n%b\r\n" % (len(INFER), INFER) + zeros + b"\r\n\r\n"
    sent = post(infer, body, "Transfer-Encoding: chunked") + GET + b"Connection: close\r\n\r\n"
    size = -(-len(sent) // pieces)
    with connect(server) as sock:
        for at in range(0, len(sent), size):
            sock.sendall(sent[at : at + size])
        found = answers(until_closed(sock))
    assert [answer.status for answer in found] == [200, 200]


def test_requests_in_one_packet_are_answered_in_order(server: str, infer: str) -> None:
    """With bodies of either kind, more than the kernel holds of one, and after an empty line."""
    long = json.dumps({"inputs": batch(2000)["inputs"][:1]}).encode()
    assert len(long) > 100_000
    sent = [
        post(infer, INFER),
        post(infer, chunked(INFER, 7), "Transfer-Encoding: chunked"),
        GET + b"\r\n",
        b"\r\n" + GET + b"\r\n",
    ]
    sent += [post(infer, long), post(infer, chunked(long, 50_000), "Transfer-Encoding: chunked"), GET + b"\r\n"]
    with connect(server) as sock:
        sock.sendall(b"".join(sent) + GET + b"Connection: close\r\n\r\n")
        found = answers(until_closed(sock))
    assert [answer.status for answer in found] == [200] * 8
    assert [b"live" in answer.body for answer in found] == [False, False, True, True, False, False, True, True]
    assert found[4].body == found[5].body


def test_a_client_that_waits_is_told_to_continue(server: str, infer: str) -> None:
    """Once, before it sends its body, on every request of a connection."""
    with connect(server) as sock:
        for _ in range(2):
            head, body = post(infer, INFER, "Expect: 100-continue").split(b"\r\n\r\n", 1)
            sock.sendall(head + b"\r\n\r\n")
            assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body)
            (answer,) = answers(sock.recv(1 << 16))
            assert answer.status == 200


def test_http_1_0_is_answered_and_closed(server: str, infer: str) -> None:
    """Unless it asks to be kept."""
    with connect(server) as sock:
        sock.sendall(post(infer, INFER, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert answers(sock.recv(1 << 16))[0].headers["connection"] == "keep-alive"
        sock.sendall(post(infer, INFER).replace(b"HTTP/1.1", b"HTTP/1.0"))
        (answer,) = answers(until_closed(sock))
    assert answer.status == 200


def test_a_client_that_only_half_closes_gets_its_reply(server: str, infer: str) -> None:
    """After the request's last byte it may close its side."""
    with connect(server) as sock:
        sock.sendall(post(infer, INFER))
        sock.shutdown(socket.SHUT_WR)
        (answer,) = answers(until_closed(sock))
    assert answer.status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /v2", post("/v2", bytes(100))[:-1], post("/v2", bytes(300_000))[:-1]])
def test_a_client_that_leaves_early_gets_nothing(server: str, sent: bytes) -> None:
    """The end of what it sends comes before the end of its request: it is closed at once, and quietly."""
    with connect(server, timeout=5) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        assert until_closed(sock) == b""


def test_urgent_bytes_are_outside_the_stream(server: str) -> None:
    """Wherever they come; the request is what is around them."""
    sent = POST + b"Content-Length: 10\r\n\r\nabcdefghij"
    with connect(server) as sock:
        for at in (1, 20, len(sent) - 5):
            sock.sendall(sent[:at])
            sock.send(b"!", socket.MSG_OOB)
            sock.sendall(sent[at:])
            (answer,) = answers(sock.recv(1 << 16))
            assert answer.status == 405


def test_a_reply_that_is_not_read_is_whole_in_the_end(server: str, name: str) -> None:
    """Eight megabytes to a client that waits before it reads: every byte is there, and the next request is answered."""
    layers = [{"type": "flatten"}, {"type": "linear", "name": "fc", "out_features": 128 * 1024}]
    call("PUT", f"{server}/v2/models/{name}", {"architecture": {"input": [1, 4, 4], "layers": layers}})
    path = f"/v2/models/{name}/weights"
    weights = call("GET", f"{server}{path}").content
    assert len(weights) > 8 << 20
    with connect(server) as sock:
        get = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        sock.sendall(get + GET + b"Connection: close\r\n\r\n")
        time.sleep(1)
        first, second = answers(until_closed(sock))
    assert first.body == weights
    assert second.json() == {"live": True}
