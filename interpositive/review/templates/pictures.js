"use strict";

const KEPT_PICTURES = 48;

/* Pictures of one shot: made when first asked for, since a browser keeps decoded frames no longer than it must. */
class ShotPictures {
  constructor(shot) {
    this.shot = shot;
    this.made = new Map();
    this.laid = new Map();
    this.mattes = new Map();
  }

  /* A promise of one track's frame, whole: stored blocks laid over the plate where only those are stored. */
  picture(track, index) {
    const key = `${track} ${index}`;
    if (!this.laid.has(key)) {
      this.laid.set(key, this.lay(track, index));
      if (this.laid.size > KEPT_PICTURES) this.laid.delete(this.laid.keys().next().value);
    }
    return this.laid.get(key);
  }

  async lay(track, index) {
    const { tracks, width, height, block } = this.shot;
    const stored = (at) => this.image(`${at} ${index}`, () => `data:image/jpeg;base64,${tracks[at].pictures[index]}`).loaded;
    const runs = tracks[track].runs[index];
    if (!runs) return stored(track);
    const plate = tracks.findIndex((held) => held.role === "plate");
    const [under, over] = await Promise.all([stored(plate), stored(track)]);
    const canvas = blank(width, height);
    const context = canvas.getContext("2d");
    context.drawImage(under, 0, 0);
    for (const [row, column, length] of runs) {
      const [x, y] = [column * block, row * block];
      const [wide, high] = [Math.min(length * block, width - x), Math.min(block, height - y)];
      context.drawImage(over, x, y, wide, high, x, y, wide, high);
    }
    return canvas;
  }

  image(key, source) {
    let image = this.made.get(key);
    if (!image) {
      image = new Image();
      image.loaded = new Promise((resolve, reject) => {
        image.onload = () => resolve(image);
        image.onerror = () => reject(new Error(`picture ${key} cannot be shown`));
      });
      image.src = source();
      this.made.set(key, image);
    }
    return image;
  }

  /* The mask of a frame as an overlay the size of the picture: filled, or its edge alone. */
  async overlay(index, style) {
    const key = `${style} ${index}`;
    if (!this.mattes.has(key)) {
      const image = await this.image(`matte ${index}`, () => `data:image/png;base64,${this.shot.matte[index]}`).loaded;
      this.mattes.set(key, tinted(pixelsOf(image, this.shot.width, this.shot.height), style));
      if (this.mattes.size > 64) this.mattes.delete(this.mattes.keys().next().value);
    }
    return this.mattes.get(key);
  }
}

function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

function pixelsOf(image, width, height) {
  const context = blank(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function tinted(matte, style) {
  const { width, height, data } = matte;
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && data[4 * (y * width + x)] > 127;
  const canvas = blank(width, height);
  const context = canvas.getContext("2d");
  const out = context.createImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = inside(x, y);
      const near = inside(x - 1, y) || inside(x + 1, y) || inside(x, y - 1) || inside(x, y + 1);
      const shown = style === "outline" ? !here && near : here;
      if (shown) out.data.set([255, 45, 45, style === "outline" ? 255 : 120], 4 * (y * width + x));
    }
  }
  context.putImageData(out, 0, 0);
  return canvas;
}

function difference(left, right, width, height, gain) {
  const a = pixelsOf(left, width, height).data;
  const canvas = blank(width, height);
  const context = canvas.getContext("2d");
  const out = pixelsOf(right, width, height);
  const b = out.data;
  for (let at = 0; at < a.length; at += 4) {
    for (let channel = at; channel < at + 3; channel += 1) {
      b[channel] = Math.min(255, gain * Math.abs(a[channel] - b[channel]));
    }
  }
  context.putImageData(out, 0, 0);
  return canvas;
}
