"""The language of a site's own rules (docs/rules.md): a YAML file, checked whole, compiled once to the rules of the house.

``schema`` says what may stand in the file, ``compiling`` turns one rule into a `Rule`, ``expression`` conditions into closures,
``rule_set`` decides which rules an instance is judged by. To add a kind of rule: its key in ``schema``, its check in ``compiling``.
"""

from dicomnode.qa.language.modes import Mode
from dicomnode.qa.language.rule_set import Facts, RuleSet, compile_rules, enforced
from dicomnode.qa.language.schema import RuleText, TestText

__all__ = ["Facts", "Mode", "RuleSet", "RuleText", "TestText", "compile_rules", "enforced"]
