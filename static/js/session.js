/* Renews the CSRF token of a page that is still open after signing in again. */

/** Returns true if someone is signed in; this page's forms then have the token of that session. */
export async function renewToken() {
  const answer = await fetch(location.pathname);
  if (answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = fresh.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  document.body.setAttribute("hx-headers", fresh.body.getAttribute("hx-headers"));
  return true;
}
