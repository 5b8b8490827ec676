"""The command `burnish`. typer is imported here and in the files *_app; what a command does is in its own file.

A new command is one function, here or there: its arguments, its help with examples, and a call. Bodies are
imported inside the functions, so `burnish --help` loads no library that is slow to load. Exit
codes: 0 done, 1 an error that was explained, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from burnish.cli.data_app import app as data_app
from burnish.cli.optimize_app import measure, optimize, verify
from burnish.cli.serve_app import export, load, serve
from burnish.cli.train_app import plan, train
from burnish.core.errors import BurnishError


class _Commands(TyperGroup):
    """Turns errors into messages with a fix, and Ctrl-C into a friendly line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BurnishError as error:
            from burnish.cli.terminal.console import print_error

            print_error(error)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            from burnish.cli.terminal.console import print_note

            print_note("interrupted: run the same command again to resume")
            raise typer.Exit(130) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order they are written here."""
        del ctx
        return list(self.commands)


app = typer.Typer(
    name="burnish",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Make a PyTorch model that works fast and small, and prove it.",
    epilog="Begin with: burnish doctor, burnish list workloads, burnish optimize digits",
)


app.add_typer(data_app, name="data")


def main() -> None:
    """Entry point of the console script."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"burnish {version('burnish')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Holds the options that stand before any command."""
    del version


app.command()(optimize)
app.command()(train)
app.command()(plan)
app.command()(verify)
app.command()(measure)
app.command()(serve)
app.command()(load)
app.command()(export)


@app.command("list")
def list_parts(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="One list, e.g. passes; all without.")] = None,
) -> None:
    """Show what can be used, by name.

    \b
    Examples:
      burnish list
      burnish list backends
    """
    from burnish.cli.listing import show_list

    show_list(kind)


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A name from `burnish list`, or kind/name.")],
    groups: Annotated[bool, typer.Option("--groups", help="Of a model: what can be pruned, and what not.")] = False,
    data: Annotated[str | None, typer.Option(help="With --groups: where the data lie.")] = None,
) -> None:
    """Print the card of one part with its settings, or what can be pruned in a model.

    \b
    Examples:
      burnish explain prune
      burnish explain criteria/random
      burnish explain recipes/digits
      burnish explain digits --groups
      burnish explain schedule
    """
    if groups:
        from burnish.cli.groups import show_groups

        show_groups(what, data)
        return
    from burnish.cli.listing import show_card

    show_card(what)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Show what this machine can do, and what it lacks.

    \b
    Examples:
      burnish doctor
      burnish doctor --json
    """
    from burnish.cli.doctor import show_doctor

    show_doctor(as_json=as_json)


def help_texts() -> dict[str, str]:
    """The help of every command, as a terminal of 100 columns shows it; `data convert` is one in a group."""
    group = typer.main.get_command(app)
    texts: dict[str, str] = {}
    with group.make_context("burnish", [], resilient_parsing=True) as top:
        waiting = [(name, command, top) for name, command in group.commands.items()]  # type: ignore[attr-defined]
        while waiting:
            name, command, parent = waiting.pop(0)
            short = name.rpartition(" ")[2]
            with command.make_context(short, [], parent=parent, resilient_parsing=True, max_content_width=100) as ctx:
                inner = command.commands if isinstance(command, TyperGroup) else {}
                waiting = [*((f"{name} {key}", part, ctx) for key, part in inner.items()), *waiting]
                texts |= {} if inner else {name: command.get_help(ctx)}
    return texts
