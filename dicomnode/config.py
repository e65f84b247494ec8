"""The configuration: one YAML file, read whole into one frozen value and checked whole before anything starts.

Each section's settings stand beside the code that reads them; they are put together here, and what only shows when they are
seen together is checked here. To add an option: its line in the settings class of its part, and in ``config/dicomnode.yaml``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr

from dicomnode.dicom.instance import Severity
from dicomnode.dicom.peer import AeTitle, PeerSettings, Permission
from dicomnode.errors import ConfigurationError
from dicomnode.files.settings import FilesSettings
from dicomnode.hl7.mapping import FieldMapping, load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Durability, IndexSettings, Notify
from dicomnode.limits import LimitSettings
from dicomnode.logs import LogSettings
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.core import OTHER_PATIENT
from dicomnode.qa.language import RuleSet, compile_rules
from dicomnode.qa.rule_tests import load_rules
from dicomnode.qa.rules import RULES
from dicomnode.qa.studies import OF_STUDIES
from dicomnode.scp.application_entity import UnknownPeers
from dicomnode.scp.presentation_contexts import PresentationContextSettings
from dicomnode.scu.settings import ScuSettings
from dicomnode.services.availability import AvailabilitySettings
from dicomnode.services.commitment import CommitmentSettings
from dicomnode.services.completeness import CompletenessSettings
from dicomnode.services.delivery import DeliverySettings
from dicomnode.services.mpps import MppsSettings
from dicomnode.services.query import QuerySettings
from dicomnode.services.retrieve import RetrieveSettings
from dicomnode.services.storage import ReceptionSettings
from dicomnode.services.worklist.query import WorklistSettings
from dicomnode.settings import Settings
from dicomnode.settings.document import Document, KeyPath
from dicomnode.settings.environment import override
from dicomnode.settings.faults import nearest
from dicomnode.settings.yaml_text import read_yaml, to_yaml
from dicomnode.supervisor import ProcessSettings
from dicomnode.upper_layer import TlsSettings, UpperLayerSettings, client_context, server_context

BUILT_IN = "built-in configuration"
"""What errors name when there is no file."""


def check_time_zone(name: str) -> str:
    """``name`` when it is in the IANA time zone database.

    Raises:
        ValueError: it is not.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        meant = nearest(name, available_timezones())
        hint = f"; did you mean {meant}?" if meant else ", such as Europe/Berlin"
        raise ValueError(f"{name!r} is no IANA time zone{hint}") from None
    return name


