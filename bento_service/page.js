
"use strict";
const form = document.getElementById("try"), button = form.querySelector("button");
const told = document.getElementById("told"), answer = document.getElementById("answer");
const show = (words, text) => {
  told.textContent = words;
  answer.hidden = !text;
  answer.firstChild.textContent = text;
};
const indent = (text) => {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
};
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = document.getElementById("key"), headers = {"Content-Type": "application/json"};
  if (key) headers.Authorization = "Bearer " + key.value;
  button.disabled = true;
  show("Waiting for the answer", "");
  const since = performance.now();
  try {
    const response = await fetch("predict", {method: "POST", headers, body: document.getElementById("body").value});
    const text = await response.text();
    show(`Answered ${response.status} in ${Math.round(performance.now() - since)} ms`, indent(text));
  } catch {
    show("The service does not answer. Is it still running?", "");
  }
  button.disabled = false;
});
button.disabled = false;
