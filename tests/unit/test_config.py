"""The whole configuration: defaults, paths, and what only shows when sections are seen together."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization

from dicomnode.config import Config, load, machine_zone
from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "node.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, **variables: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text), variables)
    return caught.value.problems


def test_without_a_file_the_defaults_hold() -> None:
    config = load(None, {})
    assert config.ae_title == "DICOMNODE"
    assert [listener.port for listener in config.listeners] == [11112]
    assert config.peers == {}
    assert config.data == Path.cwd() / "data"


def test_relative_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    write(tmp_path / "etc", "data: ../images\n")
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/node.yaml"), {})
    assert config.data.is_absolute()
    assert config.data.resolve() == tmp_path / "images"


def test_absolute_path_stays(tmp_path: Path) -> None:
    assert load(write(tmp_path, "data: /srv/images\n"), {}).data == Path("/srv/images")


def test_variable_overrides_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "listeners: [{port: 5000}]\nlog: {level: error}\n")
    config = load(path, {"DICOMNODE__LISTENERS__0__PORT": "104"})
    assert config.listeners[0].port == 104
    assert config.log.level == "error"


def test_effective_configuration_gives_itself_again(tmp_path: Path) -> None:
    text = "ae_titles: [NODE, OLD]\ntime_zone: Asia/Tokyo\npeers: {ct1: {ae_title: CT1, host: ct1.example, may: [store]}}\n"
    config = load(write(tmp_path, text), {})
    assert load(write(tmp_path, config.effective()), {}) == config


def test_mapping_of_hl7_is_read_with_the_configuration_and_stays_with_its_section(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("status: {RP: SCHEDULED}\n")
    running = load(write(tmp_path, "hl7: {mapping: mapping.yaml}\n"), {})
    (tmp_path / "mapping.yaml").unlink()
    assert running.field_mapping.status["RP"] == "SCHEDULED"
    kept = load(write(tmp_path, "ae_titles: [OTHER]\n"), {}).keeping({"hl7"}, running)
    assert pickle.loads(pickle.dumps(kept)).field_mapping.status["RP"] == "SCHEDULED"


def test_fault_of_the_mapping_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("step:\n  Modality: OBR24\n")
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml:2: step\.Modality"):
        load(write(tmp_path, "hl7: {mapping: mapping.yaml}\n"), {})


@pytest.mark.parametrize("hl7", ["{listeners: [{port: 11112}]}", "{listeners: [{port: 2575}, {port: 2575}]}"])
def test_refuses_an_hl7_listener_where_something_else_listens(tmp_path: Path, hl7: str) -> None:
    [problem] = problems(tmp_path, f"hl7: {hl7}\n")
    assert problem.key.startswith("hl7.listeners.")
    assert "is listened on already" in problem.text


def test_reaches_a_worker_process_unchanged(tmp_path: Path) -> None:
    config = load(write(tmp_path, "peers: {ct1: {ae_title: CT1, may: [store]}}\n"), {})
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("THIS_TITLE_IS_LONG", "at most 16 characters"),
        ('"a\\\\b"', "backslash"),
        ('"a\\tb"', "control character"),
        ("Müller", "ASCII"),
        ('"  "', "at least one character"),
    ],
)
def test_refuses_what_is_no_ae_title(tmp_path: Path, title: str, words: str) -> None:
    [own] = problems(tmp_path, f"ae_titles: [{title}]\n")
    [peer] = problems(tmp_path, f"peers:\n  ct1:\n    ae_title: {title}\n")
    assert (own.key, own.line) == ("ae_titles.0", 1)
    assert (peer.key, peer.line) == ("peers.ct1.ae_title", 3)
    assert words in own.text
    assert words in peer.text


def test_outer_spaces_of_an_ae_title_mean_nothing(tmp_path: Path) -> None:
    assert load(write(tmp_path, 'ae_titles: [" NODE "]\n'), {}).ae_title == "NODE"


def test_refuses_an_unknown_time_zone_and_names_a_near_one(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "time_zone: Europe/Berln\n")
    assert problem.line == 1
    assert "Europe/Berlin" in problem.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "/etc/localtime"])
def test_time_zone_is_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, f'time_zone: "{name}"\n')
    assert "no IANA time zone" in problem.text


@pytest.mark.parametrize("path", ['""', "~no-such-user/x", '"a\\0b"', '"\\ud800"'])
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("data: {}", "data"),
        ("qa: {{rules: {}}}", "qa.rules"),
        ("hl7: {{mapping: {}}}", "hl7.mapping"),
        ("listeners: [{{tls: {{certificate: {}, private_key: x}}}}]", "listeners.0.tls.certificate"),
        ("peers: {{pacs: {{ae_title: P, outgoing_tls: {{trusted: {}}}}}}}", "peers.pacs.outgoing_tls.trusted"),
    ],
)
def test_refuses_what_is_no_path(tmp_path: Path, text: str, key: str, path: str) -> None:
    [problem] = problems(tmp_path, text.format(path))
    assert problem.key == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("listeners: [{port: true}]", "listeners.0.port"),
        ("index: {cache_mb: true}", "index.cache_mb"),
        ("scu: {connect_timeout_s: false}", "scu.connect_timeout_s"),
    ],
)
def test_refuses_true_and_false_as_numbers(tmp_path: Path, text: str, key: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.key == key
    assert problem.text.startswith("expected a number, got ")


@pytest.mark.parametrize("key", ["upper_layer.idle_timeout_s", "hl7.idle_timeout_s", "scu.answer_timeout_s"])
def test_refuses_a_deadline_that_no_system_call_could_count(tmp_path: Path, key: str) -> None:
    section, name = key.split(".")
    [problem] = problems(tmp_path, f"{section}: {{{name}: 2592000}}")
    assert problem.key == key
    assert "at most 2000000" in problem.text


def test_refuses_two_peers_that_cannot_be_told_apart(tmp_path: Path) -> None:
    text = """\
