/* Shows a face in full size over the page: ← and → for the next one, Delete removes it from a draft,
   Escape closes. Without this script a face opens as a page of its own. */

const dialog = document.getElementById("lightbox");
const [image, caption] = [dialog?.querySelector("img"), dialog?.querySelector("figcaption")];
let shown = 0;

function faces() {
  return [...document.querySelectorAll("a[data-face]")];
}

function show(number) {
  const all = faces();
  if (!all.length) return dialog.close();
  shown = Math.max(0, Math.min(number, all.length - 1));
  const face = all[shown];
  image.src = face.href;
  image.alt = face.querySelector("img").alt;
  caption.textContent = `${face.dataset.name} (${shown + 1} of ${all.length} on this page)`;
  dialog.querySelector("[data-remove]").hidden = !removeButton(face);
}

function removeButton(face) {
  return face.closest("li").querySelector("button.remove"); // only in a draft
}

function remove() {
  const button = removeButton(faces()[shown]);
  if (!button) return;
  document.addEventListener("htmx:afterSettle", () => dialog.open && show(shown), { once: true });
  button.click();
}

function close() {
  dialog.close();
  image.removeAttribute("src");
  faces()[shown]?.focus();
}

const KEYS = { ArrowLeft: () => show(shown - 1), ArrowRight: () => show(shown + 1), Delete: remove };

function openFaces() {
  document.addEventListener("click", (event) => {
    const face = event.target.closest("a[data-face]");
    if (!face || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(faces().indexOf(face));
    dialog.showModal();
  });
  dialog.addEventListener("keydown", (event) => {
    if (!KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.querySelector("[data-previous]").addEventListener("click", KEYS.ArrowLeft);
  dialog.querySelector("[data-next]").addEventListener("click", KEYS.ArrowRight);
  dialog.querySelector("[data-remove]").addEventListener("click", remove);
  dialog.querySelector("[data-close]").addEventListener("click", close);
}

if (dialog) openFaces();
