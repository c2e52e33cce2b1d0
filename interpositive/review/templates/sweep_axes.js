"use strict";

const LEAST_STRETCH = 0.01;
const KEY_STEP = 0.05;

/* Stretches of axes that a trial must pass through; wide and narrow drawings show the same ones. */
class AxisBrushes {
  constructor(told, links) {
    this.told = told;
    this.links = links;
    this.stretches = new Map();
    this.groups = [...document.querySelectorAll(".pole-group")];
    this.count = document.querySelector('[data-part="count"]');
    this.clear = document.querySelector('[data-part="clear"]');
    for (const group of this.groups) this.listen(group);
    this.clear?.addEventListener("click", () => {
      this.stretches.clear();
      this.apply();
      this.groups.find((group) => group.getClientRects().length)?.focus();
    });
  }

  listen(group) {
    const at = Number(group.dataset.axis);
    const grip = group.querySelector(".grip");
    const svg = group.ownerSVGElement;
    const [top, bottom] = [Number(svg.dataset.top), Number(svg.dataset.bottom)];
    const height = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return Math.min(1, Math.max(0, (bottom - point.y) / (bottom - top)));
    };
    let from = null;
    grip.addEventListener("pointerdown", (event) => {
      from = height(event);
      grip.setPointerCapture(event.pointerId);
      event.preventDefault();
      group.focus();
    });
    grip.addEventListener("pointermove", (event) => {
      if (from !== null) this.set(at, [Math.min(from, height(event)), Math.max(from, height(event))]);
    });
    grip.addEventListener("pointerup", () => {
      /* A click without drawing lets go. */
      const stretch = this.stretches.get(at);
      if (!stretch || stretch[1] - stretch[0] < LEAST_STRETCH) this.set(at, null);
      from = null;
    });
    grip.addEventListener("pointercancel", () => (from = null));
    group.addEventListener("keydown", (event) => this.key(event, at));
  }

  key(event, at) {
    const stretch = this.stretches.get(at) ?? null;
    const step = { ArrowUp: KEY_STEP, ArrowDown: -KEY_STEP }[event.key];
    if (event.key === "Enter" || event.key === " ") this.set(at, [0.5, 1]);
    else if (event.key === "Escape") this.set(at, null);
    else if (step && event.shiftKey) {
      const [low, high] = stretch ?? [0, 1];
      this.set(at, [Math.max(0, Math.min(low + step, high - KEY_STEP)), high]);
    } else if (step) {
      const [low, high] = stretch ?? [0.5, 1];
      const move = Math.max(-low, Math.min(1 - high, stretch ? step : 0));
      this.set(at, [low + move, high + move]);
    } else return;
    event.preventDefault();
  }

  set(at, stretch) {
    if (stretch) this.stretches.set(at, stretch);
    else this.stretches.delete(at);
    this.apply();
  }

  apply() {
    const room = 1e-6;
    const left = this.links.narrow((trial) =>
      [...this.stretches].every(([at, [low, high]]) => {
        const height = trial.heights[at];
        return height !== null && height >= low - room && height <= high + room;
      }),
    );
    for (const group of this.groups) this.show(group);
    const all = Object.keys(this.told.trials).length;
    this.count.textContent = this.stretches.size ? `${left} of ${all} trials are left` : `All ${all} trials`;
    this.clear.hidden = !this.stretches.size;
  }

  show(group) {
    const at = Number(group.dataset.axis);
    const stretch = this.stretches.get(at);
    const { top, bottom } = group.ownerSVGElement.dataset;
    const long = bottom - top;
    const brush = group.querySelector(".brush");
    brush.setAttribute("y", stretch ? bottom - stretch[1] * long : top);
    brush.setAttribute("height", stretch ? (stretch[1] - stretch[0]) * long : 0);
    group.setAttribute("aria-valuenow", Math.round(100 * (stretch?.[1] ?? 1)));
    group.setAttribute("aria-valuetext", stretch ? this.words(at, stretch) : "everything");
  }

  words(at, [low, high]) {
    const axis = this.told.axes[at];
    if (axis.kind === "category") {
      const num = axis.categories.length;
      const inside = axis.categories.filter((_, place) => (place + 0.5) / num >= low && (place + 0.5) / num <= high);
      return inside.join(", ") || "nothing";
    }
    const ends = axis.isFlipped ? [1 - high, 1 - low] : [low, high];
    const values = ends.map((part) =>
      axis.kind === "log" ? axis.low * (axis.high / axis.low) ** part : axis.low + (axis.high - axis.low) * part,
    );
    return values.map((value) => Number(value.toPrecision(3))).join(" to ");
  }
}
