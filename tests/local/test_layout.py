"""`.env`: what is read, what is refused, which checkout gets which ports."""

from pathlib import Path

import pytest

from local.layout import DEFAULT_PORTS, PORT_PREFIX, SettingsError, load, parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_ports_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULT_PORTS:
        monkeypatch.delenv(PORT_PREFIX + name, raising=False)


def test_a_line_is_read_with_quotes_comments_and_export():
    text = "# all\n\nA=1\nexport B = 'two words' # why\nC=\"a#b\"\nD=x # y\nE=a#b\nF=\n"
    assert parse(text) == {"A": "1", "B": "two words", "C": "a#b", "D": "x", "E": "a#b", "F": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nnonsense", r"\.env, line 2: expected NAME=value, got 'nonsense'"),
        ("A='open", r"\.env, line 1: the quote of A is not closed"),
    ],
)
def test_a_line_that_is_no_setting_is_named(text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        parse(text)


def test_a_checkout_without_env_has_the_documented_ports(tmp_path: Path):
    assert load(tmp_path).ports == DEFAULT_PORTS
    documented = parse((ROOT / ".env.example").read_text())
    assert documented == {PORT_PREFIX + name: str(port) for name, port in DEFAULT_PORTS.items()}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("CLICKSTREAM_PORT_REDIS=7001\nCLICKSTREAM_PORT_KAFKA=7002\n")
    monkeypatch.setenv("CLICKSTREAM_PORT_REDIS", "7003")
    ports = load(tmp_path).ports
    assert (ports["REDIS"], ports["KAFKA"]) == (7003, 7002)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("CLICKSTREAM_PORT_REDIS=70000", "CLICKSTREAM_PORT_REDIS=70000 is no port"),
        ("CLICKSTREAM_PORT_REDIS=x", "CLICKSTREAM_PORT_REDIS=x is no port"),
        ("CLICKSTREAM_PORT_REDIS=9092", "CLICKSTREAM_PORT_REDIS and CLICKSTREAM_PORT_KAFKA are both 9092"),
        ("CLICKSTREAM_PORT_RADIS=1", "CLICKSTREAM_PORT_RADIS is no setting; known: .*CLICKSTREAM_PORT_REDIS"),
    ],
)
def test_ports_that_cannot_be_are_refused(tmp_path: Path, line: str, message: str):
    (tmp_path / ".env").write_text(line + "\n")
    with pytest.raises(SettingsError, match=message):
        load(tmp_path)


def test_services_get_what_is_not_ours(tmp_path: Path):
    lines = ["CLICKSTREAM_GENERATOR_RATE=7", "CLICKSTREAM_PORT_REDIS=7", "CLICKSTREAM_KAFKA_HEAP_MB=1"]
    (tmp_path / ".env").write_text("\n".join(lines))
    layout = load(tmp_path)
    assert layout.for_services() == {"CLICKSTREAM_GENERATOR_RATE": "7"}
    assert layout.own("CLICKSTREAM_KAFKA_HEAP_MB") == "1"
    assert layout.own("CLICKSTREAM_POSTGRES_SHARED_BUFFERS") == "1GB"
