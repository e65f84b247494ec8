"""Queries of a real index against an oracle that reads the standard (PS3.4 Section C.2.2.2) in plain Python."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from unit.index.queries import Value
from unit.index.received import received

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.query.identifier import Identifier, Key, Level, Model, QueryOptions
from dicomnode.dicom.query.model import COMPUTED_KEYS, QUERY_KEYS, UNIQUE_KEYS
from dicomnode.index import Durability, Index, IndexSettings, OnConflict

PATIENT_ID, ISSUER, MODALITY = 0x00100020, 0x00100021, 0x00080060
SOP_CLASSES = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"]
SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"]
WILDCARDS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
SINGLE_VALUED = {"LT", "ST"}
MULTI_VALUED = {0x00080008, 0x00181020, 0x00101000, 0x00101001, 0x00081048, 0x00081060, 0x00081070, 0x00200032}
PAIRS = {
    0x00100030: 0x00100032,
    0x00080020: 0x00080030,
    0x00080021: 0x00080031,
    0x00080022: 0x00080032,
    0x00400244: 0x00400245,
}

# ---- what is stored, and what is asked -------------------------------------------------------------------------------------------

_TEXT = st.text("aAbé%_[]*?'\" ", min_size=1, max_size=4).map(str.strip)
_NAME_GROUP = st.sampled_from(
    ["", "doe", "Doe^Jane", "DOE^Jané^M", "Müller", "Muller^", "a^^b", "山田^太郎", "やまだ", "[x"]
)
_DATE = st.sampled_from(["20231231", "20240101", "20240102", "2024.01.02", "20240229", "unknown"])
_TIME = st.sampled_from(
    ["09", "10", "1000", "1030", "103000", "103000.5", "105959.999999", "10:30:15", "11", "unknown"]
)
_DATE_TIME = st.sampled_from(
    ["2024", "202401", "20240102", "2024010210", "20240102103000.5", "20240102103000+0100", "20240102093000+0000", "x"]
)
_NUMBER = st.sampled_from(["0", "1", "01", "+1", "1.0", "2", "10", "x"])
_UID = st.sampled_from(["1.2", "1.2.3", "1.2.30"])
_CODE = st.sampled_from(["R1", "R2", "r1", "R*", "x y"])


def stored(tag: int, vr: str) -> st.SearchStrategy[str]:
    """Values of an attribute as the index keeps them."""
    match vr:
        case "PN":
            one = st.lists(_NAME_GROUP, min_size=1, max_size=3).map("=".join)
        case "DA":
            one = _DATE
        case "TM":
            one = _TIME
        case "DT":
            one = _DATE_TIME
        case "IS" | "DS" | "US":
            one = _NUMBER
        case "UI":
            one = _UID
        case "SQ":
            return st.lists(st.tuples(_CODE, st.none() | _CODE), max_size=2).map(_json_items)
        case _:
            one = _TEXT
    if tag in MULTI_VALUED:
        return st.lists(one | st.just(""), max_size=3).map("\\".join)
    return one | st.just("")


def _json_items(items: list[tuple[str, str | None]]) -> str:
    """Items with a Code Value, and with one item more within."""
    return json.dumps(
        [
            {"00080100": {"vr": "SH", "Value": [code]}}
            | ({"0040A043": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": [inner]}}]}} if inner else {})
            for code, inner in items
        ]
    )


def wanted(vr: str) -> st.SearchStrategy[Value]:
    """Values of a key: often one that is stored somewhere."""
    ranges: st.SearchStrategy[str]
    match vr:
        case "PN":
            one = st.lists(
                _NAME_GROUP | st.sampled_from(["do*", "*e", "d?e^*", "doe^*", "*", "?üller*", "jane doe", "山*"]),
                min_size=1,
                max_size=3,
            ).map("=".join)
        case "DA":
            dates = _DATE.filter(lambda text: text != "unknown")
            ranges = st.tuples(dates, dates).map(lambda ends: "-".join(sorted(end.replace(".", "") for end in ends)))
            one = dates | ranges | dates.map("-{}".format) | dates.map("{}-".format)
        case "TM":
            times = _TIME.filter(lambda text: text != "unknown")
            ranges = st.sampled_from(["09-10", "1000-1030", "10-10", "103000.5-11", "10:30-10:59"])
            one = times | ranges | times.map("-{}".format) | times.map("{}-".format)
        case "DT":
            moments = _DATE_TIME.filter(lambda text: text != "x")
            one = moments | moments.map("-{}".format) | moments.map("{}-".format) | st.just("202401-20240102")
        case "IS" | "DS" | "US":
            one = _NUMBER
        case "UI":
            one = _UID | st.sampled_from(SOP_CLASSES + SYNTAXES)
        case "SQ":
            inner = st.fixed_dictionaries({}, optional={"CodeValue": _CODE, "CodeMeaning": st.just("")})
            return st.fixed_dictionaries({}, optional={"CodeValue": _CODE, "ConceptNameCodeSequence": inner})  # type: ignore[return-value]
        case _:
            one = _TEXT | st.sampled_from(["a*", "*a*", "?", "a?", "*", "[*", "é*", "%", "_", "A_*"])
    values = st.lists(one | st.just('""'), min_size=1, max_size=1 if vr in SINGLE_VALUED else 2)
    return values.map("\\".join)


def level_strategy(level: Level) -> st.SearchStrategy[dict[int, str]]:
    """The attributes of one level."""
    table = {tag: vr for tag, vr in QUERY_KEYS[level].items() if tag not in COMPUTED_KEYS[level]}
    fixed = {*UNIQUE_KEYS.values(), ISSUER, 0x00080016} - {PATIENT_ID}
    values = {tag: stored(tag, vr) for tag, vr in table.items() if tag not in fixed}
    return st.dictionaries(st.sampled_from(sorted(values)), st.nothing(), max_size=0) if not values else _some(values)


@st.composite
def _some(draw: st.DrawFn, values: dict[int, st.SearchStrategy[str]]) -> dict[int, str]:
    tags = draw(st.sets(st.sampled_from(sorted(values)), max_size=12))
    return {tag: draw(values[tag]) for tag in sorted(tags)}


@dataclass(frozen=True)
class Held:
    """One instance with all that is above it."""

    patient: dict[int, str]
    study: dict[int, str]
    series: dict[int, str]
    instance: dict[int, str]
    uids: tuple[int, int, int]

    @property
    def names(self) -> dict[Level, str]:
        """What tells it, its series, study and patient from others."""
        study, series, instance = self.uids
        return {
            Level.PATIENT: f"issuer {study}",
            Level.STUDY: f"1.9.{study}",
            Level.SERIES: f"1.9.{study}.{series}",
            Level.IMAGE: f"1.9.{study}.{series}.{instance}",
        }


@st.composite
def holdings(draw: st.DrawFn) -> list[Held]:
    """A few studies, each of its own patient, of one or two series of one or two instances."""
    held = []
    for study in range(draw(st.integers(1, 3))):
        patient, of_study = draw(level_strategy(Level.PATIENT)), draw(level_strategy(Level.STUDY))
        for series in range(draw(st.integers(1, 2))):
            of_series = draw(level_strategy(Level.SERIES))
            for instance in range(draw(st.integers(1, 2))):
                level = draw(level_strategy(Level.IMAGE)) | {0x00080016: draw(st.sampled_from(SOP_CLASSES))}
                level[0x00083002] = draw(st.sampled_from(SYNTAXES))
                held.append(Held(patient, of_study, of_series, level, (study, series, instance)))
    return held


@st.composite
def identifiers(draw: st.DrawFn) -> Identifier:
    """Queries of any keys of their level and those above."""
    level = draw(st.sampled_from(Level))
    levels = list(Level)[: list(Level).index(level) + 1]
    vrs = {tag: vr for one in levels for tag, vr in QUERY_KEYS[one].items()}
    tags = draw(st.lists(st.sampled_from(sorted(vrs)), min_size=1, max_size=3, unique=True))
    if draw(st.booleans()) and (dates := [tag for tag in tags if PAIRS.get(tag) in vrs]):
        tags.append(PAIRS[dates[0]])
    keys = {tag: _key(tag, vrs[tag], draw(wanted(vrs[tag]))) for tag in dict.fromkeys(tags)}
    flags = st.booleans()
    options = QueryOptions(
        relational=True,
        combined_datetime=draw(flags),
        fuzzy=draw(flags),
        empty_value=draw(flags),
        multiple_value=draw(flags),
    )
    if not options.empty_value:
        keys = {tag: key for tag, key in keys.items() if key.vr not in ("DA", "TM", "DT") or '""' not in key.values}
    return Identifier(Model.PATIENT_ROOT, level, keys, DEFAULT_REPERTOIRE, options)


def _key(tag: int, vr: str, value: Value) -> Key:
    if isinstance(value, dict):
        tags = {
            "CodeValue": (0x00080100, "SH"),
            "CodeMeaning": (0x00080104, "LO"),
            "ConceptNameCodeSequence": (0x0040A043, "SQ"),
        }
        item = {tags[name][0]: _key(*tags[name], inner) for name, inner in value.items()}
        return Key(tag, vr, items=(item,))
    return Key(tag, vr, tuple(filter(None, [value] if vr in SINGLE_VALUED else value.split("\\"))))


# ---- the oracle ------------------------------------------------------------------------------------------------------------------


def expected(held: list[Held], identifier: Identifier) -> set[str]:
    """The names of what matches at the query's level."""
    return {
        one.names[identifier.level]
        for one in held
        if all(_matches(_values(held, one, identifier.level), key, identifier) for key in identifier.keys.values())
    }


