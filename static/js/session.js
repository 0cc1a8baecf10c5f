/* Renews the CSRF token of a page that is still open after signing in again. */

/**
 * Returns true if someone is signed in; this page's forms then have the token of that session.
 * @param {string} page - the address of this page
 */
export async function renewToken(page) {
  const answer = await fetch(page);
  if (answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = fresh.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  document.body.setAttribute("hx-headers", fresh.body.getAttribute("hx-headers"));
  return true;
}
