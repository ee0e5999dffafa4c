"""The rounds of a collective as SimGrid's actors play them; run by an interpreter that has SimGrid's Python module.

Standard input has one JSON document: `actors`, each with its host and its rounds in order, each a list of [wait,
transfer, bytes, whether this actor sends it]: both ends of a transfer wait so long (s) before they begin it. Arguments:
the platform file, then SimGrid's options. Standard output gets the simulated seconds and the seconds on the wall.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    from simgrid import Actor, Engine, Host, Mailbox, this_actor  # type: ignore[import-not-found, unused-ignore]

    began = time.perf_counter()
    engine = Engine(sys.argv)
    engine.load_platform(sys.argv[1])
    actors: list[tuple[int, list[list[Any]]]] = json.load(sys.stdin)["actors"]

    def live(rounds: list[list[Any]]) -> None:
        for transfers in rounds:
            waited, sent, came = 0.0, [], []
            for wait, number, nbytes, sending in sorted(transfers):
                if wait > waited:
                    this_actor.sleep_for(wait - waited)
                    waited = wait
                box = Mailbox.by_name(str(number))
                if sending:
                    sent.append(box.put_async(0, nbytes))
                else:
                    came.append(box.get_async())  # pairs that must live until the wait
            for each in [*sent, *(pair[0] for pair in came)]:
                each.wait()

    for number, (host, rounds) in enumerate(actors):
        Actor.create(f"actor{number}", Host.by_name(f"h{host}"), live, rounds)
    engine.run()
    clock = Engine.clock if isinstance(Engine.clock, float) else engine.clock
    sys.stdout.write(json.dumps({"time_s": clock, "wall_s": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
