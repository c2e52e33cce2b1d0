"use strict";

const PAN_STEP = 0.08;

/* Pictures of the same frame, magnified about one point and compared with the true one, all together. */
class Sheet {
  constructor(root) {
    this.rows = [...root.querySelectorAll(".frames")];
    this.zooms = [...root.querySelectorAll("[data-zoom]")];
    this.difference = root.querySelector("[data-difference]");
    this.zoom = 1;
    for (const button of this.zooms) button.addEventListener("click", () => this.magnify(Number(button.dataset.zoom)));
    this.difference.addEventListener("click", () => this.compare(this.difference.getAttribute("aria-pressed") !== "true"));
    for (const row of this.rows) this.listen(row);
  }

  listen(row) {
    row.centre = [0.5, 0.5];
    for (const well of row.querySelectorAll(".well")) {
      well.addEventListener("pointermove", (event) => {
        const box = well.getBoundingClientRect();
        this.point(row, [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
      });
    }
    row.addEventListener("keydown", (event) => {
      const pan = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (pan) this.point(row, row.centre.map((at, side) => at + pan[side] * PAN_STEP));
      else if (event.key === "+" || event.key === "=") this.magnify(Math.min(4, this.zoom * 2));
      else if (event.key === "-" || event.key === "−") this.magnify(Math.max(1, this.zoom / 2));
      else if (event.key === "d" || event.key === "D") this.difference.click();
      else return;
      event.preventDefault();
    });
  }

  magnify(zoom) {
    this.zoom = zoom;
    for (const button of this.zooms) button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === zoom));
    for (const row of this.rows) this.point(row, row.centre);
  }

  point(row, centre) {
    row.centre = centre.map((at) => Math.min(1, Math.max(0, at)));
    for (const image of row.querySelectorAll("img")) {
      image.style.transformOrigin = row.centre.map((at) => `${100 * at}%`).join(" ");
      image.style.transform = `scale(${this.zoom})`;
      image.style.imageRendering = this.zoom > 2 ? "pixelated" : "auto";
    }
  }

  compare(isOn) {
    this.difference.setAttribute("aria-pressed", String(isOn));
    for (const row of this.rows) {
      const truth = row.querySelector('[data-role="true"] img');
      for (const well of row.querySelectorAll('figure:not([data-role="true"]) .well')) {
        well.querySelector(".over")?.remove();
        well.classList.toggle("difference", isOn);
        if (!isOn) continue;
        const over = truth.cloneNode();
        over.className = "over";
        over.alt = "";
        well.append(over);
      }
      this.point(row, row.centre);
    }
  }
}
