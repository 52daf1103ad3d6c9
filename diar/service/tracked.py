"""The metrics of a service as figures of a tracked run."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Metric

_PREFIX = "diar_"


class ServiceFigures:
    """Reads all metrics, those of all labels added up; of a histogram, the mean of what is new.

    Args:
        registry: of the service.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._before: dict[str, tuple[float, float]] = {}  # of a histogram: sum and count

    def __call__(self) -> dict[str, float]:
        """Return the figures by the metrics' names, without `diar_`."""
        figures: dict[str, float] = {}
        for family in self._registry.collect():
            name = family.name.removeprefix(_PREFIX)
            if family.type == "histogram":
                figures |= self._mean(name, *(self._sum(family, part) for part in ("_sum", "_count")))
            elif family.type in ("gauge", "counter"):
                figures[name] = self._sum(family, "_total" if family.type == "counter" else "")
        return figures

    @staticmethod
    def _sum(family: Metric, suffix: str) -> float:
        return sum(sample.value for sample in family.samples if sample.name == family.name + suffix)

    def _mean(self, name: str, total: float, count: float) -> dict[str, float]:
        then_total, then_count = self._before.get(name, (0.0, 0.0))
        self._before[name] = total, count
        return {f"{name}_mean": (total - then_total) / (count - then_count)} if count > then_count else {}
