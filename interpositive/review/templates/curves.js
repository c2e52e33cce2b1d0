"use strict";

const CURVE = { width: 620, height: 190, left: 54, right: 10, top: 10, bottom: 24 };
const LINES = [
  { colour: "#8fb8de", dash: "7 4" },
  { colour: "#c3a3e0", dash: "2 3" },
  { colour: "#86c9a5", dash: "10 3 2 3" },
  { colour: "#dd9c9c", dash: "4 2" },
  { colour: "#b8b8b8", dash: "1 2" },
];
const CHOSEN_LINE = { colour: "#e3b15c", dash: "" };

function drawn(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function worded(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

/* Round steps that divide an axis into about four parts. */
function axisMarks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= rough);
  const marks = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) marks.push(at * step);
  return marks;
}

/* One metric over time, a line for each method; `jump` is called with the frame that is clicked. */
class Curve {
  constructor(shot, told, jump) {
    this.shot = shot;
    this.told = told;
    let rank = 0;
    this.lines = told.lines.map((line) => ({ ...line, look: line.chosen ? CHOSEN_LINE : LINES[rank++ % LINES.length] }));
    this.root = worded("div", "", "curve");
    const heading = worded("h4", told.name);
    heading.append(worded("span", [told.unit, told.direction].filter(Boolean).join(" · ")));
    this.legend = worded("div", "", "legend");
    this.root.append(heading, worded("p", told.meaning), this.plot(jump), this.legend);
    this.tell(null);
  }

  plot(jump) {
    const values = this.lines.flatMap((line) => line.values).filter((value) => value !== null);
    const least = values.reduce((a, b) => Math.min(a, b), Infinity);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const spread = most - least || Math.abs(most) || 1;
    const low = least >= 0 && least < spread ? 0 : least - spread * 0.06;
    const high = most + spread * 0.06;
    const inner = [CURVE.width - CURVE.left - CURVE.right, CURVE.height - CURVE.top - CURVE.bottom];
    this.x = (index) => CURVE.left + (inner[0] * (index + 0.5)) / this.shot.numFrames;
    this.y = (value) => CURVE.top + inner[1] * (1 - (value - low) / (high - low));
    const svg = drawn("svg", {
      viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, role: "img",
      "aria-label": `${this.told.name}, frame by frame: ${this.lines.map((line) => line.label).join(", ")}`,
    });
    if (values.length) this.axes(svg, axisMarks(low, high));
    for (const line of [...this.lines].reverse()) svg.append(this.path(line));
    svg.append(...this.worstMarks());
    this.head = this.marker("head");
    this.pointer = this.marker("pointer");
    svg.append(this.head, this.pointer);
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) * CURVE.width) / box.width - CURVE.left;
      const index = Math.floor((x / inner[0]) * this.shot.numFrames);
      return Math.min(this.shot.numFrames - 1, Math.max(0, index));
    };
    svg.addEventListener("pointermove", (event) => this.point(at(event)));
    svg.addEventListener("pointerleave", () => this.point(null));
    svg.addEventListener("click", (event) => jump(this.shot.firstFrame + at(event)));
    return svg;
  }

  axes(svg, marks) {
    for (const mark of marks) {
      const y = this.y(mark);
      svg.append(
        drawn("line", { class: "rule", x1: CURVE.left, x2: CURVE.width - CURVE.right, y1: y, y2: y }),
        drawn("text", { class: "axis", x: CURVE.left - 8, y: y + 4, "text-anchor": "end" }, shortNumber(mark)),
      );
    }
    const { firstFrame, numFrames } = this.shot;
    const y = CURVE.height - 6;
    svg.append(
      drawn("text", { class: "axis", x: CURVE.left, y }, `frame ${firstFrame}`),
      drawn("text", { class: "axis", x: CURVE.width - CURVE.right, y, "text-anchor": "end" }, `${firstFrame + numFrames - 1}`),
    );
  }

  path(line) {
    let pen = "M";
    let route = "";
    let dots = "";
    line.values.forEach((value, index) => {
      if (value === null) {
        pen = "M";
        return;
      }
      const [x, y] = [this.x(index).toFixed(1), this.y(value).toFixed(1)];
      const alone = (line.values[index - 1] ?? null) === null && (line.values[index + 1] ?? null) === null;
      if (alone) dots += `M${x} ${y}h.01`;
      route += `${pen}${x} ${y}`;
      pen = "L";
    });
    return this.stroke(line, route + dots);
  }

  stroke(line, route) {
    const { colour, dash } = line.look;
    return drawn("path", {
      d: route, fill: "none", stroke: colour, "stroke-width": line.chosen ? 2.2 : 1.4, "stroke-dasharray": dash,
      "stroke-linejoin": "round", "stroke-linecap": dash ? "butt" : "round",
    });
  }

  /* A ring on the chosen method's line at each worst frame. */
  worstMarks() {
    const line = this.lines.find((held) => held.chosen) ?? this.lines[0];
    return this.shot.worst.flatMap((frame, rank) => {
      const index = frame - this.shot.firstFrame;
      const value = line?.values[index] ?? null;
      if (value === null) return [];
      const title = drawn("title", {}, `worst frame ${rank + 1}: ${frame}`);
      return [drawn("circle", { class: "worst", cx: this.x(index), cy: this.y(value), r: 4.5 }, title)];
    });
  }

  marker(name) {
    return drawn("line", { class: name, y1: CURVE.top, y2: CURVE.height - CURVE.bottom, visibility: "hidden" });
  }

  place(marker, index) {
    marker.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index !== null) for (const end of ["x1", "x2"]) marker.setAttribute(end, this.x(index));
  }

  setFrame(frame) {
    this.current = frame - this.shot.firstFrame;
    this.place(this.head, this.current);
    this.tell(this.current);
  }

  point(index) {
    this.place(this.pointer, index);
    this.tell(index ?? this.current ?? null);
  }

  tell(index) {
    const entries = this.lines.map((line) => {
      const entry = document.createElement("span");
      const stroke = drawn("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, this.stroke(line, "M0 4H24"));
      const value = index === null ? "" : `  ${shortNumber(line.values[index])}`;
      entry.append(stroke, line.label + value);
      return entry;
    });
    if (this.shot.worst.length) {
      const ring = drawn("circle", { class: "worst", cx: 12, cy: 4, r: 3 });
      const entry = document.createElement("span");
      entry.append(drawn("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, ring), "worst frames");
      entries.push(entry);
    }
    if (index !== null) entries.unshift(worded("span", `frame ${this.shot.firstFrame + index}`));
    this.legend.replaceChildren(...entries);
  }
}
