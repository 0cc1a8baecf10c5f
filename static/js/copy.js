/* Copies the text of a field. Without this script, or on plain HTTP, a person selects it. */

const button = document.querySelector("button[data-copy]");
const field = document.getElementById(button?.dataset.copy);

async function copy() {
  await navigator.clipboard.writeText(field.value);
  document.getElementById("copied").textContent = "Copied.";
}

if (button && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", copy);
}
