"""No reader of netsim falls over a hostile file: it reads it or refuses it with a message.

Hypothesis changes seeds at random; the corpus has what the coverage-guided fuzzer (.ci/fuzz) found, and is replayed.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"


def _targets() -> Any:
    spec = importlib.util.spec_from_file_location("netsim_fuzzing_targets", FOLDER / "targets.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.TARGETS


TARGETS = _targets()
WORDS = [
    b"",
    b"\0",
    b"-1",
    b"1e309",
    b"nan",
    b'"',
    b"[",
    b"{",
    b"\xff\xfe",
    b"9" * 30,
    b"<!ENTITY",
    b"../../x",
    b"<script>",
]


@st.composite
def changed(draw: Any, seeds: list[bytes]) -> bytes:
    """A seed with pieces left out, repeated, or replaced by words that readers stumble over."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.integers(0, 20)))
        put = draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=4), st.just(content[begin:end] * 2)))
        content = content[:begin] + put + content[end:]
    return content


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a file has no business on the network, and runs nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a reader went outside")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_reads_or_refuses_what_was_changed(name: str, offline: None) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())

    @settings(
        max_examples=8, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(content=changed(seeds))
    def check(content: bytes) -> None:
        target(content)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_past_finds_stay_mended(name: str, offline: None) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name](seed)
    for find in sorted((CORPUS / name).glob("*")):
        TARGETS[name](find.read_bytes())


def test_a_corpus_is_of_a_reader() -> None:
    assert {folder.name for folder in CORPUS.glob("*") if folder.is_dir()} <= set(TARGETS)
