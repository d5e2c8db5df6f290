# SPDX-License-Identifier: MIT
"""examples/kubernetes: no cluster runs it here. Its fields are those of Kubernetes' schemas, what one document says of
another is so, and the programs accept what it gives them.
"""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml
from manifests import EXAMPLE, FILES, WORKLOADS, checker, container, documents, of_kind, one, pod, pods, run

from harness import MODULE, REPOSITORY, SERVER, eventually
from service import FOLDER as SERVICE
from service import PROGRAM, Service, environment

OPERATORS = ["ServiceMonitor", "PrometheusRule"]  # kinds of the Prometheus Operator
PASSWORD = "the-password-of-the-check-service"


# --- fields -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_field_is_one_of_the_schemas_of_kubernetes(version, tmp_path):
    said = run(*checker(), "--strict", "-k", version, *FILES)
    beginnings = ["WARN" if each["kind"] in OPERATORS else "INFO" for each in documents()]
    assert sorted(line.split()[0] for line in said.splitlines()) == sorted(beginnings), said
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((EXAMPLE / "check-service.yaml").read_text().replace("periodSeconds", "periodSecond"))
    checked = subprocess.run([*checker(), "--strict", "-k", version, wrong], capture_output=True, text=True)
    assert checked.returncode != 0 and "periodSecond" in checked.stdout + checked.stderr


def test_each_resource_stands_once_in_the_kustomization_and_has_a_name_of_its_own():
    kustomization = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [path.name for path in FILES]
    assert kustomization["namespace"] == one("Namespace", "ratelimit")["metadata"]["name"]
    names = [(each["kind"], each["metadata"]["name"]) for each in documents()]
    assert len(names) == len(set(names))
    images = {each["image"] for pod in pods() for each in pod["spec"]["containers"]}
    given = {f"{each['newName']}:{each['newTag']}" for each in kustomization["images"]}
    assert given < images


def test_kustomize_renders_it():
    rendered = list(yaml.safe_load_all(run("kubectl", "kustomize", EXAMPLE)))
    assert sorted(each["kind"] for each in rendered) == sorted(each["kind"] for each in documents())


def test_the_monitoring_is_that_of_the_folder_monitoring():
    """By the same program that made it; it is the same text anywhere."""
    text = runpy.run_path(str(EXAMPLE / "generate.py"))["text"]()
    assert text == (EXAMPLE / "monitoring.yaml").read_text(), "examples/kubernetes/generate.py"
    assert one("PrometheusRule", "ratelimit")["spec"] == yaml.safe_load(
        (REPOSITORY / "monitoring" / "rules.yml").read_text()
    )
    endpoint = {"port", "interval", "relabelings", "metricRelabelings"}
    for each in of_kind("ServiceMonitor"):
        assert set(each["spec"]) == {"selector", "endpoints"}
        assert all(set(given) <= endpoint for given in each["spec"]["endpoints"])


# --- what one document says of another ---------------------------------------------------------------


def labels_of(pod: dict) -> dict:
    return pod["metadata"]["labels"]


def chosen(selector: dict) -> list[dict]:
    return [pod for pod in pods() if selector.items() <= labels_of(pod).items()]


def test_every_selector_matches_exactly_one_workload():
    selectors = [each["spec"]["selector"] for each in of_kind("Service")]
    for kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(kind)]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind("NetworkPolicy")]
    for spread in pod("Deployment", "check-service")["spec"]["topologySpreadConstraints"]:
        selectors.append(spread["labelSelector"]["matchLabels"])
    assert len(selectors) == 9
    assert [len(chosen(selector)) for selector in selectors] == [1] * 9
    for each in of_kind("ServiceMonitor"):
        wanted = each["spec"]["selector"]["matchLabels"].items()
        assert len([service for service in of_kind("Service") if wanted <= service["metadata"]["labels"].items()]) == 1
    [scaled] = of_kind("HorizontalPodAutoscaler")
    assert scaled["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "check-service"}
    assert scaled["spec"]["minReplicas"] >= 2
    assert "replicas" not in one("Deployment", "check-service")["spec"]


def ports_of(pod: dict) -> dict[str, int]:
    ports = [port for each in pod["spec"]["containers"] for port in each.get("ports", [])]
    return {port["name"]: port["containerPort"] for port in ports}


def test_ports_have_the_same_name_everywhere():
    for each in of_kind("Service"):
        [served] = chosen(each["spec"]["selector"])
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= set(ports_of(served))
    for each in of_kind("ServiceMonitor"):
        [service] = [one("Service", each["metadata"]["name"])]
        named = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in each["spec"]["endpoints"]} <= named
    for each in pods():
        for one_of_it in each["spec"]["containers"]:
            own = {port["name"] for port in one_of_it["ports"]}
            for probe in (value for name, value in one_of_it.items() if name.endswith("Probe")):
                asked = probe.get("httpGet") or probe.get("tcpSocket")
                assert not asked or asked["port"] in own
    settings = one("ConfigMap", "check-service")["data"]
    assert settings["CHECK_SERVICE_LISTEN"].endswith(f":{ports_of(pod(*WORKLOADS[0]))['http']}")
    host, port = settings["CHECK_SERVICE_SERVERS"].split(":")
    assert {int(port)} == {p["port"] for p in one("Service", host)["spec"]["ports"] if p["name"] == "redis"}