def _values(held: list[Held], one: Held, level: Level) -> dict[int, str]:
    """All that a query at ``level`` can ask of it; the nearest level counts where two have an attribute."""
    study, series, _ = one.uids
    of_study = [other for other in held if other.uids[0] == study]
    of_series = [other for other in of_study if other.uids[1] == series]
    series_count = str(len({other.uids[1] for other in of_study}))
    instances = str(len(of_study))
    patient = one.patient | {
        ISSUER: one.names[Level.PATIENT],
        0x00201200: "1",
        0x00201202: series_count,
        0x00201204: instances,
    }
    of_the_study = one.study | {
        0x0020000D: one.names[Level.STUDY],
        0x00080061: "\\".join({other.series.get(MODALITY, "") for other in of_study} - {""}),
        0x00080062: "\\".join({other.instance[0x00080016] for other in of_study}),
        0x00201206: series_count,
        0x00201208: instances,
    }
    of_the_series = one.series | {0x0020000E: one.names[Level.SERIES], 0x00201209: str(len(of_series))}
    levels = {
        Level.PATIENT: patient,
        Level.STUDY: of_the_study,
        Level.SERIES: of_the_series,
        Level.IMAGE: one.instance | {0x00080018: one.names[Level.IMAGE]},
    }
    values: dict[int, str] = {}
    for each in Level:
        for tag in QUERY_KEYS[each]:
            values.pop(tag, None)  # a lower level that has the attribute hides it
        values |= levels[each]
        if each is level:
            break
    return values


