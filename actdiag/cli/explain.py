"""actdiag explain."""

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.cli.types import Registered
from actdiag.options import RuleOptions


@click.command(cls=Command, short_help="List the rules of the verdict, or explain one.")
@click.argument("rule", metavar="[RULE]", required=False, type=Registered("rule"))
@options.options_of(RuleOptions)
def explain(rule: str | None, rules: str | None) -> None:
    """List the rules that a verdict rests on, or explain one: what it means, why it matters and what to do about it.

    \b
      actdiag explain
      actdiag explain vanishing_gradient
    """
    from actdiag.api.explain import explain as of_library
    from actdiag.cli import screen
    from actdiag.diagnosis import rules_from
    from actdiag.render.terminal.explain import rule_view, rules_view

    if rule is None:
        applied = rules_from(rules)
        screen.show(lambda width, plain: rules_view(applied, ascii_only=plain))
        return
    explained = of_library(rule, rules)
    screen.show(lambda width, plain: rule_view(explained))
