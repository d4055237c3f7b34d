"""A model server of our own on loopback: it speaks llama-server's, vLLM's or OpenAI's protocol.

Its model has a token for each byte, or as vLLM the vocabulary it is given; it writes a fixed text from wherever the
reply stands, and thinks Yes at 0.75.
"""

from __future__ import annotations

import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.tiny_gguf import CHATML_TEMPLATE

START, END = 256, 257
_SPECIAL = {"<|im_start|>": START, "<|im_end|>": END}
_PROBS = {"Y": 0.75, "N": 0.125}
WRITES = "Two and two.\n\nThat is four.\n\n"


@dataclass
class Fault:
    """What goes wrong with one answer: a `status` with `headers` and `body`, `delay` in seconds before it, a connection
    cut `after` so many bytes of the body, or `hangs` there until the other side has gone. `meets` is called first.
    """

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    after: int | None = None
    hangs: bool = False
    meets: Callable[[], object] = bool


@dataclass
class ScriptedServer:
    """`faults` are used up by answers to paths that `failing` matches, one each; `pace` is seconds between tokens."""

    kind: str = "llama-server"
    writes: str = WRITES
    model: str = "scripted"
    context: int = 2048
    faults: list = field(default_factory=list)
    failing: str = "completion|generate"
    places: int = 1000
    """How many requests to such paths are served at once; others are told that the server is busy."""
    refused: int = 0
    serving: int = 0
    pace: float = 0.0
    latency: float = 0.0
    """Seconds that every answer begins later."""
    requests: list = field(default_factory=list)
    connections: list = field(default_factory=list)
    certificate: Path | None = None
    """A file with a certificate and its key: it then speaks TLS."""
    written: int = 0
    vocab: Any = None
    continues: str = "unasked"
    """Whether chat completions write on from a message: `unasked`, `asked` or `never`."""
    says_logprobs: bool = True
    doubts: str = ""
    """A step with this in it gets the verdict No."""
    is_certain: bool = False
    """Every token after the first has the log-probability 0."""
    drift: float = 0.0
    """By how much each score of a text is less than the one before."""
    cached: int = 0
    """How many tokens of a prompt it says it had in its cache."""
    is_incremental: bool = False
    """Whether each event of a stream holds only what is new, where a kind of server can be started so."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    gone: threading.Event = field(default_factory=threading.Event)
    """The other side has closed the connection in the middle of an answer."""

    def __enter__(self, port=0):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                outer.answer(self, None)

            def do_POST(self):
                outer.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *args):
                pass

        class Threads(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                pass  # the other side is gone

        self.server = Threads(("127.0.0.1", port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if self.certificate else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections = []

    def bodies(self, path):
        """What was posted to a path."""
        return [body for where, body, _ in self.requests if where == path]

    def answer(self, handler, body):
        self.requests.append((handler.path, body, dict(handler.headers)))
        if handler.connection not in self.connections:
            self.connections.append(handler.connection)
        if not re.search(self.failing, handler.path):
            self._serve(handler, body, Fault())
            return
        with self.lock:
            is_busy = self.serving >= self.places
            self.refused += is_busy
            self.serving += not is_busy
        if is_busy:
            self._send(handler, Fault(429), [b"{}"])
            return
        try:
            self._serve(handler, body, self.faults.pop(0) if self.faults else Fault())
        finally:
            with self.lock:
                self.serving -= 1

    def _serve(self, handler, body, fault):
        fault.meets()
        time.sleep(self.latency + fault.delay)
        if fault.hangs and fault.after is None:
            self._hang(handler)
        elif fault.status != 200 or fault.body is not None:
            self._send(handler, fault, [fault.body or b"{}"])
        else:
            found = self.found(handler.path, body)
            if found is None:
                self._send(handler, Fault(404), [b'{"error": {"message": "File Not Found"}}'])
            else:
                self._send(handler, fault, found)

    def found(self, path, body):
        """The chunks of an answer: a list, or where it is streamed an iterator; None for an unknown path."""
        return getattr(self, "_" + self.kind.replace("-", "_"))(path, body)

    def _send(self, handler, fault, chunks):
        streams = not isinstance(chunks, list)
        handler.send_response(fault.status)
        kind = "text/event-stream" if streams else "application/json"
        for name, value in {"Content-Type": kind, **fault.headers}.items():
            handler.send_header(name, value)
        whole = b"" if streams else b"".join(chunks)
        handler.send_header(*(("Transfer-Encoding", "chunked") if streams else ("Content-Length", str(len(whole)))))
        handler.end_headers()
        sent = 0
        try:
            for chunk in chunks if streams else [whole]:
                cut = chunk if fault.after is None else chunk[: max(fault.after - sent, 0)]
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(cut), cut) if streams and cut else cut)
                sent += len(cut)
                if len(cut) < len(chunk):
                    if fault.hangs:
                        self._hang(handler)
                    handler.close_connection = True
                    return
            if streams:
                handler.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()
            handler.close_connection = True
        finally:
            if streams:
                chunks.close()

    def _hang(self, handler):
        if handler.connection.recv(1) == b"":
            self.gone.set()
        handler.close_connection = True

    def _llama_server(self, path, body):
        match path:
            case "/props":
                props = {"model_alias": self.model, "model_path": f"/m/{self.model}.gguf", "model_ftype": "F32"}
                settings = {"default_generation_settings": {"n_ctx": self.context}}
                return _json({**props, **settings, "chat_template": CHATML_TEMPLATE, "eos_token": "<|im_end|>"})
            case "/health":
                return _json({"status": "ok"})
            case "/tokenize":
                tokens = tokenized(body["content"], body.get("parse_special", True))
                return _json({"tokens": [{"id": one, "piece": [one] if one < START else "<|x|>"} for one in tokens]})
            case "/completion":
                if body.get("stream"):
                    return self._llama_stream(body)
                said = bytes(token for token in body["prompt"] if token < START).decode("utf-8", "replace")
                likely = {"Y": _PROBS["N"], "N": _PROBS["Y"]} if self._doubts(said) else _PROBS
                row = _llama_row(body["logit_bias"][0][0] if "logit_bias" in body else ord("Y"), likely)
                row["top_logprobs"] += [_llama_row(ord("N"), likely), _llama_row(ord("Y"), likely)]
                return _json({"completion_probabilities": [row], "model": self.model, "id_slot": 0, "stop": True})
        return None

    def _llama_stream(self, body):
        tokens = self.continuation(body["prompt"])[: body["n_predict"]]
        for count, token in enumerate(tokens, start=1):
            time.sleep(self.pace)
            self.written += 1
            row = _llama_row(token) | ({"logprob": 0.0} if self.is_certain and count > 1 else {})
            yield _event({"stop": False, "tokens_predicted": count, "completion_probabilities": [row]})
        reason = "eos" if tokens and tokens[-1] == END else "limit"
        done = {"stop": True, "stop_type": reason, "tokens_predicted": len(tokens), "model": self.model, "id_slot": 0}
        yield _event(done)

    def _vllm(self, path, body):
        match path:
            case "/v1/models":
                return _json({"data": [{"id": self.model, "root": f"/m/{self.model}", "max_model_len": self.context}]})
            case "/tokenize":
                return _json({"tokens": self.vocab.tokenize(body["prompt"], special=True)})
            case "/v1/completions":
                return self._vllm_stream(body) if body.get("stream") else _json(self._vllm_answer(body))
        return None

    def _vllm_answer(self, body):
        choice: dict[str, Any] = {"finish_reason": "length", "token_ids": [0]}
        if "logprob_token_ids" in body:
            said = b"".join(map(self.vocab.piece, body["prompt"])).decode("utf-8", "replace")
            values = list(_PROBS.values())
            probs = dict(
                zip(body["logprob_token_ids"], reversed(values) if self._doubts(said) else values, strict=False)
            )
            choice["logprobs"] = {"top_logprobs": [{f"token_id:{one}": math.log(p) for one, p in probs.items()}]}
        if "prompt_logprobs" in body:
            self.written += 1
            value = math.log(0.5) - self.drift * self.written
            rows = [{str(token): _vllm_row(token, value)} for token in body["prompt"][1:]]
            choice["prompt_logprobs"] = [None, *rows]
        return {"choices": [choice]}

    def _vllm_stream(self, body):
        (end,) = self.vocab.tokenize("<|im_end|>", special=True)
        for token in [*self._rest(body["prompt"]), end][: body["max_tokens"]]:
            time.sleep(self.pace)
            name, reason = f"token_id:{token}", "stop" if token == end else None
            said_of = {"tokens": [name], "token_logprobs": [-0.5], "top_logprobs": [{name: -0.5}]}
            yield _event({"choices": [{"token_ids": [token], "logprobs": said_of, "finish_reason": reason}]})
        if reason is None:
            yield _event({"choices": [{"token_ids": [], "finish_reason": "length"}]})
        yield b"data: [DONE]\n\n"

    def _sglang(self, path, body):
        match path:
            case "/model_info":
                return _json({"model_path": f"/m/{self.model}", "is_generation": True})
            case "/generate":
                return self._sglang_stream(body) if body.get("stream") else _json(self._sglang_answer(body))
        return self._vllm(path, body)

    def _sglang_answer(self, body):
        tokens = body["input_ids"]
        meta: dict[str, Any] = {"finish_reason": {"type": "length"}, "cached_tokens": self.cached}
        if "token_ids_logprob" in body:
            said = b"".join(map(self.vocab.piece, tokens)).decode("utf-8", "replace")
            values = list(_PROBS.values())
            probs = zip(body["token_ids_logprob"], reversed(values) if self._doubts(said) else values, strict=False)
            meta["output_token_ids_logprobs"] = [[[math.log(p), one, None] for one, p in probs]]
        if (start := body.get("logprob_start_len", -1)) >= 0:
            self.written += 1
            value = math.log(0.5) - self.drift * self.written
            meta["input_token_logprobs"] = [[None, tokens[start], None]]
            meta["input_token_logprobs"] += [[value, token, None] for token in tokens[start + 1 :]]
            likeliest = [[[value if token % 2 else value / 2, 0, None]] for token in tokens[start + 1 :]]
            meta["input_top_logprobs"] = [None, *likeliest]
        return {"text": "?", "output_ids": [0], "meta_info": meta}

    def _sglang_stream(self, body):
        (end,) = self.vocab.tokenize("<|im_end|>", special=True)
        rows, most = [], body["sampling_params"]["max_new_tokens"]
        for token in [*self._rest(body["input_ids"]), end][:most]:
            time.sleep(self.pace)
            rows.append([-0.5, token, None])
            shown = rows[-1:] if self.is_incremental else rows
            reason = {"type": "stop", "matched": token} if token == end else None
            if len(rows) == most and not reason:
                reason = {"type": "length", "length": most}
            yield _event(
                {
                    "output_ids": [row[1] for row in shown],
                    "meta_info": {
                        "completion_tokens": len(rows),
                        "finish_reason": reason,
                        "output_token_logprobs": shown,
                        "output_top_logprobs": [[row] for row in shown],
                    },
                }
            )
        yield b"data: [DONE]\n\n"

    def _openai(self, path, body):
        match path:
            case "/v1/models":
                return _json({"data": [{"id": self.model, "context_length": self.context}]})
            case "/v1/chat/completions":
                last = body["messages"][-1]
                asked = body.get("continue_final_message", self.continues == "unasked")
                said = last["content"] if last["role"] == "assistant" and asked and self.continues != "never" else ""
                text = " five" if said == "one two three four" else self.writes[len(said) :]
                if body.get("stream"):
                    return self._openai_stream(text, body["max_tokens"])
                tokens, text = [_openai_row("Yes")], said + text  # as llama-server does
                return _json({"choices": [{"message": {"content": text}, "logprobs": self._openai_said(tokens)}]})
        return None

    def _openai_stream(self, text, most):
        words = re.findall(r"\s*\S+\s*", text)
        yield _event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for word in words[:most]:
            yield _event(
                {"choices": [{"delta": {"content": word}, "logprobs": self._openai_said([_openai_row(word)])}]}
            )
        yield _event({"choices": [{"delta": {}, "finish_reason": "stop" if len(words) < most else "length"}]})
        yield b"data: [DONE]\n\n"

    def _openai_said(self, rows):
        return {"content": rows} if self.says_logprobs else None

    def _rest(self, prompt):
        """The tokens it writes after a prompt of its vocabulary."""
        (start,) = self.vocab.tokenize("<|im_start|>", special=True)
        begun = max(index for index, token in enumerate([start, *prompt]) if token == start)
        said = b"".join(map(self.vocab.piece, prompt[begun:])).removeprefix(b"assistant\n").decode()
        return self.vocab.tokenize_reply(self.writes[len(said) :])

    def _doubts(self, said):
        return self.doubts and self.doubts in said

    def continuation(self, prompt):
        """What it writes after these tokens, and the end."""
        begun = max((index for index, token in enumerate(prompt) if token == START), default=len(prompt))
        return [*self.writes.encode(), END][max(len(prompt) - begun - len("assistant\n") - 1, 0) :]


def tokenized(text, special):
    parts = re.split(f"({'|'.join(map(re.escape, _SPECIAL))})", text) if special else [text]
    return [token for part in parts for token in ([_SPECIAL[part]] if part in _SPECIAL else part.encode())]


def _llama_row(token, likely=_PROBS):
    probability = likely.get(chr(token), 0.5)
    row = {"id": token, "bytes": [token] if token < START else [], "logprob": math.log(probability)}
    return {**row, "top_logprobs": [row]}


def _vllm_row(token, logprob):
    return {"logprob": logprob, "rank": 1 if token % 2 else 2, "decoded_token": "?"}


def _openai_row(word):
    top = [{"token": label, "logprob": math.log(p)} for label, p in (("Yes", 0.5), (" Yes", 0.25), ("No", 0.125))]
    return {"token": word, "logprob": math.log(0.5), "top_logprobs": top}


def _json(value):
    return [json.dumps(value).encode()]


def _event(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"
