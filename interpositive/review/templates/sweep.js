"use strict";

/* A click on a heading puts the rows in its order; rows without a value stay at the end. */
function makeOrderable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const compare = (one, other) => {
    const [a, b] = [Number(one), Number(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of headings) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => ({ row, value: row.cells[column].dataset.value }));
      rows.sort((one, other) => {
        if (one.value === "" || other.value === "") return (one.value === "") - (other.value === "");
        return sign * compare(one.value, other.value);
      });
      body.append(...rows.map(({ row }) => row));
    });
  });
}

const told = JSON.parse(document.getElementById("sweep-data").textContent);
const links = new TrialLinks(told);
if (document.querySelector(".pole-group")) new AxisBrushes(told, links);
for (const root of document.querySelectorAll(".sheet")) if (root.querySelector(".frames")) new Sheet(root);
for (const table of document.querySelectorAll("table.trials")) makeOrderable(table);
