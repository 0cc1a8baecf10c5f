/* Selecting images of a draft: a whole page at once, and how many are selected. */

const contents = document.getElementById("contents");

function boxes() {
  return [...contents.querySelectorAll(".gallery input[name=image]")];
}

function draw() {
  const page = document.getElementById("select-page");
  if (!page) return;
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  page.checked = chosen > 0 && chosen === all.length;
  page.indeterminate = chosen > 0 && chosen < all.length;
  const isEverything = contents.querySelector("[name=all]")?.checked;
  document.getElementById("selected").textContent = isEverything ? "All selected" : counted(chosen);
}

function counted(chosen) {
  return chosen ? `${chosen} selected` : "";
}

/* A click with Shift selects everything since the last click, as in a file manager. */
let lastBox = null;

function extend(box, isRange) {
  const all = boxes();
  const [from, to] = [all.indexOf(lastBox), all.indexOf(box)].sort((a, b) => a - b);
  if (isRange && from >= 0) for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  lastBox = box;
}

export function followSelection() {
  contents.addEventListener("click", (event) => {
    if (event.target.name === "image") extend(event.target, event.shiftKey);
  });
  contents.addEventListener("change", (event) => {
    if (event.target.id === "select-page") for (const box of boxes()) box.checked = event.target.checked;
    draw();
  });
  contents.addEventListener("htmx:afterSettle", draw);
  draw();
}
