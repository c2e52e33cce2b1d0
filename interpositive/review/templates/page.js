"use strict";

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
  fillChooser(section.querySelector('[data-part="chooser"]'), curves);
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
