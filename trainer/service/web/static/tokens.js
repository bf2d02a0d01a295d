// Tokens: made, shown once, and revoked.

import { $, ask, attempt, refresh, say, sure } from "./page.js";

const form = $("#make");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const scopes = [...form.querySelectorAll("[name=scopes]:checked")].map((each) => each.value);
  attempt(async () => {
    const made = await ask("POST", "/v1/tokens", { user: form.elements.user.value, days: Number(form.elements.days.value), scopes });
    $("#token").textContent = made.token;
    $("#made").hidden = false;
    await refresh();
  });
});

$("#copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("#token").textContent);
  say("It is copied.");
});

$("#tokens").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-revoke]");
  if (!button || !(await sure(`Revoke this token of ${button.dataset.name}? It is good for nothing from then on.`))) return;
  await attempt(() => ask("DELETE", `/v1/tokens/${button.dataset.revoke}`));
  await refresh();
});
