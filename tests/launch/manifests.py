"""Kubernetes manifests: their schemas, and that they fit each other."""

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.commands import ROOT

KUBERNETES = ROOT / "launch" / "kubernetes"
OVERLAYS = [KUBERNETES / "base", *sorted((KUBERNETES / "overlays").iterdir())]
LIBRARIES = {"keda.sh/v1alpha1": "keda", "monitoring.coreos.com/v1": "prometheus_operator"}
FORBIDDEN = ("privileged", "hostNetwork", "hostPID", "hostIPC", "hostPath")
Manifest = dict[str, Any]


@cache
def kustomize() -> tuple[str, ...] | None:
    """The command that renders, of kubectl 1.21 or newer (older ones bring a kustomize without `labels`)."""
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl") is None:
        return None
    told = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True).stdout
    return ("kubectl", "kustomize") if "Kustomize Version: v5" in told else None


@cache
def rendered(folder: Path) -> tuple[Manifest, ...]:
    """All manifests of a base or overlay, as a cluster would get them."""
    program = kustomize()
    assert program is not None
    done = subprocess.run([*program, str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1])
    if done.stderr:
        raise ValueError(done.stderr.strip())  # a warning is a fault, too
    return tuple(yaml.safe_load_all(done.stdout))


def files() -> list[Path]:
    """Files with whole manifests: all but kustomizations and patches."""
    found = []
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        kinds = yaml.safe_load((path.parent / "kustomization.yaml").read_text())
        if path.name in kinds["resources"]:
            found.append(path)
    return found


def check_schema(manifest: Manifest) -> None:
    """Raise for a manifest that breaks the schema of its kind, or whose kind has none.

    Raises:
        ImportError: the tool is not installed.
    """
    library = LIBRARIES.get(manifest["apiVersion"])
    if library is None:
        import kubernetes_validate

        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a schema that is missing is only warned of
            version = kubernetes_validate.latest_version()
            kubernetes_validate.validate(manifest, version, strict=True)
        return
    import importlib
    import pkgutil

    package = importlib.import_module(f"cloudcoil.models.{library}")
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    models = [getattr(importlib.import_module(name), manifest["kind"], None) for name in names]
    (model, *_) = [one for one in models if one is not None]
    made = model.model_validate(manifest)
    unknown = list(_left_out(manifest["spec"], made.model_dump(by_alias=True)["spec"]))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such field")


def _left_out(given: Any, known: Any, at: str = "spec") -> Iterator[str]:
    """Name the fields that a model has dropped."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{at}.{name}"
            else:
                yield from _left_out(value, known[name], f"{at}.{name}")
    elif isinstance(given, list) and isinstance(known, list):
        for one, other in zip(given, known, strict=True):
            yield from _left_out(one, other, at)


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod template of a workload."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return (
        spec.get("template") if manifest["kind"] in ("Job", "CronJob", "Deployment", "StatefulSet") else None
    )


def check_together(manifests: tuple[Manifest, ...]) -> None:
    """Raise where selectors select nothing, names are used that nobody has, or a pod may too much."""
    pods = [pod for manifest in manifests if (pod := pod_of(manifest)) is not None]
    labels = [pod["metadata"]["labels"] for pod in pods]
    for manifest in manifests:
        wanted = _selector(manifest)
        if wanted and not any(wanted.items() <= one.items() for one in labels):
            raise ValueError(f"{_name(manifest)} selects no pod: {wanted}")
    claims = {one["metadata"]["name"] for one in manifests if one["kind"] == "PersistentVolumeClaim"}
    for manifest in manifests:
        pod = pod_of(manifest)
        if pod is not None:
            _check_pod(
                _name(manifest), pod["spec"], claims, lasts=manifest["kind"] in ("Deployment", "StatefulSet")
            )
    targets = {one["metadata"]["name"] for one in manifests if one["kind"] == "Deployment"}
    for manifest in manifests:
        if manifest["kind"] in ("ScaledObject", "HorizontalPodAutoscaler"):
            assert manifest["spec"]["scaleTargetRef"]["name"] in targets, _name(manifest)


def _check_pod(name: str, pod: Manifest, claims: set[str], lasts: bool) -> None:
    text = yaml.safe_dump(pod)
    for word in FORBIDDEN:
        assert f"{word}:" not in text, f"{name}: {word}"
    assert pod["securityContext"]["runAsNonRoot"], name
    assert pod["automountServiceAccountToken"] is False, name
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    for volume in pod.get("volumes", ()):
        claim = volume.get("persistentVolumeClaim")
        assert claim is None or claim["claimName"] in claims, f"{name}: {claim}"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = f"{name}/{container['name']}"
        safe = container["securityContext"]
        assert safe["readOnlyRootFilesystem"] and not safe["allowPrivilegeEscalation"], own
        assert safe["capabilities"] == {"drop": ["ALL"]}, own
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), own
        assert "memory" in container["resources"]["limits"], own
        assert ":" in container["image"] and not container["image"].endswith(":latest"), own
        for variable in container.get("env", ()):
            hidden = any(word in variable["name"] for word in ("PASSWORD", "SECRET", "REDIS", "TOKEN"))
            assert not (hidden and "value" in variable), f"{own}: {variable['name']} belongs into a secret"
        if lasts:
            assert "livenessProbe" in container, own
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= volumes | {"data"}, own  # data: of a volumeClaimTemplate


def _selector(manifest: Manifest) -> dict[str, str]:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Service":
        return dict(spec["selector"])
    if manifest["kind"] in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
        return dict(spec["selector"]["matchLabels"])
    if manifest["kind"] == "NetworkPolicy":
        return dict(spec["podSelector"].get("matchLabels", {}))
    return {}


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"
