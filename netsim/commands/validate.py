"""`netsim validate`."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import click

from netsim.commands._shared import options, warn


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--only", multiple=True, metavar="SOURCE", help="Only this source; may be given several times.")
@click.option("--peers", "beside_peers", is_flag=True, help="Instead: the same collectives in SimGrid and ns.py.")
@options("output", "json", "quiet")
def validate(
    folder: Path | None, only: tuple[str, ...], beside_peers: bool, output: Path | None, as_json: bool, quiet: bool
) -> None:
    """Predict the measured figures in FOLDER (scenarios/validation); exit status 1 where one leaves its tolerance."""
    from netsim import arguments, progress, terminal
    from netsim.validation import judge, page, peers, sources

    if beside_peers:
        arguments.refuse_beside("--peers", {"FOLDER": folder, "--only": only or None, "-o": output})
        warn(f"not installed, and so left out: {each}" for each in peers.missing())
        cases, left_out = peers.cases()
        warn(f"left out, as the topology is not for so many hosts: {each}" for each in left_out)
        with progress.bar("collectives", len(cases), quiet=quiet) as reached_case:
            found_beside = list(peers.rows(cases, reached_case))
        return terminal.document({"rows": found_beside}) if as_json else terminal.peers(found_beside)
    found = sources.find(folder or Path("scenarios/validation"), only)
    target = arguments.writable_folder(output)
    judged: list[judge.Judged] = []
    groups: list[judge.Summary] = []
    number = count(1)
    with progress.bar("rows", sum(len(source.rows) for source in found), quiet=quiet) as reached:
        for source in found:
            rows = list(judge.judge(source, lambda: reached(next(number))))
            judged, groups = judged + rows, groups + judge.summaries(source, rows)
    tables = {"rows": [each.as_dict() for each in judged], "groups": [each.as_dict() for each in groups]}
    failed = any(each.failed for each in judged) or any(each.mean_failed for each in groups)
    if target:
        click.echo(f"report: {click.format_filename(page.write(target, found, judged, groups))}", err=True)
    if as_json:
        terminal.document({"passed": not failed, **tables})
    else:
        terminal.validation(**tables)
    sys.exit(1 if failed else 0)
