"""The contact sheet on the page: the best trials beside each other, under one magnifier."""

from __future__ import annotations

from collections.abc import Sequence

from interpositive.review.elements import Html, element
from interpositive.review.sweeps import verdict as words
from interpositive.review.sweeps.figures import SweepFigures, parameter_words
from interpositive.review.sweeps.pictures import SheetRow, trials_sheet
from interpositive.review.sweeps.subject import SweepSubject


def sheet_section(subject: SweepSubject) -> Html:
    """The contact sheet with its magnifier, and why trials that belong on it are not there."""
    sheet = trials_sheet(subject)
    heading = element("h2", "Side by side", element("small", "the best trials on the same held-out frames"))
    parts: list[Html] = [heading]
    if sheet.rows:
        parts.append(
            element(
                "p",
                "Held-out frames that no trial learned from, each at the checkpoint that its trial kept. The magnifier "
                "moves over all pictures of a frame together.",
                class_="hint",
            )
        )
        parts.append(_sheet_bar())
        notes = {number: _notes(subject.figures, number, sheet.numbers) for number in sheet.numbers}
        for at, row in enumerate(sheet.rows):
            parts += [element("h3", row.name), _frames(row, notes if at == 0 else {})]
    told = [element("li", f"Trial {number} is not shown: {why}.") for number, why in sheet.left_out.items()]
    parts += [element("ul", *told, class_="missing")] if told else []
    return element("section", *parts, class_="sheet")


def _frames(row: SheetRow, notes: dict[int, list[Html]]) -> Html:
    """One frame's pictures; what is said of each trial stands under the first frame only."""
    shown = [_figure("Damaged", row.damaged, row.name)]
    shown.append(_figure("Before training", row.prior, row.name) if row.prior else _blank())
    shown.append(_figure("True", row.true, row.name))
    shown += [
        _figure(f"Trial {number}", picture, row.name, notes.get(number, []), str(number))
        for number, picture in row.trained.items()
    ]
    columns = 3 if len(shown) in (5, 6) else 4
    return element(
        "div", *shown, class_=f"frames of-{columns}", tabindex="0", role="group", aria_label=f"Frame: {row.name}"
    )


def _figure(title: str, jpeg: str, frame: str, notes: Sequence[Html] = (), trial: str = "") -> Html:
    picture = element("img", src=f"data:image/jpeg;base64,{jpeg}", alt=f"{title}: {frame}", decoding="async")
    well = element("div", Html(picture.removesuffix("</img>")), class_="well")
    role = title.lower() if title in ("True", "Damaged") else "restored"
    caption = element("figcaption", element("b", title), *notes)
    return element("figure", well, caption, data_role=role, data_trial=trial or False)


def _blank() -> Html:
    """Keeps the columns of a frame whose prior no preview shows."""
    return element("figure", element("figcaption", "Before training: only of the first frame"), class_="blank")


def _notes(figures: SweepFigures, number: int, shown: Sequence[int]) -> list[Html]:
    """Why a trial is shown, its numbers, and what tells it from the others that are."""
    trial = figures.trial(number)
    why = [
        f"{'highest' if o.direction == 'maximize' else 'lowest'} {o.title}"
        for o in figures.objectives
        if number in figures.best[o.name]
    ]
    why += ["nearest to the best of everything"] if number == figures.balanced else []
    values = ", ".join(words.objective_words(objective, trial) for objective in figures.objectives)
    settings = {
        axis: [parameter_words(figures.trial(one).parameters.get(axis.name)) for one in shown]
        for axis in figures.parameter_axes
    }
    own = ", ".join(
        f"{axis.title} {parameter_words(trial.parameters.get(axis.name))}"
        for axis, held in settings.items()
        if len(set(held)) > 1
    )
    return [element("span", ", ".join(why)), element("small", values), *([element("small", own)] if own else [])]


def _sheet_bar() -> Html:
    zooms = [
        element("button", f"{zoom}×", type="button", data_zoom=str(zoom), aria_pressed="true" if zoom == 1 else "false")
        for zoom in (1, 2, 4)
    ]
    return element(
        "div",
        element("span", *zooms, class_="group", role="group", aria_label="Magnifier"),
        element("button", "Difference from true, 6×", type="button", data_difference="", aria_pressed="false"),
        element("span", "Keys on a frame: arrows move, + and − magnify, D shows the difference", class_="keys"),
        class_="bar",
    )
