"""A site's rules, compiled: which of them an instance is judged by, and at which severity."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from dicomnode.dicom.tags import MODALITY
from dicomnode.errors import ConfigurationError
from dicomnode.qa.language.compiling import compile_rule
from dicomnode.qa.language.contradictions import contradictions
from dicomnode.qa.language.modes import Mode
from dicomnode.qa.language.schema import Match, Override, RuleFile, RuleText, TestText
from dicomnode.qa.rule import Rule, Subject
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings.document import Document

STATION_NAME, MODEL_NAME, DEVICE_SERIAL_NUMBER = 0x00081010, 0x00081090, 0x00181000

Facts = tuple[str, ...]
"""What profiles know of an instance, as far as any profile asks; the same facts mean the same rules."""

_FACTS: Final[Mapping[str, Callable[[Subject], str]]] = {
    "sop_class": lambda subject: subject.request.sop_class_uid,
    "calling_ae": lambda subject: subject.request.sender.calling_ae_title,
    "modality": lambda subject: subject.uid(MODALITY),
    "station": lambda subject: subject.uid(STATION_NAME),
    "device_serial": lambda subject: subject.uid(DEVICE_SERIAL_NUMBER),
    "model": lambda subject: subject.uid(MODEL_NAME),
}
_Fits = Callable[[str], re.Match[str] | None]


@dataclass(frozen=True, slots=True)
class Profile:
    """Rules and overrides for the instances whose facts match.

    Attributes:
        matchers: place in the facts, and what the fact must match.
        texts: the rules as they are written, for explanations.
        mode: how far its overrides may go, unless they say otherwise.
    """

    name: str
    matchers: tuple[tuple[int, _Fits], ...] = ()
    rules: tuple[Rule, ...] = ()
    overrides: Mapping[str, Override] = field(default_factory=dict)
    texts: tuple[RuleText, ...] = ()
    mode: Mode = Mode.ENFORCE

    def matches(self, facts: Facts) -> bool:
        """Whether instances of these facts are the profile's."""
        return all(fits(facts[place]) for place, fits in self.matchers)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A site's rules; an empty one changes nothing.

    Attributes:
        hash: names the file's content; empty without a file.
        asked: the facts that profiles ask for, by their names.
        expires: whether an override ends some day.
    """

    source: Path | str = ""
    profiles: tuple[Profile, ...] = ()
    tests: tuple[TestText, ...] = ()
    hash: str = ""
    asked: tuple[str, ...] = ()
    expires: bool = False

    def facts(self, subject: Subject) -> Facts:
        """What decides which rules an instance is judged by."""
        return tuple([_FACTS[name](subject) for name in self.asked])

    def applied(self, core: Sequence[Rule], facts: Facts, today: date) -> tuple[Rule, ...]:
        """The rules for instances of these facts: the core's, as the site has them, and the site's own."""
        profiles = [profile for profile in self.profiles if profile.matches(facts)]
        own = [rule for profile in profiles for rule in profile.rules]
        overrides = {
            rule: (override, override.mode or profile.mode)
            for profile in profiles
            for rule, override in profile.overrides.items()
            if override.until is None or today <= override.until
        }
        return (*_overridden(core, overrides, _core_rule), *_overridden(own, overrides, _own_rule))


def compile_rules(document: Document) -> RuleSet:
    """The rules of a file; its tests are not run.

    Raises:
        ConfigurationError: it is wrong; every fault is told with its line and key.
    """
    file = document.check(RuleFile)
    problems = [document.problem(place, text) for place, text in contradictions(file)]
    if problems:
        raise ConfigurationError(document.source, problems)
    asked = tuple(name for name in _FACTS if any(getattr(one.match, name) for one in file.profiles.values()))
    return RuleSet(
        source=document.source,
        profiles=tuple(
            Profile(
                name=name,
                matchers=tuple(_matchers(text.match, asked)),
                rules=tuple(_capped(compile_rule(rule), rule.mode or text.mode or file.mode) for rule in text.rules),
                overrides=text.override,
                texts=text.rules,
                mode=text.mode or file.mode,
            )
            for name, text in file.profiles.items()
        ),
        tests=file.tests,
        hash=hashlib.sha256(json.dumps(document.values, sort_keys=True).encode()).hexdigest()[:16],
        asked=asked,
        expires=any(one.until for text in file.profiles.values() for one in text.override.values()),
    )


def enforced(rules: RuleSet) -> RuleSet:
    """The same rules as they will judge once they count."""
    return replace(rules, profiles=tuple(_enforced(profile) for profile in rules.profiles))


def _enforced(profile: Profile) -> Profile:
    return replace(
        profile,
        mode=Mode.ENFORCE,
        rules=tuple(_capped(rule, Mode.ENFORCE) for rule in profile.rules),
        overrides={
            rule: override.model_copy(update={"mode": None})
            for rule, override in profile.overrides.items()
            if override.severity is not None
        },
    )


def _capped(rule: Rule, mode: Mode) -> Rule:
    return replace(rule, cap=mode.cap)


_Overrides = Mapping[str, tuple[Override, Mode]]
"""By rule id: an override, and the mode that it has or that its profile gives it."""


def _overridden(
    rules: Sequence[Rule], overrides: _Overrides, changed: Callable[[Rule, Override, Mode], Rule | None]
) -> Iterator[Rule]:
    for rule in rules:
        found = overrides.get(rule.id)
        becomes = rule if found is None else changed(rule, *found)
        if becomes is not None:
            yield becomes


def _own_rule(rule: Rule, override: Override, _: Mode) -> Rule | None:
    """A rule of the file as an override has it; None for one that is off. Only its own mode caps it."""
    if override.severity is RuleSeverity.OFF:
        return None
    severity = override.severity.level if override.severity else None
    return replace(
        rule,
        severity=rule.severity if severity is None else severity,
        cap=override.mode.cap if override.mode else rule.cap,
    )


def _core_rule(rule: Rule, override: Override, mode: Mode) -> Rule | None:
    """A core rule as an override has it; None for one that is off.

    A mode limits what the file adds: what the rule does without it, it still does. An override without a severity limits the rule.
    """
    if override.severity is None:
        return _capped(rule, mode)
    if (severity := override.severity.level) is None:
        return rule if mode is Mode.OBSERVE else None
    if severity > rule.severity:
        return replace(rule, severity=severity, cap=max(rule.severity, mode.cap))
    return rule if mode is Mode.OBSERVE else replace(rule, severity=severity)


def _matchers(match: Match, asked: Sequence[str]) -> Iterator[tuple[int, _Fits]]:
    for place, name in enumerate(asked):
        globs: tuple[str, ...] | None = getattr(match, name)
        if globs is not None:
            yield place, re.compile("|".join(fnmatch.translate(glob) for glob in globs)).fullmatch
