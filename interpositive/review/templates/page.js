"use strict";

const THUMBNAIL = { width: 264, height: 176 };

/* A crop around the mask, at most half the picture, so that a wire is seen in a small picture. */
function thumbnail(source, shot, centre) {
  const wide = Math.min(shot.width, Math.max(THUMBNAIL.width / 2, shot.width / 3));
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
  const track = (role) => shot.tracks.findIndex((held) => held.role === role);
  const [plate, result, target] = ["plate", "result", "target"].map(track);
  if (plate < 0 || result < 0 || !shot.worst.length) {
    strip.append(worded("p", "No worst frames were named.", "absent"));
    return;
  }
  const against = target < 0 ? plate : target;
  shot.worst.forEach((frame, rank) => {
    const index = shot.frames.indexOf(frame);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.frame = String(frame);
    const trio = worded("span", "", "trio");
    const name = worded("span", `${rank + 1}. frame ${frame} `, "name");
    name.append(worded("em", shot.timecodes[index] ?? ""), document.createElement("br"));
    name.append(worded("em", `plate | result | result − ${target < 0 ? "plate" : "clean"} ×8`));
    button.append(trio, name);
    button.addEventListener("click", () => player.goTo(frame));
    strip.append(button);
    const wanted = [plate, result, against].map((at) => pictures.picture(at, index));
    Promise.all(wanted).then(([before, after, other]) => {
      const apart = difference(after, other, shot.width, shot.height, DIFFERENCE_GAIN);
      trio.append(...[before, after, apart].map((picture) => thumbnail(picture, shot, shot.centres[index])));
    });
  });
  player.listeners.push((shown) => {
    for (const button of strip.children) {
      button.setAttribute("aria-current", String(Number(button.dataset.frame) === shown));
    }
  });
}

const players = [];
for (const section of document.querySelectorAll("section[data-shot]")) {
  const shot = JSON.parse(document.getElementById(`shot-data-${section.dataset.shot}`).textContent);
  const pictures = new ShotPictures(shot);
  const root = section.querySelector("[data-player]");
  const player = root ? new Player(root, shot, pictures) : null;
  players.push(player);
  const jump = (frame) => player?.goTo(frame);
  const curves = shot.curves.map((told) => new Curve(shot, told, jump));
  const area = section.querySelector('[data-part="curves"]');
  area.append(...curves.map((curve) => curve.root));
  if (!curves.length) area.append(worded("p", "No curves were recorded for this shot.", "absent"));
  if (player) {
    player.listeners.push((frame) => curves.forEach((curve) => curve.setFrame(frame)));
    fillStrip(section.querySelector('[data-part="strip"]'), shot, pictures, player);
    if (shot.worst.length) player.goTo(shot.worst[0]);
    else player.show(0);
  }
}

for (const button of document.querySelectorAll("[data-goto]")) {
  button.addEventListener("click", () => {
    const player = players[Number(button.dataset.of)];
    player?.goTo(Number(button.dataset.goto));
    player?.root.scrollIntoView({ block: "center" });
    player?.root.focus({ preventScroll: true });
  });
}
