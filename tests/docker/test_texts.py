"""The scripts and descriptions for several hosts, read by the programs that they are for. Where one
of these is not installed, its test is skipped.
"""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from places import ROOT

FOLDER = ROOT / "docker"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
COMPOSE = FOLDER / "compose.yaml"


def block(language):
    """The only block of docker/README.md in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def slurm(tmp_path):
    """The script for Slurm, as a file."""
    path = tmp_path / "tlf.sbatch"
    path.write_text(block("bash"))
    return path


@pytest.fixture
def kubernetes():
    """What is made in Kubernetes: the service and the job."""
    return {found["kind"]: found for found in yaml.safe_load_all(block("yaml"))}


def told(*words):
    """What a program complains about; it is skipped where it is not installed."""
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    ended = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def test_bash_reads_the_scripts(slurm):
    assert told("bash", "-n", slurm) == (0, "")
    assert told("bash", "-n", FOLDER / "debian-base.sh") == (0, "")


@pytest.mark.slow
def test_shellcheck_finds_nothing(slurm):
    assert told("shellcheck", slurm, FOLDER / "debian-base.sh") == (0, "")


@pytest.mark.slow
def test_slurm_takes_the_script(slurm):
    if told("scontrol", "ping")[0]:
        pytest.skip("no Slurm controller answers")
    code, said = told("sbatch", "--test-only", slurm)
    assert code == 0, said


@pytest.mark.slow
def test_kubernetes_takes_the_service_and_the_job(kubernetes):
    schemas = pytest.importorskip("kubernetes_validate")
    for described in kubernetes.values():
        schemas.validate(described, schemas.latest_version(), strict=True)
    kubernetes["Job"]["spec"]["template"]["spec"]["subdomian"] = "a slip is found"
    with pytest.raises(schemas.ValidationError):
        schemas.validate(kubernetes["Job"], schemas.latest_version(), strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("docker-compose",), ("docker", "compose")], ids=" ".join)
def test_compose_takes_its_file(words):
    if len(words) == 2 and told(*words, "version")[0]:
        pytest.skip("docker compose is not installed")
    assert told(*words, "-f", COMPOSE, "config", "--quiet") == (0, "")


def test_the_hosts_find_each_other(kubernetes):
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    first, second = (services[name]["command"].split() for name in ("first", "second"))
    assert [ours for ours, theirs in zip(first, second, strict=True) if ours != theirs] == ["0"]
    assert first[first.index("--master-addr") + 1] == "first"
    assert not {*services["first"]["volumes"]} & {*services["second"]["volumes"]}

    job, service = kubernetes["Job"], kubernetes["Service"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name = job["metadata"]["name"]
    assert f"--master-addr={name}-0.{service['metadata']['name']}" in container["args"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert f"--nnodes={job['spec']['completions']}" in container["args"]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }


def test_libraries_of_an_extra_are_listed():
    words = sys.executable, FOLDER / "requirements.py"
    ended = subprocess.run([*words, "serve"], cwd=ROOT, capture_output=True, text=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert ended.stdout.splitlines() == project["dependencies"] + extras["serve"]
    ended = subprocess.run([*words, "serv"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert re.fullmatch(r"EXTRAS must be among .*, serve, .*, got serv\n", ended.stderr)


def test_every_argument_of_a_build_is_in_the_table():
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert {*re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)} == {
        *re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    }