def check_peer_name(name: str) -> str:
    """``name`` when it can stand in a command, a log line and an environment variable.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError("a peer's name consists of letters, digits, - and _")
    return name


class ListenerSettings(Settings):
    """One address that the node listens on."""

    host: str = ""
    """IP address or host name of one interface; empty for all of them, IPv4 and IPv6."""
    port: Annotated[int, Field(ge=1, le=65535)] = 11112
    """TCP port; below 1024 only root (or a service with CAP_NET_BIND_SERVICE) may take it."""
    tls: TlsSettings | None = None
    """Certificate and key for a listener that speaks TLS (customary port: 2762); null for a plain one."""


class Config(Settings):
    """Everything that can be set; made by :func:`load`."""

    ae_titles: Annotated[tuple[AeTitle, ...], Field(min_length=1)] = ("DICOMNODE",)
    """The AE titles that the node answers to; the first is the one it calls itself by."""
    data: Path = Path("data")
    """The folder that holds everything: files and index. On a local file system."""
    time_zone: Annotated[str, AfterValidator(check_time_zone)] | None = None
    """IANA name; says what "today" is. null for the machine's own time zone."""
    durability: Durability = Durability.FULL
    """What is on the disk before a sender gets Success: full (survives power loss) or fast (survives a crash of the node)."""
    listeners: Annotated[tuple[ListenerSettings, ...], Field(min_length=1)] = (ListenerSettings(),)
    """Where the node listens."""
    unknown_peers: UnknownPeers = UnknownPeers.ACCEPT
    """Callers that are not among the peers: accept (with a warning in the log) or reject."""
    unknown_peers_may: frozenset[Permission] = frozenset({Permission.STORE})
    """What such callers may ask for; those on this machine itself (a loopback address) may do everything."""
    peers: Mapping[Annotated[str, AfterValidator(check_peer_name)], PeerSettings] = {}
    """The Application Entities that the node knows, each under a name of your choice."""
    presentation_contexts: PresentationContextSettings = PresentationContextSettings()
    reception: ReceptionSettings = ReceptionSettings()
    qa: QaSettings = QaSettings()
    query: QuerySettings = QuerySettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    mpps: MppsSettings = MppsSettings()
    completeness: CompletenessSettings = CompletenessSettings()
    worklist: WorklistSettings = WorklistSettings()
    availability: AvailabilitySettings = AvailabilitySettings()
    commitment: CommitmentSettings = CommitmentSettings()
    delivery: DeliverySettings = DeliverySettings()
    upper_layer: UpperLayerSettings = UpperLayerSettings()
    scu: ScuSettings = ScuSettings()
    files: FilesSettings = FilesSettings()
    index: IndexSettings = IndexSettings()
    limits: LimitSettings = LimitSettings()
    processes: ProcessSettings = ProcessSettings()
    hl7: Hl7Settings | None = None
    """Where and from whom HL7 messages are taken; null: nowhere."""
    log: LogSettings = LogSettings()

    _rule_file: Document | None = PrivateAttr(default=None)
    """What `qa.rules` said when the configuration was loaded: a worker that starts later judges by the same rules."""
    _mapping_file: Document | None = PrivateAttr(default=None)
    """What `hl7.mapping` said then."""

    @property
    def site_rules(self) -> RuleSet:
        """The site's own rules, as they were when the configuration was loaded."""
        return compile_rules(self._rule_file) if self._rule_file is not None else RuleSet()

    def with_rules(self, path: Path) -> Config:
        """This configuration with the site's rules of the file at ``path`` in place of its own.

        Raises:
            ConfigurationError: the file is wrong, or one of its tests fails.
        """
        other = self.model_copy(update={"qa": self.qa.model_copy(update={"rules": path})})
        other._rule_file = read_yaml(path)
        load_rules(other._rule_file)
        return other

    @property
    def field_mapping(self) -> FieldMapping:
        """Which field of an HL7 message is which attribute, as it was when the configuration was loaded."""
        return load_mapping(self._mapping_file)

    def validation(self, from_severity: Severity = Severity.INFO) -> Validation:
        """What judges instances, by all rules that hold here; see there."""
        return Validation(self.qa, site=self.site_rules, from_severity=from_severity)

    @property
    def ae_title(self) -> str:
        """The AE title that the node calls itself by."""
        return self.ae_titles[0]

    @property
    def notify(self) -> Notify:
        """Whom every acceptance is told to."""
        names = tuple(name for name, peer in self.peers.items() if peer.notify_availability)
        return Notify(names, self.availability.quiet_s)

    @property
    def zone(self) -> tzinfo:
        """The time zone that "today" is of."""
        return ZoneInfo(self.time_zone) if self.time_zone else machine_zone()

    def keeping(self, sections: Collection[str], running: Config) -> Config:
        """This configuration with some sections of the ``running`` one, and what their files said when that was loaded."""
        kept = self.model_copy(update={name: getattr(running, name) for name in sections})
        if "hl7" in sections:
            kept._mapping_file = running._mapping_file
        return kept

    def effective(self) -> str:
        """The configuration as YAML that gives it again: every option, paths absolute."""
        return to_yaml(self)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of the file at ``path`` (None: the defaults), with the keys that ``environ`` overrides.

    A relative path in it counts from the file's folder, so that every command finds the same data; without a file, from the working
    directory.

    Raises:
        ConfigurationError: it is wrong; every fault that can be seen is in it.
    """
    document = read_yaml(path) if path else Document(BUILT_IN, {})
    override(document, environ)
    folder = (path.parent if path else Path()).resolve()
    config = _anchored(document.check(Config), folder)
    problems = [document.problem(place, text) for place, text in _contradictions(config)]
    if problems:
        raise ConfigurationError(document.source, problems)
    if config.qa.rules is not None:
        config = config.with_rules(config.qa.rules)
    if config.hl7 is not None and config.hl7.mapping is not None:
        config._mapping_file = read_yaml(config.hl7.mapping)
        load_mapping(config._mapping_file)
    return config


def machine_zone() -> tzinfo:
    """The machine's time zone, with its rules for the whole year: from ``TZ`` or ``/etc/localtime``, else UTC."""
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with Path("/etc/localtime").open("rb") as rules:
            return ZoneInfo.from_file(rules)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC


M = TypeVar("M", bound=BaseModel)
S = TypeVar("S")


def _anchored(settings: M, folder: Path) -> M:
    """``settings`` with each relative path in it made absolute."""
    return settings.model_copy(
        update={name: _anchored_value(getattr(settings, name), folder) for name in type(settings).model_fields}
    )


