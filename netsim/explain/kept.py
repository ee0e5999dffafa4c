"""An explanation as a result folder keeps it: figures and sentences, in JSON."""

from __future__ import annotations

from typing import Any

from netsim.explain.explanation import Explanation
from netsim.explain.told import advice, told
from netsim.explain.utilisation import utilisation


def kept(explained: Explanation) -> dict[str, Any]:
    """The keys of `netsim explain --json`, the sentences, what to buy, and how much of their rate links use."""
    return {
        **explained.as_dict(),
        "sentences": list(told(explained)),
        "advice": advice(explained),
        "staleness": explained.summary.get("staleness_counts"),
        "utilisation": utilisation(explained.trace),
        "network": _network(explained),
    }


def _network(explained: Explanation) -> list[tuple[str, str, str, float]]:
    """Each link with the nodes that it leads from and to, and the share of its capacity that the run used."""
    trace = explained.trace
    lasted = max(explained.path.length * explained.path.iterations, 1e-300)
    return [
        (use.link, *trace.facts["ends"][use.link], use.nbytes / use.rate / lasted)
        for use in trace.links
        if use.link in trace.facts["ends"]
    ]
