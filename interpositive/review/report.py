"""The page's header and its section for each shot."""

from __future__ import annotations

from interpositive.records.measures import ShotMeasures
from interpositive.review.elements import Html, element
from interpositive.review.headlines import headline, measured
from interpositive.review.intervals import single_shot_note
from interpositive.review.learned import course_verdict
from interpositive.review.paperwork import untouched_statement
from interpositive.review.pictures import MATTE, ShotPictures, frame_timecode
from interpositive.review.player_part import player_part
from interpositive.review.shot_payload import strip_words
from interpositive.review.subjects import Subject
from interpositive.review.tables import shot_measures
from interpositive.review.verdicts import RESULT, standing, was_a_choice


def header_section(subject: Subject) -> Html:
    """What the page is about and when it was made, then the verdict with the frames to look at first."""
    facts = subject.facts
    if subject.measures.shots:
        facts.append(("Shot" if len(subject.measures.shots) == 1 else "Shots", _shot_names(subject)))
    facts.append(("Date", subject.created))
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    rows = [_verdict_row(shot, at) for at, shot in enumerate(subject.measures.shots)]
    if not rows:
        rows.append(element("p", "Trained, and not evaluated yet: there are no repaired pictures to judge."))
    if subject.course is not None and (told := course_verdict(subject.course)):
        rows.append(element("p", told[1], class_="seal broken" if told[0] else "doubt"))
    if subject.delivery is not None:
        good, sentence = untouched_statement(subject.delivery)
        rows.append(element("p", sentence, class_="seal" if good else "seal broken"))
    return element(
        "header",
        element("p", f"Interpositive review · {_kind(subject)}", class_="eyebrow"),
        element("h1", subject.title),
        element("dl", *pairs, class_="facts"),
        element("div", *rows, class_="verdict", role="status"),
        class_="top",
    )


def shot_section(subject: Subject, shot: ShotMeasures, pictures: ShotPictures, at: int) -> Html:
    """A shot's player, worst frames, curves and table."""
    role = f"{shot.role} · " if shot.role != RESULT else ""
    about = f"{role}{shot.num_frames} frames · {shot.rate} frames a second"
    if pictures.tracks:
        about += f" · {pictures.source_width} × {pictures.source_height}"
    comments = [element("li", comment) for comment in shot.comments]
    return element(
        "section",
        element("h2", shot.name, element("small", about)),
        element("p", standing(shot, headline(measured(subject.measures, [shot]))), class_="standing"),
        player_part(shot, pictures, at),
        *(_worst_frames(shot, pictures) if pictures.tracks else []),
        element("h3", "Frame by frame"),
        element("div", class_="chooser", data_part="chooser", role="group", aria_label="Curves shown"),
        element("div", class_="curves", data_part="curves"),
        element("h3", "Measures"),
        shot_measures(subject.measures, shot),
        single_shot_note(subject.measures),
        *([element("ul", *comments, class_="comments")] if comments else []),
        class_="shot",
        id=f"shot-{at}",
        data_shot=str(at),
        aria_label=f"Shot {shot.name}",
    )


def _worst_frames(shot: ShotMeasures, pictures: ShotPictures) -> list[Html]:
    what = strip_words(pictures)
    where = ", around the mask" if MATTE in shot.pictures else ""
    order = f"From left to right: {what}{where}. " if len(pictures.tracks) > 1 else ""
    hint = f"{order}Choose one to see it in the player." if shot.worst_frames else ""
    return [
        element("h3", "Worst frames first"),
        *([element("p", hint)] if hint else []),
        element("div", class_="strip", data_part="strip"),
    ]


def _kind(subject: Subject) -> str:
    if subject.delivery is not None:
        return "Delivery, every digest verified"
    if subject.evaluation is not None:
        return "Evaluation of finished pictures"
    return "Evaluation of a run on held-out takes" if subject.measures.shots else "A run, not evaluated yet"


def _shot_names(subject: Subject) -> str:
    return ", ".join(shot.name for shot in subject.measures.shots)


def _verdict_row(shot: ShotMeasures, at: int) -> Html:
    parts: list[str] = [element("strong", shot.name)]
    if was_a_choice(shot):
        parts += [" — method chosen: ", element("strong", shot.chosen_method)]
    if shot.worst_frames:
        parts.append(". Look first at " if was_a_choice(shot) else " — look first at ")
        for frame in shot.worst_frames[:5]:
            timecode = frame_timecode(shot, frame)
            label = f"frame {frame}" + (f" · {timecode}" if timecode else "")
            parts.append(element("button", label, type="button", class_="jump", data_goto=str(frame), data_of=str(at)))
    else:
        parts.append(". No worst frames were named.")
    if shot.verdict:
        parts += [" ", element("strong", f"{shot.verdict.capitalize()}: "), shot.verdict_reason, "."]
    return element("p", *parts)
