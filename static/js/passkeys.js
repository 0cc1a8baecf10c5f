/* Asks the browser for a passkey when its form is sent, and sends the answer with the form. */

const NO_PASSKEYS = "This browser cannot use passkeys, or this address is not HTTPS.";
const NOT_USED = "No passkey was used. Try again, or use another way.";
const KNOWN = "This device already has a passkey for your account.";

/* The page holds the options, except on the sign-in page, where each attempt asks for new ones. */
async function optionsOf(form) {
  const held = form.querySelector("script[type='application/json']");
  if (held) return JSON.parse(held.textContent);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function create(form) {
  const options = (await optionsOf(form)).creation_options.publicKey;
  if (form.elements.passwordless.checked) {
    const alone = { residentKey: "required", requireResidentKey: true, userVerification: "required" };
    Object.assign(options.authenticatorSelection, alone);
  }
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return navigator.credentials.create({ publicKey });
}

async function get(form) {
  const options = (await optionsOf(form)).request_options.publicKey;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey });
}

async function send(form) {
  const status = form.querySelector("[role=status]");
  status.dataset.level = "error";
  status.textContent = "";
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) return void (status.textContent = NO_PASSKEYS);
  try {
    const credential = await (form.dataset.passkey === "create" ? create(form) : get(form));
    form.elements.credential.value = JSON.stringify(credential);
  } catch (error) {
    return void (status.textContent = error.name === "InvalidStateError" ? KNOWN : NOT_USED);
  }
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
document.documentElement.classList.add("scripted");
