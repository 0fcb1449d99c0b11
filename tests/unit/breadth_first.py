"""A walk through everything that can happen to a model, nearest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)
Steps = Iterator[tuple[str, Place]]
"""What can happen next, each with its name."""


class Walk(Generic[Place]):
    """All places that can be come to from `beginnings`, or those up to the first that satisfies `ends`."""

    def __init__(
        self,
        beginnings: Iterable[Place],
        steps: Callable[[Place], Steps[Place]],
        *,
        ends: Callable[[Place], bool] = lambda _: False,
    ) -> None:
        self.came_from: dict[Place, tuple[str, Place] | None] = dict.fromkeys(beginnings)
        self.before: dict[Place, list[Place]] = {}
        self.found: Place | None = next(filter(ends, self.came_from), None)
        waiting = deque(self.came_from)
        while waiting and self.found is None:
            place = waiting.popleft()
            for name, following in steps(place):
                self.before.setdefault(following, []).append(place)
                if following not in self.came_from:
                    self.came_from[following] = (name, place)
                    waiting.append(following)
                    self.found = self.found or (following if ends(following) else None)

    def history(self, place: Place) -> str:
        """How it came to that, one step per line."""
        lines: list[str] = []
        step = self.came_from[place]
        while step is not None:
            lines.append(step[0])
            step = self.came_from[step[1]]
        return "\n".join(reversed(lines)) + f"\n-> {place}"

    def without_way_to(self, goals: Iterable[Place]) -> list[Place]:
        """The places from which none of the goals can be reached."""
        reached = set(goals)
        waiting = deque(reached)
        while waiting:
            fresh = [place for place in self.before.get(waiting.popleft(), ()) if place not in reached]
            reached.update(fresh)
            waiting.extend(fresh)
        return [place for place in self.came_from if place not in reached]