def test_volumes_and_what_they_hold_are_there():
    maps = {each["metadata"]["name"] for each in of_kind("ConfigMap")}
    for kind, name in WORKLOADS:
        spec = pod(kind, name)["spec"]
        volumes = {each["name"] for each in spec.get("volumes", [])}
        volumes |= {each["metadata"]["name"] for each in one(kind, name)["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for each in spec["containers"] for mount in each["volumeMounts"]}
        assert mounted == volumes
        assert {each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each} <= maps


def test_passwords_are_named_and_never_given():
    """And the page makes each secret, with each key, that is named."""
    text = "".join(path.read_text() for path in FILES)
    assert not re.search(r"kind: Secret$|requirepass|(?i:password): (?!\S*[{/])\S", text, re.MULTILINE)
    page = (EXAMPLE / "README.md").read_text()
    for name in set(re.findall(r"secret(?:Name)?: \{?(?:secretName: )?([\w-]+)", text)) | {"ratelimit-passwords"}:
        assert f"create secret generic {name} " in page.replace("-n ratelimit ", ""), name
    for key in ("check-service", "exporter", "users.acl"):
        assert f"--from-file={key}" in page


def test_the_network_lets_through_just_what_is_needed():
    """Each edge: from whom, to whom, on which ports. There are no others, since each policy is for both directions."""
    edges = set()
    for policy in of_kind("NetworkPolicy"):
        spec, me = policy["spec"], policy["metadata"]["name"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        [guarded] = chosen(spec["podSelector"]["matchLabels"])
        for direction, other in (("ingress", "from"), ("egress", "to")):
            for rule in spec[direction]:
                [peer] = rule[other]
                values = [*peer.get("namespaceSelector", {}).get("matchLabels", {}).values()]
                values += [*peer.get("podSelector", {}).get("matchLabels", {}).items()]
                ends = (str(values[-1]), me) if direction == "ingress" else (me, str(values[-1]))
                ports = tuple(sorted(str(port["port"]) for port in rule["ports"]))
                edges.add((direction, *ends, ports))
                target = guarded if direction == "ingress" else pod("StatefulSet", "ratelimit-server")
                assert set(ports) <= {*ports_of(target), "53"}
    app = "('app.kubernetes.io/name', '{}')".format
    assert edges == {
        ("ingress", "('check-service.client', 'true')", "check-service", ("http",)),
        ("ingress", "monitoring", "check-service", ("http",)),
        ("egress", "check-service", app("ratelimit-server"), ("redis",)),
        ("egress", "check-service", "('k8s-app', 'kube-dns')", ("53", "53")),
        ("ingress", app("check-service"), "ratelimit-server", ("redis",)),
        ("ingress", "monitoring", "ratelimit-server", ("metrics",)),
    }


# --- what the programs say ---------------------------------------------------------------------------


def test_every_container_has_few_rights_and_bounds():
    for each in pods():
        about = each["spec"]["securityContext"]
        assert about["runAsNonRoot"] is True and about["runAsUser"] > 0
        assert about["seccompProfile"] == {"type": "RuntimeDefault"}
        assert each["spec"]["automountServiceAccountToken"] is False
        for given in each["spec"]["containers"]:
            assert given["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} == set(given["resources"]["requests"])
            assert "memory" in given["resources"]["limits"]


def test_each_probe_asks_a_path_that_the_service_has():
    paths = yaml.safe_load((SERVICE / "openapi.yaml").read_text())["paths"]
    service = container(pod(*WORKLOADS[0]), "check-service")
    asked = {name: service[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert set(asked.values()) <= set(paths)
    assert one("ConfigMap", "check-service")["data"]["CHECK_SERVICE_WITHOUT_SERVER"] == "open"
    assert asked["readinessProbe"] == "/health/live", "with `open`, an instance without a server answers"


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_an_instance_has_the_time_to_end():
    spec = pod(*WORKLOADS[0])["spec"]
    stopping = container(pod(*WORKLOADS[0]), "check-service")["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = seconds(one("ConfigMap", "check-service")["data"]["CHECK_SERVICE_DRAIN_TIME"])
    assert spec["terminationGracePeriodSeconds"] >= stopping + drain + 5


def settings() -> dict[str, str]:
    given = one("ConfigMap", "check-service")["data"]
    return {name.removeprefix("CHECK_SERVICE_").lower(): value for name, value in given.items()}


def test_the_settings_are_those_of_the_program(tmp_path):
    """It reads the password's file, too: here the test's own."""
    (tmp_path / "password").write_text(PASSWORD)
    given = settings() | {"password_file": tmp_path / "password"}
    run(PROGRAM, "--check", env=environment(given))
    names = re.findall(r"^  (\w+) +\S", run(PROGRAM, "--help"), re.MULTILINE)
    assert set(settings()) <= set(names)


@pytest.fixture
def configured(tmp_path: Path):
    """A server with the configuration and the users of the example."""
    text = one("ConfigMap", "ratelimit-server")["data"]["valkey.conf"]
    places = {
        "/usr/lib/redis/modules/ratelimit.so": MODULE.resolve(),
        "/data": tmp_path,
        "/etc/valkey-users/users.acl": tmp_path / "users.acl",
        "bind * -::*": "bind 127.0.0.1",
    }
    for documented, ours in places.items():
        assert text.count(str(documented)) == 1
        text = text.replace(str(documented), str(ours))
    users = (EXAMPLE / "users.acl.example").read_text().replace("CHANGE-ME-1", PASSWORD)
    (tmp_path / "users.acl").write_text(users + "user test on nopass ~* &* +@all\n")
    (tmp_path / "valkey.conf").write_text(f"{text}\nport 0\nunixsocket {tmp_path}/socket\n")
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([SERVER, tmp_path / "valkey.conf"], stdin=subprocess.DEVNULL, stdout=file)
    try:
        eventually(lambda: "accept connections" in log.read_text() or process.poll() is not None, "the server")
        assert process.poll() is None, log.read_text()
        yield tmp_path / "socket"
    finally:
        process.terminate()
        process.wait()


def test_a_server_starts_with_its_configuration_and_is_ready_by_its_probe(configured):
    probe = container(pod(*WORKLOADS[1]), "server")["readinessProbe"]["exec"]["command"]
    assert probe[0] == "valkey-cli"
    words = ["redis-cli", "-s", str(configured), *probe[1:]]
    eventually(lambda: subprocess.run(words, capture_output=True).returncode == 0, "the probe")
    assert run(*words).split()[0] == "1"
    wrong = subprocess.run([*words[:-5], "RL.CHECK", "health", *words[-4:]], capture_output=True, text=True)
    assert wrong.returncode != 0 and "NOPERM" in wrong.stdout + wrong.stderr


def test_the_check_service_reaches_that_server_as_its_own_user(configured, tmp_path):
    (tmp_path / "password").write_text(PASSWORD)
    own = {"listen": "127.0.0.1:0", "password_file": tmp_path / "password", "deadline": "60s"}
    given = {name: value for name, value in settings().items() if name != "servers"}
    with Service(configured, **given | own) as service:
        eventually(lambda: service.ask("GET", "/health/ready").status == 200, "the server to be found")
        assert service.check(key="api:orders", limits="FIXED 1 1h").json["source"] == "server"
        assert service.check(key="others:orders", limits="FIXED 1 1h").status == 500
        for path in ("/health/live", "/metrics"):
            assert service.ask("GET", path).status == 200


def test_the_page_says_first_that_it_is_not_run():
    head = (EXAMPLE / "README.md").read_text().splitlines()[:5]
    assert any("**Not run" in line for line in head)
