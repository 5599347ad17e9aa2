"""actdiag explain."""

import click

from actdiag.cli import options


@click.command(short_help="List the rules of the verdict, or explain one.")
@click.argument("rule", metavar="RULE", required=False, type=options.Registered("rule"))
@options.rules_option
def explain(rule: str | None, rules: str | None) -> None:
    """List the rules that a verdict rests on, or explain one: what it means, why it matters, what to do about it.

    \b
      actdiag explain
      actdiag explain vanishing_gradient
    """
    from actdiag.cli import output
    from actdiag.diagnosis import rules_from
    from actdiag.errors import InvalidField, did_you_mean
    from actdiag.render.terminal.explain import rule_view, rules_view

    applied = rules_from(rules)
    if rule is None:
        output.show(lambda width, plain: rules_view(applied, ascii_only=plain))
        return
    if rule not in applied:
        offer = did_you_mean(rule, applied) or "; `actdiag explain` lists them"
        raise InvalidField(field="rule", problem=f"must name a rule, got {rule!r}{offer}")
    output.show(lambda width, plain: rule_view(applied[rule]))
