"use strict";

const THUMBNAIL = { width: 264, height: 176 };

/* A crop around the mask, so that a wire is seen in a small picture; the whole picture where there is no mask. */
function thumbnail(source, shot, centre) {
  const wide = centre ? Math.min(shot.width, Math.max(THUMBNAIL.width / 2, shot.width / 3)) : shot.width;
  const seen = [wide, Math.min(shot.height, (wide * THUMBNAIL.height) / THUMBNAIL.width)];
  const [x, y] = (centre ?? [0.5, 0.5]).map((part, axis) => {
    const whole = axis ? shot.height : shot.width;
    return Math.min(whole - seen[axis], Math.max(0, part * whole - seen[axis] / 2));
  });
  const canvas = blank(THUMBNAIL.width, Math.round((THUMBNAIL.width * seen[1]) / seen[0]));
  canvas.getContext("2d").drawImage(source, x, y, seen[0], seen[1], 0, 0, canvas.width, canvas.height);
  return canvas;
}

function fillStrip(strip, shot, pictures, player) {
  if (!shot.worst.length) {
    strip.append(worded("p", "No worst frames were named.", "absent"));
    return;
  }
  const { before, result, other } = shot.seats;
  shot.worst.forEach((frame, rank) => {
    const index = shot.frames.indexOf(frame);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.frame = String(frame);
    const trio = worded("span", "", "trio");
    const name = worded("span", `${rank + 1}. frame ${frame} `, "name");
    name.append(worded("em", shot.timecodes[index] ?? ""), document.createElement("br"));
    name.append(worded("em", shot.stripWords));
    button.append(trio, name);
    button.addEventListener("click", () => player.goTo(frame));
    strip.append(button);
    const wanted = [before, result, other].map((at) => (at === null ? null : pictures.picture(at, index)));
    Promise.all(wanted).then(([earlier, after, against]) => {
      const shown = [earlier, after].filter(Boolean);
      if (against) shown.push(difference(after, against, shot.width, shot.height, DIFFERENCE_GAIN));
      trio.append(...shown.map((picture) => thumbnail(picture, shot, shot.centres[index])));
    });
  });
  player.listeners.push((shown) => {
    for (const button of strip.children) {
      button.setAttribute("aria-current", String(Number(button.dataset.frame) === shown));
    }
  });
}
