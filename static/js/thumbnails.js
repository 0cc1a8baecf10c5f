/* Loads the thumbnails of a page with one request, because one for each takes the server several
   times as long. Without this script, each has its own. */

/** @type {Map<string, Promise<string | undefined>>} Their addresses in this page, by image key. */
const addresses = new Map();

async function receive(from, keys) {
  const response = await fetch(`${from}?${new URLSearchParams(keys.map((key) => ["key", key]))}`);
  const form = response.ok ? await response.formData() : [];
  return new Map([...form].map(([key, file]) => [key, URL.createObjectURL(file)]));
}

function ask(from, keys) {
  const received = receive(from, keys).catch(() => new Map());
  for (const key of keys) addresses.set(key, received.then((found) => found.get(key)));
}

async function show(image) {
  const { key } = image.dataset;
  const address = await addresses.get(key);
  if (address) {
    image.src = address;
  } else if (!image.hidden) {
    addresses.delete(key); // so that the next gallery with it asks again
    sayFailed(image);
  }
}

function sayFailed(image) {
  const words = Object.assign(document.createElement("span"), { className: "destroyed" });
  words.textContent = "Cannot be loaded";
  image.after(words);
  image.hidden = true;
}

function showAll() {
  for (const gallery of document.querySelectorAll("[data-thumbnails]")) {
    const images = [...gallery.querySelectorAll("img[data-key]:not([src], [hidden])")];
    const keys = images.map(({ dataset }) => dataset.key).filter((key) => !addresses.has(key));
    if (keys.length) ask(gallery.dataset.thumbnails, keys);
    images.forEach(show);
  }
}

htmx.onLoad(showAll);
document.documentElement.classList.add("scripted");
