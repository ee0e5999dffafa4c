"""An explanation as a result folder keeps it: figures and sentences, in JSON."""

from __future__ import annotations

from typing import Any

from netsim.explain.told import Explanation, advice, told
from netsim.explain.utilisation import utilisation
from netsim.topologies._measures import placed_links


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


def _network(explained: Explanation) -> list[dict[str, Any]]:
    """Each link with the nodes that it leads from and to, where these are drawn, and the share of its capacity that the
    run used."""
    trace = explained.trace
    lasted = max(float(trace.steps["end"].max()), 1e-300)
    used = {use.link: use.nbytes / use.rate / lasted for use in trace.links}
    links = placed_links(trace.scenario.network())
    return [{**link, "utilisation": used[link["link"]]} for link in links if link["link"] in used]