def _matches(values: Mapping[int, str], key: Key, identifier: Identifier) -> bool:
    options, found = identifier.options, values.get(key.tag, "")
    if _is_universal(key):
        return True
    if key.items is not None:
        return any(
            all(_matches(_from_json(item), inner, identifier) for inner in key.items[0].values())
            for item in (json.loads(found) if found else [])
        )
    if options.empty_value and '""' in key.values:
        return not found
    pair = _pair(key, identifier) if options.combined_datetime else None
    if pair is not None:
        return _in_period(values, *pair)
    parts = [found] if key.vr in SINGLE_VALUED else found.split("\\")
    hits = [any(_fits(part, value, key.vr, fuzzy=options.fuzzy) for part in parts if part) for value in key.values]
    return all(hits) if options.multiple_value and key.vr != "UI" else any(hits)


def _from_json(item: dict[str, dict[str, list[object]]]) -> dict[int, str]:
    return {
        int(name, 16): json.dumps(one.get("Value", [])) if name == "0040A043" else "\\".join(map(str, one["Value"]))
        for name, one in item.items()
    }


def _is_universal(key: Key) -> bool:
    if key.items is not None:
        return all(_is_universal(inner) for item in key.items for inner in item.values())
    if key.vr == "PN":
        return not key.values or any(not value.strip("*^= ") for value in key.values)
    return not key.values or (key.vr in WILDCARDS and any(set(value) == {"*"} for value in key.values))


