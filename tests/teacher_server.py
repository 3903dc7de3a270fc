"""A real HTTP server on loopback that speaks three teachers' languages and fails on purpose. Test code.

It counts what it was asked and what it delivered, by request key, and what that would have cost; a client that has gone
before its answer is ready is not served and not charged.
"""

from __future__ import annotations

import json
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answerer = Callable[[str], str]  # the last message -> the answer


class TeacherServer:
    """`plan`: what happens to the next requests, one each: an HTTP status such as "429", "credit", "elsewhere", "slow", "half",
    "malformed", "silent", "uncounted", or "ok". `fate`: what happens to requests that hold some text, whenever they come."""

    def __init__(self, answer: Answerer, plan: list[str] | None = None, delay: float = 0.0) -> None:
        self.answer = answer
        self.plan = plan or []
        self.delay = delay
        self.asked: list[dict[str, Any]] = []
        self.delivered: Counter[str] = Counter()  # by key, or by the text asked where there is none
        self.tokens = [0, 0]
        self.most_at_once = 0
        self.retry_after = "0.05"
        self.fate: dict[str, str] = {}
        self.headers: list[dict[str, str]] = []
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[TeacherServer]:
        outer = self

        class Handler(_Handler):
            server_state = outer

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_state: TeacherServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = _last_text(body)
        key = self.headers.get("Idempotency-Key") or text
        with state._lock:
            state.asked.append({"key": key, "text": text, "path": self.path, "body": body})
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            planned = next((fate for part, fate in state.fate.items() if part in text), "")
            fate = planned or (state.plan.pop(0) if state.plan else "ok")
            state._at_once += 1
            state.most_at_once = max(state.most_at_once, state._at_once)
        try:
            self._serve(fate, key, text)
        finally:
            with state._lock:
                state._at_once -= 1

    def _serve(self, fate: str, key: str, text: str) -> None:
        state = self.server_state
        if fate.isdigit() or fate in ("credit", "elsewhere"):
            status = int({"credit": "429", "elsewhere": "307"}.get(fate, fate))
            code = "insufficient_quota" if fate == "credit" else status
            self._send(status, json.dumps({"error": {"message": "planned", "code": code, "status": "X"}}))
            return
        if fate == "slow":
            time.sleep(3)
        time.sleep(state.delay)
        if select.select([self.connection], [], [], 0)[0]:  # nothing more is to come: readable means closed
            return
        answer = "" if fate == "silent" else state.answer(text)
        read, written = len(text) // 4 + 3, len(answer) // 3 + 1
        payload = json.dumps(_payload(self.path, answer, read, written, fate))
        if fate == "malformed":
            payload = payload[: len(payload) // 2] + "}}"
        with state._lock:
            state.delivered[key] += 1
            state.tokens[0] += read
            state.tokens[1] += written
        self._send(200, payload, cut=fate == "half")

    def _send(self, status: int, payload: str, cut: bool = False) -> None:
        data = payload.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 504):
            self.send_header("Retry-After", self.server_state.retry_after)
        if status == 307:
            self.send_header("Location", f"{self.server_state.url}/other{self.path}")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()


def _last_text(body: dict[str, Any]) -> str:
    if "contents" in body:
        return str(body["contents"][-1]["parts"][0]["text"])
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


def _payload(path: str, answer: str, read: int, written: int, fate: str) -> dict[str, Any]:
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer or None}}
        usage: Any = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        usage = None if fate == "uncounted" else usage
        return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    if path.endswith("/messages"):
        return {
            "id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
            "content": [{"type": "text", "text": answer}] if answer else [], "usage": {"input_tokens": read, "output_tokens": written},
        }  # fmt: skip
    candidate = {"content": {"role": "model", "parts": [{"text": answer}]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": read, "candidatesTokenCount": written, "totalTokenCount": read + written}
    if not answer:
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage, "modelVersion": "m"}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}