def _anchored_value(value: object, folder: Path) -> object:
    match value:
        case Path():
            return Path(os.path.normpath(folder / value.expanduser()))
        case BaseModel():
            return _anchored(value, folder)
        case tuple():
            return tuple(_anchored_value(item, folder) for item in value)
        case Mapping():
            return {key: _anchored_value(item, folder) for key, item in value.items()}
    return value


def _contradictions(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Keys that are right alone but not together or not on this machine."""
    yield from _repeated("ae_titles", {(index,): title for index, title in enumerate(config.ae_titles)})
    yield from _repeated("listeners", {(index,): (one.host, one.port) for index, one in enumerate(config.listeners)})
    yield from _shared_ports(config)
    yield from _repeated("peers", {(name,): (peer.ae_title, peer.host.lower()) for name, peer in config.peers.items()})
    yield from _unusable_tls_files(config)
    yield from _unknown_rules(config)
    yield from _unreadable_files(config)
    yield from _unknown_destinations(config)


def _shared_ports(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Addresses that HL7 messages are taken on, and something else is, too."""
    taken = [(one.host, one.port) for one in config.listeners]
    for index, feed in enumerate(config.hl7.listeners if config.hl7 else ()):
        if (feed.host, feed.port) in taken:
            yield ("hl7", "listeners", index), f"is listened on already: {_said((feed.host, feed.port))}"
        taken.append((feed.host, feed.port))


def _unusable_tls_files(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for index, listener in enumerate(config.listeners):
        if listener.tls is not None:
            yield from _faults(("listeners", index), server_context, listener.tls)
    for index, feed in enumerate(config.hl7.listeners if config.hl7 else ()):
        if feed.tls is not None:
            yield from _faults(("hl7", "listeners", index), server_context, feed.tls)
    for name, peer in config.peers.items():
        if peer.is_called_by_tls:
            yield from _faults(("peers", name), client_context, peer.outgoing_tls)


def _faults(place: KeyPath, use: Callable[[S], object], settings: S) -> Iterator[tuple[KeyPath, str]]:
    """What ``use`` finds wrong with the files that ``settings`` name."""
    try:
        use(settings)
    except ConfigurationError as error:
        for problem in error.problems:
            yield (*place, *problem.key.split(".")), f"{error.source}: {problem.text}"


def _unreadable_files(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Files with more of the configuration; what is wrong in them is told by their own lines."""
    mapping = config.hl7.mapping if config.hl7 is not None else None
    for place, path in ((("qa", "rules"), config.qa.rules), (("hl7", "mapping"), mapping)):
        if path is not None:
            try:
                with path.open("rb"):
                    pass
            except OSError as error:
                yield place, f"{path} cannot be read: {error.strerror}"


def _unknown_rules(config: Config) -> Iterator[tuple[KeyPath, str]]:
    known = {rule.id for rule in RULES} | OF_STUDIES | {OTHER_PATIENT}
    for rule in config.qa.severities.keys() - known:
        meant = nearest(rule, known)
        hint = f"did you mean {meant}?" if meant else f"known are {', '.join(sorted(known))}"
        yield ("qa", "severities", rule), f"no core rule has this id; {hint}"


def _unknown_destinations(config: Config) -> Iterator[tuple[KeyPath, str]]:
    named = [
        (("peers", name, "move_destinations"), peer.move_destinations or ()) for name, peer in config.peers.items()
    ]
    for place, destinations in (*named, (("mpps", "forward_to"), config.mpps.forward_to)):
        for destination in sorted(destinations):
            if destination not in config.peers:
                meant = nearest(destination, config.peers)
                yield place, f"no peer is named {destination}" + (f"; did you mean {meant}?" if meant else "")
            elif not config.peers[destination].host:
                yield place, f"peer {destination} has no host to send to"
    for name, peer in config.peers.items():
        if peer.notify_availability and not peer.host:
            yield ("peers", name, "notify_availability"), f"peer {name} has no host to notify"


def _repeated(section: str, values: Mapping[KeyPath, object]) -> Iterator[tuple[KeyPath, str]]:
    first: dict[object, KeyPath] = {}
    for place, value in values.items():
        if value in first:
            yield (section, *place), f"is the same as {section}.{first[value][0]}: {_said(value)}"
        first.setdefault(value, place)


def _said(value: object) -> str:
    return " at ".join(str(part) or "any address" for part in value) if isinstance(value, tuple) else str(value)
