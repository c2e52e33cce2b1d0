"use strict";

const DIFFERENCE_GAIN = 8;
const PREFETCHED_FRAMES = 12;

/* A wipe between two tracks of a shot, frame by frame. */
class Player {
  constructor(root, shot, pictures) {
    this.root = root;
    this.shot = shot;
    this.pictures = pictures;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.canvas = this.part("canvas");
    this.context = this.canvas.getContext("2d");
    this.index = 0;
    this.wipe = 0.5;
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.differs = false;
    this.timer = null;
    this.listeners = [];
    this.left = shot.seats.before ?? shot.seats.result;
    this.right = shot.seats.result;
    this.fillChoices();
    this.listen();
    this.fit();
    new ResizeObserver(() => this.fit()).observe(this.part("screen"));
  }

  fillChoices() {
    for (const side of ["left", "right"]) {
      const select = this.part(side);
      this.shot.tracks.forEach((track, at) => select.add(new Option(track.label, String(at))));
      select.addEventListener("change", () => {
        this[side] = Number(select.value);
        this.draw();
      });
    }
  }

  listen() {
    const press = (name, act) => this.part(name).addEventListener("click", act);
    press("swap", () => this.swap());
    press("difference", () => this.setDifference(!this.differs));
    press("back", () => this.step(-1));
    press("forward", () => this.step(1));
    press("play", () => this.toggle());
    for (const button of this.root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.setZoom(Number(button.dataset.zoom)));
    }
    this.part("timeline").addEventListener("input", (event) => this.show(Number(event.target.value)));
    this.part("wipe").addEventListener("input", (event) => this.setWipe(Number(event.target.value) / 1000));
    this.part("overlay")?.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  /* Whole-number enlargement of small pictures keeps every pixel square. */
  fit() {
    const box = this.part("screen");
    const style = getComputedStyle(box);
    const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const byWidth = Math.floor(room / this.shot.width);
    const byHeight = Math.floor(Math.max(window.innerHeight * 0.78, 420) / this.shot.height);
    const scale = Math.max(1, Math.min(byWidth, byHeight));
    this.canvas.style.imageRendering = this.shot.width > room ? "auto" : "pixelated";
    if (this.canvas.width !== this.shot.width * scale || this.canvas.height !== this.shot.height * scale) {
      this.canvas.width = this.shot.width * scale;
      this.canvas.height = this.shot.height * scale;
    }
    this.draw();
  }

  grab(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.panning = event.shiftKey && this.zoom > 1 ? [event.offsetX, event.offsetY, ...this.centre] : null;
    this.root.focus({ preventScroll: true });
    event.preventDefault();
    this.drag(event);
  }

