"""The rounds of a collective as SimGrid's actors play them; run by an interpreter that has SimGrid's Python module.

Standard input has one JSON document: `steps`, for each host its rounds in order, each a list of [transfer, bytes,
whether this host sends it]. Arguments: the platform file, then SimGrid's options. Standard output gets the simulated
seconds and the seconds on the wall.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    from simgrid import Actor, Engine, Host, Mailbox  # type: ignore[import-not-found, unused-ignore]

    began = time.perf_counter()
    engine = Engine(sys.argv)
    engine.load_platform(sys.argv[1])
    steps: list[list[list[Any]]] = json.load(sys.stdin)["steps"]

    def live(mine: list[list[Any]]) -> None:
        for transfers in mine:
            boxes = [(Mailbox.by_name(str(number)), nbytes, sending) for number, nbytes, sending in transfers]
            sent = [box.put_async(0, nbytes) for box, nbytes, sending in boxes if sending]
            came = [box.get_async() for box, _, sending in boxes if not sending]  # pairs that must live until the wait
            for each in [*sent, *(pair[0] for pair in came)]:
                each.wait()

    for host, mine in enumerate(steps):
        Actor.create(f"rank{host}", Host.by_name(f"h{host}"), live, mine)
    engine.run()
    clock = Engine.clock if isinstance(Engine.clock, float) else engine.clock
    sys.stdout.write(json.dumps({"time_s": clock, "wall_s": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