peers:
  ct1: {ae_title: CT, host: scanner.example}
  ct2: {ae_title: CT, host: other.example}
  ct3: {ae_title: CT, host: SCANNER.example}
"""
    [problem] = problems(tmp_path, text)
    assert (problem.key, problem.line) == ("peers.ct3", 4)
    assert "peers.ct1" in problem.text


def test_refuses_a_listener_or_title_that_stands_twice(tmp_path: Path) -> None:
    found = problems(tmp_path, "listeners:\n- port: 1\n- port: 1\nae_titles: [A, B, A]\n")
    assert {problem.key for problem in found} == {"listeners.1", "ae_titles.2"}


def test_refuses_a_peer_name_that_no_command_could_use(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "peers: {'ct 1': {ae_title: CT1}}\n")
    assert "letters, digits" in problem.text


@pytest.mark.parametrize(
    ("destination", "words"), [("viewers", "no peer is named viewers; did you mean viewer?"), ("ct", "has no host")]
)
def test_refuses_a_move_destination_that_nothing_can_be_sent_to(tmp_path: Path, destination: str, words: str) -> None:
    peers = f"{{viewer: {{ae_title: V, host: v, move_destinations: [viewer, {destination}]}}, ct: {{ae_title: CT}}}}"
    [problem] = problems(tmp_path, f"peers: {peers}\n")
    assert problem.key == "peers.viewer.move_destinations"
    assert words in problem.text


@pytest.mark.parametrize(
    ("tls", "key", "words"),
    [
        ("{trusted: gone.pem}", "peers.pacs.outgoing_tls.trusted", "gone.pem: cannot be used: No such file"),
        ("{trusted: node.yaml}", "peers.pacs.outgoing_tls.trusted", "node.yaml: cannot be used"),
        ("{certificate: gone.pem}", "peers.pacs.outgoing_tls.certificate", "gone.pem: cannot be used: No such file"),
        ("{private_key: node.key}", "peers.pacs.outgoing_tls.private_key", "is of no use without a certificate"),
        ("{trust: a.pem}", "peers.pacs.outgoing_tls.trust", "did you mean trusted?"),
    ],
)
def test_refuses_files_of_outgoing_tls_that_cannot_be_used(tmp_path: Path, tls: str, key: str, words: str) -> None:
    text = f"peers:\n  pacs:\n    ae_title: PACS\n    host: localhost\n    outgoing_tls: {tls}\n"
    [problem] = problems(tmp_path, text)
    assert (problem.key, problem.line) == (key, 5)
    assert words in problem.text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("listeners: [{tls: {certificate: node.pem, private_key: node.pem}}]", "listeners.0.tls"),
        ("hl7: {listeners: [{tls: {certificate: node.pem, private_key: node.pem}}]}", "hl7.listeners.0.tls"),
        (
            "peers: {pacs: {ae_title: PACS, outgoing_tls: {certificate: node.pem}}}",
            "peers.pacs.outgoing_tls.certificate",
        ),
    ],
)
def test_refuses_a_private_key_that_asks_for_a_passphrase(tmp_path: Path, text: str, key: str) -> None:
    node = Authority(tmp_path, "authority").issue("node")
    protected = serialization.load_pem_private_key(node.key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "node.pem").write_bytes(node.certificate.read_bytes() + protected)
    [problem] = problems(tmp_path, text)
    assert problem.key == key
    assert "protected by a passphrase" in problem.text


@pytest.mark.parametrize(("options", "by_tls"), [("", False), ("tls: true", True), ("outgoing_tls: {}", True)])
def test_peer_is_called_by_tls_when_either_option_says_so(tmp_path: Path, options: str, by_tls: bool) -> None:
    config = load(write(tmp_path, f"peers:\n  pacs:\n    ae_title: PACS\n    {options}\n"), {})
    assert config.peers["pacs"].is_called_by_tls is by_tls


def test_machine_zone_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert machine_zone() == ZoneInfo("Asia/Tokyo")
    monkeypatch.setenv("TZ", "Nowhere/AtAll")
    assert machine_zone() is UTC


def test_machine_zone_is_the_one_that_the_machine_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    winter = datetime(2024, 1, 15, 12, tzinfo=UTC)
    assert winter.astimezone(machine_zone()).utcoffset() == winter.astimezone().utcoffset()


def test_zone_is_the_configured_one(tmp_path: Path) -> None:
    assert load(write(tmp_path, "time_zone: Asia/Tokyo\n"), {}).zone == ZoneInfo("Asia/Tokyo")


def test_every_option_says_what_it_is() -> None:
    """What the JSON Schema tells an editor comes from the docstrings of the settings."""
    schema = Config.model_json_schema()
    models = {"Config": schema} | {
        name: model for name, model in schema["$defs"].items() if model.get("type") == "object"
    }
    sections = {name for name, field in Config.model_fields.items() if isinstance(field.default, Settings)}
    silent = [
        f"{name}.{option}"
        for name, model in models.items()
        for option, described in model["properties"].items()
        if "description" not in described and not (name == "Config" and option in sections)
    ]
    assert silent == []


def test_configuration_file_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "key"), [("qa:\n  rules: {}\n", "qa.rules"), ("hl7:\n  mapping: {}\n", "hl7.mapping")]
)
@pytest.mark.parametrize(("name", "why"), [("nowhere.yaml", "No such file or directory"), (".", "Is a directory")])
def test_names_the_key_of_a_file_that_cannot_be_read(tmp_path: Path, text: str, key: str, name: str, why: str) -> None:
    [problem] = problems(tmp_path, text.format(name))
    assert (problem.key, problem.line) == (key, 2)
    assert problem.text == f"{tmp_path / name} cannot be read: {why}"
