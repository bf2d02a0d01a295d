// Files: chosen or dropped, sent with their progress, and deleted.

import { $, attempt, ask, refresh, say, sure } from "./page.js";

const form = $("#upload"), sent = $("#sent");

function send(file) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // which says how much has been sent; fetch does not
    request.open("POST", `/v1/datasets?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => { sent.value = event.loaded / (event.total || 1); };
    request.onload = () => {
      const answer = JSON.parse(request.responseText);
      if (request.status === 201) resolve(answer);
      else reject(Object.assign(new Error(answer.detail), { status: request.status }));
    };
    request.onerror = () => reject(new Error("the service does not answer"));
    request.send(file);
  });
}

async function upload(files) {
  sent.hidden = false;
  for (const file of files) {
    sent.value = 0;
    const answer = await attempt(() => send(file));
    if (answer) say(`${answer.name} is here: dataset: {path: '${answer.config}'}`);
  }
  sent.hidden = true;
  await refresh();
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  await upload(form.elements.file.files);
  form.reset();
});

if (form) {
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    upload(event.dataTransfer.files);
  });
}

$("#files").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-delete]");
  if (!button || !(await sure(`Delete ${button.dataset.name}?`))) return;
  await attempt(() => ask("DELETE", `/v1/datasets/${button.dataset.delete}`));
  await refresh();
});
