"""A trace as the JSON that chrome://tracing and ui.perfetto.dev open."""

from __future__ import annotations

from typing import Any

from netsim.trace import Trace

# Format: "Trace Event Format" (Google, 2016): complete events "X" with times in microseconds, flows "s" and "f".
_COMPUTE, _SEND, _RECEIVE = 0, 1, 2


def events(trace: Trace) -> dict[str, Any]:
    """Each host a process with tracks for what it computes, sends and receives; arrows from sending to receiving."""
    found: list[dict[str, Any]] = []
    for host, name in enumerate(trace.hosts):
        found.append({"ph": "M", "name": "process_name", "pid": host, "tid": 0, "args": {"name": name}})
        for track, what in ((_COMPUTE, "compute"), (_SEND, "send"), (_RECEIVE, "receive")):
            found.append({"ph": "M", "name": "thread_name", "pid": host, "tid": track, "args": {"name": what}})
    for span in trace.spans:
        about = {"phase": span.phase, "iteration": span.iteration}
        found.append(_complete(span.name, span.phase, span.host, _COMPUTE, span.start, span.end, about))
    for number, sent in enumerate(trace.transfers):
        about = {"bytes": sent.nbytes, "iteration": sent.iteration, "sent_us": sent.sent * 1e6}
        to, by = trace.hosts[sent.dst], trace.hosts[sent.src]
        found.append(_complete(f"{sent.label} to {to}", "transfer", sent.src, _SEND, sent.start, sent.end, about))
        found.append(_complete(f"{sent.label} from {by}", "transfer", sent.dst, _RECEIVE, sent.start, sent.end, about))
        flow = {"name": "message", "cat": "transfer", "id": number}
        found.append({**flow, "ph": "s", "pid": sent.src, "tid": _SEND, "ts": sent.start * 1e6})
        found.append({**flow, "ph": "f", "bp": "e", "pid": sent.dst, "tid": _RECEIVE, "ts": sent.end * 1e6})
    return {"traceEvents": found, "displayTimeUnit": "ms"}


def _complete(
    name: str, category: str, host: int, track: int, start: float, end: float, about: dict[str, Any]
) -> dict[str, Any]:
    times = {"ts": start * 1e6, "dur": (end - start) * 1e6}
    return {"ph": "X", "name": name, "cat": category, "pid": host, "tid": track, **times, "args": about}
