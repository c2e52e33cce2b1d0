"use strict";

/* One trial wherever it is shown: a pointer or the focus on it lights it up everywhere, a click keeps it lit. */
class TrialLinks {
  constructor(told) {
    this.told = told;
    this.shown = new Map();
    this.readouts = [...document.querySelectorAll(".readout")];
    this.kept = null;
    for (const part of document.querySelectorAll("[data-trial]")) {
      const number = part.dataset.trial;
      this.shown.set(number, [...(this.shown.get(number) ?? []), part]);
      part.addEventListener("pointerenter", () => this.light(number));
      part.addEventListener("pointerleave", () => this.light(this.kept));
      part.addEventListener("click", () => this.keep(number));
    }
    this.light(null);
  }

  keep(number) {
    this.kept = this.kept === number ? null : number;
    this.light(this.kept);
  }

  light(number) {
    for (const part of document.querySelectorAll(".lit")) part.classList.remove("lit");
    for (const part of this.shown.get(number) ?? []) {
      part.classList.add("lit");
      /* Drawn last, it lies over the others. */
      if (part.classList.contains("route")) part.parentNode.append(part);
    }
    document.body.classList.toggle("has-lit", number !== null);
    const words = number === null ? "Rest on a trial to read it; click keeps it lit." : this.told.trials[number].words;
    for (const readout of this.readouts) readout.textContent = words;
  }

  /* Dims all trials but those that `passes` says yes to, and returns how many are left. */
  narrow(passes) {
    let left = 0;
    for (const [number, parts] of this.shown) {
      const stays = passes(this.told.trials[number]);
      left += stays ? 1 : 0;
      for (const part of parts) if (part.tagName !== "FIGURE") part.classList.toggle("away", !stays);
    }
    return left;
  }
}
