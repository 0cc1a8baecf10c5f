/* A poll replaces the list of batches; it stays as open as the person left it. */
const list = () => document.getElementById("other-batches");
let isOpen = false;

document.addEventListener("htmx:beforeSwap", () => {
  isOpen = list()?.open ?? false;
});

document.addEventListener("htmx:afterSwap", () => {
  if (list()) list().open = isOpen;
});
