"""The front door: `netsim` and its commands, one in each file of `commands/`."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import sys
from importlib import import_module

import click

from netsim import commands
from netsim.commands._shared import say_problems
from netsim.errors import NetsimError, ScenarioError
from netsim.version import VERSION

# Heavy modules are imported by the command that needs them, so that `netsim --help` answers at once.


def main() -> None:
    """Runs the command line; errors become messages and exit statuses: 1 a run failed, 2 a wrong call, 130 Ctrl-C."""
    try:
        status = cli.main(prog_name="netsim", standalone_mode=False)
        sys.stdout.flush()
    except ScenarioError as error:
        say_problems(error.problems)
        status = 2
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except NetsimError as error:
        click.echo(f"netsim: {error}", err=True)
        status = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("netsim: interrupted; what was finished is kept", err=True)
        status = 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # as after `| head`, which has read enough
            click.echo(f"netsim: {error.filename or 'output'}: {error.strerror or error}", err=True)
        if error.filename is None:
            _forget_output()
        status = 1
    except MemoryError:
        click.echo("netsim: not enough memory; fewer workers or fewer iterations need less", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


class Commands(click.Group):
    """The commands that have a file, each read when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, sorted."""
        return sorted(each.name for each in pkgutil.iter_modules(commands.__path__) if not each.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The one command that is defined in the file of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"{commands.__name__}.{cmd_name}")
        return next(member for member in vars(module).values() if isinstance(member, click.Command))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="netsim")
def cli() -> None:
    """Simulate distributed training: parameter server, tree or ring all-reduce, which is faster here, and why?"""


def _forget_output() -> None:
    """Lets Python end without another try at writing what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