def _fits(part: str, value: str, vr: str, *, fuzzy: bool) -> bool:
    match vr:
        case "PN":
            return _name_fits(part, value, fuzzy=fuzzy)
        case "DA":
            first, last = (end.replace(".", "") for end in _range(value))
            day = part.replace(".", "")
            return day.isdigit() and (first or "0") <= day <= (last or "9")
        case "TM":
            first, last = _range(value)
            return part[0].isdigit() and _instants(first or "00")[0] <= _instants(part)[0] <= _instants(last or "23")[1]
        case "DT":
            return part != "x" and _moment_fits(part, value)
        case "IS" | "DS" | "US" if part[-1].isdigit() and value[-1].isdigit():
            return float(part) == float(value)
        case _:
            return _like(part, value) if vr in WILDCARDS else part == value


def _like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return _like(text, pattern[1:]) or (bool(text) and _like(text[1:], pattern))
    return bool(text) and (pattern[0] in ("?", text[0])) and _like(text[1:], pattern[1:])


def _name_fits(name: str, key: str, *, fuzzy: bool) -> bool:
    fits = _words_fit if fuzzy else _group_fits
    groups = [_plain(group) for group in name.split("=")] + ["", "", ""]
    asked = [_plain(group) for group in key.rstrip("= ").split("=")]
    if len(asked) == 1:
        return any(fits(group, asked[0]) for group in groups if group)
    return all(fits(group, one) for group, one in zip(groups, asked, strict=False) if one)


def _plain(group: str) -> str:
    """Without case and Latin accents, and without carets at the end."""
    letters = unicodedata.normalize("NFD", group.lower())
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", letters)).rstrip("^ ")


def _group_fits(group: str, asked: str) -> bool:
    """A component that is missing counts as empty where any may stand."""
    if _like(group, asked):
        return True
    while asked.endswith("^*"):
        asked = asked.removesuffix("^*").rstrip("^")
        if asked and (_like(group, asked) or _like(group, f"{asked}^*")):
            return True
    return False


def _words_fit(group: str, asked: str) -> bool:
    words = re.split(r"[\s^,]+", group)
    return all(any(_like(word, f"{one}*") for word in words if word) for one in re.split(r"[\s^,]+", asked) if one)


def _range(value: str) -> tuple[str, str]:
    first, dash, last = value.partition("-")
    return first, last if dash else first


def _instants(text: str) -> tuple[int, int]:
    """The first and the last microsecond of the day that a time may mean."""
    whole, _, fraction = text.replace(":", "").partition(".")
    first, last = 0, 0
    for place, (most, factor) in enumerate(((23, 3600), (59, 60), (59, 1))):
        digits = whole[2 * place : 2 * place + 2]
        first += int(digits or 0) * factor
        last += int(digits or most) * factor
    return first * 1_000_000 + int(fraction.ljust(6, "0")), last * 1_000_000 + int(fraction.ljust(6, "9"))


