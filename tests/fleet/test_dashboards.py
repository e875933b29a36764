"""The dashboard and alerts only query metrics that a running application exposes; each alert is explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from tests.fleet.conftest import METRICS_TOKEN
from tests.served import Instance

_QUOTED = re.compile(r'"[^"]*"')
_LABELS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NUMBER = re.compile(r"\b\d[\d.e]*\b")
_LANGUAGE = {"abs", "histogram_quantile", "increase", "max", "max_over_time", "min", "rate", "sum"}
_OF_PROMETHEUS = {"up"}


def asked_by(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names."""
    bare = _NUMBER.sub("", _LABELS.sub("", _QUOTED.sub("", expression)))
    return set(_NAME.findall(bare)) - _LANGUAGE - _OF_PROMETHEUS


def shown_by(text: str) -> set[str]:
    """Return the series names of all metrics in an exposition, including metrics without a value yet."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        found |= {f"{name}{suffix}" for suffix in suffixes}
    return found


def alerts(project_dir: Path) -> list[dict[str, str]]:
    document = yaml.safe_load((project_dir / "deploy" / "prometheus" / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions(project_dir: Path) -> list[str]:
    board = json.loads((project_dir / "deploy" / "grafana" / "onramp_app.json").read_text())
    return [rule["expr"] for rule in alerts(project_dir)] + [
        target["expr"] for panel in board["panels"] for target in panel.get("targets", ())
    ]


@pytest.fixture
async def shown(instance: Instance) -> set[str]:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with httpx.AsyncClient(base_url=instance.url, trust_env=False, verify=False) as client:
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return shown_by(answer.text)


async def test_every_metric_that_is_asked_for_is_there(project_dir: Path, shown: set[str]) -> None:
    asked = expressions(project_dir)
    assert len(asked) > 40
    assert {name for one in asked for name in asked_by(one)} - shown == set()


async def test_control_a_name_that_nothing_has_is_noticed(shown: set[str]) -> None:
    assert asked_by('max by (kind) (backlog_age_seconds{kind=~"webhooks"}) > 60') - shown == set()
    for expression in ("max(reader_lease_hold) == 0", "rate(webhooks[5m])", "credit_seconds_bucket_total"):
        assert asked_by(expression) - shown != set()


async def test_names_follow_one_scheme(shown: set[str]) -> None:
    ours = {name for name in shown if not name.startswith(("python_", "process_"))}
    assert [name for name in ours if re.search(r"_(ms|millis|milliseconds|minutes|kb|mb)(_|$)", name)] == []


def test_each_alert_is_explained_and_says_how_urgent_it_is(project_dir: Path) -> None:
    page = (project_dir / "docs" / "operations.md").read_text()
    rows = dict(re.findall(r'^\| <a id="([a-z]+)"></a>`[A-Za-z]+` \|(.*)\|$', page, re.MULTILINE))
    for rule in alerts(project_dir):
        anchor = str(rule["annotations"]["runbook"]).rpartition("#")[2]
        cells = [cell.strip() for cell in rows.pop(anchor).split("|")]
        assert [bool(cell) for cell in cells] == [True] * 3, rule["alert"]  # meaning, what to look at, cure
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert rows == {}, "alerts that are explained and do not exist"


def test_each_alert_has_an_example_in_which_it_fires(project_dir: Path) -> None:
    examples = yaml.safe_load((project_dir / "tests" / "fleet" / "alerts.yml").read_text())["tests"]
    fires = {
        name
        for example in examples
        for expected in example["promql_expr_test"]
        for sample in expected.get("exp_samples", ())
        for name in re.findall(r'alertname="(\w+)",alertstate="firing"', sample["labels"])
    }
    assert fires == {rule["alert"] for rule in alerts(project_dir)}


async def test_counters_that_alerts_ask_for_begin_with_nothing(instance: Instance) -> None:
    # Prometheus sees no increase if the first value that it scrapes is 1.
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with httpx.AsyncClient(base_url=instance.url, trust_env=False, verify=False) as client:
        text = (await client.get("/metrics", headers=headers)).text
    for series in ('webhooks_total{verdict="not_stored"}', 'loops_ended_total{loop="apply"}'):
        assert f"{series} 0.0" in text


def _promtool(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool on the PATH: it comes with Debian's package prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.full
def test_each_alert_fires_when_it_must_and_not_before(project_dir: Path, tmp_path: Path) -> None:
    rules, examples = project_dir / "deploy" / "prometheus" / "alerts.yml", tmp_path / "alerts.yml"
    checked = _promtool("check", "rules", "--lint-fatal", rules)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    text = (project_dir / "tests" / "fleet" / "alerts.yml").read_text()
    for broken in (None, ("== 0", "== 2"), ("for: 1m", "for: 0m"), ("> 60'", "> 600'")):
        content = rules.read_text()
        if broken is not None:
            assert broken[0] in content
            content = content.replace(*broken)
        (tmp_path / "rules.yml").write_text(content)
        examples.write_text(text.replace("../../deploy/prometheus/alerts.yml", "rules.yml"))
        tested = _promtool("test", "rules", examples)
        assert (tested.returncode == 0) == (broken is None), tested.stdout + tested.stderr
