"""Which network a scenario asks for."""

from __future__ import annotations

from netsim.engine.reference.fair import Fair
from netsim.engine.reference.fifo import Fifo, StoreAndForward
from netsim.engine.reference.network import Network
from netsim.errors import ScenarioError, did_you_mean

SHARING: dict[str, type[Network]] = {"fair": Fair, "fifo": Fifo}
FORWARDING: dict[str, dict[str, type[Network]]] = {
    "cut_through": SHARING,
    "store_and_forward": {"fifo": StoreAndForward},
}


def network_of(sharing: str, forwarding: str = "cut_through") -> type[Network]:
    """The network in which links are shared so; ScenarioError where there is none."""
    for path, name, names in (("sharing", sharing, SHARING), ("forwarding", forwarding, FORWARDING)):
        if name not in names:
            raise ScenarioError(f"no {path} {name!r}.{did_you_mean(name, names)}", path=path)
    if sharing not in FORWARDING[forwarding]:
        raise ScenarioError(f"{forwarding} is for fifo links; {sharing} ones have no queues", path="forwarding")
    return FORWARDING[forwarding][sharing]
