"""Which models go on with what was set over HTTP, and what their files said when they were read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from burnish.serve.rollout.pair import Engines, folders
from burnish.serve.rollout.settings import Rollout
from burnish.serve.rollout.standing import Standing, forget, place, recall, remember
from burnish.serve.rollout.traffic import Traffic


class Notes:
    """Keeps the settings of models on disk. Without `keep` nothing is written or read."""

    def __init__(self, say: Callable[[str], None], *, keep: bool) -> None:
        self._say = say
        self._keep = keep
        self._places: dict[str, Path] = {}
        self._files: dict[str, Rollout | None] = {}

    def file(self, model: str) -> Rollout | None:
        """What the model's file said when it was last put into force."""
        return self._files.get(model)

    def earlier(self, model: str, versions: Engines, file: Rollout | None) -> Standing | None:
        """What an earlier process was told, unless the file has changed since."""
        standing = recall(place(model, folders(versions))) if self._keep else None
        return standing if standing is not None and standing.file == file else None

    def goes_on(self, model: str, versions: Engines, file: Rollout | None) -> Path:
        """What an earlier process was told is in force. Returns where it is kept."""
        self._files[model] = file
        self._places[model] = place(model, folders(versions))
        return self._places[model]

    def was_set(self, model: str, versions: Engines) -> None:
        """Settings were put into force that the file does not say."""
        if self._keep:
            self._places[model] = place(model, folders(versions))

    def file_counts(self, model: str, versions: Engines, file: Rollout | None) -> None:
        """The file has said something new: what was set is over."""
        if self._keep:
            forget(place(model, folders(versions)))
        self._places.pop(model, None)
        self._files[model] = file

    def write(self, traffic: Traffic) -> None:
        """Keep what is in force now, if the file does not say it."""
        model = traffic.model
        path = self._places.get(model)
        if path is None:
            return
        standing = Standing(
            model=model, settings=traffic.router.settings, file=self.file(model), decision=traffic.decision
        )
        if not remember(path, standing):
            self._say(f"{model}: this rollout could not be written down in {path}, a restart will not know it")

    def drop(self, model: str) -> None:
        """The model is no longer served; what is on disk stays."""
        self._places.pop(model, None)
        self._files.pop(model, None)
