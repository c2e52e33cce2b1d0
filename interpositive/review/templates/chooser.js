"use strict";

const FEW_CURVES = 4;

/* Buttons that open and close curves, by group; none where all are open and few. */
function fillChooser(chooser, curves) {
  for (const curve of curves) curve.root.hidden = !curve.told.shown;
  if (curves.length <= FEW_CURVES && curves.every((curve) => curve.told.shown)) return;
  const groups = new Map();
  for (const curve of curves) {
    const { name, group, meaning } = curve.told;
    if (!groups.has(group)) {
      const row = worded("div", "", "row");
      row.append(worded("span", group || (groups.size ? "Others" : "Curves")));
      groups.set(group, row);
      chooser.append(row);
    }
    const button = worded("button", name);
    button.type = "button";
    button.title = meaning;
    button.setAttribute("aria-pressed", String(!curve.root.hidden));
    button.addEventListener("click", () => {
      curve.root.hidden = !curve.root.hidden;
      button.setAttribute("aria-pressed", String(!curve.root.hidden));
    });
    groups.get(group).append(button);
  }
}