def _moment_fits(part: str, value: str) -> bool:
    zoned = re.fullmatch(r"-?.*[+]\d{4}-?", value)
    first, last = (value, value) if zoned and not value.startswith("-") and not value.endswith("-") else _range(value)
    lowest, highest = _moments(first)[0] if first else datetime.min, _moments(last)[1] if last else datetime.max  # noqa: DTZ901
    return lowest <= _moments(part)[0] <= highest


def _moments(text: str) -> tuple[datetime, datetime]:
    """The first and last instant that a date and time may mean; in UTC when it has an offset, else as it stands."""
    plain, _, offset = text.partition("+")
    whole, _, fraction = plain.partition(".")
    moments = []
    for filler, filled in (("00000101000000", fraction.ljust(6, "0")), ("00001228235959", fraction.ljust(6, "9"))):
        digits = whole + filler[len(whole) :]
        moments.append(datetime.strptime(digits + filled, "%Y%m%d%H%M%S%f"))  # noqa: DTZ007
    if len(whole) == 4 or len(whole) == 6:
        month = moments[1].replace(day=28) + timedelta(days=4)
        moments[1] = moments[1].replace(day=(month - timedelta(days=month.day)).day)
    shift = timedelta(hours=int(offset[:2] or 0), minutes=int(offset[2:] or 0))
    return moments[0] - shift, moments[1] - shift


def _pair(key: Key, identifier: Identifier) -> tuple[Key, Key] | None:
    """The date and the time that are one period, when both are single."""
    for date, time in PAIRS.items():
        keys = identifier.keys.get(date), identifier.keys.get(time)
        if key.tag in (date, time) and keys[0] and keys[1]:
            if any(len(one.values) != 1 or '""' in one.values for one in keys if one):
                return None
            return keys[0], keys[1]
    return None


def _in_period(values: Mapping[int, str], date: Key, time: Key) -> bool:
    day, at = values.get(date.tag, "").replace(".", ""), values.get(time.tag, "")
    if not day.isdigit():
        return False
    days = [end.replace(".", "") for end in _range(date.values[0])]
    first_day, last_day = days[0] or "00000000", days[1] or "99999999"
    first, last = _range(time.values[0])
    if not first_day <= day <= last_day:
        return False
    if first_day < day < last_day:
        return True
    if not at or not at[0].isdigit():
        return False
    moment = _instants(at)[0]
    return (day > first_day or moment >= _instants(first or "00")[0]) and (
        day < last_day or moment <= _instants(last or "23")[1]
    )


# ---- the property ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Index]]:
    """Gives the index of a folder without what the last example put there."""
    folder: Path = tmp_path_factory.mktemp("data")
    index = Index(folder, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as connection:

        def empty() -> Index:
            for table in ("instance", "series", "study", "patient"):
                connection.execute(f"DELETE FROM {table}")
            return index

        yield empty
    index.close()


def put(index: Index, held: list[Held]) -> None:
    """Take the instances in."""
    for number, one in zip(itertools.count(), held):
        study, series, uid = (one.names[level] for level in (Level.STUDY, Level.SERIES, Level.IMAGE))
        index.instances.add(
            received(uid, study=study, series=series, content=str(number), sop_class=one.instance[0x00080016])._replace(
                attributes=Attributes(
                    one.patient | {ISSUER: one.names[Level.PATIENT]},
                    one.study,
                    one.series,
                    {tag: value for tag, value in one.instance.items() if tag != 0x00083002},
                ),
                transfer_syntax_uid=one.instance[0x00083002],
            ),
            OnConflict(),
        )


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=holdings(), queries=st.lists(identifiers(), min_size=1, max_size=12))
def test_index_finds_what_the_standard_says(
    emptied: Callable[[], Index], held: list[Held], queries: list[Identifier]
) -> None:
    index = emptied()
    put(index, held)
    for query in queries:
        unique = ISSUER if query.level is Level.PATIENT else UNIQUE_KEYS[query.level]
        rows = [row for page in index.find(query, [unique]).pages for row in page]
        note(repr(query))
        assert len(rows) == len(set(rows))
        assert {row[0] for row in rows} == expected(held, query)