  drag(event) {
    if (!(event.buttons & 1)) return;
    const { clientWidth, clientHeight } = this.canvas;
    if (this.panning) {
      const [x, y, centreX, centreY] = this.panning;
      this.centre = [
        centreX - (event.offsetX - x) / clientWidth / this.zoom,
        centreY - (event.offsetY - y) / clientHeight / this.zoom,
      ];
      this.draw();
    } else {
      this.setWipe(event.offsetX / clientWidth);
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target.tagName === "SELECT") return;
    const onRange = target.tagName === "INPUT";
    const acts = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      Home: () => this.show(0),
      End: () => this.show(this.shot.frames.length - 1),
      " ": () => this.toggle(),
      w: () => this.nextWorst(),
      d: () => this.setDifference(!this.differs),
      m: () => this.nextOverlay(),
      z: () => this.setZoom(this.zoom === 4 ? 1 : this.zoom * 2),
      x: () => this.swap(),
      "[": () => this.setWipe(this.wipe - 0.02),
      "]": () => this.setWipe(this.wipe + 0.02),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (onRange && /^(Arrow|Home|End)/.test(event.key))) return;
    if (event.key === " " && target.tagName === "BUTTON") return;
    event.preventDefault();
    act();
  }

  swap() {
    [this.left, this.right] = [this.right, this.left];
    this.draw();
  }

  setWipe(value) {
    this.wipe = Math.min(1, Math.max(0, value));
    this.part("wipe").value = String(Math.round(this.wipe * 1000));
    this.draw();
  }

  setDifference(on) {
    this.differs = on && this.shot.tracks.length > 1;
    this.part("difference").setAttribute("aria-pressed", String(this.differs));
    this.draw();
  }

  nextOverlay() {
    const select = this.part("overlay");
    if (!select) return;
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    this.draw();
  }

  setZoom(zoom) {
    this.zoom = zoom;
    this.centre = this.shot.centres[this.index] ?? [0.5, 0.5];
    this.draw();
  }

  nextWorst() {
    const { worst, frames } = this.shot;
    if (!worst.length) return;
    const at = worst.indexOf(frames[this.index]);
    this.goTo(worst[(at + 1) % worst.length]);
  }

  /* Shows the embedded frame that is nearest to a frame number. */
  goTo(frame) {
    const away = this.shot.frames.map((held) => Math.abs(held - frame));
    this.stop();
    this.show(away.indexOf(Math.min(...away)));
  }

  step(by) {
    this.stop();
    this.show((this.index + by + this.shot.frames.length) % this.shot.frames.length);
  }

  show(index) {
    this.index = index;
    this.draw();
    for (const told of this.listeners) told(this.shot.frames[index]);
  }

  toggle() {
    if (this.timer) this.stop();
    else this.play();
  }

  stop() {
    cancelAnimationFrame(this.timer);
    this.timer = null;
    this.part("play").textContent = "Play";
  }

  play() {
    const [start, stop] = this.shot.playable.map((frame) => this.shot.frames.indexOf(frame));
    const first = start;
    const last = stop < 0 ? this.shot.frames.indexOf(this.shot.playable[1] - 1) : stop - 1;
    const [numerator, denominator] = this.shot.rate.split("/").map(Number);
    const period = (1000 * (denominator || 1)) / numerator;
    let due = performance.now() + period;
    this.part("play").textContent = "Pause";
    const tick = (now) => {
      if (now >= due) {
        const inside = this.index >= first && this.index < last;
        this.show(inside ? this.index + 1 : first);
        due = Math.max(due + period, now);
      }
      this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
  }

  prefetch() {
    const total = this.shot.frames.length;
    for (let ahead = 1; ahead <= Math.min(PREFETCHED_FRAMES, total - 1); ahead += 1) {
      for (const track of [this.left, this.right]) this.pictures.picture(track, (this.index + ahead) % total);
    }
  }

  /* Draws once both pictures are decoded, unless a later frame was asked for meanwhile. */
  async draw() {
    const asked = (this.asked = Symbol("draw"));
    const style = this.part("overlay")?.value ?? "off";
    const [left, right, overlay] = await Promise.all([
      this.pictures.picture(this.left, this.index),
      this.pictures.picture(this.right, this.index),
      style === "off" ? null : this.pictures.overlay(this.index, style),
    ]);
    if (asked !== this.asked) return;
    this.paint(left, right, overlay);
    this.label();
    this.prefetch();
  }

  paint(left, right, overlay) {
    const { context, canvas, shot } = this;
    const { width, height } = shot;
    const [seenWidth, seenHeight] = [width / this.zoom, height / this.zoom];
    const corner = (centre, whole, seen) => Math.round(Math.min(whole - seen, Math.max(0, centre * whole - seen / 2)));
    const x = corner(this.centre[0], width, seenWidth);
    const y = corner(this.centre[1], height, seenHeight);
    const put = (picture) => context.drawImage(picture, x, y, seenWidth, seenHeight, 0, 0, canvas.width, canvas.height);
    const cut = Math.round(this.wipe * canvas.width);
    context.imageSmoothingEnabled = false;
    if (this.differs) {
      put(difference(left, right, width, height, DIFFERENCE_GAIN));
    } else {
      put(right);
      context.save();
      context.beginPath();
      context.rect(0, 0, cut, canvas.height);
      context.clip();
      put(left);
      context.restore();
    }
    if (overlay) put(overlay);
    if (!this.differs && this.left !== this.right && cut > 0 && cut < canvas.width) {
      context.fillStyle = "rgb(0 0 0 / .55)";
      context.fillRect(cut - 1, 0, 3, canvas.height);
      context.fillStyle = "#fff";
      context.fillRect(cut, 0, 1, canvas.height);
    }
  }

  label() {
    const { shot, index } = this;
    const [left, right] = [shot.tracks[this.left].label, shot.tracks[this.right].label];
    this.part("left").value = String(this.left);
    this.part("right").value = String(this.right);
    this.part("left-tag").textContent = this.differs ? `${left} − ${right}, ×${DIFFERENCE_GAIN}` : left;
    this.part("right-tag").textContent = this.differs ? "" : right;
    this.part("right-tag").hidden = this.differs || shot.tracks.length === 1;
    this.part("timecode").textContent = shot.timecodes[index] ?? "no timecode";
    this.part("frame").textContent = `frame ${shot.frames[index]}`;
    this.part("timeline").value = String(index);
    this.part("timeline").setAttribute("aria-valuetext", `frame ${shot.frames[index]}`);
    for (const button of this.root.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === this.zoom));
    }
  }
}
